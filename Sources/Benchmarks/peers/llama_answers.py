#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Answers from gold passages: forage beside llama.cpp, the same ChatML model, the same prompt, greedy.

    python3 -m venv v && v/bin/pip install --no-binary llama-cpp-python llama-cpp-python gguf numpy
    v/bin/python llama_answers.py FORAGE MODEL.gguf --questions Q.jsonl --corpus C.jsonl [--count 200] [--float]

Forage answers through `forage model run`, llama.cpp through its library with the template written out. --float widens the
weights to float32 first: neither program rounds activations then, so that answers should be equal; with the file's own
weights both round them, each in its own way. Prints how many answers are equal, how many of their first words, and the F1
and exact match of either.
"""
import argparse
import collections
import json
import os
import re
import string
import subprocess
import tempfile

import numpy as np

SYSTEM = "You answer questions from passages in a few words."


def prompts(args):
    texts = {d["id"]: d for d in map(json.loads, open(args.corpus))}
    for line in open(args.questions):
        question = json.loads(line)
        gold = [texts[i] for i in dict.fromkeys(question["supporting"]) if i in texts]
        if gold and question["answers"]:
            passages = "\n".join(f"{d['title']}: {d['text']}" for d in gold)
            yield f"{passages}\n\nQuestion: {question['question']}\nAnswer in a few words.", question["answers"]


def llama_answers(args, model_path, asked):
    import ctypes

    import llama_cpp as lib

    lib.llama_backend_init()
    model = lib.llama_model_load_from_file(model_path.encode(), lib.llama_model_default_params())
    vocabulary = lib.llama_model_get_vocab(model)
    parameters = lib.llama_context_default_params()
    parameters.n_ctx = 4096
    parameters.n_batch = parameters.n_ubatch = 512
    parameters.n_threads = parameters.n_threads_batch = args.threads
    context = lib.llama_init_from_model(model, parameters)
    size = lib.llama_vocab_n_tokens(vocabulary)

    def decode(tokens):
        memory = (lib.llama_token * len(tokens))(*tokens)
        assert lib.llama_decode(context, lib.llama_batch_get_one(memory, len(tokens))) == 0

    for user in asked:
        text = (f"<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\n{user}<|im_end|>\n"
                "<|im_start|>assistant\n").encode()
        room = (lib.llama_token * 4096)()
        count = lib.llama_tokenize(vocabulary, text, len(text), room, 4096, False, True)
        tokens, written = list(room[0:count]), b""
        lib.llama_memory_clear(lib.llama_get_memory(context), True)
        for start in range(0, count, 512):
            decode(tokens[start:start + 512])
        for _ in range(args.tokens):
            logits = lib.llama_get_logits_ith(context, -1)
            best = int(np.ctypeslib.as_array(logits, shape=(size,)).argmax())
            if lib.llama_vocab_is_eog(vocabulary, best):
                break
            piece = ctypes.create_string_buffer(256)
            written += piece.raw[:max(0, lib.llama_token_to_piece(vocabulary, best, piece, 256, 0, False))]
            decode([best])
        yield written.decode(errors="replace")


def forage_answers(args, model_path, asked):
    for user in asked:
        yield subprocess.run(
            [args.forage, "model", "run", model_path, "--system", SYSTEM, "--max-tokens", str(args.tokens),
             "--threads", str(args.threads)],
            input=user, check=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout


def widened(path, folder):
    """The same model with float32 weights."""
    import gguf

    reader = gguf.GGUFReader(path)
    out = f"{folder}/float.gguf"
    writer = gguf.GGUFWriter(out, str(reader.fields["general.architecture"].contents()))
    for field in reader.fields.values():
        if not field.name.startswith("GGUF.") and field.name not in ("general.architecture", "general.file_type"):
            kind = field.types[0]
            writer.add_key_value(field.name, field.contents(), kind, field.types[-1] if kind.name == "ARRAY" else None)
    for tensor in reader.tensors:
        rows = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        writer.add_tensor(tensor.name, rows)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return out


def words(text):
    text = "".join(" " if c in string.punctuation else c for c in text.lower())
    return [w for w in text.split() if w not in ("a", "an", "the")]


def scores(answer, golds):
    best = (0.0, 0.0)
    for gold in golds:
        a, g = words(answer), words(gold)
        same = sum((collections.Counter(a) & collections.Counter(g)).values())
        best = max(best, (2 * same / (len(a) + len(g)) if same else 0.0, float(a == g)))
    return best


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("forage")
    parser.add_argument("model")
    parser.add_argument("--questions", required=True)
    parser.add_argument("--corpus", required=True)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--tokens", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--float", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = widened(args.model, folder) if args.float else os.path.abspath(args.model)
        items = list(prompts(args))[:args.count]
        asked = [prompt for prompt, _ in items]
        ours, theirs = list(forage_answers(args, path, asked)), list(llama_answers(args, path, asked))
    mean = lambda answers, at: sum(scores(a, g)[at] for a, (_, g) in zip(answers, items)) / len(items)
    print(json.dumps({
        "questions": len(items), "weights": "float32" if args.float else "the file's",
        "equal": sum(a.strip() == b.strip() for a, b in zip(ours, theirs)),
        "equal_first_word": sum(re.split(r"\W+", a.strip())[:1] == re.split(r"\W+", b.strip())[:1]
                                for a, b in zip(ours, theirs)),
        "forage": {"f1": round(mean(ours, 0), 4), "em": round(mean(ours, 1), 4)},
        "llama.cpp": {"f1": round(mean(theirs, 0), 4), "em": round(mean(theirs, 1), 4)},
        "different": [[a, b] for a, b in zip(ours, theirs) if a.strip() != b.strip()][:8]}, ensure_ascii=False))
