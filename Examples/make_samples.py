#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the samples in Examples/hotpotqa and Examples/news from full data sets.

    python3 Examples/make_samples.py DATA_FOLDER

DATA_FOLDER holds hotpotqa/ and multihop_rag/, each with corpus.jsonl and questions.train.jsonl. The samples are
deterministic: the first 100 training questions in order of their id's SHA-256, and the passages that they need.
"""
import hashlib
import json
import pathlib
import sys

# The two paragraphs behind the first question of HotpotQA's training set (CC BY-SA 4.0), for the README's example.
MAGAZINES = [
    {"id": "hp-x0001", "title": "Arthur's Magazine", "text":
     "Arthur's Magazine (1844–1846) was an American literary periodical published in Philadelphia in the 19th century. "
     "Edited by T.S. Arthur, it featured work by Edgar A. Poe, J.H. Ingraham, Sarah Josepha Hale, Thomas G. Spear, and "
     "others. In May 1846 it was merged into \"Godey's Lady's Book\".", "metadata": {}},
    {"id": "hp-x0002", "title": "First for Women", "text":
     "First for Women is a woman's magazine published by Bauer Media Group in the USA. The magazine was started in "
     "1989. It is based in Englewood Cliffs, New Jersey. In 2011 the circulation of the magazine was 1,310,696 copies.",
     "metadata": {}},
]


def read(path):
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8") as out:
        for row in rows:
            out.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")


def sample(questions, count):
    return sorted(questions, key=lambda q: hashlib.sha256(q["id"].encode()).hexdigest())[:count]


def main(data):
    here = pathlib.Path(__file__).parent
    data = pathlib.Path(data)

    corpus = read(data / "hotpotqa/corpus.jsonl")
    questions = sample(read(data / "hotpotqa/questions.train.jsonl"), 100)
    wanted = {p for q in questions for p in q["context"]}
    write(here / "hotpotqa/corpus.jsonl", [d for d in corpus if d["id"] in wanted] + MAGAZINES)
    write(here / "hotpotqa/questions.jsonl", questions)

    corpus = read(data / "multihop_rag/corpus.jsonl")
    questions = sample(read(data / "multihop_rag/questions.train.jsonl"), 100)
    articles = [d for d in corpus if d["metadata"].get("kind") == "article"]
    for article in articles:
        article["metadata"] = {k: v for k, v in article["metadata"].items()
                               if k in ("source", "author", "category", "published_at", "url") and v is not None}
    write(here / "news/corpus.jsonl", articles)
    write(here / "news/questions.jsonl", questions)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
