// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Base
import Foundation
import Text

/// Prints a line: every `print` of this program is this one, so that nothing from a document, a file name or a model
/// reaches a terminal as a control sequence.
func print(_ items: Any..., separator: String = " ", terminator: String = "\n") {
    let text = items.map { String(describing: $0) }.joined(separator: separator)
    Swift.print(TerminalText.safeWithStyle(text), terminator: terminator)
}

/// What stands for a question or query on the command line: the text itself, or what standard input holds for `-`.
func inputText(_ text: String, name: String) throws -> String {
    guard text == "-" else { return text }
    guard !standardInput.isEmpty else {
        throw ValidationError("standard input is empty; the \(name) was to be read from there")
    }
    return standardInput
}

/// What standard input holds, up to a megabyte: read once, since arguments may be parsed twice.
private let standardInput: String = {
    let data = (try? FileHandle.standardInput.read(upToCount: 1 << 20)) ?? Data()
    return String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
}()
