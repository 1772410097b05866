#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prefill and decode of a GGUF model: forage beside llama.cpp, in turn, on the same machine and threads.

    python3 -m venv v && v/bin/pip install --no-binary llama-cpp-python llama-cpp-python
    v/bin/python llama_peer.py FORAGE MODEL.gguf [--threads 2] [--rounds 5] [--prompt 512] [--generate 128]

The package builds llama.cpp from source for this very processor (five minutes on two cores; needs a C++ compiler).

Each round times llama.cpp (pp and tg as its own bench takes them: one batch of prompt tokens, then single tokens), then
`forage model bench`, so that both see the same load. Printed as JSON lines: tokens a second of each round, medians, and
the median of the rounds' ratios (forage / llama.cpp). llama.cpp runs with its defaults (flash attention, F16 cache).
"""
import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time


def llama(args):
    """One round in this process; the model stays loaded between rounds."""
    import llama_cpp as lib

    lib.llama_backend_init()
    model = lib.llama_model_load_from_file(args.model.encode(), lib.llama_model_default_params())
    vocabulary = lib.llama_vocab_n_tokens(lib.llama_model_get_vocab(model))
    cp = lib.llama_context_default_params()
    cp.n_ctx = args.prompt + args.generate + 32
    cp.n_batch = cp.n_ubatch = 512
    cp.n_threads = cp.n_threads_batch = args.threads

    def decode(ctx, tokens):
        memory = (lib.llama_token * len(tokens))(*tokens)
        assert lib.llama_decode(ctx, lib.llama_batch_get_one(memory, len(tokens))) == 0
        lib.llama_synchronize(ctx)

    def once():
        ctx = lib.llama_init_from_model(model, cp)
        decode(ctx, [1])
        lib.llama_memory_clear(lib.llama_get_memory(ctx), True)
        begin = time.perf_counter()
        for start in range(0, args.prompt, 512):
            decode(ctx, [(7919 + i * 104729) % vocabulary for i in range(start, min(args.prompt, start + 512))])
        prefill = args.prompt / (time.perf_counter() - begin)
        begin = time.perf_counter()
        for i in range(args.generate):
            decode(ctx, [(i * 31 + 7) % vocabulary])
        result = {"prefill": prefill, "decode": args.generate / (time.perf_counter() - begin)}
        lib.llama_free(ctx)
        return result

    while sys.stdin.readline():
        print("ROUND " + json.dumps(once()), flush=True)


def forage(args):
    text = subprocess.run(
        [args.forage, "model", "bench", args.model, "--threads", str(args.threads), "--prompt", str(args.prompt),
         "--generate", str(args.generate), "--repeats", "1"], check=True, capture_output=True, text=True).stdout
    return {
        "prefill": float(re.search(r"prefill_tok_s\s+best ([\d.]+)", text)[1]),
        "decode": float(re.search(r"decode_tok_s\s+best ([\d.]+)", text)[1]),
        "first_token": float(re.search(r"first_token_s\s+([\d.]+)", text)[1]),
        "resident": float(re.search(r"peak_MB\s+([\d.]+)", text)[1]),
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("forage")
    parser.add_argument("model")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--prompt", type=int, default=512)
    parser.add_argument("--generate", type=int, default=128)
    parser.add_argument("--llama", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.llama:
        return llama(args)
    # What llama.cpp logs goes to a file: in a pipe that nobody reads it would stop for good after 64 KB.
    log = tempfile.TemporaryFile("w+")
    peer = subprocess.Popen(
        [sys.executable, __file__, *sys.argv[1:], "--llama"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=log, text=True)
    rounds = []
    for _ in range(args.rounds):
        peer.stdin.write("\n")
        peer.stdin.flush()
        line = next((line for line in peer.stdout if line.startswith("ROUND ")), None)
        if line is None:
            log.seek(0)
            sys.exit("llama.cpp gave no figures: " + log.read().strip()[-400:])
        rounds.append((forage(args), json.loads(line[6:])))
        print(json.dumps({"forage": rounds[-1][0], "llama.cpp": rounds[-1][1]}), flush=True)
    peer.stdin.close()
    peer.wait()
    for name in ("prefill", "decode"):
        ours, theirs = ([r[side][name] for r in rounds] for side in (0, 1))
        print(json.dumps({
            "measure": name, "forage": statistics.median(ours), "llama.cpp": statistics.median(theirs),
            "ratio": round(statistics.median(a / b for a, b in zip(ours, theirs)), 3)}))


main()
