// SPDX-License-Identifier: Apache-2.0

public import Base
import Foundation
public import LanguageModels
import Text

/// How a program is run as a tool (`runs: program:` of a manifest).
public struct ProgramToolOptions: Sendable, Hashable {
    /// The program and its arguments; `{name}` in an argument stands for the call's argument of that name.
    public var command: [String]
    /// Environment variables that are passed on; all others are not, beside `PATH` and `LANG`.
    public var environment: [String]
    /// Where it runs; nil for the current directory.
    public var directory: String?
    /// The longest run, in seconds; nil for the limit of the session.
    public var seconds: Double?

    public init(command: [String], environment: [String] = [], directory: String? = nil, seconds: Double? = nil) {
        self.command = command
        self.environment = environment
        self.directory = directory
        self.seconds = seconds
    }

    init(_ value: JSONValue) throws(ToolManifestError) {
        let reader = try OptionReader(
            value, place: "runs.program", allowed: ["command", "environment", "directory", "seconds"])
        guard let command = try reader.strings("command"), let first = command.first, !first.isEmpty else {
            throw ToolManifestError("runs.program.command: expected a list: the program and its arguments")
        }
        guard !first.contains("{") else {
            throw ToolManifestError("runs.program.command: the program itself cannot come from an argument")
        }
        self.init(
            command: command, environment: try reader.strings("environment") ?? [],
            directory: try reader.string("directory"), seconds: try reader.number("seconds", in: 0.1...3600))
    }
}

/// A tool that is a program: it gets the call's arguments as JSON on its standard input, and what it writes to its
/// standard output is the result. An exit code other than 0 is a failure, with the end of its standard error.
///
/// No shell sees the arguments, the environment is minimal, and time and output are bounded.
public struct ProgramTool: RetrievalTool {
    public let specification: ToolSpecification
    public let access: ToolAccess
    public let options: ProgramToolOptions

    public init(specification: ToolSpecification, options: ProgramToolOptions, access: ToolAccess = .full) {
        self.access = access
        self.specification = specification
        self.options = options
    }

    public func call(_ arguments: JSONValue, in context: ToolContext) async throws -> ToolOutput {
        let command = try options.command.enumerated().map { index, part in
            index == 0 ? part : try Self.substitute(part, arguments)
        }
        let process = try ChildProcess(
            command: command,
            environment: ChildProcess.environment(
                passing: options.environment, from: ProcessInfo.processInfo.environment),
            directory: options.directory)
        let seconds = min(options.seconds ?? context.limits.seconds, 3600)
        let bytes = context.limits.externalBytes
        let input = Array((arguments.serialized() + "\n").utf8)
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                // Reading blocks: on a thread of its own.
                Thread.detachNewThread {
                    continuation.resume(
                        returning: PipeReader.run(process, input: input, seconds: seconds, most: bytes))
                }
            }
        } onCancel: {
            process.interrupt()
        }
        try Task.checkCancellation()
        switch result.end {
        case .timedOut: throw ToolError(.timedOut, "the program ran longer than \(seconds.shortText) s and was ended")
        case .tooLarge: throw ToolError(.failed, "the program wrote more than \(bytes) bytes and was ended")
        case .exited(let code) where code != 0:
            let tail = oneLine(String(decoding: result.errors.suffix(500), as: UTF8.self), most: 500)
            throw ToolError(.failed, "the program ended with code \(code)\(tail.isEmpty ? "" : ": " + tail)")
        case .exited:
            let text = String(decoding: result.output, as: UTF8.self)
            return ToolOutput(text: text, summary: "\(specification.name): \(counted(text.count, "character"))")
        }
    }

    /// Replaces `{name}` by the argument; a missing one by nothing.
    static func substitute(_ template: String, _ arguments: JSONValue) throws(ToolError) -> String {
        var result = ""
        var rest = Substring(template)
        while let open = rest.firstIndex(of: "{"), let close = rest[open...].firstIndex(of: "}") {
            let name = String(rest[rest.index(after: open)..<close])
            result += rest[..<open]
            if let value = arguments[name], !value.isNull { result += value.string ?? value.serialized() }
            rest = rest[rest.index(after: close)...]
        }
        return result + rest
    }
}

/// Feeds a program and reads what it writes, with one `poll` loop.
private enum PipeReader {
    enum End { case exited(Int32), timedOut, tooLarge }
    struct Result {
        var output: [UInt8] = []
        var errors: [UInt8] = []
        var end: End = .timedOut
    }

    static func run(_ process: ChildProcess, input: [UInt8], seconds: Double, most: Int) -> Result {
        var result = Result()
        var written = 0
        var open = [true, true, true]  // input, output, errors
        let deadline = DispatchTime.now().uptimeNanoseconds + UInt64(seconds * 1e9)
        for descriptor in [process.input, process.output, process.errors] {
            _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        }
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while open[1] || open[2] {
            let now = DispatchTime.now().uptimeNanoseconds
            guard now < deadline else {
                process.end()
                return result
            }
            var polled = [
                pollfd(fd: open[0] ? process.input : -1, events: Int16(POLLOUT), revents: 0),
                pollfd(fd: open[1] ? process.output : -1, events: Int16(POLLIN), revents: 0),
                pollfd(fd: open[2] ? process.errors : -1, events: Int16(POLLIN), revents: 0),
            ]
            poll(&polled, 3, Int32(min(200, (deadline - now) / 1_000_000 + 1)))
            if polled[0].revents != 0 {
                let count = input[written...].withUnsafeBytes { write(process.input, $0.baseAddress, $0.count) }
                if count > 0 { written += count }
                if written == input.count || (count < 0 && errno != EAGAIN && errno != EINTR) {
                    process.closeInput()
                    open[0] = false
                }
            }
            for (index, descriptor) in [(1, process.output), (2, process.errors)] where polled[index].revents != 0 {
                let count = read(descriptor, &buffer, buffer.count)
                if count > 0 {
                    if index == 1 {
                        result.output.append(contentsOf: buffer[..<count])
                    } else {
                        result.errors.append(contentsOf: buffer[..<count])
                        if result.errors.count > 8192 { result.errors.removeFirst(result.errors.count - 4096) }
                    }
                } else if count == 0 || (errno != EAGAIN && errno != EINTR) {
                    open[index] = false
                }
            }
            if result.output.count > most {
                process.end()
                result.end = .tooLarge
                return result
            }
        }
        if let code = process.wait(until: deadline) { result.end = .exited(code) }
        return result
    }
}
