// SPDX-License-Identifier: Apache-2.0

// The parsers and readers of files, for libFuzzer: `FORAGE_FUZZ` names the one that is fuzzed. What must hold is that each
// gives a value or throws; the libFuzzer flags bound its time and memory.

import Base
import Foundation
import TensorMath
import Text

@testable import Corpus
@testable import Documents
@testable import LanguageModels

private let target = ProcessInfo.processInfo.environment["FORAGE_FUZZ"] ?? "json"
private let place = "/dev/shm/forage-fuzz-\(getpid())"
private let formats: [SourceFormat] = [
    .json, .jsonl, .csv, .tsv, .markdown, .html, .xml, .yaml, .rst, .org, .eml, .mbox, .notebook, .archive, .docx,
    .pptx,
    .xlsx, .opendocument, .epub, .text, .code,
]

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let data, count > 0 else { return -1 }
    let bytes = UnsafeBufferPointer(start: data, count: count)
    switch target {
    case "json": fuzzJSON(bytes)
    case "yaml": _ = try? YAMLReader.readAll(String(decoding: bytes, as: UTF8.self), name: "fuzz")
    case "documents": fuzzDocument(bytes)
    case "delimited": fuzzRecords(bytes)
    case "filter":
        let text = String(decoding: bytes, as: UTF8.self)
        let schema = FilterSchema(fields: [])
        if let json = try? JSONValue(parsing: text, limits: JSONLimits(depth: 32, values: 1 << 18)) {
            _ = try? FilterExpression(json: json, schema: schema)
        }
        _ = try? WhereText.json(text)
    case "template":
        guard let template = try? ChatTemplate(String(decoding: bytes, as: UTF8.self)) else { return 0 }
        let messages = [
            ChatMessage(role: .system, content: "s"), ChatMessage(role: .user, content: "hello"),
            ChatMessage(
                role: .assistant, content: "", toolCalls: [ToolCall(id: "c", name: "search", arguments: #"{"q":"x"}"#)]),
        ]
        _ = try? template.render(messages: messages, tools: [], bos: "<s>", eos: "</s>", specials: [], opening: true)
    case "gguf":
        guard write(bytes) else { return -1 }
        if let file = try? GGUFFile(path: place) {
            _ = try? file.weights()
            _ = try? file.tokenizer()
        }
    case "safetensors":
        guard write(bytes) else { return -1 }
        if let file = try? SafetensorsFile(path: place) {
            for name in file.names.prefix(16) {
                _ = try? file.floats(named: name)
                _ = try? file.integers(named: name)
            }
        }
    case "section":
        guard write(bytes) else { return -1 }
        for kind in ["columns", "passages", "keywords", "vectors"] { _ = try? SectionFile(path: place, kind: kind) }
    default: fatalError("FORAGE_FUZZ names no target")
    }
    return 0
}

private func write(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
    let descriptor = open(place, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    return Glibc.write(descriptor, bytes.baseAddress, bytes.count) == bytes.count
}

/// What is read and written is read again as the same.
private func fuzzJSON(_ bytes: UnsafeBufferPointer<UInt8>) {
    _ = try? JSONValue(parsing: bytes, limits: JSONLimits(isLenient: true))
    guard let value = try? JSONValue(parsing: bytes) else { return }
    guard let again = try? JSONValue(parsing: value.serialized()), again == value else {
        fatalError("written and read again it is another value: \(value.serialized())")
    }
}

private func fuzzDocument(_ bytes: UnsafeBufferPointer<UInt8>) {
    let rest = Array(bytes.dropFirst())
    var options = ReadingOptions()
    options.limits.documentBytes = 1 << 22
    options.limits.archiveBytes = 1 << 22
    options.limits.textBytes = 1 << 22
    let format: SourceFormat? =
        bytes[0] < formats.count
        ? formats[Int(bytes[0])]
        : rest.withUnsafeBufferPointer { SourceFormat.detect(name: "a", head: $0, isWhole: true) }
    // PDF, pictures and RTF are read by programs.
    guard let format, ![.pdf, .picture, .rtf, .parquet].contains(format) else { return }
    guard let reading = try? DocumentReader(options).read(.bytes(rest), format: format, id: "a") else { return }
    let splitter = PassageSplitter()
    for document in reading.documents {
        for span in splitter.passages(in: document.text) {
            precondition(span.utf8.upperBound <= document.text.utf8.count)
        }
    }
}

/// However the bytes arrive, the records are the same.
private func fuzzRecords(_ bytes: UnsafeBufferPointer<UInt8>) {
    let rest = Array(bytes.dropFirst())
    func records(_ format: SourceFormat) -> Int {
        guard
            let source = try? RecordSource(MemoryStream(rest), format: format, id: "a", options: ReadingOptions())
        else { return 0 }
        var buffer: [UInt8] = []
        var count = 0
        while count < 10_000, let record = try? source.reader.next(into: &buffer) {
            count += 1
            _ = buffer.withUnsafeBufferPointer {
                try? source.parser.read(
                    UnsafeBufferPointer(rebasing: $0[record.range]), line: record.line, number: record.number)
            }
            buffer.removeAll(keepingCapacity: true)
        }
        return count
    }
    _ = records(bytes[0] & 1 == 0 ? .csv : .tsv)
}
