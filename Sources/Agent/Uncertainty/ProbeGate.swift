// SPDX-License-Identifier: Apache-2.0

/// Measures, records, and decides the same whatever it measured: for calibration.
public struct ProbeGate: RetrievalGate {
    public var measure: GateMeasure
    public var retrieves: Bool

    public var name: String { "probe" }

    public init(measure: GateMeasure, retrieves: Bool) {
        self.measure = measure
        self.retrieves = retrieves
    }

    public func assess(_ state: AgentState, using context: StepContext) async throws -> GateDecision {
        GateDecision(
            measure: measure.name, uncertainty: try await measure.value(in: state, using: context), retrieve: retrieves,
            reason: "measured only")
    }
}

extension Trajectory {
    /// How uncertain the evidence of a state leaves the question, by the words that it covers: 0 to 1.
    public static func coverage(of state: AgentState) -> Double {
        let words = EvidenceWords(question: state.question.text, items: state.evidence.ranking)
        return 1 - (words.bestSentence()?.coverage ?? 0)
    }
}
