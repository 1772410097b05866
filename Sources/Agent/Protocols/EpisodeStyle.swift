// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import LanguageModels
import Text

/// How the released code of a trained protocol writes an episode: what stands before the model's first word, how a result
/// goes on after a query, and what is said to a turn that cannot be read. A checkpoint meets what it was trained on, byte
/// for byte; only text of the corpus that looks like a control token is written in another bracket (``Fence``).
///
/// The wordings are those of the released prompts: Search-R1 (Jin et al., 2025; Apache-2.0), R1-Searcher (Song et al.,
/// 2025; MIT), ReSearch (Chen et al., 2025; MIT) and Search-o1 (Li et al., 2025; MIT).
enum EpisodeStyle: String, Sendable, Hashable {
    case searchR1, r1Searcher, reSearch, searchO1
    /// Calls as JSON within `<tool_call>`, as Hermes and Qwen write them; no released search agent's own.
    case hermes

    /// A passage as a result shows it.
    struct Item: Sendable, Hashable {
        var title: String
        var text: String
    }

    /// What stands before the model's first turn: messages, and how its own text begins.
    /// - Parameter searches: the most searches, which one of the prompts names.
    func prompt(for question: String, searches: Int) -> (messages: [ChatMessage], opening: String) {
        func user(_ text: String) -> ChatMessage { ChatMessage(role: .user, content: text) }
        switch self {
        case .searchR1:
            var question = question.trimmingWhitespace
            if question.last != "?" { question += "?" }
            return ([user(Self.searchR1Prompt + question + "\n")], "")
        case .r1Searcher:
            return ([ChatMessage(role: .system, content: Self.r1SearcherPrompt), user(question)], "<think>")
        case .reSearch:
            return ([ChatMessage(role: .system, content: Self.reSearchPrompt), user(question)], "")
        case .searchO1:
            return ([user(Self.searchO1Prompt(searches) + Self.searchO1Task(question))], "")
        case .hermes: return ([user(Self.hermesPrompt + question)], "")
        }
    }

    /// A turn of the model that asks for a search, as it stands in the episode.
    /// - Parameter text: what the model wrote, up to the end of its query.
    func query(_ text: String, close: String) -> String {
        switch self {
        // R1-Searcher's environment trims the turn before it closes the tag.
        case .r1Searcher: return text.trimmingWhitespace + close
        default: return text + close
        }
    }

    /// The query as the search engine gets it.
    func cleaned(_ query: String) -> String {
        guard self == .r1Searcher else { return query }
        let bare = query.replacing("\"", with: "").replacing("'", with: "").replacing("\t", with: " ")
        return bare.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }

    /// What follows a query.
    func result(_ items: [Item]) -> String {
        switch self {
        case .searchR1:
            // The corpus of its training quotes titles: "Title"⏎text.
            var text = ""
            for (index, item) in items.enumerated() {
                text += "Doc \(index + 1)(Title: \"\(item.title)\") \(item.text)\n"
            }
            return "\n\n<information>\(text.trimmingWhitespace)</information>\n\n"
        case .r1Searcher:
            var text = ""
            for (index, item) in items.enumerated() { text += "(\(index + 1))\(item.title)   \(item.text)\n" }
            return "\n\n<|begin_of_documents|>\n" + (items.isEmpty ? "None" : text) + "<|end_of_documents|>\n\n"
        case .reSearch:
            let text = items.map { "\"\($0.title)\"\n\($0.text)\n\n" }.joined().trimmingWhitespace
            return " <result>\n\(items.isEmpty ? "nothing to search" : text)\n</result>"
        case .searchO1: return found(items.map { "\($0.title): \($0.text)" }.joined(separator: " "))
        case .hermes:
            return "\n<tool_response>\n" + items.map { "\($0.title): \($0.text)" }.joined(separator: "\n\n")
                + "\n</tool_response>\n"
        }
    }

    /// What follows a query, from a text that was made of the results (Search-o1's reasoning in documents), or that was
    /// said instead of them.
    func found(_ text: String) -> String {
        switch self {
        case .searchR1: return "\n\n<information>\(text)</information>\n\n"
        case .r1Searcher: return "\n\n<|begin_of_documents|>\n\(text)\n<|end_of_documents|>\n\n"
        case .reSearch: return " <result>\n\(text)\n</result>"
        case .searchO1: return "\n\n<|begin_search_result|>\(text)<|end_search_result|>\n\n"
        case .hermes: return "\n<tool_response>\n\(text)\n</tool_response>\n"
        }
    }

    /// What follows a query that was made before, or that the budget does not allow.
    func refused(repeated: Bool) -> String? {
        guard self == .searchO1 else { return nil }
        let text =
            repeated
            ? "You have searched this query. Please refer to previous results."
            : "The maximum search limit is exceeded. You are not allowed to search."
        return "\n<|begin_search_result|>\n\(text)\n<|end_search_result|>\n"
    }

    /// What is said to a turn without a whole query or answer; nil where the released code ends the episode there.
    var correction: String? {
        switch self {
        case .searchR1:
            return """

                My previous action is invalid. If I want to search, I should put the query between <search> and </search>. \
                If I want to give the final answer, I should put the answer between <answer> and </answer>. Let me try \
                again.

                """
        case .hermes:
            return """

                My last action could not be read. To call a tool, write <tool_call>{"name": …, "arguments": {…}}\
                </tool_call>; to answer, write <answer> answer </answer>.

                """
        case .r1Searcher, .reSearch, .searchO1: return nil
        }
    }
}

extension EpisodeStyle {
    private static let searchR1Prompt = """
        Answer the given question. You must conduct reasoning inside <think> and </think> first every time you get new \
        information. After reasoning, if you find you lack some knowledge, you can call a search engine by <search> query \
        </search> and it will return the top searched results between <information> and </information>. You can search \
        as many times as your want. If you find no further external knowledge needed, you can directly provide the \
        answer inside <answer> and </answer>, without detailed illustrations. For example, <answer> Beijing </answer>. \
        Question:\u{20}
        """

    private static let hermesPrompt = """
        Reason step by step inside <think> and </think> whenever you learn something. When you lack knowledge, call a tool \
        with <tool_call>{"name": "semantic_search", "arguments": {"query": …}}</tool_call>; the result comes back between \
        <tool_response> and </tool_response>. Search as often as you need. When you know the answer, give it in its \
        shortest form as <answer> … </answer>, without further explanation.

        Question:\u{20}
        """

    private static let r1SearcherPrompt = """
        You are a helpful assistant.
        Given a question, you should answer it by first thinking about the reasoning process in the mind and then \
        providing the final answer.
        The output format of reasoning process and final answer are enclosed within <think> </think> and <answer> \
        </answer> tags, respectively, i.e., "<think> reasoning process here </think>

        <answer> final answer here </answer>".
        During the thinking process, **you can perform searching for uncertain knowledge** if necessary with the format \
        of "<|begin_of_query|> search query (only list keywords, such as **"keyword_1 keyword_2 ..."**)\
        <|end_of_query|>". **A query must involve only a single triple**.
        Then, the search system will provide you with the retrieval information with the format of \
        "<|begin_of_documents|> ...search results... <|end_of_documents|>".
        """

    private static let reSearchPrompt = """
        You are a helpful assistant that can solve the given question step by step with the help of the wikipedia search \
        tool. Given a question, you need to first think about the reasoning process in the mind and then provide the \
        answer. During thinking, you can invoke the wikipedia search tool to search for fact information about specific \
        topics if needed. The reasoning process and answer are enclosed within <think> </think> and <answer> </answer> \
        tags respectively, and the search query and result are enclosed within <search> </search> and <result> </result> \
        tags respectively. For example, <think> This is the reasoning process. </think> <search> search query here \
        </search> <result> search result here </result> <think> This is the reasoning process. </think> <answer> The \
        final answer is \\[ \\boxed{answer here} \\] </answer>. In the last part of the answer, the final exact answer is \
        enclosed within \\boxed{} with latex format.
        """

    private static func searchO1Prompt(_ searches: Int) -> String {
        """
        You are a reasoning assistant with the ability to perform web searches to help you answer the user's question \
        accurately. You have special tools:

        - To perform a search: write <|begin_search_query|> your query here <|end_search_query|>.
        Then, the system will search and analyze relevant web pages, then provide you with helpful information in the \
        format <|begin_search_result|> ...search results... <|end_search_result|>.

        You can repeat the search process multiple times if necessary. The maximum number of search attempts is limited \
        to \(searches).

        Once you have all the information you need, continue your reasoning.

        Example:
        Question: "Alice David is the voice of Lara Croft in a video game developed by which company?"
        Assistant thinking steps:
        - I need to find out who voices Lara Croft in the video game.
        - Then, I need to determine which company developed that video game.

        Assistant:
        <|begin_search_query|>Alice David Lara Croft voice<|end_search_query|>

        (System returns processed information from relevant web pages)

        Assistant thinks: The search results indicate that Alice David is the voice of Lara Croft in a specific video \
        game. Now, I need to find out which company developed that game.

        Assistant:
        <|begin_search_query|>video game developed by Alice David Lara Croft<|end_search_query|>

        (System returns processed information from relevant web pages)

        Assistant continues reasoning with the new information...

        Remember:
        - Use <|begin_search_query|> to request a web search and end with <|end_search_query|>.
        - When done searching, continue your reasoning.


        """
    }

    private static func searchO1Task(_ question: String) -> String {
        """
        Please answer the following question. You should think step by step to solve it.

        Provide your final answer in the format \\boxed{YOUR_ANSWER}.

        Question:
        \(question)


        """
    }

    /// Search-o1's reasoning in documents: what a second call of the model makes of a query's results.
    static func analysis(of items: [Item], query: String, reasoning: String) -> ChatMessage {
        var pages = ""
        for (index, item) in items.enumerated() {
            let page: JSONValue = [
                "id": .integer(index + 1), "title": .string(item.title), "url": "", "site_name": "", "date": "",
                "snippet": .string(String(item.text.prefix(200))), "context": .string(item.text),
            ]
            pages += "**Web Page \(index + 1):**\n" + page.serialized(indented: true) + "\n"
        }
        return ChatMessage(
            role: .user,
            content: """
                **Task Instruction:**

                You are tasked with reading and analyzing web pages based on the following inputs: **Previous Reasoning \
                Steps**, **Current Search Query**, and **Searched Web Pages**. Your objective is to extract relevant and \
                helpful information for **Current Search Query** from the **Searched Web Pages** and seamlessly integrate \
                this information into the **Previous Reasoning Steps** to continue reasoning for the original question.

                **Guidelines:**

                1. **Analyze the Searched Web Pages:**
                - Carefully review the content of each searched web page.
                - Identify factual information that is relevant to the **Current Search Query** and can aid in the \
                reasoning process for the original question.

                2. **Extract Relevant Information:**
                - Select the information from the Searched Web Pages that directly contributes to advancing the \
                **Previous Reasoning Steps**.
                - Ensure that the extracted information is accurate and relevant.

                3. **Output Format:**
                - **If the web pages provide helpful information for current search query:** Present the information \
                beginning with `**Final Information**` as shown below.
                **Final Information**

                [Helpful information]

                - **If the web pages do not provide any helpful information for current search query:** Output the \
                following text.

                **Final Information**

                No helpful information found.

                **Inputs:**
                - **Previous Reasoning Steps:**\u{20}\u{20}
                \(reasoning)

                - **Current Search Query:**\u{20}\u{20}
                \(query)

                - **Searched Web Pages:**\u{20}\u{20}
                \(pages)

                Now you should analyze each web page and find helpful information based on the current search query \
                "\(query)" and previous reasoning steps.

                """)
    }

    /// What the released code takes of such a call's text.
    static func information(in text: String) -> String {
        guard let range = text.range(of: "\n**Final Information**", options: .backwards) else {
            return "No helpful information found."
        }
        var found = text[range.upperBound...].replacing("\n", with: "")[...]
        while found.first == "`" { found.removeFirst() }
        while found.last == "`" { found.removeLast() }
        return String(found).trimmingWhitespace
    }

    /// The reasoning so far as that call is shown it: the first step, the last four, and those that search or found.
    static func steps(of text: String) -> String {
        let steps = text.replacing("\n\n", with: "\n").split(separator: "\n", omittingEmptySubsequences: false)
            .enumerated().map { "Step \($0 + 1): \($1)" }
        // The released code counts the empty text after the last step as one.
        guard steps.count + 1 > 5 else { return steps.joined(separator: "\n\n").trimming { $0 == "\n" } }
        var shown = ""
        for (index, step) in steps.enumerated() {
            if index == 0 || index >= steps.count + 1 - 4 || step.contains("<|begin_search_query|>")
                || step.contains("<|begin_search_result|>")
            {
                shown += step + "\n\n"
            } else if !shown.hasSuffix("\n\n...\n\n") {
                shown += "...\n\n"
            }
        }
        return shown.trimming { $0 == "\n" }
    }
}

extension String {
    /// The text without white space at both ends.
    var trimmingWhitespace: String { trimming(\.isWhitespace) }

    func trimming(_ isCut: (Character) -> Bool) -> String {
        var text = self[...]
        while let first = text.first, isCut(first) { text.removeFirst() }
        while let last = text.last, isCut(last) { text.removeLast() }
        return String(text)
    }
}
