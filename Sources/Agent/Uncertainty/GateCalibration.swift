// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import QualityMetrics
import Text

/// What is known of one question when a gate is calibrated: how uncertain the model was without retrieval, and how good
/// and how dear its answers were without and with it.
public struct GateObservation: Sendable, Hashable {
    public var questionID: String
    public var uncertainty: Double
    /// The quality (0 to 1) of the answer without retrieval.
    public var without: Double
    /// The quality of the answer with retrieval.
    public var with: Double
    /// How many retrieval calls the answer with retrieval took.
    public var calls: Int

    public init(questionID: String, uncertainty: Double, without: Double, with: Double, calls: Int) {
        self.questionID = questionID
        self.uncertainty = uncertainty
        self.without = without
        self.with = with
        self.calls = calls
    }
}

/// Fits a threshold to observations, and says how good the measure is.
public struct GateCalibration: Sendable {
    /// A threshold and what it would have given: retrieve only above it.
    public struct Point: Sendable, Hashable {
        public var threshold: Double
        /// The mean quality of the answers.
        public var quality: Double
        /// The mean number of retrieval calls a question.
        public var calls: Double
    }

    /// The measure's name.
    public var measure: String
    public var observations: [GateObservation]
    /// From always (the lowest threshold) to never.
    public private(set) var curve: [Point] = []
    /// How well the uncertainty tells wrong answers from right ones: 0.5 is chance; nil when all are right or all wrong.
    public private(set) var areaUnderROC: Double?
    /// The area under the accuracy-rejection curve: the mean quality of the answers without retrieval that are kept, over
    /// all shares of kept answers, the most certain first.
    public private(set) var areaUnderAccuracyRejection = 0.0
    /// The expected calibration error of the certainty as a rank (1 minus the share of less uncertain questions).
    public private(set) var calibrationError = 0.0

    /// - Parameter wrongBelow: an answer of less quality counts as wrong. Default 0.5.
    public init(measure: String, observations: [GateObservation], wrongBelow: Double = 0.5) {
        self.measure = measure
        self.observations = observations
        guard !observations.isEmpty else { return }
        let count = Double(observations.count)
        let sorted = observations.sorted { ($0.uncertainty, $0.questionID) < ($1.uncertainty, $1.questionID) }
        let right = observations.map { $0.without >= wrongBelow }
        areaUnderROC = CalibrationMetrics.areaUnderROC(confidence: observations.map { -$0.uncertainty }, correct: right)
        var kept = 0.0
        for (index, observation) in sorted.enumerated() {
            kept += observation.without
            areaUnderAccuracyRejection += kept / Double(index + 1) / count
        }
        let confidence = observations.map { observation in
            1 - Double(observations.filter { $0.uncertainty < observation.uncertainty }.count) / count
        }
        calibrationError = CalibrationMetrics.expectedCalibrationError(confidence: confidence, correct: right)
        let levels = Set(observations.map(\.uncertainty)).sorted()
        let below = (levels.first ?? 0) - 1e-9
        for threshold in [below] + levels {
            var quality = 0.0
            var calls = 0.0
            for observation in observations {
                let retrieves = observation.uncertainty > threshold
                quality += retrieves ? observation.with : observation.without
                calls += retrieves ? Double(observation.calls) : 0
            }
            curve.append(Point(threshold: threshold, quality: quality / count, calls: calls / count))
        }
    }

    /// The threshold with the fewest calls among those whose quality is within `tolerance` of the best.
    public func bestThreshold(tolerance: Double = 0.005) -> Point? {
        guard let best = curve.map(\.quality).max() else { return nil }
        return curve.filter { $0.quality >= best - tolerance }.min {
            ($0.calls, $0.threshold) < ($1.calls, $1.threshold)
        }
    }

    /// The figures and the curve as a table for people, at most so many rows of the curve.
    public func table(rows: Int = 20) -> String {
        func number(_ value: Double) -> String {
            String(format: "%.4f", locale: Locale(identifier: "en_US_POSIX"), value)
        }
        var lines = [
            "measure \(measure), \(observations.count) questions",
            "AUROC \(areaUnderROC.map(number) ?? "undefined (all answers right, or all wrong)")",
            "area under the accuracy-rejection curve \(number(areaUnderAccuracyRejection))",
            "expected calibration error \(number(calibrationError))", "", "threshold   quality   calls a question",
        ]
        let stride = max(1, (curve.count + rows - 1) / max(1, rows))
        let best = bestThreshold()
        for (index, point) in curve.enumerated() where index % stride == 0 || index == curve.count - 1 || point == best
        {
            let mark = point == best ? "  ← fitted" : ""
            lines.append("\(number(point.threshold))      \(number(point.quality))    \(number(point.calls))\(mark)")
        }
        return lines.joined(separator: "\n")
    }

    /// The curve of quality against calls as an SVG picture, 640 × 400.
    public func svg() -> String {
        let width = 640.0
        let height = 400.0
        let margin = 56.0
        let most = max(curve.map(\.calls).max() ?? 1, 1e-9)
        let low = max(0, (curve.map(\.quality).min() ?? 0) - 0.05)
        let high = min(1, (curve.map(\.quality).max() ?? 1) + 0.05)
        func x(_ calls: Double) -> Double { margin + calls / most * (width - 2 * margin) }
        func y(_ quality: Double) -> Double {
            height - margin - (quality - low) / max(1e-9, high - low) * (height - 2 * margin)
        }
        func text(_ value: Double) -> String {
            String(format: "%.2f", locale: Locale(identifier: "en_US_POSIX"), value)
        }
        let points = curve.sorted { ($0.calls, $0.threshold) < ($1.calls, $1.threshold) }
            .map { "\(text(x($0.calls))),\(text(y($0.quality)))" }.joined(separator: " ")
        var marks = ""
        for step in 0...4 {
            let calls = most * Double(step) / 4
            let quality = low + (high - low) * Double(step) / 4
            marks += """
                <text x="\(text(x(calls)))" y="\(text(height - margin + 18))" text-anchor="middle">\(text(calls))</text>
                <text x="\(text(margin - 8))" y="\(text(y(quality) + 4))" text-anchor="end">\(text(quality))</text>
                <line x1="\(text(margin))" x2="\(text(width - margin))" y1="\(text(y(quality)))" y2="\(text(y(quality)))" stroke="#ddd"/>

                """
        }
        let best = bestThreshold().map {
            "<circle cx=\"\(text(x($0.calls)))\" cy=\"\(text(y($0.quality)))\" r=\"5\" fill=\"#c40\"/>"
        }
        let title = measure.htmlEscaped
        return """
            <svg xmlns="http://www.w3.org/2000/svg" width="640" height="400" viewBox="0 0 640 400" font-family="sans-serif" font-size="12">
            <rect width="640" height="400" fill="white"/>
            \(marks)<polyline points="\(points)" fill="none" stroke="#06c" stroke-width="2"/>
            \(best ?? "")
            <text x="320" y="24" text-anchor="middle" font-size="14">answer quality against retrieval calls: \(title)</text>
            <text x="320" y="388" text-anchor="middle">retrieval calls a question</text>
            </svg>

            """
    }
}
