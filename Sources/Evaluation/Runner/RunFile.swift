// SPDX-License-Identifier: Apache-2.0

public import Base
import Foundation
import OrderedCollections
import Synchronization
import Text

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// Why a run file cannot be used.
public enum RunFileError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The file or its folder cannot be read or written.
    case io(String, String)
    /// A line is not what it should be.
    case damaged(file: String, line: Int, message: String)
    /// The file was made with something else; resuming would mix two systems.
    case mismatch(file: String, parts: [String])
    /// Another process is writing it.
    case busy(String)
    /// It exists already, and resuming was not asked for.
    case exists(String)

    public var description: String {
        switch self {
        case .io(let file, let reason): return "\(file): \(reason)"
        case .damaged(let file, let line, let message): return "\(file):\(line): \(message)"
        case .mismatch(let file, let parts):
            return
                "\(file): the run was made with another \(parts.joined(separator: ", ")); start a new run in another folder"
        case .busy(let file): return "\(file): another process is writing this run"
        case .exists(let file):
            return "\(file): the run exists; add --resume to go on with it, or choose another folder"
        }
    }
}

/// The append-only file of a run: a header line, then one record a line. A record is on disk when `append` returns, and a
/// line that was cut off by a crash is dropped when the file is opened again.
public final class RunFile: Sendable {
    /// The version of the file's form.
    public static let version = 1

    /// The file as it was named.
    public let path: String
    private let descriptor: Mutex<Int32>

    /// Everything that a run file holds.
    public struct Contents: Sendable {
        public var name: String
        public var fingerprint: RunFingerprint
        /// The resolved suite.
        public var suite: JSONValue
        /// How the records were scored; nil in a file that does not say.
        public var scoring: RunScoring?
        /// One record a key, in the order of the keys; of repeats the last counts.
        public var records: [RunRecord]
        /// Bytes up to the end of the last whole line.
        var wholeBytes: Int
    }

    /// Makes a new file, or opens one to go on.
    /// - Parameter resume: whether an existing file may be continued.
    /// - Returns: the file and the records that are in it already.
    /// - Throws: `RunFileError.mismatch` when the fingerprint of an existing file differs.
    public static func open(
        _ path: String, name: String, fingerprint: RunFingerprint, suite: JSONValue, scoring: RunScoring, resume: Bool
    ) throws(RunFileError) -> (file: RunFile, done: [RunRecord]) {
        let file = try locked(path, O_CREAT)
        let fd = file.descriptor.withLock { $0 }
        var info = stat()
        guard fstat(fd, &info) == 0 else { throw .io(path, String(cString: strerror(errno))) }
        if info.st_size > 0, let contents = try read(path, tolerant: true) {
            guard resume else { throw .exists(path) }
            let differences = contents.fingerprint.differences(from: fingerprint)
            guard differences.isEmpty else { throw .mismatch(file: path, parts: differences) }
            guard ftruncate(fd, off_t(contents.wholeBytes)) == 0 else {
                throw .io(path, String(cString: strerror(errno)))
            }
            return (file, contents.records)
        }
        // Empty, or cut off inside the header: start anew.
        guard ftruncate(fd, 0) == 0 else { throw .io(path, String(cString: strerror(errno))) }
        try file.write(header(name, fingerprint, suite, scoring))
        return (file, [])
    }

    /// Opens the file and holds it against other processes until the value goes away.
    private static func locked(_ path: String, _ flags: Int32 = 0) throws(RunFileError) -> RunFile {
        while true {
            let fd = openDescriptor(path, O_RDWR | O_APPEND | O_CLOEXEC | flags, 0o644)
            guard fd >= 0 else { throw .io(path, String(cString: strerror(errno))) }
            let file = RunFile(path: path, descriptor: fd)
            guard flock(fd, LOCK_EX | LOCK_NB) == 0 else { throw .busy(path) }
            var opened = stat()
            var named = stat()
            // Another process may have replaced the file by a rescored one between opening and locking.
            guard fstat(fd, &opened) == 0, stat(path, &named) == 0 else { continue }
            if opened.st_ino == named.st_ino { return file }
        }
    }

    private static func header(
        _ name: String, _ fingerprint: RunFingerprint, _ suite: JSONValue, _ scoring: RunScoring?
    ) -> JSONValue {
        var members: JSONObject = [
            "forage_run": .integer(version), "name": .string(name), "fingerprint": fingerprint.json, "suite": suite,
        ]
        members["scoring"] = scoring?.json
        return .object(members)
    }

    private init(path: String, descriptor: Int32) {
        self.path = path
        self.descriptor = Mutex(descriptor)
    }

    deinit { descriptor.withLock { fd in _ = closeDescriptor(fd) } }

    /// Appends a record and waits until it is on disk.
    public func append(_ record: RunRecord) throws(RunFileError) { try write(record.json) }

    private func write(_ value: JSONValue) throws(RunFileError) {
        var bytes: [UInt8] = []
        value.append(to: &bytes)
        bytes.append(0x0A)
        let failure = descriptor.withLock { fd -> String? in
            var written = 0
            while written < bytes.count {
                let count = bytes.withUnsafeBytes { writeBytes(fd, UnsafeRawBufferPointer(rebasing: $0[written...])) }
                if count < 0 {
                    if errno == EINTR { continue }
                    return String(cString: strerror(errno))
                }
                written += count
            }
            return fsync(fd) == 0 || errno == EINVAL ? nil : String(cString: strerror(errno))
        }
        if let failure { throw .io(path, failure) }
    }

    /// Reads a run file.
    /// - Throws: `RunFileError.damaged` with the line; a last line without its end is dropped.
    public static func read(_ path: String) throws(RunFileError) -> Contents {
        guard let contents = try read(path, tolerant: true) else {
            throw .damaged(file: path, line: 1, message: "expected the header of a run")
        }
        return contents
    }

    private static func read(_ path: String, tolerant: Bool) throws(RunFileError) -> Contents? {
        guard let data = FileManager.default.contents(atPath: path) else { throw .io(path, "the file cannot be read") }
        let bytes = [UInt8](data)
        guard let end = bytes.lastIndex(of: 0x0A) else { return nil }
        var contents: Contents?
        var byKey: [RunKey: RunRecord] = [:]
        for (index, line) in bytes[...end].split(separator: 0x0A, omittingEmptySubsequences: false).enumerated()
        where !line.isEmpty {
            do {
                let value = try JSONValue(parsing: Array(line))
                if contents == nil {
                    guard value["forage_run"]?.int == version else {
                        throw JSONError(message: "expected a header {\"forage_run\": \(version), …}")
                    }
                    contents = Contents(
                        name: value["name"]?.string ?? "",
                        fingerprint: try RunFingerprint(json: value.required("fingerprint")),
                        suite: value["suite"] ?? .null, scoring: try value["scoring"].map { try RunScoring(json: $0) },
                        records: [], wholeBytes: end + 1)
                } else {
                    let record = try RunRecord(json: value)
                    byKey[record.key] = record
                }
            } catch {
                throw .damaged(file: path, line: index + 1, message: "\(error)")
            }
        }
        contents?.records = byKey.values.sorted { $0.key < $1.key }
        return contents
    }

    /// Scores every record of a run again and replaces the file in one step.
    /// - Parameter scoring: nil scores as the run's header says.
    /// - Throws: `RunFileError.busy` while the run goes on.
    public static func rescore(_ path: String, scoring: RunScoring? = nil) throws(RunFileError) -> Contents {
        let file = try locked(path)
        defer { withExtendedLifetime(file) {} }
        var contents = try read(path)
        let scoring = scoring ?? contents.scoring ?? RunScoring(benchmarks: [:])
        contents.scoring = scoring
        if contents.fingerprint.parts["scoring"] != nil {
            contents.fingerprint.parts["scoring"] = scoring.json.serialized()
        }
        var bytes: [UInt8] = []
        header(contents.name, contents.fingerprint, contents.suite, scoring).append(to: &bytes)
        bytes.append(0x0A)
        for index in contents.records.indices {
            contents.records[index].score(scoring.scorer(of: contents.records[index].key.set))
            contents.records[index].json.append(to: &bytes)
            bytes.append(0x0A)
        }
        do { try Data(bytes).write(to: URL(fileURLWithPath: path), options: .atomic) } catch {
            throw .io(path, "the file cannot be replaced: \(error.localizedDescription)")
        }
        return contents
    }
}

// The names of the C functions are those of the type's own members.

private func openDescriptor(_ path: String, _ flags: Int32, _ mode: mode_t) -> Int32 { open(path, flags, mode) }
private func closeDescriptor(_ descriptor: Int32) -> Int32 { close(descriptor) }
private func writeBytes(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> Int {
    write(descriptor, bytes.baseAddress, bytes.count)
}
