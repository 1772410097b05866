// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Counts what the server does, in Prometheus's text form. No label holds text of a user.
public final class ServerMetrics: Sendable {
    private struct State {
        var requests: [Key: Int] = [:]
        var durations: [String: Histogram] = [:]
        var counters: [String: Int] = [:]
    }

    private struct Key: Hashable {
        var route: String
        var status: Int
    }

    private struct Histogram {
        var buckets = [Int](repeating: 0, count: bounds.count)
        var count = 0
        var sum = 0.0
    }

    /// The upper bounds of the durations' buckets, in seconds.
    private static let bounds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

    private let state = Mutex(State())
    private let running = Atomic<Int>(0)

    public init() {}

    /// Begins a request.
    func begin() { running.add(1, ordering: .relaxed) }

    /// Ends a request.
    func end(route: String, status: Int, seconds: Double) {
        running.subtract(1, ordering: .relaxed)
        state.withLock { state in
            state.requests[Key(route: route, status: status), default: 0] += 1
            var histogram = state.durations[route] ?? Histogram()
            histogram.count += 1
            histogram.sum += seconds
            for (index, bound) in Self.bounds.enumerated() where seconds <= bound { histogram.buckets[index] += 1 }
            state.durations[route] = histogram
        }
    }

    /// Adds to a counter, such as `forage_queries_total`.
    func count(_ name: String, _ amount: Int = 1) {
        state.withLock { $0.counters[name, default: 0] += amount }
    }

    /// Everything, as text.
    /// - Parameter gauges: values that others keep, by name.
    func text(gauges: [(name: String, value: Int)]) -> String {
        let state = state.withLock { $0 }
        var text = "# TYPE forage_http_requests_total counter\n"
        for (key, count) in state.requests.sorted(by: { ($0.key.route, $0.key.status) < ($1.key.route, $1.key.status) })
        {
            text += "forage_http_requests_total{route=\"\(key.route)\",status=\"\(key.status)\"} \(count)\n"
        }
        text += "# TYPE forage_http_request_seconds histogram\n"
        for (route, histogram) in state.durations.sorted(by: { $0.key < $1.key }) {
            for (index, bound) in Self.bounds.enumerated() {
                text +=
                    "forage_http_request_seconds_bucket{route=\"\(route)\",le=\"\(bound)\"} \(histogram.buckets[index])\n"
            }
            text += "forage_http_request_seconds_bucket{route=\"\(route)\",le=\"+Inf\"} \(histogram.count)\n"
            text += "forage_http_request_seconds_sum{route=\"\(route)\"} \(histogram.sum)\n"
            text += "forage_http_request_seconds_count{route=\"\(route)\"} \(histogram.count)\n"
        }
        for (name, count) in state.counters.sorted(by: { $0.key < $1.key }) {
            text += "# TYPE \(name) counter\n\(name) \(count)\n"
        }
        text += "# TYPE forage_http_requests_running gauge\n"
        text += "forage_http_requests_running \(running.load(ordering: .relaxed))\n"
        for gauge in gauges { text += "# TYPE \(gauge.name) gauge\n\(gauge.name) \(gauge.value)\n" }
        return text
    }
}
