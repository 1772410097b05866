// SPDX-License-Identifier: Apache-2.0

import Base
import LanguageModels
import OrderedCollections
import Text

/// Recall that papers state, to stand beside one's own. In a file:
///
///     note: The published rows are over other questions …
///     sources:
///       - source: HippoRAG, arXiv 2405.14831
///         rows:
///           BM25: {musique: {recall@2: 32.3, recall@5: 41.2}, hotpotqa: {recall@2: 55.4, recall@5: 72.2}}
public struct PublishedRecall: Sendable, Hashable {
    /// One system on one question set.
    public struct Row: Sendable, Hashable {
        public var source: String
        public var system: String
        /// In percent, by measure.
        public var values: [String: Double]
    }

    /// What a reader must know before comparing.
    public var note: String
    /// By question set.
    public var rows: [String: [Row]]

    /// Reads a file.
    /// - Throws: `YAMLError` with the file and what was expected.
    public init(file path: String) throws {
        let content = try YAMLReader.read(file: path)
        func error(_ message: String) -> YAMLError { YAMLError(file: path, message: message) }
        note = content["note"]?.string ?? ""
        rows = [:]
        guard let sources = content["sources"]?.array, !sources.isEmpty else { throw error("sources must be a list") }
        for (index, source) in sources.enumerated() {
            guard let name = source["source"]?.string, let systems = source["rows"]?.object else {
                throw error("sources[\(index)] must have a source and rows")
            }
            for (system, sets) in systems {
                for (set, measures) in sets.object ?? [:] {
                    var values: [String: Double] = [:]
                    for (measure, value) in measures.object ?? [:] {
                        guard let number = value.double, (0...100).contains(number) else {
                            throw error("sources[\(index)].rows.\(system).\(set).\(measure) must be a percentage")
                        }
                        values[measure] = number
                    }
                    rows[set, default: []].append(Row(source: name, system: system, values: values))
                }
            }
        }
    }

    /// The published rows of a set and one's own in one Markdown table, in percent.
    /// - Parameters:
    ///   - own: one's own rows, above the published ones.
    ///   - source: what one's own rows were measured on.
    public func markdown(_ set: String, own: [RetrievalEvaluation.Row], source: String) -> String {
        let published = rows[set] ?? []
        var measures: OrderedSet<String> = []
        for row in published { measures.formUnion(row.values.keys.sorted()) }
        var text = "| row | source | " + measures.joined(separator: " | ") + " |\n"
        text += "| --- | --- |" + measures.map { _ in " --: |" }.joined() + "\n"
        func line(_ name: String, _ source: String, _ values: [String]) {
            text += "| \(name) | \(source) | " + values.joined(separator: " | ") + " |\n"
        }
        for row in own {
            line(
                "Forage, " + row.mode, source,
                measures.map { name in
                    row.means[name].map {
                        "\(fixed(100 * $0.mean, 1)) (\(fixed(100 * $0.lower, 1))–\(fixed(100 * $0.upper, 1)))"
                    } ?? "–"
                })
        }
        for row in published {
            line(row.system, row.source, measures.map { row.values[$0].map { fixed($0, 1) } ?? "–" })
        }
        return text + (note.isEmpty ? "" : "\n" + note + "\n")
    }
}
