// SPDX-License-Identifier: Apache-2.0

public import AgentRuntime
import TensorMath

extension StrategyRegistry {
    /// The registry with what learned policies bring: the proposer `learned` and the keeper `reading`.
    ///
    /// In a policy file: `proposers: [{learned: {weights: multihop.safetensors, width: 8, stops: true}}]`, with
    /// `policy: ordered` for the best choice or `policy: {random: {temperature: 1}}` to sample, and `keep: reading`.
    ///
    /// - Parameter world: Makes the session's corpus as the policy sees it; called when a file names `learned`.
    public func learning(world: @escaping @Sendable () throws -> RetrievalWorld) -> StrategyRegistry {
        var registry = self
        registry.proposers["learned"] = { options, file in
            let name = try options.string("weights", default: file.name + ".safetensors")
            let path = name.hasPrefix("/") || file.directory.isEmpty ? name : file.directory + "/" + name
            let policy = try LearnedPolicy(weights: path)
            return LearnedProposer(
                LearnedRetriever(policy: policy, world: try world()),
                width: try options.int("width", default: 8, in: 1...100),
                stops: try options.bool("stops", default: true))
        }
        registry.keepers["reading"] = { _, _ in ReadingKeeper() }
        return registry
    }
}
