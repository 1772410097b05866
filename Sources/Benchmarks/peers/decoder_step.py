# SPDX-License-Identifier: Apache-2.0
"""PyTorch beside `ForageBenchmarks decoder-step`: a step of low-rank tuning of a Llama decoder of given sizes.

usage: python decoder_step.py WIDTH HIDDEN HEADS KEY_VALUE_HEADS LAYERS VOCABULARY TOKENS LEARNED RANK
       (needs: pip install torch transformers; prints the best of two steps in seconds of one processor)"""
import sys
import time

import torch
from transformers import LlamaConfig, LlamaForCausalLM

width, hidden, heads, shared, layers, vocabulary, tokens, learned, rank = map(int, sys.argv[1:10])
torch.set_num_threads(1)
model = LlamaForCausalLM(LlamaConfig(
    vocab_size=vocabulary, hidden_size=width, intermediate_size=hidden, num_hidden_layers=layers,
    num_attention_heads=heads, num_key_value_heads=shared, tie_word_embeddings=True))
model.requires_grad_(False)


class LowRank(torch.nn.Module):
    def __init__(self, linear):
        super().__init__()
        self.linear = linear
        self.a = torch.nn.Parameter(torch.randn(rank, linear.in_features) / linear.in_features**0.5)
        self.b = torch.nn.Parameter(torch.zeros(linear.out_features, rank))

    def forward(self, x):
        return self.linear(x) + 2 * (x @ self.a.T) @ self.b.T


for layer in model.model.layers:
    for part in (layer.self_attn, layer.mlp):
        for name, child in list(part.named_children()):
            if isinstance(child, torch.nn.Linear):
                setattr(part, name, LowRank(child))
ids = (torch.arange(tokens) % 1000 + 100)[None]
best = float("inf")
for _ in range(2):
    model.zero_grad(set_to_none=True)
    start = time.process_time()
    states = model.model(ids, use_cache=False).last_hidden_state[0, -learned - 1:-1]
    torch.nn.functional.cross_entropy(model.lm_head(states), ids[0, -learned:]).backward()
    best = min(best, time.process_time() - start)
print(f"{best:.4f}")
