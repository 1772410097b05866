// SPDX-License-Identifier: Apache-2.0

import Base
public import Episodes

/// A passage as rewards and readers see it.
public struct WorldPassage: Sendable, Hashable {
    /// The citable identity.
    public var id: String
    /// The title; empty when there is none.
    public var title: String
    /// The text.
    public var text: String
    /// The id of its document; its own where a document is one passage.
    public var document: String

    /// Wraps the parts of a passage.
    public init(id: String, title: String, text: String, document: String? = nil) {
        self.id = id
        self.title = title
        self.text = text
        self.document = document ?? id
    }
}

/// A question as the learner may see it, with its gold kept apart for rewards and oracles.
public struct LearningQuestion: Sendable, Hashable {
    /// Its identity in its set.
    public var id: String
    /// Its text.
    public var text: String
    /// The accepted answers.
    public var answers: [String]
    /// The ids of the gold passages; only oracles, rewards and measures read them.
    public var gold: [String]
    /// The set's own name for its kind.
    public var type: String
    /// How many passages it takes.
    public var hops: Int

    /// Wraps the parts of a question.
    public init(id: String, text: String, answers: [String] = [], gold: [String] = [], type: String = "", hops: Int = 1)
    {
        self.id = id
        self.text = text
        self.answers = answers
        self.gold = gold
        self.type = type
        self.hops = hops
    }

    /// What of the gold a passage is: gold names passages or documents; nil for none.
    func gold(_ passage: String, of document: String) -> String? {
        gold.first { $0 == passage || $0 == document }
    }

    /// The question as a session gets it: without its gold.
    public var asked: Question { Question(text, id: id) }
}
