// SPDX-License-Identifier: Apache-2.0

import Base
public import Text

/// Evaluates filters over the documents of a generation.
public struct DocumentFilter: Sendable {
    /// The documents.
    public let reader: CorpusReader
    /// The fields that filters can name.
    public let schema: FilterSchema
    private let matcher: (any TextMatcher)?
    private let analyzer: TextAnalyzer

    /// - Parameters:
    ///   - matcher: answers text matches over titles and texts; nil reads every passage.
    ///   - analyzer: how metadata texts become words in a text match; nil folds and keeps words whole.
    public init(reader: CorpusReader, matcher: (any TextMatcher)? = nil, analyzer: TextAnalyzer? = nil) throws {
        self.reader = reader
        schema = FilterSchema(fields: reader.columns.fields)
        self.matcher = matcher
        self.analyzer = try analyzer ?? TextAnalyzer(.plain)
    }

    /// The documents that a filter matches.
    /// - Throws: `CorpusError` `badArgument` for a field that does not exist or a value of another type.
    public func documents(matching filter: FilterExpression) throws -> DocumentBitmap {
        try filter.checkCost()
        var bitmap = DocumentBitmap(documentCount: reader.documentCount, all: true)
        try restrict(&bitmap, to: filter, isFull: true)
        return bitmap
    }

    /// The documents among `candidates` that a filter matches.
    public func documents(among candidates: DocumentBitmap, matching filter: FilterExpression) throws -> DocumentBitmap
    {
        try filter.checkCost()
        var bitmap = candidates
        try restrict(&bitmap, to: filter, isFull: false)
        return bitmap
    }

    /// Keeps of a set what matches.
    private func restrict(_ bitmap: inout DocumentBitmap, to filter: FilterExpression, isFull: Bool) throws {
        switch filter {
        case .and(let parts):
            // Metadata first: what it leaves bounds what the dearer texts look at.
            var isFull = isFull
            for part in parts.filter({ !$0.readsTexts }) + parts.filter(\.readsTexts) {
                try restrict(&bitmap, to: part, isFull: isFull)
                isFull = false
            }
        case .or(let parts):
            var union = DocumentBitmap(documentCount: reader.documentCount)
            for part in parts {
                var found = bitmap
                try restrict(&found, to: part, isFull: isFull)
                union.formUnion(found)
            }
            bitmap = union
        case .not(let part):
            var found = bitmap
            try restrict(&found, to: part, isFull: isFull)
            bitmap.subtract(found)
        case .match(let field, let words, let mode): try restrict(&bitmap, field, words, mode)
        case .compare(let field, _, _), .isIn(let field, _), .between(let field, _, _), .contains(let field, _),
            .exists(let field), .like(let field, _):
            _ = try schema.requiredType(of: field)
            guard let column = try reader.columns.column(field) else {
                return try restrictBuiltIn(&bitmap, field, filter)
            }
            let filter = try Self.read(filter, in: column)
            if case .and = filter { return try restrict(&bitmap, to: filter, isFull: isFull) }
            let runs = try Self.runs(of: filter, in: column, field: field)
            if isFull { bitmap = column.documents(with: runs) } else { column.restrict(&bitmap, to: runs) }
        }
    }

    /// A clause beside the texts of its column (`FilterExpression+Texts`).
    private static func read(_ clause: FilterExpression, in column: MetadataColumn) throws -> FilterExpression {
        guard let (_, texts) = clause.wantedTexts, case .texts = column.dictionary else { return clause }
        let absent = texts.filter { column.code(of: .text($0)) == nil }
        guard !absent.isEmpty else { return clause }
        return try clause.reading(absent, among: (1..<(column.distinctCount + 1)).lazy.map(column.text))
    }

    /// The codes of a column that a clause matches.
    private static func runs(of clause: FilterExpression, in column: MetadataColumn, field: String) throws -> CodeRuns {
        func check(_ value: MetadataValue) throws {
            switch (column.dictionary, value) {
            case (.numbers, .number), (.numbers, .integer), (.integers, .number), (.integers, .integer),
                (.dates, .date), (.booleans, .boolean), (.texts, .text):
                return
            default:
                throw CorpusError(
                    .badArgument, "field \"\(field)\" has type \(column.type); the value is \(value.json.serialized())")
            }
        }
        let last = column.distinctCount
        if case .texts = column.dictionary, let (_, matches) = clause.naturalOrder {
            return CodeRuns(codes: (1..<(last + 1)).filter { matches(column.text(ofCode: $0)) })
        }
        switch clause {
        case .compare(_, let comparison, let value):
            try check(value)
            switch comparison {
            case .equal: return column.code(of: value).map { CodeRuns($0, $0) } ?? CodeRuns()
            case .notEqual:
                return (column.code(of: value).map { CodeRuns($0, $0) } ?? CodeRuns()).complement(distinctCount: last)
            case .less: return CodeRuns(1, column.lowerBound(value) - 1)
            case .lessOrEqual: return CodeRuns(1, column.upperBound(value) - 1)
            case .greater: return CodeRuns(column.upperBound(value), last)
            case .greaterOrEqual: return CodeRuns(column.lowerBound(value), last)
            }
        case .isIn(_, let values):
            for value in values { try check(value) }
            return CodeRuns(codes: values.compactMap { column.code(of: $0) })
        case .between(_, let low, let high):
            try check(low)
            try check(high)
            return CodeRuns(column.lowerBound(low), column.upperBound(high) - 1)
        case .contains(_, let value):
            try check(value)
            guard case .text(let text) = value else {
                return column.code(of: value).map { CodeRuns($0, $0) } ?? CodeRuns()
            }
            let wanted = TextFolding.fold(text)
            let isList = column.isList
            return CodeRuns(
                codes: (1..<(last + 1)).filter { code in
                    let folded = TextFolding.fold(column.text(ofCode: code))
                    return isList ? folded == wanted : Self.contains(folded, wanted)
                })
        case .exists: return CodeRuns(1, last)
        case .like:
            throw CorpusError(.badArgument, "\"like\" is for texts; \"\(field)\" has type \(column.type)")
        case .match, .and, .or, .not: preconditionFailure("not a clause on one field")
        }
    }

    /// Whether a text contains another, by bytes.
    static func contains(_ text: String, _ wanted: String) -> Bool {
        let (text, wanted) = (Array(text.utf8), Array(wanted.utf8))
        guard let first = wanted.first else { return true }
        guard text.count >= wanted.count else { return false }
        for start in 0...(text.count - wanted.count) where text[start] == first {
            if text[start..<(start + wanted.count)].elementsEqual(wanted) { return true }
        }
        return false
    }

    private func restrict(
        _ bitmap: inout DocumentBitmap, _ field: String?, _ words: String, _ mode: FilterExpression.MatchMode
    ) throws {
        let isMetadata = field.map { !schema.isBuiltIn($0) } ?? false
        if let field, isMetadata || field == "id" || field == "source" {
            let type = try schema.requiredType(of: field)
            guard type == .text || type == .textList else {
                throw CorpusError(.badArgument, "a text match is for texts; \"\(field)\" has type \(type)")
            }
            let pattern = WordPattern(words: words, mode: mode, analyzer: analyzer)
            guard !pattern.isEmpty else { return bitmap.removeAll() }
            func matches(_ text: String) -> Bool {
                pattern.matches([analyzer.terms(in: text).map { Array($0.utf8) }])
            }
            guard let column = try reader.columns.column(field) else {
                return try keep(&bitmap) { try matches(self.builtIn(field, $0)) }
            }
            let codes = (1..<(column.distinctCount + 1)).filter {
                matches(column.text(ofCode: $0))
            }
            return column.restrict(&bitmap, to: CodeRuns(codes: codes))
        }
        let matcher = try matcher ?? ScanningTextMatcher(reader: reader, analyzer: analyzer)
        let passages = try matcher.passages(matching: words, mode: mode, field: field)
        var found = DocumentBitmap(documentCount: reader.documentCount)
        for passage in passages.ordinals where Int(passage) < reader.passageCount {
            found.insert(reader.documentOrdinal(of: passage))
        }
        bitmap.formIntersection(found)
    }

    // MARK: Built-in fields

    private func builtIn(_ field: String, _ document: DocumentOrdinal) throws -> String {
        switch field {
        case "id": return try reader.documentID(of: document)
        case "title": return try reader.title(of: document)
        case "source": return reader.sourcePath(try reader.entry(document).source)
        default: return String(decoding: try reader.record(of: document).text, as: UTF8.self)
        }
    }

    private func keep(_ bitmap: inout DocumentBitmap, _ isKept: (DocumentOrdinal) throws -> Bool) throws {
        var kept = DocumentBitmap(documentCount: reader.documentCount)
        for document in bitmap.members(limit: bitmap.count) where try isKept(document) { kept.insert(document) }
        bitmap = kept
    }

    /// Clauses on `id`, `title`, `text` and `source`: ids are looked up, the rest is read.
    private func restrictBuiltIn(_ bitmap: inout DocumentBitmap, _ field: String, _ clause: FilterExpression) throws {
        func text(_ value: MetadataValue) throws -> ByteOrderedText {
            guard case .text(let text) = value else {
                throw CorpusError(
                    .badArgument, "field \"\(field)\" has type text; the value is \(value.json.serialized())")
            }
            return ByteOrderedText(text: text)
        }
        func value(_ document: DocumentOrdinal) throws -> ByteOrderedText {
            ByteOrderedText(text: try builtIn(field, document))
        }
        func keepIDs(_ values: [MetadataValue]) throws {
            var found = DocumentBitmap(documentCount: reader.documentCount)
            for value in values {
                if let ordinal = try reader.documentOrdinal(id: text(value).text) { found.insert(ordinal) }
            }
            bitmap.formIntersection(found)
        }
        switch clause {
        case .compare(_, .equal, let wanted) where field == "id": try keepIDs([wanted])
        case .isIn(_, let values) where field == "id": try keepIDs(values)
        case .compare(_, let comparison, let constant):
            let wanted = try text(constant)
            try keep(&bitmap) { document in
                let own = try value(document)
                switch comparison {
                case .equal: return own == wanted
                case .notEqual: return own != wanted && !own.text.isEmpty
                case .less: return own < wanted
                case .lessOrEqual: return own <= wanted
                case .greater: return own > wanted
                case .greaterOrEqual: return own >= wanted
                }
            }
        case .isIn(_, let values):
            let wanted = Set(try values.map { try Array(text($0).text.utf8) })
            try keep(&bitmap) { wanted.contains(Array(try value($0).text.utf8)) }
        case .between(_, let low, let high):
            let (low, high) = (try text(low), try text(high))
            try keep(&bitmap) { document in
                let own = try value(document)
                return low <= own && own <= high
            }
        case .contains(_, let part):
            let wanted = TextFolding.fold(try text(part).text)
            try keep(&bitmap) { Self.contains(TextFolding.fold(try value($0).text), wanted) }
        case .exists: try keep(&bitmap) { try !value($0).text.isEmpty }
        case .like(_, let pattern):
            let pattern = LikePattern(pattern)
            try keep(&bitmap) { pattern.matches(try value($0).text) }
        case .match, .and, .or, .not: preconditionFailure("not a clause on one field")
        }
    }
}

extension FilterExpression {
    /// Whether it looks at titles and texts, which costs more than columns.
    var readsTexts: Bool {
        switch self {
        case .match: return true
        case .compare(let field, _, _), .isIn(let field, _), .between(let field, _, _), .contains(let field, _),
            .exists(let field), .like(let field, _):
            return FilterSchema.builtInFields.contains(field)
        case .and(let parts), .or(let parts): return parts.contains(where: \.readsTexts)
        case .not(let part): return part.readsTexts
        }
    }
}
