// SPDX-License-Identifier: Apache-2.0

import Base
import OrderedCollections

/// Records as databases export them, in the form that people gave them.
///
/// MongoDB writes types as objects (Extended JSON 2: `{"$oid": …}`, `{"$date": …}`, `{"$numberLong": …}`); Elasticsearch
/// wraps a document in `_source` beside its `_id`; GeoJSON keeps what it says of a place under `properties`.
enum ExportedRecord {
    static func plain(_ record: JSONObject) -> JSONObject {
        var record = record
        if let source = record["_source"]?.object, record["_id"] != nil || record["_index"] != nil {
            var inner = source
            if let id = record["_id"], inner["id"] == nil, inner["_id"] == nil {
                inner.updateValue(id, forKey: "_id", insertingAt: 0)
            }
            record = inner
        } else if record["type"]?.string == "Feature", record["geometry"] != nil,
            let properties = record["properties"]?.object
        {
            var inner = properties
            for name in ["id", "geometry"] where inner[name] == nil { inner[name] = record[name] }
            record = inner
        }
        guard record.values.contains(where: { holdsTypes($0, depth: 0) }) else { return record }
        return record.mapValues { withoutTypes($0, depth: 0) }
    }

    /// Whether a record is a line of Elasticsearch's bulk format that says what to do with the next one.
    static func isBulkAction(_ record: JSONObject) -> Bool {
        guard record.count == 1, let (name, value) = record.elements.first, let about = value.object else {
            return false
        }
        return ["index", "create", "update", "delete"].contains(name)
            && about.keys.allSatisfy { $0.hasPrefix("_") || $0 == "routing" }
    }

    private static func isTyped(_ members: JSONObject) -> Bool {
        members.count <= 2 && members.keys.first?.hasPrefix("$") == true
    }

    private static func holdsTypes(_ value: JSONValue, depth: Int) -> Bool {
        guard depth < 32 else { return false }
        switch value {
        case .object(let members):
            return isTyped(members) || members.values.contains { holdsTypes($0, depth: depth + 1) }
        case .array(let elements): return elements.contains { holdsTypes($0, depth: depth + 1) }
        default: return false
        }
    }

    private static func withoutTypes(_ value: JSONValue, depth: Int) -> JSONValue {
        guard depth < 32 else { return value }
        switch value {
        case .object(let members):
            if isTyped(members), let (name, inner) = members.elements.first {
                if let plain = typed(name, inner) { return plain }
            }
            return .object(members.mapValues { withoutTypes($0, depth: depth + 1) })
        case .array(let elements): return .array(elements.map { withoutTypes($0, depth: depth + 1) })
        default: return value
        }
    }

    private static func typed(_ name: String, _ value: JSONValue) -> JSONValue? {
        switch name {
        case "$oid", "$uuid", "$symbol": return value.string.map { .string($0) }
        case "$numberLong", "$numberInt":
            return value.string.flatMap { Int($0) }.map { .integer($0) } ?? (value.int == nil ? nil : value)
        case "$numberDouble", "$numberDecimal":
            guard let number = value.string.flatMap({ Double($0) }) else { return value.double == nil ? nil : value }
            return number.isFinite ? .number(number) : .null
        case "$date":
            if let text = value.string { return .string(text) }
            let thousandths = value.int ?? value["$numberLong"]?.string.flatMap { Int($0) }
            return thousandths.map { count in
                // Rounded down, also before 1970.
                let seconds = (count - (count % 1000 + 1000) % 1000) / 1000
                return .string(ISODate.text(seconds: Int64(seconds), withTime: true))
            }
        default: return nil
        }
    }
}
