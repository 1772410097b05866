// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Hummingbird

extension ForageServer {
    /// The web page: three files that the program carries, and nothing from anywhere else.
    var pageRoutes: [Route] {
        [
            ("/", WebPage.html, "text/html; charset=utf-8"), ("/page.css", WebPage.css, "text/css; charset=utf-8"),
            ("/page.js", WebPage.script, "text/javascript; charset=utf-8"),
        ].map { path, text, type in
            .get(path, .open, "The web page", isGated: false, mediaType: type, isDocumented: false) { _ in
                Self.page(text, type: type)
            }
        }
    }

    private static func page(_ text: String, type: String) -> Response {
        var response = Response.text(text.utf8, type: type)
        response.headers[.cacheControl] = "no-cache"
        // Inline styles are for the pages of runs, which are shown in a frame without scripts and inherit this.
        response.headers[.contentSecurityPolicy] =
            "default-src 'none'; style-src 'self' 'unsafe-inline'; script-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        return response
    }
}
