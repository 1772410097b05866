// SPDX-License-Identifier: Apache-2.0

import Base
import CXML
import Foundation

/// Pulls one event after the other out of XML, through libxml2's reader: no tree, no document type, no outside entity.
final class XMLPull {
    enum Event {
        /// An element begins; its attributes are there to ask until the next event. An empty one has no `end`.
        case start(String, isEmpty: Bool)
        case end(String)
        case text(UnsafeBufferPointer<UInt8>)
    }

    private let reader: OpaquePointer
    private let bytes: [UInt8]
    /// Whether the XML ended before its root did, or is malformed.
    private(set) var isBroken = false
    private var left: Int

    /// - Parameters:
    ///   - encoding: what the bytes are in; nil goes by the XML declaration.
    ///   - nodes: how many nodes are read at most.
    /// - Throws: `DocumentError` when there is no memory.
    init(_ bytes: [UInt8], encoding: String? = nil, nodes: Int = 50_000_000) throws(DocumentError) {
        guard Self.mostAttributes(in: bytes) <= Self.attributeLimit else {
            throw DocumentError("an element of the XML has more than \(Self.attributeLimit) attributes")
        }
        self.bytes = bytes
        left = nodes
        // The array is kept as long as the reader, and an array that nobody changes does not move.
        let made = self.bytes.withUnsafeBytes {
            forage_xml_reader_open(
                $0.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(clamping: $0.count), encoding)
        }
        guard let made else { throw DocumentError("it is no XML that can be read") }
        reader = made
    }

    deinit { forage_xml_reader_close(reader) }

    /// The most attributes of an element: libxml2 compares each with all before it.
    static let attributeLimit = 4096

    /// The attributes of the tag that has most, by the equals signs outside of its quotes; comments and sections of character
    /// data hold no tags, nor do programs within a page.
    static func mostAttributes(in bytes: [UInt8]) -> Int {
        var most = 0
        var at = 0
        while let open = bytes[at...].firstIndex(of: UInt8(ascii: "<")) {
            at = open + 1
            guard at < bytes.count else { break }
            if bytes[at] == UInt8(ascii: "!") {
                let end: [UInt8] =
                    bytes[at...].starts(with: "!--".utf8)
                    ? Array("-->".utf8) : bytes[at...].starts(with: "![CDATA[".utf8) ? Array("]]>".utf8) : [0x3E]
                while at + end.count <= bytes.count, !bytes[at..<at + end.count].elementsEqual(end) { at += 1 }
                continue
            }
            var count = 0
            var quote: UInt8 = 0
            while at < bytes.count, quote != 0 || bytes[at] != UInt8(ascii: ">") {
                let byte = bytes[at]
                if quote != 0 {
                    if byte == quote { quote = 0 }
                } else if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") {
                    quote = byte
                } else if byte == UInt8(ascii: "=") {
                    count += 1
                } else if byte < 0x80, ";{}()".utf8.contains(byte) {
                    // Less than, in a program within a page.
                    count = 0
                    break
                }
                at += 1
            }
            most = max(most, count)
        }
        return most
    }

    /// The next event; nil at the end, and where the XML cannot be read on.
    func next() -> Event? {
        while left > 0 {
            left -= 1
            let result = forage_xml_reader_next(reader)
            guard result == 1 else {
                if result < 0 { isBroken = true }
                return nil
            }
            switch forage_xml_reader_kind(reader) {
            case FORAGE_XML_START: return .start(localName, isEmpty: forage_xml_reader_is_empty(reader) != 0)
            case FORAGE_XML_END: return .end(localName)
            case FORAGE_XML_TEXT:
                guard let value = forage_xml_reader_value(reader) else { continue }
                return .text(
                    UnsafeBufferPointer(
                        start: UnsafeRawPointer(value).assumingMemoryBound(to: UInt8.self), count: strlen(value)))
            default: continue
            }
        }
        isBroken = true
        return nil
    }

    private var localName: String {
        forage_xml_reader_name(reader).map { String(cString: $0) } ?? ""
    }

    /// The value of an attribute of the element that just began, by its name without prefix.
    func attribute(_ name: String) -> String? {
        guard forage_xml_reader_first_attribute(reader) != 0 else { return nil }
        defer { forage_xml_reader_leave_attributes(reader) }
        repeat {
            if localName == name { return forage_xml_reader_value(reader).map { String(cString: $0) } ?? "" }
        } while forage_xml_reader_next_attribute(reader) != 0
        return nil
    }

    /// The attributes of the element that just began, by their names without prefix.
    func attributes() -> [(name: String, value: String)] {
        var found: [(String, String)] = []
        guard forage_xml_reader_first_attribute(reader) != 0 else { return [] }
        defer { forage_xml_reader_leave_attributes(reader) }
        repeat {
            found.append((localName, forage_xml_reader_value(reader).map { String(cString: $0) } ?? ""))
        } while forage_xml_reader_next_attribute(reader) != 0
        return found
    }

    /// The text up to the end of the element that just began, which is not empty.
    /// - Parameter keepingSpace: keeps white space as it is; otherwise it collapses and goes at the ends.
    func content(keepingSpace: Bool = false) -> String {
        var builder = TextBuilder()
        builder.isPreformatted = keepingSpace
        var depth = 1
        while depth > 0, let event = next() {
            switch event {
            case .start(_, let isEmpty): depth += isEmpty ? 0 : 1
            case .end: depth -= 1
            case .text(let text): builder.append(text)
            }
        }
        return keepingSpace ? builder.text() : builder.text().trimmed()
    }
}
