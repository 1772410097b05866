#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Greedy continuations, logits and tokenisations of llama.cpp, as fixtures for LanguageModelsTests.

    python3 -m venv v && v/bin/pip install llama-cpp-py-sync==0.11739 numpy
    v/bin/python make_reference.py MODEL.gguf QUESTIONS.jsonl CORPUS.jsonl OUT_FOLDER

QUESTIONS and CORPUS are those of HotpotQA (CC BY-SA 4.0): questions become prompts, passages texts to tokenise.
Writes smollm2-greedy.json (28 prompts, at most 40 tokens each, temperature 0) and smollm2-tokens.jsonl (2,000 texts,
each with the number of its tokens and the CRC-32 of their ids as little-endian 32-bit integers).

Continuations are made twice, without flash attention, with a 32-bit key-value cache and one thread: "quantised" from
the file as it is, and "float" from a copy whose matrices are widened to 32-bit floats. The copy is what correctness is
checked on. With quantised weights activations are rounded to 8 bits, and the last bit of any sum decides roundings:
llama.cpp itself then gives equal continuations on 7 of the 28 prompts with flash attention and a half-precision cache
(its default), and on 10 of 28 when only the cache becomes half-precision.
"""
import json
import random
import struct
import sys
import tempfile
import zlib

import numpy as np

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


def widen(source, target):
    """Copies a GGUF file with every tensor as 32-bit floats (from F32, Q4_1 and Q8_0)."""
    raw = open(source, "rb").read()
    at = 0

    def read(form):
        nonlocal at
        values = struct.unpack_from("<" + form, raw, at)
        at += struct.calcsize("<" + form)
        return values

    def skip(kind):
        nonlocal at
        sizes = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
        if kind in sizes:
            at += sizes[kind]
        elif kind == 8:
            length, = read("Q")
            at += length
        else:
            kind, count = read("IQ")
            for _ in range(count):
                skip(kind)

    assert read("4sI")[0] == b"GGUF"
    tensors, entries = read("QQ")
    start = at
    for _ in range(entries):
        length, = read("Q")
        at += length
        skip(read("I")[0])
    metadata = raw[start:at]
    infos = []
    for _ in range(tensors):
        length, = read("Q")
        name = raw[at:at + length]
        at += length
        shape = read("Q" * read("I")[0])
        infos.append((name, shape) + read("IQ"))
    base = -(-at // 32) * 32
    with open(target, "wb") as out:
        out.write(struct.pack("<4sIQQ", b"GGUF", 3, tensors, entries) + metadata)
        offset = 0
        for name, shape, _, _ in infos:
            out.write(struct.pack("<Q", len(name)) + name)
            out.write(struct.pack("<I%dQIQ" % len(shape), len(shape), *shape, 0, offset))
            offset += -(-int(np.prod(shape)) * 4 // 32) * 32
        out.write(bytes(-out.tell() % 32))
        for _, shape, kind, offset in infos:
            count, begin = int(np.prod(shape)), base + offset
            if kind == 0:
                weights = np.frombuffer(raw, "<f4", count, begin)
            elif kind == 3:
                blocks = np.frombuffer(raw, np.uint8, count // 32 * 20, begin).reshape(-1, 20)
                scale, least = (blocks[:, i:i + 2].copy().view("<f2").astype("<f4") for i in (0, 2))
                weights = scale * np.concatenate([blocks[:, 4:] & 15, blocks[:, 4:] >> 4], 1).astype("<f4") + least
            elif kind == 8:
                blocks = np.frombuffer(raw, np.uint8, count // 32 * 34, begin).reshape(-1, 34)
                weights = blocks[:, :2].copy().view("<f2").astype("<f4") * blocks[:, 2:].view(np.int8)
            else:
                raise SystemExit("tensors of type %d are not read here" % kind)
            data = weights.astype("<f4").tobytes()
            out.write(data + bytes(-len(data) % 32))


def load(path):
    return lib.llama_model_load_from_file(path.encode(), lib.llama_model_default_params())


def greedy(model, prompts):
    """The continuation of each prompt's ids, the least gap between its two best tokens, every 769th first logit."""
    size = lib.llama_vocab_n_tokens(lib.llama_model_get_vocab(model))
    cp = lib.llama_context_default_params()
    cp.n_ctx, cp.n_batch, cp.n_ubatch, cp.n_threads, cp.n_threads_batch = 1024, 1024, 1024, 1, 1
    cp.flash_attn_type, cp.type_k, cp.type_v = 0, lib.GGML_TYPE_F32, lib.GGML_TYPE_F32
    for ids in prompts:
        ctx = lib.llama_init_from_model(model, cp)
        batch, out, gaps, first = ids, [], [], None
        while len(out) < 40:
            tokens = ffi.new("llama_token[]", batch)
            assert lib.llama_decode(ctx, lib.llama_batch_get_one(tokens, len(batch))) == 0
            row = np.frombuffer(ffi.buffer(lib.llama_get_logits_ith(ctx, -1), 4 * size), "<f4")
            if first is None:
                first = [round(float(x), 4) for x in row[::769]]
            best = int(row.argmax())
            gaps.append(round(float(row[best] - np.partition(row, -2)[-2]), 4))
            out.append(best)
            if best == 2:
                break
            batch = [best]
        lib.llama_free(ctx)
        yield {"continuation": out, "gap": min(gaps), "logits": first}


def main():
    path, questions, corpus, folder = sys.argv[1:5]
    lib.llama_backend_init()
    model = load(path)
    vocab = lib.llama_model_get_vocab(model)
    with open(folder + "/smollm2-tokens.jsonl", "w", encoding="utf-8") as f:
        for text in texts(corpus):
            ids = tokenize(vocab, text, False)
            crc = zlib.crc32(struct.pack("<%di" % len(ids), *ids))
            f.write(json.dumps([text, len(ids), crc], ensure_ascii=False) + "\n")
    chat = ("<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
            "<|im_start|>user\n%s<|im_end|>\n<|im_start|>assistant\n")
    qs = [json.loads(line)["question"] for line in open(questions, encoding="utf-8")][:12]
    passages = [json.loads(line)["text"] for line in open(corpus, encoding="utf-8")][:6]
    prompts = [chat % q for q in qs]
    prompts += [chat % ("Summarise in one sentence: " + p) for p in passages]
    prompts += ["The capital of France is", "Once upon a time, there was a", "def fibonacci(n):\n", "1, 2, 3, 4,",
                "Water boils at", "Dear Sir or Madam,\n\n", "The three primary colours are", "import numpy as np\n",
                chat % "What is gravity?", chat % "Write a haiku about autumn."]
    ids = [tokenize(vocab, prompt, True) for prompt in prompts]
    with tempfile.NamedTemporaryFile(suffix=".gguf") as copy:
        widen(path, copy.name)
        cases = [
            {"prompt": prompt, "ids": tokens, "float": exact, "quantised": rounded}
            for prompt, tokens, exact, rounded in zip(prompts, ids, greedy(load(copy.name), ids), greedy(model, ids))
        ]
    with open(folder + "/smollm2-greedy.json", "w", encoding="utf-8") as f:
        f.write("[\n" + ",\n".join(json.dumps(c, ensure_ascii=False) for c in cases) + "\n]\n")
    sys.stderr.write(ffi.string(lib.llama_print_system_info()).decode() + "\n")


main()
