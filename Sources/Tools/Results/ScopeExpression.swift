// SPDX-License-Identifier: Apache-2.0

public import Corpus
import Search

/// Set algebra over result handles, as a model writes it in `within` and `over`: `r1`, `r1 intersect r3`,
/// `(r1 union r2) subtract r4`.
///
/// ```
/// expression = term { ("union" | "or" | "subtract" | "minus" | "except") term }
/// term       = factor { ("intersect" | "and") factor }
/// factor     = handle | "(" expression ")"
/// ```
/// Words may be in any case; operators of one kind associate to the left. Passages meet documents so: an intersection
/// keeps the passages whose document is in the set, a difference those whose document is not; a union is of documents.
public struct ScopeExpression: Sendable, Hashable {
    private indirect enum Node: Sendable, Hashable {
        case handle(String)
        case operation(Operator, Node, Node)
    }
    fileprivate enum Operator: Sendable, Hashable { case union, intersect, subtract }

    private let root: Node
    /// The expression as it was written, without spaces around it.
    public let text: String

    /// Reads an expression of at most 1,000 characters, nested at most 16 deep.
    /// - Throws: `ToolError` that says what was expected, and where.
    public init(_ text: String) throws(ToolError) {
        guard text.utf8.count <= 1_000 else {
            throw ToolError(.invalidArguments, "an expression of handles may have at most 1,000 characters")
        }
        var parser = Parser(text)
        root = try parser.expression(depth: 0)
        guard parser.next == nil else { throw parser.unexpected("union, intersect, subtract or the end") }
        self.text = parser.tokens.joined(separator: " ")
    }

    /// The handles that it names, in the order of their first occurrence.
    public var handles: [String] {
        var found: [String] = []
        func visit(_ node: Node) {
            switch node {
            case .handle(let name): if !found.contains(name) { found.append(name) }
            case .operation(_, let left, let right):
                visit(left)
                visit(right)
            }
        }
        visit(root)
        return found
    }

    /// The handle, when the expression is nothing else.
    public var singleHandle: String? {
        if case .handle(let name) = root { return name }
        return nil
    }

    /// Works the expression out over the results of a session.
    /// - Throws: `ToolError` when a handle is unknown or names a table.
    public func evaluate(in resultSets: [String: ResultSet]) throws(ToolError) -> CorpusScope {
        try Self.evaluate(root, resultSets).scope
    }

    /// The results that the expression names: for a handle its own content, else documents, or passages fused by
    /// reciprocal rank (constant 60) over the handles that hold them.
    /// - Throws: `ToolError` when a handle is unknown or names a table.
    public func content(in resultSets: [String: ResultSet]) throws(ToolError) -> ResultSet.Content {
        let members: OrdinalSet
        switch try evaluate(in: resultSets) {
        case .documents(let set): return .documents(set)
        case .passages(let set): members = set
        }
        if let handle = singleHandle, let set = resultSets[handle] { return set.content }
        var known: [PassageOrdinal: RankedPassage] = [:]
        var lists: [Ranking<PassageOrdinal>] = []
        for handle in handles {
            guard case .passages(let passages)? = resultSets[handle]?.content else { continue }
            for passage in passages where known[passage.ordinal] == nil { known[passage.ordinal] = passage }
            lists.append(Ranking(passages.map(\.ordinal), scores: passages.map(\.score)))
        }
        return .passages(
            ReciprocalRank().fuse(lists).compactMap { ordinal, score in
                guard members.contains(ordinal), var passage = known[ordinal] else { return nil }
                passage.score = score
                return passage
            })
    }

    private static func evaluate(_ node: Node, _ sets: [String: ResultSet]) throws(ToolError) -> Members {
        switch node {
        case .handle(let name):
            guard let set = sets[name] else { throw Self.unknown(name, sets) }
            switch set.content {
            case .documents(let documents): return Members(documents: documents, passages: nil)
            case .passages(let passages):
                var owners: [PassageOrdinal: DocumentOrdinal] = [:]
                for passage in passages { owners[passage.ordinal] = passage.documentOrdinal }
                return Members(documents: OrdinalSet(owners.values), passages: owners)
            case .table:
                throw ToolError(
                    .invalidArguments, "\(name) is a table; only passages and documents can be searched or combined")
            }
        case .operation(let operation, let left, let right):
            return try Self.evaluate(left, sets).combined(operation, try Self.evaluate(right, sets))
        }
    }

    private static func unknown(_ name: String, _ sets: [String: ResultSet]) -> ToolError {
        let known = sets.keys.sorted { ($0.utf8.count, $0) < ($1.utf8.count, $1) }
        let listed =
            known.isEmpty ? "there are no results yet" : "there are \(known.suffix(20).joined(separator: ", "))"
        return ToolError(.invalidArguments, "there is no result \"\(name)\"; \(listed)")
    }

    /// Documents, or passages with their documents.
    fileprivate struct Members {
        var documents: OrdinalSet
        var passages: [PassageOrdinal: DocumentOrdinal]?

        var scope: CorpusScope { passages.map { .passages(OrdinalSet($0.keys)) } ?? .documents(documents) }

        fileprivate func combined(_ operation: Operator, _ other: Members) -> Members {
            switch (operation, passages, other.passages) {
            case (.union, let mine?, let theirs?): return Members(mine.merging(theirs) { first, _ in first })
            case (.union, _, _): return Members(documents: documents.union(other.documents), passages: nil)
            case (.intersect, let mine?, let theirs?): return Members(mine.filter { theirs[$0.key] != nil })
            case (.intersect, let mine?, nil): return Members(mine.filter { other.documents.contains($0.value) })
            case (.intersect, nil, let theirs?): return Members(theirs.filter { documents.contains($0.value) })
            case (.intersect, nil, nil):
                return Members(documents: documents.intersection(other.documents), passages: nil)
            case (.subtract, let mine?, let theirs?): return Members(mine.filter { theirs[$0.key] == nil })
            case (.subtract, let mine?, nil): return Members(mine.filter { !other.documents.contains($0.value) })
            case (.subtract, nil, _): return Members(documents: documents.subtracting(other.documents), passages: nil)
            }
        }
    }

    private struct Parser {
        let tokens: [String]
        var position = 0

        init(_ text: String) {
            var tokens: [String] = []
            var word = ""
            for character in text {
                if character == "(" || character == ")" || character.isWhitespace || character == "," {
                    if !word.isEmpty { tokens.append(word) }
                    word = ""
                    if !character.isWhitespace { tokens.append(String(character)) }
                } else {
                    word.append(character)
                }
            }
            if !word.isEmpty { tokens.append(word) }
            self.tokens = tokens
        }

        var next: String? { position < tokens.count ? tokens[position] : nil }

        func unexpected(_ expected: String) -> ToolError {
            let found = next.map { "\"\($0.prefix(40))\"" } ?? "the end"
            return ToolError(
                .invalidArguments,
                "expected \(expected), found \(found); write handles as in \"r1\", \"r1 intersect r3\", \"(r1 union r2) subtract r4\""
            )
        }

        mutating func expression(depth: Int) throws(ToolError) -> Node {
            var node = try term(depth: depth)
            while let word = next?.lowercased() {
                switch word {
                case "union", "or", "+", "|":
                    position += 1
                    node = .operation(.union, node, try term(depth: depth))
                case "subtract", "minus", "except", "-":
                    position += 1
                    node = .operation(.subtract, node, try term(depth: depth))
                default: return node
                }
            }
            return node
        }

        mutating func term(depth: Int) throws(ToolError) -> Node {
            var node = try factor(depth: depth)
            while let word = next?.lowercased(), ["intersect", "and", "&"].contains(word) {
                position += 1
                node = .operation(.intersect, node, try factor(depth: depth))
            }
            return node
        }

        mutating func factor(depth: Int) throws(ToolError) -> Node {
            guard depth < 16 else { throw ToolError(.invalidArguments, "parentheses may be nested at most 16 deep") }
            if next == "(" {
                position += 1
                let node = try expression(depth: depth + 1)
                guard next == ")" else { throw unexpected("\")\"") }
                position += 1
                return node
            }
            guard let word = next, word.utf8.first == UInt8(ascii: "r"), word.dropFirst().allSatisfy(\.isNumber),
                word.count > 1
            else { throw unexpected("a handle such as r1") }
            position += 1
            return .handle(word)
        }
    }
}

extension ScopeExpression.Members {
    fileprivate init(_ passages: [PassageOrdinal: DocumentOrdinal]) {
        self.init(documents: OrdinalSet(passages.values), passages: passages)
    }
}
