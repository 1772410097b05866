// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Hummingbird

extension ForageServer {
    /// The web page: three files that the program carries, and nothing from anywhere else.
    func addPageRoutes<Context: RequestContext>(to router: Router<Context>) {
        router.get("/") { _, _ in Self.page(WebPage.html, type: "text/html; charset=utf-8") }
        router.get("/page.css") { _, _ in Self.page(WebPage.css, type: "text/css; charset=utf-8") }
        router.get("/page.js") { _, _ in Self.page(WebPage.script, type: "text/javascript; charset=utf-8") }
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
