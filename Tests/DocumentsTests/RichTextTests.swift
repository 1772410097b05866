// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import OrderedCollections
import Testing

@testable import Documents

struct RichTextTests {
    private func document(
        _ body: String,
        head: String =
            #"\ansi\ansicpg1252\deff0{\fonttbl{\f0\fcharset0 Times;}{\f3\fcharset2 Symbol;}{\f4\fcharset204 Arial Cyr;}}"#
    ) throws
        -> SourceDocument
    {
        try #require(read(#"{\rtf1"# + head + body + "}", name: "a.rtf").documents.first)
    }

    @Test func charactersOfAllKinds() throws {
        let text = try document(
            #"\uc1 K\u246?ln, \u352\'8akoda, {\uc0 \u233 t\u233 } \u-10179?\u-8704? {\f4 \'cc\'e8\'f0} \ldblquote a\rdblquote\emdash b\~c \{x\}"#
        ).text
        #expect(text == "Köln, Škoda, été 😀 Мир “a”—b c {x}")
    }

    /// Lists as Word, TextEdit and old programs write them.
    @Test func listsKeepTheirMarks() throws {
        let text = try document(
            #"""
            {\*\listtable{\list{\listlevel{\leveltext\'02\'00.;}}}}
            \pard Rules:\par
            {\listtext\pard\plain 1.\tab}\pard\ls1 Weigh each sack.\par
            {\listtext\pard\plain 2.\tab}\pard\ls1 Write a slip.\par
            {\pntext\pard\plain\f3\'b7\tab}{\*\pn\pnlvlblt{\pntxtb\'b7}}\pard Keep bins shut.\par
            \pard\ls1\ilvl0 {\listtext	\uc0\u8226 	}Air the loft.\par
            """#
        ).text
        #expect(text == "Rules:\n\n1. Weigh each sack.\n2. Write a slip.\n- Keep bins shut.\n- Air the loft.")
    }

    @Test func tablesKeepTheirRowsAndEnd() throws {
        let text = try document(
            #"""
            \pard Before.\par
            \trowd\cellx3000\cellx6000\pard\intbl Parish\cell Remark\cell\row
            \trowd\clvmgf\cellx3000\cellx6000\pard\intbl Norrvik\cell Late,\par but dry\cell\row
            \trowd\clvmrg\cellx3000\cellx6000\pard\intbl\cell {\field{\*\fldinst HYPERLINK "mailto:a@example.org"}{\fldrslt ask Bertil}}\cell\row
            \pard After {\i it}.\par
            """#
        ).text
        #expect(
            text
                == "Before.\n\nParish | Remark\nNorrvik | Late, but dry\nNorrvik | ask Bertil\n\nAfter it.")
    }

    @Test func linksNotesAndWhatIsHidden() throws {
        let document = try document(
            #"""
            {\info{\title Store rules}{\author Ines}{\creatim\yr2021\mo3\dy4\hr10}}{\stylesheet{\s1 heading 1;}}
            {\header Council paper on barley\par}{\footer Page {\field{\*\fldinst PAGE}{\fldrslt 1}}\par}
            See {\field{\*\fldinst { HYPERLINK "https://example.org/?a=1" }}{\fldrslt {\ul the minutes}}} and
             {\field{\*\fldinst HYPERLINK "https://example.org/b"}{\fldrslt }}.{\footnote Counted in March.}{\*\annotation Ask Ada.}
            {\v hidden}{\deleted removed}{\pict\pngblip 89504e47}{\*\shppict{\pict 00}}{\*\unknown gone}\par
            """#)
        #expect(document.title == "Store rules")
        #expect(document.metadata["author"] == "Ines" && document.metadata["created"] == "2021-03-04")
        #expect(
            document.text
                == "See the minutes and https://example.org/b.\n\nCounted in March.\nAsk Ada.\nCouncil paper on barley")
    }

    /// A file that ends early gives what it has, and says so.
    @Test func cutAndHostileFilesAreReadAsFarAsTheyGo() throws {
        let whole =
            #"{\rtf1\ansi{\fonttbl{\f0 A;}}One \b two\b0 {\field{\*\fldinst HYPERLINK "u"}{\fldrslt three}} \u8364?4\trowd\intbl a\cell\row}"#
        for count in stride(from: 6, to: whole.utf8.count, by: 1) {
            let reading = try? read(Array(whole.utf8.prefix(count)), name: "a.rtf")
            #expect(reading.map { $0.notes.count == 1 } ?? true)
        }
        let deep =
            #"{\rtf1 "# + String(repeating: "{", count: 200_000) + "x" + String(repeating: "}", count: 200_000) + " y}"
        #expect(try read(deep, name: "a.rtf").documents.first?.text == "x y")
        let cells = #"{\rtf1 "# + String(repeating: #"\trowd\cellx1\intbl\cell"#, count: 50_000) + " end}"
        #expect(try read(cells, name: "a.rtf").documents.count == 1)
        #expect(try read(#"{\rtf1 a\bin99999999 b}"#, name: "a.rtf").documents.first?.text == "a")
    }
}
