// SPDX-License-Identifier: Apache-2.0

public import QualityMetrics

/// The file formats of question sets that can be read.
public enum DatasetFormat: String, Sendable, Hashable, CaseIterable {
    /// Forage's own: JSON Lines of `{"id", "question", "answers", "supporting", "type", "hops"}`.
    case forage
    /// A JSON array of `{"_id", "question", "answer", "supporting_facts", "context", "type", "level"}`.
    case hotpotqa
    /// The same with `evidences`; also the aliases of `evidences_id`.
    case twoWiki = "2wikimultihopqa"
    /// JSON Lines of `{"id", "question", "answer", "answer_aliases", "answerable", "paragraphs", "question_decomposition"}`.
    case musique
    /// A JSON array of `{"query", "answer", "question_type", "evidence_list"}`.
    case multiHopRAG = "multihop_rag"
    /// CSV with the columns Question and Answer.
    case bamboogle
    /// A JSON array or lines of `{"question", "answer", "golden_doc_ids"}`.
    case globalqa
    /// JSON Lines of `{"id", "question", "golden_answers", "choices", "metadata"}`.
    case flashrag
    /// Questions and answers under any of the names that circulate: Natural Questions, SQuAD, TriviaQA, DPR, PopQA,
    /// StrategyQA and a table of one's own; JSON, JSON Lines, CSV, TSV or YAML.
    case qa
    /// A folder with `queries.jsonl`, `qrels/*.tsv` and, if it is there, `corpus.jsonl`.
    case beir

    /// How the set's answers are scored.
    public var benchmark: AnswerBenchmark {
        switch self {
        case .forage, .hotpotqa: return .hotpotQA
        case .twoWiki: return .twoWikiMultihopQA
        case .musique: return .musique
        case .multiHopRAG: return .multiHopRAG
        case .bamboogle: return .bamboogle
        case .globalqa: return .globalQA
        case .flashrag, .beir, .qa: return .flashRAG
        }
    }

    /// The benchmark of a set in Forage's own format, from its name; HotpotQA's when the name says nothing.
    public static func benchmark(named name: String) -> AnswerBenchmark {
        let name = name.lowercased()
        if name.contains("musique") { return .musique }
        if name.contains("2wiki") { return .twoWikiMultihopQA }
        if name.contains("bamboogle") { return .bamboogle }
        if name.contains("globalqa") { return .globalQA }
        return .hotpotQA
    }
}
