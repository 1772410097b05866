// SPDX-License-Identifier: Apache-2.0

import Base

/// The numbers behind a chart of Office Open XML (DrawingML charts, ECMA-376 part 1, 21.2), as a table: one row a category,
/// one column a series.
enum ChartText {
    /// The most points of a series that are written.
    private static let pointLimit = 1000

    private struct Series {
        var name = ""
        var categories: [Int: String] = [:]
        var values: [Int: String] = [:]
    }

    static func write(_ reader: XMLPull, to text: inout MarkedText) {
        var title = ""
        var series: [Series] = []
        var part = ""
        var point = 0
        while let event = reader.next() {
            switch event {
            case .start("ser", _): series.append(Series())
            case .start(let name, false) where ["title", "tx", "cat", "val", "xVal", "yVal"].contains(name): part = name
            case .end(let name) where name == part: part = ""
            case .start("pt", _): point = reader.attribute("idx").flatMap { Int($0) } ?? 0
            case .start("t", false): if part == "tx" || part == "title", series.isEmpty { title += reader.content() }
            case .start("v", false):
                let value = reader.content()
                guard let last = series.indices.last, point >= 0, point < pointLimit else { break }
                switch part {
                case "tx": series[last].name = value
                case "cat", "xVal": series[last].categories[point] = value
                case "val", "yVal": series[last].values[point] = value
                default: break
                }
            default: break
            }
        }
        if !title.isEmpty {
            text.append(title)
            text.breakLine()
        }
        let points = Set(series.flatMap(\.values.keys)).sorted()
        guard !points.isEmpty else { return }
        text.beginTable()
        func cell(_ value: String) {
            text.beginCell()
            text.append(value)
            text.endCell()
        }
        cell("")
        for one in series { cell(one.name) }
        text.endRow()
        for point in points {
            cell(series.lazy.compactMap { $0.categories[point] }.first ?? "")
            for one in series { cell(one.values[point] ?? "") }
            text.endRow()
        }
        text.endTable()
    }
}
