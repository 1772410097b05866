// SPDX-License-Identifier: Apache-2.0

/// Tables whose cells have several lines, small ones as well: what tells their rows is that the gap between two rows is
/// wider, in all columns at once, than that between the lines of a cell.
extension PageLayout {
    /// Rows of the page that are looked at together, and pieces of a row.
    private static let rowLimit = 300
    private static let cellLimit = 16

    func findWrappedTables(_ rows: [Row], _ tables: inout PageTables) {
        var start = 0
        var floor = 0
        while start < rows.count {
            guard (2...Self.cellLimit).contains(rows[start].members.count) else {
                start += 1
                continue
            }
            var columns = rows[start].members.map { Column(x1: segments[$0].x1, x2: segments[$0].x2) }
            var (first, last) = (start, start)
            while last + 1 < rows.count, last - start < Self.rowLimit, isNear(rows[last], rows[last + 1]),
                let wider = fitting(rows[last + 1], columns)
            {
                columns = wider
                last += 1
            }
            while first > floor, start - first < 12, isNear(rows[first - 1], rows[first]),
                let wider = fitting(rows[first - 1], columns)
            {
                columns = wider
                first -= 1
            }
            if let groups = wrappedRows(Array(rows[first...last]), columns) {
                add(groups, columns, &tables)
            }
            floor = last + 1
            start = last + 1
        }
    }

    private func isNear(_ above: Row, _ below: Row) -> Bool {
        below.y1 - above.y2 < 2.5 * max(min(above.y2 - above.y1, below.y2 - below.y1), 1)
    }

    /// The columns with a row's pieces in them; nil when a piece is in two of them.
    private func fitting(_ row: Row, _ columns: [Column]) -> [Column]? {
        guard row.members.count <= Self.cellLimit else { return nil }
        var columns = columns
        var taken: Set<Double> = []
        for member in row.members {
            let segment = segments[member]
            let met = columns.indices.filter { columns[$0].x1 < segment.x2 + 1 && segment.x1 < columns[$0].x2 + 1 }
            guard met.count <= 1 else { return nil }
            if let only = met.first {
                // Two pieces in one column: these are other columns.
                guard !taken.contains(where: { columns[only].x1 <= $0 && $0 <= columns[only].x2 }) else { return nil }
                columns[only].widen(to: segment)
            } else {
                guard columns.count < Self.cellLimit else { return nil }
                columns.append(Column(x1: segment.x1, x2: segment.x2))
                columns.sort { $0.x1 < $1.x1 }
            }
            taken.insert((segment.x1 + segment.x2) / 2)
        }
        return columns
    }

    /// The rows of a table: for each of them the rows of the page that its cells' lines stand in. Nil when these are no
    /// rows of a table with a cell of several lines.
    /// - Parameter isCertain: whether only gaps between the rows tell them, and several must have such a cell.
    func wrappedRows(_ rows: [Row], _ columns: [Column], isCertain: Bool = false) -> [[Row]]? {
        guard columns.count >= 2, rows.count >= 3 else { return nil }
        let places = rows.map { row in row.members.map { column(of: segments[$0], columns) } }
        var groups = self.groups(rows, places)
        if !isCertain, groups.count(where: { isPaired($0, places) }) < 2 {
            groups = groupsByMiddle(rows, places) ?? groupsByFirstColumn(rows, places) ?? []
        }
        // What stands above or below the first or last row in one column alone is a heading or a text.
        while let group = groups.first, !isPaired(group, places) { groups.removeFirst() }
        while let group = groups.last, !isPaired(group, places) { groups.removeLast() }
        var joined: [Range<Int>] = []
        for group in groups {
            // Another paragraph of a cell.
            if let last = joined.last, !isPaired(group, places), places[group].joined().allSatisfy({ $0 > 0 }) {
                joined[joined.count - 1] = last.lowerBound..<group.upperBound
            } else {
                joined.append(group)
            }
        }
        let paired = joined.count { isPaired($0, places) }
        let lines = joined.reduce(0) { $0 + $1.count }
        guard paired >= 2, paired * 10 >= joined.count * 6, lines <= joined.count * 8,
            joined.count(where: { isWrapped($0, places) }) >= max(1, isCertain ? joined.count / 4 : 0),
            cellsGoOn(joined, rows, places),
            !isList(joined, rows, places, columns.count)
        else { return nil }
        return joined.map { Array(rows[$0]) }
    }

    private func column(of segment: Segment, _ columns: [Column]) -> Int {
        let middle = (segment.x1 + segment.x2) / 2
        return columns.lastIndex { $0.x1 <= middle } ?? 0
    }

    private func isPaired(_ group: Range<Int>, _ places: [[Int]]) -> Bool {
        Set(places[group].joined()).count >= 2
    }

    private func isWrapped(_ group: Range<Int>, _ places: [[Int]]) -> Bool {
        var seen: Set<Int> = []
        for row in places[group] {
            for place in Set(row) where !seen.insert(place).inserted { return true }
        }
        return false
    }

    /// Whether the lines of cells go on as sentences do: several begin with a small letter, and none is a number below a
    /// number. Else each line is a row of its own.
    private func cellsGoOn(_ groups: [Range<Int>], _ rows: [Row], _ places: [[Int]]) -> Bool {
        var (lines, cased, lowercase) = (0, 0, 0)
        for group in groups {
            var last: [Int: String] = [:]
            for row in group {
                for (member, place) in zip(rows[row].members, places[row]) {
                    let text = segments[member].text
                    if let above = last.updateValue(text, forKey: place), let first = text.unicodeScalars.first {
                        if Self.isNumber(above), Self.isNumber(text) { return false }
                        lines += 1
                        if first.properties.isLowercase { lowercase += 1 }
                        if first.properties.isLowercase || first.properties.isUppercase { cased += 1 }
                    }
                }
            }
        }
        return cased == 0 ? lines > 0 : lowercase * 10 >= lines * 3
    }

    /// Rows by the gaps that all columns share, which are wider than that of the lines within a cell.
    private func groups(_ rows: [Row], _ places: [[Int]]) -> [Range<Int>] {
        let heights = rows.map { $0.y2 - $0.y1 }.sorted()
        let height = max(heights[heights.count / 2], 1)
        var bottoms: [Int: Double] = [:]
        var gaps: [Double] = []
        for (row, columns) in zip(rows, places) {
            for (member, place) in zip(row.members, columns) {
                let segment = segments[member]
                if let bottom = bottoms[place], segment.y1 - bottom > -0.6 * height {
                    gaps.append(segment.y1 - bottom)
                }
                bottoms[place] = max(bottoms[place] ?? segment.y2, segment.y2)
            }
        }
        // A formula among the lines is nearer than lines are.
        gaps.sort()
        let leading = gaps.isEmpty ? .infinity : gaps[gaps.count / 10]
        var groups: [Range<Int>] = []
        var start = 0
        var bottom = rows[0].y2
        for index in rows.indices.dropFirst() {
            if rows[index].y1 - bottom > leading + max(0.2 * height, 1.5) {
                groups.append(start..<index)
                start = index
            }
            bottom = max(bottom, rows[index].y2)
        }
        return groups + [start..<rows.count]
    }

    /// Rows without a gap between them, told by the lines of the first column, of which most are single.
    private func groupsByFirstColumn(_ rows: [Row], _ places: [[Int]]) -> [Range<Int>]? {
        let firsts = rows.indices.filter { places[$0].contains(0) }
        guard firsts.first == 0, firsts.count >= 2, firsts.count * 5 <= rows.count * 3 else { return nil }
        // A line of the first column beside no other is no beginning of a row.
        let starts = firsts.filter { index in
            guard places[index].count >= 2 else { return false }
            guard index > 0, places[index - 1].contains(0) else { return true }
            return segments[rows[index].members[0]].text.unicodeScalars.first?.properties.isLowercase != true
        }
        guard starts.first == 0, starts.count >= 2 else { return nil }
        return zip(starts, starts.dropFirst() + [rows.count]).map { $0..<$1 }
    }

    /// Rows without a gap between them whose cells stand in the middle of their row's height: the first column has one line
    /// a row, and the lines of another cell are those with that line in their middle.
    private func groupsByMiddle(_ rows: [Row], _ places: [[Int]]) -> [Range<Int>]? {
        var lastMiddles: [Int: Double] = [:]
        var pitch = Double.infinity
        for (row, columns) in zip(rows, places) {
            for place in Set(columns) {
                if let last = lastMiddles[place] { pitch = min(pitch, row.middle - last) }
                lastMiddles[place] = row.middle
            }
        }
        let isStaggered = zip(rows, rows.dropFirst()).contains { $1.middle - $0.middle < 0.75 * pitch }
        let firsts = rows.indices.filter { places[$0].contains(0) }
        guard isStaggered, firsts.count >= 2 else { return nil }
        var next: [Int: Int] = [:]
        let lines = Dictionary(
            grouping: rows.indices.flatMap { row in Set(places[row]).map { (column: $0, row: row) } }, by: \.column)
        var ends: [Int] = []
        for first in firsts {
            var end = first + 1
            for (column, lines) in lines where column > 0 {
                let left = lines[next[column, default: 0]...].prefix(40)
                var sum = 0.0
                var best = (count: 0, distance: 0.3 * (rows[first].y2 - rows[first].y1))
                for (count, line) in left.enumerated() {
                    sum += rows[line.row].middle
                    let distance = abs(sum / Double(count + 1) - rows[first].middle)
                    if distance < best.distance { best = (count + 1, distance) }
                }
                if best.count > 0 {
                    next[column, default: 0] += best.count
                    end = max(end, lines[next[column, default: 0] - 1].row + 1)
                }
            }
            ends.append(end)
        }
        guard lines.allSatisfy({ $0.key == 0 || next[$0.key] == $0.value.count }), ends.last == rows.count,
            zip(ends, ends.dropFirst()).allSatisfy({ $0 < $1 })
        else { return nil }
        return zip([0] + ends, ends).map { $0..<$1 }
    }

    /// Whether the first of two columns holds the marks or numbers of a list.
    private func isList(_ groups: [Range<Int>], _ rows: [Row], _ places: [[Int]], _ columns: Int) -> Bool {
        guard columns == 2 else { return false }
        let marks = groups.count { group in
            guard let index = group.first(where: { places[$0].first == 0 }) else { return false }
            let text = segments[rows[index].members[0]].text
            return text.count <= 6
                && (!text.unicodeScalars.contains { $0.properties.isAlphabetic || $0.properties.numericType != nil }
                    || ".)]:".contains(text.last ?? " ") || text == "o")
        }
        return marks * 2 >= groups.count
    }
}
