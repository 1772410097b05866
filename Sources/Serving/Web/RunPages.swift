// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import HTTPTypes
import Hummingbird
import Text

/// The pages that training and evaluation leave in a folder: `NAME/curves.html` and `NAME/report.html`.
struct RunPages: Sendable {
    let folder: String

    /// One run with a page.
    struct Run: Sendable, Hashable {
        var name: String
        /// "training" or "evaluation".
        var kind: String
        /// Seconds since 1970.
        var written: Int
    }

    /// The most runs that are listed, newest first.
    static let limit = 200
    private static let files = [("evaluation", "report.html"), ("training", "curves.html")]

    /// The runs that are there now.
    func list() -> [Run] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        var runs: [Run] = []
        for name in names where Self.isPlain(name) {
            for (kind, file) in Self.files {
                let path = "\(folder)/\(name)/\(file)"
                guard let attributes = try? FileManager.default.attributesOfItem(atPath: path),
                    attributes[.type] as? FileAttributeType == .typeRegular
                else { continue }
                let written = (attributes[.modificationDate] as? Date)?.timeIntervalSince1970 ?? 0
                runs.append(Run(name: name, kind: kind, written: Int(written)))
            }
        }
        return Array(runs.sorted { ($1.written, $0.name) < ($0.written, $1.name) }.prefix(Self.limit))
    }

    /// The page of a run; nil when there is none. The name is compared with the folder's own, so that a request can name
    /// no other file.
    func page(_ name: String, kind: String) -> String? {
        guard list().contains(where: { $0.name == name && $0.kind == kind }),
            let file = Self.files.first(where: { $0.0 == kind })?.1
        else { return nil }
        return try? String(contentsOfFile: "\(folder)/\(name)/\(file)", encoding: .utf8)
    }

    private static func isPlain(_ name: String) -> Bool {
        !name.hasPrefix(".") && name.utf8.count <= 255 && !name.utf8.contains(UInt8(ascii: "/"))
    }
}

extension ForageServer {
    /// `GET /api/runs` lists the runs, `GET /runs/{kind}/{name}` is the page that a run wrote.
    var runRoutes: [Route] {
        let pages = service.runsFolder.map { RunPages(folder: $0) }
        return [
            .get("/api/runs", sessionAccess, "What training and evaluation wrote") { _ in
                let runs = pages?.list() ?? []
                return Response.json([
                    "runs": .array(
                        runs.map {
                            ["name": .string($0.name), "kind": .string($0.kind), "written": .integer($0.written)]
                        })
                ])
            },
            .get(
                "/runs/{kind}/{name}", sessionAccess, "The page that a run wrote", statuses: [404],
                mediaType: "text/html"
            ) { call in
                let kind = try call.parameter("kind")
                let name = try call.parameter("name")
                guard let text = pages?.page(name.removingPercentEncoding ?? name, kind: kind) else {
                    throw ServiceError(.notFound, "there is no such run")
                }
                var response = Response.text(text.utf8, type: "text/html; charset=utf-8")
                response.headers[.cacheControl] = "no-cache"
                // The page is a file of this machine: it may draw, and nothing else.
                response.headers[.contentSecurityPolicy] =
                    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox; frame-ancestors 'none'"
                return response
            },
        ]
    }
}
