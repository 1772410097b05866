#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Kills `forage ask` with SIGKILL at random moments, lets `forage resume` go on, and checks what comes out.

    python3 kill_sessions.py FORAGE CORPUS [--kills 100] [--seed 1]

The model is a server in this script that speaks the OpenAI protocol, takes some milliseconds a turn, and counts every
request; one of the tools is a program that writes a line into a log each time it runs. Each session is killed again and
again (also while it resumes) until a life reaches the end. Then
- its events are those of a run that nothing interrupted, byte for byte;
- no tool ran again whose result was stored, and no model turn was asked for again whose reply was stored.
"""
import argparse
import collections
import hashlib
import http.server
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

DELAY = 0.03
requests = collections.Counter()
lock = threading.Lock()


def reply(messages):
    """What the model says: three turns of calls, several at a time, then an answer."""
    turn = sum(m["role"] == "assistant" for m in messages)
    calls = [
        [("keyword_search", {"query": "magazine"}), ("stamp", {"word": "one"}), ("keyword_search", {"query": "river"})],
        [("stamp", {"word": "two"})],
        [("keyword_search", {"query": "company"}), ("stamp", {"word": "three"})],
    ]
    if turn < len(calls):
        return {"role": "assistant", "content": "", "tool_calls": [
            {"id": f"c{turn}-{i}", "type": "function", "index": i, "function": {"name": n, "arguments": json.dumps(a)}}
            for i, (n, a) in enumerate(calls[turn])]}, "tool_calls"
    return {"role": "assistant", "content": "That is not known.\nAnswer: unknown"}, "stop"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        # The question names the session; the rest of the conversation names the turn.
        key = hashlib.sha256(json.dumps(body["messages"], sort_keys=True).encode()).hexdigest()
        with lock:
            requests[key] += 1
        time.sleep(DELAY)
        message, finish = reply(body["messages"])
        usage = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
        head = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": body["model"]}
        try:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Connection", "close")
            self.end_headers()
            for chunk in ({**head, "choices": [{"index": 0, "delta": message, "finish_reason": None}]},
                          {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]},
                          {**head, "choices": [], "usage": usage}):
                self.wfile.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
            self.wfile.write(b"data: [DONE]\n\n")
        except (BrokenPipeError, ConnectionResetError):
            pass
        self.close_connection = True

    def log_message(self, *_):
        pass


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("forage")
    parser.add_argument("corpus")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    chance = random.Random(args.seed)
    folder = tempfile.mkdtemp(prefix="forage-kill-")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    os.makedirs(folder + "/tools")
    log = folder + "/stamps"
    open(log, "w").close()
    with open(folder + "/tools/keyword_search.yaml", "w") as file:
        file.write("name: keyword_search\ndescription: Finds passages by their words.\nruns: builtin\n"
                   "parameters: {type: object, properties: {query: {type: string}, limit: {type: integer}}, "
                   "required: [query]}\n")
    with open(folder + "/stamp.py", "w") as file:
        file.write(f"import sys, os\nf = os.open({log!r}, os.O_WRONLY | os.O_APPEND)\n"
                   "os.write(f, (sys.argv[1] + '\\n').encode())\nprint('stamped ' + sys.argv[1])\n")
    with open(folder + "/tools/stamp.yaml", "w") as file:
        file.write("name: stamp\ndescription: Stamps a word.\n"
                   f"runs: {{program: {{command: [{sys.executable}, {folder}/stamp.py, \"{{word}}\"]}}}}\n"
                   "parameters: {type: object, properties: {word: {type: string}}, required: [word]}\n")
    store = folder + "/state/sessions.sqlite"
    model = f"http://127.0.0.1:{server.server_port}/v1#scripted"
    common = ["--corpus", args.corpus, "--model", model, "--policy", "react", "--tools", folder + "/tools",
              "--sessions", store]
    environment = {**os.environ, "OPENAI_API_KEY": "none"}

    def start(arguments):
        return subprocess.Popen([args.forage, *arguments], env=environment, stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE)

    def run(arguments):
        child = start(arguments)
        error = child.communicate()[1].decode()
        assert child.returncode == 0, error
        return error

    def output(arguments):
        return subprocess.run([args.forage, *arguments], capture_output=True, text=True, check=True).stdout

    def sessions():
        return [json.loads(line) for line in output(["sessions", "list", "--json", "--sessions", store]).splitlines()]

    def events(session):
        return output(["sessions", "export", "--sessions", store, session]).splitlines()

    def stamps():
        with open(log) as file:
            return collections.Counter(file.read().split())

    began = time.time()
    run(["ask", *common, "--seed", "1", "Which magazine?"])
    length = time.time() - began
    whole = events(sessions()[0]["id"])
    per_run = stamps()
    turns = len(requests)
    assert all(count == 1 for count in requests.values()), requests
    output(["sessions", "delete", "--sessions", store, sessions()[0]["id"]])
    kills, rounds, where, repeated_turns, repeated_tools = 0, 0, collections.Counter(), 0, 0
    while kills < args.kills:
        rounds += 1
        requests.clear()
        open(log, "w").close()
        arguments = ["ask", *common, "--seed", "1", "Which magazine?"]
        session, open_turns, open_tools = None, 0, 0
        while True:
            child = start(arguments)
            timer = threading.Timer(chance.uniform(0, length * 1.1), lambda c=child: c.poll() is None and c.send_signal(signal.SIGKILL))
            timer.start()
            error = child.communicate()[1].decode()
            timer.cancel()
            timer.join()
            if child.returncode == 0:
                break
            assert child.returncode == -signal.SIGKILL, (child.returncode, error)
            kills += 1
            found = sessions() if os.path.exists(store) else []
            if not found:
                where["before the first event"] += 1
                continue
            session = found[0]["id"]
            if found[0]["stop"]:
                where["after the last event"] += 1
                break
            stored = [json.loads(line) for line in events(session)]
            where["after " + stored[-1]["event"]] += 1
            # What was begun and not finished may be done again, once for each kill.
            begun = [e for e in stored if e["event"] in ("model_called", "tool_called")]
            done = {e.get("id") or e.get("call") for e in stored if e["event"] in ("model_returned", "tool_returned")}
            for event in begun:
                if (event.get("id") or event.get("call")) not in done:
                    if event["event"] == "model_called":
                        open_turns += 1
                    else:
                        open_tools += 1
            arguments = ["resume", *common, session]
        session = sessions()[0]["id"]
        assert events(session) == whole, f"round {rounds}: other events than those of the uninterrupted run"
        again = sum(requests.values()) - turns
        assert again <= open_turns, f"round {rounds}: {again} turns asked for again, {open_turns} were open"
        ran = sum(stamps().values()) - sum(per_run.values())
        assert ran <= open_tools, f"round {rounds}: {ran} calls made again, {open_tools} were open"
        repeated_turns += again
        repeated_tools += ran
        output(["sessions", "delete", "--sessions", store, session])
    modes = {name: oct(os.stat(os.path.join(folder, "state", name)).st_mode & 0o777)
             for name in os.listdir(folder + "/state")}
    print(json.dumps({
        "kills": kills, "sessions": rounds, "events_of_a_run": len(whole), "all_equal": True, "killed": dict(where),
        "turns_cut_off_and_asked_again": repeated_turns, "calls_cut_off_and_made_again": repeated_tools,
        "folder_mode": oct(os.stat(folder + "/state").st_mode & 0o777), "file_modes": modes}))
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
