#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A retrieval server of the kind that trainers start beside themselves: FastAPI and uvicorn before bm25s, or before an
encoder (ONNX) and a flat index of faiss. It answers POST /retrieve in the shape of Search-R1's server.

usage: retrieve_server.py bm25 CORPUS.jsonl PORT
       retrieve_server.py flat CORPUS.jsonl PORT MODEL_FOLDER      (model.onnx and tokenizer.json lie in it)
"""
import json, os, sys
from typing import List, Optional

import numpy as np
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

kind, corpus, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
with open(corpus) as lines:
    rows = [json.loads(line) for line in lines]
documents = [{"id": str(row["id"]), "contents": '"%s"\n%s' % (row.get("title", ""), row["text"])} for row in rows]


def keyword_search():
    import bm25s
    index = bm25s.BM25(k1=0.9, b=0.4)
    texts = [document["contents"] for document in documents]
    index.index(bm25s.tokenize(texts, stopwords="en", show_progress=False), show_progress=False)

    def search(queries, count):
        tokens = bm25s.tokenize(queries, stopwords="en", show_progress=False)
        return index.retrieve(tokens, k=count, show_progress=False)
    return search


def flat_search(folder):
    import faiss
    import onnxruntime
    from tokenizers import Tokenizer
    tokenizer = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
    tokenizer.enable_truncation(256)
    tokenizer.enable_padding()
    session = onnxruntime.InferenceSession(os.path.join(folder, "model.onnx"), providers=["CPUExecutionProvider"])
    names = {entry.name for entry in session.get_inputs()}

    def encode(texts):
        rows = tokenizer.encode_batch(texts)
        ids = np.array([row.ids for row in rows], np.int64)
        mask = np.array([row.attention_mask for row in rows], np.int64)
        inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        hidden = session.run(None, {name: value for name, value in inputs.items() if name in names})[0]
        pooled = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
        return (pooled / np.linalg.norm(pooled, axis=1, keepdims=True)).astype(np.float32)

    index = faiss.IndexFlatIP(384)
    # The vectors of a corpus are made once.
    kept = os.path.join(folder, "vectors.%d.npy" % len(documents))
    if os.path.exists(kept):
        index.add(np.load(kept))
    else:
        texts = [document["contents"] for document in documents]
        vectors = np.concatenate([encode(texts[start:start + 64]) for start in range(0, len(texts), 64)])
        np.save(kept, vectors)
        index.add(vectors)

    def search(queries, count):
        scores, numbers = index.search(encode(queries), count)
        return numbers, scores
    return search


run = keyword_search() if kind == "bm25" else flat_search(sys.argv[4])
app = FastAPI()


class Query(BaseModel):
    queries: List[str]
    topk: Optional[int] = None
    return_scores: bool = False


@app.post("/retrieve")
def retrieve(request: Query):
    found, scores = run(request.queries, request.topk or 3)
    return {
        "result": [
            [{"document": documents[n], "score": float(s)} for n, s in zip(line, values)]
            if request.return_scores else [documents[n] for n in line]
            for line, values in zip(found, scores)
        ]
    }


print("listening", flush=True)
uvicorn.run(app, host="127.0.0.1", port=port, log_level="error")
