// SPDX-License-Identifier: Apache-2.0

/// The files of `Policies/` as the program carries them, so that it works where there is no such folder. A test
/// checks that both are the same.
enum BuiltInPolicies {
    /// Name and text, by name.
    static let all: [(name: String, yaml: String)] = [
        (
            "adaptive",
            #"""
            # Retrieves only while the sampled answers disagree: DegMat over ten samples, Jaccard, threshold 0.4.
            name: adaptive
            description: Retrieves when the model is uncertain.
            model: required
            proposers:
              - question: {tools: [keyword_search, semantic_search], limit: 10}
              - query: {tools: [keyword_search], limit: 10}
            policy: {ordered: {order: [question, query]}}
            gate: {threshold: {measure: degmat/jaccard, value: 0.4, samples: 10}}
            keep: {fusion: {limit: 10}}
            answer: model
            budget: {steps: 4, tool_calls: 10}
            """#
        ),
        (
            "baleen",
            #"""
            # Condensed multi-hop (Baleen, Khattab et al., 2021): each hop's facts, as sentences, are the next hop's context.
            name: baleen
            description: Hops with a sentence-level condenser.
            model: optional
            proposers:
              - question: {tools: [keyword_search, semantic_search], limit: 25}
              - query: {tools: [keyword_search], limit: 25}
              - links: {from: 5, limit: 10}
            policy: {ordered: {order: [question, query, links]}}
            keep: {sentences: {candidates: 9, facts: 5}}
            answer: auto
            budget: {steps: 4, tool_calls: 10}
            tool_limits: {output_characters: 60000}
            """#
        ),
        (
            "clues",
            #"""
            # Clue decomposition for tip-of-the-tongue questions: each clue is searched on its own, the scores are added up.
            name: clues
            description: Searches the clues of a half-forgotten thing one by one.
            model: optional
            proposers:
              - question: {tools: [semantic_search], limit: 20}
              - clues: {tools: [semantic_search], limit: 20, most: 6}
            policy: {ordered: {order: [clues, question]}}
            keep: {interpolate: {limit: 10, lambda: 0.5}}
            answer: auto
            budget: {steps: 2, tool_calls: 8}
            tool_limits: {output_characters: 60000}
            """#
        ),
        (
            "corpus",
            #"""
            # Questions about the whole corpus: filter to everything that qualifies, then aggregate over the whole set.
            name: corpus
            description: Filters and aggregates over all that qualifies.
            model: optional
            proposers:
              - corpus: {max_tokens: 400}
            policy: ordered
            keep: {set: {limit: 100}}
            answer: auto
            budget: {steps: 6, tool_calls: 8}
            rules: {barren_steps: 4}
            """#
        ),
        (
            "decompose",
            #"""
            # Sub-questions with #1 references, answered in the order of their dependencies, independent ones at the same time.
            name: decompose
            description: Splits the question and answers the parts in order.
            model: optional
            proposers:
              - decompose: {tools: [keyword_search, semantic_search], limit: 5, most: 6}
            policy: ordered
            keep: {rerank: {limit: 12}}
            answer: auto
            budget: {steps: 8, tool_calls: 16}
            rules: {barren_steps: 3}
            """#
        ),
        (
            "feedback",
            #"""
            # Pseudo relevance feedback with interpolation of words and meaning before and after it (Li et al., 2022).
            name: feedback
            description: Searches, learns words from the best passages, searches again.
            model: optional
            proposers:
              - question: {tools: [keyword_search, semantic_search], limit: 20}
              - feedback: {tools: [keyword_search, semantic_search], from: 3, terms: 10, limit: 20}
            policy: {ordered: {order: [question, feedback]}}
            keep: {interpolate: {limit: 10, lambda: 0.5}}
            answer: auto
            budget: {steps: 2, tool_calls: 4}
            tool_limits: {output_characters: 60000}
            """#
        ),
        (
            "golden",
            #"""
            # GoldEn (Qi et al., 2019): a query for each hop, generated from the question and what was found.
            name: golden
            description: Generates one query a hop from the evidence.
            model: optional
            proposers:
              - question: {tools: [keyword_search], limit: 5}
              - query: {tools: [keyword_search], limit: 5}
            policy: {ordered: {order: [question, query]}}
            keep: {fusion: {limit: 10}}
            answer: auto
            budget: {steps: 4, tool_calls: 8}
            rules: {barren_steps: 2}
            """#
        ),
        (
            "hops",
            #"""
            # Several hops without a model: the question, the names in it, what the evidence links to and names, relevance feedback.
            name: hops
            description: Retrieves in several hops by itself; needs no model.
            model: optional
            proposers:
              - question: {tools: [keyword_search, semantic_search], limit: 20}
              - names: {tool: keyword_search, limit: 5, names: 4}
              - links: {from: 3, limit: 5}
              - entities: {tool: keyword_search, limit: 5, from: 3, names: 4}
              - feedback: {tools: [keyword_search], from: 3, terms: 8, limit: 10}
            policy: {ordered: {order: [question, names, links, entities, feedback]}}
            keep: {rerank: {limit: 10}}
            answer: auto
            budget: {steps: 5, tool_calls: 24}
            rules: {barren_steps: 3}
            tool_limits: {output_characters: 60000}
            """#
        ),
        (
            "hyde",
            #"""
            # HyDE (Gao et al., 2023): searches with passages that the model makes up.
            name: hyde
            description: Searches with hypothetical passages.
            model: required
            proposers:
              - question: {tools: [semantic_search], limit: 10}
              - passage: {tool: semantic_search, limit: 10, passages: 4, temperature: 0.7}
            policy: {ordered: {order: [question, passage]}}
            keep: {interpolate: {limit: 10, lambda: 0.5}}
            answer: auto
            budget: {steps: 2, tool_calls: 6}
            tool_limits: {output_characters: 60000}
            """#
        ),
        (
            "ircot",
            #"""
            # IRCoT (Trivedi et al., 2023): each sentence of the reasoning is the next query; "the answer is" ends it.
            name: ircot
            description: Interleaves retrieval with a chain of thought.
            model: required
            proposers:
              - question: {tools: [keyword_search], limit: 4}
              - chain: {tool: keyword_search, limit: 4, sentences: 10}
            policy: {ordered: {order: [question, chain]}}
            keep: {fusion: {limit: 15}}
            answer: auto
            budget: {steps: 11, tool_calls: 12}
            rules: {barren_steps: 4}
            """#
        ),
        (
            "jargon",
            #"""
            # Looks jargon and abbreviations up before searching (after Golden-Retriever, An et al., 2024). `dictionary` names a YAML
            # file of `term: meaning` lines beside this one; `terms` gives some here.
            name: jargon
            description: Explains jargon from a dictionary before searching.
            model: optional
            proposers:
              - jargon:
                  terms: {RAG: retrieval-augmented generation, NLI: natural language inference}
                  tools: [keyword_search, semantic_search]
                  limit: 10
              - question: {tools: [keyword_search, semantic_search], limit: 10}
            policy: {ordered: {order: [jargon, question]}}
            keep: {fusion: {limit: 10}}
            answer: auto
            budget: {steps: 2, tool_calls: 4}
            """#
        ),
        (
            "late",
            #"""
            # Late interaction (Khattab and Zaharia, 2020): the best passages by words and by meaning, re-ranked token by token. The
            # corpus must have been indexed with --late-interaction.
            name: late
            description: Searches by words and by meaning, then re-ranks what was found token by token.
            model: optional
            proposers:
              - question: {tools: [keyword_search, semantic_search], limit: 50}
            policy: {ordered: {order: [question]}}
            keep: {late: {limit: 10, focused: true}}
            answer: auto
            budget: {steps: 1, tool_calls: 2}
            tool_limits: {output_characters: 100000}
            """#
        ),
        (
            "r1-searcher",
            #"""
            # For a model that was trained on the tags of r1-searcher.
            name: r1-searcher
            description: The model drives with the tags of r1-searcher.
            model: required
            proposers:
              - tags: {dialect: r1-searcher, tool: semantic_search, limit: 3}
            policy: model
            keep: {fusion: {limit: 10}}
            answer: auto
            budget: {steps: 6, tool_calls: 5}
            """#
        ),
        (
            "react",
            #"""
            # The model drives: it reasons, calls tools (several at a time when it wants), and answers when it has enough.
            name: react
            description: The model chooses the tool calls (ReAct).
            model: required
            proposers:
              - model: {max_tokens: 1024}
            policy: model
            keep: {rerank: {limit: 10}}
            answer: auto
            budget: {steps: 10, tool_calls: 30}
            """#
        ),
        (
            "research",
            #"""
            # For a model that was trained on the tags of ReSearch.
            name: research
            description: The model drives with the tags of ReSearch.
            model: required
            proposers:
              - tags: {dialect: research, tool: semantic_search, limit: 5, max_tokens: 1024}
            policy: model
            keep: {fusion: {limit: 10}}
            answer: auto
            budget: {steps: 8, tool_calls: 7}
            """#
        ),
        (
            "rewrite",
            #"""
            # Query rewriting: the question in other words, each rewrite searched, the lists fused.
            name: rewrite
            description: Searches for rewrites of the question.
            model: required
            proposers:
              - rewrite: {rewrites: 3, tools: [keyword_search, semantic_search], limit: 10}
              - question: {tools: [keyword_search, semantic_search], limit: 10}
            policy: {ordered: {order: [question, rewrite]}}
            keep: {fusion: {limit: 10}}
            answer: auto
            budget: {steps: 2, tool_calls: 10}
            """#
        ),
        (
            "search-o1",
            #"""
            # For a model that was trained on the tags of search-o1.
            name: search-o1
            description: The model drives with the tags of search-o1.
            model: required
            proposers:
              - tags: {dialect: search-o1, tool: semantic_search, limit: 3}
            policy: model
            keep: {fusion: {limit: 10}}
            answer: auto
            budget: {steps: 6, tool_calls: 5}
            """#
        ),
        (
            "search-r1",
            #"""
            # For a model that was trained on the tags of search-r1.
            name: search-r1
            description: The model drives with the tags of search-r1.
            model: required
            proposers:
              - tags: {dialect: search-r1, tool: semantic_search, limit: 3}
            policy: model
            keep: {fusion: {limit: 10}}
            answer: auto
            budget: {steps: 6, tool_calls: 5}
            """#
        ),
        (
            "single-shot",
            #"""
            # One search, one answer: the baseline that every other strategy has to beat.
            name: single-shot
            description: Searches once for the question and answers.
            model: optional
            proposers:
              - question: {tools: [keyword_search, semantic_search], limit: 10}
            policy: ordered
            keep: {fusion: {limit: 10}}
            answer: auto
            budget: {steps: 1, tool_calls: 2}
            """#
        ),
        (
            "tree-search",
            #"""
            # An experiment: Monte Carlo tree search over lists of queries; the best line is called.
            name: tree-search
            description: Plans its queries by tree search.
            model: optional
            proposers:
              - tree: {tool: keyword_search, limit: 8, simulations: 32, depth: 3, exploration: 0.5, price: 0.02}
            policy: ordered
            keep: {rerank: {limit: 10}}
            answer: auto
            budget: {steps: 4, tool_calls: 4}
            tool_limits: {output_characters: 60000}
            """#
        ),
    ]
}
