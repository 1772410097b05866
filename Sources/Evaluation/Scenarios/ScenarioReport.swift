// SPDX-License-Identifier: Apache-2.0

import Base

/// Scenario results as people and CI read them.
public enum ScenarioReport {
    /// One line a case, and below a failed one what was expected and what was found.
    public static func text(_ results: [ScenarioResult]) -> String {
        var lines: [String] = []
        for result in results {
            lines.append(
                "\(result.passed ? "ok  " : "FAIL") \(result.name)\(result.updated ? " (golden trace written)" : "")")
            for mismatch in result.mismatches {
                lines += "\(mismatch)".split(separator: "\n", omittingEmptySubsequences: false).map { "     " + $0 }
            }
        }
        let failed = results.count { !$0.passed }
        lines.append("\(results.count) cases, \(results.count - failed) passed, \(failed) failed")
        return lines.joined(separator: "\n") + "\n"
    }

    /// JUnit XML, one test case a case.
    public static func junit(_ results: [ScenarioResult]) -> String {
        let failed = results.count { !$0.passed }
        let time = results.reduce(0) { $0 + $1.seconds }
        var xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
        xml += "<testsuites tests=\"\(results.count)\" failures=\"\(failed)\" time=\"\(fixed(time, 3))\">\n"
        xml +=
            "  <testsuite name=\"forage scenarios\" tests=\"\(results.count)\" failures=\"\(failed)\" errors=\"0\" skipped=\"0\" time=\"\(fixed(time, 3))\">\n"
        for result in results {
            let head =
                "    <testcase name=\"\(escaped(result.name))\" classname=\"scenarios\" file=\"\(escaped(result.file))\" time=\"\(fixed(result.seconds, 3))\""
            guard !result.passed else {
                xml += head + "/>\n"
                continue
            }
            let first = result.mismatches.first?.place ?? ""
            let text = result.mismatches.map(\.description).joined(separator: "\n")
            xml +=
                head + ">\n      <failure message=\"\(escaped(first))\">\(escaped(text))</failure>\n    </testcase>\n"
        }
        return xml + "  </testsuite>\n</testsuites>\n"
    }

    /// Text for XML 1.0, which allows no control characters but tab and line ends.
    static func escaped(_ text: String) -> String {
        text.htmlEscaped.replacing("&#39;", with: "&apos;")
    }
}
