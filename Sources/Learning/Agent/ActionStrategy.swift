// SPDX-License-Identifier: Apache-2.0

public import Agent
import Base
import Episodes
import Synchronization

extension StrategyRegistry {
    /// The registry with what policies that choose among tool calls bring: the proposer `actions`, the policy `network`, the keeper
    /// `chosen`.
    ///
    ///     proposers: [{actions: {lookups: 10, keep: 5, stops: true}}]
    ///     policy: {network: {weights: forage.safetensors}}     # the best choice, or temperature: 1 to sample
    ///     keep: chosen
    ///
    /// and, for a model that proposes calls which the trained policy takes or leaves:
    ///
    ///     proposers: [{model: {apart: true}}, actions]
    public func learning() -> StrategyRegistry {
        var registry = self
        let shared = SharedPolicies()
        registry.proposers["actions"] = { options, file in
            ActionProposals(try shared.space(), options: try Self.actions(&options))
        }
        registry.policies["network"] = { options, file in
            // The policy's features count look-ups as its proposer does.
            NetworkPolicy(
                try shared.policy(&options, file), space: try shared.space(), options: try file.actions(),
                uncertaintyWeight: try options.double("uncertainty", default: 1, in: 0...100),
                temperature: try options.optionalDouble("temperature", in: 0...1000),
                sure: try options.double("sure", default: 0, in: 0...1),
                first: try options.strings("first", default: []))
        }
        registry.keepers["chosen"] = { _, _ in ChosenKeeper() }
        return registry
    }

    static func actions(_ reader: inout PolicyReader) throws -> ActionOptions {
        var options = ActionOptions()
        options.lookups = try reader.int("lookups", default: options.lookups, in: 1...1000)
        options.keep = try reader.int("keep", default: options.keep, in: 1...1000)
        options.stops = try reader.bool("stops", default: options.stops)
        options.first = try reader.int("first", default: options.first, in: 1...100)
        options.next = try reader.int("next", default: options.next, in: 1...100)
        options.width = try reader.int("width", default: options.width, in: 1...1000)
        options.without = Set(try reader.strings("without", default: []))
        if let unknown = options.without.subtracting(ActionOptions.ways).min() {
            throw reader.error(
                "without", "unknown way \"\(unknown)\"; there are \(ActionOptions.ways.joined(separator: ", "))")
        }
        return options
    }
}

extension PolicyFile {
    /// The options of its proposer `actions`; the defaults where it has none.
    func actions() throws -> ActionOptions {
        var reader = try PolicyReader(content, file: source, path: "")
        for component in try reader.components("proposers") where component.name == ActionSpace.proposer {
            var options = component.options
            return try StrategyRegistry.actions(&options)
        }
        return ActionOptions()
    }
}

/// One space of actions for all strategies of a registry, and one network for each weights file.
private final class SharedPolicies: Sendable {
    private let held = Mutex<(space: ActionSpace?, policies: [String: LearnedPolicy])>((nil, [:]))

    func space() throws -> ActionSpace {
        try held.withLock { held in
            if let space = held.space { return space }
            let made = try ActionSpace()
            held.space = made
            return made
        }
    }

    /// The policy of the weights that a component's options name, beside the policy file.
    func policy(_ options: inout PolicyReader, _ file: PolicyFile) throws -> LearnedPolicy {
        let name = try options.string("weights", default: file.name + ".safetensors")
        let path = name.hasPrefix("/") || file.directory.isEmpty ? name : file.directory + "/" + name
        return try held.withLock { held in
            if let known = held.policies[path] { return known }
            let policy = try LearnedPolicy(weights: path)
            held.policies[path] = policy
            return policy
        }
    }
}
