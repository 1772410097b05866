// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The rows of a Parquet file as JSON lines, written by Python's pyarrow in a process of its own.
///
/// Debian 12 has no Parquet library with a C interface; pyarrow is what the people who have such files have installed.
package final class ParquetStream: ByteStream {
    private static let script = """
        import sys, json, datetime, decimal, base64
        import pyarrow.parquet as parquet
        def plain(value):
            if isinstance(value, (datetime.datetime, datetime.date, datetime.time)): return value.isoformat()
            if isinstance(value, decimal.Decimal): return str(value)
            if isinstance(value, bytes): return value.decode("utf-8", "replace")
            return str(value)
        write = sys.stdout.write
        for batch in parquet.ParquetFile(sys.stdin.buffer).iter_batches(batch_size=1024):
            for row in batch.to_pylist():
                write(json.dumps(row, default=plain, ensure_ascii=False) + "\\n")
        """

    private let process = Process()
    private let output = Pipe()
    private let errors = Pipe()

    /// - Throws: `DocumentError` when Python or pyarrow is not installed.
    package init(_ place: FilePlace) throws {
        guard let python = ProcessInfo.processInfo.environment["FORAGE_PYTHON"] ?? ExternalProgram.find("python3")
        else {
            throw DocumentError("Parquet needs Python's pyarrow, and python3 is not installed")
        }
        let check = ExternalProgram.run(python, ["-c", "import pyarrow.parquet"], outputLimit: 4096, seconds: 60)
        guard check?.status == 0 else {
            throw DocumentError("Parquet needs Python's pyarrow, which \(python) does not have (pip install pyarrow)")
        }
        process.executableURL = URL(fileURLWithPath: python)
        process.arguments = ["-c", Self.script]
        process.environment = ProcessInfo.processInfo.environment.merging(["PYTHONIOENCODING": "utf-8"]) { $1 }
        process.standardOutput = output
        process.standardError = errors
        // The file that was opened is the one that is read, whatever its path leads to by then.
        process.standardInput = FileHandle(fileDescriptor: try place.open(), closeOnDealloc: true)
        do { try process.run() } catch { throw DocumentError("Python cannot be started: \(error)") }
    }

    deinit { if process.isRunning { process.terminate() } }

    package func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        while true {
            let count = Glibc.read(output.fileHandleForReading.fileDescriptor, buffer.baseAddress, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw DocumentError("it cannot be read: \(String(cString: strerror(errno)))") }
            return count
        }
    }

    /// Waits for the end.
    /// - Throws: `DocumentError` when the file could not be read to its end.
    package func finish() throws {
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            let said = String(decoding: errors.fileHandleForReading.availableData, as: UTF8.self)
            let reason = said.split(separator: "\n").last.map(String.init) ?? "unknown reason"
            throw DocumentError("it is damaged Parquet: \(reason)")
        }
    }
}
