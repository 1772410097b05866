// SPDX-License-Identifier: Apache-2.0

public import Agent
import Foundation

/// Retrieves for as long as the policy's own network is not sure that the evidence is enough.
///
/// The uncertainty is the probability that the network gives to keeping on; a measure of a model's uncertainty can be
/// mixed in as a second feature. Before the first passage the network has nothing to be sure of, so that there the model
/// alone can decide that no retrieval is needed.
public struct StopGate: RetrievalGate {
    public var name: String { "stop" }
    private let session: SessionRetriever
    /// Retrieves where the uncertainty is above this. Default: 0.5.
    public var threshold: Double
    /// What the model's uncertainty is measured by; nil leaves it out.
    public var measure: GateMeasure?
    /// The model's share of the uncertainty, where it can be measured. Default: 0.5.
    public var share: Double

    /// Wraps a retriever.
    public init(_ session: SessionRetriever, threshold: Double = 0.5, measure: GateMeasure? = nil, share: Double = 0.5)
    {
        self.session = session
        self.threshold = threshold
        self.measure = measure
        self.share = share
    }

    public func assess(_ state: AgentState, using context: StepContext) async throws -> GateDecision {
        guard let seen = try await session.assess(state, stops: true, embed: context.embed) else {
            return GateDecision(threshold: threshold, retrieve: true, reason: "not measurable")
        }
        var uncertainty = 1 - seen.stop
        var label = "stop"
        if let measure, let own = try await measure.value(in: state, using: context) {
            uncertainty = (1 - share) * uncertainty + share * own
            label += "+" + measure.name
        }
        // Who stands behind the two things compared was not read yet: nothing can be compared.
        if uncertainty <= threshold, YearComparison.isOpen(state.question.text, state.evidence) {
            return GateDecision(
                measure: label, uncertainty: uncertainty, threshold: threshold, retrieve: true,
                reason: "the comparison is still open")
        }
        let retrieves = uncertainty > threshold
        return GateDecision(
            measure: label, uncertainty: uncertainty, threshold: threshold, retrieve: retrieves,
            reason: retrieves ? "not enough yet" : "the policy has enough")
    }
}
