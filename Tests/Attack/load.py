#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Loads a forage server: load.py PROGRAM [--chats 1000] [--retrievals 10000] [--idle 2000] [--half 64] [--flat 100000]

Serves a corpus of its own with a stub model (an OpenAI-compatible server in this process that answers at once). Chats and
retrievals run at once, beside idle connections and half-sent bodies; counts what fails, how long answers take, and how the
server's memory grows: over these, and over many requests afterwards, of which the second half must add next to nothing.
Prints one JSON line; exits 1 when a request failed or memory grew.
"""
import argparse, concurrent.futures, http.server, json, os, resource, shutil, subprocess, sys, tempfile, threading, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import attack


class Stub(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    turn = 0

    def do_GET(self):
        self.answer({"object": "list", "data": [{"id": "stub", "object": "model"}]})

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        called = any(m.get("role") == "tool" for m in asked["messages"])
        if asked.get("tools") and not called:
            message = {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "type": "function", "function": {
                "name": "keyword_search", "arguments": json.dumps({"query": "salt river"})}}]}
        else:
            message = {"role": "assistant", "content": "The salt came by the river."}
        self.answer({"id": "x", "object": "chat.completion", "model": "stub", "choices": [
            {"index": 0, "message": message, "finish_reason": "tool_calls" if message.get("tool_calls") else "stop"}],
            "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}})

    def answer(self, value):
        data = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


class LoadedServer(attack.Server):
    def __init__(self, program, corpus, model):
        self.process = subprocess.Popen(
            [program, "serve", "--corpus", corpus, "--port", "0", "--json", "--model", model, "--policy", "react"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env={**os.environ, "FORAGE_TOKEN": attack.FULL, "FORAGE_READ_TOKEN": attack.READ,
                 "XDG_STATE_HOME": os.path.dirname(corpus), "XDG_DATA_HOME": os.path.dirname(corpus)})
        self.port = json.loads(self.process.stdout.readline())["port"]


def spread(times):
    times = sorted(times)
    return {"p50": round(times[len(times) // 2], 4), "p99": round(times[int(len(times) * 0.99)], 4), "max": round(times[-1], 3)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--chats", type=int, default=1000)
    parser.add_argument("--retrievals", type=int, default=10_000)
    parser.add_argument("--idle", type=int, default=2000)
    parser.add_argument("--half", type=int, default=64)
    parser.add_argument("--flat", type=int, default=100_000)
    parser.add_argument("--clients", type=int, default=16)
    options = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    stub = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stub)
    threading.Thread(target=stub.serve_forever, daemon=True).start()
    folder = tempfile.mkdtemp(prefix="forage-load-")
    result, failed = {}, 0
    try:
        corpus = attack.make_corpus(options.program, folder)
        server = LoadedServer(options.program, corpus, f"http://127.0.0.1:{stub.server_port}/v1#stub")

        def chat(number):
            body = {"model": "react", "messages": [{"role": "user", "content": f"Where did the salt of note {number} come from?"}]}
            start = time.time()
            status, answer = server.send("POST", "/v1/chat/completions", json.dumps(body).encode())
            return status == 200 and b"river" in answer, time.time() - start

        def retrieve(number):
            status, seconds = attack.retrieve(server)
            return status == 200, seconds

        def run(work, count):
            with concurrent.futures.ThreadPoolExecutor(options.clients) as pool:
                done = list(pool.map(work, range(count)))
            return sum(not ok for ok, _ in done), [t for _, t in done]
        run(retrieve, 200)
        result["rss_start_mib"] = server.rss()
        held = [server.connect() for _ in range(options.idle)]
        for _ in range(options.half):
            held.append(server.connect())
            held[-1].sendall(b"POST /retrieve HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + attack.FULL.encode()
                             + b"\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{")

        def measure(name, work, count):
            start = time.time()
            bad, times = run(work, count)
            result[name] = {"count": count, "failed": bad, "a_second": round(count / (time.time() - start), 1), **spread(times)}
            return bad
        kinds = [k for k in (("chats", chat, options.chats), ("retrievals", retrieve, options.retrievals)) if k[2]]
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            failed += sum(pool.map(lambda kind: measure(*kind), kinds))
        result["rss_after_both_mib"] = server.rss()
        for connection in held:
            connection.close()
        if options.flat:
            half = options.flat // 2
            bad, _ = run(retrieve, half)
            middle = server.rss()
            more, _ = run(retrieve, half)
            failed += bad + more
            result["flat"] = {"count": 2 * half, "rss_half_mib": middle, "rss_end_mib": server.rss()}
            if server.rss() - middle > 16:
                failed += 1
                print("NOT HELD: memory grows", file=sys.stderr)
        result["shutdown_seconds"] = server.end()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps({"failed": failed, **result}))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
