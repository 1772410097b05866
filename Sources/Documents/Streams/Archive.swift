// SPDX-License-Identifier: Apache-2.0

import Base
import CArchive
import Foundation

/// What reading may cost before a file is set aside: hostile files ask for more than they are.
package struct ReadingLimits: Sendable, Hashable {
    /// The longest document, record or member of an archive that is held in memory, in bytes. Default: 64 MiB.
    package var documentBytes = 64 << 20
    /// The bytes that one archive may unpack to. Default: 64 GiB.
    package var archiveBytes = 64 << 30
    /// How many times its own size an archive may unpack to, beyond 64 MiB. Default: 400.
    package var archiveRatio = 400
    /// The members of one archive. Default: 1,000,000.
    package var archiveMembers = 1_000_000
    /// Archives, messages and attachments within one another. Default: 4.
    package var nesting = 4
    /// The pages of one document. Default: 20,000.
    package var pages = 20_000
    /// The bytes of text that one document may give. Default: 64 MiB.
    package var textBytes = 64 << 20
    /// Seconds that one document may take in a helper process. Default: 120.
    package var seconds = 120

    package init() {}
}

/// The members of an archive or the content of a compressed file (ZIP, tar, 7z; gzip, bzip2, xz, zstd, lz4; through
/// libarchive), one after the other, without writing anything to the disk.
package final class Archive {
    /// A member that holds bytes.
    package struct Member {
        /// The path inside the archive, made harmless: relative, without `..`.
        package var path: String
        /// The size that the archive says it has; nil when it does not.
        package var size: Int?
        package var isEncrypted: Bool
    }

    private let handle: OpaquePointer
    private let held: [UInt8]
    /// The open file; -1 for bytes in memory.
    private let descriptor: Int32
    private let limits: ReadingLimits
    private let packedSize: Int
    private let budget: SourceBudget?
    private var unpacked = 0
    private var members = 0
    /// Whether this is one compressed file, not an archive of several; known once `next` was called.
    package private(set) var isSingle = false

    /// Opens a file.
    /// - Parameter budget: says when nobody waits for it any more; then reading it is an error.
    package convenience init(
        _ place: FilePlace, limits: ReadingLimits, budget: SourceBudget? = nil
    ) throws(DocumentError) {
        let descriptor = try place.open()
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            let reason = String(cString: strerror(errno))
            close(descriptor)
            throw DocumentError("it cannot be read: \(reason)")
        }
        try self.init(
            held: [], descriptor: descriptor, packedSize: Int(status.st_size), limits: limits, budget: budget)
        guard archive_read_open_fd(handle, descriptor, 1 << 17) == ARCHIVE_OK else { throw failure("open") }
    }

    /// Opens bytes in memory.
    package convenience init(_ bytes: [UInt8], limits: ReadingLimits) throws(DocumentError) {
        try self.init(held: bytes, descriptor: -1, packedSize: bytes.count, limits: limits, budget: nil)
        // The array is kept as long as the handle, and an array that nobody changes does not move.
        let opened = held.withUnsafeBytes { archive_read_open_memory(handle, $0.baseAddress, $0.count) }
        guard opened == ARCHIVE_OK else { throw failure("open") }
    }

    private init(
        held: [UInt8], descriptor: Int32, packedSize: Int, limits: ReadingLimits, budget: SourceBudget?
    ) throws(DocumentError) {
        guard let handle = archive_read_new() else {
            if descriptor >= 0 { close(descriptor) }
            throw DocumentError("there is no memory to unpack it")
        }
        self.descriptor = descriptor
        self.handle = handle
        self.held = held
        self.packedSize = packedSize
        self.limits = limits
        self.budget = budget
        archive_read_support_filter_all(handle)
        archive_read_support_format_zip(handle)
        archive_read_support_format_tar(handle)
        archive_read_support_format_gnutar(handle)
        archive_read_support_format_7zip(handle)
        // What is none of these and compressed is one file.
        archive_read_support_format_raw(handle)
    }

    deinit {
        archive_read_free(handle)
        if descriptor >= 0 { close(descriptor) }
    }

    private func failure(_ action: String) -> DocumentError {
        let reason =
            archive_error_string(handle).map { String(cString: $0) }
            ?? "it is damaged, or ends before its end (\(packedSize) bytes)"
        return DocumentError("cannot \(action) the archive: \(reason.trimmed())")
    }

    /// The next member that is a file; nil at the end. Folders, links and devices are passed over.
    package func next() throws(DocumentError) -> Member? {
        // libarchive gives names in the thread's character set, and none where that has not all their letters.
        let before = Self.unicode.map { uselocale($0) }
        defer { if let before { uselocale(before) } }
        while true {
            var entry: OpaquePointer?
            let result = archive_read_next_header(handle, &entry)
            if result == ARCHIVE_EOF { return nil }
            guard result == ARCHIVE_OK || result == ARCHIVE_WARN, let entry else { throw failure("read") }
            isSingle = archive_format(handle) == ARCHIVE_FORMAT_RAW
            members += 1
            guard members <= limits.archiveMembers else {
                throw DocumentError("the archive has more than \(limits.archiveMembers) members")
            }
            // Links have no content of their own: what they point to is inside anyway, or none of our business.
            guard isSingle || archive_entry_filetype(entry) == S_IFREG, archive_entry_hardlink(entry) == nil else {
                continue
            }
            return Member(
                path: Self.harmless(name(of: entry)),
                size: archive_entry_size_is_set(entry) != 0 ? Int(archive_entry_size(entry)) : nil,
                isEncrypted: archive_entry_is_encrypted(entry) != 0)
        }
    }

    private nonisolated(unsafe) static let unicode: locale_t? = newlocale(LC_CTYPE_MASK, "C.UTF-8", nil)

    /// The name of a member: in Unicode where the archive says so, else by what its bytes look like; ZIP's own character
    /// set is that of the first PC.
    private func name(of entry: OpaquePointer) -> String {
        let given = archive_entry_pathname_utf8(entry) ?? archive_entry_pathname(entry)
        guard let given else { return "unnamed \(members)" }
        let bytes = UnsafeBufferPointer(start: given, count: strlen(given)).map { UInt8(bitPattern: $0) }
        if let name = String(validating: bytes, as: UTF8.self) { return name }
        return bytes.withUnsafeBufferPointer { bytes in
            let found = TextEncoding.detect(bytes, isWhole: true)?.name ?? "WINDOWS-1252"
            let isZIP = archive_format(handle) & ARCHIVE_FORMAT_BASE_MASK == ARCHIVE_FORMAT_ZIP
            let encoding = found == "WINDOWS-1252" && isZIP ? "CP437" : found
            return (try? TextDecoding.transcoded(bytes, from: TextEncoding(name: encoding)))
                ?? TextDecoding.lenient(bytes)
        }
    }

    /// A path as part of an id: it never reaches the disk, but it is shown to people and models.
    static func harmless(_ path: String) -> String {
        let parts = path.split(whereSeparator: { $0 == "/" || $0 == "\\" }).filter { $0 != "." && $0 != ".." }
        let clean = parts.map { part in
            String(String.UnicodeScalarView(part.unicodeScalars.filter { $0.value >= 0x20 && $0.value != 0x7F }))
        }
        return String(clean.joined(separator: "/").suffix(400))
    }

    /// Reads from the member that `next` returned last.
    fileprivate func read(into buffer: UnsafeMutableRawBufferPointer) throws(DocumentError) -> Int {
        while true {
            if budget?.isCancelled == true { throw .cancelled }
            let count = archive_read_data(handle, buffer.baseAddress, buffer.count)
            if count == Int(ARCHIVE_RETRY) { continue }
            guard count >= 0 else { throw failure("unpack") }
            unpacked += count
            guard unpacked <= limits.archiveBytes,
                unpacked <= max(64 << 20, packedSize.multipliedReportingOverflow(by: limits.archiveRatio).partialValue)
            else {
                throw DocumentError(
                    "the archive of \(packedSize) bytes unpacks to more than \(unpacked - count) bytes; it is set aside as a decompression bomb"
                )
            }
            return count
        }
    }

    /// The content of the member that `next` returned last, as a stream.
    package func stream() -> any ByteStream { MemberStream(archive: self) }

    /// The content of the member that `next` returned last.
    package func content(limit: Int) throws -> [UInt8] {
        try PeekedStream(stream(), count: 1).all(limit: limit)
    }

    private final class MemberStream: ByteStream {
        let archive: Archive
        init(archive: Archive) { self.archive = archive }
        func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int { try archive.read(into: buffer) }
    }
}
