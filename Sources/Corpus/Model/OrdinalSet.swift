// SPDX-License-Identifier: Apache-2.0

/// A set of passage or document ordinals: sorted and without repeats, so that set algebra is a merge.
public struct OrdinalSet: Sendable, Hashable {
    /// The members, ascending.
    public let ordinals: [UInt32]

    /// The empty set.
    public init() { ordinals = [] }

    /// The members of any sequence. O(n log n).
    public init(_ members: some Sequence<UInt32>) {
        var sorted = Array(members)
        sorted.sort()
        var unique: [UInt32] = []
        unique.reserveCapacity(sorted.count)
        for ordinal in sorted where unique.last != ordinal { unique.append(ordinal) }
        ordinals = unique
    }

    /// Takes members that are strictly ascending already. O(1) beside the array.
    /// - Precondition: `ascending` is strictly ascending.
    public init(ascending: [UInt32]) { ordinals = ascending }

    /// The number of members.
    public var count: Int { ordinals.count }
    /// Whether it has no member.
    public var isEmpty: Bool { ordinals.isEmpty }

    /// Whether the ordinal is a member. O(log n).
    public func contains(_ ordinal: UInt32) -> Bool {
        var low = 0
        var high = ordinals.count
        while low < high {
            let middle = (low + high) / 2
            if ordinals[middle] < ordinal { low = middle + 1 } else { high = middle }
        }
        return low < ordinals.count && ordinals[low] == ordinal
    }

    /// The members of both. O(n + m).
    public func intersection(_ other: OrdinalSet) -> OrdinalSet {
        merge(other, left: false, both: true, right: false)
    }

    /// The members of either. O(n + m).
    public func union(_ other: OrdinalSet) -> OrdinalSet {
        merge(other, left: true, both: true, right: true)
    }

    /// The members that the other set lacks. O(n + m).
    public func subtracting(_ other: OrdinalSet) -> OrdinalSet {
        merge(other, left: true, both: false, right: false)
    }

    private func merge(_ other: OrdinalSet, left: Bool, both: Bool, right: Bool) -> OrdinalSet {
        var result: [UInt32] = []
        result.reserveCapacity(left ? ordinals.count + (right ? other.count : 0) : Swift.min(count, other.count))
        var i = 0
        var j = 0
        while i < ordinals.count, j < other.ordinals.count {
            let a = ordinals[i]
            let b = other.ordinals[j]
            if a == b {
                if both { result.append(a) }
                i += 1
                j += 1
            } else if a < b {
                if left { result.append(a) }
                i += 1
            } else {
                if right { result.append(b) }
                j += 1
            }
        }
        if left { result.append(contentsOf: ordinals[i...]) }
        if right { result.append(contentsOf: other.ordinals[j...]) }
        return OrdinalSet(ascending: result)
    }
}
