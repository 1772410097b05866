// SPDX-License-Identifier: Apache-2.0

import Base
import Encoders
import Foundation
import Net
import Testing
import Text

@testable import LanguageModels

/// Models of the hub, against a server that answers as the hub does: redirects, checksums, cuts, refusals.
struct HubPullTests {
    private let root = NSTemporaryDirectory() + "forage-hub-\(UUID().uuidString)"
    private let model = TinyModel().writer().encoded()

    private var digest: String {
        var hash = SHA256()
        model.withUnsafeBytes { hash.update($0) }
        return hash.finalizeHex()
    }

    private typealias Reply = [FakeChatServer.Step]

    private func head(_ status: String, _ headers: [String]) -> Reply {
        let lines = (["HTTP/1.1 \(status)"] + headers + ["Connection: close", "", ""]).joined(separator: "\r\n")
        return [.send(lines)]
    }

    /// The hub names checksum and size and sends to where the file lies.
    private func located(digest: String? = nil, to place: String = "/store/blob") -> [Reply] {
        [
            head(
                "302 Found",
                [
                    "X-Linked-ETag: \"\(digest ?? self.digest)\"", "X-Linked-Size: \(model.count)",
                    "Location: \(place)", "Content-Length: 0",
                ]),
            head("200 OK", ["Content-Length: \(model.count)"]),
        ]
    }

    private func file(_ bytes: ArraySlice<UInt8>, status: String = "200 OK", announced: Int? = nil) -> Reply {
        head(status, ["Content-Length: \(announced ?? bytes.count)"]) + [.sendBytes(Array(bytes))]
    }

    private func pull(_ replies: [Reply], _ name: String = "hf:someone/tiny/tiny-q8.gguf") async throws -> [String] {
        let server = try FakeChatServer(replies)
        defer { server.stop() }
        let pull = LanguageModelPull(store: ModelStore(root: root), hub: "http://127.0.0.1:\(server.port)")
        _ = try await pull.pull(name)
        return server.requests
    }

    /// What lies in the store, hidden files too.
    private func stored() -> [String] {
        (FileManager.default.enumerator(atPath: root)?.compactMap { $0 as? String } ?? []).sorted()
    }

    private func cleanUp() { try? FileManager.default.removeItem(atPath: root) }

    @Test func aFileIsFoundThroughRedirectsAndChecked() async throws {
        defer { cleanUp() }
        let requests = try await pull(located() + [file(model[...])])
        #expect(requests.count == 3)
        #expect(requests[0].hasPrefix("HEAD /someone/tiny/resolve/main/tiny-q8.gguf "))
        #expect(requests[1].hasPrefix("HEAD /store/blob "))
        #expect(requests[2].hasPrefix("GET /store/blob "))
        #expect(stored() == ["tiny-q8", "tiny-q8/tiny-q8.gguf"])
        _ = try LocalModel(path: root + "/tiny-q8")
        // What is there is not fetched again.
        #expect(try await pull([]).isEmpty)
    }

    /// A name that people use is looked up among the repository's files, and is found in the store by the same name.
    @Test func aNameOfAFamilyIsLookedUp() async throws {
        defer { cleanUp() }
        let list =
            #"{"siblings": [{"rfilename": "README.md"}, {"rfilename": "a-q8_0.gguf"}, {"rfilename": "a-q4_k_m.gguf"}]}"#
        let requests = try await pull([file(Array(list.utf8)[...])] + located() + [file(model[...])], "qwen2.5:1.5b")
        #expect(requests[0].hasPrefix("GET /api/models/Qwen/Qwen2.5-1.5B-Instruct-GGUF "))
        #expect(requests[1].hasPrefix("HEAD /Qwen/Qwen2.5-1.5B-Instruct-GGUF/resolve/main/a-q4_k_m.gguf "))
        #expect(stored() == ["qwen2.5-1.5b", "qwen2.5-1.5b/a-q4_k_m.gguf"])
        #expect(ModelStore(root: root).resolve(ModelNames.stored("qwen2.5:1.5b")) != nil)
        #expect(try await pull([], "qwen2.5:1.5b").isEmpty)
    }

    @Test func aCutDownloadGoesOnWhereItWas() async throws {
        defer { cleanUp() }
        let half = model.count / 2
        await #expect(throws: (any Error).self) {
            _ = try await pull(located() + [file(model[..<half], announced: model.count)])
        }
        #expect(stored() == [".part-tiny-q8.gguf"])
        // A server that sends the whole file again instead of the rest must not spoil what is there.
        await #expect(throws: (any Error).self) { _ = try await pull(located() + [file(model[...])]) }
        #expect(
            FileManager.default.contents(atPath: root + "/.part-tiny-q8.gguf").map(Array.init) == Array(model[..<half]))
        let requests = try await pull(located() + [file(model[half...], status: "206 Partial Content")])
        #expect(requests[2].lowercased().contains("range: bytes=\(half)-"))
        #expect(FileManager.default.contents(atPath: root + "/tiny-q8/tiny-q8.gguf").map(Array.init) == model)
    }

    @Test func aWrongChecksumLeavesNothing() async throws {
        defer { cleanUp() }
        let wrong = String(repeating: "0", count: 64)
        await #expect(throws: ModelPullError.self) {
            _ = try await pull(located(digest: wrong) + [file(model[...])])
        }
        #expect(stored() == [])
    }

    @Test func aFileThatIsNoModelLeavesNothing() async throws {
        defer { cleanUp() }
        var hash = SHA256()
        let text = Array(String(repeating: "no model ", count: 50).utf8)
        text.withUnsafeBytes { hash.update($0) }
        let replies = [
            head("200 OK", ["X-Linked-ETag: \"\(hash.finalizeHex())\"", "Content-Length: \(text.count)"]),
            file(text[...]),
        ]
        await #expect(throws: GGUFError.self) { _ = try await pull(replies) }
        #expect(stored() == [])
    }

    @Test func refusalsAreErrorsThatSayWhy() async throws {
        defer { cleanUp() }
        func expect(_ replies: [Reply], _ what: String) async throws {
            let error = try #require(
                await #expect(throws: LanguageModelError.self) { _ = try await pull(replies) })
            #expect("\(error)".contains(what), "\(error)")
        }
        try await expect([head("404 Not Found", ["Content-Length: 0"])], "404")
        try await expect([head("200 OK", ["Content-Length: 10"])], "no checksum")
        try await expect(located(to: "http://elsewhere.example/blob"), "not HTTPS")
        let round = head("302 Found", ["Location: /again", "Content-Length: 0"])
        try await expect(Array(repeating: round, count: 6), "without end")
        #expect(stored() == [])
    }

    @Test(arguments: [
        "hf:tiny.gguf", "hf:someone/tiny/model.bin", "hf:someone/tiny/../../x.gguf",
        "hf:someone/tiny/.hidden.gguf", "hf:someone/ti ny/x.gguf", "hf:someone/tiny/x.gguf?a=b.gguf",
    ]) func addressesOfAnotherFormAreRefused(address: String) async throws {
        await #expect(throws: LanguageModelError.self) { _ = try await pull([], address) }
        #expect(stored() == [])
    }
}
