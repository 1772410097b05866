#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the data of the comparison: passages of Zipfian words with queries, and vectors with their exact neighbours.

usage: make_data.py FOLDER [PASSAGES] [VECTORS]     (defaults 100000 100000; needs numpy; the same seed, the same files)
"""
import json, os, sys
import numpy as np


def words(count, rng):
    letters = np.array(list("aeioubcdfghklmnprstvz"))
    made = set()
    while len(made) < count:
        made.add("".join(rng.choice(letters, rng.integers(3, 10))))
    return np.array(sorted(made))


def passages(folder, count):
    rng = np.random.default_rng(1)
    vocabulary = words(120_000, rng)
    rng.shuffle(vocabulary)
    shares = 1.0 / (np.arange(len(vocabulary)) + 2.7) ** 1.05
    cumulative = np.cumsum(shares) / shares.sum()
    picked = set(rng.choice(count, 1000, replace=False).tolist())
    queries = []
    with open(f"{folder}/passages.{count}.jsonl", "w") as out:
        for number in range(count):
            length = int(np.clip(rng.gamma(4.0, 14.0), 12, 220))
            row = vocabulary[np.searchsorted(cumulative, rng.random(length))]
            title = " ".join(row[rng.integers(0, length, rng.integers(1, 5))])
            out.write(json.dumps({"id": str(number), "title": title, "text": " ".join(row)}) + "\n")
            if number in picked:
                queries.append(" ".join(rng.choice(row, min(length, int(rng.integers(3, 13))), replace=False)))
    with open(f"{folder}/queries.{count}.txt", "w") as out:
        out.write("\n".join(queries) + "\n")


def vectors(folder, count, dimension=384):
    rng = np.random.default_rng(7)
    spectrum = (1.0 / np.sqrt(np.arange(1, dimension + 1))).astype(np.float32)
    spectrum /= np.linalg.norm(spectrum)
    centres = rng.standard_normal((1000, dimension), dtype=np.float32) * spectrum
    turn = np.linalg.qr(rng.standard_normal((dimension, dimension)))[0].astype(np.float32)

    def draw(n):
        rows = centres[rng.integers(0, 1000, n)] + 0.8 * rng.standard_normal((n, dimension), dtype=np.float32) * spectrum
        rows = rows @ turn
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    queries = draw(1000)
    queries.tofile(f"{folder}/queries.{count}.f32")
    best = np.full((1000, 10), -2, np.float32)
    which = np.zeros((1000, 10), np.int32)
    with open(f"{folder}/vectors.{count}.f32", "wb") as out:
        for start in range(0, count, 50_000):
            rows = draw(min(50_000, count - start))
            rows.tofile(out)
            scores = np.concatenate([best, queries @ rows.T], axis=1)
            names = np.concatenate([which, np.tile(np.arange(start, start + len(rows), dtype=np.int32), (1000, 1))], axis=1)
            order = np.argsort(-scores, axis=1, kind="stable")[:, :10]
            best, which = np.take_along_axis(scores, order, 1), np.take_along_axis(names, order, 1)
    which.tofile(f"{folder}/neighbours.{count}.i32")


if __name__ == "__main__":
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    passages(folder, int(sys.argv[2]) if len(sys.argv) > 2 else 100_000)
    vectors(folder, int(sys.argv[3]) if len(sys.argv) > 3 else 100_000)
