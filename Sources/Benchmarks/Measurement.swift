// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import Text

/// One line of a benchmark's output.
struct Measurement {
    private var fields: [(name: String, value: String)] = []

    init(_ bench: String) { set("bench", bench) }

    mutating func set(_ name: String, _ value: String) { fields.append((name, "\"\(value)\"")) }
    mutating func set(_ name: String, _ value: Int) { fields.append((name, "\(value)")) }
    mutating func set(_ name: String, _ value: Double) { fields.append((name, String(format: "%.6g", value))) }

    /// Percentiles and rate of latencies in seconds, taken one after the other.
    mutating func set(latencies: [Double]) {
        guard !latencies.isEmpty else { return }
        let sorted = latencies.sorted()
        func percentile(_ p: Int) -> Double { sorted[min(sorted.count - 1, (sorted.count * p + 99) / 100 - 1)] * 1e3 }
        set("n", sorted.count)
        set("p50_ms", percentile(50))
        set("p95_ms", percentile(95))
        set("p99_ms", percentile(99))
        set("qps", Double(sorted.count) / sorted.reduce(0, +))
    }

    /// Resident memory now and at its highest, in MB.
    mutating func setMemory() {
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        for line in status.textLines(omittingEmpty: true) {
            let parts = line.split(whereSeparator: { $0 == ":" || $0 == "\t" || $0 == " " })
            guard parts.count > 1, let kilobytes = Double(parts[1]) else { continue }
            if parts[0] == "VmRSS" { set("rss_MB", kilobytes / 1024) }
            if parts[0] == "VmHWM" { set("peak_rss_MB", kilobytes / 1024) }
        }
    }

    func print() {
        Swift.print("{" + fields.map { "\"\($0.name)\": \($0.value)" }.joined(separator: ", ") + "}")
        fflush(nil)
    }
}

/// Seconds of processor time of this thread: what a wall clock would show on a core of one's own.
func threadSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}

/// Seconds of a clock that does not jump.
func wallSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}
