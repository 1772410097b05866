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

    public init() {}

    /// Takes the next bytes and returns the data of each event that they complete.
    /// - Throws: `LanguageModelError.malformedReply` when an event is longer than `eventLimit`.
    public mutating func push(_ bytes: some Sequence<UInt8>) throws(LanguageModelError) -> [String] {
        var events: [String] = []
        for byte in bytes {
            if byte == 10 || byte == 13 {
                // CR LF is one line end; a LF that follows a CR adds none.
                if !(byte == 10 && endsWithReturn) { endLine(&events) }
                endsWithReturn = byte == 13
                continue
            }
            endsWithReturn = false
            line.append(byte)
            guard line.count + data.count <= eventLimit else {
                throw .malformedReply("an event of the stream is longer than \(eventLimit) bytes")
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
        let field = Array("data:".utf8)
        guard line.starts(with: field) else { return }
        var value = line[field.count...]
        if value.first == UInt8(ascii: " ") { value = value.dropFirst() }
        if hasData { data.append(10) }
        data.append(contentsOf: value)
        hasData = true
    }
}
