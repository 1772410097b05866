// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Finds the pages that passages are on, from the U+000C that end pages in a document's text. Passages of one document
/// that come in order cost one walk over its text.
struct PageCounter {
    private var document: DocumentOrdinal?
    private var hasPages = false
    private var offset = 0
    private var page = 1

    /// - Parameters:
    ///   - range: where the passage stands in `text`.
    ///   - text: the text of the document.
    /// - Returns: nil for a document without pages.
    mutating func pages(
        of range: Range<Int>, in text: UnsafeBufferPointer<UInt8>, of document: DocumentOrdinal
    ) -> ClosedRange<Int>? {
        if document != self.document {
            self.document = document
            hasPages = text.baseAddress.map { memchr($0, 12, text.count) != nil } ?? false
            (offset, page) = (0, 1)
        }
        guard hasPages, range.upperBound <= text.count else { return nil }
        if range.lowerBound < offset { (offset, page) = (0, 1) }
        // A passage begins with its first letter, which is behind any page's end before it.
        page += Self.ends(in: text, offset..<range.lowerBound)
        offset = range.lowerBound
        return page...(page + Self.ends(in: text, range))
    }

    private static func ends(in text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) -> Int {
        text[range].reduce(0) { $0 + ($1 == 12 ? 1 : 0) }
    }
}
