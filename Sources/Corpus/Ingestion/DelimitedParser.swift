// SPDX-License-Identifier: Apache-2.0

import Base
import OrderedCollections
import Text

/// Reads records of comma- or tab-separated values (RFC 4180) as documents: columns become metadata.
struct DelimitedParser {
    let options: IngestOptions
    let header: [String]
    let fallbackID: @Sendable (Int) -> String
    private let delimiter: UInt8
    private let idColumn: Int?
    private let titleColumn: Int?
    private let textColumn: Int

    /// - Throws: `RecordError` when the header has no column for the text.
    init(
        header bytes: UnsafeBufferPointer<UInt8>, format: SourceFormat, options: IngestOptions,
        fallbackID: @escaping @Sendable (Int) -> String
    ) throws {
        delimiter = format == .tsv ? 9 : UInt8(ascii: ",")
        self.options = options
        self.fallbackID = fallbackID
        var bytes = bytes
        if bytes.count >= 3, bytes[0] == 0xEF, bytes[1] == 0xBB, bytes[2] == 0xBF {
            bytes = .init(rebasing: bytes[3...])
        }
        let header = try Self.fields(bytes, delimiter: delimiter).map { $0.trimmed() }
        guard Set(header).count == header.count else {
            throw RecordError(message: "two columns of the header have the same name")
        }
        func column(_ given: String?, _ names: [String]) throws -> Int? {
            if let given {
                guard let index = header.firstIndex(of: given) else {
                    throw RecordError(
                        message: "there is no column \"\(given)\"; the columns are \(JSONLinesParser.list(header))")
                }
                return index
            }
            for name in names {
                if let index = header.firstIndex(where: { $0.lowercased() == name }) { return index }
            }
            return nil
        }
        idColumn = try column(options.idField, ["id", "_id", "docid"])
        titleColumn = try column(options.titleField, ["title"])
        guard
            let text = try column(
                options.textField, ["text", "contents", "content", "body", "description", "abstract"])
        else {
            throw RecordError(
                message:
                    "which column is the text? Name it with the text-field option; the columns are \(JSONLinesParser.list(header))"
            )
        }
        textColumn = text
        self.header = header
    }

    func parse(_ bytes: UnsafeBufferPointer<UInt8>, line: Int) throws -> RawDocument {
        let fields = try Self.fields(bytes, delimiter: delimiter)
        guard fields.count == header.count else {
            throw RecordError(message: "expected \(header.count) columns, found \(fields.count)")
        }
        var metadata = JSONObject()
        for (index, field) in fields.enumerated()
        where index != idColumn && index != titleColumn && index != textColumn && !field.isEmpty
            && !header[index].isEmpty
        {
            metadata[header[index]] = .string(field)
        }
        let id = idColumn.map { fields[$0] } ?? ""
        return RawDocument(
            id: id.isEmpty ? fallbackID(line) : id, title: titleColumn.map { fields[$0].trimmed() } ?? "",
            text: fields[textColumn], metadata: metadata)
    }

    /// The fields of one record.
    static func fields(_ bytes: UnsafeBufferPointer<UInt8>, delimiter: UInt8) throws -> [String] {
        var fields: [String] = []
        var field: [UInt8] = []
        var at = 0
        let quote = UInt8(ascii: "\"")
        func close() throws {
            guard let text = String(validating: field, as: UTF8.self) else {
                throw RecordError(message: "column \(fields.count + 1) is not valid UTF-8")
            }
            fields.append(text)
            field.removeAll(keepingCapacity: true)
        }
        while true {
            if at < bytes.count, bytes[at] == quote {
                at += 1
                while true {
                    guard at < bytes.count else { throw RecordError(message: "a double quote is not closed") }
                    if bytes[at] != quote {
                        field.append(bytes[at])
                        at += 1
                    } else if at + 1 < bytes.count, bytes[at + 1] == quote {
                        field.append(quote)
                        at += 2
                    } else {
                        at += 1
                        break
                    }
                }
                guard at == bytes.count || bytes[at] == delimiter else {
                    throw RecordError(
                        message: "expected a delimiter after the closing quote of column \(fields.count + 1)")
                }
            } else {
                while at < bytes.count, bytes[at] != delimiter {
                    field.append(bytes[at])
                    at += 1
                }
            }
            try close()
            guard at < bytes.count else { return fields }
            at += 1
        }
    }
}
