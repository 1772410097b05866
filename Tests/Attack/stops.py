# SPDX-License-Identifier: Apache-2.0
"""The ends of a server that has hardly begun, and stores of sessions that cannot be written."""
import json, os, resource, signal, subprocess, time


def attack_early_end(program, corpus, measured, fault):
    """SIGTERM from the moment at which the program has a handler for it, before and while the server begins to listen."""
    worst = 0
    for delay in (0, 0, 0.002, 0.01, 0.05):
        process = subprocess.Popen([program, "serve", "--corpus", corpus, "--port", "0"],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        # A debug build on a busy machine takes its time to come so far.
        end, is_set = time.time() + 240, False
        while time.time() < end and process.poll() is None:
            with open(f"/proc/{process.pid}/status") as f:
                masks = [int(line.split()[1], 16) for line in f if line.startswith(("SigIgn", "SigCgt"))]
            is_set = any(mask >> signal.SIGTERM - 1 & 1 for mask in masks)
            if is_set:
                break
            time.sleep(0.002)
        time.sleep(delay)
        began = time.time()
        process.send_signal(signal.SIGTERM)
        try:
            status = process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            status = "none"
        seconds = time.time() - began
        worst = max(worst, seconds)
        if not is_set or status != 0 or seconds > 5:
            told = process.stderr.read().decode(errors="replace")[-200:]
            fault(f"SIGTERM {delay} s after its handler is set: exit status {status} after {seconds:.1f} s, {told!r}")
        process.stderr.close()
    measured["early_end_seconds"] = round(worst, 2)


def attack_stores(program, folder, corpus, make_server, fault):
    """An answer does not depend on its record: on a full disk, and where there can be no file."""
    def full():
        # Writes past this length fail, as they do on a full disk.
        resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
    blocked = os.path.join(folder, "blocked")
    with open(blocked, "w") as f:
        f.write("no folder\n")
    cases = {"a full disk": (os.path.join(folder, "full.sqlite"), full), "no folder": (blocked + "/s.sqlite", None)}
    for name, (path, limit) in cases.items():
        for flags, is_told in (([], True), (["--ephemeral"], False)):
            done = subprocess.run([program, "ask", "--corpus", corpus, "--policy", "hops", "--quiet", *flags,
                                   "Where is the salt?"],
                                  env={**os.environ, "FORAGE_SESSIONS": path}, capture_output=True, timeout=120,
                                  restore_signals=False, preexec_fn=limit)
            if done.returncode != 0 or not done.stdout.strip():
                fault(f"a store with {name}, {flags}: exit status {done.returncode}, {done.stderr[-300:]!r}")
            if (b"not stored" in done.stderr) != is_told:
                fault(f"a store with {name}, {flags}: told {done.stderr[-300:]!r}")
    server = make_server(["--sessions", os.path.join(folder, "full2.sqlite")], full)
    body = json.dumps({"model": "hops", "messages": [{"role": "user", "content": "Where is the salt?"}]}).encode()
    for _ in range(3):
        status, answer = server.send("POST", "/v1/chat/completions", body)
        if status != 200:
            fault(f"a server on a full disk answers {status}: {answer[:200]!r}")
    status, ready = server.send("GET", "/ready")
    if status != 200 or json.loads(ready).get("sessions_stored") is not False:
        fault(f"a server on a full disk is ready: {ready[:200]!r}")
    if server.end() is None:
        fault("a server on a full disk does not end")
