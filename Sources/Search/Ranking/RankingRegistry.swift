// SPDX-License-Identifier: Apache-2.0

public import Base
public import OrderedCollections
import Synchronization

/// The fusions, feedbacks and rerankers that policies, `forage search` and `/retrieve` can name. A new one is a file beside
/// this one and a line here, or a `register` in the program that brings it.
public final class RankingRegistry: Sendable {
    /// Makes a part from the options that stand under its name.
    public typealias Maker<Part> = @Sendable (inout RankingOptions) throws(RankingError) -> Part
    /// Makes a reranker, or gives nil where what it needs (a model) is not at hand.
    public typealias RerankerMaker = @Sendable () throws -> (any Reranker)?

    /// Rerankers of one kind, each in a file, which are named `KIND:FILE`.
    public struct RerankerFiles: Sendable {
        /// The names of those that lie where they are looked for.
        public var names: @Sendable () -> [String]
        /// Opens the one of a name, or of a path.
        public var open: @Sendable (_ nameOrPath: String) throws -> any Reranker

        public init(
            names: @escaping @Sendable () -> [String],
            open: @escaping @Sendable (_ nameOrPath: String) throws -> any Reranker
        ) {
            self.names = names
            self.open = open
        }
    }

    private struct State {
        var fusions: [String: Maker<any RankFusion>] = [
            "reciprocal_rank": { options throws(RankingError) in
                ReciprocalRank(k: try options.number("k", default: 60, in: 0...10_000))
            },
            "interpolation": { options throws(RankingError) in
                let names = ScoreInterpolation.Normalization.allCases.map(\.rawValue)
                let name = try options.choice("normalization", default: "min_max", of: names)
                return ScoreInterpolation(ScoreInterpolation.Normalization(rawValue: name) ?? .minMax)
            },
            "product": { _ in ProductFusion() },
        ]
        var feedbacks: [String: Maker<any RelevanceFeedback>] = [
            "tf-idf": { _ in FrequentWords() },
            "rm3": { options throws(RankingError) in
                RelevanceModel(originalWeight: try options.number("original", default: 0.5, in: 0...1))
            },
            "rocchio": { options throws(RankingError) in
                Rocchio(
                    alpha: Float(try options.number("alpha", default: 1, in: 0...10)),
                    beta: Float(try options.number("beta", default: 0.5, in: 0...10)))
            },
        ]
        var rerankers: [String: RerankerMaker] = [:]
        var files: [String: RerankerFiles] = [:]
        var opened: [String: any Reranker] = [:]
    }

    private let state = Mutex(State())
    /// Held while a reranker is opened: many who ask for one at the same time open it once.
    private let opening = Mutex(())

    /// What this module has: fusions and feedbacks. Rerankers need models, and are registered by who has them.
    public init() {}

    /// Adds a fusion; the last of a name counts.
    public func register(fusion name: String, _ maker: @escaping Maker<any RankFusion>) {
        state.withLock { $0.fusions[name] = maker }
    }

    /// Adds a feedback; the last of a name counts.
    public func register(feedback name: String, _ maker: @escaping Maker<any RelevanceFeedback>) {
        state.withLock { $0.feedbacks[name] = maker }
    }

    /// Adds a reranker; the last of a name counts.
    public func register(reranker name: String, _ maker: @escaping RerankerMaker) {
        state.withLock { state in
            state.rerankers[name] = maker
            state.opened[name] = nil
        }
    }

    /// Adds a kind of rerankers that are files; the last of a kind counts.
    public func register(rerankerKind kind: String, _ files: RerankerFiles) {
        state.withLock { $0.files[kind] = files }
    }

    /// The names, sorted.
    public var fusions: [String] { state.withLock { $0.fusions.keys.sorted() } }
    public var feedbacks: [String] { state.withLock { $0.feedbacks.keys.sorted() } }
    public var rerankers: [String] {
        let (single, files) = state.withLock { (Array($0.rerankers.keys), $0.files) }
        return (single + files.flatMap { kind, files in files.names().map { "\(kind):\($0)" } }).sorted()
    }
    /// How rerankers that are files are named, such as `cross:FILE`, sorted.
    public var rerankerForms: [String] { state.withLock { $0.files.keys.sorted() }.map { $0 + ":FILE" } }

    /// The fusion that a policy or a request names.
    /// - Parameter value: a name such as `"interpolation"`, or one with its options:
    ///   `{"interpolation": {"normalization": "z_score"}}`.
    /// - Throws: `RankingError` for an unknown name or option, with what there is.
    public func fusion(_ value: JSONValue) throws(RankingError) -> any RankFusion {
        let (name, options) = try Self.part(value)
        let maker = state.withLock { $0.fusions[name] }
        return try Self.make(maker, name, options, "fusion", known: fusions)
    }

    /// The feedback that a policy or a request names, as for `fusion(_:)`.
    /// - Throws: `RankingError` for an unknown name or option, with what there is.
    public func feedback(_ value: JSONValue) throws(RankingError) -> any RelevanceFeedback {
        let (name, options) = try Self.part(value)
        let maker = state.withLock { $0.feedbacks[name] }
        return try Self.make(maker, name, options, "feedback", known: feedbacks)
    }

    /// The reranker of a name, opened once.
    /// - Parameter anyFile: Whether the name may be that of any file, as it may in a command or a policy; a request names
    ///   only what is offered (``rerankers``).
    /// - Throws: `RankingError` for an unknown name, or where what it needs is not at hand; what opening it throws.
    public func reranker(_ name: String, anyFile: Bool = true) throws -> any Reranker {
        let parts = name.split(separator: ":", maxSplits: 1).map(String.init)
        let (known, maker, files) = state.withLock { state in
            (
                state.opened[name], state.rerankers[name],
                parts.count == 2 ? state.files[parts[0]].map { (open: $0, file: parts[1]) } : nil
            )
        }
        guard maker != nil || files != nil, maker != nil || anyFile || rerankers.contains(name) else {
            let all = rerankers + (anyFile ? rerankerForms : [])
            let known = all.isEmpty ? "there are none" : "there are \(all.joined(separator: ", "))"
            throw RankingError("there is no reranker \"\(name.prefix(100))\"; \(known)")
        }
        if let known { return known }
        return try opening.withLock { _ in
            if let known = state.withLock({ $0.opened[name] }) { return known }
            guard let opened = try maker.map({ try $0() }) ?? files.map({ try $0.open.open($0.file) }) else {
                throw RankingError("the reranker \(name) has not what it needs here: `forage model pull minilm`")
            }
            state.withLock { $0.opened[name] = opened }
            return opened
        }
    }

    private static func part(_ value: JSONValue) throws(RankingError) -> (name: String, options: JSONObject) {
        switch value {
        case .string(let name): return (name, [:])
        case .object(let members) where members.count == 1:
            guard let (name, options) = members.elements.first, options.isNull || options.object != nil else { break }
            return (name, options.object ?? [:])
        default: break
        }
        throw RankingError("expected a name, or one name with its options, found \(value.serialized())")
    }

    private static func make<Part>(
        _ maker: Maker<Part>?, _ name: String, _ options: JSONObject, _ kind: String, known: [String]
    ) throws(RankingError) -> Part {
        guard let maker else {
            throw RankingError(
                "there is no \(kind) \"\(name.prefix(100))\"; there are \(known.joined(separator: ", "))")
        }
        var reader = RankingOptions(options)
        let part = try maker(&reader)
        try reader.finish()
        return part
    }
}

/// Why a fusion, feedback or reranker cannot be had.
public struct RankingError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The option that is wrong; empty when it is the name.
    public var option: String
    public var message: String

    public init(_ message: String, option: String = "") {
        self.option = option
        self.message = message
    }

    public var description: String { option.isEmpty ? message : "\(option): \(message)" }
}

/// Reads the options of a fusion or feedback: each with its bounds and default, and none left over.
public struct RankingOptions {
    private let members: JSONObject
    private var read: Set<String> = []

    public init(_ members: JSONObject) { self.members = members }

    /// A number within bounds.
    public mutating func number(
        _ key: String, default standard: Double, in range: ClosedRange<Double>
    ) throws(RankingError) -> Double {
        read.insert(key)
        guard let value = members[key], !value.isNull else { return standard }
        guard let number = value.double, range.contains(number) else {
            throw RankingError(
                "expected a number from \(range.lowerBound) to \(range.upperBound), found \(value.serialized())",
                option: key)
        }
        return number
    }

    /// One of some names.
    public mutating func choice(
        _ key: String, default standard: String, of names: [String]
    ) throws(RankingError) -> String {
        read.insert(key)
        guard let value = members[key], !value.isNull else { return standard }
        guard let name = value.string, names.contains(name) else {
            throw RankingError(
                "expected one of \(names.joined(separator: ", ")), found \(value.serialized())", option: key)
        }
        return name
    }

    /// - Throws: `RankingError` for an option that nothing has read.
    func finish() throws(RankingError) {
        guard let unknown = members.keys.first(where: { !read.contains($0) }) else { return }
        throw RankingError("unknown; expected \(read.sorted().joined(separator: ", "))", option: unknown)
    }
}
