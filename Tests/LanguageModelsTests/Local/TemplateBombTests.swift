// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import LanguageModels

/// Templates of model files that would run or grow without end, or be walked too deep.
@Suite struct TemplateBombTests {
    private static let chain = String(repeating: ".a", count: 5_000)
    private static let sum = "1" + String(repeating: "+1", count: 5_000)
    private static let filters = "'a'" + String(repeating: "|trim", count: 5_000)
    private static let indexes = "a" + String(repeating: "[0]", count: 5_000)
    private static let calls = "a" + String(repeating: "()", count: 5_000)
    private static let brackets = String(repeating: "[", count: 5_000) + String(repeating: "]", count: 5_000)
    private static let negations = String(repeating: "-", count: 5_000) + "1"
    private static let choices = "1" + String(repeating: " if 1 else 1", count: 5_000)

    /// Chains without brackets make as high a tree as brackets do.
    @Test(arguments: [
        "{{ a\(chain) }}", "{{ \(sum) }}", "{{ \(filters) }}", "{{ \(indexes) }}", "{{ \(calls) }}",
        "{{ \(brackets) }}",
        "{{ \(negations) }}", "{{ \(choices) }}", String(repeating: "{% if 1 %}", count: 5_000),
    ])
    func highTreesAreRefused(_ source: String) {
        #expect(throws: ChatTemplateError.self) { try ChatTemplate(source).render(messages: []) }
    }

    @Test(arguments: [
        "{{ 'a' * 1000000000 }}", "{{ 9223372036854775807 * 'ab' }}",
        "{% set ns = namespace(t='a') %}{% for i in range(100000) %}{% set ns.t = ns.t + ns.t %}{% endfor %}",
        "{% set ns = namespace(t=['a']) %}{% for i in range(100000) %}{% set ns.t = ns.t + ns.t %}{% endfor %}",
        "{% set ns = namespace(t=[]) %}{% for i in range(100000) %}{% set ns.t = [ns.t, ns.t] %}{% endfor %}{{ ns.t }}",
        "{% set ns = namespace(t=[]) %}{% for i in range(100000) %}{% set ns.t = [ns.t] %}{% endfor %}",
        "{% set ns = namespace() %}{% for i in range(100000) %}{% set ns.t = ns %}{% endfor %}",
        "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
        "{% for i in range(100000) if false %}{% endfor %}{% for i in range(100000) %}{% for j in range(100000) if false %}{% endfor %}{% endfor %}",
        "{% set a = 'x' * 1000000 %}{% for i in range(100000) %}{{ a }}{% endfor %}",
        "{% set a = 'x' * 1000000 %}{% for i in range(100000) %}{% set b = a|upper %}{% endfor %}",
        "{% set a = 'x' * 1000000 %}{{ a.replace('x', a) }}", "{% set a = 'x' * 1000000 %}{{ a|list|join(a) }}",
        "{% set a = 'x' * 1000000 %}{% for i in range(100000) %}{% if 'y' in a %}{% endif %}{% endfor %}",
        "{% set a = 'x' * 1000000 %}{% for i in range(100000) %}{{ a[5] }}{% endfor %}",
        "{% set a = range(100000) %}{% for i in range(100000) %}{% if i == a %}{% endif %}{{ a == a }}{% endfor %}",
        "{% macro m(x) %}{{ m(x) }}{{ m(x) }}{% endmacro %}{{ m(1) }}",
        "{% macro m(x) %}{% if x > 0 %}{{ m(x - 1) }}{{ m(x - 1) }}{{ m(x - 1) }}{{ m(x - 1) }}{% endif %}{% endmacro %}{{ m(15) }}",
        "{{ range(-9223372036854775807, 9223372036854775807) }}", "{{ range(0, 1, -9223372036854775807 - 1) }}",
        "{{ 5 // 0 }}", "{{ (-9223372036854775807 - 1) // -1 }}", "{{ (-9223372036854775807 - 1) % -1 }}",
    ])
    func whatGrowsIsRefusedBeforeItIsMade(_ source: String) {
        #expect(throws: ChatTemplateError.self) { try ChatTemplate(source).render(messages: []) }
    }

    @Test func divisionIsPythons() throws {
        let text = try ChatTemplate("{{ 7 // 2 }} {{ -7 // 2 }} {{ 7 // -2 }} {{ -7 % 3 }} {{ 7 % -3 }}").render(
            messages: [])
        #expect(text == "3 -4 -4 2 -2")
    }
}
