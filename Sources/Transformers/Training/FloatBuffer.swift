// SPDX-License-Identifier: Apache-2.0

/// Memory for single-precision numbers that lives as long as its owner, uninitialised at first.
///
/// `@unchecked Sendable`: one pass on one thread owns it.
final class FloatBuffer: @unchecked Sendable {
    let pointer: UnsafeMutablePointer<Float>
    let count: Int

    init(_ count: Int) {
        self.count = count
        pointer = .allocate(capacity: max(1, count))
    }

    /// Memory that holds zeros.
    convenience init(zeros count: Int) {
        self.init(count)
        pointer.initialize(repeating: 0, count: count)
    }

    deinit { pointer.deallocate() }
}
