// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import OrderedCollections

/// Reads a PDF in a process of its own, which may crash or hang without harm.
package enum PDFHelper {
    /// Asks the helper, which is given the PDF on standard input or by its path and answers with one JSON text.
    static func read(
        _ content: DocumentReader.Content, id: String, helper: [String], limits: ReadingLimits
    ) throws(DocumentError) -> Reading {
        var arguments = Array(helper.dropFirst()) + ["--id", id]
        var input = ExternalProgram.Input.bytes([])
        switch content {
        case .bytes(let bytes): input = .bytes(bytes)
        case .file(let place):
            arguments += ["--path", "-"]
            input = .descriptor(try place.open())
        }
        guard let program = helper.first,
            // OCR has four times the time of the rest; its own limits end it sooner.
            let result = ExternalProgram.run(
                program, arguments, input: input, outputLimit: 2 * limits.textBytes, seconds: 6 * limits.seconds)
        else { throw DocumentError("the process that reads PDF cannot be started") }
        if result.ranOutOfTime { throw DocumentError("reading the PDF took more than \(6 * limits.seconds) seconds") }
        if result.wroteTooMuch { throw DocumentError("the PDF gives more than \(2 * limits.textBytes) bytes of text") }
        guard let status = result.status,
            let answer = try? JSONValue(parsing: result.output, limits: JSONLimits(bytes: 2 * limits.textBytes))
        else {
            throw DocumentError(
                "the PDF is damaged: it crashed the process that read it, or took too much memory or time")
        }
        if let error = answer["error"]?.string { throw DocumentError(error) }
        guard status == 0 else { throw DocumentError("the PDF cannot be read") }
        var reading = Reading()
        for value in answer["documents"]?.array ?? [] {
            reading.documents.append(
                SourceDocument(
                    id: value["id"]?.string ?? id, title: value["title"]?.string ?? "",
                    text: value["text"]?.string ?? "",
                    metadata: value["metadata"]?.object ?? [:]))
        }
        for value in answer["problems"]?.array ?? [] {
            reading.problems.append((value[0]?.string ?? "", value[1]?.string ?? ""))
        }
        reading.notes = answer["notes"]?.array?.compactMap(\.string) ?? []
        return reading
    }

    /// What the helper does: reads the PDF at a path, or on standard input, and returns the answer.
    package static func answer(path: String?, id: String) -> String {
        // What a hostile file asks for ends here and not with the machine.
        var memory = rlimit(rlim_cur: 3 << 30, rlim_max: 3 << 30)
        setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &memory)
        let limits = ReadingLimits()
        var time = rlimit(rlim_cur: UInt(limits.seconds), rlim_max: UInt(limits.seconds) + 1)
        setrlimit(__rlimit_resource_t(RLIMIT_CPU.rawValue), &time)
        do {
            let content: DocumentReader.Content =
                try path.map { .file(FilePlace($0)) }
                ?? .bytes(PeekedStream(FileStream(FilePlace("-")), count: 1).all(limit: 16 * limits.documentBytes))
            let reading = try DocumentReader(ReadingOptions()).read(content, format: .pdf, id: id)
            let documents = reading.documents.map { document -> JSONValue in
                [
                    "id": .string(document.id), "title": .string(document.title), "text": .string(document.text),
                    "metadata": .object(document.metadata),
                ]
            }
            let problems = reading.problems.map { JSONValue.array([.string($0.place), .string($0.reason)]) }
            let answer: JSONValue = [
                "documents": .array(documents), "problems": .array(problems),
                "notes": .array(reading.notes.map { .string($0) }),
            ]
            return answer.serialized()
        } catch {
            return JSONValue.object(["error": .string("\(error)")]).serialized()
        }
    }
}
