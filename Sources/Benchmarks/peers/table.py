#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The whole comparison in one run: Forage and the alternatives in turn on the same files, with ratios.

usage: table.py FORAGE_BENCHMARKS DATA [--passages N] [--vectors N] [--documents N] [--rounds N] [--only keyword,filter]
DATA holds the files of make_data.py, which is run when they are missing. Each measurement is a process of its own; rounds
alternate the engines, and the median round counts. Figures by processor time (`cpu`) are those of a core of one's own.
The parts: keyword, vector, hnsw, filter, encoder (needs the model minilm and `--texts`, JSON lines with "text"), links
(needs `--texts` with ids and titles and `--questions`), fusion, model (needs `--model`, a GGUF file, and `--forage`).
What could not be run is listed at the end, with the reason.
"""
import argparse, json, os, statistics, subprocess, sys

import peer

here = os.path.dirname(os.path.abspath(__file__))


left_out = []


def leave_out(what, reason):
    """Remembers what has no figure, for the list at the end of the run."""
    line = f"{what}: {' '.join(reason.split())[-300:]}"
    if line not in left_out:
        left_out.append(line)


def call(command):
    environment = dict(os.environ, OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="2", NUMBA_NUM_THREADS="1")
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        leave_out(" ".join([os.path.basename(command[0]), *command[1:3]])[:120], done.stderr)
        return []
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def median(runs, field):
    values = [run[field] for run in runs if field in run]
    return statistics.median(values) if values else float("nan")


def at_recall(points, wanted):
    """Queries per second at a recall, between the two points of the sweep around it."""
    points = sorted((p["recall10"], p["cpu_qps"]) for p in points)
    if not points or points[-1][0] < wanted:
        return float("nan")
    if points[0][0] >= wanted:
        return max(qps for recall, qps in points if recall >= wanted)
    for (low, low_qps), (high, high_qps) in zip(points, points[1:]):
        if low < wanted <= high:
            return low_qps + (high_qps - low_qps) * (wanted - low) / (high - low)
    return float("nan")


def keyword(o):
    corpus, queries = f"{o.data}/passages.{o.passages}.jsonl", f"{o.data}/queries.{o.passages}.txt"
    results = {}
    for operation in ["build"] + ["search"] * o.rounds:
        for engine in ("forage", "tantivy", "bm25s"):
            index = f"{o.data}/index.{engine}.{o.passages}"
            if engine == "forage":
                found = call([o.benchmarks, "keyword", "--corpus", corpus, "--queries", queries, "--index", index,
                              "--operation", operation])
            else:
                found = call([sys.executable, f"{here}/peer.py", json.dumps(
                    {"engine": engine, "op": operation, "corpus": corpus, "queries": queries, "index": index})])
            results.setdefault((engine, operation), []).extend(found)
    print(f"\nBM25, {o.passages} passages, one thread, top 10\n")
    print("| engine | build docs/s | disk MB | peak MB of build | QPS | cpu QPS | p99 ms | cpu p99 ms | peak MB |")
    print("|---|---|---|---|---|---|---|---|---|")
    for engine in ("forage", "tantivy", "bm25s"):
        b, s = results[engine, "build"], results[engine, "search"]
        print(f"| {engine} | {median(b, 'docs_per_s'):.0f} | {median(b, 'disk_MB'):.1f} | {median(b, 'peak_rss_MB'):.0f} | "
              f"{median(s, 'qps'):.0f} | {median(s, 'cpu_qps'):.0f} | {median(s, 'p99_ms'):.3f} | "
              f"{median(s, 'cpu_p99_ms'):.3f} | {median(s, 'peak_rss_MB'):.0f} |")
    ours = results["forage", "search"]
    for engine in ("tantivy", "bm25s"):
        print(f"\nforage / {engine}: cpu QPS {median(ours, 'cpu_qps') / median(results[engine, 'search'], 'cpu_qps'):.2f}x, "
              f"build {median(results['forage', 'build'], 'docs_per_s') / median(results[engine, 'build'], 'docs_per_s'):.2f}x, "
              f"disk {median(results['forage', 'build'], 'disk_MB') / median(results[engine, 'build'], 'disk_MB'):.2f}x; "
              f"open {median(ours, 'open_ms'):.1f} ms")


def limits(o):
    """What the machine gives in this very run: read bandwidth, and matrix products of a batch's shape."""
    if not hasattr(o, "limits"):
        runs = [line for _ in range(2) for line in call([o.benchmarks, "limits"])]
        o.limits = {name: max((run[name] for run in runs), default=float("nan"))
                    for name in ("read_GB_per_s", "sgemm_gflops", "sgemm_batch64_gflops")}
        print("\nThe machine, one thread: reads {read_GB_per_s:.1f} GB/s, sgemm {sgemm_gflops:.1f} GFLOP/s, in the shape of a "
              "batch of 64 {sgemm_batch64_gflops:.1f} GFLOP/s".format(**o.limits))
    return o.limits


def dense_files(o):
    return {"vectors": f"{o.data}/vectors.{o.vectors}.f32", "queries": f"{o.data}/queries.{o.vectors}.f32",
            "neighbours": f"{o.data}/neighbours.{o.vectors}.i32"}


def ours_dense(o, command, *more):
    return call([o.benchmarks, command, "--folder", o.data, *more]
                + [part for name, path in dense_files(o).items() for part in (f"--{name}", path)])


def vector(o):
    limit = limits(o)
    ours, peer = [], []
    for _ in range(o.rounds):
        ours += ours_dense(o, "vector")
        peer += call([sys.executable, f"{here}/peer.py", json.dumps({"engine": "faiss_flat", "op": "search", **dense_files(o)})])
    best = median(peer, "p50_ms")
    print(f"\nExact neighbours, {o.vectors} x 384, one thread; faiss flat {best:.3f} ms a query\n")
    print("| engine | p50 ms | ratio to faiss flat | GB/s | of the read bandwidth | recall@10 |")
    print("|---|---|---|---|---|---|")
    for engine in ("float32", "float16", "int8+rerank"):
        runs = [run for run in ours if run.get("engine") == engine]
        p50 = median(runs, "p50_ms")
        speed = median(runs, "GB_per_s")
        print(f"| {engine} | {p50:.3f} | {best / p50:.2f}x | {speed:.1f} | {speed / limit['read_GB_per_s']:.0%} | "
              f"{median(runs, 'recall10'):.4f} |")
    batches = [run for run in ours if run["bench"] == "vector-batch-64"]
    print(f"\nbatches of 64: {median(batches, 'qps'):.0f} QPS, {median(batches, 'gflops'):.1f} GFLOP/s, "
          f"{median(batches, 'gflops') / limit['sgemm_batch64_gflops']:.0%} of sgemm in this shape")


def hnsw(o):
    rows = {}
    for _ in range(o.rounds):
        rows.setdefault("forage", []).extend(ours_dense(
            o, "hnsw", *(part for effort in peer.EFFORTS for part in ("--efforts", str(effort)))))
        for engine in ("faiss", "hnswlib", "usearch"):
            spec = {"engine": engine, "op": "search", "index": f"{o.data}/graph.{engine}.{o.vectors}", **dense_files(o)}
            for line in call([sys.executable, f"{here}/peer.py", json.dumps(spec)]):
                rows.setdefault(engine, []).extend(line["sweep"])
    points = {e: [p for p in found if "effort" in p] for e, found in rows.items()}
    speeds = {e: at_recall(found, 0.98) for e, found in points.items()}
    others = [speed for engine, speed in speeds.items() if engine != "forage" and speed == speed]
    print(f"\nGraphs, {o.vectors} x 384, queries per second of processor time at recall@10 0.98, one thread\n")
    for engine, speed in speeds.items():
        print(f"| {engine} | {speed:.0f} |")
    if others:
        print(f"\nforage / best peer: {speeds['forage'] / max(others):.2f}x")
    for line in rows["forage"]:
        if line["bench"] == "hnsw-filtered":
            print(f"filtered to {line['share']:.3f}: recall@10 {line['recall10']:.3f}, p50 {line['p50_ms']:.3f} ms")


def filters(o):
    rows = f"{o.data}/filter-{o.documents}.jsonl"
    ours, peers, opened = {}, {"numpy": {}, "duckdb": {}}, []
    for _ in range(o.rounds):
        for line in call([o.benchmarks, "filter", "--folder", o.data, "--documents", str(o.documents)]):
            if line["bench"] == "filter":
                ours.setdefault(line["query"], []).append(line["p50_ms"])
            if line["bench"] == "filter-open":
                opened.append(line["open_ms"])
        for engine, found in peers.items():
            for line in call([sys.executable, f"{here}/peer.py", json.dumps(
                    {"engine": engine, "op": "filter", "corpus": rows})]):
                for query, time in line["p50_ms"].items():
                    found.setdefault(query, []).append(time)
    middle = lambda times: statistics.median(times) if times else float("nan")
    print(f"\nFilters and aggregates, {o.documents} documents, one thread, p50 in ms; opened in {middle(opened):.1f} ms\n")
    print("| query | forage | numpy by hand | duckdb | numpy / forage | duckdb / forage |")
    print("|---|---|---|---|---|---|")
    for query, times in ours.items():
        mine, hand, duck = middle(times), *(middle(peers[engine].get(query, [])) for engine in ("numpy", "duckdb"))
        print(f"| {query} | {mine:.3f} | {hand:.3f} | {duck:.3f} | {hand / mine:.1f}x | {duck / mine:.1f}x |")


def encoder(o):
    if not o.texts:
        return leave_out("encoder", "--texts is missing")
    print("\nThe sentence encoder beside ONNX Runtime, same texts and threads\n", flush=True)
    for threads in ("1", "2"):
        done = subprocess.run([o.benchmarks, "encoder", o.texts, "--python", sys.executable, "--threads", threads,
                               "--rounds", str(o.rounds), "--every", "8"], capture_output=True, text=True)
        print(f"threads: {threads}\n{done.stdout}")
        if done.returncode != 0:
            leave_out(f"encoder, {threads} threads", done.stderr)


def links(o):
    if not o.texts or not o.questions:
        return leave_out("links", "--texts or --questions is missing")
    ours, peer = [], []
    for _ in range(o.rounds):
        ours += call([o.benchmarks, "links", "--source", o.texts, "--questions", o.questions, "--mode", "keyword"])
        peer += call([sys.executable, f"{here}/peer.py", json.dumps(
            {"engine": "pyahocorasick", "op": "links", "corpus": o.texts, "queries": o.questions})])
    print("\nTitles and names that a text leads to, microseconds (median); the pool of a question's passages\n")
    print("| text | forage | pyahocorasick | ratio |")
    print("|---|---|---|---|")
    for text in ("question", "passage"):
        mine, other = median(ours, f"{text}_us_p50"), median(peer, f"{text}_us_p50")
        print(f"| {text} | {mine:.2f} | {other:.2f} | {other / mine:.1f}x |")
    print(f"\nkeyword top 20 and links of the top 3: {median(ours, 'pool_gold'):.1%} of the gold passages in "
          f"{median(ours, 'pool_size'):.1f}; with shared names {median(ours, 'pool_gold_with_names'):.1%} in "
          f"{median(ours, 'pool_size_with_names'):.1f}")


def fusion(o):
    ours, peer = {}, {}
    for _ in range(o.rounds):
        for line in call([o.benchmarks, "fusion"]):
            ours.setdefault(line["stage"], []).append(line["us"])
        for line in call([sys.executable, f"{here}/peer.py", json.dumps({"engine": "numpy", "op": "fusion"})]):
            for stage, us in line["us"].items():
                peer.setdefault(stage, []).append(us)
    print("\nFusion of two rankings of 100, microseconds\n")
    print("| stage | forage | Python and numpy | ratio |")
    print("|---|---|---|---|")
    for stage, times in ours.items():
        mine, other = statistics.median(times), statistics.median(peer.get(stage, [float("nan")]))
        print(f"| {stage} | {mine:.2f} | {other:.2f} | {other / mine:.1f}x |")


def model(o):
    """Prefill and decoding beside llama.cpp, eight sequences together, and guesses from the context."""
    if not o.model or not o.forage:
        return leave_out("model", "--model, a GGUF file, or --forage, the program, is missing")
    limit = limits(o)["read_GB_per_s"]
    print(f"\nThe language model {os.path.basename(o.model)} beside llama.cpp, tokens a second\n")
    print("| threads | context | measure | forage | llama.cpp | ratio |")
    print("|---|---|---|---|---|---|")
    for threads in ("1", "2"):
        for context in ("256", "4096"):
            for line in call([sys.executable, f"{here}/llama_peer.py", o.forage, o.model, "--threads", threads, "--prompt",
                              context, "--generate", "32", "--rounds", str(o.rounds)]):
                if "measure" in line:
                    print(f"| {threads} | {context} | {line['measure']} | {line['forage']:.1f} | {line['llama.cpp']:.1f} | "
                          f"{line['ratio']:.2f}x |")
    for line in call([o.benchmarks, "decode", "--model", o.model, "--contexts", "256", "--rounds", str(o.rounds)]):
        share = f", {line['GB_per_s']:.1f} GB/s (one thread reads {limit:.1f})" if "GB_per_s" in line else ""
        more = f", {line['of_one']:.2f}x of one" if "of_one" in line else ""
        print(f"\n{line['sequences']} sequences: {line['tokens_per_s']:.1f} tokens/s{share}{more}")
    if not o.texts or not o.questions:
        return leave_out("model, guesses", "--texts or --questions is missing")
    for line in call([o.benchmarks, "guesses", "--model", o.model, "--questions", o.questions, "--corpus", o.texts]):
        print(f"\nanswers from three passages with guesses from them: {line['tokens_per_s']:.1f} tokens/s, without "
              f"{line['plain_tokens_per_s']:.1f}: {line['speedup']:.2f}x; {line['equal']} of {line['questions']} equal")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("benchmarks")
    parser.add_argument("data")
    parser.add_argument("--passages", type=int, default=100_000)
    parser.add_argument("--vectors", type=int, default=100_000)
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--texts", default="")
    parser.add_argument("--questions", default="")
    parser.add_argument("--model", default="")
    parser.add_argument("--forage", default="")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="keyword,vector,hnsw,filter,encoder,links,fusion,model")
    o = parser.parse_args()
    needed = [f"{o.data}/passages.{o.passages}.jsonl", f"{o.data}/neighbours.{o.vectors}.i32"]
    if not all(os.path.exists(path) for path in needed):
        subprocess.run([sys.executable, f"{here}/make_data.py", o.data, str(o.passages), str(o.vectors)], check=True)
    for name in o.only.split(","):
        {"keyword": keyword, "vector": vector, "hnsw": hnsw, "filter": filters, "encoder": encoder, "links": links,
         "fusion": fusion, "model": model}[name](o)
    if left_out:
        print("\nNot run:\n\n" + "\n".join(f"- {line}" for line in left_out))
