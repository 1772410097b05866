// SPDX-License-Identifier: Apache-2.0

import Text

/// The text to answer, with what a data set knows about it.
///
/// Gold answers and gold passages are for rewards and reports only: nothing of them enters a state, a prompt, a
/// candidate or an event.
public struct Question: Sendable, Hashable {
    /// The data set's identity of the question; empty for a question that a person typed.
    public var id: String
    /// The question itself.
    public var text: String
    /// The accepted answers.
    public var goldAnswers: [String]
    /// The ids of the passages that an answer must rest on.
    public var goldPassages: [String]
    /// The data set's type of question (`bridge`, `comparison`, `count` …); empty when unknown.
    public var type: String

    public init(
        _ text: String, id: String = "", goldAnswers: [String] = [], goldPassages: [String] = [], type: String = ""
    ) {
        self.id = id
        self.text = text
        self.goldAnswers = goldAnswers
        self.goldPassages = goldPassages
        self.type = type
    }

    /// The question as an agent may see it: without its gold.
    public var withoutGold: Question { Question(text, id: id) }
}
