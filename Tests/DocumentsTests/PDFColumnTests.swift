// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import Documents

private func text(_ pages: [[PlacedText]]) throws -> String {
    try #require(read(pdf(pages), name: "x.pdf").documents.first).text
}

/// A column of lines of ten points, from a place downwards.
private func column(_ x: Int, _ y: Int, _ lines: [String], step: Int = 12) -> [PlacedText] {
    lines.enumerated().map { PlacedText(x, y - $0 * step, $1, size: 10) }
}

struct PDFColumnTests {
    private let left = [
        "The council met in spring to settle how", "much barley each parish would store and",
        "who pays the ferrymen when ice closes", "the northern channel for more than nine",
        "weeks, as it did in the year of the great", "flood when nobody came across at all and",
    ]
    private let right = [
        "the mill stood still until the thaw. Then", "a second ferry was bought from Holm, and",
        "its crew was hired for the whole winter", "under the old rules, which nobody liked",
        "because they paid in grain and not coin,", "so that the crew had to sell it at once.",
    ]

    /// Two columns on one grid of lines with a narrow gap: poppler gives each line of both as one.
    @Test(arguments: [256, 262]) func columnsAreReadOneAfterTheOther(_ edge: Int) throws {
        let page =
            [PlacedText(150, 760, "Rules of the winter ferry", size: 16)] + column(60, 720, left)
            + column(edge, 720, right) + [
                PlacedText(60, 600, "Printed in Norrvik by the council's own press, for all of the parishes.")
            ]
        let plain = try text([page]).replacing("\n", with: " ")
        #expect(plain.contains((left + right).joined(separator: " ")), "\(plain)")
        #expect(plain.hasPrefix("Rules of the winter ferry") && plain.hasSuffix("for all of the parishes."))
    }

    @Test func wordsDividedAtTheEndsOfLinesColumnsAndPagesAreWhole() throws {
        var (one, two) = (left, right)
        one[1] = "much barley each parish would accommo-"
        one[2] = "date for those who have none of their own"
        one[5] = "flood when nobody came over the chan-"
        two[0] = "nel and the mill stood still. Then a new"
        two[5] = "so that the crew had to sell it in the pro-"
        let first = column(60, 720, one) + column(262, 720, two)
        let second = column(60, 720, ["vince at once. That was the end of it.", "Nobody asked again."])
        let plain = try text([first, second])
        for word in ["accommodate for", "channel and", "province\u{0C}at once"] {
            #expect(plain.contains(word), "\(word) in \(plain)")
        }
    }

    /// Heads and feet of two pages, the number of the page among their words: the sentence goes on over them.
    @Test func headsOfTwoPagesDoNotCutASentence() throws {
        let pages = (1...2).map { page in
            [PlacedText(60, 800, "Rules of the storehouse", size: 9)]
                + column(60, 740, page == 1 ? Array(left.prefix(3)) : Array(left.suffix(3)))
                + [PlacedText(60, 40, "Norrvik council, confidential, page \(page) of 2", size: 8)]
        }
        let plain = try text(pages)
        #expect(plain.contains("when ice closes\u{0C}the northern channel"), "\(plain)")
        #expect(plain.components(separatedBy: "Rules of the storehouse").count == 2)
        #expect(plain.components(separatedBy: "confidential").count == 2)
    }

    /// A small table with cells of several lines, its text at the top of the cells or in their middle.
    @Test(arguments: [false, true]) func smallTablesKeepTheirRows(_ isCentred: Bool) throws {
        let rows = [
            [["Risk"], ["What we do"]],
            [["Ferry fails"], ["Replace the injectors each May", "and keep a spare set at Norrvik"]],
            [
                ["Warehouse floods"],
                ["Widen the culvert before March,", "sandbags until then, and watch", "the quay at night"],
            ],
        ]
        var page = [
            PlacedText(60, 760, "Before the table stands a line of text that is as wide as the page is here.", size: 10)
        ]
        var y = 730
        for row in rows {
            let height = (row.map(\.count).max() ?? 1) * 12
            for (x, lines) in zip([60, 220], row) {
                let top = isCentred ? y - (height - lines.count * 12) / 2 : y
                page += column(x, top, lines)
            }
            y -= height + 8
        }
        page.append(
            PlacedText(
                60, y - 20, "Behind the table stands a line of text that is as wide as the page is here.", size: 10))
        let lines = try text([page]).split(separator: "\n").map(String.init)
        #expect(
            lines.dropFirst().dropLast()
                == rows.map { $0.map { $0.joined(separator: " ") }.joined(separator: " | ") }[...])
    }

    /// Wide gaps between words of justified lines are no columns, and marks before the items of a list no cells.
    @Test func justifiedLinesAndListsAreNoTables() throws {
        var page: [PlacedText] = []
        for (row, words) in [
            ["particularly", "transportation", "though"], ["of", "infrastructure", "the"],
            ["many", "unpredictable", "and"],
        ]
        .enumerated() {
            for (x, word) in zip([60, 130 + row * 13, 250 - row * 17], words) {
                page.append(PlacedText(x, 700 - row * 12, word, size: 10))
            }
        }
        for (item, lines) in [
            ["Weigh each sack twice, and write", "down what it weighed"],
            ["Keep the bins shut at night, and", "air the loft in the morning"],
        ]
        .enumerated() {
            page.append(PlacedText(60, 600 - item * 40, "\(item + 1).", size: 10))
            page += column(90, 600 - item * 40, lines)
        }
        #expect(try !text([page]).contains("|"))
    }
}
