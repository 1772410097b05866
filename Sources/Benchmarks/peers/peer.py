#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One measurement of one alternative in a process of its own; prints one JSON line.

usage: peer.py '{"engine": "tantivy", "op": "build", "corpus": …, "queries": …, "index": …}'
Engines: tantivy, bm25s (keyword: build, search); faiss, hnswlib, usearch (graphs: search over a sweep of ef, building the
graph where there is none), faiss_flat (exact: search). Needs the Python packages of those names (bm25s with numba).
"""
import json, os, re, shutil, sys, time
import numpy as np

WORD = re.compile(r"[^\W_]+")


def memory():
    fields = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return {"rss_MB": int(fields["VmRSS"].split()[0]) / 1024, "peak_rss_MB": int(fields["VmHWM"].split()[0]) / 1024}


def size(path):
    if os.path.isfile(path):
        return os.path.getsize(path)
    return sum(os.path.getsize(os.path.join(root, name)) for root, _, names in os.walk(path) for name in names)


def timed(run, queries, seconds=8.0):
    start = time.perf_counter()
    for query in queries:
        run(query)
        if time.perf_counter() - start > seconds / 3:
            break
    wall, cpu, answers, start = [], [], [], time.perf_counter()
    for query in queries:
        a, c = time.perf_counter(), time.thread_time()
        answers.append(run(query))
        cpu.append(time.thread_time() - c)
        wall.append(time.perf_counter() - a)
        if time.perf_counter() - start > seconds:
            break
    order = sorted(wall)
    at = lambda p: order[min(len(order) - 1, (len(order) * p + 99) // 100 - 1)] * 1e3
    return answers, {"n": len(wall), "p50_ms": at(50), "p95_ms": at(95), "p99_ms": at(99), "qps": len(wall) / sum(wall),
                     "cpu_qps": len(cpu) / sum(cpu), "cpu_p99_ms": sorted(cpu)[min(len(cpu) - 1, len(cpu) * 99 // 100)] * 1e3}


def texts(path):
    with open(path) as lines:
        return [d["title"] + " " + d["text"] for d in map(json.loads, lines)]


def terms(path):
    return [list(dict.fromkeys(w.lower() for w in WORD.findall(line))) for line in open(path)]


def tantivy_build(s):
    import tantivy
    documents = texts(s["corpus"])
    shutil.rmtree(s["index"], ignore_errors=True)
    os.makedirs(s["index"])
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("body", stored=False, index_option="freq")
    builder.add_unsigned_field("id", fast=True)
    start, began = time.perf_counter(), time.process_time()
    index = tantivy.Index(builder.build(), path=s["index"])
    writer = index.writer(heap_size=1_500_000_000, num_threads=1)
    for number, text in enumerate(documents):
        document = tantivy.Document()
        document.add_text("body", text)
        document.add_unsigned("id", number)
        writer.add_document(document)
    writer.commit()
    writer.wait_merging_threads()
    took, cpu = time.perf_counter() - start, time.process_time() - began
    return {"build_s": took, "build_cpu_s": cpu, "docs_per_s": len(documents) / took, "disk_MB": size(s["index"]) / 1e6}


def tantivy_search(s):
    import tantivy
    index = tantivy.Index.open(s["index"])
    index.reload()
    searcher = index.searcher()

    def run(query):
        hits = searcher.search(index.parse_query(" ".join(query), ["body"]), 10, count=False).hits
        return searcher.fast_field_values("id", [address for _, address in hits])

    return timed(run, terms(s["queries"]))[1]


def bm25s_build(s):
    import bm25s
    documents = texts(s["corpus"])
    start = time.perf_counter()
    tokens = bm25s.tokenize(documents, token_pattern=r"[^\W_]+", stopwords=None, show_progress=False)
    retriever = bm25s.BM25(method="lucene", k1=1.2, b=0.75)
    retriever.index(tokens, show_progress=False)
    retriever.save(s["index"], show_progress=False)
    took = time.perf_counter() - start
    return {"build_s": took, "docs_per_s": len(documents) / took, "disk_MB": size(s["index"]) / 1e6}


def bm25s_search(s):
    import bm25s
    retriever = bm25s.BM25.load(s["index"], show_progress=False)
    retriever.backend = "numba"
    retriever.activate_numba_scorer()
    run = lambda query: retriever.retrieve([query], k=10, show_progress=False, n_threads=0).documents[0].tolist()
    return timed(run, terms(s["queries"]))[1]


def dense(s):
    rows = np.fromfile(s["vectors"], np.float32).reshape(-1, 384)
    queries = np.fromfile(s["queries"], np.float32).reshape(-1, 384)
    truth = np.fromfile(s["neighbours"], np.int32).reshape(-1, 10)
    return rows, queries, truth


def sweep(run_with, queries, truth):
    lines = []
    for effort in (24, 32, 48, 64, 96, 128):
        run = run_with(effort)
        answers, figures = timed(run, [query[None, :] for query in queries])
        recall = float(np.mean([len(set(map(int, a)) & set(t)) / 10 for a, t in zip(answers, truth.tolist())]))
        lines.append({"effort": effort, "recall10": recall, **figures})
    return {"sweep": lines}


def faiss_search(s, flat=False):
    import faiss
    faiss.omp_set_num_threads(1)
    rows, queries, truth = dense(s)
    if flat:
        index = faiss.IndexFlatIP(384)
        index.add(rows)
        return timed(lambda q: index.search(q, 10)[1][0], [q[None, :] for q in queries[:100]])[1]
    if os.path.exists(s["index"]):
        index = faiss.read_index(s["index"])
    else:
        faiss.omp_set_num_threads(2)
        index = faiss.index_factory(384, "HNSW32", faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = 100
        index.add(rows)
        faiss.write_index(index, s["index"])
        faiss.omp_set_num_threads(1)

    def at(effort):
        index.hnsw.efSearch = effort
        return lambda q: index.search(q, 10)[1][0]

    return sweep(at, queries, truth)


def hnswlib_search(s):
    import hnswlib
    rows, queries, truth = dense(s)
    index = hnswlib.Index(space="ip", dim=384)
    if os.path.exists(s["index"]):
        index.load_index(s["index"], max_elements=len(rows))
    else:
        index.init_index(max_elements=len(rows), M=16, ef_construction=100)
        index.set_num_threads(2)
        index.add_items(rows)
        index.save_index(s["index"])
    index.set_num_threads(1)

    def at(effort):
        index.set_ef(effort)
        return lambda q: index.knn_query(q, k=10, num_threads=1)[0][0]

    return sweep(at, queries, truth)


def usearch_search(s):
    from usearch.index import Index
    rows, queries, truth = dense(s)
    index = Index(ndim=384, metric="ip", dtype="f16", connectivity=16, expansion_add=100)
    if os.path.exists(s["index"]):
        index.load(s["index"])
    else:
        index.add(np.arange(len(rows)), rows, threads=2)
        index.save(s["index"])

    def at(effort):
        index.expansion_search = effort
        return lambda q: index.search(q[0], 10, threads=1).keys

    return sweep(at, queries, truth)


if __name__ == "__main__":
    spec = json.loads(sys.argv[1])
    runs = {
        ("tantivy", "build"): tantivy_build, ("tantivy", "search"): tantivy_search, ("bm25s", "build"): bm25s_build,
        ("bm25s", "search"): bm25s_search, ("faiss", "search"): faiss_search, ("hnswlib", "search"): hnswlib_search,
        ("usearch", "search"): usearch_search, ("faiss_flat", "search"): lambda s: faiss_search(s, flat=True),
    }
    print(json.dumps({"engine": spec["engine"], "op": spec["op"], **runs[spec["engine"], spec["op"]](spec), **memory()}))
