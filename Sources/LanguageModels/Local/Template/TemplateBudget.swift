// SPDX-License-Identifier: Apache-2.0

import Base
import OrderedCollections
import Text

/// How much a template may cost. A template comes with a model's file, from whoever made it; everything that it computes is
/// paid for here, and is refused before it is made.
struct TemplateBudget {
    /// Statements, turns of loops, parts of expressions, elements that are copied, and every 64 bytes of text.
    var work = 1_000_000
    /// The longest text that any step may make, in bytes.
    var textBytes = 4 << 20
    /// The deepest nesting of lists and dictionaries.
    var depth = 64

    /// Pays for work.
    mutating func pay(_ units: Int = 1) throws(ChatTemplateError) {
        guard units <= work else { throw .failed("the template does not come to an end") }
        work -= units
    }

    /// Pays for a text of so many bytes, which is about to be made.
    mutating func text(_ bytes: Int) throws(ChatTemplateError) {
        guard bytes <= textBytes else { throw .failed("a text of more than \(textBytes) bytes") }
        try pay(bytes / 64 + 1)
    }

    /// Pays for a repeated text.
    mutating func text(_ bytes: Int, times count: Int) throws(ChatTemplateError) {
        let (product, overflow) = bytes.multipliedReportingOverflow(by: max(0, count))
        try text(overflow ? .max : product)
    }

    /// Pays for a value with all that it holds: a list that holds another twice costs twice.
    mutating func value(_ value: JSONValue) throws(ChatTemplateError) { try pay(for: value, depth: 0) }

    private mutating func pay(for value: JSONValue, depth level: Int) throws(ChatTemplateError) {
        guard level <= depth else { throw .failed("values nest too deeply") }
        switch value {
        case .string(let text): try pay(text.utf8.count / 64 + 1)
        case .array(let list):
            try pay()
            for element in list { try pay(for: element, depth: level + 1) }
        case .object(let members):
            try pay()
            for (key, member) in members {
                try pay(key.utf8.count / 64 + 1)
                try pay(for: member, depth: level + 1)
            }
        default: try pay()
        }
    }
}
