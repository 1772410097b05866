// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import OrderedCollections
import TensorMath

/// Why a file is no adapter.
public enum LowRankAdapterError: Error, Sendable, Hashable, CustomStringConvertible {
    /// A file cannot be read or written.
    case system(path: String, reason: String)
    /// What the file says cannot be, or is not supported.
    case malformed(path: String, reason: String)
    /// The adapter belongs to another model.
    case mismatch(path: String, reason: String)

    public var description: String {
        switch self {
        case .system(let path, let reason): "\(path): \(reason)"
        case .malformed(let path, let reason): "\(path) is no adapter that can be used: \(reason)"
        case .mismatch(let path, let reason): "the adapter \(path) does not fit this model: \(reason)"
        }
    }
}

extension LowRankAdapter {
    /// Bytes of the largest adapter that is read.
    static let largestFile = 1 << 30
    /// Bytes of the largest settings that are read.
    static let largestSettings = 1 << 20

    private static let settingsName = "adapter_config.json"
    private static let weightsName = "adapter_model.safetensors"
    private static let settingsKey = "adapter_config"
    private static let prefix = "base_model.model.model."

    /// Reads an adapter: a folder with `adapter_config.json` and `adapter_model.safetensors`, as the PEFT library writes
    /// it, or one safetensors file that holds the settings as its metadata `adapter_config`.
    ///
    /// - Throws: ``LowRankAdapterError``; `SafetensorsError` where the file is damaged.
    public init(path: String) throws {
        var isFolder: ObjCBool = false
        let isThere = FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
        let weights = isThere && isFolder.boolValue ? path + "/" + Self.weightsName : path
        let file = try SafetensorsFile(path: weights)
        let bytes = file.tensors.values.reduce(0) { $0 + $1.byteRange.count }
        guard bytes <= Self.largestFile else {
            throw LowRankAdapterError.malformed(path: path, reason: "it is \(bytes >> 20) MiB large")
        }
        let text: [UInt8]
        if isThere, isFolder.boolValue {
            do {
                let settings = try MappedFile(path: path + "/" + Self.settingsName)
                guard settings.bytes.count <= Self.largestSettings else {
                    throw LowRankAdapterError.malformed(path: path, reason: "its settings are too long")
                }
                text = Array(settings.bytes)
            } catch let error as FileError {
                throw LowRankAdapterError.system(path: path + "/" + Self.settingsName, reason: error.reason)
            }
        } else {
            guard let settings = file.metadata[Self.settingsKey], settings.utf8.count <= Self.largestSettings else {
                throw LowRankAdapterError.malformed(
                    path: path,
                    reason: "it has no settings: expected a folder with \(Self.settingsName), or a file "
                        + "with the metadata \(Self.settingsKey)")
            }
            text = Array(settings.utf8)
        }
        let settings: JSONValue
        do { settings = try JSONValue(parsing: text) } catch {
            throw LowRankAdapterError.malformed(path: path, reason: "its settings are no JSON: \(error)")
        }
        try self.init(settings, file, path)
    }

    private init(_ settings: JSONValue, _ file: SafetensorsFile, _ path: String) throws {
        func malformed(_ reason: String) -> LowRankAdapterError { .malformed(path: path, reason: reason) }
        guard settings.object != nil else { throw malformed("its settings are no JSON object") }
        let kind = settings["peft_type"]?.string ?? "LORA"
        guard kind == "LORA" else { throw malformed("it is of the kind \"\(kind)\", only LORA is supported") }
        guard let rank = settings["r"]?.int, (1...Self.largestRank).contains(rank) else {
            throw malformed("its rank \"r\" is missing or not in 1 ... \(Self.largestRank)")
        }
        guard let alpha = settings["lora_alpha"]?.double, alpha.isFinite, abs(alpha) <= 1e6 else {
            throw malformed("\"lora_alpha\" is missing or no number")
        }
        if let unsupported = Self.unsupported(settings) { throw malformed("\(unsupported) is not supported") }
        let divisor = settings["use_rslora"]?.bool == true ? Double(rank).squareRoot() : Double(rank)
        let own = settings["forage"]
        self.init(
            rank: rank, scale: Float(alpha / divisor), base: own?["base"]?.string ?? "",
            baseName: settings["base_model_name_or_path"]?.string ?? "",
            notes: (own?["notes"]?.object ?? [:]).reduce(into: [:]) { $0[$1.key] = $1.value.string })
        var halves: [Place: [Bool: Matrix]] = [:]
        for name in file.names {
            guard let (place, isFirst) = Self.place(name) else {
                throw malformed("the tensor \"\(name.prefix(200))\" belongs to no matrix that can be adapted")
            }
            let shape = try file.tensor(named: name).shape
            guard shape.count == 2, shape[isFirst ? 0 : 1] == rank else {
                throw malformed("the tensor \"\(name)\" is \(shape), expected rank \(rank)")
            }
            let matrix = try file.matrix(named: name)
            guard matrix.isFinite else { throw malformed("the tensor \"\(name)\" holds numbers that are not finite") }
            guard halves[place, default: [:]].updateValue(matrix, forKey: isFirst) == nil else {
                throw malformed("the tensor \"\(name)\" comes twice")
            }
        }
        for (place, matrices) in halves {
            guard let a = matrices[true], let b = matrices[false] else {
                throw malformed(
                    "one of the two matrices of \(place.projection.rawValue) of layer \(place.layer) is missing")
            }
            pairs[place] = Pair(a: a, b: b)
        }
        guard !pairs.isEmpty else { throw malformed("it holds no products") }
    }

    /// A setting that changes what the products mean and is not understood here.
    private static func unsupported(_ settings: JSONValue) -> String? {
        if settings["use_dora"]?.bool == true { return "\"use_dora\"" }
        if let bias = settings["bias"]?.string, bias != "none" { return "a bias of \"\(bias)\"" }
        if settings["fan_in_fan_out"]?.bool == true { return "\"fan_in_fan_out\"" }
        for key in ["rank_pattern", "alpha_pattern"] where settings[key]?.object?.isEmpty == false {
            return "\"\(key)\""
        }
        if settings["modules_to_save"]?.array?.isEmpty == false { return "\"modules_to_save\"" }
        return nil
    }

    /// Which matrix a tensor's name belongs to, and whether it is A.
    private static func place(_ name: String) -> (Place, isFirst: Bool)? {
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        guard let start = parts.firstIndex(of: "layers"), parts.count >= start + 6,
            let layer = Int(parts[start + 1]), (0..<1024).contains(layer),
            let projection = DecoderProjection(rawValue: String(parts[start + 3])),
            parts[start + 2] + "." + parts[start + 3] == projection.name[...], parts.last == "weight"
        else { return nil }
        // PEFT may write the adapter's name between "lora_A" and "weight".
        guard parts.count <= start + 7 else { return nil }
        switch parts[start + 4] {
        case "lora_A": return (Place(layer, projection), true)
        case "lora_B": return (Place(layer, projection), false)
        default: return nil
        }
    }

    /// The settings as PEFT has them, with what tells the base model under "forage".
    private var settings: JSONValue {
        let targets = Set(pairs.keys.map(\.projection)).sorted().map { JSONValue.string($0.rawValue) }
        let told = notes.sorted { $0.key < $1.key }.map { ($0.key, JSONValue.string($0.value)) }
        return [
            "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": .string(baseName),
            "r": .integer(rank), "lora_alpha": .number(Double(scale) * Double(rank)), "bias": "none",
            "target_modules": .array(targets),
            "forage": ["base": .string(base), "notes": .object(JSONObject(uniqueKeysWithValues: told))],
        ]
    }

    /// Writes the adapter in half precision: one file where the path ends in `.safetensors`, else a folder as PEFT reads it.
    ///
    /// - Throws: ``LowRankAdapterError``, `SafetensorsError`.
    public func write(to path: String) throws {
        let isFile = path.hasSuffix(".safetensors")
        var writer = SafetensorsWriter(metadata: isFile ? [Self.settingsKey: settings.serialized()] : ["format": "pt"])
        for (place, pair) in pairs.sorted(by: { $0.key < $1.key }) {
            for (name, matrix) in [
                (Self.firstName(place.layer, place.projection), pair.a),
                (Self.secondName(place.layer, place.projection), pair.b),
            ] {
                writer.add(
                    Self.prefix + name, shape: [matrix.rows, matrix.columns], halves: matrix.elements)
            }
        }
        guard !isFile else { return try writer.write(to: path) }
        do {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            try settings.serialized(indented: true).write(
                toFile: path + "/" + Self.settingsName, atomically: true, encoding: .utf8)
        } catch {
            throw LowRankAdapterError.system(path: path, reason: error.localizedDescription)
        }
        try writer.write(to: path + "/" + Self.weightsName)
    }
}
