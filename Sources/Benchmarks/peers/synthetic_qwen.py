#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes a GGUF file of the shape of Qwen2.5-0.5B-Instruct Q4_K_M, with random weights: for timing, not for reading.

    python3 synthetic_qwen.py OUT.gguf [--layers 24]

Shape: 24 layers, width 896, 14 heads over 2 key-value heads, feed-forward 4864, 151,936 tokens, tied embeddings. Types as
llama.cpp's Q4_K_M mix gives them at this width: rows of 896 are no multiple of 256, so that what would be Q4_K becomes Q5_0
and what would be Q6_K becomes Q8_0; the rows of 4864 of the down projection are Q6_K in half of the layers, else Q4_K.
"""
import argparse
import struct

import numpy as np

WIDTH, HEADS, KEY_HEADS, HIDDEN, TOKENS = 896, 14, 2, 4864, 151936
F32, Q5_0, Q8_0, Q4_K, Q6_K = 0, 6, 8, 12, 14
BLOCK = {F32: (1, 4), Q5_0: (32, 22), Q8_0: (32, 34), Q4_K: (256, 144), Q6_K: (256, 210)}


def half(value):
    return np.frombuffer(np.float16(value).tobytes(), np.uint8)


def blocks(kind, count, rng):
    """Random blocks with a scale that keeps the values near those of a trained model."""
    elements, size = BLOCK[kind]
    if kind == F32:
        return (1 + 0.01 * rng.standard_normal(count)).astype(np.float32).tobytes()
    data = rng.integers(0, 256, (count // elements, size), dtype=np.uint8)
    if kind == Q5_0:
        data[:, 0:2] = half(0.003)
    elif kind == Q8_0:
        data[:, 0:2] = half(0.0004)
    elif kind == Q4_K:
        data[:, 0:2] = half(0.0001)
        data[:, 2:4] = half(0.0007)
    else:
        data[:, 192:208] = rng.integers(1, 30, (len(data), 16), dtype=np.uint8)
        data[:, 208:210] = half(0.0001)
    return data.tobytes()


def text(value):
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    parser.add_argument("--layers", type=int, default=24)
    args = parser.parse_args()
    rng = np.random.default_rng(1)
    tensors = [("token_embd.weight", (WIDTH, TOKENS), Q8_0), ("output_norm.weight", (WIDTH,), F32)]
    for i in range(args.layers):
        keys = WIDTH // HEADS * KEY_HEADS
        more = i < args.layers // 8 or i >= 7 * args.layers // 8 or (i - args.layers // 8) % 3 == 2
        for name, shape, kind in (
            ("attn_norm.weight", (WIDTH,), F32), ("attn_q.weight", (WIDTH, WIDTH), Q5_0),
            ("attn_q.bias", (WIDTH,), F32), ("attn_k.weight", (WIDTH, keys), Q5_0), ("attn_k.bias", (keys,), F32),
            ("attn_v.weight", (WIDTH, keys), Q8_0 if more else Q5_0), ("attn_v.bias", (keys,), F32),
            ("attn_output.weight", (WIDTH, WIDTH), Q5_0), ("ffn_norm.weight", (WIDTH,), F32),
            ("ffn_gate.weight", (WIDTH, HIDDEN), Q5_0), ("ffn_up.weight", (WIDTH, HIDDEN), Q5_0),
            ("ffn_down.weight", (HIDDEN, WIDTH), Q6_K if more else Q4_K),
        ):
            tensors.append((f"blk.{i}.{name}", shape, kind))

    u32 = lambda v: struct.pack("<II", 4, v)
    f32 = lambda v: struct.pack("<If", 6, v)
    string = lambda v: struct.pack("<I", 8) + text(v)
    # Byte-level tokens and one merge, so that any text can be split; the rest only fills the vocabulary.
    printable = [chr(b) if 33 <= b <= 126 or 161 <= b <= 172 or b >= 174 else None for b in range(256)]
    spare = iter(range(256, 1024))
    names = [c or chr(next(spare)) for c in printable]
    names += ["ab"] + [f"<{i}>" for i in range(len(names) + 1, TOKENS)]
    metadata = [
        ("general.architecture", string("qwen2")), ("qwen2.block_count", u32(args.layers)),
        ("qwen2.context_length", u32(32768)), ("qwen2.embedding_length", u32(WIDTH)),
        ("qwen2.feed_forward_length", u32(HIDDEN)), ("qwen2.attention.head_count", u32(HEADS)),
        ("qwen2.attention.head_count_kv", u32(KEY_HEADS)), ("qwen2.rope.freq_base", f32(1e6)),
        ("qwen2.attention.layer_norm_rms_epsilon", f32(1e-6)),
        ("tokenizer.ggml.model", string("gpt2")), ("tokenizer.ggml.pre", string("qwen2")),
        ("tokenizer.ggml.tokens", struct.pack("<IIQ", 9, 8, TOKENS) + b"".join(map(text, names))),
        ("tokenizer.ggml.token_type", struct.pack("<IIQ", 9, 5, TOKENS) + np.ones(TOKENS, np.int32).tobytes()),
        ("tokenizer.ggml.merges", struct.pack("<IIQ", 9, 8, 1) + text("a b")),
        ("tokenizer.ggml.eos_token_id", u32(TOKENS - 1)),
    ]
    with open(args.out, "wb") as out:
        out.write(b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata)))
        for key, value in metadata:
            out.write(text(key) + value)
        offset = 0
        for name, shape, kind in tensors:
            out.write(text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset))
            elements, size = BLOCK[kind]
            offset += -(-int(np.prod(shape)) // elements * size // 32) * 32
        out.write(b"\0" * (-out.tell() % 32))
        for name, shape, kind in tensors:
            out.write(blocks(kind, int(np.prod(shape)), rng))
            out.write(b"\0" * (-out.tell() % 32))


main()
