# SPDX-License-Identifier: Apache-2.0
"""PyTorch beside `ForageBenchmarks training-step`: forward and backward through the uppermost blocks of a BERT encoder.

usage: python training_step.py MODEL_FOLDER LAYERS TEXTS LENGTH THREADS [DROPOUT]
       (needs: pip install torch safetensors; prints the best of seven steps in seconds, of one processor where THREADS is
       1: on a shared machine that is the robust figure)"""
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../../../Tests/Fixtures/scripts")
import torch

from torch_bert import Bert

folder, layers, texts, length, threads = sys.argv[1], *map(int, sys.argv[2:6])
dropout = float(sys.argv[6]) if len(sys.argv) > 6 else 0.0
torch.set_num_threads(threads)
bert = Bert(folder)
clock = time.process_time if threads == 1 else time.perf_counter
used = range(bert.layers - layers, bert.layers)
tuned = [v for k, v in bert.weights.items() if any(k.startswith(f"encoder.layer.{n}.") for n in used)]
for tensor in tuned:
    tensor.requires_grad_(True)
x = torch.full((texts, length, bert.weights["embeddings.LayerNorm.weight"].shape[0]), 0.1)
x += 0.05 * torch.randn_like(x)
best = float("inf")
for _ in range(7):
    for tensor in tuned:
        tensor.grad = None
    start = clock()
    y = x
    for layer in used:
        y = bert.block(y, layer, dropout=dropout)
    (y * y).mean().backward()
    best = min(best, clock() - start)
print(f"{best:.4f}")
