// SPDX-License-Identifier: Apache-2.0

public import Base
public import Corpus
import OrderedCollections
import Synchronization

/// What a tool returned, under a handle that later calls can name: search within it, aggregate over it, combine it.
public struct ResultSet: Sendable, Hashable {
    /// What it holds.
    public enum Content: Sendable, Hashable {
        /// Passages, best first.
        case passages([RankedPassage])
        /// Documents, without an order of their own.
        case documents(OrdinalSet)
        /// Rows of an aggregation.
        case table(ResultTable)
    }

    /// `r1`, `r2` …
    public var handle: String
    /// The tool that made it.
    public var tool: String
    /// What it is, in one line: the query, the filter, the measures.
    public var description: String
    public var content: Content
    /// How many there are in the corpus; at least as many as `content` holds.
    public var total: Int
    /// Whether `content` holds all of `total`.
    public var isComplete: Bool

    public init(
        handle: String, tool: String, description: String, content: Content, total: Int, isComplete: Bool
    ) {
        self.handle = handle
        self.tool = tool
        self.description = description
        self.content = content
        self.total = total
        self.isComplete = isComplete
    }

    /// The number of passages, documents or rows that it holds.
    public var count: Int {
        switch content {
        case .passages(let passages): return passages.count
        case .documents(let set): return set.count
        case .table(let table): return table.rows.count
        }
    }

    /// The part of the corpus that it names; nil for a table.
    public var scope: CorpusScope? {
        switch content {
        case .passages(let passages): return .passages(OrdinalSet(passages.lazy.map(\.ordinal)))
        case .documents(let set): return .documents(set)
        case .table: return nil
        }
    }

    /// The documents that it touches; nil for a table.
    public var documents: OrdinalSet? {
        switch content {
        case .passages(let passages): return OrdinalSet(passages.lazy.map(\.documentOrdinal))
        case .documents(let set): return set
        case .table: return nil
        }
    }
}

extension ResultSet: JSONRepresentable {
    public var json: JSONValue {
        var members: JSONObject = [
            "handle": .string(handle), "tool": .string(tool), "description": .string(description),
            "total": .integer(total), "complete": .bool(isComplete),
        ]
        switch content {
        case .passages(let passages):
            members["passages"] = .array(
                passages.map { passage in
                    .array([
                        .string(passage.id), .integer(Int(passage.ordinal)), .integer(Int(passage.documentOrdinal)),
                        .number(passage.score),
                    ])
                })
        case .documents(let set): members["documents"] = .string(set.runs)
        case .table(let table):
            members["columns"] = .array(table.columns.map(JSONValue.string))
            members["rows"] = .array(table.rows.map(JSONValue.array))
        }
        return .object(members)
    }

    public init(json: JSONValue) throws {
        handle = try json.requiredString("handle")
        tool = try json.requiredString("tool")
        description = try json.requiredString("description")
        total = try json.requiredInt("total")
        guard let complete = try json.required("complete").bool else {
            throw JSONError(message: "\"complete\" must be true or false")
        }
        isComplete = complete
        if json["passages"] != nil {
            content = .passages(try json.requiredArray("passages").map(RankedPassage.init(row:)))
        } else if json["documents"] != nil {
            content = .documents(try OrdinalSet(runs: json.requiredString("documents")))
        } else {
            let columns = try json.requiredArray("columns").map { column in
                guard let name = column.string else { throw JSONError(message: "\"columns\" must hold strings") }
                return name
            }
            let rows = try json.requiredArray("rows").map { row in
                guard let cells = row.array, cells.count == columns.count else {
                    throw JSONError(message: "each of \"rows\" must hold \(columns.count) cells")
                }
                return cells
            }
            content = .table(ResultTable(columns: columns, rows: rows))
        }
    }
}

extension RankedPassage {
    /// Reads `[id, ordinal, document ordinal, score]`.
    fileprivate init(row: JSONValue) throws {
        guard let id = row[0]?.string, let ordinal = row[1]?.int.flatMap(UInt32.init(exactly:)),
            let document = row[2]?.int.flatMap(UInt32.init(exactly:)), let score = row[3]?.double
        else { throw JSONError(message: "each of \"passages\" must be [id, ordinal, document ordinal, score]") }
        self.init(id: id, ordinal: ordinal, documentOrdinal: document, score: score)
    }
}

extension OrdinalSet {
    /// The members as text, runs of neighbours joined: `0-4,9,11-12`.
    var runs: String {
        var text = ""
        var index = 0
        while index < ordinals.count {
            var end = index
            while end + 1 < ordinals.count, ordinals[end + 1] == ordinals[end] + 1 { end += 1 }
            if !text.isEmpty { text += "," }
            text += String(ordinals[index])
            if end > index { text += "-" + String(ordinals[end]) }
            index = end + 1
        }
        return text
    }

    /// Reads what `runs` writes: checked whole, and counted against the budget, before any member is made.
    /// - Throws: `JSONError` when the text is anything else, or holds more members than are left in the budget.
    init(runs: String) throws(JSONError) {
        var ranges: [ClosedRange<UInt32>] = []
        var count = 0
        for run in runs.split(separator: ",", omittingEmptySubsequences: true) {
            let ends = run.split(separator: "-", omittingEmptySubsequences: false)
            guard ends.count <= 2, let first = UInt32(ends[0]), let last = UInt32(ends[ends.count - 1]), first <= last,
                ranges.last.map({ $0.upperBound < first }) ?? true
            else {
                throw JSONError(
                    message: "\"documents\" must be ascending ordinals such as 0-4,9, found \"\(run.prefix(40))\"")
            }
            ranges.append(first...last)
            count += Int(last - first) + 1
        }
        try ExpansionBudget.current.take(count)
        var members: [UInt32] = []
        members.reserveCapacity(count)
        for range in ranges { members.append(contentsOf: range) }
        self.init(ascending: members)
    }
}

/// How many members the result sets of one text may hold together: a few bytes can name a whole corpus. Whoever reads a
/// text from outside sets a budget for it; without one each set has the default to itself.
public final class ExpansionBudget: Sendable {
    /// The most members without a budget of one's own: 64 MiB of them.
    public static let standard = 1 << 24

    @TaskLocal private static var own: ExpansionBudget?
    private let left: Mutex<Int>

    /// - Parameter members: the most members altogether.
    public init(_ members: Int = ExpansionBudget.standard) { left = Mutex(members) }

    /// The budget that counts now.
    public static var current: ExpansionBudget { own ?? ExpansionBudget() }

    /// Reads a text within this budget.
    public func within<Result, Failure: Error>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
        let outcome: Swift.Result<Result, Failure> = ExpansionBudget.$own.withValue(self) {
            do throws(Failure) { return .success(try body()) } catch { return .failure(error) }
        }
        return try outcome.get()
    }

    func take(_ count: Int) throws(JSONError) {
        let fits = left.withLock { left in
            guard count <= left else { return false }
            left -= count
            return true
        }
        guard fits else { throw JSONError(message: "the result sets hold more documents than may be read at once") }
    }
}
