# SPDX-License-Identifier: Apache-2.0
"""Scores a BM25 run over Cranfield with trec_eval (through pytrec_eval) and ir_measures.

usage: make_trec_values.py CRANFIELD OUT     needs: pytrec_eval-terrier, ir_measures
Scores are rounded so that many ties occur; the graded judgments are used.
"""
import collections, csv, json, math, re, sys
import ir_measures, pytrec_eval
from ir_measures import AP, MRR, P, R, Rprec, Success, nDCG

folder, out = sys.argv[1:3]
rows = lambda name: [json.loads(l) for l in open(f"{folder}/{name}", encoding="utf-8").read().split("\n") if l]
corpus, questions = rows("corpus.jsonl"), rows("questions.jsonl")
qrels = collections.defaultdict(dict)
for row in csv.DictReader(open(f"{folder}/qrels_graded.tsv"), delimiter="\t"):
    qrels[row["query-id"]][row["corpus-id"]] = int(row["score"])

words = lambda text: re.findall(r"[a-z0-9]+", text.lower())
documents = {d["id"]: collections.Counter(words(d["title"] + " " + d["text"])) for d in corpus}
lengths = {i: sum(c.values()) for i, c in documents.items()}
mean = sum(lengths.values()) / len(lengths)
postings = collections.defaultdict(list)
for i, counter in documents.items():
    for word, count in counter.items():
        postings[word].append((i, count))
run = {}
for question in questions:
    scores = collections.Counter()
    for word in set(words(question["question"])):
        idf = math.log(1 + (len(documents) - len(postings[word]) + 0.5) / (len(postings[word]) + 0.5))
        for i, count in postings[word]:
            scores[i] += idf * count * 2.2 / (count + 1.2 * (0.25 + 0.75 * lengths[i] / mean))
    run[question["id"]] = {i: round(s, 0 if len(run) % 3 == 0 else 1) for i, s in sorted(scores.items(), key=lambda x: (-x[1], x[0]))[:40]}

names = ["map", "Rprec", "recip_rank", "bpref", "ndcg", "ndcg_cut", "P", "recall", "success", "map_cut"]
trec = pytrec_eval.RelevanceEvaluator(qrels, set(names)).evaluate(run)
measures = {"AP": AP, "nDCG@10": nDCG @ 10, "P@10": P @ 10, "R@20": R @ 20, "MRR": MRR, "Rprec": Rprec, "Success@5": Success @ 5}
ours = {str(v): k for k, v in measures.items()}
aggregate = {ours[str(m)]: v for m, v in ir_measures.calc_aggregate(measures.values(), qrels, run).items()}
short = lambda i: i.removeprefix("cran-")
with open(out, "w") as file:
    file.write(json.dumps({"aggregate": aggregate}) + "\n")
    for q in run:
        file.write(json.dumps({
            "query": q, "run": {short(i): s for i, s in run[q].items()}, "qrels": {short(i): g for i, g in qrels[q].items()},
            "values": trec.get(q)}, separators=(",", ":")) + "\n")
print(len(run), "queries", aggregate)
