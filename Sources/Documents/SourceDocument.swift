// SPDX-License-Identifier: Apache-2.0

package import Base
import OrderedCollections

/// A document as its source has it, before it is cut into passages.
package struct SourceDocument: Sendable, Hashable {
    /// The identity: what the source gave, else its path and place.
    package var id: String
    package var title: String
    /// The text, with "\n" at the ends of lines and U+000C between pages where the source has pages.
    package var text: String
    /// Values are text, numbers, booleans, lists of these, or objects of these.
    package var metadata: JSONObject

    package init(id: String, title: String, text: String, metadata: JSONObject = [:]) {
        self.id = id
        self.title = title
        self.text = text
        self.metadata = metadata
    }
}

extension String {
    /// The text without white space at its ends.
    package func trimmed() -> String {
        let scalars = unicodeScalars
        guard let first = scalars.firstIndex(where: { !$0.properties.isWhitespace }),
            let last = scalars.lastIndex(where: { !$0.properties.isWhitespace })
        else { return "" }
        return String(scalars[first...last])
    }

    /// The words of the text with single spaces between them.
    package func collapsed() -> String {
        unicodeScalars.split { $0.properties.isWhitespace }.map { String($0) }.joined(separator: " ")
    }
}

extension Substring {
    package func trimmed() -> String { String(self).trimmed() }
}
