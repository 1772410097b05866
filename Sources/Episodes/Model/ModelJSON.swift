// SPDX-License-Identifier: Apache-2.0

package import Base
package import LanguageModels

/// The JSON form of a model's failure, as events keep it.
package enum ModelJSON {
    package static func json(_ error: LanguageModelError) -> JSONValue {
        switch error {
        case .unavailable(let reason): return ["error": "unavailable", "message": .string(reason)]
        case .refused(let status, let message):
            return ["error": "refused", "status": .integer(status), "message": .string(message)]
        case .exhaustedRetries(let attempts, let last):
            return ["error": "exhausted_retries", "attempts": .integer(attempts), "message": .string(last)]
        case .malformedReply(let reason): return ["error": "malformed_reply", "message": .string(reason)]
        case .timedOut(let seconds): return ["error": "timed_out", "seconds": .number(seconds)]
        case .contextOverflow(let tokens, let limit):
            return ["error": "context_overflow", "tokens": .integer(tokens), "limit": .integer(limit)]
        case .unsupported(let reason): return ["error": "unsupported", "message": .string(reason)]
        case .notRecorded(let reason): return ["error": "not_recorded", "message": .string(reason)]
        }
    }

    package static func error(_ json: JSONValue) throws -> LanguageModelError {
        let message = json["message"]?.string ?? ""
        switch try json.requiredString("error") {
        case "unavailable": return .unavailable(message)
        case "refused": return .refused(status: try json.requiredInt("status"), message: message)
        case "exhausted_retries": return .exhaustedRetries(attempts: try json.requiredInt("attempts"), last: message)
        case "malformed_reply": return .malformedReply(message)
        case "timed_out": return .timedOut(seconds: try json.requiredDouble("seconds"))
        case "context_overflow":
            return .contextOverflow(tokens: try json.requiredInt("tokens"), limit: try json.requiredInt("limit"))
        case "unsupported": return .unsupported(message)
        case "not_recorded": return .notRecorded(message)
        case let other: throw JSONError(message: "unknown model error \"\(other)\"")
        }
    }
}
