// SPDX-License-Identifier: Apache-2.0

/// Why a GGUF file cannot be read. Every case names the file, and where in it the reader stopped.
public enum GGUFError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The file cannot be opened or mapped.
    case unreadable(path: String, reason: String)
    /// The file does not start with the magic and a version that is read here.
    case notGGUF(path: String, reason: String)
    /// The file ends within something that it announced.
    case truncated(path: String, offset: Int, what: String)
    /// A count, a length, a type or an offset that no sound file has.
    case malformed(path: String, offset: Int, what: String)
    /// A tensor of a type that is not supported.
    case unsupportedType(path: String, tensor: String, type: Int)
    /// A metadata key or a tensor that the model needs and the file lacks, or has in another form.
    case missing(path: String, what: String)

    public var description: String {
        switch self {
        case .unreadable(let path, let reason): return "\(path): cannot be read: \(reason)"
        case .notGGUF(let path, let reason): return "\(path): not a GGUF file of version 2 or 3: \(reason)"
        case .truncated(let path, let offset, let what): return "\(path): ends at byte \(offset) within \(what)"
        case .malformed(let path, let offset, let what): return "\(path): byte \(offset): \(what)"
        case .unsupportedType(let path, let tensor, let type):
            return "\(path): tensor \"\(tensor)\" has type \(type), which is not supported "
                + "(F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K, Q6_K are)"
        case .missing(let path, let what): return "\(path): \(what)"
        }
    }
}
