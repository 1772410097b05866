// SPDX-License-Identifier: Apache-2.0

extension WordPieceTokenizer {
    /// The word being collected: its normalised bytes, and for each byte where its source character starts and ends.
    private struct Word {
        var utf8: [UInt8] = []
        var starts: [Int] = []
        var ends: [Int] = []
        var characters = 0

        mutating func append(_ bytes: some Collection<UInt8>, source: Range<Int>) {
            for byte in bytes {
                utf8.append(byte)
                starts.append(source.lowerBound)
                ends.append(source.upperBound)
            }
            characters += 1
        }

        mutating func removeAll() {
            utf8.removeAll(keepingCapacity: true)
            starts.removeAll(keepingCapacity: true)
            ends.removeAll(keepingCapacity: true)
            characters = 0
        }
    }

    /// Appends the pieces of `text`, `limit` at most.
    func appendPieces(of text: String, limit: Int, type: Int32, to encoding: inout Encoding) {
        let end = limit == .max ? Int.max : encoding.count + limit
        guard encoding.count < end else { return }
        var text = text
        text.withUTF8 { bytes in
            var word = Word()
            var expansions: [UInt32: [BERTNormalizer.Output]] = [:]
            func flush() {
                if !word.utf8.isEmpty { appendPieces(of: word, type: type, to: &encoding) }
                word.removeAll()
            }
            var index = 0
            while index < bytes.count, encoding.count < end {
                if let special = special(in: bytes, at: index) {
                    flush()
                    encoding.append(special.id, offsets: index..<(index + special.length), type: type)
                    index += special.length
                    continue
                }
                let (value, length) = decodeScalar(bytes, at: index)
                let source = index..<(index + length)
                index += length
                guard let value, let scalar = Unicode.Scalar(value) else { continue }
                let outputs: [BERTNormalizer.Output]
                if let known = expansions[value] {
                    outputs = known
                } else {
                    outputs = normalizer.expand(scalar)
                    expansions[value] = outputs
                }
                for output in outputs {
                    switch output.role {
                    case .word:
                        word.append(output.utf8, source: source)
                    case .space:
                        flush()
                    case .single:
                        flush()
                        word.append(output.utf8, source: source)
                        flush()
                    }
                }
            }
            flush()
        }
        if encoding.count > end {
            encoding.ids.removeLast(encoding.count - end)
            encoding.offsets.removeLast(encoding.offsets.count - end)
            encoding.typeIDs.removeLast(encoding.typeIDs.count - end)
        }
    }

    /// The special piece that stands at `index` as it is.
    private func special(in bytes: UnsafeBufferPointer<UInt8>, at index: Int) -> (id: Int32, length: Int)? {
        for special in specials where special.utf8[0] == bytes[index] {
            if index + special.utf8.count <= bytes.count,
                bytes[index..<(index + special.utf8.count)].elementsEqual(special.utf8)
            {
                return (special.id, special.utf8.count)
            }
        }
        return nil
    }

    /// Cuts a word into the longest pieces from the left; a word that cannot be cut whole is unknown.
    private func appendPieces(of word: Word, type: Int32, to encoding: inout Encoding) {
        let whole = (word.starts[0])..<(word.ends[word.ends.count - 1])
        if word.characters > options.longestWord {
            encoding.append(unknownID, offsets: whole, type: type)
            return
        }
        let before = encoding.count
        let isKnown = word.utf8.withUnsafeBufferPointer { bytes -> Bool in
            var start = 0
            while start < bytes.count {
                var hash = start == 0 ? WordPieceVocabulary.initialHash : WordPieceVocabulary.continuationHash
                var best: (id: Int32, end: Int)?
                // Prefixes grow while their hash does; the last that is found is the longest.
                for end in start..<min(bytes.count, start + vocabulary.longest) {
                    hash = WordPieceVocabulary.step(hash, bytes[end])
                    if end + 1 < bytes.count, bytes[end + 1] & 0xC0 == 0x80 { continue }
                    if let id = vocabulary.find(bytes[start...end], continuing: start > 0, hash: hash) {
                        best = (id, end + 1)
                    }
                }
                guard let best else { return false }
                encoding.append(best.id, offsets: word.starts[start]..<word.ends[best.end - 1], type: type)
                start = best.end
            }
            return true
        }
        if !isKnown {
            encoding.ids.removeLast(encoding.ids.count - before)
            encoding.offsets.removeLast(encoding.offsets.count - before)
            encoding.typeIDs.removeLast(encoding.typeIDs.count - before)
            encoding.append(unknownID, offsets: whole, type: type)
        }
    }
}
