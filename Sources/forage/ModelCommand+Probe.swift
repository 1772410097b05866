// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Base
import Foundation
import LanguageModels
import Net
import Text

extension ModelCommand {
    /// `forage model probe`: what a model server can and cannot do.
    struct Probe: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Find out what a model server can and cannot do.",
            discussion: """
                Sends about ten small requests to an OpenAI-compatible server: does it stream, call tools, heed a JSON Schema, give \
                log-probabilities; and what of the protocol does it refuse? The key is taken from OPENAI_API_KEY, \
                and goes to the server of OPENAI_BASE_URL alone where that is set.
                """)

        @Argument(help: "The server: http://host:port/v1, with #MODEL for a model other than its first.")
        var url: String
        @Flag(name: [.short, .long], help: "Print JSON lines.")
        var json = false

        func run() async throws {
            let parts = url.split(separator: "#", maxSplits: 1).map(String.init)
            guard let base = parts.first else { throw ValidationError("the URL is empty") }
            let environment = ProcessInfo.processInfo.environment
            let configuration = OpenAICompatibleModel.Configuration(
                baseURL: base, model: parts.count > 1 ? parts[1] : environment["OPENAI_MODEL"] ?? "",
                apiKey: EndpointKey.find(for: base, environment), retries: 1)
            do {
                let departures = try await ModelProbe(configuration).run { finding in
                    if json {
                        let record: JSONValue = [
                            "ability": .string(finding.ability), "can": finding.can.map { .bool($0) } ?? .null,
                            "detail": .string(finding.detail),
                        ]
                        SessionRunner.write(record.serialized())
                    } else {
                        SessionRunner.write("\(finding.ability)\t\(finding.mark)\t\(finding.detail)")
                    }
                }
                for departure in departures {
                    if json {
                        SessionRunner.write((["departure": .string(departure)] as JSONValue).serialized())
                    } else {
                        SessionRunner.write("departs from the protocol\tyes\tit \(departure)")
                    }
                }
            } catch let error as LanguageModelError {
                note("\(error). \(error.advice)")
                throw ExitCode(SessionRunner.silentModelStatus)
            }
        }
    }
}
