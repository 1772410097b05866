# SPDX-License-Identifier: Apache-2.0
"""Several servers over one database under load, one of them killed: no request may be lost.

    python3 Examples/cluster/load.py PROGRAM DATABASE [--servers 3] [--seconds 20]

Indexes Examples/news into DATABASE (postgresql://…, as `.ci/postgres run` gives one), starts servers over it, sends
`/retrieve` from several clients through a small balancer that asks /ready and tries reading again elsewhere, kills a server
with signal 9, lets another one drain, and counts. Exit 1 when an answer is missing, wrong or differs between servers.
"""
import argparse
import http.client
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

examples = pathlib.Path(__file__).resolve().parents[1]
parser = argparse.ArgumentParser()
parser.add_argument("program")
parser.add_argument("database")
parser.add_argument("--servers", type=int, default=3)
parser.add_argument("--clients", type=int, default=4)
parser.add_argument("--seconds", type=float, default=20)
options = parser.parse_args()
corpus = options.database + "?corpus=load"


def start(port: int = 0) -> tuple[subprocess.Popen, int]:
    server = subprocess.Popen(
        [options.program, "serve", "--corpus", corpus, "--sessions", options.database, "--port", str(port), "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return server, json.loads(server.stdout.readline())["port"]


def ask(port: int, method: str, path: str, body: dict | None = None, seconds: float = 30) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        reply = connection.getresponse()
        return reply.status, reply.read()
    finally:
        connection.close()


subprocess.run(
    [options.program, "index", str(examples / "news/corpus.jsonl"), "--output", corpus, "--encoder", "none"], check=True)
servers = [start() for _ in range(options.servers)]
ready = {port: True for _, port in servers}
titles = [json.loads(line)["title"] for line in (examples / "news/corpus.jsonl").read_text().splitlines()[:40]]
expected: dict[str, list[str]] = {}
lost, again, answered, stop = [], [], [], threading.Event()


def watch() -> None:
    while not stop.is_set():
        for _, port in servers:
            try:
                ready[port] = ask(port, "GET", "/ready", seconds=2)[0] == 200
            except OSError:
                ready[port] = False
        time.sleep(0.2)


def identities(body: bytes) -> list[str]:
    return [hit["document"]["id"] for hit in json.loads(body)["result"][0]]


def client(number: int) -> None:
    turn = number
    while not stop.is_set():
        turn += 1
        query = titles[turn % len(titles)]
        for attempt in range(len(servers) + 1):
            ports = [port for port in ready if ready[port]] or list(ready)
            port = ports[(turn + attempt) % len(ports)]
            try:
                status, body = ask(port, "POST", "/retrieve", {"queries": [query], "topk": 5})
            except OSError:
                ready[port] = False
                again.append(port)
                continue
            if status == 503:
                again.append(port)
                continue
            if status != 200:
                lost.append((port, status, body[:200]))
                break
            found = identities(body)
            if expected.setdefault(query, found) != found:
                lost.append((port, "another answer", query))
            answered.append(port)
            break
        else:
            lost.append((None, "no server answered", query))


threads = [threading.Thread(target=watch)] + [threading.Thread(target=client, args=(n,)) for n in range(options.clients)]
begin = time.time()
for thread in threads:
    thread.start()
time.sleep(options.seconds / 3)
os.kill(servers[0][0].pid, signal.SIGKILL)
print(f"server {servers[0][1]} killed after {len(answered)} answers", flush=True)
time.sleep(options.seconds / 3)
if len(servers) > 2:
    servers[1][0].send_signal(signal.SIGTERM)
    print(f"server {servers[1][1]} told to end after {len(answered)} answers", flush=True)
time.sleep(options.seconds / 3)
stop.set()
for thread in threads:
    thread.join()
seconds = time.time() - begin
left = servers[-1][1]
status, text = ask(left, "GET", "/metrics")
counted = sum(float(line.split()[-1]) for line in text.decode().splitlines() if line.startswith("forage_queries_total"))
own = answered.count(left)
for server, _ in servers:
    server.terminate()
    server.wait()
print(
    f"{len(answered)} answers in {seconds:.1f} s, {len(answered) / seconds:.0f} a second; {len(again)} sent again, "
    f"{len(lost)} lost; the last server counts {counted:.0f} queries, its clients {own}")
for entry in lost[:5]:
    print("lost:", entry)
if lost or counted < own or not answered:
    sys.exit(1)
