// SPDX-License-Identifier: Apache-2.0

import Base
import Datasets
import Foundation
public import LanguageModels
import OrderedCollections
import Text

/// Tokens that a language model learns from: what it saw, and which of it are its own words.
public struct ModelExample: Sendable, Hashable {
    /// The ids, from the first that the model sees.
    public var tokens: [Int32]
    /// For each token whether the model is to write it: its own turns are, prompts and what tools returned are not.
    public var learned: [Bool]

    /// - Precondition: one entry of `learned` for each token.
    public init(tokens: [Int32], learned: [Bool]) {
        precondition(tokens.count == learned.count, "one entry for each token")
        self.tokens = tokens
        self.learned = learned
    }

    /// Makes the tokens of a reply, with the template's frame exactly as a session gives it. The end of the turn is
    /// learned too.
    ///
    /// - Throws: `TrajectoryError` where the template opens a turn in another way than it writes one.
    public init(messages: [ChatMessage], reply: String, model: LocalModel) throws {
        let opened = try model.promptTokens(for: messages)
        let closed = try model.promptTokens(
            for: messages + [ChatMessage(role: .assistant, content: reply)], opening: false)
        guard closed.starts(with: opened) else {
            throw TrajectoryError(reason: "the model's template opens a turn in another way than it writes one")
        }
        let own = closed[opened.count...]
        let end = own.firstIndex(where: model.endsTurn) ?? closed.count - 1
        let kept = closed[...end]
        self.init(tokens: kept.map(Int32.init), learned: kept.indices.map { $0 >= opened.count })
    }

    /// Learned tokens.
    public var learnedCount: Int { learned.count(where: \.self) }

    /// The first so many tokens; the rest is not seen.
    public func cut(to most: Int) -> ModelExample {
        ModelExample(tokens: Array(tokens.prefix(most)), learned: Array(learned.prefix(most)))
    }
}

/// Examples read from a file of exported trajectories (`forage train export`).
public struct ExportedTrajectories: Sendable {
    /// One for each conversation.
    public private(set) var examples: [ModelExample] = []
    /// What was set aside, with its line.
    public private(set) var refused: [String] = []

    /// Bytes of the longest line that is read.
    static let longestLine = 64 << 20

    /// Reads a file of one trajectory a line; each path from where a conversation begins to its end is one example.
    ///
    /// - Parameter model: Whose tokens they must be.
    /// - Throws: `DatasetError` where the file cannot be read.
    public init(file path: String, model: LocalModel) throws {
        let data: MappedFile
        do { data = try MappedFile(path: path) } catch {
            throw DatasetError(file: path, message: error.reason)
        }
        for (index, line) in Data(data.bytes).textLines().enumerated() where !line.isEmpty {
            do {
                guard line.count <= Self.longestLine else { throw TrajectoryError(reason: "the line is too long") }
                examples += try Self.examples(JSONValue(parsing: Array(line)), model)
            } catch {
                refused.append("\(path):\(index + 1): \(error)")
            }
        }
    }

    private static func examples(_ json: JSONValue, _ model: LocalModel) throws -> [ModelExample] {
        guard let nodes = json["nodes"]?.array else { throw TrajectoryError(reason: "expected \"nodes\"") }
        guard json["model"]?.string == model.fingerprint else {
            throw TrajectoryError(reason: "these are the tokens of another model")
        }
        struct Node {
            var parent: Int?
            var tokens: [Int32]
            var mask: [Bool]
        }
        var read: [Node] = []
        for (place, node) in nodes.enumerated() {
            let parent = node["parent"]?.int
            if let parent, !(0..<place).contains(parent) {
                throw TrajectoryError(reason: "node \(place) follows one that does not stand before it")
            }
            let ids = (node["token_ids"]?.array ?? []).compactMap(\.int)
            let mask = (node["mask"]?.array ?? []).compactMap(\.int)
            guard ids.count == mask.count, ids.allSatisfy({ (0..<model.configuration.vocabulary).contains($0) }) else {
                throw TrajectoryError(reason: "node \(place) has ids that are none, or a mask of another length")
            }
            read.append(Node(parent: parent, tokens: ids.map(Int32.init), mask: mask.map { $0 != 0 }))
        }
        let inner = Set(read.compactMap(\.parent))
        return read.indices.filter { !inner.contains($0) }.compactMap { leaf in
            var chain: [Node] = []
            var next: Int? = leaf
            while let place = next {
                chain.append(read[place])
                next = read[place].parent
            }
            chain.reverse()
            let example = ModelExample(tokens: chain.flatMap(\.tokens), learned: chain.flatMap(\.mask))
            return example.learnedCount > 0 && example.tokens.count > 1 ? example : nil
        }
    }
}
