// SPDX-License-Identifier: Apache-2.0
// From a folder of documents to passages, with the library alone: what `forage index` and `forage ask` do.

import Forage
import Foundation

@main struct AskACorpus {
    static func main() async throws {
        let arguments = CommandLine.arguments
        guard arguments.count == 4 else { return print("usage: ask-a-corpus SOURCE CORPUS.forage QUESTION") }
        let writer = try CorpusWriter.open(creatingAt: arguments[2])
        try writer.ingest([arguments[1]])
        let generation = try writer.beginGeneration()
        try await IndexBuilder(encoder: nil, encoderName: "none").build(generation)
        try generation.publish()
        let agent = try await AgentConfiguration(corpus: arguments[2], policy: "hops").open()
        let answer = try await agent.session(arguments[3]).run()
        print(answer.text, answer.citations.map(\.passageID))
    }
}
