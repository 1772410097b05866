// SPDX-License-Identifier: Apache-2.0

/// What to compute over a set of documents: measures, for all of them or by group, sorted and cut to a page.
public struct AggregateRequest: Sendable, Hashable {
    /// A number or value computed over documents. Documents without a value of the field do not count in it.
    public enum Statistic: Sendable, Hashable {
        /// The number of documents.
        case count
        /// The number of documents with a value.
        case countOf(field: String)
        /// The number of distinct values.
        case distinct(field: String)
        case sum(field: String)
        case mean(field: String)
        /// The least value, of any type that has an order.
        case minimum(field: String)
        /// The greatest value.
        case maximum(field: String)
        /// The value below which a share of the values lies (0 to 1), interpolated linearly; the median is 0.5.
        case quantile(field: String, Double)
        /// The id of the document with the least value; of several the first.
        case argumentOfMinimum(field: String)
        /// The id of the document with the greatest value; of several the first.
        case argumentOfMaximum(field: String)

        /// The field that is read; nil for `count`.
        package var field: String? {
            switch self {
            case .count: return nil
            case .countOf(let field), .distinct(let field), .sum(let field), .mean(let field), .minimum(let field),
                .maximum(let field), .quantile(let field, _), .argumentOfMinimum(let field),
                .argumentOfMaximum(let field):
                return field
            }
        }
    }

    /// A statistic under the name of its column in the result.
    public struct Measure: Sendable, Hashable {
        public var name: String
        public var statistic: Statistic

        public init(_ statistic: Statistic, name: String) {
            self.statistic = statistic
            self.name = name
        }
    }

    /// What documents are grouped by. Documents without a value form the group of null; a document with a list is in the
    /// group of each of its elements.
    public enum Grouping: Sendable, Hashable {
        /// Each distinct value.
        case value(field: String)
        /// The calendar periods of a date field; groups are named as `CalendarDate.name` does.
        case period(field: String, CalendarPeriod)
        /// Intervals of equal width of a number field, from 0 both ways; groups are named by their lower end.
        case interval(field: String, width: Double)

        package var field: String {
            switch self {
            case .value(let field), .period(let field, _), .interval(let field, _): return field
            }
        }

        /// The name of its column in the result.
        public var name: String {
            switch self {
            case .value(let field): return field
            case .period(let field, let period): return "\(field)_\(period.rawValue)"
            case .interval(let field, _): return "\(field)_from"
            }
        }
    }

    /// An order of rows by a column of the result.
    public struct Order: Sendable, Hashable {
        /// The name of a measure or grouping.
        public var column: String
        public var descending: Bool

        public init(_ column: String, descending: Bool = false) {
            self.column = column
            self.descending = descending
        }
    }

    /// A column made of measures by arithmetic.
    public struct Computed: Sendable, Hashable {
        public var name: String
        public var expression: MeasureExpression

        public init(_ expression: MeasureExpression, name: String) {
            self.expression = expression
            self.name = name
        }
    }

    public var measures: [Measure]
    /// Columns that are computed from the measures' columns, row by row. Whoever shows the result computes them
    /// (`aggregate` does); a corpus returns the measures alone.
    public var computed: [Computed] = []
    public var groupBy: [Grouping]
    /// Default: intervals and periods ascending, other groups by the first measure, greatest first. Ties: by group.
    public var sort: [Order]
    /// The most rows. Default: 20.
    public var limit: Int
    /// Rows passed over. Default: 0.
    public var offset: Int

    public init(
        _ measures: [Measure] = [Measure(.count, name: "count")], groupBy: [Grouping] = [], sort: [Order] = [],
        limit: Int = 20, offset: Int = 0
    ) {
        self.measures = measures
        self.groupBy = groupBy
        self.sort = sort
        self.limit = limit
        self.offset = offset
    }
}

/// A list of documents in the order of some fields: sorting and top-k.
public struct DocumentListRequest: Sendable, Hashable {
    /// The fields to sort by, most significant first; documents without a value come last, ties in the order of the corpus.
    public var sort: [AggregateRequest.Order]
    /// The metadata fields to show beside id and title.
    public var fields: [String]
    /// The most rows. Default: 20.
    public var limit: Int
    /// Rows passed over. Default: 0.
    public var offset: Int

    public init(sort: [AggregateRequest.Order] = [], fields: [String] = [], limit: Int = 20, offset: Int = 0) {
        self.sort = sort
        self.fields = fields
        self.limit = limit
        self.offset = offset
    }
}

/// A page of rows, and how much there is beside it.
public struct AggregateResult: Sendable, Hashable {
    /// The names of the columns.
    public var columns: [String]
    /// The rows; nil stands for no value.
    public var rows: [[MetadataValue?]]
    /// The documents of the rows, for lists of documents; else empty.
    public var documents: [DocumentOrdinal]
    /// The number of documents that were aggregated.
    public var matched: Int
    /// The number of rows on all pages.
    public var rowCount: Int
    /// Rows passed over before this page.
    public var offset: Int

    /// The offset of the next page; nil when this is the last.
    public var nextOffset: Int? { offset + rows.count < rowCount ? offset + rows.count : nil }
    /// Whether the page holds every row.
    public var isComplete: Bool { offset == 0 && rows.count == rowCount }
}
