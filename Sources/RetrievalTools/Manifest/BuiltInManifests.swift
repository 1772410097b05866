// SPDX-License-Identifier: Apache-2.0

/// The manifests of `Tools/` as the program carries them, so that it works where there is no such folder. A test
/// checks that both are the same.
enum BuiltInManifests {
    /// Name and text, in the order in which a model is told of the tools.
    static let all: [(name: String, yaml: String)] = [
        (
            "semantic_search",
            #"""
            # What the model is told about this tool, and what runs it. Edit the words freely: nothing is compiled.
            name: semantic_search
            description: >-
              Finds passages by meaning, best first. Use it for a question or a description in your own words, when you do not know
              the words that the text uses. The result gets a handle (r1, r2 …) that later calls can name. Each passage is shown
              with its id in brackets: cite these ids.
            runs: builtin
            parameters:
              type: object
              properties:
                query:
                  type: string
                  minLength: 1
                  maxLength: 4096
                  description: What to look for, in plain words.
                limit:
                  type: integer
                  minimum: 1
                  maximum: 100
                  description: How many passages; default 10.
                within:
                  type: string
                  maxLength: 1000
                  description: Search only in earlier results, such as "r1", "r1 intersect r3" or "(r1 union r2) subtract r4".
              required: [query]
              additionalProperties: false
            """#
        ),
        (
            "keyword_search",
            #"""
            # What the model is told about this tool, and what runs it. Edit the words freely: nothing is compiled.
            name: keyword_search
            description: >-
              Finds passages by their words, best first (BM25). Use it for names, titles, dates, numbers and rare terms, with the
              words as the text would have them; leave out filler words. The result gets a handle (r1, r2 …) that later calls can
              name. Each passage is shown with its id in brackets: cite these ids.
            runs: builtin
            parameters:
              type: object
              properties:
                query:
                  type: string
                  minLength: 1
                  maxLength: 4096
                  description: The words to look for.
                limit:
                  type: integer
                  minimum: 1
                  maximum: 100
                  description: How many passages; default 10.
                within:
                  type: string
                  maxLength: 1000
                  description: Search only in earlier results, such as "r1", "r1 intersect r3" or "(r1 union r2) subtract r4".
              required: [query]
              additionalProperties: false
            """#
        ),
        (
            "read",
            #"""
            # What the model is told about this tool, and what runs it. Edit the words freely: nothing is compiled.
            name: read
            description: >-
              Reads passages in full: by id, with the passages around them, or page by page over an earlier result. Use it when a
              search result was cut, when the answer may stand next to a passage, to go through a whole document (give the
              document's id), or to combine results into a new handle ("r1 intersect r3").
            runs: builtin
            parameters:
              type: object
              properties:
                ids:
                  type: array
                  items: {type: string, minLength: 1, maxLength: 600}
                  maxItems: 50
                  description: Ids of passages or documents, as results show them.
                over:
                  type: string
                  maxLength: 1000
                  description: Earlier results instead of ids, such as "r1" or "r1 subtract r2".
                around:
                  type: integer
                  minimum: 0
                  maximum: 5
                  description: How many passages before and after each; default 0.
                offset:
                  type: integer
                  minimum: 0
                  description: Where to go on; a cut result says which number to give.
                limit:
                  type: integer
                  minimum: 1
                  maximum: 50
                  description: How many passages (or documents, over documents); default 10.
              additionalProperties: false
            """#
        ),
    ]
}
