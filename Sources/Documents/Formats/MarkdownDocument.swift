// SPDX-License-Identifier: Apache-2.0

import Base
import CMarkdown
import OrderedCollections

/// Reads Markdown: front matter becomes fields, the first heading is the title, and the text stays Markdown, which models
/// read well. Where headings are is for libcmark-gfm to say.
enum MarkdownDocument {
    /// How much of a file is searched for its first heading, in bytes.
    private static let headBytes = 1 << 16

    static func read(_ text: String, id: String, name: String, notes: inout [String]) -> SourceDocument {
        let front = FrontMatter(text)
        if let problem = front.problem {
            notes.append("its front matter was not understood and stays in the text: \(problem)")
        }
        var fields = front.fields
        var body = String(front.body)
        var title = fields["title"].flatMap { RecordMapper.scalar($0) }
        if title?.isEmpty ?? false { title = nil }
        fields["title"] = nil
        if title == nil, front.problem == nil, let heading = firstHeading(body) {
            title = heading.text
            body = without(heading.lines, in: body)
        }
        return SourceDocument(id: id, title: title ?? name, text: body.trimmed(), metadata: fields)
    }

    private struct Heading {
        var text: String
        /// Its first and last line, from 1.
        var lines: ClosedRange<Int>
    }

    private static func firstHeading(_ text: String) -> Heading? {
        var head = String(decoding: text.utf8.prefix(headBytes), as: UTF8.self)
        let document = head.withUTF8 { bytes in
            bytes.withMemoryRebound(to: CChar.self) {
                cmark_parse_document($0.baseAddress, $0.count, CMARK_OPT_DEFAULT)
            }
        }
        guard let document else { return nil }
        defer { cmark_node_free(document) }
        var node = cmark_node_first_child(document)
        while let heading = node {
            if cmark_node_get_type(heading) == CMARK_NODE_HEADING {
                let title = plainText(heading)
                if !title.isEmpty {
                    let (first, last) = (Int(cmark_node_get_start_line(heading)), Int(cmark_node_get_end_line(heading)))
                    return Heading(text: title, lines: first...max(first, last))
                }
            }
            node = cmark_node_next(heading)
        }
        return nil
    }

    private static func plainText(_ node: OpaquePointer) -> String {
        var text = ""
        let walk = cmark_iter_new(node)
        defer { cmark_iter_free(walk) }
        while true {
            let event = cmark_iter_next(walk)
            guard event != CMARK_EVENT_DONE else { return text.collapsed() }
            guard event == CMARK_EVENT_ENTER, let inner = cmark_iter_get_node(walk) else { continue }
            switch cmark_node_get_type(inner) {
            case CMARK_NODE_TEXT, CMARK_NODE_CODE:
                text += cmark_node_get_literal(inner).map { String(cString: $0) } ?? ""
            case CMARK_NODE_SOFTBREAK, CMARK_NODE_LINEBREAK: text += " "
            default: break
            }
        }
    }

    /// The text without some of its lines.
    private static func without(_ lines: ClosedRange<Int>, in text: String) -> String {
        var line = 1
        var start: String.Index?
        var at = text.utf8.startIndex
        while at < text.utf8.endIndex {
            if line == lines.lowerBound, start == nil { start = at }
            let end = text.utf8[at...].firstIndex(of: 10).map { text.utf8.index(after: $0) } ?? text.utf8.endIndex
            if line == lines.upperBound { return String(text[..<(start ?? at)]) + String(text[end...]) }
            at = end
            line += 1
        }
        return text
    }
}
