// SPDX-License-Identifier: Apache-2.0

/// The files of `Policies/` as the program carries them, so that it works where there is no such folder. A test
/// checks that both are the same.
enum BuiltInPolicies {
    /// Name and text, by name.
    static let all: [(name: String, yaml: String)] = [
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
            keep: {fusion: {limit: 10}}
            answer: auto
            budget: {steps: 5, tool_calls: 24}
            rules: {barren_steps: 3}
            tool_limits: {output_characters: 60000}
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
            keep: {fusion: {limit: 10}}
            answer: auto
            budget: {steps: 10, tool_calls: 30}
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
    ]
}
