// SPDX-License-Identifier: Apache-2.0

import Base
import LanguageModels
import OrderedCollections
import Text

/// What models cost, from a YAML file:
///
///     models:
///       gpt-4o-mini: {prompt: 0.15, completion: 0.60}    # per million tokens
///     default: {prompt: 1, completion: 2}                # for every other model
public struct PriceTable: Sendable, Hashable {
    private var prices: [String: ModelPrice] = [:]
    private var standard = ModelPrice()

    /// - Throws: `YAMLError`, `PolicyError` with the path of what is wrong.
    public init(file path: String) throws {
        try self.init(content: YAMLReader.read(file: path), source: path)
    }

    init(content: JSONValue, source: String) throws {
        var reader = try PolicyReader(content, file: source, path: "")
        func price(_ reader: PolicyReader) throws -> ModelPrice {
            var reader = reader
            let price = ModelPrice(
                promptPerMillion: try reader.double("prompt", default: 0, in: 0...1e6),
                completionPerMillion: try reader.double("completion", default: 0, in: 0...1e6))
            try reader.finish()
            return price
        }
        standard = try price(try reader.object("default"))
        var models = try reader.object("models")
        for name in (reader.value("models")?.object ?? [:]).keys { prices[name] = try price(try models.object(name)) }
        try reader.finish()
    }

    /// The price of a model, the default's when it is not listed.
    public func price(of model: String) -> ModelPrice { prices[model] ?? standard }
}
