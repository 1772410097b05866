// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import Text

/// The right to write to a corpus: one process at a time, by `flock` on the file `lock`, which holds the writer's pid.
///
/// The system releases it when the process ends, however it ends.
final class WriterLock: Sendable {
    private let descriptor: Int32

    /// Takes the lock.
    /// - Throws: `CorpusError` `locked` that names the pid of the process that has it.
    init(folder: String) throws {
        let path = folder + "/lock"
        let descriptor: Int32
        do throws(FolderFileError) { descriptor = try FolderFile.open("lock", beneath: folder, .updating) } catch {
            throw error.isRefused
                ? CorpusError(.damaged, error.description)
                : CorpusError.system("write to", folder, errno: error.code)
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let reason = errno
            var bytes = [UInt8](repeating: 0, count: 32)
            let count = bytes.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, $0.count, 0) }
            close(descriptor)
            guard reason == EWOULDBLOCK else { throw CorpusError.system("lock", path, errno: reason) }
            let pid = String(decoding: bytes.prefix(max(0, count)).prefix { $0 >= 48 && $0 < 58 }, as: UTF8.self)
            throw CorpusError(
                .locked,
                "\(folder) is being written by another process\(pid.isEmpty ? "" : " (pid \(pid))"); wait until it is done"
            )
        }
        let text = Array("\(getpid())\n".utf8)
        // The pid only serves the message above: a full disk must not keep anyone from deleting documents.
        _ = ftruncate(descriptor, 0)
        _ = text.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, 0) }
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }
}
