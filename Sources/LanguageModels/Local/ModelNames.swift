// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation

/// The names by which people ask for models: `qwen2.5:1.5b`, `llama3.2:1b`, `hf.co/owner/name:Q4_K_M`; what they stand for
/// on the model hub, and under what name a pulled one lies in the store.
public enum ModelNames {
    /// A repository of GGUF files on the hub, and which of them is wanted.
    struct Repository: Sendable, Hashable {
        var owner: String
        var name: String
        /// The quantisation, such as `Q4_K_M`.
        var quantisation: String
    }

    private struct Family {
        var name: String
        var sizes: [String]
        /// The size that the bare name means.
        var standard: String
        /// Owner and repository for a size, as the hub writes it.
        var repository: @Sendable (String) -> (String, String)
    }

    private static let families = [
        Family(name: "qwen2.5", sizes: ["0.5b", "1.5b", "3b", "7b", "14b"], standard: "7b") {
            // The maker's own files of the larger ones are split.
            ["7B", "14B"].contains($0)
                ? ("bartowski", "Qwen2.5-\($0)-Instruct-GGUF") : ("Qwen", "Qwen2.5-\($0)-Instruct-GGUF")
        },
        Family(name: "qwen2.5-coder", sizes: ["0.5b", "1.5b", "3b", "7b"], standard: "7b") {
            ("Qwen", "Qwen2.5-Coder-\($0)-Instruct-GGUF")
        },
        Family(name: "qwen3", sizes: ["0.6b", "1.7b", "4b", "8b"], standard: "8b") { ("unsloth", "Qwen3-\($0)-GGUF") },
        Family(name: "llama3.2", sizes: ["1b", "3b"], standard: "3b") {
            ("bartowski", "Llama-3.2-\($0)-Instruct-GGUF")
        },
        Family(name: "smollm2", sizes: ["135m", "360m", "1.7b"], standard: "") {
            ("bartowski", "SmolLM2-\($0)-Instruct-GGUF")
        },
        Family(name: "gemma3", sizes: ["270m", "1b"], standard: "1b") {
            ("unsloth", "gemma-3-\($0.lowercased())-it-GGUF")
        },
    ]

    /// What a name stands for; nil for one that is none of these.
    /// - Throws: `LanguageModelError.unavailable` for a known family with an unknown size, or an address that is none.
    static func repository(_ name: String) throws(LanguageModelError) -> Repository? {
        for prefix in ["hf.co/", "huggingface.co/", "https://huggingface.co/", "https://hf.co/", "hf:"]
        where name.hasPrefix(prefix) {
            return try address(String(name.dropFirst(prefix.count)), as: name)
        }
        let parts = name.lowercased().split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard let family = families.first(where: { $0.name == parts[0] }) else { return nil }
        guard parts.count <= 2, parts.count == 2 || !family.standard.isEmpty else { return nil }
        var tag = parts.count == 2 && parts[1] != "latest" ? parts[1] : family.standard
        var quantisation = "Q4_K_M"
        // As in qwen2.5:1.5b-instruct-q8_0.
        if let size = family.sizes.first(where: { tag.hasPrefix($0 + "-") }) {
            let rest = tag.dropFirst(size.count + 1).replacing("instruct", with: "").replacing("it-", with: "")
            let wanted = rest.split(separator: "-").joined(separator: "-")
            if !wanted.isEmpty { quantisation = wanted.uppercased() }
            tag = size
        }
        guard family.sizes.contains(tag) else {
            throw .unavailable(
                "there is no \(family.name) of size \"\(tag)\"; there are "
                    + family.sizes.map { "\(family.name):\($0)" }.joined(separator: ", "))
        }
        let (owner, repository) = family.repository(tag.uppercased())
        return Repository(owner: owner, name: repository, quantisation: quantisation)
    }

    private static func address(_ text: String, as name: String) throws(LanguageModelError) -> Repository? {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let path = parts[0].split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        // Three parts name a file of a repository: that is another form of address.
        guard path.count == 2 else { return nil }
        let allowed = CharacterSet(charactersIn: "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
        let all = path + parts.dropFirst()
        guard all.allSatisfy({ !$0.isEmpty && !$0.hasPrefix(".") && $0.unicodeScalars.allSatisfy(allowed.contains) })
        else { throw .unavailable("\"\(name)\" is not of the form hf.co/owner/name:quantisation") }
        return Repository(
            owner: path[0], name: path[1], quantisation: parts.count > 1 ? parts[1].uppercased() : "Q4_K_M")
    }

    /// Under what name the store keeps a model that was asked for by such a name; the name itself for any other.
    public static func stored(_ name: String) -> String {
        guard let repository = try? repository(name) else { return name }
        if let colon = name.firstIndex(of: ":"), !name.contains("/") {
            return name[..<colon].lowercased() + "-" + name[name.index(after: colon)...].lowercased()
        }
        if !name.contains("/") { return name.lowercased() }
        var base = repository.name.lowercased()
        if base.hasSuffix("-gguf") { base = String(base.dropLast(5)) }
        return base + "-" + repository.quantisation.lowercased()
    }

    /// The file of a repository that is wanted: of the quantisation asked for, in one piece.
    /// - Throws: `LanguageModelError.unavailable` that lists the quantisations that there are.
    static func file(_ repository: Repository, among files: [String]) throws(LanguageModelError) -> String {
        let models = files.filter { $0.lowercased().hasSuffix(".gguf") && !$0.lowercased().contains("mmproj") }
        let whole = models.filter { $0.firstMatch(of: /-[0-9]{5}-of-[0-9]{5}\.gguf$/) == nil }
        let wanted = repository.quantisation.lowercased()
        let fitting = whole.filter { name in
            let base = name.lowercased().dropLast(5)
            return base.hasSuffix(wanted) || base.contains(wanted + "/")
        }
        if let file = fitting.min(by: { ($0.count, $0) < ($1.count, $1) }) { return file }
        let known = (whole.isEmpty ? models : whole).prefix(30).joined(separator: ", ")
        throw .unavailable(
            "\(repository.owner)/\(repository.name) has no file of \(repository.quantisation) in one piece; it has "
                + (known.isEmpty ? "no GGUF files" : known))
    }
}
