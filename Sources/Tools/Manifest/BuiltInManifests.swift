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
            "filter",
            #"""
            # What the model is told about this tool, and what runs it. Edit the words freely: nothing is compiled.
            name: filter
            description: >-
              Selects every document whose metadata or text meets a condition: complete, unlike a search. Use it for "all", "which
              ones", "since", "by this author", before an aggregate, or to search within. The result is a set with a handle (r1, r2
              …) and says how many documents match. A clause is {"field": …, "op": …, "value": …}; op is == != < <= > >= in between
              contains exists match; combine clauses with {"and": […]}, {"or": […]}, {"not": …}. Dates are written 2023-10-31.
              Fields title and text are always there. A wrong field name is answered with the list of fields.
            runs: builtin
            parameters:
              type: object
              properties:
                where:
                  type: [object, array]
                  description: >-
                    The condition, such as {"and": [{"field": "source", "op": "==", "value": "BBC"}, {"field": "text", "op":
                    "match", "value": "flood warning", "mode": "all"}]}. mode of match is all, any, phrase or prefix.
                within:
                  type: string
                  maxLength: 1000
                  description: Select only among the documents of earlier results, such as "r1" or "r1 union r2".
                sort:
                  type: array
                  maxItems: 8
                  description: >-
                    The order of the list, such as [{"by": "published", "order": "descending"}].
                  items:
                    type: object
                    properties:
                      by: {type: string}
                      order: {type: string, enum: [ascending, descending]}
                    required: [by]
                    additionalProperties: false
                fields:
                  type: array
                  maxItems: 16
                  items: {type: string}
                  description: Metadata fields to show for each document.
                offset:
                  type: integer
                  minimum: 0
                  description: Where to go on; a cut list says which number to give.
                limit:
                  type: integer
                  minimum: 1
                  maximum: 50
                  description: How many documents to show; default 20. The set under the handle always holds all.
              additionalProperties: false
            """#
        ),
        (
            "aggregate",
            #"""
            # What the model is told about this tool, and what runs it. Edit the words freely: nothing is compiled.
            name: aggregate
            description: >-
              Counts and computes over every document that qualifies, not over the best few: how many, the most, the least, the
              average, per group, per month. Say which documents with "where" (as in filter) or "over" (a handle), what with
              "measures", and per what with "group_by". Without measures it counts. A wrong field name is answered with the list of
              fields.
            runs: builtin
            parameters:
              type: object
              properties:
                where:
                  type: [object, array]
                  description: A condition as filter takes it.
                over:
                  type: string
                  maxLength: 1000
                  description: Only the documents of earlier results, such as "r1" or "r1 intersect r2".
                measures:
                  type: array
                  maxItems: 16
                  description: >-
                    What to compute, such as [{"op": "count"}, {"op": "mean", "field": "price", "as": "average"}].
                  items:
                    type: object
                    properties:
                      op:
                        type: string
                        enum: [count, distinct, sum, mean, min, max, median, quantile, argmin, argmax]
                      field: {type: string}
                      q: {type: number, minimum: 0, maximum: 1, description: The share for quantile.}
                      as: {type: string, maxLength: 64, description: The name of the column.}
                      expression: {type: string, maxLength: 500, description: Arithmetic over the other measures by name.}
                    additionalProperties: false
                group_by:
                  type: array
                  maxItems: 4
                  description: >-
                    Fields, or {"field", "every"} for dates (day, week, month, quarter, year), or {"field", "width"} for numbers.
                  items:
                    type: [string, object]
                    properties:
                      field: {type: string}
                      every: {type: string, enum: [day, week, month, quarter, year]}
                      width: {type: number, exclusiveMinimum: 0}
                    required: [field]
                    additionalProperties: false
                sort:
                  type: array
                  maxItems: 8
                  description: >-
                    The order of the rows by a column, such as [{"by": "count", "order": "descending"}].
                  items:
                    type: object
                    properties:
                      by: {type: string}
                      order: {type: string, enum: [ascending, descending]}
                    required: [by]
                    additionalProperties: false
                offset:
                  type: integer
                  minimum: 0
                  description: Where to go on; a cut table says which number to give.
                limit:
                  type: integer
                  minimum: 1
                  maximum: 50
                  description: How many rows to show; default 20.
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
