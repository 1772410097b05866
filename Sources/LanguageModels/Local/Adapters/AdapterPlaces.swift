// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
public import Net

/// A model of this process by what people call it: `smollm2`, a path, or either with an adapter behind a plus sign,
/// `smollm2+agent`, `model.gguf+./tuned.safetensors`.
public struct LocalModelName: Sendable, Hashable {
    /// The model's file or folder.
    public var path: String
    /// The adapter's file or folder; nil without one.
    public var adapter: String?

    /// Finds a model and its adapter.
    ///
    /// An adapter is a path, or a name: then it lies in the model's folder (`NAME.safetensors`, or a folder `NAME` as the
    /// PEFT library writes it), in one of `folders` as `MODEL+NAME.safetensors`, or inside the program.
    ///
    /// - Parameter folders: Where policies and their weights are looked for.
    /// - Returns: Nil where no model of this name or path is here.
    /// - Throws: `LanguageModelError.unavailable` where the model is here and the adapter is not.
    public static func find(
        _ name: String, in store: ModelStore = ModelStore(), folders: [String] = ["Policies"]
    ) throws(LanguageModelError) -> LocalModelName? {
        if let path = model(name, store) { return LocalModelName(path: path) }
        // A plus sign may be part of either name: the longest model that is here.
        for place in name.indices.reversed() where name[place] == "+" {
            let (base, wanted) = (String(name[..<place]), String(name[name.index(after: place)...]))
            guard !base.isEmpty, !wanted.isEmpty, let path = model(base, store) else { continue }
            guard let adapter = adapter(wanted, of: base, at: path, folders) else {
                throw .unavailable(
                    "there is no adapter \"\(wanted)\" for \(base): expected a path, or \(wanted).safetensors beside the "
                        + "model in \(path); `forage train model` makes one")
            }
            return LocalModelName(path: path, adapter: adapter)
        }
        return nil
    }

    private static func model(_ name: String, _ store: ModelStore) -> String? {
        store.resolve(ModelNames.stored(name)) ?? (FileManager.default.fileExists(atPath: name) ? name : nil)
    }

    private static func adapter(_ name: String, of base: String, at path: String, _ folders: [String]) -> String? {
        let files = FileManager.default
        if name.contains("/") || name.hasSuffix(".safetensors") {
            return files.fileExists(atPath: name) ? name : nil
        }
        var isFolder: ObjCBool = false
        _ = files.fileExists(atPath: path, isDirectory: &isFolder)
        let folder = isFolder.boolValue ? path : (path as NSString).deletingLastPathComponent
        let beside = [folder + "/" + name + ".safetensors", folder + "/" + name]
        if let found = beside.first(where: files.fileExists) { return found }
        let whole = (base as NSString).lastPathComponent + "+" + name + ".safetensors"
        return (folders + [BundledFiles.prefix + "Policies"]).map { $0 + "/" + whole }
            .first { (try? MappedFile(path: $0)) != nil }
    }
}
