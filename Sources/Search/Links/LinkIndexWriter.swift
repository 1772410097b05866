// SPDX-License-Identifier: Apache-2.0

import Corpus
import Text

/// Builds a link index from a generation's passages, in two passes: titles first, then where they are named.
struct LinkIndexWriter {
    let reader: CorpusReader
    var isCancelled: () -> Bool = { false }

    func write(to path: String) throws {
        let words = try TitleWords()
        var numbers: [UInt64: Int] = [:]
        var starts = SparseHashes()
        var documentKeys: [UInt64?] = []
        documentKeys.reserveCapacity(reader.documentCount)
        for document in 0..<reader.documentCount {
            try checkCancelled(document)
            let title = words.words(ofTitle: try reader.title(of: DocumentOrdinal(document)))
            guard let first = title.first, title.count <= TitleWords.longestTitle else {
                documentKeys.append(nil)
                continue
            }
            let key = TitleWords.key(of: title[...])
            documentKeys.append(key)
            numbers[key] = 0
            starts.insert(first.hash)
        }
        let keys = numbers.keys.sorted()
        for (number, key) in keys.enumerated() { numbers[key] = number }
        var titlePassages = [[UInt32]](repeating: [], count: keys.count)
        var passageTitles = [UInt32](repeating: .max, count: reader.passageCount)
        for (document, key) in documentKeys.enumerated() {
            guard let key, let number = numbers[key] else { continue }
            let range = try reader.passageRange(of: DocumentOrdinal(document))
            guard let first = range.first else { continue }
            titlePassages[number].append(first)
            for passage in range { passageTitles[Int(passage)] = UInt32(number) }
        }
        var mentionOffsets: [UInt32] = [0]
        var mentions: [UInt32] = []
        var mentioners = [[UInt32]](repeating: [], count: keys.count)
        try reader.mapPassages(isCancelled: isCancelled) { [numbers, starts] _, text in
            LinkIndex.mentions(in: words.words(in: text), find: { numbers[$0] }, mayStart: { starts.contains($0) })
        } _: { ordinal, found in
            for mention in found where UInt32(mention.title) != passageTitles[Int(ordinal)] {
                mentions.append(UInt32(mention.title))
                mentions.append(UInt32(mention.span.lowerBound))
                mentions.append(UInt32(mention.span.upperBound))
                mentioners[mention.title].append(ordinal)
            }
            mentionOffsets.append(UInt32(mentions.count / 3))
        }
        let file = try SectionFileWriter(path: path, kind: LinkIndex.kind, version: LinkIndex.version)
        try file.add("title.keys", keys)
        try file.add("title.starts", starts.hashes.sorted())
        try Self.add(titlePassages, "title.passages", "title.offsets", to: file)
        try file.add("passage.titles", passageTitles)
        try file.add("mention.offsets", mentionOffsets)
        try file.add("mentions", mentions)
        try Self.add(mentioners, "mentioners", "mentioner.offsets", to: file)
        try file.finish()
    }

    private func checkCancelled(_ index: Int) throws {
        if index % 1024 == 0, isCancelled() { throw CorpusError(.cancelled, "indexing was cancelled") }
    }

    static func add(_ lists: [[UInt32]], _ name: String, _ offsets: String, to file: SectionFileWriter) throws {
        try file.add(offsets, lists.reduce(into: [UInt32(0)]) { $0.append(($0.last ?? 0) + UInt32($1.count)) })
        try file.add(name, lists.flatMap { $0 })
    }
}
