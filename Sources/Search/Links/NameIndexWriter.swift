// SPDX-License-Identifier: Apache-2.0

import Corpus
import Text

/// Builds a name index from a generation's passages in three passes over them, so that memory follows the names that
/// recur and not all rows of capitals: which runs may recur (a table of fixed size, with collisions), which do, and where
/// they stand.
struct NameIndexWriter {
    let reader: CorpusReader
    var isCancelled: () -> Bool = { false }

    private static let tableBits = 22

    func write(to path: String) throws {
        let words = try TitleWords()
        let keys = try recurringKeys(words)
        var starts = SparseHashes()
        var numbers: [UInt64: Int] = [:]
        numbers.reserveCapacity(keys.count)
        for (number, key) in keys.enumerated() {
            numbers[key.key] = number
            starts.insert(key.start)
        }
        var mentionOffsets: [UInt32] = [0]
        var mentions: [UInt32] = []
        var passages = [[UInt32]](repeating: [], count: keys.count)
        mentionOffsets.reserveCapacity(reader.passageCount + 1)
        try reader.mapPassages(isCancelled: isCancelled) { [numbers, starts] _, text in
            LinkIndex.mentions(in: words.words(in: text), find: { numbers[$0] }, mayStart: { starts.contains($0) })
        } _: { ordinal, found in
            for mention in found {
                mentions.append(UInt32(mention.title))
                mentions.append(UInt32(mention.span.lowerBound))
                mentions.append(UInt32(mention.span.upperBound))
                passages[mention.title].append(ordinal)
            }
            mentionOffsets.append(UInt32(mentions.count / 3))
        }
        let file = try SectionFileWriter(path: path, kind: NameIndex.kind, version: NameIndex.version)
        try file.add("name.keys", keys.map(\.key))
        try file.add("name.starts", starts.hashes.sorted())
        try file.add("mention.offsets", mentionOffsets)
        try file.add("mentions", mentions)
        try LinkIndexWriter.add(passages, "name.passages", "name.offsets", to: file)
        try file.finish()
    }

    private struct Name {
        var key: UInt64
        var start: UInt64
        var document: UInt32
    }

    /// Keys of the runs that stand in at least two documents and are no title, ascending.
    private func recurringKeys(_ words: TitleWords) throws -> [Name] {
        let titles = try titleKeys(words)
        // A slot holds the last document that had a run of its keys, and whether another had one before.
        var lastDocument = [UInt32](repeating: .max, count: 1 << Self.tableBits)
        var recurs = [Bool](repeating: false, count: 1 << Self.tableBits)
        try forEachRun(words) { name in
            let slot = Int(name.key >> UInt64(64 - Self.tableBits))
            if lastDocument[slot] == .max {
                lastDocument[slot] = name.document
            } else if lastDocument[slot] != name.document {
                recurs[slot] = true
            }
        }
        var candidates: [UInt64: (start: UInt64, document: UInt32, recurs: Bool)] = [:]
        try forEachRun(words) { name in
            guard recurs[Int(name.key >> UInt64(64 - Self.tableBits))], !titles.contains(name.key) else { return }
            if let known = candidates[name.key] {
                if !known.recurs, known.document != name.document { candidates[name.key]?.recurs = true }
            } else {
                candidates[name.key] = (name.start, name.document, false)
            }
        }
        return candidates.compactMap { key, value in
            value.recurs ? Name(key: key, start: value.start, document: value.document) : nil
        }.sorted { $0.key < $1.key }
    }

    private func titleKeys(_ words: TitleWords) throws -> Set<UInt64> {
        var keys = Set<UInt64>()
        for document in 0..<reader.documentCount {
            try checkCancelled(document)
            keys.insert(TitleWords.key(of: words.words(ofTitle: try reader.title(of: DocumentOrdinal(document)))[...]))
        }
        return keys
    }

    private func forEachRun(_ words: TitleWords, _ body: (Name) -> Void) throws {
        try reader.mapPassages(isCancelled: isCancelled) { [reader] ordinal, text in
            let found = words.words(in: text)
            let document = reader.documentOrdinal(of: ordinal)
            return words.nameRuns(of: found, in: text).map { run in
                Name(key: TitleWords.key(of: found[run]), start: found[run.lowerBound].hash, document: document)
            }
        } _: { _, names in
            for name in names { body(name) }
        }
    }

    private func checkCancelled(_ index: Int) throws {
        if index % 1024 == 0, isCancelled() { throw CorpusError(.cancelled, "indexing was cancelled") }
    }
}
