// SPDX-License-Identifier: Apache-2.0

/// Lengths as limits measure them: in Unicode scalars, as JSON Schema does. What a reader sees as one character may be a
/// letter with megabytes of marks upon it.
extension StringProtocol {
    /// Whether the text has more Unicode scalars than this; it is not read further than it must be.
    public func isLonger(than limit: Int) -> Bool {
        utf8.count > limit && unicodeScalars.dropFirst(limit).first != nil
    }

    /// The text's first Unicode scalars.
    public func head(_ limit: Int) -> String {
        isLonger(than: limit) ? String(String.UnicodeScalarView(unicodeScalars.prefix(limit))) : String(self)
    }
}
