// SPDX-License-Identifier: Apache-2.0

import Foundation
import Text

/// Answers a question from passages with a model that is too weak to be let write freely: the answer is a span of the
/// evidence, yes or no, or one of the things compared.
///
/// Every candidate is scored by its log-probability as the answer, with the evidence and without it: what the
/// evidence makes more probable is what it says. A linear ranking adds how a candidate looks or, where another reader
/// proposes the candidates, how probable that reader holds them. The weights are fitted on training questions.
public struct EvidenceAnswerer: Sendable {
    /// A passage that may hold the answer.
    public struct Passage: Sendable, Hashable {
        public var id: String
        public var title: String
        public var text: String

        public init(id: String, title: String, text: String) {
            self.id = id
            self.title = title
            self.text = text
        }
    }

    /// The answer, the passages that it rests on, and the candidates that it was chosen from.
    public struct Answer: Sendable, Hashable {
        public var text: String
        /// Ids of the passages that hold the answer; for yes, no and comparisons those of all passages.
        public var citations: [String]
        /// The probability of the chosen candidate among all, by the ranking's scores.
        public var confidence: Double
        /// All candidates, best first.
        public var ranked: [Ranked]
        /// Tokens that passed through the model.
        public var tokens: Int
    }

    /// A candidate with its score.
    public struct Ranked: Sendable, Hashable {
        public var candidate: AnswerCandidate
        public var score: Double
    }

    /// A candidate that another reader found, such as a trained span reader.
    public struct Proposal: Sendable, Hashable {
        public var text: String
        /// The index of the passage that holds it; nil for yes and no.
        public var passage: Int?
        /// How probable the other reader holds it.
        public var probability: Double

        public init(text: String, passage: Int?, probability: Double) {
            self.text = text
            self.passage = passage
            self.probability = probability
        }
    }

    /// Finds the candidates of a question in passages.
    public typealias Proposer = @Sendable (_ question: String, _ passages: [Passage]) async throws -> [Proposal]

    /// The linear ranking: weights of the log-probabilities and of how a candidate looks.
    public struct Weights: Sendable, Hashable {
        /// Of: mean log-probability with the evidence, sum with it, mean without it, sum without it.
        public var logProbabilities: [Double]
        /// Of the candidate's features, in the order of `featureNames`; for proposals of the logarithm of their
        /// probability, and of whether the model itself wrote the candidate.
        public var features: [Double]

        public init(logProbabilities: [Double], features: [Double]) {
            self.logProbabilities = logProbabilities
            self.features = features
        }

        /// Fitted with SmolLM2-135M-Instruct on 100 training questions of HotpotQA with their gold passages
        /// (`ForageBenchmarks reader --training`).
        public static let standard = Weights(
            logProbabilities: [0.335, 0.026, -0.115, 0.028],
            features: [1.597, -1.388, 0.256, 0.653, 3.028, 0.444, 0.391, 1.210, -0.635, -0.049])

        /// The same for proposals of the span reader, on 80 training questions of MuSiQue, which that reader has not seen.
        public static let proposed = Weights(logProbabilities: [0.026, 0.028, 0.072, 0.001], features: [0.281, 0])

        /// The same for a model that is good enough to write the answer itself: its own words are a candidate too. Fitted with
        /// Qwen2.5-Coder-0.5B on 82 held-out questions of HotpotQA and 2WikiMultihopQA with two gold passages among five
        /// (`ForageBenchmarks reader --dump`): the span reader's probability decides nearly alone (F1 .592 by itself, .621
        /// with the model in five-fold cross-validation, .425 by what the model writes).
        public static let small = Weights(logProbabilities: [0.089, -0.011, 0, 0], features: [0.272, 0.175])

        /// The same for a larger model, set by hand: its own words weigh as much as a span that the reader is sure of.
        public static let written = Weights(logProbabilities: [0.5, 0.1, -0.05, 0], features: [0.25, 1.5])

        /// What fits a model with the span reader's proposals, by its number of parameters.
        public static func fitting(_ capabilities: ModelCapabilities) -> Weights {
            let count = capabilities.parameters ?? 0
            return count < 300_000_000 ? .proposed : count < 1_000_000_000 ? .small : .written
        }
    }

    /// The names of a candidate's features.
    public static let featureNames = CandidateFinder.featureNames

    /// How the question and the passages are put to the model.
    public struct Prompt: Sendable, Hashable {
        /// Whether the question stands before the passages too: what comes after it is read for it.
        public var asksFirst: Bool
        /// How many of the made-up examples stand before it.
        public var examples: Int

        public init(asksFirst: Bool = false, examples: Int = 4) {
            self.asksFirst = asksFirst
            self.examples = examples
        }
    }

    public let model: LocalModel
    public var prompt = Prompt()
    public var weights: Weights
    /// Finds the candidates; nil for the rules of `CandidateFinder`.
    public var proposer: Proposer?
    /// The most candidates that are scored by the model.
    public var mostCandidates: Int
    /// The most characters of all passages together; later passages are cut.
    public var mostCharacters: Int

    public init(
        model: LocalModel, weights: Weights? = nil, proposer: Proposer? = nil, mostCandidates: Int = 80,
        mostCharacters: Int = 6000
    ) {
        self.model = model
        self.weights = weights ?? (proposer == nil ? .standard : .fitting(model.capabilities))
        self.proposer = proposer
        self.mostCandidates = mostCandidates
        self.mostCharacters = mostCharacters
    }

    /// Answers from the passages, the most relevant first.
    /// - Parameter written: what the model itself wrote as the answer: a candidate beside those of another reader, and the
    ///   only one where there is none: a model that is let write does so better than the rules choose.
    /// - Throws: `LanguageModelError`, `CancellationError`.
    @concurrent
    public func answer(_ question: String, passages: [Passage], written: String? = nil) async throws -> Answer {
        let passages = cut(passages)
        let candidates = try await candidates(question, passages, written: written)
        guard !candidates.isEmpty else { return Answer(text: "", citations: [], confidence: 0, ranked: [], tokens: 0) }
        let texts = candidates.map { model.tokenizer.encode($0.text) }
        let withEvidence = try model.promptTokens(for: Self.conversation(question, passages, prompt))
        let without = try model.promptTokens(for: Self.conversation(question, [], prompt))
        let given = try await model.score(continuations: texts, after: withEvidence)
        let alone = try await model.score(continuations: texts, after: without)
        var ranked: [Ranked] = []
        for (index, candidate) in candidates.enumerated() {
            let count = Double(max(1, given[index].tokenCount))
            let sums = [given[index].logProbability, alone[index].logProbability]
            let values = [sums[0] / count, sums[0], sums[1] / count, sums[1]]
            let score = zip(values, weights.logProbabilities).reduce(0) { $0 + $1.0 * $1.1 } + looks(candidate)
            var candidate = candidate
            candidate.features += values
            ranked.append(Ranked(candidate: candidate, score: score))
        }
        let order = ranked.indices.sorted {
            ranked[$0].score != ranked[$1].score ? ranked[$0].score > ranked[$1].score : $0 < $1
        }
        ranked = order.map { ranked[$0] }
        let best = ranked[0]
        let total = ranked.reduce(0) { $0 + exp($1.score - best.score) }
        return Answer(
            text: best.candidate.text, citations: citations(best.candidate, passages), confidence: 1 / total,
            ranked: ranked, tokens: withEvidence.count + without.count + 2 * texts.reduce(0) { $0 + $1.count })
    }

    private func candidates(
        _ question: String, _ passages: [Passage], written: String?
    ) async throws -> [AnswerCandidate] {
        if let proposer {
            var candidates = try await proposer(question, passages).prefix(mostCandidates).map {
                AnswerCandidate(text: $0.text, passage: $0.passage, features: [log(max($0.probability, 1e-6)), 0])
            }
            if let written, !written.isEmpty {
                let key = CandidateFinder.words(written)
                if let same = candidates.firstIndex(where: { CandidateFinder.words($0.text) == key }) {
                    candidates[same].features[1] = 1
                } else {
                    let place = passages.firstIndex { $0.text.contains(written) || $0.title.contains(written) }
                    // What the other reader did not think of is worth no more to it than the least that it proposes.
                    let least = candidates.map { $0.features[0] }.min() ?? log(1e-3)
                    candidates.append(AnswerCandidate(text: written, passage: place, features: [least, 1]))
                }
            }
            return candidates
        }
        let plain = [Double](repeating: 0, count: Self.featureNames.count)
        if let written, !written.isEmpty {
            let place = passages.firstIndex { $0.text.contains(written) || $0.title.contains(written) }
            return [AnswerCandidate(text: written, passage: place, features: plain)]
        }
        let finder = CandidateFinder(question: question)
        let alternatives = finder.alternatives()
        switch finder.kind {
        case .yesNo: return ["yes", "no"].map { AnswerCandidate(text: $0, passage: nil, features: plain) }
        case .choice where alternatives.count == 2:
            return alternatives.map { AnswerCandidate(text: $0, passage: nil, features: plain) }
        default:
            let candidates = finder.candidates(titles: passages.map(\.title), texts: passages.map(\.text))
            let ordered = candidates.indices.sorted { a, b in
                let x = looks(candidates[a])
                let y = looks(candidates[b])
                return x != y ? x > y : a < b
            }
            return ordered.prefix(mostCandidates).sorted().map { candidates[$0] }
        }
    }

    private func looks(_ candidate: AnswerCandidate) -> Double {
        zip(candidate.features, weights.features).reduce(0) { $0 + $1.0 * $1.1 }
    }

    private func citations(_ candidate: AnswerCandidate, _ passages: [Passage]) -> [String] {
        guard candidate.passage != nil else { return passages.map(\.id) }
        return passages.filter { $0.text.contains(candidate.text) || $0.title.contains(candidate.text) }.map(\.id)
    }

    private func cut(_ passages: [Passage]) -> [Passage] {
        var left = mostCharacters
        var out: [Passage] = []
        for var passage in passages where left > 0 {
            passage.text = String(passage.text.prefix(left))
            left -= passage.text.count
            out.append(passage)
        }
        return out
    }

    /// The prompt, with examples of the form that is wanted, which stay the same from question to question and are computed
    /// once. No control token comes of a passage's text, so that a passage can win no more than the place of an answer.
    public static func conversation(
        _ question: String, _ passages: [Passage], _ prompt: Prompt = Prompt()
    ) -> [ChatMessage] {
        var messages = [ChatMessage(role: .system, content: instructions)]
        for example in examples.prefix(prompt.examples) {
            messages.append(ChatMessage(role: .user, content: asked(example.question, example.passages, prompt)))
            messages.append(ChatMessage(role: .assistant, content: example.answer))
        }
        messages.append(ChatMessage(role: .user, content: asked(question, passages, prompt)))
        return messages
    }

    /// The request for the model's own short answer.
    public func request(_ question: String, _ passages: [Passage]) -> ModelRequest {
        ModelRequest(
            messages: Self.conversation(question, cut(passages), prompt), toolChoice: .none,
            options: SamplingOptions(temperature: 0, maxTokens: 32, stop: ["\n"]))
    }

    /// The short answer in a text that a model wrote: its first line, without a label, quotes or a full stop.
    public static func short(_ text: String) -> String {
        var line = ModelMarks.visible(text).split(separator: "\n").first.map(String.init) ?? ""
        for label in ["Short answer:", "Answer:", "The answer is"] where line.hasPrefix(label) {
            line = String(line.dropFirst(label.count))
        }
        line = line.replacing(/\s*\[[0-9, ]*\]/, with: "")
        return line.trimmingCharacters(in: CharacterSet(charactersIn: " \t\"“”'`*.:,"))
    }

    private static let instructions = """
        You answer questions from passages. Reply with only the shortest answer, as the passages write it: a name, a date, \
        a number, a place, a few words, or yes or no.
        """

    private static func asked(_ question: String, _ passages: [Passage], _ prompt: Prompt) -> String {
        var text = ""
        for (index, passage) in passages.enumerated() {
            text += "[\(index + 1)] \(passage.title): \(passage.text)\n"
        }
        if !passages.isEmpty { text = "Passages:\n" + text + "\n" }
        if prompt.asksFirst, !passages.isEmpty { text = "Question: " + question + "\n\n" + text }
        return text + "Question: " + question
    }

    /// Made up, so that none can be an answer from a corpus.
    private static let examples: [(passages: [Passage], question: String, answer: String)] = [
        (
            [
                Passage(
                    id: "", title: "The Silver Lantern",
                    text: "The Silver Lantern is a 1987 mystery film directed by Anna Berg. It stars Tom Hale."),
                Passage(
                    id: "", title: "Anna Berg",
                    text: "Anna Berg (born 4 May 1950) is a Norwegian film director from Bergen."),
            ], "Where is the director of The Silver Lantern from?", "Bergen"
        ),
        (
            [
                Passage(
                    id: "", title: "Mill Creek Review",
                    text: "Mill Creek Review is an American quarterly journal founded in 1974."),
                Passage(
                    id: "", title: "The Harbor",
                    text: "The Harbor was a literary magazine published from 1981 to 1990."),
            ], "Which magazine was started first, Mill Creek Review or The Harbor?", "Mill Creek Review"
        ),
        (
            [
                Passage(id: "", title: "Lena Ortiz", text: "Lena Ortiz is a Chilean painter and sculptor."),
                Passage(id: "", title: "Paul Grant", text: "Paul Grant is a British sculptor."),
            ], "Are Lena Ortiz and Paul Grant both from Chile?", "no"
        ),
        (
            [
                Passage(
                    id: "", title: "Port Alden",
                    text: "Port Alden is a town in Kerr County. Its population was 12,304 in 2010.")
            ], "What is the population of the town in Kerr County?", "12,304"
        ),
    ]
}
