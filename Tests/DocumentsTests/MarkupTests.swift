// SPDX-License-Identifier: Apache-2.0

import Base
import OrderedCollections
import Testing

@testable import Documents

/// Texts with mark-up of their own, and lists in texts.
@Suite struct MarkupTests {
    private func one(_ text: String, _ name: String) throws -> SourceDocument {
        let reading = try read(text, name: name)
        #expect(reading.problems.isEmpty && reading.documents.count == 1)
        return try #require(reading.documents.first)
    }

    @Test func mediaWiki() throws {
        let document = try one(
            """
            {{Infobox city|name=Bergen|pop=280000}}
            '''Bergen''' is a [[city]] in [[Norway|the kingdom]]<ref>A source.</ref>.<!-- not this -->
            == Harbours ==
            {| class="wikitable"
            |+ Depths
            ! Harbour !! align="right" | Depth
            |-
            | North || 12
            |-
            | South
            | 8
            |}
            * See [https://example.org the list] &amp; more.
            [[File:pier.png|thumb|The pier]] [[Category:Ports]]
            """, "Bergen.wiki")
        #expect(
            document.text == """
                name: Bergen
                pop: 280000

                Bergen is a city in the kingdom (A source.).

                Harbours

                Depths
                Harbour | Depth
                North | 12
                South | 8

                - See the list & more.
                The pier
                """)
        #expect(document.metadata["categories"] == ["Ports"] && document.title == "Bergen")
    }

    @Test func dumpsOfAWiki() throws {
        let reading = try read(
            """
            <mediawiki xml:lang="en"><siteinfo><sitename>W</sitename></siteinfo>
            <page><title>Bergen</title><ns>0</ns><id>1</id><revision><id>10</id><timestamp>2024-01-01T00:00:00Z</timestamp><text xml:space="preserve">'''Bergen''' is a [[city]].
            == History ==
            Founded 1070.</text></revision></page>
            <page><title>Byen</title><id>2</id><redirect title="Bergen"/><revision><id>11</id><text>#REDIRECT [[Bergen]]</text></revision></page>
            <page><title>Oslo</title><id>3</id><revision><id>12</id><text>Oslo is the capital.</text></revision></page></mediawiki>
            """, name: "dump.xml")
        #expect(reading.documents.map(\.title) == ["Bergen", "Oslo"])
        #expect(reading.documents.first?.text.hasSuffix("Bergen is a city.\n\nHistory\n\nFounded 1070.") == true)
    }

    @Test func latex() throws {
        let document = try one(
            #"""
            % a comment
            \documentclass[a4paper]{article}
            \usepackage{graphicx}
            \title{Tides of {\aa}lesund}
            \author{J\"urgen M\"{u}ller}
            \begin{document}
            \maketitle
            \section{Intro}\label{sec:intro}
            The \emph{survey} covers 100\,\% of ``harbours''\footnote{All of them.} -- see \cite{x}. % not this
            \begin{itemize}
            \item First
            \item Second with $E = mc^2$
            \end{itemize}
            \begin{tabular}{lr}
            \toprule
            Harbour & Depth \\
            North & 12 \\
            \bottomrule
            \end{tabular}
            \begin{verbatim}
            \raw{text} % stays
            \end{verbatim}
            \end{document}
            not this either
            """#, "paper.tex")
        #expect(document.title == "Tides of ålesund" && document.metadata["author"] == "Jürgen Müller")
        for part in [
            "The survey covers 100 % of “harbours” (All of them.) – see .", "- First\n- Second with $E = mc^2$",
            "Harbour | Depth\nNorth | 12", #"\raw{text} % stays"#, "Intro\n",
        ] { #expect(document.text.contains(part), "\(part) in \(document.text)") }
        for part in ["usepackage", "comment", "not this", "sec:intro", "toprule"] {
            #expect(!document.text.contains(part))
        }
    }

    @Test func manualPages() throws {
        let document = try one(
            #"""
            .\" made by hand
            .TH TIDE 1 "2024-05-06" "Harbour tools" ""
            .SH NAME
            tide \- show \fBtides\fR
            .SH OPTIONS
            .TP
            .B \-v
            Say more.
            .PP
            See
            .BR port (5).
            .TS
            tab(@);
            l r.
            Harbour@Depth
            T{
            \[oA]lesund
            T}@8
            .TE
            """#, "tide.1")
        #expect(document.title == "TIDE(1)" && document.metadata["date"] == "2024-05-06")
        #expect(
            document.text == """
                NAME

                tide - show tides

                OPTIONS

                -v
                Say more.

                See port(5).
                Harbour | Depth
                Ålesund | 8
                """)
    }

    @Test func asciiDoc() throws {
        let document = try one(
            """
            = Survey of Harbours
            Jane Doe <jane@example.org>
            2024-05-06
            :keywords: harbour, tide
            :toc:

            == Results

            All _seventeen_ harboursfootnote:[Of the north.] have *tides*, see https://example.org/t[the list].

            .Depths
            [cols="<,>"]
            |===
            |Harbour |Depth

            |North |12
            |South |8
            |===

            * One snake_case_name
            // not this
            """, "survey.adoc")
        #expect(document.title == "Survey of Harbours")
        #expect(document.metadata == ["author": "Jane Doe", "date": "2024-05-06", "keywords": "harbour, tide"])
        #expect(
            document.text == """
                Results

                All seventeen harbours (Of the north.) have tides, see the list.

                Depths

                Harbour | Depth
                North | 12
                South | 8

                - One snake_case_name
                """)
    }

    @Test func jira() throws {
        let document = try one(
            """
            h1. {anchor:x}Results
            The _survey_ of *harbours*, see [the list|https://example.org].
            || Harbour || Depth ||
            | North | 12 |
            * First
            {code:python}
            def f(*a): return _b_
            {code}
            """, "note.jira")
        #expect(document.title == "Results")
        #expect(
            document.text
                == "The survey of harbours, see the list.\nHarbour | Depth\nNorth | 12\n- First\ndef f(*a): return _b_")
    }

    /// Damaged and hostile mark-up ends, and gives some text.
    @Test(arguments: ["a.wiki", "a.tex", "a.1", "a.adoc", "a.jira", "a.bib", "a.ics", "a.vcf", "a.srt", "a.ris"])
    func brokenMarkup(_ name: String) throws {
        let pieces = [
            "{{", "}}", "[[", "]]", "{|\n", "|}\n", "|-\n", "\\begin{tabular}{l}", "\\end{", "$", "\\footnote{", "{",
            "}", "%",
            ".TH A 1\n", ".TS\n", "T{\n", "\\f[", "=", "|===\n", "footnote:[", "@a{b,", "\"", "BEGIN:VEVENT\n",
            "END:VCARD\n",
            "00:00:01,000 --> 00:00:02,000\n", "<v ", "\n", " x ", "*", "TY  - A\n", "é", ".if \\{\n", "<", "&",
        ]
        for seed in UInt64(1)...40 {
            var numbers = SeededNumbers(state: seed)
            let text = (0..<200).map { _ in pieces.randomElement(using: &numbers) ?? "" }.joined()
            _ = try? read(".TH A 1\n" + text, name: name)
        }
        for piece in pieces { _ = try? read(String(repeating: piece, count: 2_000), name: name) }
    }

    // MARK: Lists in texts

    @Test func literature() throws {
        let books = try read(
            #"""
            @article{smith2020,
              title={The {DNA} of Harbours}, author={Smith, John and M{\"u}ller, J{\"u}rgen},
              journal="Tide Journal", year=2020, pages={1--20}, abstract={Tides in {\aa}lesund.} }
            @string{pub = "Springer"} @comment{ignored}
            @book{doe:1999, title="Book of Quays", author="Doe, Jane", publisher=pub # " Verlag", year = "1999"}
            """#, name: "refs.bib"
        ).documents
        #expect(
            books.map(\.id) == ["smith2020", "doe:1999"]
                && books.map(\.title) == ["The DNA of Harbours", "Book of Quays"])
        #expect(
            books[0].metadata["author"] == ["Smith, John", "Müller, Jürgen"] && books[0].metadata["year"] == "2020")
        #expect(books[1].metadata["publisher"] == "Springer Verlag")
        let ris = try read(
            "TY  - JOUR\nAU  - Smith, J.\nAU  - Doe, A.\nTI  - Harbour tides\nPY  - 2020/01/02\nER  - \n\nTY  - BOOK\nTI  - Quays\nER  - \n",
            name: "refs.ris"
        ).documents
        #expect(
            ris.map(\.title) == ["Harbour tides", "Quays"] && ris[0].metadata["author"] == ["Smith, J.", "Doe, A."])
        let pubMed = try read(
            "PMID- 123\nTI  - Long title of the\n      paper\nAB  - Text\nDP  - 2020 Jan\n\nPMID- 124\nTI  - Second\n",
            name: "m.nbib")
        #expect(pubMed.documents.map(\.title) == ["Long title of the paper", "Second"])
    }

    @Test func contactsAndEvents() throws {
        let contacts = try read(
            """
            BEGIN:VCARD
            VERSION:3.0
            N:Olsen;Kari;;;
            FN:Kari Olsen
            TEL;TYPE=CELL:+47 912 34 567
            NOTE:Knows the tide\\, well. Long line that is
              folded here
            PHOTO;ENCODING=b;TYPE=JPEG:/9j/4AAQSkZJRgABAQEAYABgAAD
            END:VCARD
            BEGIN:VCARD
            VERSION:2.1
            N;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:M=C3=BCller;J=C3=BCrgen
            END:VCARD
            """, name: "c.vcf"
        ).documents
        #expect(contacts.map(\.title) == ["Kari Olsen", "Jürgen Müller"])
        #expect(contacts[0].metadata["note"] == "Knows the tide, well. Long line that is folded here")
        #expect(!contacts[0].text.contains("9j/"))
        let events = try read(
            """
            BEGIN:VCALENDAR
            X-WR-CALNAME:Work
            BEGIN:VEVENT
            DTSTART;TZID=Europe/Oslo:20240305T100000
            SUMMARY:Board meeting\\, spring
            DESCRIPTION:Agenda:\\n1. The quay is discuss
             ed here
            ATTENDEE;CN=Kari Olsen:mailto:kari@x.no
            BEGIN:VALARM
            DESCRIPTION:Reminder
            END:VALARM
            END:VEVENT
            BEGIN:VEVENT
            DTSTART;VALUE=DATE:20240517
            SUMMARY:Holiday
            END:VEVENT
            END:VCALENDAR
            """, name: "c.ics"
        ).documents
        #expect(events.map(\.title) == ["Board meeting, spring", "Holiday"])
        #expect(events[0].metadata["start"] == "2024-03-05T10:00:00" && events[1].metadata["start"] == "2024-05-17")
        #expect(
            events[0].text.contains("The quay is discussed here") && events[0].metadata["attendees"] == ["Kari Olsen"])
    }

    @Test func subtitles() throws {
        let film = try one(
            "1\n00:00:01,000 --> 00:00:03,500\n<i>Where is the</i>\nharbour?\n\n2\n00:01:04,000 --> 00:01:06,000\n- There.\n",
            "f.srt")
        #expect(film.text == "[00:00:01]\nWhere is the\nharbour?\n[00:01:04]\n- There.")
        let talk = try one(
            "WEBVTT\nKind: captions\n\n00:00:00.000 --> 00:00:02.000\nhello<00:00:00.500><c> and</c> welcome\n\n00:00:02.000 --> 00:00:02.010\nhello and welcome\n\n00:00:02.010 --> 00:00:04.000\nhello and welcome\nto<00:00:02.500><c> the</c> show\n",
            "t.vtt")
        #expect(talk.text == "[00:00:00]\nhello and welcome\nto the show")
    }

    // MARK: XML

    @Test func wordsMarkedUpInRecords() throws {
        let reading = try read(
            """
            <PubmedArticleSet><PubmedArticle><MedlineCitation><PMID>123</PMID><Article><ArticleTitle>Effect of <i>tides</i> on H<sub>2</sub>O.</ArticleTitle>
            <Abstract><AbstractText Label="BACKGROUND">Back.</AbstractText></Abstract></Article></MedlineCitation></PubmedArticle>
            <PubmedArticle><MedlineCitation><PMID>124</PMID><Article><ArticleTitle>Second</ArticleTitle></Article></MedlineCitation></PubmedArticle></PubmedArticleSet>
            """, name: "p.xml")
        #expect(reading.documents.map(\.title) == ["Effect of tides on H2O.", "Second"])
        #expect(reading.documents[0].text.contains("Effect of tides on H2O."))
        // A value beside a text stays one.
        let items = try read(
            "<list><item>Blue lamp <price>5</price></item><item>Red lamp <price>6</price></item></list>", name: "i.xml")
        #expect(items.documents.map { $0.metadata["price"] } == ["5", "6"])
    }

    @Test func feeds() throws {
        let rss = try read(
            """
            <rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:content="http://purl.org/rss/1.0/modules/content/"><channel><title>Port news</title><link>http://p</link>
            <item><title>First</title><pubDate>Tue, 05 Mar 2024 10:00:00 +0100</pubDate><dc:creator>Kari</dc:creator><category>a</category><category>b</category><description>Short</description><content:encoded><![CDATA[<p>Full text of <b>first</b></p>]]></content:encoded></item>
            <item><title>Second</title><description>&lt;p&gt;Two &amp;amp; more&lt;/p&gt;</description></item></channel></rss>
            """, name: "feed.rss"
        ).documents
        #expect(
            rss.map(\.title) == ["First", "Second"] && rss[0].text.hasSuffix("Full text of first")
                && rss[1].text.hasSuffix("Two & more"))
        #expect(rss[0].metadata["date"] == "2024-03-05T10:00:00+01:00" && rss[0].metadata["author"] == "Kari")
        let atom = try read(
            "<feed xmlns=\"http://www.w3.org/2005/Atom\"><title>N</title><entry><title>One</title><id>urn:1</id><updated>2024-03-05T10:00:00Z</updated><link href=\"http://p/1\"/><author><name>Ann</name></author><summary type=\"html\">&lt;b&gt;Hi&lt;/b&gt; there</summary></entry></feed>",
            name: "a.atom"
        ).documents
        #expect(atom.first?.text.hasSuffix("Hi there") == true && atom.first?.metadata["link"] == "http://p/1")
    }

    @Test func proseInXML() throws {
        let jats = try one(
            """
            <article><front><article-meta><article-id pub-id-type="doi">10.1/x</article-id><title-group><article-title>Survey of <italic>Harbours</italic></article-title></title-group><contrib-group><contrib contrib-type="author"><name><surname>Doe</surname><given-names>Jane</given-names></name><aff>Port</aff></contrib></contrib-group><pub-date><day>6</day><month>5</month><year>2024</year></pub-date><abstract><p>All of them.</p></abstract></article-meta></front>
            <body><sec><title>Results</title><p>H<sub>2</sub>O in <italic>17</italic> harbours<fn><p>Not counted.</p></fn>.</p>
            <table-wrap><caption><p>Depths</p></caption><table><thead><tr><th>Harbour</th><th>Depth</th></tr></thead><tbody><tr><td>North</td><td>12</td></tr></tbody></table></table-wrap></sec></body></article>
            """, "a.xml")
        #expect(jats.title == "Survey of Harbours")
        #expect(jats.metadata == ["doi": "10.1/x", "author": "Jane Doe", "date": "2024-05-06"])
        #expect(jats.text.contains("All of them.") && jats.text.contains("Harbour | Depth\nNorth | 12"))
        #expect(jats.text.contains("H2O in 17 harbours (Not counted.).") && !jats.text.contains("Survey"))
        let tei = try one(
            """
            <TEI xmlns="http://www.tei-c.org/ns/1.0"><teiHeader><fileDesc><titleStmt><title>Survey</title><author>Jane Doe</author></titleStmt><publicationStmt><date>2024-05-06</date></publicationStmt><sourceDesc><p>Made by a program.</p></sourceDesc></fileDesc></teiHeader>
            <text><body><p>It has <hi>seventeen</hi>.</p><table><row><cell><p>North</p></cell><cell><p>12</p></cell></row></table></body></text></TEI>
            """, "t.xml")
        #expect(tei.metadata == ["author": "Jane Doe", "date": "2024-05-06"])
        #expect(tei.text == "It has seventeen.\n\nNorth | 12")
        let docBook = try one(
            """
            <article xmlns="http://docbook.org/ns/docbook"><info><title>Survey</title><author><personname><firstname>Jane</firstname><surname>Doe</surname></personname></author><date>2024</date></info>
            <section><title>Results</title><para>See <emphasis>this</emphasis>.</para><informaltable><tgroup cols="2"><tbody><row><entry>North</entry><entry>12</entry></row></tbody></tgroup></informaltable></section></article>
            """, "d.xml")
        #expect(docBook.title == "Survey" && docBook.metadata["author"] == "Jane Doe")
        #expect(docBook.text == "Results\n\nSee this.\n\nNorth | 12")
    }

    @Test func flatOpenDocuments() throws {
        let ns =
            "xmlns:office=\"urn:o\" xmlns:text=\"urn:t\" xmlns:table=\"urn:b\" xmlns:dc=\"urn:d\" xmlns:config=\"urn:c\""
        let document = try one(
            """
            <office:document \(ns) office:mimetype="application/vnd.oasis.opendocument.text"><office:meta><dc:title>Survey</dc:title><dc:creator>Jane</dc:creator></office:meta><office:settings><config:item>true</config:item></office:settings>
            <office:body><office:text><text:p>Body text.</text:p><table:table><table:table-row><table:table-cell><text:p>North</text:p></table:table-cell><table:table-cell><text:p>12</text:p></table:table-cell></table:table-row></table:table></office:text></office:body></office:document>
            """, "f.fodt")
        #expect(document.title == "Survey" && document.text == "Body text.\n\nNorth | 12")
    }

    // MARK: What is no JSON

    @Test(arguments: [
        "[INFO] started service\n[ERROR] broke\n", "[section]\nkey=value\n",
        "[2024-03-05 10:00:00] production.ERROR: x\n",
        "[1] first ref\n[2] second ref\n", "{not json at all} some text\nmore\n",
    ]) func textsThatBeginWithABracket(_ text: String) throws {
        #expect(try one(text, "app").text.contains(text.trimmed()))
    }

    @Test(arguments: [
        "[{\"a\": 1}, {\"a\": 2}]", "{\"a\": \"x y\"}\n{\"a\": null}\n", "{a: 1, b: true}", "[1, 2.5e3, -4]",
    ])
    func valuesWithoutAnEnding(_ text: String) { #expect(JSONShape.mayBe(text)) }
}

/// What stands beside the one list that an object carries, and what is said in a record beside its text.
@Suite struct NothingIsLostTests {
    @Test func otherListsOfAnObject() throws {
        let order = try read(
            "{\"order\": 7, \"lines\": [{\"item\": \"rope\"}, {\"item\": \"sail\"}], \"notes\": [\"fragile\", \"by Monday\"], \"labels\": [{\"name\": \"blue\"}]}",
            name: "order.json")
        #expect(order.documents.count == 2)
        for document in order.documents {
            for word in ["fragile", "by Monday", "blue", "7"] { #expect(document.text.contains(word)) }
        }
        let long = String(repeating: "\"word\", ", count: 600) + "\"LAST\""
        let many = try read(
            "{\"lines\": [{\"item\": \"rope\"}, {\"item\": \"sail\"}], \"notes\": [\(long)]}", name: "order.json")
        #expect(many.documents.count == 3 && many.documents.last?.text.contains("LAST") == true)
        #expect(many.documents.first?.text.contains("LAST") == false)
    }

    @Test func commentsBesideAText() throws {
        let issue = try read(
            "{\"id\": 1, \"title\": \"Crash\", \"body\": \"It crashes.\", \"comments\": [{\"by\": \"Ann\", \"text\": \"It is the tide table that breaks.\"}]}\n{\"id\": 2, \"body\": \"Other.\", \"comments\": []}\n",
            name: "issues.jsonl")
        #expect(issue.documents.first?.text.contains("It is the tide table that breaks.") == true)
        #expect(issue.documents.first?.metadata["comments"] != nil && issue.documents.last?.text == "Other.")
    }

    @Test func conditionsOfWordAreNoText() throws {
        let page = try read(
            "<html><body><p><![if !supportLists]>· <![endif]>First item</p><!--[if mso]><p>no</p><![endif]--></body></html>",
            name: "w.html")
        let text = try #require(page.documents.first?.text)
        #expect(text.contains("First item") && !text.contains("supportLists") && !text.contains("endif"))
    }
}
