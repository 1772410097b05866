// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import LanguageModels
import OrderedCollections
import Testing
import Text

@testable import Tools

@Suite struct ExternalToolTests {
    private func run(
        _ command: [String], _ arguments: JSONValue = [:], environment: [String] = [], limits: ToolLimits = ToolLimits()
    ) async throws -> ToolOutput {
        let tool = ProgramTool(
            specification: ToolSpecification(name: "program", description: "d", parameters: ["type": "object"]),
            options: ProgramToolOptions(command: command, environment: environment))
        return try await ToolRegistry([tool]).run(
            "program", arguments, in: ToolContext(corpus: makeCorpus(), limits: limits))
    }

    @Test func programsGetArgumentsWithoutAShell() async throws {
        let echo = try await run(["/bin/echo", "{text}", "fixed"], ["text": "a b; rm -rf $HOME `id` \"x\""])
        #expect(echo.text == "a b; rm -rf $HOME `id` \"x\" fixed\n")
        let input = try await run(["/bin/cat"], ["a": [1, nil]])
        #expect(input.text == "{\"a\":[1,null]}\n")
    }

    @Test func programsInheritNothing() async throws {
        setenv("FORAGE_TEST_SECRET", "planted", 1)
        let variables = try await run(["/usr/bin/env"])
        #expect(!variables.text.contains("planted"))
        #expect(variables.text.split(separator: "\n").count == 2)
        #expect(try await run(["/usr/bin/env"], environment: ["FORAGE_TEST_SECRET"]).text.contains("planted"))
        let descriptors = try await run(["/bin/ls", "/proc/self/fd"])
        #expect(descriptors.text.split(separator: "\n").count <= 4, "\(descriptors.text)")
    }

    @Test func programsAreBounded() async throws {
        let slow = try await run(["/bin/sleep", "30"], limits: ToolLimits(seconds: 0.2))
        #expect(slow.isError && slow.text.contains("longer than 0.2 s"))
        let loud = try await run(["/usr/bin/yes"], limits: ToolLimits(externalBytes: 10_000))
        #expect(loud.isError && loud.text.contains("more than 10000 bytes"))
        let failed = try await run(["/bin/ls", "/no/such/place"])
        #expect(failed.isError && failed.text.contains("ended with code 2"))
        #expect(try await run(["/no/such/program"]).isError)
        // It closes its output and sleeps on: the deadline still holds.
        let silent = try await run(["/bin/sh", "-c", "exec >&- 2>&-; sleep 30"], limits: ToolLimits(seconds: 0.3))
        #expect(silent.isError)
    }

    @Test func cancellingEndsTheProgram() async throws {
        let task = Task { try await self.run(["/bin/sleep", "30"]) }
        try await Task.sleep(for: .milliseconds(50))
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }

    @Test func httpToolsStayAtTheirHosts() async throws {
        func call(_ options: HTTPToolOptions) async throws -> ToolOutput {
            let tool = HTTPTool(
                specification: ToolSpecification(name: "web", description: "d", parameters: ["type": "object"]),
                options: options)
            return try await ToolRegistry([tool]).run("web", [:], in: ToolContext(corpus: makeCorpus()))
        }
        for url in ["http://127.0.0.1:1/", "http://localhost:1/", "http://[::ffff:127.0.0.1]:1/"] {
            let output = try await call(HTTPToolOptions(url: url))
            #expect(output.isError && output.text.contains("private or local address"), "\(url): \(output.text)")
        }
        #expect(throws: ToolManifestError.self) { try HTTPToolOptions(url: "file:///etc/passwd") }
        #expect(throws: ToolManifestError.self) { try HTTPToolOptions(url: "http://user:secret@example.org/") }
        #expect(throws: ToolManifestError.self) { try HTTPToolOptions(url: "http://{host}/x") }
        #expect(throws: ToolManifestError.self) { try HTTPToolOptions(url: "https://a.example/", hosts: ["b.example"]) }
    }

    @Test func addressesAreFilledSafely() throws {
        let filled = try HTTPTool.fill("https://a.example/x/{id}?q={q}", ["id": "a/../b?c#d", "q": "ä &=", "rest": 1])
        #expect(filled.url == "https://a.example/x/a%2F..%2Fb%3Fc%23d?q=%C3%A4%20%26%3D")
        #expect(filled.rest == ["rest": 1])
        #expect(throws: ToolError.self) { try HTTPTool.fill("https://a.example/x/{id}", ["id": ".."]) }
        #expect(HTTPTool.resolve("/y?z", against: "https://a.example:8/x/w?q") == "https://a.example:8/y?z")
        #expect(HTTPTool.resolve("y", against: "https://a.example/x/w?q") == "https://a.example/x/y")
        #expect(HTTPTool.resolve("//b.example/y", against: "https://a.example/x") == "https://b.example/y")
    }

    @Test(arguments: [
        ("name: x\nruns: builtin\nparameters: {type: object}", "\"description\" and \"parameters\" are missing"),
        ("name: x\nruns: builtins\ndescription: d\nparameters: {type: object}", "expected builtin"),
        ("name: x y\nruns: builtin\ndescription: d\nparameters: {type: object}", "must match"),
        ("name: x\nrun: builtin", "\"runs\" is missing"),
        (
            "name: x\ndescription: d\nparameters: {type: object}\nruns: {program: {comand: [ls]}}",
            "did you mean command?"
        ),
        (
            "name: x\ndescription: d\nparameters: {type: object}\nruns: {program: {command: [\"{x}\"]}}",
            "cannot come from"
        ),
        ("name: x\ndescription: d\nparameters: {type: string}\nruns: builtin", "\"type\": \"object\""),
        ("name: x\nruns: {mcp: {}}", "either command"),
    ])
    func manifestsTeach(yaml: String, expected: String) {
        let error = #expect(throws: ToolManifestError.self) { try ToolManifest(yaml: yaml, source: "x.yaml") }
        #expect(error?.message.contains(expected) == true, "\(error?.message ?? "")")
        #expect(error?.message.hasPrefix("x.yaml: ") == true)
    }
}
