#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Attacks a forage program: attack.py PROGRAM [--seconds 90] [--seed 1] [--build debug] [--only NAME,NAME]

Makes a corpus of its own, serves it, and tries every route of the server's own list in every spelling, with every method
and every token, the tools behind MCP, WebSockets by the cases of the Autobahn suite, heads that two readers could read in two ways, raw requests, mutated
bodies, bombs in requests and in documents, conversations, model servers that write without end, idle and half-sent connections, load, shutdown in each
state, few file descriptors, sources and corpora with links, and corpora with mutated files. What must hold in numbers
stands in bars.json, for a debug and a release build. Nothing but the Python standard library is needed. Exits 1 when
anything did not hold, and prints one JSON line with what was measured.

Everything is tried once, however short the time; what is left of --seconds goes to random requests and files. What is
measured by the clock (bombs, load) runs alone; the rest of the parts run side by side, because most of them wait.
"""
import argparse, concurrent.futures, json, os, random, re, resource, shutil, signal, socket, struct, subprocess, sys
import tempfile, threading, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import documents, stops

READ, FULL = "reader-secret", "owner-secret"
faults, measured, bars = [], {}, {}
HERE = os.path.dirname(os.path.abspath(__file__))
LONGEST = ["access", "documents", "early", "stores", "databases", "descriptors", "files", "sources", "models", "waiting", "shutdown", "links", "bodies", "sockets", "raw", "heads", "scopes"]
HANDSHAKE = ("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")


def fault(text):
    faults.append(text)
    print("NOT HELD:", text, file=sys.stderr, flush=True)


class Server:
    def __init__(self, program, corpus, tokens=True, files=None, extra=(), limit=None):
        environment = dict(os.environ)
        if tokens:
            environment.update(FORAGE_TOKEN=FULL, FORAGE_READ_TOKEN=READ)
        if files:
            limit = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
        self.process = subprocess.Popen(
            [program, "serve", "--corpus", corpus, "--port", "0", "--json", *extra], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env=environment, preexec_fn=limit, restore_signals=limit is None, text=True)
        self.port = None
        line = self.process.stdout.readline()
        if line:
            self.port = json.loads(line)["port"]

    def rss(self):
        with open(f"/proc/{self.process.pid}/status") as f:
            for line in f:
                if line.startswith("VmRSS"):
                    return int(line.split()[1]) // 1024

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def raw(self, data, wait=10):
        with self.connect() as s:
            s.settimeout(wait)
            try:
                s.sendall(data)
            except OSError:
                # It may have answered before it had everything.
                pass
            try:
                return read_answer(s)
            except OSError:
                return 0, b""

    def send(self, method, path, body=b"", token=FULL, headers=()):
        head = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}", "Connection: close",
                "Content-Type: application/json", *headers]
        if token:
            head.append("Authorization: Bearer " + token)
        return self.raw("\r\n".join(head).encode() + b"\r\n\r\n" + body, wait=60)

    def all(self, data, wait=3):
        """Everything that comes until the connection ends or nothing more comes."""
        told = b""
        with self.connect() as s:
            s.settimeout(wait)
            try:
                s.sendall(data)
                while piece := s.recv(1 << 16):
                    told += piece
            except OSError:
                pass
        return told

    def exchange(self, method, path, body, token, headers):
        """Status, head and body of an answer."""
        head = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}", "Connection: close",
                "Content-Type: application/json", "Authorization: Bearer " + token, *headers]
        data = b""
        with self.connect() as s:
            s.settimeout(20)
            s.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + body)
            try:
                while piece := s.recv(1 << 16):
                    data += piece
            except OSError:
                pass
        head, _, body = data.partition(b"\r\n\r\n")
        return int(head.split()[1]) if head.startswith(b"HTTP/1.1 ") else 0, head, body

    def metric(self, name):
        lines = self.send("GET", "/metrics")[1].decode(errors="replace").splitlines()
        return next((float(line.split()[1]) for line in lines if line.startswith(name + " ")), 0)

    def lives(self):
        return self.process.poll() is None and self.send("GET", "/health", token=None)[0] == 200

    def end(self, limit=30):
        start = time.time()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(limit)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return None
        return time.time() - start


def read_answer(s):
    data = b""
    while b"\r\n\r\n" not in data:
        piece = s.recv(65536)
        if not piece:
            break
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    status = int(head.split()[1]) if head.startswith(b"HTTP/1.1 ") else 0
    length = next((int(l.split(b":")[1]) for l in head.lower().split(b"\r\n") if l.startswith(b"content-length:")), None)
    while length is None or len(body) < length:
        piece = s.recv(1 << 20)
        if not piece:
            break
        body += piece
    return status, body


def make_corpus(program, folder):
    source = os.path.join(folder, "notes.jsonl")
    words = "harbour tariff ledger salt copper lantern mill river bridge council winter grain".split()
    dice = random.Random(5)
    with open(source, "w") as f:
        for i in range(3000):
            text = " ".join(dice.choice(words) for _ in range(80))
            f.write(json.dumps({"id": f"n{i}", "title": f"Note {i}", "text": text, "year": 1900 + i % 90}) + "\n")
    corpus = os.path.join(folder, "notes.forage")
    subprocess.run([program, "index", source, "--output", corpus, "--encoder", "none"], check=True, capture_output=True)
    return corpus


def routes(server):
    """The server's own list of routes: method, path, what it needs."""
    document = json.loads(server.send("GET", "/openapi.json")[1])
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation.get("x-access", "open")
    yield "POST", "/tools/{name}", "read"


def filled(path):
    return "".join(c if c not in "{}" else "" for c in path)


def attack_access(server):
    """Every route, in every spelling that a router may take for it, with every token."""
    table = list(routes(server))
    needs, count = {}, 0
    for method, path, access in table:
        needs.setdefault(path, []).append(access)
    cases = []
    for method, path, access in table:
        plain = filled(path)
        for spelling in sorted({plain, plain + "/", "/" + plain, plain.replace("/", "//"), plain + "?a=b", plain + "/?",
                                plain + "//", plain + "?token=" + FULL}):
            cases.append((method, spelling, access, plain, True))
        # Spellings that some reader of the path may take for it: whatever they are, they open nothing.
        odd = {plain.replace("/", "/./", 1), "/x/.." + plain, plain + "/.", plain + ".", plain + ";a=b", plain + "%00",
               plain + "%20", plain.upper(), "/%2e" + plain, plain.replace("/", "%2f"), plain[:1] + "%" + plain[1:2].encode().hex()
               + plain[2:], "\\" + plain[1:], plain + "#", "http://localhost" + plain, "HTTP://LOCALHOST" + plain,
               "http://reader@localhost" + plain, "ftp://localhost" + plain, "//localhost" + plain}
        if plain != "/" and access != "open":
            cases += [(method, spelling, access, plain, None) for spelling in sorted(odd)]
        # Another method is none of the route's, and tells nothing to who may not use the route.
        for other in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "QUERY", "PROPFIND"):
            if not any(m == other and p == path for m, p, _ in table):
                cases.append((other, plain, min(needs[path], key=["open", "read", "full"].index), plain, False))

    def attempt(case):
        method, spelling, access, plain, is_route = case
        for token, name in ((None, "none"), ("wrong", "wrong"), (READ, "read"), (FULL, "full")):
            if token == FULL and (plain == "/mcp" or is_route is None):
                continue
            status, _ = server.send(method, spelling, b"" if method in ("GET", "OPTIONS", "TRACE") else b"{}", token)
            allowed = access == "open" or token == FULL or (access == "read" and token == READ)
            refused = status in (401, 403)
            if status in (0, 500):
                fault(f"{method} {spelling} with token {name}: {status}")
            elif is_route is None:
                if status < 300 and not allowed:
                    fault(f"{method} {spelling} with token {name}: {status}, access {access}")
            elif is_route and (allowed == refused):
                fault(f"{method} {spelling} with token {name}: {status}, access {access}")
            elif not is_route and (status < 300 or (token not in (READ, FULL) and access != "open" and not refused)):
                fault(f"{method} {spelling}, which is no route, with token {name}: {status}")
        return 4
    # A full token proves nothing of a spelling that must open nothing; it is tried with the plain ones.
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        count = sum(pool.map(attempt, cases))
    measured["access_requests"] = count
    measured["routes"] = len(table)


def attack_scopes(server):
    """What a token may do behind MCP and by WebSocket."""
    tools = {t["name"]: t["access"] for t in json.loads(server.send("GET", "/tools")[1])["tools"]}
    accept = ["Accept: application/json, text/event-stream"]

    def mcp(token, method, params, session=None):
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        headers = accept + ([f"Mcp-Session-Id: {session}"] if session else [])
        return server.exchange("POST", "/mcp", body, token, headers)
    begin = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "a", "version": "1"}}
    sessions = {}
    for token in (READ, FULL):
        status, head, _ = mcp(token, "initialize", begin)
        found = [l.split(b":", 1)[1].strip().decode() for l in head.split(b"\r\n") if l.lower().startswith(b"mcp-session-id:")]
        if status != 200:
            fault(f"MCP does not begin: {status}")
            return
        sessions[token] = found[0] if found else None
    for name, access in list(tools.items()) + [("ask", "full")]:
        status, _, body = mcp(READ, "tools/call", {"name": name, "arguments": {"question": "x", "query": "salt"}}, sessions[READ])
        may = access == "read"
        refused = status in (401, 403) or b'"error"' in body or b'"isError":true' in body
        measured["mcp_calls"] = measured.get("mcp_calls", 0) + 1
        if not may and not refused:
            fault(f"MCP's tool {name} runs with a read token: {status} {body[:200]!r}")
    if sessions[FULL]:
        status, _, _ = mcp(READ, "tools/list", {}, sessions[FULL])
        if status == 200:
            fault("a read token uses the MCP session of a full one")
    for token, wanted in ((None, 401), ("wrong", 401), (READ, 403), (FULL, 101)):
        head = f"GET /ws HTTP/1.1\r\nHost: localhost\r\n{HANDSHAKE}"
        head += f"Authorization: Bearer {token}\r\n" if token else ""
        with server.connect() as s:
            s.sendall(head.encode() + b"\r\n")
            got = s.recv(4096).split(b" ")
            if len(got) < 2 or int(got[1]) != wanted:
                fault(f"a WebSocket with token {token}: {got[:2]}, not {wanted}")


def attack_heads(server):
    """Heads of which two readers could make two requests, or one that is no request: refused, and the connection ends."""
    body = b'{"queries":["salt"],"topk":1}'
    size, chunks = b"%d" % len(body), b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n"
    start, host = b"POST /retrieve HTTP/1.1\r\n", b"Host: localhost\r\nAuthorization: Bearer " + FULL.encode() + b"\r\n"
    refused = {
        "two lengths": b"Content-Length: 5\r\nContent-Length: " + size + b"\r\n\r\n" + body,
        "the same length twice": (b"Content-Length: " + size + b"\r\n") * 2 + b"\r\n" + body,
        "lengths in a list": b"Content-Length: " + size + b", " + size + b"\r\n\r\n" + body,
        "a length with a plus": b"Content-Length: +" + size + b"\r\n\r\n" + body,
        "a length before a space": b"Content-Length : " + size + b"\r\n\r\n" + body,
        "a length in hexadecimal": b"Content-Length: 0x1d\r\n\r\n" + body,
        "a length beyond all": b"Content-Length: 9223372036854775808\r\n\r\n" + body,
        "a length and chunks": b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks,
        "another coding": b"Transfer-Encoding: gzip, chunked\r\n\r\n" + chunks,
        "chunked, then another": b"Transfer-Encoding: chunked, identity\r\n\r\n" + chunks,
        "nearly chunked": b"Transfer-Encoding: xchunked\r\n\r\n" + chunks,
        "chunked behind a tab": b"Transfer-Encoding: \x0bchunked\r\n\r\n" + chunks,
        "chunked on the next line": b"Transfer-Encoding:\r\n chunked\r\n\r\n" + chunks,
        "a chunk below nothing": b"Transfer-Encoding: chunked\r\n\r\n-1\r\n" + body + b"\r\n0\r\n\r\n",
        "trailers with a token": b"Transfer-Encoding: chunked\r\n\r\n" + chunks[:-2] + b"Content-Length: 3\r\n\r\n",
        "two hosts": b"Host: evil\r\nContent-Length: " + size + b"\r\n\r\n" + body,
        "a zero in a header": b"X: a\0b\r\nContent-Length: " + size + b"\r\n\r\n" + body,
        "a space in a name": b"X Y: a\r\nContent-Length: " + size + b"\r\n\r\n" + body,
        "a header over two lines": b"X: a\r\n b\r\nContent-Length: " + size + b"\r\n\r\n" + body,
        "a header of a megabyte": b"X: " + b"y" * (1 << 20) + b"\r\nContent-Length: 0\r\n\r\n",
        "a hundred thousand headers": b"X: y\r\n" * 100_000 + b"Content-Length: 0\r\n\r\n",
    }
    whole = {
        "HTTP/1.0 with chunks": b"POST /retrieve HTTP/1.0\r\n" + host + b"Transfer-Encoding: chunked\r\n\r\n" + chunks,
        "HTTP/2.0": b"POST /retrieve HTTP/2.0\r\n" + host + b"Content-Length: " + size + b"\r\n\r\n" + body,
        "HTTP/9.9": b"GET /health HTTP/9.9\r\n" + host + b"\r\n",
        "no host": b"GET /health HTTP/1.1\r\n\r\n",
        "line ends without a return": b"GET /health HTTP/1.1\nHost: localhost\n\n",
        "a target elsewhere": b"GET http://evil/health HTTP/1.1\r\n" + host + b"\r\n",
        "a target with a name": b"GET http://a@localhost/health HTTP/1.1\r\n" + host + b"\r\n",
        "a target of another scheme": b"GET ftp://localhost/health HTTP/1.1\r\n" + host + b"\r\n",
        "a tunnel": b"CONNECT localhost:443 HTTP/1.1\r\n" + host + b"\r\n",
    }
    whole.update({name: start + host + rest for name, rest in refused.items()})
    for name, data in whole.items():
        status, _ = server.raw(data, wait=5)
        if not 400 <= status < 500:
            fault(f"a head with {name}: {status}")
    # What is no HTTP is refused behind the answer to the request before it; a body is asked for only where it is read.
    plain = b"Host: localhost\r\n"
    sequences = {
        "garbage behind a request": (b"GET /health HTTP/1.1\r\n" + host + b"\r\nGARBAGE\r\n\r\n", [b"200", b"400"]),
        "a health check of HTTP/1.0": (b"GET /health HTTP/1.0\r\n\r\n", [b"200"]),
        "no token and a body to come": (start + plain + b"Expect: 100-continue\r\nContent-Length: 9\r\n\r\n", [b"401"]),
        "extensions of chunks": (start + host + b"Transfer-Encoding: chunked\r\n\r\n2;a=" + b"b" * (1 << 20), [b"400"]),
    }
    for name, (data, wanted) in sequences.items():
        found = re.findall(rb"HTTP/1\.[01] (\d{3})", server.all(data))
        if found != wanted:
            fault(f"{name}: {found}")
    # HTTP/1.0 has no chunks, and its connection ends with the answer.
    with server.connect() as s:
        s.settimeout(5)
        s.sendall(b"GET /health HTTP/1.0\r\n" + host + b"\r\n")
        data = b""
        try:
            while piece := s.recv(65536):
                data += piece
        except OSError:
            fault("a connection of HTTP/1.0 stays open")
        if b" 200 " not in data[:20] or b"chunked" in data.lower():
            fault(f"HTTP/1.0 is answered {data[:200]!r}")
    measured["heads"] = len(whole)
    if not server.lives():
        fault("heads ended the server")


def frame(opcode, data=b"", fin=True, rsv=0, masked=True, length=None):
    """A frame as a client sends it; `length` is what it says of itself where that is not the truth."""
    size, key = len(data) if length is None else length, b"\x01\x02\x03\x04"
    first, mask = (0x80 if fin else 0) | rsv << 4 | opcode, 0x80 if masked else 0
    if size < 126:
        head = bytes([first, mask | size])
    elif size < 1 << 16:
        head = struct.pack(">BBH", first, mask | 126, size)
    else:
        head = struct.pack(">BBQ", first, mask | 127, size & (1 << 64) - 1)
    return head + (key + bytes(b ^ key[i % 4] for i, b in enumerate(data)) if masked else data)


def attack_sockets(server):
    """The cases of the Autobahn suite that a server without extensions has, by what must come back: a message, a pong of
    the same data, or the end with a code."""
    text, good, bad = '{"type":"x"}'.encode(), "κόσμε".encode(), "κόσμε".encode() + b"\xed\xa0\x80edited"
    message, end = ("message",), lambda *codes: ("close", codes)
    cases = [("a text of nothing", frame(1), message)]
    cases += [(f"a text of {n} bytes", frame(1, b"*" * n), message) for n in (1, 125, 126, 127, 128, 65535, 65536, 1 << 20)]
    cases += [(f"bytes of {n}", frame(2, b"\xfe" * n), message) for n in (0, 125, 126, 65536)]
    cases += [(f"a ping of {n} bytes", frame(9, bytes(range(n))), ("pong", bytes(range(n)))) for n in (0, 5, 125)]
    cases += [("a ping of 126 bytes", frame(9, b"a" * 126), end(1002)), ("a pong that nobody asked for", frame(10, b"x") + frame(1), message)]
    cases += [("ten pings", b"".join(frame(9, b"%d" % i) for i in range(10)), ("pong", b"9"))]
    cases += [(f"the reserved bits {r}", frame(1, text, rsv=r), end(1002)) for r in range(1, 8)]
    cases += [(f"opcode {o}", frame(o, b"x"), end(1002)) for o in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)]
    cases += [("a frame without a mask", frame(1, text, masked=False), end(1002)), ("a ping in parts", frame(9, b"a", fin=False), end(1002)),
              ("a close in parts", frame(8, b"\x03\xe8", fin=False), end(1002))]
    cases += [("a text in parts", frame(1, b"a", fin=False) + frame(0, b"b"), message),
              ("a text in parts around a ping", frame(1, b"a", fin=False) + frame(9, b"p") + frame(0, b"b"), message),
              ("a text in letters", frame(1, b"", fin=False) + frame(0, b"a", fin=False) * 500 + frame(0, b""), message),
              ("a part of nothing before", frame(0, b"a"), end(1002)), ("a last part of nothing before", frame(0, b"a", fin=False), end(1002)),
              ("a text within a text", frame(1, b"a", fin=False) + frame(1, b"b"), end(1002)),
              ("parts without end", frame(1, b"a", fin=False) + frame(0, b"a" * 65536, fin=False) * 100, end(1009))]
    cases += [("good UTF-8", frame(1, good), message), ("bad UTF-8", frame(1, bad), end(1007)),
              ("bad UTF-8 in parts", frame(1, bad[:8], fin=False) + frame(0, bad[8:]), end(1007)),
              ("a letter over two parts", frame(1, good[:1], fin=False) + frame(0, good[1:]), message),
              ("a letter that ends too early", frame(1, good[:1]), end(1007)), ("letters too long", frame(1, b"\xc0\x80"), end(1007)),
              ("beyond Unicode", frame(1, b"\xf4\x90\x80\x80"), end(1007))]
    cases += [("a close", frame(8), end(1000, 1005, None)), ("a close of one byte", frame(8, b"a"), end(1002)),
              ("a close with a reason", frame(8, struct.pack(">H", 1000) + b"bye"), end(1000)),
              ("a close with a long reason", frame(8, struct.pack(">H", 1000) + b"*" * 124), end(1002)),
              ("a close with bad UTF-8", frame(8, struct.pack(">H", 1000) + bad), end(1007))]
    cases += [(f"a close with {c}", frame(8, struct.pack(">H", c)), end(c)) for c in (1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)]
    cases += [(f"a close with {c}", frame(8, struct.pack(">H", c)), end(1002)) for c in (0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65535)]
    cases += [("after a close", frame(8, b"\x03\xe8") + frame(9, b"late"), end(1000)), ("a frame that says too much", frame(1, b"", length=1 << 40), end(1002, 1009)),
              ("a frame beyond 63 bits", frame(1, b"", length=(1 << 64) - 1), end(1002, 1009))]

    def attempt(case):
        name, data, wanted = case
        with server.connect() as s:
            s.settimeout(10)
            s.sendall(f"GET /ws HTTP/1.1\r\nHost: localhost\r\n{HANDSHAKE}Authorization: Bearer {FULL}\r\n\r\n".encode())
            got = b""
            try:
                while b"\r\n\r\n" not in got:
                    got += s.recv(4096) or b"\r\n\r\n"
                got = got.split(b"\r\n\r\n", 1)[1]
                try:
                    s.sendall(data)
                except OSError:
                    pass
                seen = None
                payload = b""
                while seen != wanted[0] or wanted[0] == "pong" and payload != wanted[1]:
                    while len(got) < 2 or len(got) < (need := size_of(got)):
                        piece = s.recv(1 << 16)
                        if not piece:
                            raise EOFError
                        got += piece
                    opcode, payload, got = got[0] & 15, got[start_of(got):need], got[need:]
                    seen = {1: "message", 2: "message", 8: "close", 10: "pong"}.get(opcode, "other")
                    if seen == "close":
                        break
            except (OSError, EOFError):
                return fault(f"a WebSocket with {name}: no {wanted[0]}")
            if seen != wanted[0]:
                return fault(f"a WebSocket with {name}: {seen} {payload[:40]!r}, not {wanted[0]}")
            code = struct.unpack(">H", payload[:2])[0] if seen == "close" and len(payload) > 1 else None
            if seen == "close" and code not in wanted[1]:
                fault(f"a WebSocket with {name}: ends with {code}, not {wanted[1]}")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(attempt, cases))
    measured["websocket_cases"] = len(cases)
    if not server.lives():
        fault("WebSockets ended the server")


def start_of(data):
    """Where a server's frame has its data: it has no mask."""
    return {126: 4, 127: 10}.get(data[1] & 127, 2)


def size_of(data):
    """The bytes of the frame that begins here, as far as they are known."""
    start = start_of(data)
    if len(data) < start:
        return start
    size = data[1] & 127
    return start + (size if size < 126 else int.from_bytes(data[2:start], "big"))


def attack_raw(server, dice, count):
    pieces = [b"GET ", b"POST ", b"/retrieve", b"/ws", b"//reset", b" HTTP/1.1\r\n", b"Host: localhost\r\n", b"Host: x\r\n",
              b"\r\n", b"\r\n\r\n", b"Content-Length: 5\r\n", b"Content-Length: -1\r\n", b"Transfer-Encoding: chunked\r\n",
              b"0\r\n\r\n", b"Upgrade: websocket\r\n", b"Upgrade: h2c\r\n", b"Connection: upgrade\r\n", b"\x00",
              b"Sec-WebSocket-Version: 13\r\n", b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", b"\xff\xfe",
              b"Expect: 100-continue\r\n", b"ffffffffffffffff\r\n", b"{\"queries\":[", b"X: " + b"y" * 20000, b"PRI * HTTP/2.0\r\n\r\n"]
    for _ in range(count):
        with server.connect() as s:
            try:
                s.sendall(b"".join(dice.choice(pieces) for _ in range(dice.randint(1, 14))))
                s.settimeout(0.01)
                s.recv(100)
            except OSError:
                pass
    if not server.lives():
        fault("raw requests ended the server")


def attack_bodies(server, dice, count):
    seeds = [(p, json.dumps(b)) for p, b in [
        ("/retrieve", {"queries": ["salt", "river"], "topk": 3, "return_scores": True}),
        ("/rerank", {"queries": ["a"], "documents": [["b", "c"]], "rerank_topk": 1}),
        ("/tools/filter", {"where": {"field": "year", "op": ">", "value": 1950}}),
        ("/tools/aggregate", {"measures": [{"op": "count"}], "group_by": ["year"]}),
        ("/tools/read", {"arguments": {"over": "r1"}, "result_sets": [{"handle": "r1", "tool": "filter", "description": "",
            "total": 3, "complete": True, "documents": "0-2"}]}),
        ("/mcp", {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {}}),
        ("/reset", {"question": "x", "episode_id": "e"}), ("/step", {"episode_id": "e", "action": {"tool": "search", "query": "salt"}}),
        ("/get_observation", {"trajectory_ids": ["a"], "actions": ["<search>x</search>"]})]]
    swaps = ["null", "[]", "{}", "-1", "1e999", "9223372036854775808", '""', '"\\ud800"', "true", "[[[[[[]]]]]]", '"' + "x" * 5000 + '"']
    for _ in range(count):
        path, text = dice.choice(seeds)
        for _ in range(dice.randint(1, 4)):
            at = dice.randrange(len(text) or 1)
            kind = dice.randrange(4)
            if kind == 0: text = text[:at] + text[at + dice.randint(1, 4):]
            elif kind == 1: text = text[:at] + dice.choice(swaps) + text[at + 1:]
            elif kind == 2: text = text[:at] + chr(dice.randrange(256)) + text[at:]
            else: text = text[:at] + text[at:at + 20] * dice.randint(1, 5) + text[at:]
        status, answer = server.send("POST", path, text.encode(errors="surrogatepass"))
        if status in (0, 500):
            fault(f"POST {path} {text[:200]!r}: {status} {answer[:200]!r}")
    if not server.lives():
        fault("bodies ended the server")


def attack_bombs(server):
    agent = json.loads(server.send("GET", "/v1/models")[1])["data"][0]["id"]
    whole = {"handle": "r1", "tool": "filter", "description": "", "total": 1, "complete": True, "documents": "0-268435454"}
    match = {"field": "text", "op": "match", "value": "salt"}
    bombs = {
        "result_sets": ("/tools/read", {"arguments": {"over": "r1"}, "result_sets": [whole] * 3}),
        "match_clauses": ("/tools/filter", {"where": {"or": [match] * 200}}),
        "retrieve": ("/retrieve", {"queries": ["salt river"] * 1024, "topk": 100}),
        "values": ("/retrieve", {"queries": [0] * 1_900_000}),
        "members": ("/retrieve", {"queries": ["a"], **{f"m{i}": 0 for i in range(250_000)}}),
        "depth": ("/retrieve", None),
        "long_query": ("/retrieve", {"queries": ["salt " * 700_000]}),
        "groups": ("/tools/aggregate", {"measures": [{"op": "count"}] * 64, "group_by": ["year", "title", "id"]}),
        "alternation": ("/tools/filter", {"where": nested(30)}),
        "list": ("/tools/filter", {"where": {"field": "id", "op": "in", "value": [f"n{i}" for i in range(100_000)]}}),
        **conversations(agent),
        "expression": ("/tools/read", {"arguments": {"over": "(" * 400 + "r1" + ")" * 400}}),
    }
    for name, (path, body) in bombs.items():
        data = (b"[" * 2_000_000) if body is None else json.dumps(body).encode()
        before, peak, done = server.rss(), [0], threading.Event()

        def watch():
            while not done.is_set():
                peak[0] = max(peak[0], server.rss() or 0)
                time.sleep(0.01)
        watcher = threading.Thread(target=watch)
        watcher.start()
        start = time.time()
        status, _ = server.send("POST", path, data)
        seconds = time.time() - start
        done.set()
        watcher.join()
        measured["bomb_" + name] = {"status": status, "seconds": round(seconds, 2), "mib": peak[0] - before}
        if peak[0] - before > bars["bomb_mib"] or seconds > bars["bomb_seconds"] or status in (0, 500):
            fault(f"bomb {name}: {measured['bomb_' + name]}")
    if not server.lives():
        fault("a bomb ended the server")


def conversations(agent):
    """Requests of a chat that are small and could cost much: many turns, long ones, marks without end, schemas."""
    question = {"role": "user", "content": "And when was it?"}

    def chat(messages, **members):
        return "/v1/chat/completions", {"model": agent, "messages": messages, **members}

    def shaped(schema):
        return chat([question], response_format={"type": "json_schema", "json_schema": {"name": "a", "schema": schema}})
    said = [{"role": "user", "content": "And what did the Harbour Note say there?"}, {"role": "assistant", "content": "Salt."}]
    cited = " ".join("[" + ",".join(f"{j:03x}{i:02x}" for j in range(98)) + "]" for i in range(64))
    loop = {"type": "object", "properties": {f"p{i}": {"$ref": "#"} for i in range(3000)}}
    return {
        "turns": chat(said * 10_000 + [question]),
        "long_turn": chat([{"role": "user", "content": "Harbour it " * 300_000}, *said, question]),
        "citations": chat([said[0], {"role": "assistant", "content": cited}] * 40 + [question]),
        "brackets": chat([said[0], {"role": "assistant", "content": "[" * 3_000_000}, question]),
        "system": chat([{"role": "system", "content": "x" * 3000}] * 1000 + [question]),
        "marks": chat([{"role": "user", "content": "e" + "\u0301" * 1_500_000}]),
        "parts": chat([{"role": "user", "content": [{"type": "text", "text": "a"}] * 60_000}]),
        "schema_loop": shaped(loop),
        "schema_wide": shaped({"type": "object", "properties": {f"p{i}": {"type": "string"} for i in range(90_000)}}),
        "query_marks": ("/retrieve", {"queries": ["e" + "\u0301" * 1_500_000]}),
    }


def attack_models(program, corpus):
    """A model server that writes without end, in pieces without number, or numbers that nothing holds."""
    def event(delta, **more):
        return b"data: " + json.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": None}], **more}).encode() + b"\n\n"
    stream = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
    plain = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
    refusal = b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
    call = {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "keyword_search", "arguments": "}"}}]}
    most = 2**63 - 1
    replies = {
        "words": (stream, event({"content": "word " * 20}) * 50, 4000),
        "reasoning": (stream, event({"reasoning_content": "word " * 20}) * 50, 4000),
        "letters": (stream, event({"content": "a"}) * 500, 1000),
        "fragments": (stream, event(call) * 100, 2000),
        "calls": (stream, event({"tool_calls": [dict(call["tool_calls"][0], index=i, id=f"c{i}") for i in range(9000)]}), 1),
        "comments": (stream, b": ping\n\n" * 1000, 4000),
        "spaces": (plain, b" \n" * 30_000, 1000),
        "line": (stream, b"data: " + b"x" * 65_536, 1000),
        "values": (plain, b'{"choices":[' + b"0," * 8_000_000, 1),
        "lines": (plain, b'{"message":{"content":"word "},"done":false}\n' * 1000, 1500),
        "usage": (stream, event({"content": "It is salt."}, usage={"prompt_tokens": most, "completion_tokens": most}) + b"data: [DONE]\n\n", 1),
        "context": (refusal, b'{"error":{"message":"context of 9223372036854775807k tokens, exceeds 9007199254740993k"}}', 1),
        "n_ctx": (refusal, b'{"error":{"message":"x","n_ctx":100,"n_prompt_tokens":9223372036854775807}}', 1),
    }

    def serve(listener, head, piece, times):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection, head, piece, times), daemon=True).start()

    def answer(connection, head, piece, times):
        with connection:
            try:
                connection.settimeout(30)
                data = b""
                while b"\r\n\r\n" not in data:
                    data += connection.recv(65536) or b"\r\n\r\n"
                top, _, body = data.partition(b"\r\n\r\n")
                length = next((int(l[15:]) for l in top.lower().split(b"\r\n") if l.startswith(b"content-length:")), 0)
                while len(body) < length and (more := connection.recv(65536)):
                    body += more
                connection.sendall(head)
                for _ in range(times):
                    connection.sendall(piece)
            except OSError:
                pass

    def attempt(item):
        name, (head, piece, times) = item
        listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=serve, args=(listener, head, piece, times), daemon=True).start()
        process = subprocess.Popen(
            [program, "ask", "--corpus", corpus, "--ephemeral", "--max-time", "6", "--model",
             f"http://127.0.0.1:{listener.getsockname()[1]}/v1#m", "Which note is about salt?"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        start, peak = time.time(), 0
        while process.poll() is None and time.time() - start < bars["model_seconds"]:
            try:
                with open(f"/proc/{process.pid}/status") as f:
                    peak = max([peak] + [int(l.split()[1]) // 1024 for l in f if l.startswith("VmHWM")])
            except OSError:
                pass
            time.sleep(0.05)
        seconds = time.time() - start
        if process.poll() is None:
            process.kill()
        listener.close()
        code = process.wait()
        measured["model_" + name] = {"exit": code, "seconds": round(seconds, 1), "mib": peak}
        if code not in (0, 3) or peak > bars["model_mib"]:
            fault(f"a model server's {name}: {measured['model_' + name]}")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(attempt, replies.items()))


def nested(depth):
    clause = {"field": "text", "op": "match", "value": "salt"}
    for _ in range(depth):
        clause = {"not": {"or": [clause, {"field": "year", "op": ">", "value": 1}]}}
    return clause


def retrieve(server, _=0):
    start = time.time()
    status, _ = server.send("POST", "/retrieve", b'{"queries":["salt river"],"topk":3}')
    return status, time.time() - start


def attack_load(program, corpus, server, count):
    """The server with 2,000 idle and 64 half-sent connections beside one without, asked in turn: whatever else the machine
    does then weighs on both."""
    calm = Server(program, corpus)
    before = server.rss()
    held = []
    for _ in range(2000):
        held.append(server.connect())
    for _ in range(64):
        s = server.connect()
        s.sendall(b"POST /retrieve HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + FULL.encode()
                  + b"\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{")
        held.append(s)
    # Being connected is not being accepted: that is work of its own, which is over when the server has counted them.
    end = time.time() + 30
    while time.time() < end and server.metric("forage_connections_open") < 2064:
        time.sleep(0.1)

    def both(number):
        pair = [server, calm] if number % 2 else [calm, server]
        results = {id(one): retrieve(one) for one in pair}
        return results[id(server)], results[id(calm)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(both, range(32)))
        results = list(pool.map(both, range(count)))
    for s in held:
        s.close()
    calm.end()
    bad = sum(status != 200 for pair in results for status, _ in pair)
    loaded, idle = (sorted(pair[side][1] for pair in results)[int(count * 0.99)] for side in (0, 1))
    measured.update(p99_idle=round(idle, 4), p99_loaded=round(loaded, 4), load_failures=bad,
                    rss_growth_mib=server.rss() - before)
    if bad:
        fault(f"{bad} of {2 * count} /retrieve failed under load")
    if loaded > bars["p99_ratio"] * idle + bars["p99_slack_seconds"]:
        fault(f"p99 of /retrieve {loaded:.3f} s beside {idle:.3f} s without idle and half-sent connections")


def attack_shutdown(program, corpus):
    handshake = ("GET /ws HTTP/1.1\r\nHost: localhost\r\n" + HANDSHAKE + "Authorization: Bearer " + FULL + "\r\n\r\n").encode()
    states = {"idle": b"", "half head": b"GET /heal", "kept alive": b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
              "half body": b"POST /retrieve HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\nAuthorization: Bearer "
              + FULL.encode() + b"\r\n\r\n{", "websocket": handshake}
    for name, openings in {"nothing": [], "websocket": [handshake], "everything": list(states.values())}.items():
        server = Server(program, corpus)
        held = []
        for opening in openings:
            held.append(server.connect())
            held[-1].sendall(opening)
        time.sleep(0.3)
        seconds = server.end()
        measured["shutdown_with_" + name] = seconds and round(seconds, 2)
        if seconds is None or seconds > bars["shutdown_seconds"]:
            fault(f"SIGTERM with {name}: {seconds}")
        for s in held:
            s.close()


def attack_waiting_shutdown(program, corpus):
    """Clients that wait for a model which never answers are told that the server ends, and it ends in order."""
    silent = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=hold_connections, args=(silent,), daemon=True).start()
    model = f"http://127.0.0.1:{silent.getsockname()[1]}/v1#m"
    for streams in (False, True):
        server = Server(program, corpus, extra=["--model", model])
        body = json.dumps({"model": "react", "stream": streams,
                           "messages": [{"role": "user", "content": "What is in the river?"}]}).encode()
        s = server.connect()
        s.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                  + b"Authorization: Bearer " + FULL.encode() + b"\r\nContent-Length: " + str(len(body)).encode()
                  + b"\r\n\r\n" + body)
        time.sleep(1)
        seconds = server.end()
        s.settimeout(5)
        told = b""
        try:
            while piece := s.recv(65536):
                told += piece
        except OSError:
            pass
        name = "a waiting stream" if streams else "a waiting client"
        if seconds is None or server.process.returncode != 0:
            fault(f"SIGTERM with {name}: {seconds} s, exit code {server.process.returncode}")
        if b"shutting down" not in told:
            fault(f"SIGTERM with {name}: told {told[-200:]!r}")
    silent.close()


def hold_connections(listener):
    held = []
    while True:
        try:
            held.append(listener.accept()[0])
        except OSError:
            return


def attack_descriptors(program, corpus):
    for files in (10, 64, 256):
        server = Server(program, corpus, files=files)
        if server.port is None:
            code = server.process.wait(20)
            if code < 0:
                fault(f"with {files} descriptors the program ends by signal {-code}")
            continue
        held = []
        try:
            for _ in range(files * 2):
                held.append(server.connect())
        except OSError:
            pass
        time.sleep(2)
        status, seconds = retrieve(server)
        measured[f"served_with_{files}_descriptors_seconds"] = round(seconds, 2)
        if status != 200:
            fault(f"with {files} descriptors nobody is served beside idle clients: {status} after {seconds:.1f} s")
        for s in held:
            s.close()
        server.end()


def xxh64(data, seed=0):
    p1, p2, p3, p4, p5 = 11400714785074694791, 14029467366897019727, 1609587929392839161, 9650029242287828579, 2870177450012600261
    m = (1 << 64) - 1
    rot = lambda x, r: ((x << r) | (x >> (64 - r))) & m
    step = lambda a, v: rot((a + v * p2) & m, 31) * p1 & m
    n, i = len(data), 0
    if n >= 32:
        a = [(seed + p1 + p2) & m, (seed + p2) & m, seed, (seed - p1) & m]
        while i <= n - 32:
            for k in range(4):
                a[k] = step(a[k], struct.unpack_from("<Q", data, i + 8 * k)[0])
            i += 32
        h = (rot(a[0], 1) + rot(a[1], 7) + rot(a[2], 12) + rot(a[3], 18)) & m
        for k in range(4):
            h = ((h ^ step(0, a[k])) * p1 + p4) & m
    else:
        h = (seed + p5) & m
    h = (h + n) & m
    while i <= n - 8:
        h = (rot(h ^ step(0, struct.unpack_from("<Q", data, i)[0]), 27) * p1 + p4) & m
        i += 8
    if i <= n - 4:
        h = (rot(h ^ (struct.unpack_from("<I", data, i)[0] * p1 & m), 23) * p2 + p3) & m
        i += 4
    while i < n:
        h = rot(h ^ (data[i] * p5 & m), 11) * p1 & m
        i += 1
    h = (h ^ h >> 33) * p2 & m
    h = (h ^ h >> 29) * p3 & m
    return h ^ h >> 32


def repair(data):
    """Makes the checksums of a section file right again, as whoever changed it would."""
    trailer = len(data) - 64
    length, directory = struct.unpack_from("<QQ", data, trailer)
    for block in range((directory - length) // 8):
        struct.pack_into("<Q", data, length + 8 * block, xxh64(bytes(data[block << 16:min((block + 1) << 16, length)])))
    struct.pack_into("<Q", data, trailer + 32, xxh64(bytes(data[length:trailer])))
    struct.pack_into("<Q", data, trailer + 48, xxh64(bytes(data[trailer:trailer + 48])))


def attack_files(program, folder, corpus, dice, until):
    import sqlite3
    count = 0
    small = os.path.join(folder, "small.jsonl")
    with open(small, "w") as f:
        for i in range(300):
            f.write(json.dumps({"id": f"s{i}", "title": f"Salt {i}", "text": f"Salt and river {i % 7} salt.", "n": i}) + "\n")
    base = os.path.join(folder, "small.forage")
    if not os.path.exists(base):
        subprocess.run([program, "index", small, "--output", base, "--encoder", "none"], check=True, capture_output=True)
    names = [n for n in os.listdir(base) if not n.startswith(("corpus.sqlite", "lock"))]
    while time.time() < until or count < 6:
        target = os.path.join(folder, "mutated.forage")
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(base, target)
        name = dice.choice(names)
        path = os.path.join(target, name)
        data = bytearray(open(path, "rb").read())
        length = struct.unpack_from("<Q", data, len(data) - 64)[0]
        for _ in range(dice.randint(1, 4)):
            at, size = dice.randrange(64, max(65, length - 8)), dice.choice([1, 4, 8])
            data[at:at + size] = dice.choice([b"\x00", b"\x7f", b"\x80", b"\xff", b"\x01"]) * size
        repair(data)
        open(path, "wb").write(data)
        # Whoever changes the files changes the manifest, too.
        database = sqlite3.connect(os.path.join(target, "corpus.sqlite"))
        database.execute("UPDATE files SET parameters = json_remove(parameters, '$.identity')")
        database.commit()
        database.close()
        commands = [["search", "keyword", "--corpus", target, "salt river 3"], ["corpus", "verify", target],
                    ["filter", "--corpus", target, "--where", '{"field":"n","op":">","value":100}'],
                    ["read", "--corpus", target, "s7"]]

        def attempt(arguments):
            try:
                done = subprocess.run([program, *arguments], capture_output=True, timeout=60)
                if done.returncode < 0 or done.returncode >= 128:
                    fault(f"{name} mutated, {arguments[0]}: signal {done.returncode}")
                    shutil.copy(path, f"/tmp/forage-attack-{name}")
            except subprocess.TimeoutExpired:
                fault(f"{name} mutated, {arguments[0]}: no end")
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(attempt, commands))
        count += 1
    measured["file_mutations"] = measured.get("file_mutations", 0) + count


def attack_links(program, folder, corpus):
    target = os.path.join(folder, "linked.forage")
    for name in sorted(os.listdir(corpus)):
        if name.startswith("corpus.sqlite-"):
            continue
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(corpus, target)
        victim = os.path.join(folder, "victim")
        path = os.path.join(target, name)
        shutil.copy(path, victim)
        before = open(victim, "rb").read()
        os.remove(path)
        os.symlink(victim, path)
        extra = os.path.join(folder, "extra.jsonl")
        open(extra, "w").write('{"id":"new","text":"new"}\n')
        done = subprocess.run([program, "index", extra, "--output", target, "--encoder", "none"], capture_output=True)
        if open(victim, "rb").read() != before:
            fault(f"{name} as a link was written through")
        if name == "lock" and done.returncode == 0:
            fault("a lock that is a link was taken")


def attack_sources(program, folder):
    """Links in a folder of sources, and files that are none: nothing outside of the folder is read."""
    secret = os.path.join(folder, "secret.txt")
    open(secret, "w").write("zanzibar password of another person\n")
    outside = os.path.join(folder, "outside")
    os.makedirs(outside)
    shutil.copy(secret, outside)
    sources = os.path.join(folder, "sources")
    os.makedirs(os.path.join(sources, "inner"))
    open(os.path.join(sources, "plain.txt"), "w").write("an ordinary note about salt\n")
    os.symlink(secret, os.path.join(sources, "link.txt"))
    os.symlink(outside, os.path.join(sources, "folder"))
    os.symlink("..", os.path.join(sources, "inner", "up"))
    os.symlink("loop", os.path.join(sources, "loop"))
    os.symlink("/dev/zero", os.path.join(sources, "zero.txt"))
    os.mkfifo(os.path.join(sources, "pipe.txt"))
    for flags, reads in (([], False), (["--follow-links"], True)):
        target = os.path.join(folder, "sources.forage")
        shutil.rmtree(target, ignore_errors=True)
        try:
            subprocess.run([program, "index", sources, "--output", target, "--encoder", "none", *flags], check=True,
                           capture_output=True, timeout=60)
        except (subprocess.SubprocessError, OSError) as error:
            fault(f"a folder with links cannot be indexed: {error}")
            continue
        found = subprocess.run([program, "search", "keyword", "--corpus", target, "zanzibar"], capture_output=True, timeout=60)
        if (b"password" in found.stdout) != reads:
            fault(f"links in sources with {flags or 'no flag'}: what they point to is {'not ' if reads else ''}read")
    # A file that becomes a link between being listed and being read.
    swapped = os.path.join(folder, "swapped")
    os.makedirs(swapped)
    for i in range(300):
        open(os.path.join(swapped, f"n{i:03}.txt"), "w").write(f"note {i} about copper\n")
    target = os.path.join(folder, "swapped.forage")
    shutil.rmtree(target, ignore_errors=True)
    stop = threading.Event()

    def swap():
        path, other = os.path.join(swapped, "n299.txt"), os.path.join(swapped, ".other")
        while not stop.is_set():
            os.symlink(secret, other)
            os.replace(other, path)
            open(other, "w").write("note 299 about copper\n")
            os.replace(other, path)
    thread = threading.Thread(target=swap)
    thread.start()
    try:
        for _ in range(3):
            subprocess.run([program, "index", swapped, "--output", target, "--encoder", "none"], capture_output=True, timeout=60)
            found = subprocess.run([program, "search", "keyword", "--corpus", target, "zanzibar"], capture_output=True, timeout=60)
            if b"password" in found.stdout:
                fault("a file that became a link was read through")
    finally:
        stop.set()
        thread.join()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--seconds", type=float, default=90)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--build", choices=["debug", "release"], default="release", help="which bars.json's numbers hold")
    parser.add_argument("--only", default="", help="parts to run, by name")
    options = parser.parse_args()
    with open(os.path.join(HERE, "bars.json")) as f:
        bars.update(json.load(f)[options.build])
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    folder = tempfile.mkdtemp(prefix="forage-attack-")
    # One a part: they run side by side, and each is to try the same for the same seed.
    dice = {name: random.Random(f"{options.seed} {name}") for name in ("raw", "bodies", "files")}
    start = time.time()
    is_long = options.seconds > 600
    server = None
    try:
        corpus = make_corpus(options.program, folder)
        server = Server(options.program, corpus)
        parts = {
            "bombs": lambda: attack_bombs(server),
            "load": lambda: attack_load(options.program, corpus, server, 10_000 if is_long else 300),
            "access": lambda: attack_access(server),
            "scopes": lambda: attack_scopes(server),
            "heads": lambda: attack_heads(server),
            "sockets": lambda: attack_sockets(server),
            "models": lambda: attack_models(options.program, corpus),
            "raw": lambda: attack_raw(server, dice["raw"], 150),
            "bodies": lambda: attack_bodies(server, dice["bodies"], 150),
            "shutdown": lambda: attack_shutdown(options.program, corpus),
            "waiting": lambda: attack_waiting_shutdown(options.program, corpus),
            "descriptors": lambda: attack_descriptors(options.program, corpus),
            "documents": lambda: documents.attack_documents(options.program, folder, bars, measured, fault),
            "databases": lambda: documents.attack_databases(options.program, folder, corpus, fault),
            "early": lambda: stops.attack_early_end(options.program, corpus, measured, fault),
            "stores": lambda: stops.attack_stores(
                options.program, folder, corpus,
                lambda extra, limit: Server(options.program, corpus, extra=extra, limit=limit), fault),
            "links": lambda: attack_links(options.program, folder, corpus),
            "sources": lambda: attack_sources(options.program, folder),
            "files": lambda: attack_files(options.program, folder, corpus, dice["files"], time.time()),
        }
        # A debug build takes a quarter of a minute for each question; the tests of the client try the same replies there.
        chosen = [n for n in options.only.split(",") if n] or [n for n in parts if n != "models" or options.build == "release"]

        def attempt(name):
            began = time.time()
            parts[name]()
            measured[name + "_seconds"] = round(time.time() - began, 1)
        alone = [n for n in chosen if n in ("bombs", "load")]
        for name in alone:
            attempt(name)
        # The shorter ones share what the longest ones leave.
        with concurrent.futures.ThreadPoolExecutor(5) as pool:
            list(pool.map(attempt, sorted((n for n in chosen if n not in alone), key=LONGEST.index)))
        rounds = 0
        while time.time() - start < options.seconds:
            for name in ("raw", "bodies", "files"):
                if name in chosen:
                    parts[name]()
            rounds += 1
        measured["rounds"] = rounds
        if server.end() is None:
            fault("the server does not end")
    finally:
        if server and server.process.poll() is None:
            server.process.kill()
        shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps({"faults": len(faults), "seconds": round(time.time() - start, 1), **measured}))
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
