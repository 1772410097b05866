// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A PostgreSQL server for the tests of one process, started on first use and ended with the process: `.ci/postgres`.
public final class TestServer: @unchecked Sendable {
    // Sendable: nothing changes after it was made.

    /// Why there is no server.
    public struct Problem: Error, CustomStringConvertible {
        public var description: String
    }

    /// The address of its database.
    public let address: String
    /// The file that names the server's process in its first line.
    private let processFile: String
    /// Whose end ends the server.
    private let input: Pipe
    private let script: Process

    /// The one of this process. A server that is not there is installed from the Python package index, where that can be
    /// reached; else every test that needs one fails with this.
    public static let shared: Result<TestServer, Problem> = Result { () throws(Problem) in try TestServer() }

    /// One more, for a test that ends it the hard way.
    public static func start() throws -> TestServer { try TestServer() }

    /// The address of the one of this process.
    public static func address() throws -> String { try shared.get().address }

    private static let folder: String = {
        var path = #filePath
        for _ in 0..<3 { path = (path as NSString).deletingLastPathComponent }
        return path
    }()

    private init() throws(Problem) {
        let (input, output) = (Pipe(), Pipe())
        do {
            func script(_ word: String) -> Process {
                let process = Process()
                process.executableURL = URL(fileURLWithPath: "/bin/bash")
                process.arguments = [Self.folder + "/.ci/postgres", word]
                return process
            }
            // Where it cannot be installed, a server of the system does for what needs no vectors.
            let installing = script("install")
            try installing.run()
            installing.waitUntilExit()
            let running = script("run")
            running.standardInput = input
            running.standardOutput = output
            try running.run()
            self.script = running
        } catch {
            throw Problem(description: "no PostgreSQL server can be started: \(error)")
        }
        var text = ""
        while text.split(separator: "\n", omittingEmptySubsequences: false).count < 4 {
            let bytes = output.fileHandleForReading.availableData
            guard !bytes.isEmpty else {
                throw Problem(description: "no PostgreSQL server could be started: run .ci/postgres install")
            }
            text += String(decoding: bytes, as: UTF8.self)
        }
        let lines = text.split(separator: "\n").map(String.init)
        address = lines[0]
        processFile = lines[1] + "/data/postmaster.pid"
        self.input = input
    }

    /// Ends the server as a power cut would; it is started again at once.
    public func kill() {
        guard let text = try? String(contentsOfFile: processFile, encoding: .utf8),
            let process = text.split(separator: "\n").first.flatMap({ Int32($0) })
        else { return }
        Foundation.kill(process, SIGKILL)
    }
}
