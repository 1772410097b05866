# SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime on the texts of a file, for the encoder benchmark: batches of 32 by length, tokenisation included.

usage: python encoder_peer.py MODEL_FOLDER TEXTS.json THREADS ROUNDS
Prints one JSON line a round: sentences a second, and the middle of the times of single queries in milliseconds."""
import json
import os
import sys
import tempfile
import time

folder, path, threads, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
os.environ["RAYON_NUM_THREADS"] = str(threads)
from tokenizers import Tokenizer  # noqa: E402

import bert_onnx  # noqa: E402

texts = json.load(open(path, encoding="utf-8"))
tokenizer = Tokenizer.from_file(folder + "/tokenizer.json")
tokenizer.no_padding()
tokenizer.enable_truncation(256)
with tempfile.TemporaryDirectory() as temporary:
    model = temporary + "/model.onnx"
    bert_onnx.build(folder, model)
    session = bert_onnx.session(model, threads)


def encode(batch):
    encodings = sorted(tokenizer.encode_batch(batch), key=lambda e: -len(e.ids))
    for start in range(0, len(encodings), 32):
        bert_onnx.run(session, encodings[start : start + 32])


encode(texts[:64])
for _ in range(rounds):
    start, cpu = time.perf_counter(), time.process_time()
    encode(texts)
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    times = []
    for _ in range(50):
        start = time.perf_counter()
        encode(["who wrote the novel that inspired the first film"])
        times.append(time.perf_counter() - start)
    print(json.dumps({"perSecond": len(texts) / wall, "perCPUSecond": len(texts) / cpu,
                      "queryMilliseconds": sorted(times)[25] * 1e3}), flush=True)
