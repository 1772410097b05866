# SPDX-License-Identifier: Apache-2.0
"""Makes prediction files for ten benchmarks and scores each with the benchmark's official script.

usage: make_answer_files.py OFFICIAL DATA OUT
  OFFICIAL  a folder with the official scoring code:
            hotpot_evaluate_v1.py (hotpotqa/hotpot 4c0fa5e), 2wikimultihop_evaluate_v1.1.py (Alab-NII/2wikimultihop
            209e761), musique_metrics.py (StonyBrookNLP/musique 8b8d8ce, metrics/answer.py and metrics/support.py),
            qa_em.py (Search-R1), flashrag_metrics.py (RUC-NLPIR/FlashRAG 0844028, evaluator/metrics.py),
            instruct_qa_metrics.py (McGill-NLP/instruct-qa 521fe26), multihop_rag_evaluate.py (yixuantt/MultiHop-RAG
            33d3ad0, qa_evaluate.py and retrieval_evaluate.py), globalqa_evaluate.py (retrieva/look-before-you-train
            35647a1, step3_eval.py)
  DATA      the folder of question sets: gold answers of HotpotQA (CC BY-SA 4.0) and MuSiQue (CC BY 4.0) are sampled
  OUT       the JSON Lines to write: one prediction file a line, with the scores that the script gave
"""
import contextlib, importlib.util, io, json, os, random, sys, tempfile, unicodedata

official, data, out = sys.argv[1:4]
sys.path.insert(0, official)


def load(name):
    spec = importlib.util.spec_from_file_location(name.replace(".", "_"), os.path.join(official, name + ".py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


hotpot = load("hotpot_evaluate_v1")
two_wiki = load("2wikimultihop_evaluate_v1.1")
musique = load("musique_metrics")
search_r1 = load("qa_em")
flashrag = load("flashrag_metrics")
instruct = load("instruct_qa_metrics")
mhr = load("multihop_rag_evaluate")
globalqa = load("globalqa_evaluate")
rng = random.Random(20251122)

answers = []
for path in ("hotpotqa/questions.dev.jsonl", "musique/questions.dev.jsonl"):
    for line in open(os.path.join(data, path), encoding="utf-8").read().split("\n"):
        if line:
            answers += json.loads(line)["answers"][:1]
answers = sorted(set(answers))
rng.shuffle(answers)
answers = answers[:150] + [
    "yes", "no", "noanswer", "the", "A", "", "...", "İstanbul", "ΟΔΥΣΣΕΥΣ", "Straße", "Ångström", "José Martí",
    "São Paulo", "a\u0301 la carte", "x² + y²", "ﬁnal answer", "the\u00a0Beatles", "U.S.", "rock 'n' roll", "东京 a 大学",
    "1,000,000", "Anne the Great", "an_underscore", "Σ", "AΣ the", "\u2003wide\u2003", "½ of a", "Ⅷ the", "a-b-c", "Ö the ö",
]
words = "the a an of The in is it answer was born - , . ! ' \" ( ) _ yes no noanswer city\tfilm \u00a0 \u2019s 2001 é".split(" ")


def perturb(text):
    for _ in range(rng.choice([0, 0, 1, 1, 2, 3])):
        kind = rng.randrange(12)
        parts = text.split(" ")
        if kind == 0: text = text.upper()
        elif kind == 1: text = text.lower()
        elif kind == 2: text = rng.choice(words) + " " + text
        elif kind == 3: text = text + " " + rng.choice(words)
        elif kind == 4 and parts: parts.pop(rng.randrange(len(parts))); text = " ".join(parts)
        elif kind == 5: rng.shuffle(parts); text = " ".join(parts)
        elif kind == 6: text = unicodedata.normalize("NFD", text)
        elif kind == 7: text = text + rng.choice([".", "!", "'s", ",", "\u2019", "\n"])
        elif kind == 8: text = rng.choice(answers)
        elif kind == 9: text = text + " " + text
        elif kind == 10: text = rng.choice(["yes", "no", "noanswer", "Yes.", "", "The"])
        else: text = text.replace(" ", rng.choice(["  ", "\u00a0", "\u3000", "\x1c", "-"]))
    return text


def quietly(function, *arguments):
    with contextlib.redirect_stdout(io.StringIO()) as stream:
        function(*arguments)
    return stream.getvalue()


def write(folder, name, value):
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(value)
    return path


def facts(titles, count):
    return [[rng.choice(titles), rng.randrange(3)] for _ in range(count)]


rows = []
with tempfile.TemporaryDirectory() as folder:
    for number in range(160):
        items, gold, prediction = [], [], {"answer": {}, "sp": {}}
        for index in range(4):
            titles = ["Ada", "ada", "Bern", "École", "e\u0301cole"]
            answer, sp = rng.choice(answers), facts(titles, rng.randrange(1, 4))
            guess = perturb(answer)
            guess_sp = [f for f in sp if rng.random() < 0.7] + facts(titles, rng.randrange(0, 2))
            missing = [key for key in ("answer", "sp") if rng.random() < 0.05]
            gold.append({"_id": str(index), "answer": answer, "supporting_facts": sp})
            if "answer" not in missing: prediction["answer"][str(index)] = guess
            if "sp" not in missing: prediction["sp"][str(index)] = guess_sp
            items.append({"gold": [answer], "prediction": None if "answer" in missing else guess, "gold_sp": sp,
                          "sp": None if "sp" in missing else guess_sp})
        text = quietly(hotpot.eval, write(folder, "p", json.dumps(prediction)), write(folder, "g", json.dumps(gold)))
        rows.append({"benchmark": "hotpotQA", "items": items, "scores": eval(text.strip().split("\n")[-1])})

    for number in range(100):
        items, gold, prediction, aliases = [], [], {"answer": {}, "sp": {}, "evidence": {}}, []
        for index in range(3):
            titles = ["Ada", "ada", "Bern", "École"]
            answer, sp = rng.choice(answers), facts(titles, rng.randrange(1, 4))
            other = sorted({rng.choice(answers) for _ in range(rng.randrange(0, 3))} - {answer})
            aliases.append({"Q_id": f"Q{index}", "aliases": other, "demonyms": []})
            triples = [[rng.choice(answers), "country", rng.choice(answers)] for _ in range(rng.randrange(1, 4))]
            ids = [[f"Q{index}" if rng.random() < 0.5 else "Q99", "country", "Q98"] for _ in triples]
            wordings = [[[s, "country", t[2]] for s in [t[0]] + (other if i[0] == f"Q{index}" else [])]
                        for t, i in zip(triples, ids)]
            guess = perturb(rng.choice([answer] + other))
            guess_sp = [f for f in sp if rng.random() < 0.7] + facts(titles, rng.randrange(0, 2))
            guess_ev = [[perturb(rng.choice(w)[0]), "Country.", t[2]] for w, t in zip(wordings, triples) if rng.random() < 0.8]
            gold.append({"_id": str(index), "answer": answer, "answer_id": f"Q{index}", "supporting_facts": sp,
                         "evidences": triples, "evidences_id": ids})
            prediction["answer"][str(index)] = guess
            prediction["sp"][str(index)] = guess_sp
            prediction["evidence"][str(index)] = guess_ev
            items.append({"gold": [answer] + other, "prediction": guess, "gold_sp": sp, "sp": guess_sp,
                          "gold_evidence": wordings, "evidence": guess_ev})
        text = quietly(two_wiki.eval, write(folder, "p", json.dumps(prediction)), write(folder, "g", json.dumps(gold)),
                       write(folder, "a", "\n".join(json.dumps(a) for a in aliases)))
        rows.append({"benchmark": "twoWikiMultihopQA", "items": items, "scores": json.loads(text)})

for number in range(100):
    answer_metric, support_metric, items = musique.AnswerMetric(), musique.SupportMetric(), []
    for index in range(4):
        gold = [rng.choice(answers) for _ in range(rng.randrange(1, 3))]
        guess, support = perturb(rng.choice(gold)), [rng.randrange(20) for _ in range(rng.randrange(0, 4))]
        guess_support = [s for s in support if rng.random() < 0.7] + [rng.randrange(20) for _ in range(rng.randrange(0, 2))]
        answer_metric(guess, gold)
        support_metric(guess_support, support)
        items.append({"gold": gold, "prediction": guess, "gold_support": support, "support": guess_support})
    em, f1 = answer_metric.get_metric()
    support_em, support_f1 = support_metric.get_metric()
    rows.append({"benchmark": "musique", "items": items,
                 "scores": {"em": em, "f1": f1, "support_em": support_em, "support_f1": support_f1}})


def simple(benchmark, count, score, make=None):
    for _ in range(count):
        items, totals = [], {}
        for _ in range(4):
            item = make() if make else None
            if item is None:
                gold = [rng.choice(answers) for _ in range(rng.randrange(1, 3))]
                item = {"gold": gold, "prediction": perturb(rng.choice(gold))}
            for key, value in score(item).items():
                totals[key] = totals.get(key, 0) + float(value) / 4
            items.append(item)
        rows.append({"benchmark": benchmark, "items": items, "scores": totals})


simple("searchR1", 60, lambda i: {"em": search_r1.em_check(i["prediction"], i["gold"]),
                                  "contains": search_r1.subem_check(i["prediction"], i["gold"])})


def flash(item):
    hit, share = flashrag.retrieval_scores(item["texts"], item["gold"], 3)
    scores = flashrag.token_level_scores(item["prediction"], item["gold"])
    return {"em": flashrag.em_check(item["prediction"], item["gold"]),
            "contains": flashrag.subem_check(item["prediction"], item["gold"]), **scores,
            "retrieval_recall_top3": hit, "retrieval_precision_top3": share}


def flash_item():
    gold = [rng.choice(answers) for _ in range(rng.randrange(1, 3))]
    texts = [perturb(rng.choice(gold + answers[:3])) + " " + rng.choice(words) for _ in range(rng.randrange(1, 5))]
    return {"gold": gold, "prediction": perturb(rng.choice(gold)), "texts": texts}


simple("flashRAG", 60, flash, flash_item)


def instruct_scores(item):
    p, gold, k, q = item["prediction"], item["gold"], " ".join(item["knowledge"]), item["question"]
    best = lambda f: max(f(p, g) for g in gold)
    return {"em": best(instruct.em_score), "f1": best(instruct.f1_score), "recall": best(instruct.recall_score),
            "precision": best(instruct.precision_score), "recallem": best(instruct.recallem_score),
            "kprecision": instruct.precision_score(p, k), "krecall": instruct.recall_score(p, k),
            "kf1": instruct.f1_score(p, k), "kprecision++": instruct.kprecision_plusplus(p, k, q)}


def instruct_item():
    gold = [rng.choice(answers) for _ in range(rng.randrange(1, 3))]
    knowledge = [perturb(rng.choice(gold + answers[:2])) for _ in range(rng.randrange(0, 3))]
    return {"gold": gold, "prediction": perturb(rng.choice(gold)), "knowledge": knowledge,
            "question": perturb(rng.choice(gold + words))}


simple("instructQA", 60, instruct_scores, instruct_item)


def mhr_scores(item):
    guess = mhr.extract_answer(item["prediction"])
    scores = mhr.calculate_metrics([item["texts"]], [item["facts"]])
    return {"accuracy": mhr.has_intersection(guess.lower(), item["gold"][0].lower()), **scores}


def mhr_item():
    gold = rng.choice(answers)
    guess = perturb(gold)
    if rng.random() < 0.5: guess = f'So. The answer to the question is "{guess}" as said "there".'
    some = [rng.choice(answers) + f" {rng.randrange(9)}" for _ in range(rng.randrange(1, 4))]
    texts = [" ".join(rng.sample(some, rng.randrange(0, len(some) + 1))) + f" x{rng.randrange(99)}" for _ in range(rng.randrange(0, 13))]
    return {"gold": [gold], "prediction": guess, "facts": some, "texts": texts}


simple("multiHopRAG", 60, mhr_scores, mhr_item)


def global_scores(item):
    return {"f1": globalqa.token_f1(item["prediction"], item["gold"][0]),
            "d_f1": globalqa.doc_f1(set(item["documents"][:10]), item["gold_documents"])}


def global_item():
    gold = sorted({rng.randrange(60) for _ in range(rng.randrange(1, 15))})
    found = [g for g in gold if rng.random() < 0.6] + [rng.randrange(60) for _ in range(rng.randrange(0, 6))]
    rng.shuffle(found)
    return {"gold": [", ".join(map(str, gold))], "prediction": rng.choice([", ", ",", " "]).join(map(str, found)),
            "documents": list(dict.fromkeys(found)), "gold_documents": gold}


simple("globalQA", 40, global_scores, global_item)

with open(out, "w", encoding="utf-8") as file:
    for row in rows:
        file.write(json.dumps(row, ensure_ascii=True) + "\n")
print(len(rows), "prediction files,", os.path.getsize(out), "bytes")
