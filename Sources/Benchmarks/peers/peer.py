#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One measurement of one alternative in a process of its own; prints one JSON line.

usage: peer.py '{"engine": "tantivy", "op": "build", "corpus": …, "queries": …, "index": …}'
Engines: tantivy, bm25s (keyword: build, search); faiss, hnswlib, usearch (graphs: search over a sweep of ef, building the
graph where there is none), faiss_flat (exact: search), numpy and duckdb (metadata: filter, with the rows in memory);
pyahocorasick (links); numpy (fusion). Needs the Python packages of those names (bm25s with numba).
"""
import json, os, re, shutil, sys, time
import numpy as np

EFFORTS = (24, 32, 48, 64, 96, 128, 192, 256, 384)
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
    for effort in EFFORTS:
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


FIVE = ("c03", "c11", "c25", "c40", "c77")

SQL = {
    "count_cat_year": "select count(*) from rows where category = 'c07' and year between 2000 and 2010",
    "count_in5": f"select count(*) from rows where category in {FIVE}",
    "ids_filter": "select id from rows where category = 'c20' and year >= 1990",
    "top10_score": "select id, score from rows order by score desc limit 10",
    "top10_filtered": "select id, score from rows where category = 'c07' and year >= 2000 order by score desc limit 10",
    "group_category": "select category, count(*) from rows group by category",
    "group_cat_year_top10":
        "select category, year, count(*) n, avg(score) from rows group by category, year order by n desc limit 10",
    "filter_group_year":
        f"select year, count(*), avg(score), min(score), max(score) from rows where category in {FIVE} group by year",
    "histogram20": "select cast(floor(score / 0.05) as integer) b, count(*) from rows group by b",
    "stats_all": "select count(*), sum(score), min(score), max(score), avg(score) from rows",
    "sort_all_ids": "select id from rows order by year, score",
}


def columns(path):
    """The rows of the filter benchmark: category, year and score."""
    with open(path) as lines:
        rows = [json.loads(line)["metadata"] for line in lines]
    return [r["category"] for r in rows], [r["year"] for r in rows], [r["score"] for r in rows]


def numpy_queries(path):
    """What one writes by hand over columns of codes."""
    names, years, scores = columns(path)
    codes = np.array([int(name[1:]) for name in names], np.uint8)
    years, scores = np.array(years, np.int16), np.array(scores)
    chosen = np.zeros(256, bool)
    chosen[[int(name[1:]) for name in FIVE]] = True

    def top(rows):
        values = scores[rows]
        best = np.argpartition(values, len(values) - 10)[-10:]
        return rows[best[np.argsort(-values[best])]]

    def pairs():
        key = codes.astype(np.int32) * 76 + (years - 1950)
        count, total = np.bincount(key, minlength=7600), np.bincount(key, weights=scores, minlength=7600)
        best = np.argsort(-count)[:10]
        return list(zip(best.tolist(), count[best].tolist(), (total[best] / count[best]).tolist()))

    def by_year():
        rows = np.flatnonzero(chosen[codes])
        year, value = years[rows] - 1950, scores[rows]
        count, total = np.bincount(year, minlength=76), np.bincount(year, weights=value, minlength=76)
        least, greatest = np.full(76, np.inf), np.full(76, -np.inf)
        np.minimum.at(least, year, value)
        np.maximum.at(greatest, year, value)
        return list(zip(count.tolist(), (total / count).tolist(), least.tolist(), greatest.tolist()))

    every = np.arange(len(scores))
    return {
        "count_cat_year": lambda: int(np.count_nonzero((codes == 7) & (years >= 2000) & (years <= 2010))),
        "count_in5": lambda: int(np.count_nonzero(chosen[codes])),
        "ids_filter": lambda: np.flatnonzero((codes == 20) & (years >= 1990)),
        "top10_score": lambda: top(every),
        "top10_filtered": lambda: top(np.flatnonzero((codes == 7) & (years >= 2000))),
        "group_category": lambda: np.bincount(codes, minlength=100).tolist(),
        "group_cat_year_top10": pairs,
        "filter_group_year": by_year,
        "histogram20": lambda: np.bincount((scores * 20).astype(np.int32)).tolist(),
        "stats_all": lambda: (len(scores), scores.sum(), scores.min(), scores.max(), scores.mean()),
        "sort_all_ids": lambda: np.lexsort((scores, years)),
    }


def duckdb_queries(path):
    import duckdb
    connection = duckdb.connect(config={"threads": 1})
    connection.execute(
        "create table rows as select id::integer id, metadata.category::varchar category, metadata.year::smallint as year, "
        f"metadata.score::double score from read_json('{path}')")

    def run(name):
        found = connection.execute(SQL[name])
        return found.fetchnumpy()["id"] if name == "sort_all_ids" else found.fetchall()

    return {name: (lambda name=name: run(name)) for name in SQL}


def filters(s):
    queries = {"numpy": numpy_queries, "duckdb": duckdb_queries}[s["engine"]](s["corpus"])
    figures = {}
    for name, run in queries.items():
        run()
        times = []
        while len(times) < 51 and (len(times) < 5 or sum(times) < 4):
            start = time.perf_counter()
            run()
            times.append(time.perf_counter() - start)
        figures[name] = sorted(times)[len(times) // 2] * 1e3
    return {"p50_ms": figures}


def titles_named(s):
    """Titles in texts by an Aho-Corasick automaton over folded words: of the questions, and of the passages."""
    import ahocorasick
    folded = lambda text: " " + " ".join(w.lower() for w in WORD.findall(text)) + " "
    automaton, passages = ahocorasick.Automaton(), []
    for line in open(s["corpus"]):
        document = json.loads(line)
        passages.append(document["text"])
        automaton.add_word(folded(re.sub(r" \(.*\)$", "", document["title"])), document["id"])
    automaton.make_automaton()
    figures = {}
    for name, found in (("question", [json.loads(line)["question"] for line in open(s["queries"])]), ("passage", passages)):
        times = []
        for text in found:
            start = time.perf_counter()
            list(automaton.iter(folded(text)))
            times.append(time.perf_counter() - start)
        figures[f"{name}_us_p50"] = sorted(times)[len(times) // 2] * 1e6
    return figures


def fuse(s):
    """Reciprocal rank fusion and interpolation of two rankings of 100, with dictionaries and numpy."""
    generator = np.random.default_rng(1)
    rankings = [[(int(o), float(100 - i)) for i, o in enumerate(generator.permutation(400)[:100])] for _ in range(2)]

    def reciprocal():
        scores = {}
        for ranking in rankings:
            for rank, (ordinal, _) in enumerate(ranking):
                scores[ordinal] = scores.get(ordinal, 0) + 1 / (61 + rank)
        return sorted(scores.items(), key=lambda item: (-item[1], item[0]))[:20]

    def interpolated(normal):
        scores = {}
        for ranking in rankings:
            values = np.array([score for _, score in ranking])
            for (ordinal, _), value in zip(ranking, normal(values).tolist()):
                scores[ordinal] = scores.get(ordinal, 0) + value
        return sorted(scores.items(), key=lambda item: (-item[1], item[0]))[:20]

    figures = {}
    for name, run in (("reciprocal rank", reciprocal),
                      ("interpolation min-max", lambda: interpolated(lambda v: (v - v.min()) / (v.max() - v.min()))),
                      ("interpolation z-score", lambda: interpolated(lambda v: (v - v.mean()) / v.std()))):
        start = time.perf_counter()
        for _ in range(2000):
            run()
        figures[name] = (time.perf_counter() - start) / 2000 * 1e6
    return {"us": figures}


if __name__ == "__main__":
    spec = json.loads(sys.argv[1])
    runs = {
        ("tantivy", "build"): tantivy_build, ("tantivy", "search"): tantivy_search, ("bm25s", "build"): bm25s_build,
        ("bm25s", "search"): bm25s_search, ("faiss", "search"): faiss_search, ("hnswlib", "search"): hnswlib_search,
        ("usearch", "search"): usearch_search, ("faiss_flat", "search"): lambda s: faiss_search(s, flat=True),
        ("pyahocorasick", "links"): titles_named, ("numpy", "fusion"): fuse, ("numpy", "filter"): filters, ("duckdb", "filter"): filters,
    }
    print(json.dumps({"engine": spec["engine"], "op": spec["op"], **runs[spec["engine"], spec["op"]](spec), **memory()}))
