// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import OrderedCollections
import Testing

/// The program itself: what stands for options that were not typed, help, and a folder that is followed.
@Suite(.serialized) struct IndexCommandTests {
    private let folder: TemporaryFolder
    private let program: String

    init() throws {
        folder = try TemporaryFolder()
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        var place = URL(fileURLWithPath: own).deletingLastPathComponent()
        while place.path != "/", !FileManager.default.isExecutableFile(atPath: place.path + "/forage") {
            place.deleteLastPathComponent()
        }
        program = place.path + "/forage"
        try #require(FileManager.default.isExecutableFile(atPath: program), "the program was not built")
        try FileManager.default.createDirectory(atPath: folder.path + "/in", withIntermediateDirectories: true)
        try write("in/lamps.txt", "The harbour has two green lamps.\n")
    }

    private func write(_ name: String, _ text: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: folder.path + "/" + name))
    }

    private func start(_ arguments: [String], _ environment: [String: String], _ output: URL, _ errors: URL) throws
        -> Process
    {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.currentDirectoryURL = URL(fileURLWithPath: folder.path)
        for file in [output, errors] { try Data().write(to: file) }
        process.standardOutput = try FileHandle(forWritingTo: output)
        process.standardError = try FileHandle(forWritingTo: errors)
        process.standardInput = FileHandle.nullDevice
        // A home of its own: neither the models nor the configuration of this user count.
        var own = ProcessInfo.processInfo.environment.filter {
            !$0.key.hasPrefix("FORAGE_") && $0.key != "XDG_CONFIG_HOME"
        }
        own["HOME"] = folder.path
        own["FORAGE_MODELS"] = folder.path + "/no-models"
        process.environment = own.merging(environment) { $1 }
        try process.run()
        return process
    }

    private func run(_ arguments: String..., environment: [String: String] = [:]) throws -> (
        status: Int32, output: String, errors: String
    ) {
        let output = URL(fileURLWithPath: folder.path + "/" + UUID().uuidString)
        let errors = URL(fileURLWithPath: folder.path + "/" + UUID().uuidString)
        let process = try start(arguments, environment, output, errors)
        process.waitUntilExit()
        return (
            process.terminationStatus, try String(contentsOf: output, encoding: .utf8),
            try String(contentsOf: errors, encoding: .utf8)
        )
    }

    @Test func theCorpusOfTheEnvironment() throws {
        #expect(try run("index", "in", "-o", "c.forage", "--encoder", "none").status == 0)
        let found = try run("search", "lamps", environment: ["FORAGE_CORPUS": "c.forage"])
        #expect(found.status == 0 && found.output.contains("green lamps"), "\(found.errors)")
        // What is typed goes before it, and without either the option is asked for.
        let typed = try run("search", "lamps", "--corpus", "none.forage", environment: ["FORAGE_CORPUS": "c.forage"])
        #expect(typed.status != 0 && typed.errors.contains("none.forage"))
        let missing = try run("search", "lamps")
        #expect(missing.status != 0 && missing.errors.contains("--corpus"))
    }

    @Test func theConfigurationOfAFolder() throws {
        #expect(try run("index", "in", "-o", "c.forage", "--encoder", "none").status == 0)
        try write(".forage.yaml", "corpus: c.forage\nsearch:\n  limit: 1\nask:\n  model: http://198.51.100.7:1#m\n")
        let found = try run("search", "lamps")
        #expect(found.status == 0 && found.output.contains("green lamps"), "\(found.errors)")
        // The environment goes before the file.
        let other = try run("search", "lamps", environment: ["FORAGE_CORPUS": "none.forage"])
        #expect(other.status != 0 && other.errors.contains("none.forage"))
        // A file that came with a folder sends nothing to another machine.
        let asked = try run("ask", "Which lamps?")
        #expect(asked.errors.contains("may not set model") && !asked.errors.contains("198.51.100.7"))
        // Nor does it say what is written over, or that links are followed.
        try write("precious.txt", "precious")
        try write(
            ".forage.yaml",
            "corpus: c.forage\nrecord: precious.txt\nsessions: precious.txt\nfollow-links: true\noutput: other.forage\n"
        )
        let told = try run("ask", "Which lamps?", "--policy", "single-shot")
        for name in ["record", "sessions"] { #expect(told.errors.contains("may not set \(name)"), "\(told.errors)") }
        #expect(try String(contentsOfFile: folder.path + "/precious.txt", encoding: .utf8) == "precious")
        #expect(
            try run("index", "in", "-o", "d.forage", "--encoder", "none").errors.contains("may not set follow-links"))
        try write(".forage.yaml", "corpus: [c.forage\n")
        let broken = try run("search", "lamps")
        #expect(broken.status == 64 && broken.errors.contains(".forage.yaml:"))
    }

    @Test func helpAndWordsThatNameNoCommand() throws {
        for arguments in [["--help"], ["index", "--help"], ["help", "search"], ["--version"]] {
            let output = URL(fileURLWithPath: folder.path + "/help-out")
            let errors = URL(fileURLWithPath: folder.path + "/help-err")
            let process = try start(arguments, [:], output, errors)
            process.waitUntilExit()
            #expect(process.terminationStatus == 0, "\(arguments)")
            #expect(try !String(contentsOf: output, encoding: .utf8).isEmpty, "\(arguments)")
            #expect(try String(contentsOf: errors, encoding: .utf8).isEmpty, "\(arguments)")
        }
        let typo = try run("serach", "lamps")
        #expect(typo.status == 64 && typo.errors.contains("did you mean \"forage search\"?"))
        // What went wrong while it ran has no usage text behind it.
        let missing = try run("index", "nowhere", "-o", "c.forage")
        #expect(missing.status == 1 && missing.errors.contains("nowhere") && !missing.errors.contains("USAGE"))
    }

    /// What is left out is named, columns that are nearly numbers are told, and options are the same everywhere.
    @Test func mannersOfTheCommands() throws {
        try write("in/.hidden", "x")
        var table = (0..<12).map { "\($0),\($0)\n" }.joined()
        table += "x,some\ny,few\nz,more\n"
        try write("in/near.csv", "name,amount\n" + table)
        let indexed = try run("index", "in", "-o", "c.forage", "--encoder", "none")
        #expect(indexed.errors.contains("left out in/.hidden: hidden"), "\(indexed.errors)")
        #expect(
            indexed.errors.contains("amount holds texts: 3 values are no number (some, few, more)"), "\(indexed.errors)"
        )
        for arguments in [
            ["filter", "-c", "c.forage", "-k", "1", "-j", "--where", "id exists"],
            ["aggregate", "-c", "c.forage", "-j", "--measure", "count"],
            ["read", "-c", "c.forage", "-j", "in/lamps.txt"],
        ] {
            let output = URL(fileURLWithPath: folder.path + "/short-out")
            let process = try start(arguments, [:], output, URL(fileURLWithPath: folder.path + "/short-err"))
            process.waitUntilExit()
            #expect(process.terminationStatus == 0, "\(arguments)")
        }
        let greatest = try run("aggregate", "-c", "c.forage", "--measure", "max:amount")
        #expect(greatest.output.contains("compared letter by letter: 3 values are no number"), "\(greatest.output)")
        #expect(try run("filter", "-c", "c.forage", "--limit", "0", "--where", "id exists").status == 64)
        #expect(try run("search", "", "-c", "c.forage").status == 64)
        let empty = try run("search", "-", "-c", "c.forage")
        #expect(empty.status == 64 && empty.errors.contains("standard input is empty"))
        let none = try run("index", "-", "-o", "new.forage")
        #expect(none.status == 1 && none.errors.contains("standard input is empty"), "\(none.errors)")
        // There is no corpus: one code.
        #expect(try run("search", "x", "-c", "no.forage").status == 64)
        #expect(try run("corpus", "info", "no.forage").status == 64)
        let unknown = try run("help", "nope")
        #expect(unknown.status == 64 && unknown.errors.contains("there is no command \"forage nope\""))
        let listed = try run("frobnicate")
        #expect(listed.errors.components(separatedBy: "aggregate").count == 2, "\(listed.errors)")
        let semantic = try run("search", "semantic", "x", "-c", "c.forage")
        #expect(semantic.errors.contains("has no vectors"))
    }

    @Test func aFolderThatIsFollowed() throws {
        let output = URL(fileURLWithPath: folder.path + "/watch-out")
        let errors = URL(fileURLWithPath: folder.path + "/watch-err")
        let process = try start(
            ["index", "in", "-o", "c.forage", "--encoder", "none", "--watch"], [:], output, errors)
        defer { if process.isRunning { process.terminate() } }
        func wait(for text: String, _ count: Int = 1) throws -> Bool {
            let end = Date().addingTimeInterval(60)
            while Date() < end {
                let said = try String(contentsOf: errors, encoding: .utf8)
                if said.components(separatedBy: text).count > count { return true }
                Thread.sleep(forTimeInterval: 0.1)
            }
            return false
        }
        #expect(try wait(for: "Following in"))
        try write("in/buoys.txt", "Seven red buoys mark the channel.\n")
        #expect(try wait(for: "2 documents"))
        #expect(try run("search", "buoys", "--corpus", "c.forage").output.contains("red buoys"))
        try FileManager.default.removeItem(atPath: folder.path + "/in/lamps.txt")
        #expect(try wait(for: "1 deleted"))
        process.interrupt()
        process.waitUntilExit()
        #expect(try run("search", "lamps", "--corpus", "c.forage").output.contains("green lamps") == false)
    }

    @Test func theSummarySaysWhatIsTrue() throws {
        try write("in/prices.csv", "item;price\nA;1.234,56\nB;0,99\nC;12,00\nD;n. v.\n")
        try write("in/rows.jsonl", "{\"id\":\"a\",\"text\":\"one\"}\n{'id':'b','text':'two'}\nnot json\n")
        try write("in/nothing.docx", "")
        let strict = try run("index", "in", "-o", "c.forage", "--encoder", "none", "--strict")
        #expect(strict.status == 1)
        #expect(strict.errors.contains("numbers with a decimal comma: price"))
        #expect(strict.errors.contains("count as missing: price (1: n. v.)"))
        #expect(strict.errors.contains("set aside in/nothing.docx: it is no document: the file is empty"))
        #expect(strict.errors.contains("set aside in/rows.jsonl:3: expected a JSON object, found not json"))
        #expect(strict.errors.contains("7 documents") && strict.errors.contains("2 set aside"))
    }
}
