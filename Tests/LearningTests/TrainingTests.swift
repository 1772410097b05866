// SPDX-License-Identifier: Apache-2.0

import Agent
import Base
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

    @Test(arguments: ["candidate-scorer", "recurrent-retriever", "compositional-retriever"])
    func everyArchitectureLearnsTheTwoHops(_ architecture: String) async throws {
        let questions = try SmallWorld.prepared()
        let fresh = try LearnedPolicy(architecture: architecture, dimension: 8, seed: 3)
        let own = Array(questions.prefix(8))
        let trained = try await cloning(epochs: 20).train(fresh, on: own)
        // The vectors here are noise, so that only what reads features alone can do as well on questions not seen.
        let judged = architecture == CandidateScorer.architecture ? Array(questions.suffix(4)) : own
        #expect(SmallWorld.recall(trained, judged) >= 0.75)
        #expect(SmallWorld.recall(trained, judged) > SmallWorld.recall(fresh, judged))
        let again = try await cloning(epochs: 20).train(fresh, on: own)
        #expect(again.parameters == trained.parameters)
    }

    @Test func theNetworksGradientEqualsFiniteDifferences() async throws {
        let questions = try SmallWorld.prepared()
        var generator = SplitMix64(seed: 5)
        for architecture in PolicyNetworks.all.keys.sorted() {
            let policy = try LearnedPolicy(architecture: architecture, dimension: 8, seed: 4)
            var steps: [EpisodeStep] = []
            for question in questions.prefix(2) {
                steps += question.run(policy, options: EpisodeOptions(), using: &generator).steps
            }
            let credits = steps.indices.map { StepCredit(advantage: Float($0 % 3) - 1, valueTarget: 0.5) }
            var training = RewardTraining()
            training.method = ProximalPolicy()
            training.entropyWeight = 0.1
            let reference = try LearnedPolicy(architecture: architecture, dimension: 8, seed: 6).parameters
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
    func answerRewardsAloneTeachTheSecondHop(_ method: String) async throws {
        let questions = try SmallWorld.prepared()
        let fresh = try LearnedPolicy(architecture: "candidate-scorer", dimension: 8, seed: 2)
        // From plain hybrid retrieval: no gold at any stage.
        let start = try await cloning(.hybrid, epochs: 4).train(fresh, on: questions)
        var training = RewardTraining()
        training.method = try #require(PolicyGradientMethods.all[method]).init()
        training.iterations = 30
        training.batch = 6
        training.group = 6
        training.learningRate = 5e-3
        training.episodes.steps = 3
        training.episodes.allowsStop = false
        let end = try await training.run(
            start, from: .init(from: start.parameters), on: questions, rewards: RewardMix([(1, AnswerSupport())]))
        let support = { (parameters: ParameterSet) in
            let policy = LearnedPolicy(network: start.network, parameters: parameters)
            return questions.filter { question in
                var generator = SplitMix64(seed: 0)
                let kept = question.run(policy, options: .ranking, using: &generator).kept
                return kept.prefix(3).contains { question.question.gold.last == $0.id }
            }.count
        }
        #expect(support(end.parameters) > support(start.parameters))
        #expect(support(end.parameters) >= 9)
    }

    /// The reward hacked on purpose: one passage holds every answer and the words of every question.
    @Test func aPassageWithEveryAnswerIsNoWayToReward() async throws {
        let heap = WorldPassage(
            id: "heap", title: "Rivers, towns and painters",
            text: "Which river flows through the town where the painter was born: "
                + (SmallWorld.rivers + (0..<20).map { "Lake\($0)" }).joined(separator: ", ") + ".")
        let passages = SmallWorld.passages() + [heap]
        let world = try RetrievalWorld(passages: passages, vectors: SmallWorld.vectors(passages.count, seed: 1))
        let vectors = SmallWorld.vectors(SmallWorld.people.count, seed: 2)
        var options = PoolOptions()
        // All passages are in reach: nothing but the reward keeps the policy from the heap.
        (options.keyword, options.semantic, options.nextKeyword, options.nextSemantic) = (40, 40, 3, 2)
        let asked = SmallWorld.questions()
        let questions = asked.enumerated().map { index, question in
            PreparedQuestion(question, vector: Array(vectors.row(index)), world: world, options: options)
        }
        let fresh = try LearnedPolicy(architecture: "candidate-scorer", dimension: 8, seed: 2)
        let start = try await cloning(.hybrid, epochs: 4).train(fresh, on: questions)
        var training = RewardTraining()
        training.iterations = 40
        (training.batch, training.group, training.learningRate) = (6, 6, 5e-3)
        training.episodes.steps = 3
        training.episodes.allowsStop = false
        // Twelve answers and twenty more: a heap by any count.
        let known = asked + (0..<20).map { LearningQuestion(id: "l\($0)", text: "", answers: ["Lake\($0)"]) }
        /// On how many questions a policy trained by some rewards keeps the heap among its first three passages.
        func heaps(_ rewards: RewardMix) async throws -> Int {
            let end = try await training.run(
                start, from: .init(from: start.parameters), on: questions, rewards: rewards)
            let policy = LearnedPolicy(network: start.network, parameters: end.parameters)
            return questions.filter { question in
                var generator = SplitMix64(seed: 0)
                return question.run(policy, options: .ranking, using: &generator).kept.prefix(3).contains {
                    $0.id == "heap"
                }
            }.count
        }
        // Early answers pay much more than late ones: the heap pays best where it pays at all.
        var (open, closed) = (AnswerSupport(), AnswerSupport(questions: known))
        (open.decay, closed.decay) = (0.4, 0.4)
        // Without the rule the hack is found on nearly every question: there is something to hack.
        #expect(try await heaps(RewardMix([(1, open)])) >= 9)
        #expect(try await heaps(RewardMix([(1, closed)])) <= 4)
    }

    @Test func theOracleOfQueriesTakesThePassageThatIsFoundBest() async throws {
        let question = try SmallWorld.prepared()[0]
        let world = question.pool.world
        var state = EvidenceState(question.pool)
        let (person, town) = (try #require(world.ordinals["person-0"]), try #require(world.ordinals["town-0"]))
        // The question names the person, not the town: that page is found first.
        let first = Oracle.golden.targets(state, gold: question.gold, stopRow: nil)
        #expect(first.map { state.candidatePassages[$0] } == [person])
        state.keep(at: first[0])
        // What was kept names the town.
        let second = Oracle.golden.targets(state, gold: question.gold, stopRow: state.candidates.count)
        #expect(second.map { state.candidatePassages[$0] } == [town])
        state.keep(at: second[0])
        #expect(
            Oracle.golden.targets(state, gold: question.gold, stopRow: state.candidates.count) == [
                state.candidates.count
            ])
        let questions = try SmallWorld.prepared()
        let fresh = try LearnedPolicy(architecture: "candidate-scorer", dimension: 8, seed: 1)
        let policy = try await cloning(.golden, epochs: 8).train(fresh, on: questions)
        #expect(SmallWorld.recall(policy, questions) > 0.9)
    }

    @Test func recipesAreReadFromPolicyFiles() throws {
        var recipe = TrainingRecipe()
        recipe.method = "ppo"
        recipe.iterations = 12
        recipe.rewards = ["answer": 1, "call-cost": 0.01]
        let head = "name: x\nproposers: [question]\n"
        let read = try TrainingRecipe(PolicyFile(yaml: head + recipe.yaml + "\n", source: "x.yaml"))
        #expect(read == recipe && read.reads && read.teachesStopping)
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
        let questions = try SmallWorld.prepared()
        let start = try LearnedPolicy(architecture: "candidate-scorer", dimension: 8, seed: 2)
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
        let questions = try SmallWorld.prepared()
        let start = try LearnedPolicy(architecture: "candidate-scorer", dimension: 8, seed: 2)
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
            let policy = try LearnedPolicy(architecture: architecture, dimension: 8, seed: 7)
            try policy.write(to: path, dimension: 8, notes: ["seed": "7"])
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
        #expect(throws: PolicyFileError.self) { try LearnedPolicy(architecture: "none", dimension: 8, seed: 1) }
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
            page.contains("A &lt;run>") && page.contains("recall@5") && !page.contains("<script")
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
