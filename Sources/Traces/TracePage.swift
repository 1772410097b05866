// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
public import Episodes
import Foundation
import LanguageModels
import OrderedCollections
import Text
import Tools

/// A session as one self-contained HTML page: the question, a time line of reasoning, calls and result sets and where each
/// flowed, the evidence, the citations into passages, and tokens, cost and time by step. No script, no outside resource; all
/// text is escaped, and the page's own policy forbids anything else to load.
public struct TracePage: Sendable {
    private let events: [SessionEvent]
    private let trajectory: Trajectory

    /// - Throws: `SessionError.damaged`.
    public init(events: [SessionEvent]) throws(SessionError) {
        self.events = events
        trajectory = try Trajectory(events: events)
    }

    /// The page.
    public func html() -> String {
        let state = trajectory.final
        var page = """
            <!doctype html>
            <html lang="en"><head><meta charset="utf-8">
            <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <title>\(state.question.text.htmlEscaped)</title>
            <style>\(Self.style)</style></head><body>
            <h1>\(state.question.text.htmlEscaped)</h1>
            <p class="meta">policy \(state.header.policy.name.htmlEscaped) · model \
            \((state.header.model.name.isEmpty ? "none" : state.header.model.name).htmlEscaped) · corpus \
            \(state.header.corpus.name.htmlEscaped) · seed \(state.header.seed) · session \
            \(state.header.session.htmlEscaped)</p>

            """
        page += answer(state)
        page += timeline()
        page += evidence(state)
        page += accounts()
        page += "</body></html>\n"
        return page
    }

    private func answer(_ state: AgentState) -> String {
        guard let answer = state.answer else { return "<section class=\"answer\"><p>Unfinished.</p></section>\n" }
        var html = "<section class=\"answer\"><h2>Answer <small>\(answer.label.rawValue)</small></h2>"
        html += "<p>\(answer.text.htmlEscaped)</p>"
        if let short = answer.short { html += "<p><b>\(short.htmlEscaped)</b></p>" }
        html += "<ul>"
        for citation in answer.citations {
            let id = citation.passageID.htmlEscaped
            let repaired = citation.repairedFrom.map { " (repaired from “\($0.htmlEscaped)”)" } ?? ""
            html +=
                "<li><a href=\"#p-\(Self.anchor(citation.passageID))\">[\(id)]</a> \(citation.title.htmlEscaped)\(repaired), "
                + "support \(SessionNarrator.number(citation.support))<br><q>\(citation.quote.htmlEscaped)</q></li>"
        }
        html += "</ul><p class=\"meta\">stopped: \((state.stop?.name ?? "?").htmlEscaped), "
        html += "\((state.stop?.explanation ?? "").htmlEscaped)</p></section>\n"
        return html
    }

    private func timeline() -> String {
        var html = "<section><h2>Time line</h2><ol class=\"line\">"
        var calls: [String: ToolCallRecord] = [:]
        var started: [String: Double] = [:]
        var purposes: [String: String] = [:]
        var candidates: [CandidateAction] = []
        var isOpen = false
        for event in events {
            let time = "<time>\(String(format: "%.3f s", event.time))</time>"
            switch event.kind {
            case .stepStarted(let step):
                if isOpen { html += "</ul></li>" }
                html += "<li><h3>Step \(step) \(time)</h3><ul>"
                isOpen = true
            case .assessed(let decision):
                let value = decision.uncertainty.map { " = " + SessionNarrator.number($0) } ?? ""
                html += item("gate", "\(decision.measure)\(value): \(decision.retrieve ? "retrieve" : "enough")", time)
            case .modelCalled(let record):
                purposes[record.id] = record.purpose
                started[record.id] = event.time
            case .modelReturned(let id, let response):
                let message = response.completions.first?.message
                let tokens = "\(response.usage.promptTokens) + \(response.usage.completionTokens) tokens"
                let span = String(format: "%.3f s", event.time - (started[id] ?? event.time))
                html += item(
                    "model", "\(purposes[id] ?? "?") (\(tokens), \(span))", time,
                    open: message.map {
                        [$0.reasoning, $0.content].filter { !$0.isEmpty }.joined(separator: "\n\n")
                    })
            case .modelFailed(_, let error): html += item("error", "\(error)", time)
            case .proposed(let proposal):
                candidates = proposal.candidates
                for note in proposal.notes { html += item("note", "\(note.kind) \(note.key): \(note.text)", time) }
            case .chose(let choice):
                guard candidates.indices.contains(choice.index) else { continue }
                let chosen = candidates[choice.index]
                let chance = choice.logProbability < 0 ? String(format: " (p = %.3f)", exp(choice.logProbability)) : ""
                html += item("choice", "\(chosen.proposer)\(chance): \(chosen.reason)", time)
            case .toolCalled(let record):
                calls[record.id] = record
                started[record.id] = event.time
            case .toolReturned(let id, let output):
                guard let record = calls[id] else { continue }
                // Handles in the arguments show where a result set flowed to.
                var arguments = record.invocation.arguments.htmlEscaped
                for handle in Self.handles(in: record.invocation.arguments) {
                    arguments = arguments.replacingOccurrences(
                        of: handle, with: "<a href=\"#set-\(handle)\">\(handle)</a>")
                }
                let span = String(format: "%.3f s", event.time - (started[id] ?? event.time))
                html += "<li class=\"tool\(output.isError ? " error" : "")\" id=\"set-\(Self.anchor(record.handle))\">"
                html +=
                    "<b>\(record.invocation.tool.htmlEscaped)</b> <code>\(arguments)</code> → \(output.summary.htmlEscaped) (\(span)) \(time)"
                if !output.passages.isEmpty {
                    html += "<details><summary>\(output.passages.count) passages</summary><ol>"
                    for scored in output.passages {
                        html += "<li>[\(scored.passage.id.htmlEscaped)] \(scored.passage.title.htmlEscaped) "
                        html += "<small>\(SessionNarrator.number(scored.score))</small></li>"
                    }
                    html += "</ol></details>"
                }
                html += "</li>"
            case .kept(let keeping):
                let ids = keeping.kept.map(\.passageID).joined(separator: ", ")
                html += item("kept", ids.isEmpty ? "nothing" : ids, time)
                for (id, reason) in keeping.suspicious.sorted(by: { $0.key < $1.key }) {
                    html += item("error", "\(id) kept out: \(reason)", time)
                }
            case .corrected(_, let message): html += item("error", "corrected: \(message)", time)
            case .interrupted: html += item("note", "a person asked to finish", time)
            case .closing(let reason):
                if isOpen { html += "</ul></li>" }
                html += "<li><h3>Closing: \(reason.name.htmlEscaped) \(time)</h3><ul>"
                isOpen = true
            case .started, .answered, .finished: break
            }
        }
        return html + (isOpen ? "</ul></li>" : "") + "</ol></section>\n"
    }

    private func item(_ kind: String, _ text: String, _ time: String, open: String? = nil) -> String {
        var html = "<li class=\"\(kind)\"><b>\(kind)</b> \(text.htmlEscaped) \(time)"
        if let open, !open.isEmpty {
            html += "<details><summary>text</summary><pre>\(open.htmlEscaped)</pre></details>"
        }
        return html + "</li>"
    }

    private func evidence(_ state: AgentState) -> String {
        var html = "<section><h2>Evidence</h2>"
        var shown: Set<String> = []
        for item in state.evidence.ranking {
            shown.insert(item.passageID)
            html += passage(
                item.passageID, item.title, item.text,
                note: "score \(SessionNarrator.number(item.score)), from \(item.handle)")
        }
        // A citation of a passage that was retrieved and not kept still has a place to point to.
        for citation in state.answer?.citations ?? [] where shown.insert(citation.passageID).inserted {
            if let found = state.retrieved[citation.passageID]?.passage {
                html += passage(found.id, found.title, found.text, note: "retrieved, not kept")
            }
        }
        return html + "</section>\n"
    }

    private func passage(_ id: String, _ title: String, _ text: String, note: String) -> String {
        "<article id=\"p-\(Self.anchor(id))\"><h3>[\(id.htmlEscaped)] \(title.htmlEscaped) <small>\(note.htmlEscaped)</small></h3>"
            + "<p>\(text.htmlEscaped)</p></article>"
    }

    private func accounts() -> String {
        struct Row {
            var spent = Spending()
            var seconds = 0.0
        }
        // The loop's own accounts, so that a call which reported nothing costs here what it was charged.
        var loop = AgentLoop(header: trajectory.final.header)
        var rows: [Int: Row] = [:]
        var last = 0.0
        for event in events {
            let before = loop.state.spent
            loop.receive(event)
            let after = loop.state.spent
            var row = rows[loop.state.step] ?? Row()
            row.spent.toolCalls += after.toolCalls - before.toolCalls
            row.spent.promptTokens += after.promptTokens - before.promptTokens
            row.spent.completionTokens += after.completionTokens - before.completionTokens
            row.spent.money += after.money - before.money
            row.seconds += max(0, event.time - last)
            rows[loop.state.step] = row
            last = event.time
        }
        let isPriced = trajectory.final.header.prices != ModelPrice()
        func line(_ name: String, _ spent: Spending, _ seconds: Double, _ cell: String) -> String {
            var cells = [name, "\(spent.toolCalls)", "\(spent.promptTokens)", "\(spent.completionTokens)"]
            if isPriced { cells.append(SessionNarrator.number(spent.money)) }
            cells.append(String(format: "%.3f", seconds))
            return "<tr>" + cells.map { "<\(cell)>" + $0 }.joined() + "</tr>"
        }
        var html = "<section><h2>Accounts</h2><table><tr><th>step<th>tool calls<th>prompt tokens<th>completion tokens"
        html += isPriced ? "<th>cost<th>seconds</tr>" : "<th>seconds</tr>"
        for (step, row) in rows.sorted(by: { $0.key < $1.key }) {
            html += line("\(step)", row.spent, row.seconds, "td")
        }
        let spent = trajectory.final.spent
        return html + line("all", spent, spent.seconds, "th") + "</table></section>\n"
    }

    private static func handles(in text: String) -> [String] {
        var found: [String] = []
        for word in text.split(whereSeparator: { !$0.isASCII || !($0.isLetter || $0.isNumber) }) {
            let handle = String(word)
            if handle.first == "r", handle.count > 1, handle.dropFirst().allSatisfy(\.isNumber), !found.contains(handle)
            {
                found.append(handle)
            }
        }
        return found.sorted { $0.count > $1.count }
    }

    /// An id as the name of an anchor: letters, digits and hyphens stay, all else is written in hexadecimal.
    static func anchor(_ id: String) -> String {
        id.utf8.map { byte in
            let isPlain = (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
            return isPlain ? String(UnicodeScalar(byte)) : "_" + String(byte, radix: 16)
        }.joined()
    }

    private static let style = """
        body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}
        h1{font-size:1.4rem}h2{font-size:1.15rem;border-bottom:1px solid #ddd}h3{font-size:1rem;margin:.6rem 0 .2rem}
        .meta,time,small{color:#666;font-size:.85rem;font-weight:normal}.answer{background:#f4f8ff;padding:.5rem 1rem;border-radius:.5rem}
        ol.line{list-style:none;padding-left:0;border-left:3px solid #ccd;padding-left:1rem}ol.line ul{padding-left:1rem}
        li.error{color:#a20}code,pre{background:#f4f4f4;padding:.1rem .3rem;white-space:pre-wrap;overflow-wrap:anywhere}
        article{border:1px solid #e4e4e4;border-radius:.4rem;padding:.2rem .8rem;margin:.5rem 0}article:target{border-color:#06c}
        table{border-collapse:collapse}td,th{padding:.2rem .8rem;text-align:right;border-bottom:1px solid #eee}
        @media(prefers-color-scheme:dark){body{background:#181818;color:#ddd}.answer{background:#1c2430}code,pre{background:#262626}}
        """
}
