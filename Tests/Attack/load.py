#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Loads a forage server: load.py PROGRAM [--chats 1000] [--retrievals 10000] [--idle 2000] [--half 64] [--flat 100000]
[--build debug]

Serves a corpus of its own with a stub model (an OpenAI-compatible server in a process of its own that answers at once).

1. Retrievals alone, for what they take when nothing else is about.
2. Chats and retrievals at once, beside idle connections and half-sent bodies: none may fail, and the slowest hundredth of the
   retrievals may take p99_ratio times what it took alone (bars.json). They are measured by a process of its own.
3. Many retrievals, of which the second half must add next to nothing to the server's memory.
4. SIGTERM while all of that is under way: the server ends within its limit with exit status 0, and what it had begun to
   answer is answered or told so. Then SIGTERM with nothing, with each kind of connection, and with clients that wait for a
   model (`attack.py`'s parts "shutdown", "waiting" and "early").

Prints one JSON line; exits 1 when something did not hold.
"""
import argparse, concurrent.futures, http.server, json, os, resource, shutil, subprocess, sys, tempfile, threading, time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import attack, stops


class Stub(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

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


def serve_stub():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stub)
    server.request_queue_size = 1024
    print(server.server_port, flush=True)
    server.serve_forever()


class LoadedServer(attack.Server):
    def __init__(self, program, corpus, model):
        self.process = subprocess.Popen(
            [program, "serve", "--corpus", corpus, "--port", "0", "--json", "--model", model, "--policy", "react"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env={**os.environ, "FORAGE_TOKEN": attack.FULL, "FORAGE_READ_TOKEN": attack.READ,
                 "XDG_STATE_HOME": os.path.dirname(corpus), "XDG_DATA_HOME": os.path.dirname(corpus)})
        self.port = json.loads(self.process.stdout.readline())["port"]


class KnownServer(attack.Server):
    """A server that another process started."""
    def __init__(self, port):
        self.port = port


def spread(times):
    times = sorted(times)
    return {"p50": round(times[len(times) // 2], 4), "p99": round(times[int(len(times) * 0.99)], 4), "max": round(times[-1], 3)}


def run(work, count, clients):
    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        done = list(pool.map(work, range(count)))
    return sum(not ok for ok, _ in done), [t for _, t in done]


def retrieve_all(server, count, clients):
    def retrieve(number):
        try:
            status, seconds = attack.retrieve(server)
        except OSError:
            return False, 0
        return status == 200, seconds
    return run(retrieve, count, clients)


def chat_all(server, count, clients):
    def chat(number):
        body = {"model": "react", "messages": [{"role": "user", "content": f"Where did the salt of note {number} come from?"}]}
        start = time.time()
        try:
            status, answer = server.send("POST", "/v1/chat/completions", json.dumps(body).encode())
        except OSError:
            return False, 0
        return status == 200 and b"river" in answer, time.time() - start
    return run(chat, count, clients)


def elsewhere(kind, port, count, clients):
    """Runs requests in a process of its own, so that those of another kind do not wait for its interpreter."""
    done = subprocess.run([sys.executable, os.path.abspath(__file__), f"--{kind}-at", str(port), "--count", str(count),
                           "--clients", str(clients)], capture_output=True, check=True)
    return json.loads(done.stdout)


def account(count, failed, times, began):
    return {"count": count, "failed": failed, "a_second": round(count / (time.time() - began), 1), **spread(times)}


def hold(server, idle, half):
    held = [server.connect() for _ in range(idle)]
    for _ in range(half):
        held.append(server.connect())
        held[-1].sendall(b"POST /retrieve HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + attack.FULL.encode()
                         + b"\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{")
    return held


def end_under_load(program, corpus, model, options, fault, result):
    """SIGTERM while chats and retrievals run beside connections that are held."""
    server = LoadedServer(program, corpus, model)
    held = hold(server, options.idle // 10, options.half)
    threads = [threading.Thread(target=work, args=(server, 100_000, 8), daemon=True) for work in (chat_all, retrieve_all)]
    for thread in threads:
        thread.start()
    time.sleep(2)
    seconds = server.end()
    result["shutdown_under_load_seconds"] = seconds and round(seconds, 2)
    if seconds is None or seconds > attack.bars["shutdown_seconds"] or server.process.returncode != 0:
        fault(f"SIGTERM under load: {seconds} s, exit status {server.process.returncode}")
    for connection in held:
        connection.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program", nargs="?")
    parser.add_argument("--chats", type=int, default=1000)
    parser.add_argument("--retrievals", type=int, default=10_000)
    parser.add_argument("--idle", type=int, default=2000)
    parser.add_argument("--half", type=int, default=64)
    parser.add_argument("--flat", type=int, default=100_000)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--build", choices=["debug", "release"], default="release", help="which bars.json's numbers hold")
    # What the processes of its own are told.
    parser.add_argument("--stub", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--retrieve-at", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--chat-at", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--count", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.stub:
        return serve_stub()
    for port, work in ((options.retrieve_at, retrieve_all), (options.chat_at, chat_all)):
        if port:
            began = time.time()
            failed, times = work(KnownServer(port), options.count, options.clients)
            print(json.dumps(account(options.count, failed, times, began)))
            return
    with open(os.path.join(HERE, "bars.json")) as f:
        attack.bars.update(json.load(f)[options.build])
    bars, fault = attack.bars, attack.fault
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    stub = subprocess.Popen([sys.executable, os.path.abspath(__file__), "--stub"], stdout=subprocess.PIPE, text=True)
    model = f"http://127.0.0.1:{int(stub.stdout.readline())}/v1#stub"
    folder = tempfile.mkdtemp(prefix="forage-load-")
    result = {}
    try:
        corpus = attack.make_corpus(options.program, folder)
        server = LoadedServer(options.program, corpus, model)
        retrieve_all(server, 200, options.clients)
        result["rss_start_mib"] = server.rss()
        alone = elsewhere("retrieve", server.port, max(1000, options.retrievals // 10), options.clients)
        result["retrievals_alone"] = alone
        held = hold(server, options.idle, options.half)
        kinds = [(k, n) for k, n in (("chat", options.chats), ("retrieve", options.retrievals)) if n]
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            both = dict(zip((k for k, _ in kinds),
                            pool.map(lambda kind: elsewhere(*kind[:1], server.port, kind[1], options.clients), kinds)))
        result.update({"chats" if k == "chat" else "retrievals": v for k, v in both.items()})
        for kind, told in both.items():
            if told["failed"]:
                fault(f"{told['failed']} of {told['count']} requests of the kind {kind} failed under load")
        if "retrieve" in both:
            limit = bars["p99_ratio"] * alone["p99"] + bars["p99_slack_seconds"]
            if both["retrieve"]["p99"] > limit:
                fault(f"p99 of /retrieve {both['retrieve']['p99']} s beside {alone['p99']} s alone")
        result["rss_after_both_mib"] = server.rss()
        for connection in held:
            connection.close()
        if options.flat:
            half = options.flat // 2
            first = elsewhere("retrieve", server.port, half, options.clients)
            middle = server.rss()
            second = elsewhere("retrieve", server.port, half, options.clients)
            end = server.rss()
            result["flat"] = {"count": 2 * half, "rss_half_mib": middle, "rss_end_mib": end}
            if first["failed"] + second["failed"]:
                fault(f"{first['failed'] + second['failed']} of {2 * half} retrievals failed")
            if end - middle > 16:
                fault(f"memory grows from {middle} to {end} MiB over {half} requests")
        seconds = server.end()
        result["shutdown_seconds"] = seconds and round(seconds, 2)
        if seconds is None or server.process.returncode != 0:
            fault(f"SIGTERM after the load: {seconds} s, exit status {server.process.returncode}")
        end_under_load(options.program, corpus, model, options, fault, result)
        attack.attack_shutdown(options.program, corpus)
        attack.attack_waiting_shutdown(options.program, corpus)
        stops.attack_early_end(options.program, corpus, attack.measured, fault)
    finally:
        stub.kill()
        shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps({"faults": len(attack.faults), **result, **attack.measured}))
    sys.exit(1 if attack.faults else 0)


if __name__ == "__main__":
    main()
