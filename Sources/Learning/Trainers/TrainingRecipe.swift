// SPDX-License-Identifier: Apache-2.0

public import Agent
import Base
public import OrderedCollections
import Text

/// How a policy is trained, as a policy file says it under `training`:
///
///     training:
///       architecture: candidate-scorer
///       clone: auto                         # gold, coverage, hybrid, none; auto: gold where there is any, else hybrid
///       epochs: 10
///       smoothing: 0                        # how much a cloned policy still tries; default: 0.3 without gold, else 0
///       method: rloo                        # reinforce, rloo, grpo or ppo
///       iterations: 60                      # 0 only clones
///       learning_rate: 0.003
///       kl: 0
///       curriculum: none                    # or hops
///       rewards: {answer-support: 1, question-coverage: 0.5}
///       reader: smollm2                     # who answers for rewards that read; default: the span reader
public struct TrainingRecipe: Sendable, Hashable {
    /// The network.
    public var architecture = CandidateScorer.architecture
    /// Whom to clone first: an ``Oracle``'s name, none, or auto: gold where there is any, else hybrid.
    public var clone = "auto"
    /// Times through the training questions while cloning.
    public var epochs = 10
    /// The share of a decision's probability that cloning spreads over all choices; nil: 0.3 where rewards are to improve
    /// on an oracle that knows no gold, else 0.
    public var smoothing: Double?
    /// The method for learning from rewards.
    public var method = LeaveOneOut.name
    /// Iterations of learning from rewards.
    public var iterations = 60
    /// The learning rate of learning from rewards.
    public var learningRate = 0.001
    /// The weight of the KL divergence from the cloned policy.
    public var divergenceWeight = 0.05
    /// Which questions come when.
    public var curriculum = Curriculum.none.rawValue
    /// The rewards with their weights.
    public var rewards: OrderedDictionary<String, Double> = [
        AnswerSupport.name: 0.5, GoldCoverage.name: 1, ToolExploration.name: 0.1, CallCost.name: 0.01,
    ]
    /// Who answers for the rewards that read: a span reader's weights, or a model as `--model` takes it. Nil: the shipped
    /// span reader.
    public var reader: String?

    /// Makes the defaults.
    public init() {}

    /// Reads the recipe of a policy file; what it does not say stays at its default.
    ///
    /// - Throws: `PolicyError` that names what is wrong.
    public init(_ file: PolicyFile) throws(PolicyError) {
        var reader = try PolicyReader(file.content["training"] ?? .null, file: file.source, path: "training")
        architecture = try reader.choice(
            "architecture", default: architecture, of: PolicyNetworks.all.keys.sorted())
        clone = try reader.choice("clone", default: clone, of: Oracle.allCases.map(\.rawValue) + ["none", "auto"])
        epochs = try reader.int("epochs", default: epochs)
        if reader.value("smoothing") != nil {
            smoothing = try reader.double("smoothing", default: 0, in: 0...0.9)
        }
        method = try reader.choice("method", default: method, of: PolicyGradientMethods.all.keys.sorted())
        iterations = try reader.int("iterations", default: iterations)
        learningRate = try reader.double("learning_rate", default: learningRate, in: 1e-9...1)
        divergenceWeight = try reader.double("kl", default: divergenceWeight, in: 0...1000)
        curriculum = try reader.choice("curriculum", default: curriculum, of: Curriculum.allCases.map(\.rawValue))
        if case .object(let members)? = reader.value("rewards") {
            rewards = [:]
            for (name, value) in members {
                guard Self.knownRewards.contains(name) else {
                    throw reader.error(
                        "rewards", "unknown reward \"\(name)\"; there are \(Self.knownRewards.joined(separator: ", "))")
                }
                guard let weight = value.double, weight.isFinite else {
                    throw reader.error("rewards", "expected a number for \(name), found \(value.serialized())")
                }
                rewards[name] = weight
            }
        }
        self.reader = reader.value("reader")?.string
        try reader.finish()
    }

    /// The rewards where no question names gold passages and none were asked for: the answer, as the answerer of sessions
    /// gives it, and how likely it finds the right one; without a reader whether the answer stands in what was kept.
    public static func answersOnly(withReader: Bool) -> OrderedDictionary<String, Double> {
        withReader
            ? [AnswerQuality.name: 1, AnswerLikelihood.name: 0.5, CallCost.name: 0.005]
            : [AnswerSupport.name: 1, ToolExploration.name: 0.1, CallCost.name: 0.01]
    }

    /// How much of a decision's probability cloning spreads over all choices.
    public func smoothing(of oracle: Oracle) -> Double {
        smoothing ?? (oracle != .gold && iterations > 0 ? 0.3 : 0)
    }

    /// The names of all rewards.
    public static var knownRewards: [String] { (RewardTerms.all.keys + RewardTerms.reading).sorted() }

    /// Whether a reward judges stopping or what is kept, so that episodes let the policy stop.
    public var teachesStopping: Bool {
        rewards.keys.contains { $0 == StopQuality.name || ($0.hasSuffix("-cost") && $0 != CallCost.name) }
    }

    /// Whether a reward reads, so that a reader is needed.
    public var reads: Bool { rewards.keys.contains { RewardTerms.reading.contains($0) } }

    /// The recipe as a policy file holds it.
    public var yaml: String {
        let rewards = self.rewards.map { "\($0.key): \($0.value)" }.joined(separator: ", ")
        return """
            training:
              architecture: \(architecture)
              clone: \(clone)
              epochs: \(epochs)\(smoothing.map { "\n  smoothing: \($0)" } ?? "")
              method: \(method)
              iterations: \(iterations)
              learning_rate: \(learningRate)
              kl: \(divergenceWeight)
              curriculum: \(curriculum)
              rewards: {\(rewards)}
            """ + (reader.map { "\n  reader: \(JSONValue.string($0).serialized())" } ?? "")
    }
}
