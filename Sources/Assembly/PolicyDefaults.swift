// SPDX-License-Identifier: Apache-2.0

public import Corpus
public import LanguageModels

/// The policy of sessions where none is named.
public enum PolicyDefaults {
    /// A model in this process is better at reading than at driving: with it a policy that needs no model retrieves (`react`
    /// lets it drive all the same). A server's model that calls tools drives.
    public static func policy(for corpus: any RetrievalCorpus, model: (any LanguageModel)? = nil) -> String {
        if let model, model.capabilities.toolCalls, !reads(model) { return "react" }
        // The trained policy where the corpus has vectors, as those had that it was trained on.
        return corpus.embedding != nil && corpus.summary.modes.contains(.semantic) ? "forage" : "hops"
    }

    /// One line for a person who named no policy; nil where there is nothing to choose.
    public static func explanation(of policy: String, model: (any LanguageModel)?) -> String? {
        guard let model, reads(model) else { return nil }
        return "\(policy) retrieves, \(model.name) reads and answers; --policy react lets the model drive"
    }

    /// Whether a model is left to read what a policy retrieves.
    private static func reads(_ model: any LanguageModel) -> Bool { model.capabilities.parameters != nil }
}
