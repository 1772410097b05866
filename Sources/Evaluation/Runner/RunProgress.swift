// SPDX-License-Identifier: Apache-2.0

import OrderedCollections
import Text

/// Where a run stands, for a live table.
public struct RunProgress: Sendable {
    /// What one configuration has come to so far.
    public struct Row: Sendable {
        public var configuration: RunConfiguration
        /// Questions × seeds.
        public var total: Int
        /// Recorded, those of an earlier attempt included.
        public var done = 0
        public var scored = 0
        public var right = 0
        /// Records by how they ended.
        public var statuses: [RunStatus: Int] = [:]
        /// The seconds of all records together.
        public var seconds = 0.0

        init(_ configuration: RunConfiguration, total: Int) {
            self.configuration = configuration
            self.total = total
        }

        mutating func add(_ record: RunRecord) {
            done += 1
            statuses[record.outcome.status, default: 0] += 1
            seconds += record.outcome.seconds
            guard record.isScored else { return }
            scored += 1
            if record.isRight { right += 1 }
        }
    }

    /// One row a configuration, in the order of the plan.
    public private(set) var rows: [Row]
    /// Questions that run now.
    public var running = 0
    /// Records that this attempt found in the file and did not have to run.
    public let resumed: Int
    /// Seconds since this attempt started.
    public var seconds = 0.0
    private var places: [RunConfiguration: Int] = [:]

    /// The state at the start of an attempt.
    /// - Parameters:
    ///   - configurations: the configuration of each unit of work.
    ///   - recorded: what is in the file already.
    init(_ configurations: some Sequence<RunConfiguration>, recorded: some Collection<RunRecord>) {
        var totals: OrderedDictionary<RunConfiguration, Int> = [:]
        for configuration in configurations { totals[configuration, default: 0] += 1 }
        rows = totals.map { Row($0.key, total: $0.value) }
        resumed = recorded.count
        for (index, row) in rows.enumerated() { places[row.configuration] = index }
        for record in recorded { add(record) }
    }

    mutating func add(_ record: RunRecord) {
        if let place = places[record.configuration] { rows[place].add(record) }
    }

    public var total: Int { rows.reduce(0) { $0 + $1.total } }
    public var done: Int { rows.reduce(0) { $0 + $1.done } }

    private func count(_ status: RunStatus) -> Int { rows.reduce(0) { $0 + ($1.statuses[status] ?? 0) } }

    /// The seconds that the rest will take at this attempt's speed; nil before anything ended.
    public var secondsLeft: Double? {
        let fresh = done - resumed
        return fresh > 0 ? seconds / Double(fresh) * Double(total - done) : nil
    }

    /// The state in one line.
    public var line: String {
        let scored = rows.reduce(0) { $0 + $1.scored }
        let right = rows.reduce(0) { $0 + $1.right }
        var parts = ["\(done)/\(total) done"]
        if resumed > 0 { parts.append("\(resumed) from before") }
        if scored > 0 { parts.append("right \(right)/\(scored) (\(100 * right / scored)%)") }
        for status in [RunStatus.limit, .error, .incomplete] where count(status) > 0 {
            parts.append("\(status.rawValue) \(count(status))")
        }
        if done < total, let secondsLeft { parts.append(Self.time(secondsLeft) + " left") }
        if done == total { parts.append("in " + Self.time(seconds)) }
        return parts.joined(separator: ", ")
    }

    /// The state as the lines of a table.
    /// - Parameters:
    ///   - width: columns of the terminal; no line is longer.
    ///   - height: the most lines. Configurations that are done, and then those not begun, are left out where it is short.
    public func table(width: Int, height: Int) -> [String] {
        let header = ["done", "right", "limit", "error", "incompl.", "s each"]
        var shown = Array(rows.indices)
        let room = max(1, height - 3)
        if shown.count > room {
            let order = shown.sorted { (rank(rows[$0]), $0) < (rank(rows[$1]), $1) }
            shown = order.prefix(room).sorted()
        }
        let cells = shown.map { index -> [String] in
            let row = rows[index]
            func number(_ status: RunStatus) -> String { String(row.statuses[status] ?? 0) }
            return [
                "\(row.done)/\(row.total)",
                row.scored > 0 ? "\(row.right)/\(row.scored) \(100 * row.right / row.scored)%" : "–",
                number(.limit), number(.error), number(.incomplete),
                row.done > 0 ? fixed(row.seconds / Double(row.done), 2) : "–",
            ]
        }
        let widths = header.indices.map { column in
            max(header[column].count, cells.map { $0[column].count }.max() ?? 0)
        }
        let rest = widths.reduce(0) { $0 + $1 + 2 }
        let names = shown.map { Self.printable(rows[$0].configuration.description) }
        let nameWidth = max(8, min(names.map(\.count).max() ?? 8, width - rest))
        func line(_ name: String, _ cells: [String]) -> String {
            let name = name.count > nameWidth ? String(name.prefix(nameWidth - 1)) + "…" : name
            var text = name + String(repeating: " ", count: nameWidth - name.count)
            for (cell, width) in zip(cells, widths) {
                text += "  " + String(repeating: " ", count: width - cell.count) + cell
            }
            return String(text.prefix(max(1, width)))
        }
        var lines = [line("", header)]
        for (name, cells) in zip(names, cells) { lines.append(line(name, cells)) }
        if shown.count < rows.count { lines.append("… and \(rows.count - shown.count) more") }
        lines.append(String((self.line + (running > 0 ? ", \(running) running" : "")).prefix(max(1, width))))
        return lines
    }

    /// What is under way stands before what is not begun, and that before what is done.
    private func rank(_ row: Row) -> Int { row.done == row.total ? 2 : row.done == 0 ? 1 : 0 }

    /// Names come from files: nothing in them may steer the terminal.
    private static func printable(_ text: String) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7F ? "?" : $0 }))
    }

    private static func time(_ seconds: Double) -> String {
        let whole = Int(min(max(seconds, 0), 1e8).rounded(.up))
        func two(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
        if whole < 60 { return "\(whole) s" }
        if whole < 3600 { return "\(whole / 60):\(two(whole % 60)) min" }
        return "\(whole / 3600):\(two(whole / 60 % 60)):\(two(whole % 60)) h"
    }
}
