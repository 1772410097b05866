// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import OrderedCollections

/// Reads EPUB books: one document for each chapter of the spine.
enum EPUBDocument {
    static func isWanted(_ path: String) -> Bool {
        let path = path.lowercased()
        return [".xml", ".opf", ".xhtml", ".html", ".htm"].contains { path.hasSuffix($0) }
    }

    /// - Throws: `DocumentError` for what is no book.
    static func chapters(_ parts: PackageParts, id: String, name: String) throws(DocumentError) -> [SourceDocument] {
        if parts.bytes("META-INF/encryption.xml") != nil, parts.bytes("META-INF/rights.xml") != nil {
            throw DocumentError("it is encrypted")
        }
        var packagePath: String?
        if let container = try parts.reader("META-INF/container.xml") {
            while packagePath == nil, let event = container.next() {
                if case .start("rootfile", _) = event { packagePath = container.attribute("full-path") }
            }
        }
        guard let packagePath, let package = try parts.reader(packagePath) else {
            throw DocumentError("it is no book: it has no package document")
        }
        let folder = packagePath.split(separator: "/").dropLast().joined(separator: "/")
        var items: [String: (path: String, isNavigation: Bool)] = [:]
        var spine: [String] = []
        while let event = package.next() {
            switch event {
            case .start("item", _):
                if let id = package.attribute("id"), let path = package.attribute("href") {
                    let plain = path.removingPercentEncoding ?? path
                    items[id] = (
                        PackageParts.resolve(plain, in: folder),
                        package.attribute("properties")?.split(separator: " ").contains("nav") == true
                    )
                }
            case .start("itemref", _): if let id = package.attribute("idref") { spine.append(id) }
            default: break
            }
        }
        var metadata = try parts.properties(packagePath)
        let book = metadata["title"]?.string ?? name
        metadata["title"] = nil
        var documents: [SourceDocument] = []
        for item in spine {
            guard let (path, isNavigation) = items[item], !isNavigation, let bytes = parts.bytes(path) else { continue }
            let text = TextDecoding.lenient(bytes).withUnixLineEnds()
            let page = try HTMLDocument.read(text, id: "", name: "")
            guard !page.text.isEmpty else { continue }
            let title = page.title.isEmpty || page.title == book ? book : "\(book): \(page.title)"
            documents.append(SourceDocument(id: "\(id)/\(path)", title: title, text: page.text, metadata: metadata))
        }
        guard !documents.isEmpty else { throw DocumentError("the book has no text") }
        return documents
    }
}
