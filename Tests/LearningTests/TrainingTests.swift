// SPDX-License-Identifier: Apache-2.0

import Agent
import Base
import Datasets
import Foundation
import OrderedCollections
import Synchronization
import TensorMath
import Testing
import Text

@testable import Learning

@Suite struct TrainingTests {
    private func cloning(_ oracle: Oracle = .gold, epochs: Int = 12) -> BehaviourCloning {
        var cloning = BehaviourCloning()
        cloning.oracle = oracle
        cloning.epochs = epochs
        cloning.batch = 4
        cloning.learningRate = 1e-2
        return cloning
    }

    @Test func theTwoHopsAreLearned() async throws {
        let questions = try SmallWorld.training()
        let fresh = try LearnedPolicy(architecture: CandidateScorer.architecture, seed: 3)
        let own = Array(questions.prefix(8))
        let losses = Mutex<[Float]>([])
        let trained = try await cloning(epochs: 8).train(fresh, on: own) { _, loss, _ in
            losses.withLock { $0.append(loss) }
        }
        let curve = losses.withLock { $0 }
        #expect(curve.count == 8 && curve[7] < 0.7 * curve[0])
        #expect(try await SmallWorld.recall(trained, Array(questions.suffix(4))) >= 0.75)
        // It searches, keeps, follows the link, keeps, and answers.
        var options = EpisodeOptions()
        options.temperature = nil
        let episode = try await Rollouts.run(questions[0], policy: trained, options: options, seed: 0)
        #expect(Set(episode.kept.map(\.id)) == Set(questions[0].question.gold) && episode.stopped)
        let again = try await cloning(epochs: 8).train(fresh, on: own)
        #expect(again.parameters == trained.parameters)
    }

    @Test func theNetworksGradientEqualsFiniteDifferences() async throws {
        let questions = try SmallWorld.training()
        var generator = SplitMix64(seed: 5)
        for architecture in PolicyNetworks.all.keys.sorted() {
            let policy = try LearnedPolicy(architecture: architecture, seed: 4)
            var steps: [EpisodeStep] = []
            let options = EpisodeOptions()
            for question in questions.prefix(2) {
                let episode = try await Rollouts.run(question, policy: policy, options: options, seed: 5)
                steps += episode.steps(question.corpus.space, options.actions)
            }
            let credits = steps.indices.map { StepCredit(advantage: Float($0 % 3) - 1, valueTarget: 0.5) }
            var training = RewardTraining()
            training.method = ProximalPolicy()
            training.entropyWeight = 0.1
            let reference = try LearnedPolicy(architecture: architecture, seed: 6).parameters
            let (gradients, pass) = training.gradients(
                policy.network, policy.parameters, reference: reference, steps, credits)
            // The policy that acts is the one that is trained: every ratio is 1, and behaviour probabilities are exact.
            #expect(abs(pass.meanRatio - 1) < 1e-4 && abs(pass.largestRatio - 1) < 1e-3)
            #expect(pass.divergence > 0 && pass.entropy > 0)
            for _ in 0..<12 {
                let index = generator.integer(below: gradients.count)
                let element = generator.integer(below: gradients[index].elements.count)
                func loss(_ shift: Float) -> Float {
                    var shifted = policy.parameters
                    shifted.values[index].elements[element] += shift
                    return training.gradients(policy.network, shifted, reference: reference, steps, credits).pass.loss
                }
                let numeric = (loss(2e-3) - loss(-2e-3)) / 4e-3
                let exact = gradients[index].elements[element]
                #expect(abs(numeric - exact) < 0.02 * max(1, abs(exact)), "\(architecture) \(index) \(element)")
            }
        }
    }

    @Test(arguments: ["rloo", "grpo", "ppo", "reinforce"])
    func rewardsImproveThePolicy(_ method: String) async throws {
        let questions = try SmallWorld.training()
        let start = try LearnedPolicy(architecture: "candidate-scorer", seed: 2)
        var training = RewardTraining()
        training.method = try #require(PolicyGradientMethods.all[method]).init()
        training.iterations = 14
        training.batch = 6
        training.group = 4
        training.learningRate = 1e-2
        training.divergenceWeight = 0
        (training.episodes.actions.keep, training.episodes.actions.lookups) = (2, 3)
        training.episodes.actions.stops = false
        let rewards = Mutex<[Float]>([])
        _ = try await training.run(
            start, from: .init(from: start.parameters), on: questions, rewards: RewardMix([(1, GoldCoverage())])
        ) { record, _, _ in rewards.withLock { $0.append(record.reward) } }
        let curve = rewards.withLock { $0 }
        // An alarm may end a run before its last iteration.
        #expect((8...14).contains(curve.count))
        #expect(curve.suffix(4).reduce(0, +) > curve.prefix(4).reduce(0, +))
    }

    /// The reward hacked on purpose: one passage holds every answer and the words of every question.
    @Test func aPassageWithEveryAnswerIsNoWayToReward() async throws {
        let heap = WorldPassage(
            id: "heap", title: "Rivers, towns and painters",
            text: "Which river, or which town, was a painter born beside. "
                + (SmallWorld.rivers + (0..<20).map { "Lake\($0)" }).joined(separator: ", ") + ".")
        let asked = SmallWorld.questions()
        // Twelve answers and twenty more: a heap by any count.
        let known = asked + (0..<20).map { LearningQuestion(id: "l\($0)", text: "", answers: ["Lake\($0)"]) }
        for question in asked {
            let episode = try SmallWorld.episode([heap], question: question)
            // Without the rule there is something to hack, with it there is not.
            #expect(try await AnswerSupport().rewards(for: episode) == [1])
            #expect(try await AnswerSupport(questions: known).rewards(for: episode) == [0])
        }
    }

    @Test func theOracleLooksOnAndKeepsGold() async throws {
        let question = try SmallWorld.training()[0]
        let options = ActionOptions()
        let teacher = TeacherPolicy(oracle: .gold, question: question, options: options, share: 1, network: nil)
        let episode = try await Rollouts.run(question, policy: teacher, options: EpisodeOptions(), seed: 1)
        #expect(Set(episode.kept.map(\.id)) == ["person-0", "town-0"])
        // The searches with the question, the first links, all that the first passage leads to, two passages, the answer.
        #expect(episode.lookups <= 6 && episode.stopped)
        let last = try #require(episode.trajectory.steps.last)
        let targets = try await Oracle.gold.targets(last.state, last.candidates, question, options)
        #expect(targets.map { last.candidates[$0].kind } == [.answer(text: nil)])
        // Where gold is out of reach it looks on, and keeps nothing.
        let blind = TrainingQuestion(
            LearningQuestion(id: "x", text: question.question.text, gold: ["nowhere"]), on: question.corpus)
        let blindly = try await Oracle.gold.targets(last.state, last.candidates, blind, options)
        #expect(blindly.allSatisfy { if case .call = last.candidates[$0].kind { true } else { false } })
    }

    @Test func questionsThatShareGoldStayTogether() {
        let questions = (0..<40).map { index in
            LearningQuestion(id: "\(index)", text: "?", gold: ["p\(index / 2)", "own\(index)"])
        }
        let (train, held) = QuestionSplit.divide(questions, seed: 3)
        #expect(train.count + held.count == 40 && (4...12).contains(held.count))
        let seen = Set(train.flatMap(\.gold))
        #expect(held.allSatisfy { seen.isDisjoint(with: $0.gold) })
        #expect(QuestionSplit.divide(questions, seed: 3).held == held)
        let one = (0..<10).map { LearningQuestion(id: "\($0)", text: "?", gold: ["same"]) }
        #expect(QuestionSplit.divide(one).held.count == 2)
    }

    @Test func questionFilesAreReadAsTheyAreMeant() throws {
        let path = SmallWorld.folder() + "/q.jsonl"
        let lines = [
            #"{"question": "Who?", "answers": ["Ada"], "supporting": ["p1"]}"#, "", "no json",
            #"{"id": 7, "text": "How many?", "answer": 3}"#, #"{"answers": ["x"]}"#,
        ]
        try lines.joined(separator: "\r\n").write(toFile: path, atomically: true, encoding: .utf8)
        let set = try DatasetReader.read(path)
        let questions = set.questions.map { LearningQuestion($0) }
        #expect(questions.map(\.text) == ["Who?", "How many?"] && questions[1].answers == ["3"])
        #expect(questions[0].gold == ["p1"] && questions[1].id == "7" && set.refused.map(\.line) == [3, 5])
        try "\n".write(toFile: path, atomically: true, encoding: .utf8)
        #expect(throws: DatasetError.self) { try DatasetReader.read(path) }
    }

    @Test func recipesAreReadFromPolicyFiles() throws {
        var recipe = TrainingRecipe()
        recipe.method = "ppo"
        recipe.iterations = 12
        recipe.rewards = ["answer": 1, "call-cost": 0.01]
        let head = "name: x\nproposers: [question]\n"
        let read = try TrainingRecipe(PolicyFile(yaml: head + recipe.yaml + "\n", source: "x.yaml"))
        #expect(read == recipe && read.reads && !read.teachesStopping)
        // A session's strategy can be made from the same file.
        _ = try PolicyFile(yaml: head + recipe.yaml + "\n", source: "x.yaml").strategy()
        #expect(try TrainingRecipe(PolicyFile(yaml: head, source: "x.yaml")) == TrainingRecipe())
        for wrong in ["{method: magic}", "{rewards: {gold: 1}}", "{rewards: {answer: much}}", "{epoch: 3}"] {
            #expect(throws: PolicyError.self) {
                try TrainingRecipe(PolicyFile(yaml: head + "training: \(wrong)\n", source: "x.yaml"))
            }
        }
    }

    @Test func aKilledRunResumesToTheSameCurve() async throws {
        struct Killed: Error {}
        let questions = try SmallWorld.training()
        let start = try LearnedPolicy(architecture: "candidate-scorer", seed: 2)
        var training = RewardTraining()
        training.method = ProximalPolicy()
        training.iterations = 8
        training.batch = 4
        training.group = 4
        let rewards = RewardMix([(1, AnswerSupport()), (0.1, QuestionCoverage())])

        func run(_ folder: TrainingFolder, dieAfter: Int?) async throws -> RewardTraining.Progress {
            let fresh = RewardTraining.Progress(from: start.parameters)
            let progress = try folder.stored(fresh) ?? fresh
            return try await training.run(start, from: progress, on: questions, rewards: rewards) {
                record, progress, _ in
                try folder.store(record, progress)
                if record.iteration == dieAfter { throw Killed() }
            }
        }
        let whole = try TrainingFolder(SmallWorld.folder())
        let uninterrupted = try await run(whole, dieAfter: nil)
        let broken = try TrainingFolder(SmallWorld.folder())
        await #expect(throws: Killed.self) { try await run(broken, dieAfter: 2) }
        // A crash between the record and the checkpoint: a record too many, and a torn line.
        let handle = try #require(FileHandle(forWritingAtPath: broken.path + "/metrics.jsonl"))
        try handle.seekToEnd()
        try handle.write(contentsOf: Data("{\"iteration\":3,\"reward\":9}\n{\"itera".utf8))
        try handle.close()
        await #expect(throws: Killed.self) { try await run(broken, dieAfter: 5) }
        let resumed = try await run(broken, dieAfter: nil)
        #expect(resumed == uninterrupted)
        let curve = try Data(contentsOf: URL(fileURLWithPath: whole.path + "/metrics.jsonl"))
        #expect(try Data(contentsOf: URL(fileURLWithPath: broken.path + "/metrics.jsonl")) == curve)
        #expect(try whole.metrics().count == 8)
    }

    @Test func anAlarmGivesTheLastGoodWeights() async throws {
        let questions = try SmallWorld.training()
        let start = try LearnedPolicy(architecture: "candidate-scorer", seed: 2)
        var training = RewardTraining()
        training.iterations = 20
        training.batch = 4
        training.group = 3
        training.learningRate = 0.05
        training.alarms.mostDivergence = 0.05
        let alarms = Mutex<[CollapseAlarms.Alarm]>([])
        let end = try await training.run(
            start, from: .init(from: start.parameters), on: questions, rewards: RewardMix([(1, AnswerSupport())])
        ) { _, _, alarm in
            if let alarm { alarms.withLock { $0.append(alarm) } }
        }
        #expect(alarms.withLock { $0.count } == 1)
        #expect(end.parameters == end.best && end.iteration < 20)
    }

    @Test func policiesComeBackFromTheirFiles() throws {
        let path = SmallWorld.folder() + "/policy.safetensors"
        for architecture in PolicyNetworks.all.keys {
            let policy = try LearnedPolicy(architecture: architecture, seed: 7)
            try policy.write(to: path, notes: ["seed": "7"])
            let read = try LearnedPolicy(weights: path)
            #expect(read.parameters == policy.parameters && read.architecture == architecture)
            #expect(read.fingerprint == policy.fingerprint)
        }
        var other = SafetensorsWriter(metadata: [
            "architecture": "candidate-scorer", "dimension": "8", "features": "other",
        ])
        other.add("x", shape: [1], [1])
        try other.write(to: path)
        #expect(throws: PolicyFileError.otherFeatures(path: path)) { try LearnedPolicy(weights: path) }
        try SafetensorsWriter().write(to: path)
        #expect(throws: PolicyFileError.self) { try LearnedPolicy(weights: path) }
        #expect(throws: PolicyFileError.self) { try LearnedPolicy(architecture: "none", seed: 1) }
    }

    @Test func curvesAreWrittenForPeopleAndForTensorBoard() throws {
        let folder = try TrainingFolder(SmallWorld.folder())
        var parameters = ParameterSet()
        parameters.add("w", Matrix(row: [1]))
        var progress = RewardTraining.Progress(from: parameters)
        for iteration in 0..<3 {
            var record = IterationRecord()
            record.iteration = iteration
            record.reward = Float(iteration) * 0.5
            progress.iteration = iteration + 1
            try folder.store(record, progress, extra: [("recall@5", 0.25)])
        }
        try folder.drawCurves(title: "A <run>", time: 1)
        let page = try String(contentsOfFile: folder.path + "/curves.html", encoding: .utf8)
        #expect(
            page.contains("A &lt;run&gt;") && page.contains("recall@5") && !page.contains("<script")
                && !page.contains("http"))
        let bytes = try [UInt8](Data(contentsOf: URL(fileURLWithPath: folder.path + "/events.out.tfevents.forage")))
        // Walk the records: every length and every checksum must fit.
        var position = 0
        var count = 0
        while position < bytes.count {
            let header = Array(bytes[position..<(position + 8)])
            let length = header.enumerated().reduce(0) { $0 | Int($1.element) << (8 * $1.offset) }
            func checksum(at place: Int) -> UInt32 {
                (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[place + $1]) << UInt32(8 * $1) }
            }
            #expect(checksum(at: position + 8) == TensorBoardWriter.maskedChecksum(header))
            let body = Array(bytes[(position + 12)..<(position + 12 + length)])
            #expect(checksum(at: position + 12 + length) == TensorBoardWriter.maskedChecksum(body))
            position += 16 + length
            count += 1
        }
        #expect(count == 4 && position == bytes.count)
    }
}
