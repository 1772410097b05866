// SPDX-License-Identifier: Apache-2.0

import Agent
import ArgumentParser
import Base
import Encoders
import Foundation
import LanguageModels
import Learning
import Net
import OrderedCollections
import Text

/// `forage train export`: sessions and rollouts as token-exact trajectories.
struct TrainExportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Export sessions and rollouts as tokens with masks, for large trainers.",
        discussion: """
            Rollouts are made by `forage eval run SUITE --traces`: a suite with several seeds and a policy that samples \
            (policy: {random: {temperature: 1}}) gives a group for each question, with the scores as rewards. Each line of \
            the output holds a session: its messages with their token ids, a mask (1 for what the model wrote, 0 for prompts, \
            tool text and the template's frame), and rewards. The ids of the nodes from the root to a leaf are what the \
            model saw.
            """)

    @Argument(help: "Sessions: ids of the session store, or files of events (.jsonl).")
    var sessions: [String] = []

    @Option(help: "The folder of an evaluation run with traces: all of its sessions, with their scores as rewards.")
    var run: String?

    @Option(help: "The model whose template and tokenizer are used: a name in the model folder, or a path.")
    var model = "smollm2"

    @OptionGroup var store: SessionsCommand.StoreOptions

    @Option(name: .shortAndLong, help: "The file to write; default: standard output.")
    var output: String?

    func validate() throws {
        guard !sessions.isEmpty || run != nil else { throw ValidationError("give sessions, or --run with a folder") }
    }

    func run() async throws {
        guard let path = ModelStore().resolve(model) ?? (FileManager.default.fileExists(atPath: model) ? model : nil)
        else { throw ValidationError("--model \(model): there is no such model; see `forage model list`") }
        let local = try LocalModel(path: path, name: (model as NSString).lastPathComponent)
        var lines = ""
        var tokens = 0
        var learned = 0
        var count = 0
        func add(_ events: [SessionEvent], _ rewards: OrderedDictionary<String, Double>, from name: String) throws {
            do {
                var trajectory = try TokenTrajectory(events: events, model: local)
                trajectory.rewards = rewards
                lines += trajectory.json.serialized() + "\n"
                tokens += trajectory.nodes.reduce(0) { $0 + $1.tokenIDs.count }
                learned += trajectory.nodes.reduce(0) { $0 + $1.mask.reduce(0, +) }
                count += 1
            } catch let error as TrajectoryError {
                throw ValidationError("\(name): \(error)")
            }
        }
        for session in sessions {
            try add(try await TraceCommand.Source.events(of: session, in: store), [:], from: session)
        }
        if let run {
            let scores = try Self.scores(run + "/records.jsonl")
            let folder = run + "/traces"
            guard let files = try? FileManager.default.contentsOfDirectory(atPath: folder).sorted() else {
                throw ValidationError("\(folder): there are no traces; run `forage eval run` with --traces")
            }
            for file in files where file.hasSuffix(".jsonl") {
                let events = try await TraceCommand.Source.events(of: folder + "/" + file, in: store)
                try add(events, scores[String(file.dropLast(6))] ?? [:], from: file)
            }
        }
        if let output {
            try Data(lines.utf8).write(to: URL(fileURLWithPath: output), options: .atomic)
        } else {
            FileHandle.standardOutput.write(Data(lines.utf8))
        }
        FileHandle.standardError.write(
            Data("\(count) sessions, \(tokens) tokens, \(learned) of them written by the model\n".utf8))
    }

    /// The scores of a run's records, by the names of their traces.
    private static func scores(_ path: String) throws -> [String: OrderedDictionary<String, Double>] {
        let text = try String(contentsOfFile: path, encoding: .utf8)
        var found: [String: OrderedDictionary<String, Double>] = [:]
        for line in text.split(separator: "\n") {
            guard let json = try? JSONValue(parsing: String(line)), let key = json["key"],
                case .object(let scores)? = json["scores"]
            else { continue }
            let parts = [
                key["policy"]?.string ?? "", key["model"]?.string ?? "", String(key["seed"]?.int ?? 0),
                key["question"]?.string ?? "",
            ]
            let name = String(
                parts.joined(separator: "-").map { $0.isLetter || $0.isNumber || "-_.".contains($0) ? $0 : "_" })
            var own: OrderedDictionary<String, Double> = [:]
            for (measure, value) in scores where ["f1", "em", "recall@5"].contains(measure) {
                own[measure] = value.double
            }
            found[name] = own
        }
        return found
    }
}
