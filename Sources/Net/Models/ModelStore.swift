// SPDX-License-Identifier: Apache-2.0
import Base
import Foundation

/// The folder in which models lie, one folder a model.
public struct ModelStore: Sendable, Hashable {
    /// A model that is there.
    public struct Entry: Sendable, Hashable {
        public var name: String
        public var folder: String
        /// The size of its files.
        public var bytes: Int
        /// Its files, by path within the folder, sorted.
        public var files: [String]
    }

    /// The folder of all models.
    public let root: String

    /// - Parameter root: by default `$FORAGE_MODELS`, else `~/.cache/forage/models` (`$XDG_CACHE_HOME` honoured).
    public init(root: String? = nil) {
        let environment = ProcessInfo.processInfo.environment
        if let root {
            self.root = root
        } else if let folder = environment["FORAGE_MODELS"], !folder.isEmpty {
            self.root = folder
        } else if let cache = environment["XDG_CACHE_HOME"], cache.hasPrefix("/") {
            self.root = cache + "/forage/models"
        } else {
            self.root = NSHomeDirectory() + "/.cache/forage/models"
        }
    }

    /// Where the model of this name lies or would lie.
    public func folder(of name: String) -> String { root + "/" + name }

    /// Whether the model is there.
    public func contains(_ name: String) -> Bool {
        Self.isValid(name) && FileManager.default.fileExists(atPath: folder(of: name))
    }

    /// A model given by name or by the path of its folder or file; nil when there is none.
    public func resolve(_ nameOrPath: String) -> String? {
        if nameOrPath.contains("/") {
            return FileManager.default.fileExists(atPath: nameOrPath) ? nameOrPath : nil
        }
        return contains(nameOrPath) ? folder(of: nameOrPath) : nil
    }

    /// The models that are there, by name.
    public func list() -> [Entry] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []
        return names.sorted().compactMap { info($0) }
    }

    /// What is known of a model, or nil when it is not there.
    public func info(_ name: String) -> Entry? {
        var isFolder: ObjCBool = false
        let folder = folder(of: name)
        guard Self.isValid(name), FileManager.default.fileExists(atPath: folder, isDirectory: &isFolder),
            isFolder.boolValue
        else { return nil }
        let files = (FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String } ?? []).sorted()
        var entry = Entry(name: name, folder: folder, bytes: 0, files: [])
        for file in files {
            let attributes = try? FileManager.default.attributesOfItem(atPath: folder + "/" + file)
            guard attributes?[.type] as? FileAttributeType == .typeRegular else { continue }
            entry.files.append(file)
            entry.bytes += (attributes?[.size] as? NSNumber)?.intValue ?? 0
        }
        return entry
    }

    /// Removes a model.
    public func remove(_ name: String) throws {
        guard Self.isValid(name) else { throw ModelPullError.unknownModel(name, known: []) }
        try FileManager.default.removeItem(atPath: folder(of: name))
    }

    /// Names are plain: no separators, no leading dot. Half-pulled models have a leading dot.
    static func isValid(_ name: String) -> Bool {
        !name.isEmpty && !name.hasPrefix(".") && !name.contains("/") && !name.contains("\0")
    }
}
