// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import OrderedCollections
import Testing

@testable import Documents

/// What everyday programs export.
struct ExportTests {
    @Test func notesOfEvernoteAreText() throws {
        let reading = try read(
            """
            <?xml version="1.0" encoding="UTF-8"?>
            <!DOCTYPE en-export SYSTEM "http://xml.evernote.com/pub/evernote-export4.dtd">
            <en-export export-date="20240312T090000Z" application="Evernote"><note><title>Packing list</title>
            <created>20240311T080000Z</created><tag>travel</tag><tag>ferry</tag>
            <content><![CDATA[<?xml version="1.0" encoding="UTF-8"?><!DOCTYPE en-note SYSTEM "x"><en-note><div>Two ropes &amp; more</div><ul><li>one lamp</li><li><en-todo checked="true"/>one map</li></ul></en-note>]]></content>
            <resource><data encoding="base64">aGVsbG8=</data><mime>text/plain</mime></resource></note>
            <note><title>Second</title><content><![CDATA[<en-note>Short.</en-note>]]></content></note></en-export>
            """, name: "n.enex")
        let first = try #require(reading.documents.first)
        #expect(first.title == "Packing list" && first.metadata["tag"] == ["travel", "ferry"])
        #expect(first.text.contains("Two ropes & more") && first.text.contains("one lamp"))
        #expect(!first.text.contains("<") && !first.text.contains("aGVsbG8"))
        #expect(reading.documents.last?.text.hasSuffix("Short.") == true)
    }

    @Test func messagesOfTelegramAndSlackAreText() throws {
        let telegram = try read(
            #"{"name":"Crew","type":"private_group","messages":[{"id":2,"type":"message","date":"2024-03-12T09:16:22","from":"Ines","text":"Did it leave?","text_entities":[{"type":"plain","text":"Did it leave?"}]},{"id":3,"type":"message","from":"Bertil","text":["Yes, see ",{"type":"link","text":"https://example.org/log"}," for it"],"text_entities":[{"type":"plain","text":"Yes, see "}]}]}"#,
            name: "result.json")
        #expect(telegram.documents.count == 2)
        #expect(telegram.documents[1].text.hasSuffix("Yes, see https://example.org/log for it"))
        #expect(telegram.documents[0].metadata["text_entities"] == nil)
        let slack = try read(
            #"[{"user":"U01","type":"message","ts":"1710234922.000100","text":"Did the <https://x.org|ferry> &amp; <@U02|bo> leave? <https://y.org>","blocks":[{"type":"rich_text"}]},{"user":"U02","type":"message","ts":"1710234999.000200","text":"a < b"}]"#,
            name: "slack.json")
        #expect(slack.documents[0].text.hasSuffix("Did the ferry & @bo leave? https://y.org"))
        #expect(slack.documents[0].metadata["date"] == "2024-03-12T09:15:22Z")
        #expect(slack.documents[1].text.hasSuffix("a < b"))
    }

    @Test func pagesInRecordsAreText() throws {
        let csv =
            "id,title,body\n1,Ropes,\"<p>Two <b>ropes</b> &amp; a lamp.</p><ul><li>one</li></ul>\"\n2,Code,\"a <b> is bold\"\n3,Tag,<br>\n"
        let documents = try read(csv, name: "posts.csv").documents
        #expect(documents.count == 3)
        #expect(documents[0].text.contains("Two ropes & a lamp.") && !documents[0].text.contains("<"))
        #expect(documents[1].text.contains("a <b> is bold") && documents[2].text.contains("<br>"))
    }

    @Test func outlinesKeepTheirLevels() throws {
        let document = try #require(
            read(
                #"<?xml version="1.0"?><opml version="2.0"><head><title>Plan</title><ownerName>Ines</ownerName></head><body><outline text="Barley"><outline text="dry it" _note="in May"/><outline text="store it"/></outline><outline text="News" type="rss" xmlUrl="https://example.org/feed"/></body></opml>"#,
                name: "o.opml"
            ).documents.first)
        #expect(document.title == "Plan" && document.metadata["author"] == "Ines")
        #expect(document.text == "- Barley\n  - dry it\n    in May\n  - store it\n- News: https://example.org/feed")
    }

    @Test func anArchiveOfTweetsIsRecords() throws {
        let documents = try read(
            """
            window.YTD.tweets.part0 = [
              {"tweet": {"id_str": "1", "created_at": "Wed Oct 10 20:19:24 +0000 2018", "full_text": "The ferry is late"}},
              {"tweet": {"id_str": "2", "created_at": "Thu Oct 11 20:19:24 +0000 2018", "full_text": "Nine sacks"}}
            ]
            """, name: "tweets.js"
        ).documents
        #expect(documents.count == 2 && documents.first?.text.contains("The ferry is late") == true)
        #expect(try read("const a = [1];\n", name: "a.js").documents.first?.text.hasPrefix("const") == true)
    }
}
