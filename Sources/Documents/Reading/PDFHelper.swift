// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import OrderedCollections

/// Reads a PDF in a process of its own, which may crash or hang without harm.
package enum PDFHelper {
    /// Asks the helper, which is given the PDF on standard input or by its path and answers with one JSON text.
    static func read(
        _ content: DocumentReader.Content, id: String, helper: [String], _ options: ReadingOptions
    ) throws(DocumentError) -> Reading {
        let limits = options.limits
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
                program, arguments, input: input, outputLimit: 2 * limits.textBytes, seconds: 6 * limits.seconds,
                isCancelled: { options.budget?.isCancelled ?? false })
        else { throw DocumentError("the process that reads PDF cannot be started") }
        if result.wasCancelled { throw .cancelled }
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

    /// Bounds the memory and the processor time of this process: what a hostile file asks for ends here, and not with the
    /// machine. A PDF of a megabyte has a few hundred pages, of which a second reads a hundred; what its compressed streams
    /// unpack to is not known before they are, and a filter upon a filter makes 2 KB last for hours.
    private static func bound(by size: Int, _ limits: ReadingLimits) {
        let bytes = UInt(min(3 << 30, (1 << 30) + 16 * min(size, 1 << 30)))
        var memory = rlimit(rlim_cur: bytes, rlim_max: bytes)
        setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &memory)
        let seconds = UInt(min(limits.seconds, 2 + size >> 16))
        var time = rlimit(rlim_cur: seconds, rlim_max: seconds + 1)
        setrlimit(__rlimit_resource_t(RLIMIT_CPU.rawValue), &time)
    }

    /// What the helper does: reads the PDF at a path, or on standard input, and returns the answer.
    package static func answer(path: String?, id: String) -> String {
        let limits = ReadingLimits()
        do {
            let content: DocumentReader.Content =
                try path.map { .file(FilePlace($0)) }
                ?? .bytes(PeekedStream(FileStream(FilePlace("-")), count: 1).all(limit: 16 * limits.documentBytes))
            bound(by: DocumentReader.size(of: content), limits)
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
