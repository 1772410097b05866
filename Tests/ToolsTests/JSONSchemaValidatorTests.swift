// SPDX-License-Identifier: Apache-2.0

import Base
import Testing
import Text
import Tools

@testable import LanguageModels

/// The messages for a value against a schema, both as JSON text.
private func messages(_ value: String, _ schema: String) throws -> [String] {
    try JSONSchemaValidator(schema: JSONValue(parsing: schema)).validate(JSONValue(parsing: value)).map(\.description)
}

private let searchSchema = """
    {"type":"object","properties":{"query":{"type":"string","minLength":1,"description":"what to look for"},
     "limit":{"type":"integer","minimum":1,"maximum":100}},"required":["query"],"additionalProperties":false}
    """

@Suite struct JSONSchemaValidatorTests {
    @Test(arguments: [
        (#"{"query":"x","limit":3}"#, [String]()),
        (#"{"query":"x","limit":3.0}"#, []),
        (#"{}"#, [#""query" is missing (what to look for)"#]),
        (#"{"query":""}"#, ["query: must not be empty"]),
        (#"{"query":"x","limit":0}"#, ["limit: expected at least 1, found 0"]),
        (#"{"query":"x","limit":"3"}"#, [#"limit: expected integer, found "3""#]),
        (#"{"query":"x","limits":3}"#, [#"there is no "limits"; did you mean "limit"?"#]),
        (#"{"query":"x","colour":3}"#, [#"there is no "colour"; allowed: query, limit"#]),
        (#"["query"]"#, ["expected object, found an array of 1"]),
    ])
    func teaches(value: String, expected: [String]) throws {
        #expect(try messages(value, searchSchema) == expected)
    }

    @Test func namesTheRightMemberOfAMisspeltOne() throws {
        let found = try messages(#"{"querry":"x"}"#, searchSchema)
        #expect(found.contains(#""query" is missing; "querry" was given: rename it"#))
    }

    @Test func followsReferencesInsideTheSchema() throws {
        let schema = """
            {"type":"object","properties":{"tree":{"$ref":"#/$defs/node"}},
             "$defs":{"node":{"anyOf":[
               {"type":"object","properties":{"op":{"const":"not"},"arg":{"$ref":"#/$defs/node"}},"required":["op","arg"]},
               {"type":"object","properties":{"op":{"const":"eq"},"field":{"type":"string"}},"required":["op","field"]}]}}}
            """
        #expect(try messages(#"{"tree":{"op":"not","arg":{"op":"eq","field":"x"}}}"#, schema).isEmpty)
        #expect(
            try messages(#"{"tree":{"op":"not","arg":{"op":"eq","field":7}}}"#, schema)
                == ["tree.arg.field: expected string, found 7"])
        let deep = String(repeating: #"{"op":"not","arg":"#, count: 40) + "1" + String(repeating: "}", count: 40)
        #expect(throws: JSONSchemaValidator.SchemaError.self) { try messages(#"{"tree":\#(deep)}"#, schema) }
    }

    @Test func neverLeavesTheSchema() throws {
        let remote = try JSONValue(
            parsing: #"{"type":"object","properties":{"a":{"$ref":"http://169.254.169.254/schema"}}}"#)
        #expect(throws: JSONSchemaValidator.SchemaError.self) { try JSONSchemaValidator(schema: remote).checkSchema() }
        #expect(throws: JSONSchemaValidator.SchemaError.self) {
            try JSONSchemaValidator(schema: remote).validate(["a": 1])
        }
        let loop = try JSONValue(parsing: ##"{"type":"object","properties":{"a":{"$ref":"#/properties/a"}}}"##)
        #expect(throws: JSONSchemaValidator.SchemaError.self) {
            try JSONSchemaValidator(schema: loop).validate(["a": 1])
        }
    }

    @Test(arguments: [
        (
            #"{"enum":["mean","median"]}"#, #""meen""#,
            #"expected one of "mean", "median", found "meen"; did you mean "mean"?"#
        ),
        (#"{"type":"array","items":{"type":"number"},"maxItems":2}"#, "[1,2,3]", "expected at most 2 items, found 3"),
        (#"{"type":"array","items":{"type":"number"}}"#, #"[1,"a"]"#, #"[1]: expected number, found "a""#),
        (#"{"not":{"type":"null"}}"#, "null", "this value is not allowed"),
        (#"{"oneOf":[{"type":"integer"},{"minimum":0}]}"#, "3", "matches 2 alternatives, expected exactly one"),
        (#"{"if":{"type":"string"},"then":{"minLength":2}}"#, #""a""#, "expected at least 2 characters"),
        (#"{"multipleOf":0.5}"#, "0.7", "expected a multiple of 0.5"),
        (#"{"exclusiveMinimum":0}"#, "0", "expected more than 0.0, found 0"),
        (#"{"type":"array","uniqueItems":true}"#, "[1,1]", "expected items that differ"),
    ])
    func keywords(schema: String, value: String, expected: String) throws {
        #expect(try messages(value, schema) == [expected])
    }

    @Test func workIsBounded() throws {
        var schema: JSONValue = ["type": "integer"]
        for _ in 0..<20 { schema = ["anyOf": [schema, schema]] }
        #expect(throws: JSONSchemaValidator.SchemaError.self) {
            try JSONSchemaValidator(schema: schema).validate("no number")
        }
    }

    /// A model in this process is held to the schemas of the built-in tools: all must be of the kinds that it can obey.
    @Test func builtInToolsCanConstrainAModel() throws {
        for tool in try ToolRegistry.builtIn().specifications {
            #expect(throws: Never.self, "\(tool.name)") { try ByteAutomata.make(.jsonSchema(tool.parameters)) }
        }
    }
}
