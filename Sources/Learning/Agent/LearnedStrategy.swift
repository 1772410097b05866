// SPDX-License-Identifier: Apache-2.0

public import Agent
import Base
import Synchronization
import TensorMath
import Text

extension StrategyRegistry {
    /// The registry with what learned policies bring: the proposer `learned`, the gate `stop`, the policy `learned`, and
    /// the keepers `reading` and `learned`.
    ///
    ///     proposers: [{learned: {weights: multihop.safetensors, width: 8, stops: true}}]
    ///     policy: ordered                   # the best choice, or {random: {temperature: 1}} to sample
    ///     gate: {stop: {weights: multihop.safetensors, value: 0.5}}
    ///     keep: reading
    ///
    /// and, for a model that proposes calls which the trained policy takes or leaves:
    ///
    ///     proposers: [{model: {apart: true}}]
    ///     policy: {learned: {weights: multihop.safetensors, uncertainty: 1}}
    ///     gate: {stop: {weights: multihop.safetensors, measure: degmat/jaccard, samples: 5, share: 0.5}}
    ///     keep: {learned: {weights: multihop.safetensors, limit: 5}}
    ///
    /// - Parameters:
    ///   - world: Makes the session's corpus as the policy sees it; called once, when a file names one of these parts.
    ///   - embed: Makes vectors of texts with the corpus's encoder.
    public func learning(
        world: @escaping @Sendable () throws -> RetrievalWorld, embed: SessionRetriever.Embed? = nil
    ) -> StrategyRegistry {
        var registry = self
        let shared = SharedRetrievers(world)
        registry.proposers["learned"] = { options, file in
            LearnedProposer(
                try shared.session(&options, file), width: try options.int("width", default: 8, in: 1...100),
                stops: try options.bool("stops", default: true))
        }
        registry.gates["stop"] = { options, file in
            var measure: GateMeasure?
            if let name = options.value("measure")?.string {
                measure = GateMeasure(name: name, samples: try options.int("samples", default: 5, in: 2...100))
                if measure == nil {
                    throw options.error(
                        "measure", "unknown measure \"\(name)\"; there are \(GateMeasure.names.joined(separator: ", "))"
                    )
                }
            }
            return StopGate(
                try shared.session(&options, file), threshold: try options.double("value", default: 0.5, in: 0...1),
                measure: measure, share: try options.double("share", default: 0.5, in: 0...1))
        }
        registry.policies["learned"] = { options, file in
            LearnedChooser(
                try shared.session(&options, file), embed: embed,
                uncertaintyWeight: try options.double("uncertainty", default: 1, in: 0...100),
                callCost: try options.double("call_cost", default: 0.02, in: 0...1),
                temperature: try options.optionalDouble("temperature", in: 0...1000))
        }
        registry.keepers["learned"] = { options, file in
            LearnedKeeper(
                try shared.session(&options, file), limit: try options.int("limit", default: 5, in: 1...1000),
                least: try options.double("least", default: 0.2, in: 0...1))
        }
        registry.keepers["reading"] = { _, _ in ReadingKeeper() }
        return registry
    }
}

/// One world for all parts of all strategies of a registry, and one retriever for each weights file.
private final class SharedRetrievers: Sendable {
    private let make: @Sendable () throws -> RetrievalWorld
    private let held = Mutex<(world: RetrievalWorld?, sessions: [String: SessionRetriever])>((nil, [:]))

    init(_ make: @escaping @Sendable () throws -> RetrievalWorld) {
        self.make = make
    }

    /// The retriever of the weights that a component's options name, beside the policy file.
    func session(_ options: inout PolicyReader, _ file: PolicyFile) throws -> SessionRetriever {
        let name = try options.string("weights", default: file.name + ".safetensors")
        let path = name.hasPrefix("/") || file.directory.isEmpty ? name : file.directory + "/" + name
        return try held.withLock { held in
            if let known = held.sessions[path] { return known }
            // The weights first: a missing file is found before a world is made.
            let policy = try LearnedPolicy(weights: path)
            let world = try held.world ?? make()
            held.world = world
            let session = SessionRetriever(LearnedRetriever(policy: policy, world: world))
            held.sessions[path] = session
            return session
        }
    }
}
