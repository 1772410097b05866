// SPDX-License-Identifier: Apache-2.0

import Agent
import ArgumentParser
import Assembly
import LanguageModels
import Learning

/// The teachers that `forage train encoder` and `forage train reranker` name.
extension RankingTeacher {
    static let forms =
        "gold; grades; reader; the file of a reader or a reranker; likelihood; likelihood:MODEL; attribution; "
        + "attribution:MODEL; question:MODEL; utility:MODEL"
    static let explained =
        "reader is the standard reader's relevance, a file that of another reader or reranker; likelihood is that of the "
        + "answers under the standard reader, or under a model; attribution is what a passage adds to it among the others; question is the "
        + "likelihood of the question after the passage; utility is whether a model finds that the passage helps."
    /// The losses that need one.
    static let losses = RankingLoss.all.filter(\.needsTeacher).map(\.name).joined(separator: ", ")

    /// The teacher of a name.
    ///
    /// - Parameter folder: The encoder that readers and rerankers were tuned from.
    /// - Throws: `ValidationError` where it is not at hand, and what opening it throws.
    static func named(_ name: String, encoder folder: String) throws -> RankingTeacher {
        let parts = name.split(separator: ":", maxSplits: 1).map(String.init)
        func model() throws -> any LanguageModel {
            guard parts.count == 2, let model = try ModelOpening.open(parts[1]) else {
                throw ValidationError("--teacher \(name): expected \(parts.first ?? name):MODEL")
            }
            return model
        }
        func reader() throws -> SpanReader {
            guard let path = PolicyFile.locate(SpanReader.standardName) else {
                throw ValidationError("there is no \(SpanReader.standardName) beside the policies")
            }
            return try SpanReader(weights: path, model: folder)
        }
        func refused() -> ValidationError { ValidationError("--teacher \(name): the model gives no probabilities") }
        switch parts.first {
        case "gold" where parts.count == 1: return .gold
        case "reader" where parts.count == 1: return .reranker(ReaderReranker(try reader()))
        case "grades" where parts.count == 1: return .grades
        case "likelihood", "attribution":
            guard
                let likelihood = parts.count == 1
                    ? try reader().likelihoodReader : RewardReader(try model()).likelihood
            else { throw refused() }
            return parts[0] == "likelihood" ? .likelihood(likelihood) : .attribution(likelihood)
        case "utility", "question":
            guard let scoring = try model() as? any ContinuationScoring else { throw refused() }
            return parts[0] == "utility" ? .utility(scoring) : .question(scoring)
        default: return .reranker(try RerankerOpening.teacher(name, model: folder))
        }
    }
}

/// A folder with a data set as a command line names it, with the most questions that it gives to an epoch behind its last
/// colon.
struct DataEntry {
    var path: String
    var most: Int?

    init(_ entry: String) {
        guard let colon = entry.lastIndex(of: ":"), let most = Int(entry[entry.index(after: colon)...]), most > 0
        else {
            (path, self.most) = (entry, nil)
            return
        }
        (path, self.most) = (String(entry[..<colon]), most)
    }
}
