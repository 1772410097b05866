// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation

/// Runs a program to its end: its input from memory, its output into memory, within limits of size and time. No shell.
enum ExternalProgram {
    struct Result {
        var output: [UInt8]
        /// The end of what it wrote to standard error.
        var errors: String
        /// The exit status; nil when a signal ended it.
        var status: Int32?
        var ranOutOfTime = false
        var wroteTooMuch = false
        var wasCancelled = false
    }

    /// The path of a program in `PATH`; nil when it is not installed.
    static func find(_ name: String) -> String? {
        let folders = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin"
        return folders.split(separator: ":").map { "\($0)/\(name)" }.first { access($0, X_OK) == 0 }
    }

    /// What a program has as its standard input.
    enum Input {
        case bytes([UInt8])
        /// An open file, which is closed here.
        case descriptor(Int32)
    }

    /// - Parameter isCancelled: asked ten times a second; true ends the program.
    /// - Returns: nil when the program cannot be started.
    static func run(
        _ path: String, _ arguments: [String], input: Input = .bytes([]), outputLimit: Int, seconds: Int,
        isCancelled: () -> Bool = { false }
    ) -> Result? {
        var pipes: [[Int32]] = []
        var bytes: [UInt8] = []
        var file: Int32 = -1
        switch input {
        case .bytes(let given): bytes = given
        case .descriptor(let descriptor): file = descriptor
        }
        defer { if file >= 0 { close(file) } }
        for _ in 0..<3 {
            var pair: [Int32] = [0, 0]
            guard pipe(&pair) == 0 else {
                for pair in pipes { for end in pair { close(end) } }
                return nil
            }
            // No other program that is started at the same time inherits them.
            for end in pair { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
            pipes.append(pair)
        }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, file >= 0 ? file : pipes[0][0], 0)
        posix_spawn_file_actions_adddup2(&actions, pipes[1][1], 1)
        posix_spawn_file_actions_adddup2(&actions, pipes[2][1], 2)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // A group of its own, so that what it starts in turn can be ended with it.
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP))
        posix_spawnattr_setpgroup(&attributes, 0)
        var argv: [UnsafeMutablePointer<CChar>?] = ([path] + arguments).map { strdup($0) } + [nil]
        defer { for argument in argv { free(argument) } }
        var process: pid_t = 0
        let started = posix_spawn(&process, path, &actions, &attributes, &argv, environ)
        close(pipes[0][0])
        close(pipes[1][1])
        close(pipes[2][1])
        guard started == 0 else {
            close(pipes[0][1])
            close(pipes[1][0])
            close(pipes[2][0])
            return nil
        }
        let result = talk(
            process, input: bytes, to: pipes[0][1], from: pipes[1][0], errors: pipes[2][0], outputLimit: outputLimit,
            seconds: seconds, isCancelled: isCancelled)
        return result
    }

    private static func talk(
        _ process: pid_t, input: [UInt8], to inputEnd: Int32, from outputEnd: Int32, errors errorEnd: Int32,
        outputLimit: Int, seconds: Int, isCancelled: () -> Bool
    ) -> Result {
        var result = Result(output: [], errors: "", status: nil)
        var errors: [UInt8] = []
        var written = 0
        var open: [Int32] = [inputEnd, outputEnd, errorEnd]
        for descriptor in open { _ = fcntl(descriptor, F_SETFL, O_NONBLOCK) }
        let deadline = DispatchTime.now().uptimeNanoseconds + UInt64(max(seconds, 1)) * 1_000_000_000
        if input.isEmpty {
            close(inputEnd)
            open[0] = -1
        }
        var piece = [UInt8](repeating: 0, count: 1 << 16)
        while open[1] >= 0 || open[2] >= 0 {
            let now = DispatchTime.now().uptimeNanoseconds
            guard now < deadline else {
                result.ranOutOfTime = true
                break
            }
            guard !isCancelled() else {
                result.wasCancelled = true
                break
            }
            var polls = [
                pollfd(fd: open[0], events: Int16(POLLOUT), revents: 0),
                pollfd(fd: open[1], events: Int16(POLLIN), revents: 0),
                pollfd(fd: open[2], events: Int16(POLLIN), revents: 0),
            ]
            poll(&polls, 3, Int32(min((deadline - now) / 1_000_000 + 1, 100)))
            if open[0] >= 0, polls[0].revents != 0 {
                let count = input.withUnsafeBytes { bytes in
                    write(open[0], bytes.baseAddress?.advanced(by: written), min(bytes.count - written, 1 << 16))
                }
                if count > 0 { written += count }
                if written == input.count || (count < 0 && errno != EAGAIN && errno != EINTR) {
                    close(open[0])
                    open[0] = -1
                }
            }
            for index in 1...2 where open[index] >= 0 && polls[index].revents != 0 {
                let count = piece.withUnsafeMutableBytes { read(open[index], $0.baseAddress, $0.count) }
                if count > 0 {
                    if index == 1 {
                        result.output.append(contentsOf: piece[..<count])
                    } else {
                        errors += piece[..<count]
                    }
                    if errors.count > 8192 { errors.removeFirst(errors.count - 4096) }
                } else if count == 0 || (errno != EAGAIN && errno != EINTR) {
                    close(open[index])
                    open[index] = -1
                }
            }
            if result.output.count > outputLimit {
                result.wroteTooMuch = true
                break
            }
        }
        for descriptor in open where descriptor >= 0 { close(descriptor) }
        if result.ranOutOfTime || result.wroteTooMuch || result.wasCancelled { kill(-process, SIGKILL) }
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0, errno == EINTR {}
        if status & 0x7F == 0 { result.status = (status >> 8) & 0xFF }
        result.errors = String(decoding: errors, as: UTF8.self)
        return result
    }
}

/// Character recognition by tesseract, which poppler's `pdftoppm` gives its pictures.
struct CharacterRecognition {
    private let tesseract: String
    private let renderer: String

    /// Nil when one of the two programs is not installed.
    static func find() -> CharacterRecognition? {
        guard let tesseract = ExternalProgram.find("tesseract"), let renderer = ExternalProgram.find("pdftoppm") else {
            return nil
        }
        return CharacterRecognition(tesseract: tesseract, renderer: renderer)
    }

    /// The lines of a page, from 1; nil when it cannot be read.
    func lines(ofPage page: Int, _ source: PDFDocument.Source) -> [String]? {
        let options = ["-f", "\(page)", "-l", "\(page)", "-r", "300", "-gray", "-scale-to", "3600"]
        let rendered: ExternalProgram.Result?
        switch source {
        case .file(let place):
            guard let descriptor = try? place.open() else { return nil }
            rendered = ExternalProgram.run(
                renderer, options + ["/dev/stdin"], input: .descriptor(descriptor), outputLimit: 64 << 20, seconds: 60)
        case .bytes(let bytes):
            rendered = ExternalProgram.run(
                renderer, options + ["-"], input: .bytes(bytes), outputLimit: 64 << 20, seconds: 60)
        }
        guard let rendered, rendered.status == 0, !rendered.output.isEmpty else { return nil }
        return lines(ofPicture: rendered.output)
    }

    /// The lines of a picture; nil when it cannot be read.
    func lines(ofPicture bytes: [UInt8]) -> [String]? {
        guard
            let read = ExternalProgram.run(
                tesseract, ["stdin", "stdout"], input: .bytes(bytes), outputLimit: 4 << 20, seconds: 120),
            read.status == 0
        else { return nil }
        let lines = String(decoding: read.output, as: UTF8.self).textLines().map { $0.trimmed() }
        return lines.contains { !$0.isEmpty } ? lines.filter { $0 != "\u{0C}" } : nil
    }
}
