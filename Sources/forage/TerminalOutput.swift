// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import Text

/// Prints a line: every `print` of this program is this one, so that nothing from a document, a file name or a model
/// reaches a terminal as a control sequence.
func print(_ items: Any..., separator: String = " ", terminator: String = "\n") {
    let text = items.map { String(describing: $0) }.joined(separator: separator)
    Swift.print(TerminalText.safeWithStyle(text), terminator: terminator)
}
