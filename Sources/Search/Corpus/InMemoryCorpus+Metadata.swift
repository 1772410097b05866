// SPDX-License-Identifier: Apache-2.0

import Base
public import Corpus
import Foundation
import Text

/// Filters and aggregates by going through all documents.
extension InMemoryCorpus {
    public func filter(_ expression: FilterExpression, among documents: OrdinalSet?) async throws -> OrdinalSet {
        try expression.checkCost()
        for field in expression.fields.sorted() { _ = try schema.requiredType(of: field) }
        let expression = try expression.reading { textValues(of: $0) }
        let words = try TextAnalyzer(.plain)
        let candidates = documents?.ordinals ?? Array(0..<DocumentOrdinal(self.documents.count))
        var found: [DocumentOrdinal] = []
        for (index, ordinal) in candidates.enumerated() where Int(ordinal) < self.documents.count {
            // As the scans of a folder: whoever asked may be gone.
            if index % 256 == 0 { try Task.checkCancellation() }
            if matches(expression, Int(ordinal), words) { found.append(ordinal) }
        }
        return OrdinalSet(ascending: found)
    }

    /// The distinct values of a metadata field of texts; nil for other fields.
    private func textValues(of field: String) -> Set<String>? {
        guard let type = schema.fields.first(where: { $0.name == field })?.type, type == .text || type == .textList
        else { return nil }
        var values: Set<String> = []
        for document in documents {
            switch document.metadata[field] {
            case .text(let text)?: values.insert(text)
            case .list(let elements)?:
                for case .text(let text) in elements { values.insert(text) }
            default: break
            }
        }
        return values
    }

    private func matches(_ expression: FilterExpression, _ index: Int, _ words: TextAnalyzer) -> Bool {
        func values(_ field: String) -> [MetadataValue] {
            let document = documents[index]
            if let value = document.metadata[field] {
                if case .list(let elements) = value { return elements }
                return [value]
            }
            switch field {
            case "id": return [.text(document.id)]
            case "title": return [.text(document.title)]
            case "text": return [.text(document.text)]
            case "source": return [.text(document.source)]
            default: return []
            }
        }
        switch expression {
        case .compare(let field, let comparison, let constant):
            return values(field).contains { value in
                switch comparison {
                case .equal: return value == constant
                case .notEqual: return value != constant
                case .less: return value.isBelow(constant)
                case .lessOrEqual: return !constant.isBelow(value)
                case .greater: return constant.isBelow(value)
                case .greaterOrEqual: return !value.isBelow(constant)
                }
            }
        case .isIn(let field, let constants): return values(field).contains { constants.contains($0) }
        case .between(let field, let low, let high):
            return values(field).contains { !$0.isBelow(low) && !high.isBelow($0) }
        case .contains(let field, let constant):
            if case .list? = documents[index].metadata[field] {
                return values(field).contains { $0.folded == constant.folded }
            }
            guard case .text(let needle) = constant.folded else { return false }
            return values(field).contains { value in
                guard case .text(let text) = value.folded else { return false }
                return needle.isEmpty || text.contains(needle)
            }
        case .like(let field, let pattern):
            let pattern = LikePattern(pattern)
            return values(field).contains { value in
                guard case .text(let text) = value else { return false }
                return pattern.matches(text)
            }
        case .exists(let field): return !values(field).isEmpty
        case .match(let field, let text, let mode):
            let wanted = words.terms(in: text)
            guard !wanted.isEmpty else { return false }
            if let field, documents[index].metadata[field] != nil {
                return values(field).contains { value in
                    guard case .text(let text) = value else { return false }
                    return Self.occur(wanted, mode, in: [words.terms(in: text)])
                }
            }
            return passageRanges[index].contains { ordinal in
                let passage = passages[Int(ordinal)]
                var texts: [[String]] = []
                if field == nil || field == "title" { texts.append(words.terms(in: passage.title)) }
                if field == nil || field == "text" { texts.append(words.terms(in: passage.text)) }
                return Self.occur(wanted, mode, in: texts)
            }
        case .and(let parts): return parts.allSatisfy { matches($0, index, words) }
        case .or(let parts): return parts.contains { matches($0, index, words) }
        case .not(let part): return !matches(part, index, words)
        }
    }

    /// Whether words occur in the texts of one passage.
    private static func occur(_ words: [String], _ mode: FilterExpression.MatchMode, in texts: [[String]]) -> Bool {
        switch mode {
        case .all: return words.allSatisfy { word in texts.contains { $0.contains(word) } }
        case .any: return words.contains { word in texts.contains { $0.contains(word) } }
        case .phrase: return texts.contains { $0.firstRange(of: words) != nil }
        case .prefix:
            let beginning = words[words.count - 1]
            return words.dropLast().allSatisfy { word in texts.contains { $0.contains(word) } }
                && texts.contains { $0.contains { $0.hasPrefix(beginning) } }
        }
    }

    public func list(_ documents: OrdinalSet, _ request: DocumentListRequest) async throws -> TablePage {
        var ordinals = documents.ordinals.filter { Int($0) < self.documents.count }
        ordinals.sort { a, b in
            for order in request.sort {
                let x = self.documents[Int(a)].metadata[order.column]
                let y = self.documents[Int(b)].metadata[order.column]
                switch (x, y) {
                case (let x?, let y?) where x != y: return order.descending ? y.isBelow(x) : x.isBelow(y)
                case (_?, nil): return true
                case (nil, _?): return false
                default: continue
                }
            }
            return a < b
        }
        let page = Array(ordinals.dropFirst(request.offset).prefix(request.limit))
        let rows = page.map { ordinal -> [JSONValue] in
            let document = self.documents[Int(ordinal)]
            return [.string(document.id), .string(document.title)]
                + request.fields.map { document.metadata[$0]?.json ?? .null }
        }
        return TablePage(
            table: ResultTable(columns: ["id", "title"] + request.fields, rows: rows), matched: ordinals.count,
            rowCount: ordinals.count, offset: request.offset)
    }

    public func aggregate(_ documents: OrdinalSet, _ request: AggregateRequest) async throws -> TablePage {
        let members = documents.ordinals.filter { Int($0) < self.documents.count }.map { self.documents[Int($0)] }
        var groups: [(key: [MetadataValue?], members: [Document])] = [([], members)]
        for grouping in request.groupBy {
            var next: [[MetadataValue?]: [Document]] = [:]
            for group in groups {
                for document in group.members {
                    for value in grouping.groups(of: document) {
                        next[group.key + [value], default: []].append(document)
                    }
                }
            }
            groups = next.map { ($0.key, $0.value) }
        }
        let names = request.groupBy.map(\.name) + request.measures.map(\.name)
        var rows = groups.map { group in
            group.key + request.measures.map { $0.statistic.value(over: group.members) }
        }
        var sort = request.sort
        let isScale = request.groupBy.contains { if case .value = $0 { return false } else { return true } }
        if sort.isEmpty, !isScale, let first = request.measures.first {
            sort = [AggregateRequest.Order(first.name, descending: true)]
        }
        let keys =
            sort.compactMap { order in names.firstIndex(of: order.column).map { ($0, order.descending) } }
            + request.groupBy.indices.map { ($0, false) }
        rows.sort { a, b in
            for (column, descending) in keys where a[column] != b[column] {
                switch (a[column], b[column]) {
                case (let x?, let y?): return descending ? y.isBelow(x) : x.isBelow(y)
                case (nil, _): return false
                case (_, nil): return true
                }
            }
            return false
        }
        let page = rows.dropFirst(request.offset).prefix(request.limit).map { $0.map { $0?.json ?? .null } }
        return TablePage(
            table: ResultTable(columns: names, rows: page), matched: members.count, rowCount: rows.count,
            offset: request.offset)
    }
}

extension AggregateRequest.Grouping {
    /// The groups of a document; without a value that of nil.
    fileprivate func groups(of document: Document) -> [MetadataValue?] {
        let field: String
        switch self {
        case .value(let name), .period(let name, _), .interval(let name, _): field = name
        }
        guard let value = document.metadata[field] else { return [nil] }
        var seen: Set<MetadataValue> = []
        let elements = value.elements.map { element -> MetadataValue in
            switch (self, element) {
            case (.period(_, let period), .date(let seconds)):
                return .text(CalendarDate.name(of: period, start: CalendarDate.start(of: period, seconds: seconds)))
            case (.interval(_, let width), .number), (.interval(_, let width), .integer):
                return .number(((element.double ?? 0) / width).rounded(.down) * width)
            default: return element
            }
        }
        let distinct = elements.filter { seen.insert($0).inserted }
        return distinct.isEmpty ? [nil] : distinct
    }
}

extension AggregateRequest.Statistic {
    /// The statistic over documents; nil when none has a value.
    fileprivate func value(over documents: [Document]) -> MetadataValue? {
        func values(_ field: String) -> [MetadataValue] { documents.flatMap { $0.metadata[field]?.elements ?? [] } }
        func numbers(_ field: String) -> [Double] {
            values(field).compactMap(\.double).sorted()
        }
        func first(_ field: String, _ isBetter: (MetadataValue, MetadataValue) -> Bool) -> MetadataValue? {
            var best: (id: String, value: MetadataValue)?
            for document in documents {
                guard let value = document.metadata[field] else { continue }
                if best.map({ isBetter(value, $0.value) }) ?? true { best = (document.id, value) }
            }
            return best.map { .text($0.id) }
        }
        switch self {
        case .count: return .number(Double(documents.count))
        case .countOf(let field): return .number(Double(documents.count { $0.metadata[field] != nil }))
        case .distinct(let field): return .number(Double(Set(values(field)).count))
        case .sum(let field): return .number(numbers(field).reduce(0, +))
        case .mean(let field):
            let numbers = numbers(field)
            return numbers.isEmpty ? nil : .number(numbers.reduce(0, +) / Double(numbers.count))
        case .minimum(let field): return values(field).min { $0.isBelow($1) }
        case .maximum(let field): return values(field).max { $0.isBelow($1) }
        case .quantile(let field, let share):
            let numbers = numbers(field)
            guard !numbers.isEmpty else { return nil }
            let place = share * Double(numbers.count - 1)
            let low = numbers[Int(place)]
            let high = numbers[min(Int(place) + 1, numbers.count - 1)]
            return .number(low + (high - low) * (place - place.rounded(.down)))
        case .argumentOfMinimum(let field): return first(field) { $0.isBelow($1) }
        case .argumentOfMaximum(let field): return first(field) { $1.isBelow($0) }
        }
    }
}

extension MetadataValue {
    /// The elements of a list; any other value alone.
    fileprivate var elements: [MetadataValue] {
        if case .list(let elements) = self { return elements }
        return [self]
    }

    /// The value without case and accents.
    fileprivate var folded: MetadataValue {
        if case .text(let text) = self { return .text(TextFolding.fold(text)) }
        return self
    }

    /// The order of values of one type; texts by their UTF-8 bytes.
    fileprivate func isBelow(_ other: MetadataValue) -> Bool {
        switch (self, other) {
        case (.number(let a), .number(let b)): return a < b
        case (.number, .integer), (.integer, .number), (.integer, .integer): return isNumberBelow(other)
        case (.date(let a), .date(let b)): return a < b
        case (.boolean(let a), .boolean(let b)): return !a && b
        case (.text(let a), .text(let b)): return a.utf8.lexicographicallyPrecedes(b.utf8)
        default: return false
        }
    }
}
