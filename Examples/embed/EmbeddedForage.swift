// SPDX-License-Identifier: Apache-2.0
// Forage inside another hummingbird application: its routes, guarded as in `forage serve`, beside one of one's own.

import Forage
import Hummingbird
import Serving

@main struct EmbeddedForage {
    static func main() async throws {
        guard let path = CommandLine.arguments.dropFirst().first else { return print("usage: embed CORPUS.forage") }
        let service = try await ServiceConfiguration(corpora: [path], policies: ["hops"]).open()
        let router = Router()
        router.get("hello") { _, _ in "The application's own route; GET /tools and POST /retrieve are Forage's." }
        ForageServer(service).addRoutes(to: router)
        let address = ApplicationConfiguration(address: .hostname("127.0.0.1", port: 8080))
        try await Application(router: router, configuration: address).runService()
    }
}
