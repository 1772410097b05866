// SPDX-License-Identifier: Apache-2.0

import Corpus

/// A small seeded generator (SplitMix64), so that a failing case can be repeated.
struct TestGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
    mutating func chance(_ percent: Int) -> Bool { below(100) < percent }
}

/// Documents with every type of metadata, gaps and repeats, in a published corpus.
struct RandomCorpus {
    let folder: TemporaryFolder
    let reader: CorpusReader
    let documents: [Document]

    static let words = ["red", "green", "Blue", "grey", "Éclair", "zinc", "alpha beta", "beta gamma", "x"]
    /// The fields with their types, as they are declared.
    static let fields: [(name: String, type: FieldType)] = [
        ("kind", .text), ("name", .text), ("year", .number), ("score", .number), ("day", .date), ("flag", .boolean),
        ("tags", .textList), ("sizes", .numberList),
    ]

    init(seed: UInt64, count: Int) throws {
        var random = TestGenerator(seed: seed)
        var documents: [Document] = []
        for index in 0..<count {
            var metadata: [String: MetadataValue] = [:]
            if random.chance(90) { metadata["kind"] = .text(Self.words[random.below(5)]) }
            if random.chance(95) { metadata["name"] = .text("\(Self.words[random.below(9)]) \(random.below(400))") }
            if random.chance(80) { metadata["year"] = .number(Double(1990 + random.below(30))) }
            if random.chance(90) { metadata["score"] = .number(Double(random.below(1_000_000)) / 1000 - 300) }
            if random.chance(85) { metadata["day"] = .date(1_600_000_000 + Int64(random.below(90_000)) * 1800) }
            if random.chance(70) { metadata["flag"] = .boolean(random.chance(30)) }
            if random.chance(60) {
                metadata["tags"] = .list((0...random.below(4)).map { _ in .text("t\(random.below(12))") })
            }
            if random.chance(50) {
                metadata["sizes"] = .list((0...random.below(3)).map { _ in .number(Double(random.below(40)) / 2) })
            }
            documents.append(
                Document(
                    id: "d\(index)", title: Self.words[random.below(9)],
                    text: (0..<6).map { _ in Self.words[random.below(9)] }.joined(separator: " ") + ".",
                    metadata: metadata,
                    source: "s\(random.below(3))"))
        }
        folder = try TemporaryFolder()
        let writer = try CorpusWriter.open(creatingAt: folder("c.forage"))
        for field in Self.fields { try writer.declare(field: field.name, type: field.type) }
        try writer.add(documents)
        reader = try writer.publish()
        self.documents = documents
    }
}

extension MetadataValue {
    /// The value, or the elements of a list.
    var elements: [MetadataValue] {
        if case .list(let elements) = self { return elements }
        return [self]
    }

    /// A number by which values of one type are ordered; texts need `isBelow`.
    var number: Double {
        switch self {
        case .number(let number): return number
        case .integer(let number): return Double(number)
        case .date(let seconds): return Double(seconds)
        case .boolean(let flag): return flag ? 1 : 0
        case .text, .list: return .nan
        }
    }

    func isBelow(_ other: MetadataValue) -> Bool {
        if case .text(let a) = self, case .text(let b) = other { return a.utf8.lexicographicallyPrecedes(b.utf8) }
        return number < other.number
    }
}
