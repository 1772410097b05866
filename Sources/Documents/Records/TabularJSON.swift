// SPDX-License-Identifier: Apache-2.0

import Base
import OrderedCollections

/// Tables that are written as JSON by columns or as lists of rows, as pandas and databases do.
enum TabularJSON {
    /// The rows of a table; nil for what is none:
    /// - `{"columns": […], "data": [[…], …]}` (pandas' `split`, many web services);
    /// - `{"name": {"0": …, "1": …}, …}` (pandas' own default) and `{"name": […, …], …}`;
    /// - `[["name", "age"], ["Ann", 3], …]`, a list of rows below their names.
    static func records(of value: JSONValue) -> [JSONObject]? {
        switch value {
        case .array(let rows):
            guard rows.count >= 3, let header = rows[0].array, header.count >= 2 else { return nil }
            return records(names: header, rows: rows.dropFirst())
        case .object(let members):
            for (names, data) in [("columns", "data"), ("columns", "rows"), ("header", "rows"), ("fields", "values")] {
                if let header = members[names]?.array, let rows = members[data]?.array, !rows.isEmpty {
                    return records(names: header, rows: rows[...])
                }
            }
            return byIndex(members) ?? byColumn(members)
        default: return nil
        }
    }

    private static func records(names: [JSONValue], rows: ArraySlice<JSONValue>) -> [JSONObject]? {
        let header = names.compactMap { $0.string ?? $0["name"]?.string }
        guard header.count == names.count, Set(header).count == header.count else { return nil }
        var records: [JSONObject] = []
        for row in rows {
            guard let cells = row.array, cells.count == header.count else { return nil }
            records.append(JSONObject(uniqueKeysWithValues: zip(header, cells)))
        }
        return records
    }

    /// Columns of values by the number of their row.
    private static func byIndex(_ members: JSONObject) -> [JSONObject]? {
        guard members.count >= 2, let first = members.values.first?.object, first.count >= 2,
            first.keys.enumerated().allSatisfy({ String($0.offset) == $0.element })
        else { return nil }
        var columns: [(String, JSONObject)] = []
        for (name, column) in members {
            guard let values = column.object, values.keys == first.keys else { return nil }
            columns.append((name, values))
        }
        return first.keys.map { key in
            JSONObject(uniqueKeysWithValues: columns.map { ($0.0, $0.1[key] ?? .null) })
        }
    }

    /// Columns as lists of the same length; plain values only.
    private static func byColumn(_ members: JSONObject) -> [JSONObject]? {
        guard members.count >= 2, let length = members.values.first?.array?.count, length >= 2 else { return nil }
        var columns: [(String, [JSONValue])] = []
        for (name, column) in members {
            guard let values = column.array, values.count == length,
                values.allSatisfy({ $0.array == nil && $0.object == nil })
            else { return nil }
            columns.append((name, values))
        }
        return (0..<length).map { row in JSONObject(uniqueKeysWithValues: columns.map { ($0.0, $0.1[row]) }) }
    }
}
