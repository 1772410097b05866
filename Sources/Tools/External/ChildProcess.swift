// SPDX-License-Identifier: Apache-2.0

import CKernels
import Foundation
import Synchronization

/// A program that was started with pipes for its input, output and errors, in a process group of its own, so that
/// ending it ends what it started.
///
/// No shell is involved: the arguments reach the program as they are. Nothing of this process is inherited beside the
/// three pipes: neither open files nor the environment.
final class ChildProcess: Sendable {
    let pid: pid_t
    let input: Int32
    let output: Int32
    let errors: Int32
    private let state = Mutex(State())

    private struct State {
        var isInputOpen = true
        var isReaped = false
    }

    /// Starts a program.
    /// - Parameters:
    ///   - command: the program, by an absolute path or by a name that is looked for in `PATH`, and its arguments.
    ///   - environment: all of its environment.
    ///   - directory: where it runs; nil for this process's directory.
    init(command: [String], environment: [String: String], directory: String?) throws(ToolError) {
        // A program that ends early closes its input: the write must fail, not end this process.
        signal(SIGPIPE, SIG_IGN)
        guard let program = command.first, let path = Self.find(program) else {
            throw ToolError(.failed, "the program \"\(command.first ?? "")\" is not there or cannot be run")
        }
        guard !command.contains(where: { $0.utf8.contains(0) }) else {
            throw ToolError(.invalidArguments, "an argument of a program must not contain a zero byte")
        }
        var arguments: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) } + [nil]
        var variables: [UnsafeMutablePointer<CChar>?] =
            environment.sorted { $0.key < $1.key }.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for pointer in arguments + variables { free(pointer) } }
        var pipes: [Int32] = [-1, -1, -1]
        var pid: pid_t = 0
        let status = forage_spawn(path, &arguments, &variables, directory, &pipes, &pid)
        guard status == 0 else {
            throw ToolError(.failed, "\(program) cannot be started: \(String(cString: strerror(status)))")
        }
        self.pid = pid
        (input, output, errors) = (pipes[0], pipes[1], pipes[2])
    }

    deinit {
        closeInput()
        end()
        close(output)
        close(errors)
    }

    /// The path of a program.
    private static func find(_ program: String) -> String? {
        if program.contains("/") { return access(program, X_OK) == 0 ? program : nil }
        let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin"
        return path.split(separator: ":").map { "\($0)/\(program)" }.first { access($0, X_OK) == 0 }
    }

    /// Ends the program's input.
    func closeInput() {
        let wasOpen = state.withLock { state in
            defer { state.isInputOpen = false }
            return state.isInputOpen
        }
        if wasOpen { close(input) }
    }

    /// Kills the program and all that it started, and waits for it.
    func end() {
        state.withLock { state in
            guard !state.isReaped else { return }
            state.isReaped = true
            kill(-pid, SIGKILL)
            var status: Int32 = 0
            while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        }
    }

    /// Kills the program and all that it started, without waiting: its pipes end at once.
    func interrupt() {
        state.withLock { state in
            if !state.isReaped { kill(-pid, SIGKILL) }
        }
    }

    /// Waits until the program has ended; what it started is killed then.
    /// - Parameter deadline: when to give up, in nanoseconds of `DispatchTime`.
    /// - Returns: the exit code, or 128 and the number of the signal that ended it; nil when it still ran at the
    ///   deadline, and was killed.
    func wait(until deadline: UInt64) -> Int32? {
        while true {
            let code: Int32? = state.withLock { state in
                guard !state.isReaped else { return 128 + SIGKILL }
                var status: Int32 = 0
                guard waitpid(pid, &status, WNOHANG) == pid else { return nil }
                kill(-pid, SIGKILL)
                state.isReaped = true
                return status & 0x7F == 0 ? (status >> 8) & 0xFF : 128 + (status & 0x7F)
            }
            if let code { return code }
            guard DispatchTime.now().uptimeNanoseconds < deadline else {
                end()
                return nil
            }
            usleep(1_000)
        }
    }

    /// The environment that a program gets: a search path, a language, and what the manifest names.
    static func environment(passing names: [String], from environment: [String: String]) -> [String: String] {
        var result = ["PATH": environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"]
        for name in names { result[name] = environment[name] }
        return result
    }
}
