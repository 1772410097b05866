// SPDX-License-Identifier: Apache-2.0

import Base

/// Why a session cannot go on as it was asked to.
public enum SessionError: Error, Sendable, Hashable, CustomStringConvertible {
    /// There is no such session.
    case notFound(String)
    /// The session was made with something else; `what` says which: corpus, model, policy, tools or question.
    case mismatch(what: String, recorded: String, given: String)
    /// The stored events cannot be read.
    case damaged(String)
    /// The store failed.
    case store(String)
    /// The store cannot be written, whatever is to be stored: disk full, no permission, locked by another program.
    case notWritable(String)
    /// The budget does not allow the call.
    case budget(StopReason.Limit)

    public var description: String {
        switch self {
        case .notFound(let id): return "there is no session \"\(id)\"; `forage sessions list` shows them"
        case .mismatch(let what, let recorded, let given):
            return "the session was made with another \(what): recorded \(recorded), given \(given)"
        case .damaged(let reason): return "the session's events cannot be read: \(reason)"
        case .store(let reason): return "the session store failed: \(reason)"
        case .notWritable(let reason): return "the session store cannot be written: \(reason)"
        case .budget(let limit): return "the budget of \(limit.rawValue) does not allow the call"
        }
    }
}
