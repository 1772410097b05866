#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Attacks a forage program: attack.py PROGRAM [--seconds 90] [--seed 1] [--build debug] [--only NAME,NAME]

Makes a corpus of its own, serves it, and tries every route of the server's own list in every spelling, with every method
and every token, the tools behind MCP, WebSockets, raw requests, mutated bodies, bombs, idle and half-sent connections,
load, shutdown in each state, few file descriptors, sources and corpora with links, and corpora with mutated files. What
must hold in numbers stands in bars.json, for a debug and a release build. Nothing but the Python standard library is
needed. Exits 1 when anything did not hold, and prints one JSON line with what was measured.

Everything is tried once, however short the time; what is left of --seconds goes to random requests and files.
"""
import argparse, concurrent.futures, json, os, random, resource, shutil, signal, socket, struct, subprocess, sys
import tempfile, threading, time

READ, FULL = "reader-secret", "owner-secret"
faults, measured, bars = [], {}, {}
HERE = os.path.dirname(os.path.abspath(__file__))
HANDSHAKE = ("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")


def fault(text):
    faults.append(text)
    print("NOT HELD:", text, file=sys.stderr, flush=True)


class Server:
    def __init__(self, program, corpus, tokens=True, files=None, sessions=None):
        environment = dict(os.environ)
        if tokens:
            environment.update(FORAGE_TOKEN=FULL, FORAGE_READ_TOKEN=READ)
        limit = (lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))) if files else None
        self.process = subprocess.Popen(
            [program, "serve", "--corpus", corpus, "--port", "0", "--json"], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env=environment, preexec_fn=limit, text=True)
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
        # Another method is none of the route's, and tells nothing to who may not use the route.
        for other in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "QUERY", "PROPFIND"):
            if not any(m == other and p == path for m, p, _ in table):
                cases.append((other, plain, min(needs[path], key=["open", "read", "full"].index), plain, False))

    def attempt(case):
        method, spelling, access, plain, is_route = case
        for token, name in ((None, "none"), ("wrong", "wrong"), (READ, "read"), (FULL, "full")):
            if token == FULL and plain == "/mcp":
                continue
            status, _ = server.send(method, spelling, b"" if method in ("GET", "OPTIONS", "TRACE") else b"{}", token)
            allowed = access == "open" or token == FULL or (access == "read" and token == READ)
            refused = status in (401, 403)
            if status in (0, 500):
                fault(f"{method} {spelling} with token {name}: {status}")
            elif is_route and (allowed == refused):
                fault(f"{method} {spelling} with token {name}: {status}, access {access}")
            elif not is_route and (status < 300 or (token not in (READ, FULL) and access != "open" and not refused)):
                fault(f"{method} {spelling}, which is no route, with token {name}: {status}")
        return 4
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
        for arguments in (["search", "keyword", "--corpus", target, "salt river 3"], ["corpus", "verify", target],
                          ["filter", "--corpus", target, "--where", '{"field":"n","op":">","value":100}'],
                          ["read", "--corpus", target, "s7"]):
            try:
                done = subprocess.run([program, *arguments], capture_output=True, timeout=60)
                if done.returncode < 0 or done.returncode >= 128:
                    fault(f"{name} mutated, {arguments[0]}: signal {done.returncode}")
                    shutil.copy(path, f"/tmp/forage-attack-{name}")
            except subprocess.TimeoutExpired:
                fault(f"{name} mutated, {arguments[0]}: no end")
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
    dice, folder = random.Random(options.seed), tempfile.mkdtemp(prefix="forage-attack-")
    start = time.time()
    is_long = options.seconds > 600
    server = None
    try:
        corpus = make_corpus(options.program, folder)
        server = Server(options.program, corpus)
        parts = {
            "access": lambda: attack_access(server),
            "scopes": lambda: attack_scopes(server),
            "bombs": lambda: attack_bombs(server),
            "load": lambda: attack_load(options.program, corpus, server, 10_000 if is_long else 300),
            "raw": lambda: attack_raw(server, dice, 150),
            "bodies": lambda: attack_bodies(server, dice, 150),
            "shutdown": lambda: attack_shutdown(options.program, corpus),
            "descriptors": lambda: attack_descriptors(options.program, corpus),
            "links": lambda: attack_links(options.program, folder, corpus),
            "sources": lambda: attack_sources(options.program, folder),
            "files": lambda: attack_files(options.program, folder, corpus, dice, time.time()),
        }
        chosen = [n for n in options.only.split(",") if n] or list(parts)
        for name in chosen:
            began = time.time()
            parts[name]()
            measured[name + "_seconds"] = round(time.time() - began, 1)
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
