// SPDX-License-Identifier: Apache-2.0

/// A part of a page whose pieces are read together.
struct PageRegion {
    /// Places among the page's pieces.
    var members: [Int]
    /// Whether it is one of several columns: it is read from top to bottom.
    var isColumn = false
}

/// Columns of running text: a strip of the page's width that no piece of text crosses, with lines of prose on both sides.
/// What crosses the strip (a title, a wide table) divides the columns above it from those below.
extension PageLayout {
    private static let depthLimit = 6
    private static let candidateLimit = 24
    /// Lines that a column has at least.
    private static let leastLines = 3

    /// The parts of the page in the order in which they are read.
    func regions(_ members: [Int]) -> [PageRegion] {
        guard segments.count <= Self.columnLimit else { return [PageRegion(members: members)] }
        // What stands upright beside the text is read last.
        let heights = members.map { segments[$0].height }.sorted()
        guard let height = heights.isEmpty ? nil : heights[heights.count / 2] else { return [] }
        let upright = members.filter {
            segments[$0].height > 5 * max(height, 1) && segments[$0].height > 2 * (segments[$0].x2 - segments[$0].x1)
        }
        let flat = upright.isEmpty ? members : members.filter { !upright.contains($0) }
        let end = upright.isEmpty ? [] : [PageRegion(members: upright)]
        // What heads or foots the page stands in no column.
        let (top, body, bottom) = margins(flat)
        let columns = regions(body, isColumn: false, depth: 0)
        guard columns.count > 1 else { return [PageRegion(members: flat)] + end }
        return [top].filter { !$0.isEmpty }.map { PageRegion(members: $0) } + columns
            + [bottom].filter { !$0.isEmpty }.map { PageRegion(members: $0) } + end
    }

    /// The pieces of a page divided into the rows of its upper margin, those of its lower one, and what is between: rows in a
    /// margin that have a gap to the next one inwards.
    private func margins(_ members: [Int]) -> (top: [Int], body: [Int], bottom: [Int]) {
        let rows = self.rows(of: members)
        guard height > 0, rows.count > 4 else { return ([], members, []) }
        func isApart(_ above: Row, _ below: Row, _ outer: Row) -> Bool {
            below.y1 - above.y2 > 0.8 * max(outer.y2 - outer.y1, 1)
        }
        var top = 0
        for index in 0..<(rows.count - 1) {
            guard rows[index].y2 <= 0.125 * height else { break }
            if isApart(rows[index], rows[index + 1], rows[index]) { top = index + 1 }
        }
        var bottom = rows.count
        for index in stride(from: rows.count - 1, to: top, by: -1) {
            guard rows[index].y1 >= 0.875 * height else { break }
            if isApart(rows[index - 1], rows[index], rows[index]) { bottom = index }
        }
        let outer = Set((rows[..<top] + rows[bottom...]).flatMap(\.members))
        return (
            rows[..<top].flatMap(\.members).sorted(), members.filter { !outer.contains($0) },
            rows[bottom...].flatMap(\.members).sorted()
        )
    }

    private func regions(_ members: [Int], isColumn: Bool, depth: Int) -> [PageRegion] {
        guard depth < Self.depthLimit, members.count >= 2 * Self.leastLines, let bands = bands(members) else {
            return members.isEmpty ? [] : [PageRegion(members: members, isColumn: isColumn)]
        }
        var regions: [PageRegion] = []
        for band in bands {
            if band.right.isEmpty {
                regions += self.regions(band.left.sorted(), isColumn: isColumn, depth: depth + 1)
                continue
            }
            let sides = isRightToLeft(band.left + band.right) ? [band.right, band.left] : [band.left, band.right]
            for side in sides { regions += self.regions(side.sorted(), isColumn: true, depth: depth + 1) }
        }
        return regions
    }

    private func isRightToLeft(_ members: [Int]) -> Bool {
        RightToLeft.isMostly(members.prefix(40).lazy.flatMap { segments[$0].text.unicodeScalars })
    }

    /// A part of the page's height: two columns beside each other, or, with nothing on the right, what has none.
    private struct Band {
        var left: [Int] = []
        var right: [Int] = []
    }

    /// The page divided at the strip that has the most text in columns beside it; nil when there is none.
    private func bands(_ members: [Int]) -> [Band]? {
        let rows = self.rows(of: members)
        let placed = members.filter { segments[$0].height > 0 }
        guard let low = placed.map({ segments[$0].x1 }).min(), let high = placed.map({ segments[$0].x2 }).max() else {
            return nil
        }
        var best: (bands: [Band], score: Int)?
        for edge in leftEdges(placed) where edge > low + 0.15 * (high - low) && edge < high - 0.15 * (high - low) {
            let (bands, score) = divided(rows, at: edge, low: low, high: high)
            if score > best?.score ?? 0 { best = (bands, score) }
        }
        guard var bands = best?.bands else { return nil }
        // Pieces without a place stay with what comes first.
        let unplaced = members.filter { segments[$0].height <= 0 }
        if !unplaced.isEmpty { bands.append(Band(left: unplaced)) }
        return bands
    }

    /// Where several pieces begin, those with the most first.
    private func leftEdges(_ members: [Int]) -> [Double] {
        let edges = members.map { segments[$0].x1 }.sorted()
        var clusters: [(edge: Double, count: Int)] = []
        for edge in edges {
            if let last = clusters.last, edge - last.edge < 2 {
                clusters[clusters.count - 1].count += 1
            } else {
                clusters.append((edge, 1))
            }
        }
        return clusters.filter { $0.count >= Self.leastLines }.sorted { ($1.count, $0.edge) < ($0.count, $1.edge) }
            .prefix(Self.candidateLimit).map(\.edge)
    }

    /// The rows divided at the strip left of an edge, and how many pieces then stand in columns.
    private func divided(_ rows: [Row], at edge: Double, low: Double, high: Double) -> (bands: [Band], score: Int) {
        var bands: [Band] = []
        var score = 0
        var current = Band()
        func close() {
            if isInColumns(current, edge: edge, low: low, high: high) {
                score += current.left.count + current.right.count
                bands.append(current)
            } else {
                addLoose(current.left + current.right)
            }
            current = Band()
        }
        func addLoose(_ members: [Int]) {
            guard !members.isEmpty else { return }
            if let last = bands.last, last.right.isEmpty {
                bands[bands.count - 1].left += members
            } else {
                bands.append(Band(left: members))
            }
        }
        for row in rows {
            if row.members.contains(where: { segments[$0].x1 < edge - 2 && segments[$0].x2 > edge - 3 }) {
                close()
                addLoose(row.members)
                continue
            }
            for member in row.members {
                if segments[member].x1 < edge - 2 { current.left.append(member) } else { current.right.append(member) }
            }
        }
        close()
        return (bands, score)
    }

    /// Whether both sides are columns of prose, and not the cells of a table.
    private func isInColumns(_ band: Band, edge: Double, low: Double, high: Double) -> Bool {
        guard isProse(band.left, width: edge - low), isProse(band.right, width: high - edge) else { return false }
        func span(_ members: [Int]) -> (top: Double, bottom: Double) {
            members.reduce((.infinity, -.infinity)) {
                (min($0.0, segments[$1].y1), max($0.1, segments[$1].y2))
            }
        }
        let (left, right) = (span(band.left), span(band.right))
        let shared = min(left.bottom, right.bottom) - max(left.top, right.top)
        let height = segments[band.left[0]].height
        guard shared > 2.5 * height else { return false }
        let columns = [band.left, band.right].map { members in
            members.dropFirst().reduce(into: Column(x1: segments[members[0]].x1, x2: segments[members[0]].x2)) {
                $0.widen(to: segments[$1])
            }
        }
        return wrappedRows(rows(of: band.left + band.right), columns, isCertain: true) == nil
    }

    /// Whether the lines of a column are those of running text: most of them fill it, and go on within sentences.
    private func isProse(_ members: [Int], width: Double) -> Bool {
        guard members.count >= Self.leastLines else { return false }
        let rows = self.rows(of: members)
        guard rows.count >= Self.leastLines else { return false }
        let full = rows.count { row in
            row.members.reduce(0) { $0 + segments[$1].x2 - segments[$1].x1 } >= 0.5 * width
        }
        guard full * 2 >= rows.count else { return false }
        var (letters, lowercase, cased, starts) = (0, 0, 0, 0)
        for member in members {
            let scalars = segments[member].text.unicodeScalars
            letters += scalars.count { $0.properties.isAlphabetic }
            guard let first = scalars.first else { continue }
            starts += 1
            if first.properties.isLowercase || first.properties.isUppercase { cased += 1 }
            if first.properties.isLowercase { lowercase += 1 }
        }
        guard letters >= 10 * rows.count else { return letters >= 6 * rows.count && cased * 4 < starts }
        return lowercase * 4 >= cased
    }
}
