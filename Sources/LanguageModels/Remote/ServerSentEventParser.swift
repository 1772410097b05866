// SPDX-License-Identifier: Apache-2.0

import Net

/// Splits a byte stream into server-sent events (the HTML standard's event stream format), across chunk borders.
///
/// Only `data` fields are kept: the chat protocols put everything there. Comments (keep-alives) are dropped.
public struct ServerSentEventParser: Sendable {
    /// The longest event that is accepted, in bytes. Default 8 MiB.
    public var eventLimit = 8 << 20
    private var line: [UInt8] = []
    private var data: [UInt8] = []
    private var hasData = false
    private var endsWithReturn = false
    private var isFirstLine = true
    private static let field = Array("data:".utf8)

    public init() {}

    /// Takes the next bytes and returns the data of each event that they complete.
    /// - Throws: `LanguageModelError.malformedReply` when an event is longer than `eventLimit`.
    public mutating func push(_ bytes: some Collection<UInt8>) throws(LanguageModelError) -> [String] {
        var events: [String] = []
        var rest = bytes[...]
        // CR LF is one line end, also where a border of chunks parts them.
        if endsWithReturn, rest.first == 10 { rest = rest.dropFirst() }
        if !bytes.isEmpty { endsWithReturn = false }
        while !rest.isEmpty {
            let end = rest.firstIndex { $0 == 10 || $0 == 13 }
            let piece = rest[..<(end ?? rest.endIndex)]
            guard line.count + data.count + piece.count <= eventLimit else {
                throw .malformedReply("an event of the stream is longer than \(eventLimit) bytes")
            }
            line.append(contentsOf: piece)
            guard let end else { break }
            endLine(&events)
            let isReturn = rest[end] == 13
            rest = rest[rest.index(after: end)...]
            if isReturn {
                endsWithReturn = rest.isEmpty
                if rest.first == 10 { rest = rest.dropFirst() }
            }
        }
        return events
    }

    /// Returns the data of an event that the end of the stream left without its empty line.
    public mutating func finish() -> String? {
        var events: [String] = []
        if !line.isEmpty { endLine(&events) }
        endLine(&events)
        return events.first
    }

    private mutating func endLine(_ events: inout [String]) {
        defer { line.removeAll(keepingCapacity: true) }
        if line.isEmpty {
            if hasData { events.append(String(decoding: data, as: UTF8.self)) }
            data.removeAll(keepingCapacity: true)
            hasData = false
            return
        }
        var whole = line[...]
        // A byte order mark may open the stream.
        if isFirstLine, whole.starts(with: [0xEF, 0xBB, 0xBF]) { whole = whole.dropFirst(3) }
        isFirstLine = false
        guard whole.starts(with: Self.field) else { return }
        var value = whole.dropFirst(Self.field.count)
        if value.first == UInt8(ascii: " ") { value = value.dropFirst() }
        if hasData { data.append(10) }
        data.append(contentsOf: value)
        hasData = true
    }
}
