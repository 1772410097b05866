#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Greedy continuations, logits and tokenisations of llama.cpp, as fixtures for LanguageModelsTests.

    python3 -m venv v && v/bin/pip install llama-cpp-py-sync==0.11739
    v/bin/python make_reference.py MODEL.gguf QUESTIONS.jsonl CORPUS.jsonl OUT_FOLDER

QUESTIONS and CORPUS are those of HotpotQA (CC BY-SA 4.0): questions become prompts, passages texts to tokenise.
Writes smollm2-greedy.json (28 prompts, 40 tokens each, temperature 0) and smollm2-tokens.jsonl (2,000 texts, each with
the number of its tokens and the CRC-32 of their ids as little-endian 32-bit integers).
"""
import json
import random
import struct
import sys
import zlib

from llama_cpp_py_sync._cffi_bindings import get_ffi, get_lib

ffi, lib = get_ffi(), get_lib()


def tokenize(vocab, text, special):
    raw = text.encode()
    room = len(raw) + 16
    out = ffi.new("llama_token[]", room)
    n = lib.llama_tokenize(vocab, raw, len(raw), out, room, False, special)
    assert n >= 0
    return [out[i] for i in range(n)]


def texts(corpus):
    rng = random.Random(17)
    passages = [json.loads(line)["text"] for line in open(corpus, encoding="utf-8")]
    rng.shuffle(passages)
    out = []
    for p in passages[:1000]:
        start = rng.randrange(max(1, len(p) - 120))
        out.append(p[start:start + rng.randrange(10, 120)])
    parts = [
        " ", "  ", "\n", "\r\n", "\t", "\n\n", " \n ", "'s", "'t", "'RE", "'ll", "’s", "1", "23", "456", "7890", "½", "٣",
        "a", "the", "The", "naïve", "Zürich", "Ελλάδα", "Москва", "東京", "한국어", "العربية", "हिन्दी", "é", "ﬁ",
        "🙂", "👩‍👩‍👧", "\u00a0", "\u3000", "\u200b", "...", "!?", "--", "==", "{}", "[\"x\"]", "<|im_end|>",
        "<|endoftext|>", "<repo_name>", "def f(x):", "    return", "http://a.b/c?d=e", "x_y", "camelCase", "#", "$5.00",
    ]
    while len(out) < 2000:
        out.append("".join(rng.choice(parts) for _ in range(rng.randrange(1, 14))))
    return out


def main():
    path, questions, corpus, folder = sys.argv[1:5]
    lib.llama_backend_init()
    params = lib.llama_model_default_params()
    model = lib.llama_model_load_from_file(path.encode(), params)
    vocab = lib.llama_model_get_vocab(model)
    with open(folder + "/smollm2-tokens.jsonl", "w", encoding="utf-8") as f:
        for text in texts(corpus):
            ids = tokenize(vocab, text, False)
            crc = zlib.crc32(struct.pack("<%di" % len(ids), *ids))
            f.write(json.dumps([text, len(ids), crc], ensure_ascii=False) + "\n")
    n_vocab = lib.llama_vocab_n_tokens(vocab)
    cp = lib.llama_context_default_params()
    cp.n_ctx, cp.n_batch, cp.n_ubatch, cp.n_threads, cp.n_threads_batch = 2048, 2048, 2048, 2, 2
    chat = ("<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
            "<|im_start|>user\n%s<|im_end|>\n<|im_start|>assistant\n")
    qs = [json.loads(line)["question"] for line in open(questions, encoding="utf-8")][:12]
    passages = [json.loads(line)["text"] for line in open(corpus, encoding="utf-8")][:6]
    prompts = [chat % q for q in qs]
    prompts += [chat % ("Summarise in one sentence: " + p) for p in passages]
    prompts += ["The capital of France is", "Once upon a time, there was a", "def fibonacci(n):\n", "1, 2, 3, 4,",
                "Water boils at", "Dear Sir or Madam,\n\n", "The three primary colours are", "import numpy as np\n",
                chat % "What is gravity?", chat % "Write a haiku about autumn."]
    cases = []
    for prompt in prompts:
        ids = tokenize(vocab, prompt, True)
        ctx = lib.llama_init_from_model(model, cp)
        batch, out, gaps, first = ids, [], [], None
        while len(out) < 40:
            arr = ffi.new("llama_token[]", batch)
            assert lib.llama_decode(ctx, lib.llama_batch_get_one(arr, len(batch))) == 0
            p = lib.llama_get_logits_ith(ctx, -1)
            logits = struct.unpack("<%df" % n_vocab, bytes(ffi.buffer(p, 4 * n_vocab)))
            best = max(range(n_vocab), key=lambda i: (logits[i], -i))
            second = max(x for i, x in enumerate(logits) if i != best)
            if first is None:
                first = [round(x, 4) for x in logits[::769]]
            gaps.append(round(logits[best] - second, 4))
            out.append(best)
            if best == 2:
                break
            batch = [best]
        lib.llama_free(ctx)
        cases.append({"prompt": prompt, "ids": ids, "continuation": out, "gap": min(gaps), "logits": first})
    with open(folder + "/smollm2-greedy.json", "w", encoding="utf-8") as f:
        f.write("[\n" + ",\n".join(json.dumps(c, ensure_ascii=False) for c in cases) + "\n]\n")
    sys.stderr.write(ffi.string(lib.llama_print_system_info()).decode() + "\n")


main()
