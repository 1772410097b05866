// SPDX-License-Identifier: Apache-2.0

import CCurl
import Foundation
import Synchronization

/// The thread that drives libcurl. Only that thread touches curl handles and running transfers; the others hand it
/// work through a mutex and wake it.
final class CurlLoop: Sendable {
    typealias Continuation = CheckedContinuation<HTTPResponse, any Error>

    private struct Inbox {
        var submitted: [(CurlTransfer, Continuation)] = []
        var cancelled: Set<UInt64> = []
        var stopped = false
        var started = false
    }

    /// The multi handle. libcurl allows `curl_multi_wakeup` from any thread; everything else happens on the loop's own.
    private struct Multi: @unchecked Sendable { let handle: UnsafeMutableRawPointer? }

    private let inbox = Mutex(Inbox())
    private let multi: Multi

    init() {
        multi = Multi(handle: forage_curl_load() != 0 ? forage_curl_multi_init() : nil)
    }

    func submit(_ transfer: CurlTransfer, _ continuation: Continuation) {
        guard multi.handle != nil else {
            continuation.resume(
                throwing: HTTPError.transport("libcurl could not be loaded; Debian has it in the package libcurl4"))
            return
        }
        let mustStart = inbox.withLock { inbox in
            inbox.submitted.append((transfer, continuation))
            defer { inbox.started = true }
            return !inbox.started
        }
        if mustStart {
            let thread = Thread { [self] in run() }
            thread.name = "forage-http"
            thread.start()
        }
        forage_curl_multi_wakeup(multi.handle)
    }

    func cancel(_ id: UInt64) {
        inbox.withLock { _ = $0.cancelled.insert(id) }
        if multi.handle != nil { forage_curl_multi_wakeup(multi.handle) }
    }

    func stop() {
        let running = inbox.withLock { inbox in
            inbox.stopped = true
            return inbox.started
        }
        if running {
            forage_curl_multi_wakeup(multi.handle)
        } else if multi.handle != nil {
            forage_curl_multi_cleanup(multi.handle)
        }
    }

    private func run() {
        var active: [UnsafeMutableRawPointer: (CurlTransfer, Continuation)] = [:]
        while true {
            let (submitted, cancelled, stopped) = inbox.withLock { inbox in
                defer {
                    inbox.submitted = []
                    inbox.cancelled = []
                }
                return (inbox.submitted, inbox.cancelled, inbox.stopped)
            }
            for (transfer, continuation) in submitted {
                if cancelled.contains(transfer.id) {
                    continuation.resume(throwing: CancellationError())
                } else if let handle = transfer.makeHandle() {
                    active[handle] = (transfer, continuation)
                    forage_curl_multi_add(multi.handle, handle)
                } else {
                    continuation.resume(throwing: HTTPError.invalidRequest("libcurl refused it"))
                }
            }
            if !cancelled.isEmpty || stopped {
                for (handle, (transfer, continuation)) in active where stopped || cancelled.contains(transfer.id) {
                    forage_curl_multi_remove(multi.handle, handle)
                    transfer.free(handle)
                    active[handle] = nil
                    continuation.resume(throwing: CancellationError())
                }
            }
            if stopped, active.isEmpty { break }
            var running: Int32 = 0
            forage_curl_multi_perform(multi.handle, &running)
            var left: Int32 = 0
            while let message = forage_curl_multi_info_read(multi.handle, &left) {
                guard message.pointee.msg == CURLMSG_DONE, let handle = message.pointee.easy_handle else { continue }
                let code = message.pointee.data.result
                guard let (transfer, continuation) = active.removeValue(forKey: handle) else { continue }
                let result = transfer.finish(handle, code)
                forage_curl_multi_remove(multi.handle, handle)
                transfer.free(handle)
                continuation.resume(with: result)
            }
            let idle = active.isEmpty ? Int32(60_000) : Int32(1_000)
            forage_curl_multi_poll(multi.handle, idle)
        }
        forage_curl_multi_cleanup(multi.handle)
    }
}

/// One exchange. Its mutable part is touched by the loop's thread only, from `makeHandle` to `free`.
final class CurlTransfer: @unchecked Sendable {
    let id: UInt64
    let request: HTTPRequest
    let onChunk: (@Sendable (Int, [UInt8]) -> Void)?
    private var headerList: UnsafeMutablePointer<curl_slist>?
    private var status = 0
    private var headers: [String: String] = [:]
    private var body: [UInt8] = []
    private var received = 0
    private var failure: HTTPError?
    private var started = ContinuousClock.now

    private static let nextID = Atomic<UInt64>(1)

    init(request: HTTPRequest, onChunk: (@Sendable (Int, [UInt8]) -> Void)?) {
        id = Self.nextID.wrappingAdd(1, ordering: .relaxed).oldValue
        self.request = request
        self.onChunk = onChunk
    }

    func makeHandle() -> UnsafeMutableRawPointer? {
        guard let handle = forage_curl_easy_init() else { return nil }
        started = .now
        // The transfer outlives the handle: the loop keeps it in `active` until after `free`.
        let context = Unmanaged.passUnretained(self).toOpaque()
        var ok = true
        func check(_ code: CURLcode) { if code != CURLE_OK { ok = false } }
        check(forage_curl_set_string(handle, CURLOPT_URL, request.url))
        check(forage_curl_set_string(handle, CURLOPT_PROTOCOLS_STR, "http,https"))
        check(forage_curl_set_long(handle, CURLOPT_NOSIGNAL, 1))
        check(forage_curl_set_long(handle, CURLOPT_FOLLOWLOCATION, 0))
        check(forage_curl_set_long(handle, CURLOPT_TIMEOUT_MS, Int(max(1, min(request.timeout, 1e6) * 1000))))
        check(
            forage_curl_set_long(
                handle, CURLOPT_CONNECTTIMEOUT_MS, Int(max(1, min(request.connectTimeout, 1e6) * 1000)))
        )
        if let idle = request.idleTimeout {
            check(forage_curl_set_long(handle, CURLOPT_LOW_SPEED_LIMIT, 1))
            check(forage_curl_set_long(handle, CURLOPT_LOW_SPEED_TIME, max(1, Int(idle.rounded(.up)))))
        }
        check(forage_curl_set_string(handle, CURLOPT_ACCEPT_ENCODING, ""))
        for (name, value) in request.headers {
            guard !name.utf8.contains(10), !value.utf8.contains(10), !name.utf8.contains(13), !value.utf8.contains(13),
                let longer = forage_curl_slist_append(headerList, "\(name): \(value)")
            else {
                ok = false
                continue
            }
            headerList = longer
        }
        // Without this, libcurl waits a second for "100 Continue" before it sends a long body.
        if let longer = forage_curl_slist_append(headerList, "Expect:") { headerList = longer }
        check(forage_curl_set_list(handle, CURLOPT_HTTPHEADER, headerList))
        if request.method != "GET" || !request.body.isEmpty {
            check(forage_curl_set_string(handle, CURLOPT_CUSTOMREQUEST, request.method))
            check(forage_curl_set_offset(handle, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(request.body.count)))
            // Copied by libcurl, so the array need not outlive this call.
            check(
                request.body.withUnsafeBufferPointer {
                    $0.withMemoryRebound(to: CChar.self) { bytes in
                        bytes.baseAddress.map { forage_curl_set_string(handle, CURLOPT_COPYPOSTFIELDS, $0) }
                            ?? forage_curl_set_string(handle, CURLOPT_COPYPOSTFIELDS, "")
                    }
                })
        }
        if request.method == "HEAD" { check(forage_curl_set_long(handle, CURLOPT_NOBODY, 1)) }
        check(forage_curl_set_pointer(handle, CURLOPT_WRITEDATA, context))
        check(
            forage_curl_set_write(handle, CURLOPT_WRITEFUNCTION) { bytes, size, count, context in
                guard let bytes, let context else { return 0 }
                let transfer = Unmanaged<CurlTransfer>.fromOpaque(context).takeUnretainedValue()
                return transfer.receiveBody(UnsafeRawBufferPointer(start: bytes, count: size * count))
                    ? size * count : 0
            })
        check(forage_curl_set_pointer(handle, CURLOPT_HEADERDATA, context))
        check(
            forage_curl_set_write(handle, CURLOPT_HEADERFUNCTION) { bytes, size, count, context in
                guard let bytes, let context else { return 0 }
                let transfer = Unmanaged<CurlTransfer>.fromOpaque(context).takeUnretainedValue()
                let line = String(decoding: UnsafeRawBufferPointer(start: bytes, count: size * count), as: UTF8.self)
                return transfer.receiveHeader(line) ? size * count : 0
            })
        if request.refusesPrivateAddresses {
            check(forage_curl_set_pointer(handle, CURLOPT_OPENSOCKETDATA, context))
            check(
                forage_curl_set_open_socket(handle) { context, _, address in
                    guard let context, let address else { return curl_socket_t(CURL_SOCKET_BAD) }
                    let transfer = Unmanaged<CurlTransfer>.fromOpaque(context).takeUnretainedValue()
                    return transfer.openSocket(address)
                })
        }
        guard ok else {
            free(handle)
            return nil
        }
        return handle
    }

    private func openSocket(_ address: UnsafeMutablePointer<curl_sockaddr>) -> curl_socket_t {
        // libcurl's object is longer than `curl_sockaddr` says: `addrlen` bytes of the address follow its head.
        let head = MemoryLayout<curl_sockaddr>.offset(of: \.addr) ?? 16
        let bytes = UnsafeRawBufferPointer(start: UnsafeRawPointer(address) + head, count: Int(address.pointee.addrlen))
        guard IPAddress.isPublic(family: address.pointee.family, sockaddr: bytes) else {
            failure = .addressRefused(URLComponents(string: request.url)?.host ?? "the host")
            return curl_socket_t(CURL_SOCKET_BAD)
        }
        return socket(address.pointee.family, address.pointee.socktype, address.pointee.`protocol`)
    }

    private func receiveHeader(_ line: String) -> Bool {
        if line.hasPrefix("HTTP/") {
            // A new status line: an informational response came before, its headers do not count.
            headers = [:]
            let parts = line.split(separator: " ", maxSplits: 2)
            status = parts.count > 1 ? Int(parts[1].prefix(3)) ?? 0 : 0
        } else if let colon = line.firstIndex(of: ":"), headers.count < 256 {
            let name = line[..<colon].lowercased()
            headers[name] = line[line.index(after: colon)...].trimmingCharacters(in: .whitespacesAndNewlines)
        }
        return true
    }

    private func receiveBody(_ bytes: UnsafeRawBufferPointer) -> Bool {
        received += bytes.count
        guard received <= request.maxResponseBytes else {
            failure = .tooLarge(limit: request.maxResponseBytes)
            return false
        }
        if let onChunk { onChunk(status, Array(bytes)) } else { body.append(contentsOf: bytes) }
        return true
    }

    func finish(_ handle: UnsafeMutableRawPointer, _ code: CURLcode) -> Result<HTTPResponse, any Error> {
        if let failure { return .failure(failure) }
        switch code {
        case CURLE_OK:
            return .success(HTTPResponse(status: status, headers: headers, body: body))
        case CURLE_COULDNT_CONNECT, CURLE_COULDNT_RESOLVE_HOST:
            return .failure(HTTPError.unreachable(String(cString: forage_curl_easy_strerror(code))))
        case CURLE_OPERATION_TIMEDOUT:
            // The limits of connecting, of silence and of the whole end in one code; only the first comes this early.
            let elapsed = (ContinuousClock.now - started) / .seconds(1)
            if status == 0, elapsed < min(request.timeout, request.idleTimeout ?? .infinity) - 0.5 {
                return .failure(HTTPError.unreachable("no connection within \(request.connectTimeout) s"))
            }
            return .failure(HTTPError.timedOut(seconds: request.timeout))
        case CURLE_UNSUPPORTED_PROTOCOL where HTTPOrigin(request.url) != nil:
            return .failure(HTTPError.unreachable("what answers at this address does not speak HTTP"))
        case CURLE_URL_MALFORMAT, CURLE_UNSUPPORTED_PROTOCOL:
            return .failure(HTTPError.invalidRequest("the URL must be http://… or https://…"))
        case CURLE_OUT_OF_MEMORY where status > 0 || headers.isEmpty == false:
            // So libcurl calls a line of the head that is longer than it takes.
            return .failure(HTTPError.transport("the head of the reply is too long"))
        default:
            return .failure(HTTPError.transport(String(cString: forage_curl_easy_strerror(code))))
        }
    }

    func free(_ handle: UnsafeMutableRawPointer) {
        forage_curl_easy_cleanup(handle)
        forage_curl_slist_free_all(headerList)
        headerList = nil
    }
}
