// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import Text

/// In what form a question wants its answer.
public enum AnswerForm: String, Sendable, Hashable, CaseIterable {
    /// A name, a number, a date, a few words, yes or no.
    case short
    /// Sentences: an explanation, a description, a summary, a list with its reasons.
    case prose

    /// Reads the form off a question's words. What is not clearly asked for in sentences is short: a short answer with its
    /// passage beside it serves a reader who wanted more better than a long one serves who wanted a name.
    public init(question: String) {
        let words = question.lowercased().split { !$0.isLetter && !$0.isNumber && $0 != "'" }.map(String.init)
        let text = " " + words.joined(separator: " ") + " "
        let verbs: Set<String> = [
            "explain", "describe", "summarize", "summarise", "discuss", "outline", "elaborate", "compare", "contrast",
            "analyze", "analyse", "tell", "write", "illustrate", "clarify",
        ]
        let politeness: Set<String> = ["please", "can", "could", "would", "will", "you", "briefly", "kindly"]
        let first = words.first { !politeness.contains($0) } ?? ""
        // "How many", "how old" ask for a number; "how does" for sentences.
        let sentences = [
            " how do ", " how does ", " how did ", " how is ", " how are ", " how was ", " how were ", " how can ",
            " how could ", " how should ", " how to ", " how would ", " what happens ", " what happened ",
            " what are the differences ", " what is the difference ", " in what way ", " in which ways ",
            " an overview ",
            " a summary ", " the reasons ", " the pros ", " what are the advantages ", " what does it mean ",
            " in detail ",
        ]
        let isProse =
            verbs.contains(first) || first == "why" || text.contains(" why did ") || text.contains(" why does ")
            || text.contains(" why is ") || text.contains(" why was ") || text.contains(" why are ")
            || sentences.contains(where: text.contains)
        self = isProse ? .prose : .short
    }
}
