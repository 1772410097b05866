// SPDX-License-Identifier: Apache-2.0

/// A set of byte strings with ids, for finding the longest that starts at a place.
struct TokenTrie: Sendable {
    private var children: [[UInt8: Int32]] = [[:]]
    private var ends: [Int32] = [-1]

    var isEmpty: Bool { children[0].isEmpty }

    mutating func insert(_ name: [UInt8], _ id: Int32) {
        guard !name.isEmpty else { return }
        var node = 0
        for byte in name {
            if let next = children[node][byte] {
                node = Int(next)
            } else {
                let next = children.count
                children.append([:])
                ends.append(-1)
                children[node][byte] = Int32(next)
                node = next
            }
        }
        if ends[node] < 0 { ends[node] = id }
    }

    func exact(_ name: [UInt8]) -> Int32? {
        var node = 0
        for byte in name {
            guard let next = children[node][byte] else { return nil }
            node = Int(next)
        }
        return ends[node] >= 0 ? ends[node] : nil
    }

    /// The longest member that starts at `start`.
    func longest(in text: UnsafeBufferPointer<UInt8>, at start: Int) -> (id: Int32, end: Int)? {
        var node = 0
        var best: (id: Int32, end: Int)?
        var at = start
        while at < text.count, let next = children[node][text[at]] {
            node = Int(next)
            at += 1
            if ends[node] >= 0 { best = (ends[node], at) }
        }
        return best
    }
}
