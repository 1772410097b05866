// SPDX-License-Identifier: Apache-2.0

import Base
import OrderedCollections
import Text

/// Puts the calls of one turn together from fragments, by id, index and order together: servers leave out any of them, give
/// all calls the index 0, repeat the name in every fragment, or send arguments whole, in pieces, or as they have grown so far.
struct ToolCallAssembly {
    private struct Call {
        var index: Int?
        var id: String
        var name: String
        var arguments: GrowingJSON
        /// Members that the server put beside the call and wants back.
        var extra: JSONValue?

        /// Whether the arguments are one whole JSON value.
        var isWhole: Bool { arguments.isWhole }
    }

    private var calls: [Call] = []
    /// The tools that were offered: they tell a name that is repeated from one that comes in pieces.
    private let names: [String]

    init(names: [String] = []) { self.names = names }

    var isEmpty: Bool { calls.isEmpty }

    /// Whether every call has arguments that can be read: then nothing of them was cut off.
    var isWhole: Bool { !calls.isEmpty && calls.allSatisfy { $0.isWhole || $0.arguments.text.isEmpty } }

    /// The bytes of all names and arguments.
    var bytes: Int { calls.reduce(0) { $0 + $1.name.utf8.count + $1.arguments.text.utf8.count } }

    /// Takes a fragment.
    /// - Parameter isWhole: whether the reply is not streamed: then each entry is a call of its own.
    /// - Returns: the number and name of a call that begins with it.
    mutating func take(_ json: JSONValue, isWhole: Bool) -> (index: Int, name: String)? {
        var function = json["function"] ?? json["custom"] ?? json
        // Some encode the whole call once more.
        if let text = function.string { function = LenientJSON.read(text)?.value ?? function }
        let id = json["id"]?.string ?? json["tool_call_id"]?.string ?? ""
        let index = json["index"]?.int ?? json["index"]?.string.flatMap { Int($0) }
        let name = function["name"]?.string ?? json["name"]?.string ?? ""
        let given = function["arguments"] ?? function["parameters"] ?? function["input"] ?? function["args"]
        // Arguments are a string of JSON; some servers send the object itself.
        let fragment = given.map { $0.string ?? ($0.isNull ? "" : $0.serialized()) } ?? ""
        let extra = json["extra_content"].flatMap { $0.isNull ? nil : $0 }
        guard !id.isEmpty || !name.isEmpty || !fragment.isEmpty else { return nil }
        guard calls.count < 256 else { return nil }
        if !isWhole, let place = place(id: id, index: index, name: name, fragment: fragment) {
            join(fragment, id: id, name: name, to: place)
            if let extra { calls[place].extra = extra }
            return nil
        }
        calls.append(Call(index: index, id: id, name: name, arguments: GrowingJSON(fragment), extra: extra))
        return (calls.count - 1, name)
    }

    /// The call that a fragment goes on; nil when it begins one.
    private func place(id: String, index: Int?, name: String, fragment: String) -> Int? {
        if !id.isEmpty,
            let same = calls.lastIndex(where: { $0.id == id && ($0.index == index || index == nil || $0.index == nil) })
        {
            return same
        }
        let last =
            index.flatMap { index in calls.lastIndex { $0.index == index } }
            ?? (index == nil ? calls.indices.last : nil)
        guard let last else { return nil }
        let call = calls[last]
        if !id.isEmpty {
            // An id that comes after the name belongs to the call without one; another id is another call.
            guard call.id.isEmpty, !call.isWhole, name.isEmpty || call.name.isEmpty || name == call.name else {
                return nil
            }
            return last
        }
        if name.isEmpty { return last }
        if call.name.isEmpty { return last }
        if call.name == name {
            return call.isWhole && !fragment.isEmpty && fragment != call.arguments.text ? nil : last
        }
        // A name in pieces: together they are, or begin, a tool's name; apart the first is none.
        let joined = call.name + name
        let isPiece =
            call.arguments.text.isEmpty && !names.contains(call.name) && names.contains { $0.hasPrefix(joined) }
        return isPiece ? last : nil
    }

    private mutating func join(_ fragment: String, id: String, name: String, to place: Int) {
        if calls[place].id.isEmpty { calls[place].id = id }
        let known = calls[place].name
        if known.isEmpty {
            calls[place].name = name
        } else if !name.isEmpty, name != known {
            calls[place].name = known + name
        }
        let held = calls[place].arguments.text.utf8.count
        if held == 0 {
            calls[place].arguments = GrowingJSON(fragment)
        } else if held > 1, fragment.utf8.count == held, calls[place].isWhole, fragment == calls[place].arguments.text {
            // The last event says the whole again.
        } else if held > 1 || fragment.hasPrefix("{"), fragment.utf8.count > held,
            fragment.hasPrefix(calls[place].arguments.text) || calls[place].arguments.text == "{}"
        {
            // Each fragment holds what came before, or the first was a placeholder.
            calls[place].arguments = GrowingJSON(fragment)
        } else {
            calls[place].arguments.append(fragment)
        }
    }

    /// The calls in the order in which they began, each with an id of its own.
    func finished() -> [ToolCall] {
        var ids: Set<String> = []
        return calls.enumerated().flatMap { number, call -> [ToolCall] in
            var id = call.id
            if id.isEmpty || !ids.insert(id).inserted {
                id = "call_\(number)"
                while !ids.insert(id).inserted { id += "_" }
            }
            var name = call.name
            // `functions.search:0` is an id that says the name.
            if name.isEmpty, id.contains("."), let said = ToolCall.tool(named: id, among: names) { name = said }
            if name.isEmpty, names.count == 1 { name = names[0] }
            var result = ToolCall(id: id, name: name, arguments: call.arguments.text)
            result.extra = call.extra
            // Two calls whose arguments a server joined are two.
            return objects(in: call).enumerated().map { number, arguments in
                var part = result
                part.arguments = arguments
                if number > 0 {
                    part.id = "\(id)_\(number + 1)"
                    while !ids.insert(part.id).inserted { part.id += "_" }
                }
                return part
            }
        }
    }

    /// The objects that a text of arguments is, one behind the other; the text itself where it is one, or none.
    private func objects(in call: Call) -> [String] {
        let text = call.arguments.text
        guard !call.isWhole, text.utf8.count <= 1 << 16, text.hasPrefix("{"), text.hasSuffix("}") else { return [text] }
        var parts: [String] = []
        var part = ""
        var growing = GrowingJSON("")
        for piece in text.split(separator: "}", omittingEmptySubsequences: false).dropLast() {
            part += piece + "}"
            growing.append(piece + "}")
            guard growing.isWhole else { continue }
            parts.append(part)
            part = ""
            growing = GrowingJSON("")
            guard parts.count < 16 else { break }
        }
        return part.isEmpty && parts.count > 1 && parts[0] != parts[1] ? parts : [text]
    }
}
