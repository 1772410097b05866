# SPDX-License-Identifier: Apache-2.0
"""Makes Tests/Fixtures/encoder: reference vectors of ONNX Runtime for all-MiniLM-L6-v2, and a tiny BERT with random
weights and its own reference. A second computation in numpy, in double precision, must agree with both.

usage: python make_encoder.py MINILM_FOLDER PASSAGES.jsonl OUTPUT_FOLDER
       (needs: pip install numpy safetensors tokenizers onnx onnxruntime)
minilm.texts.json: 200 texts; minilm.vectors.f16: 200 x 384 half floats, little-endian.
tiny/: config.json, vocab.txt, model.safetensors (2 layers of 32, 4 heads), texts.json, vectors.f32 (n x 32),
tokens.f32: the hidden states of all tokens of all texts, one text behind the other."""
import json
import math
import os
import sys
import tempfile

import numpy as np
from safetensors.numpy import load_file, save_file
from tokenizers import BertWordPieceTokenizer, Tokenizer

import bert_onnx
from varied_texts import varied

minilm, passages, output = sys.argv[1:4]


def numpy_states(folder, ids, types):
    """The forward pass as published, in double precision, for one text."""
    config = json.load(open(folder + "/config.json"))
    w = {k: v.astype(np.float64) for k, v in load_file(folder + "/model.safetensors").items() if v.dtype != np.int64}
    heads, epsilon = config["num_attention_heads"], config["layer_norm_eps"]
    erf = np.vectorize(math.erf)

    def norm(x, name):
        x = x - x.mean(-1, keepdims=True)
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + epsilon) * w[name + ".weight"] + w[name + ".bias"]

    def linear(x, name):
        return x @ w[name + ".weight"].T + w[name + ".bias"]

    x = (w["embeddings.word_embeddings.weight"][ids] + w["embeddings.position_embeddings.weight"][: len(ids)]
         + w["embeddings.token_type_embeddings.weight"][types])
    x = norm(x, "embeddings.LayerNorm")
    for layer in range(config["num_hidden_layers"]):
        name = f"encoder.layer.{layer}."
        q, k, v = (linear(x, name + f"attention.self.{p}").reshape(len(ids), heads, -1).swapaxes(0, 1)
                   for p in ("query", "key", "value"))
        s = q @ k.swapaxes(1, 2) / math.sqrt(q.shape[-1])
        s = np.exp(s - s.max(-1, keepdims=True))
        a = (s / s.sum(-1, keepdims=True) @ v).swapaxes(0, 1).reshape(len(ids), -1)
        x = norm(linear(a, name + "attention.output.dense") + x, name + "attention.output.LayerNorm")
        h = linear(x, name + "intermediate.dense")
        h = h * 0.5 * (1 + erf(h / math.sqrt(2)))
        x = norm(linear(h, name + "output.dense") + x, name + "output.LayerNorm")
    return x


def reference(folder, tokenizer, texts, check):
    with tempfile.TemporaryDirectory() as temporary:
        path = temporary + "/model.onnx"
        bert_onnx.build(folder, path)
        session = bert_onnx.session(path, 1)
        encodings = [tokenizer.encode(t) for t in texts]
        vectors = np.concatenate([bert_onnx.run(session, [e]) for e in encodings])
        states = [bert_onnx.run(session, [e], pool=False)[0] for e in encodings]
    for index in check:
        other = numpy_states(folder, encodings[index].ids, encodings[index].type_ids)
        assert np.abs(other - states[index]).max() < 1e-3, (index, np.abs(other - states[index]).max())
    return vectors, states


# all-MiniLM-L6-v2
tokenizer = Tokenizer.from_file(minilm + "/tokenizer.json")
tokenizer.no_padding()
tokenizer.enable_truncation(256)
texts = varied(passages, 170)[:170]
long = [json.loads(line)["text"] for line in open(passages, encoding="utf-8")]
long.sort(key=len)
texts += long[-12:] + long[:: len(long) // 18][:18]
assert len(texts) == 200
vectors, _ = reference(minilm, tokenizer, texts, range(0, 200, 10))
json.dump(texts, open(output + "/minilm.texts.json", "w"), ensure_ascii=True, separators=(",\n", ":"))
vectors.astype("<f2").tofile(output + "/minilm.vectors.f16")

# A tiny model
tiny = output + "/tiny"
os.makedirs(tiny, exist_ok=True)
letters = "abcdefghijklmnopqrstuvwxyz0123456789"
pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + list(letters + ".,!?-'\u6771\u4eac") + ["##" + c for c in letters]
pieces += ["the", "of", "and", "is", "in", "##ing", "##ed", "##er", "ma", "par", "cit", "##y", "##is"]
open(tiny + "/vocab.txt", "w", newline="\n").write("".join(p + "\n" for p in dict.fromkeys(pieces)))
pieces = list(dict.fromkeys(pieces))
config = {"model_type": "bert", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
          "intermediate_size": 72, "vocab_size": len(pieces), "max_position_embeddings": 64, "type_vocab_size": 2,
          "layer_norm_eps": 1e-12, "hidden_act": "gelu", "position_embedding_type": "absolute"}
json.dump(config, open(tiny + "/config.json", "w"), indent=1)
random = np.random.default_rng(7)
weights = {}


def make(name, *shape, scale=0.2, centre=0.0):
    weights[name] = (centre + scale * random.standard_normal(shape)).astype(np.float32)


make("embeddings.word_embeddings.weight", len(pieces), 32)
make("embeddings.position_embeddings.weight", 64, 32)
make("embeddings.token_type_embeddings.weight", 2, 32)
norms = ["embeddings.LayerNorm"]
for layer in range(2):
    name = f"encoder.layer.{layer}."
    for part in ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"):
        make(name + part + ".weight", 32, 32)
        make(name + part + ".bias", 32)
    make(name + "intermediate.dense.weight", 72, 32)
    make(name + "intermediate.dense.bias", 72)
    make(name + "output.dense.weight", 32, 72)
    make(name + "output.dense.bias", 32)
    norms += [name + "attention.output.LayerNorm", name + "output.LayerNorm"]
for name in norms:
    make(name + ".weight", 32, centre=1.0)
    make(name + ".bias", 32)
save_file(weights, tiny + "/model.safetensors")
tokenizer = BertWordPieceTokenizer(tiny + "/vocab.txt")
tokenizer.enable_truncation(64)
texts = ["", "a", "the city of paris", "Making 123, and -- more!", "\u6771\u4eac is in the city", "x" * 150,
         "the " * 80, "wandered. parted? it's 9", "\u00e9t\u00e9", "qqq zz " * 9] + long[:6]
vectors, states = reference(tiny, tokenizer, texts, range(len(texts)))
json.dump(texts, open(tiny + "/texts.json", "w"), ensure_ascii=True, separators=(",\n", ":"))
vectors.astype("<f4").tofile(tiny + "/vectors.f32")
np.concatenate(states).astype("<f4").tofile(tiny + "/tokens.f32")
