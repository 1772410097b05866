// SPDX-License-Identifier: Apache-2.0

import Base
import CXML
import Foundation
import OrderedCollections

/// Reads HTML pages through libxml2: the main text without navigation, tables by rows, and what the page says of itself.
enum HTMLDocument {
    /// - Parameter name: the title of a page that has none.
    /// - Throws: `DocumentError` when there is no memory for the page.
    static func read(_ text: String, id: String, name: String) throws(DocumentError) -> SourceDocument {
        try read(resolved: HTMLEntities.resolved(withoutConditions(text)), id: id, name: name)
    }

    /// Without the conditions of Word and Outlook (`<![if !supportLists]>`), which are no comments and no elements.
    private static func withoutConditions(_ text: String) -> String {
        guard text.contains("<![") else { return text }
        var output = ""
        var rest = text[...]
        while let mark = rest.firstRange(of: "<![") {
            output += rest[..<mark.lowerBound]
            let inner = rest[mark.upperBound...]
            let isCondition = ["if ", "endif", "IF ", "ENDIF", "if(", "If "].contains { inner.hasPrefix($0) }
            guard isCondition, !output.hasSuffix("<!--"), let end = inner.prefix(200).firstRange(of: "]>") else {
                output += "<!["
                rest = inner
                continue
            }
            rest = inner[end.upperBound...]
        }
        return output + rest
    }

    private static func read(resolved source: String, id: String, name: String) throws(DocumentError) -> SourceDocument
    {
        guard XMLPull.mostAttributes(in: Array(source.utf8)) <= XMLPull.attributeLimit else {
            throw DocumentError("an element of the page has more than \(XMLPull.attributeLimit) attributes")
        }
        var copy = source
        let parsed = copy.withUTF8 { bytes in
            bytes.withMemoryRebound(to: CChar.self) { forage_html_parse($0.baseAddress, Int32(clamping: $0.count)) }
        }
        guard let parsed else { throw DocumentError("it is no HTML that can be read") }
        defer { forage_xml_document_free(parsed) }
        guard let root = forage_xml_root(parsed) else {
            return SourceDocument(id: id, title: name, text: "")
        }
        var page = HTMLPage()
        page.describe(root)
        let text = page.mainText(root)
        // libxml2 stops where elements nest too deep.
        if text.isEmpty, source.utf8.count > 500, let flat = HTMLNesting.flattened(source) {
            return try read(resolved: flat, id: id, name: name)
        }
        let title = [page.title, page.heading].first { !$0.isEmpty } ?? name
        return SourceDocument(id: id, title: title, text: text, metadata: page.metadata)
    }
}

private typealias Node = OpaquePointer

/// Steps that may still be taken.
private final class Effort {
    var left: Int
    init(_ left: Int) { self.left = left }
}

/// One page while it is read.
private struct HTMLPage {
    var title = ""
    var heading = ""
    var metadata = JSONObject()
    /// The steps that looking around may take; hostile pages nest so that every look costs the whole page.
    private let effort = Effort(8_000_000)

    private static let blocks: Set<String> = [
        "address", "article", "aside", "blockquote", "body", "br", "dd", "details", "div", "dl", "dt", "fieldset",
        "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "html", "li",
        "main", "nav", "ol", "option", "p", "pre", "section", "summary", "table", "tbody", "td", "th", "thead", "tr",
        "ul", "caption",
    ]
    private static let paragraphs: Set<String> = [
        "p", "h1", "h2", "h3", "h4", "h5", "h6", "article", "section", "table", "ul", "ol", "dl", "pre", "blockquote",
        "figure",
    ]
    private static let dropped: Set<String> = [
        "script", "style", "template", "noscript", "svg", "iframe", "textarea", "head", "object", "embed", "canvas",
        "audio", "video", "select", "button", "math-annotation",
    ]
    private static let navigation: Set<String> = ["nav", "footer", "aside", "menu", "dialog"]
    private static let navigationRoles: Set<String> = [
        "navigation", "banner", "contentinfo", "search", "complementary", "menu", "menubar", "dialog", "alertdialog",
    ]
    /// Words of `class` and `id` that sites give to what is not the text. Whole words only.
    private static let navigationWords: Set<String> = [
        "nav", "navbar", "navigation", "navbox", "menu", "breadcrumb", "breadcrumbs", "sidebar", "footer", "cookie",
        "cookies", "banner", "skip", "share", "social", "related", "pagination", "pager", "advert", "ads", "promo",
        "newsletter", "toolbar", "editsection", "noprint", "catlinks", "jump", "toc", "popup", "modal",
    ]

    // MARK: What the page says of itself

    mutating func describe(_ root: Node) {
        var nodes = NodeWalk(root)
        while let node = nodes.next() {
            guard nodes.isEntering, let name = Self.name(node) else { continue }
            switch name {
            case "title" where title.isEmpty && !Self.isInside(node, "svg"):
                title = Self.content(node).collapsed()
            case "h1" where heading.isEmpty: heading = Self.content(node).collapsed()
            case "meta": addMeta(node)
            case "script", "style", "svg": nodes.skipChildren()
            default: break
            }
        }
        if title.isEmpty, let given = metadata["og:title"]?.string { title = given }
        metadata["og:title"] = nil
    }

    private mutating func addMeta(_ node: Node) {
        guard let name = (Self.attribute(node, "name") ?? Self.attribute(node, "property"))?.lowercased(),
            let content = Self.attribute(node, "content")?.collapsed(), !content.isEmpty
        else { return }
        switch name {
        case "author", "description", "date", "keywords", "og:title": metadata[name] = .string(content)
        case "article:published_time", "dc.date", "dcterms.date", "dcterms.created", "datepublished", "pubdate":
            if metadata["date"] == nil { metadata["date"] = .string(content) }
        case "dc.creator", "article:author":
            if metadata["author"] == nil { metadata["author"] = .string(content) }
        case "og:description": if metadata["description"] == nil { metadata["description"] = .string(content) }
        default: break
        }
    }

    // MARK: The text

    /// The main text: that of `<main>`, of articles or of the body, without navigation. Where that leaves next to nothing
    /// of the page, all its text.
    func mainText(_ root: Node) -> String {
        let whole = text(of: [root], dropsNavigation: false)
        var best = text(of: [root], dropsNavigation: true)
        let (mains, articles) = Self.mainElements(root)
        for candidates in [mains, articles] where !candidates.isEmpty {
            let found = text(of: candidates, dropsNavigation: true)
            // A `<main>` that holds a tenth of the text is a mistake of the page's.
            if found.utf8.count * 3 >= best.utf8.count || found.utf8.count > 2000 {
                best = found
                break
            }
        }
        if best.utf8.count < 200, whole.utf8.count > 2 * best.utf8.count {
            // Beside a menu of many links a paragraph is all that there is to read.
            let isParagraph = best.utf8.count >= 80 && best.contains { ".!?。".contains($0) }
            return isParagraph && isMostlyLinks(root) ? best : whole
        }
        return best
    }

    private static func mainElements(_ root: Node) -> (mains: [Node], articles: [Node]) {
        var mains: [Node] = []
        var articles: [Node] = []
        var nodes = NodeWalk(root)
        while let node = nodes.next() {
            guard nodes.isEntering, let name = name(node) else { continue }
            if name == "main" || attribute(node, "role") == "main" {
                mains.append(node)
                nodes.skipChildren()
            } else if name == "article" {
                articles.append(node)
                nodes.skipChildren()
            }
        }
        return (mains, articles)
    }

    private func text(of roots: [Node], dropsNavigation: Bool) -> String {
        var builder = TextBuilder()
        for root in roots {
            builder.breakLine(2)
            write(root, to: &builder, dropsNavigation: dropsNavigation)
        }
        return builder.text().trimmed()
    }

    private func write(_ root: Node, to builder: inout TextBuilder, dropsNavigation: Bool) {
        var nodes = NodeWalk(root)
        var preformatted = 0
        while let node = nodes.next() {
            if let content = forage_xml_text(node) {
                builder.append(
                    UnsafeBufferPointer(
                        start: UnsafeRawPointer(content).assumingMemoryBound(to: UInt8.self), count: strlen(content)))
                continue
            }
            guard let name = Self.name(node) else {
                if nodes.isEntering { nodes.skipChildren() }
                continue
            }
            if nodes.isEntering {
                if Self.dropped.contains(name) || Self.isHidden(node)
                    || (dropsNavigation && node != root && isNavigation(node, name))
                {
                    nodes.skipChildren()
                    continue
                }
                if name == "table", let rows = table(node, dropsNavigation: dropsNavigation) {
                    builder.breakLine(2)
                    builder.isPreformatted = true
                    builder.append(rows)
                    builder.isPreformatted = preformatted > 0
                    builder.breakLine(2)
                    nodes.skipChildren()
                    continue
                }
                if name == "pre" { preformatted += 1 }
            } else if name == "pre" {
                preformatted -= 1
            }
            builder.isPreformatted = preformatted > 0
            if name == "pre" || Self.paragraphs.contains(name) {
                builder.breakLine(2)
            } else if Self.blocks.contains(name), name != "br" || nodes.isEntering {
                builder.breakLine(1)
            }
        }
    }

    /// The rows of a table of data; nil for one that only lays out the page.
    private func table(_ node: Node, dropsNavigation: Bool) -> String? {
        guard Self.attribute(node, "role") != "presentation" else { return nil }
        var rows = TableText()
        var nodes = NodeWalk(node, effort)
        // A table inside a table is layout; looking first keeps tables within tables from being read again and again.
        while let inner = nodes.next() {
            if inner != node, nodes.isEntering, Self.name(inner) == "table" { return nil }
        }
        guard effort.left > 0 else { return nil }
        nodes = NodeWalk(node)
        var cells = 0
        while let inner = nodes.next() {
            guard nodes.isEntering, let name = Self.name(inner), inner != node else { continue }
            switch name {
            case "tr": rows.endRow()
            case "caption":
                rows.endRow()
                rows.cell(text(of: [inner], dropsNavigation: false))
                nodes.skipChildren()
            case "td", "th":
                let cell = text(of: [inner], dropsNavigation: dropsNavigation)
                if cell.utf8.count > 2000 { return nil }
                let span = Self.attribute(inner, "rowspan").flatMap { Int($0) } ?? 1
                let wide = Self.attribute(inner, "colspan").flatMap { Int($0) } ?? 1
                rows.cell(cell, rows: min(max(span, 1), 1000), columns: min(max(wide, 1), 100))
                cells += 1
                nodes.skipChildren()
            default: break
            }
        }
        rows.endRow()
        return cells > 1 ? rows.text() : nil
    }

    // MARK: Elements

    private func isNavigation(_ node: Node, _ name: String) -> Bool {
        if Self.navigation.contains(name) { return true }
        if let role = Self.attribute(node, "role"), Self.navigationRoles.contains(role) { return true }
        // The head of a page has its name and menus; that of an article has the article's.
        if name == "header" {
            return !Self.isInside(node, "main") && !Self.isInside(node, "article") && contains(node, "nav")
        }
        guard name != "body", name != "html", name != "main", name != "article" else { return false }
        for key in ["class", "id"] {
            guard let value = Self.attribute(node, key) else { continue }
            for token in value.split(separator: " ") {
                let words = token.split { !$0.isLetter }.map { $0.lowercased() }
                if words.count <= 2, words.contains(where: { Self.navigationWords.contains($0) }) {
                    return !isMostOfPage(node) || isLinkList(node)
                }
            }
        }
        guard name == "ul" || name == "ol", !Self.isInside(node, "article"), !Self.isInside(node, "main") else {
            return false
        }
        return isLinkList(node)
    }

    /// Whether nearly everything in an element is links, of a few words each.
    private func isLinkList(_ node: Node) -> Bool {
        var (linked, all, links) = (0, 0, 0)
        var nodes = NodeWalk(node, effort)
        var depth = 0
        while let inner = nodes.next() {
            if let content = forage_xml_text(inner) {
                let length = String(cString: content).trimmed().utf8.count
                all += length
                if depth > 0 { linked += length }
            } else if Self.name(inner) == "a" {
                depth += nodes.isEntering ? 1 : -1
                links += nodes.isEntering ? 1 : 0
            }
        }
        return links >= 4 && linked * 10 >= all * 9 && all < links * 40
    }

    /// Whether more than half of an element's text is links.
    private func isMostlyLinks(_ node: Node) -> Bool {
        var (linked, all, depth) = (0, 0, 0)
        var nodes = NodeWalk(node, effort)
        while let inner = nodes.next() {
            if let content = forage_xml_text(inner) {
                all += strlen(content)
                if depth > 0 { linked += strlen(content) }
            } else if Self.name(inner) == "a" {
                depth += nodes.isEntering ? 1 : -1
            }
        }
        return linked * 2 > all
    }

    /// Whether an element holds more than half of the text of its page: then its name is no reason to drop it.
    private func isMostOfPage(_ node: Node) -> Bool {
        guard let root = forage_xml_root_of(node) else { return false }
        return textLength(node) * 2 > textLength(root)
    }

    private func textLength(_ node: Node) -> Int {
        var nodes = NodeWalk(node, effort)
        var length = 0
        while let inner = nodes.next() {
            if let content = forage_xml_text(inner) {
                length += strlen(content)
            } else if let name = Self.name(inner), nodes.isEntering, Self.dropped.contains(name) {
                nodes.skipChildren()
            }
        }
        return length
    }

    private static func isHidden(_ node: Node) -> Bool {
        if attribute(node, "hidden") != nil || attribute(node, "aria-hidden") == "true" { return true }
        guard let style = attribute(node, "style") else { return false }
        let plain = style.filter { $0 != " " }.lowercased()
        return plain.contains("display:none") || plain.contains("visibility:hidden")
    }

    private static func isInside(_ node: Node, _ name: String) -> Bool {
        var parent = forage_xml_parent(node)
        var depth = 0
        while let above = parent, depth < 200 {
            if Self.name(above) == name { return true }
            parent = forage_xml_parent(above)
            depth += 1
        }
        return false
    }

    private func contains(_ node: Node, _ name: String) -> Bool {
        var nodes = NodeWalk(node, effort)
        while let inner = nodes.next() {
            if nodes.isEntering, Self.name(inner) == name { return true }
        }
        return false
    }

    static func name(_ node: Node) -> String? {
        forage_xml_element_name(node).map { String(cString: $0).lowercased() }
    }

    static func attribute(_ node: Node, _ name: String) -> String? {
        guard let value = forage_xml_attribute(node, name) else { return nil }
        defer { forage_xml_free(value) }
        return String(cString: value)
    }

    static func content(_ node: Node) -> String {
        guard let value = forage_xml_content(node) else { return "" }
        defer { forage_xml_free(value) }
        return String(cString: value)
    }
}

/// Visits the nodes below a root in the order of the text, elements on the way in and on the way out, without recursion.
private struct NodeWalk {
    private let root: Node
    private var current: Node?
    /// Whether the node that `next` returned was entered, not left.
    private(set) var isEntering = true
    private var skips = false

    private let effort: Effort?

    /// - Parameter effort: ends the walk when it is used up.
    init(_ root: Node, _ effort: Effort? = nil) {
        self.root = root
        self.effort = effort
    }

    /// Goes past what is below the node that was entered last; it is not visited again on the way out.
    mutating func skipChildren() { skips = true }

    mutating func next() -> Node? {
        if let effort {
            effort.left -= 1
            guard effort.left > 0 else { return nil }
        }
        guard let node = current else {
            current = root
            isEntering = true
            return root
        }
        let isElement = forage_xml_element_name(node) != nil
        if isEntering, isElement, !skips {
            if let child = forage_xml_first_child(node) {
                current = child
            } else {
                isEntering = false
            }
            return current
        }
        skips = false
        guard node != root else { return nil }
        if let sibling = forage_xml_next(node) {
            current = sibling
            isEntering = true
        } else {
            guard let parent = forage_xml_parent(node) else { return nil }
            current = parent
            isEntering = false
        }
        return current
    }
}
