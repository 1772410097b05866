// SPDX-License-Identifier: Apache-2.0

extension LanguageModelError {
    /// What a person can do about it, in one sentence.
    public var advice: String {
        switch self {
        case .unavailable(let reason):
            return reason.contains("web page")
                ? "Check that the URL is an API's (it mostly ends in /v1), and that no sign-in or proxy stands before it."
                : "Check the model's name, file or URL."
        case .refused(let status, let message):
            let text = message.lowercased()
            if status == 402 || ["quota", "billing", "credit", "balance"].contains(where: text.contains) {
                return "Check the account's plan and billing, or take another model."
            }
            switch status {
            case 401, 403: return "Check the key in OPENAI_API_KEY, and that it may use this model."
            case 404:
                return
                    "Check the model's name (`forage model probe URL` lists the server's) and the URL, which mostly ends in /v1."
            default: return "See what the server takes with `forage model probe URL`."
            }
        case .exhaustedRetries(_, let last):
            let text = last.lowercased()
            if text.contains("status 429") || text.contains("pause of") {
                return "Wait until the server takes requests again, or take another model or a plan that allows more."
            }
            if text.contains("status 5") || text.contains("status 4") {
                return "The server is there but cannot answer now: look into its log, or try again later."
            }
            return "Check that the server runs and can be reached at this URL; then try again."
        case .malformedReply: return "See what the server answers with `forage model probe URL`."
        case .timedOut: return "Give it more time (--max-time), or take a smaller model."
        case .contextOverflow: return "Take a model with a longer context, or a policy that shows it fewer passages."
        case .unsupported: return "Take another policy, or a model that can."
        case .notRecorded: return "Record the session again with --record."
        }
    }

    /// Whether the server may have worked on the call before it failed, so that its tokens are unknown and not none.
    public var mayHaveCost: Bool {
        switch self {
        case .timedOut, .malformedReply: return true
        case .unavailable, .refused, .exhaustedRetries, .contextOverflow, .unsupported, .notRecorded: return false
        }
    }
}
