# SPDX-License-Identifier: Apache-2.0
"""Makes Tests/Fixtures/encoder/tiny/gradients.safetensors: for three texts of different lengths PyTorch's states of the
tiny model and the gradients of sum(states * pull) at every tensor of it.

usage: python make_encoder_gradients.py TINY_FOLDER      (needs: pip install torch safetensors)"""
import sys

import torch
from safetensors.torch import save_file

from torch_bert import Bert

folder = sys.argv[1]
torch.manual_seed(3)
bert = Bert(folder)
for tensor in bert.weights.values():
    tensor.requires_grad_(True)
vocabulary = bert.weights["embeddings.word_embeddings.weight"].shape[0]
out, lengths, loss = {}, [5, 17, 1], 0
for number, length in enumerate(lengths):
    ids = torch.randint(0, vocabulary, (1, length))
    types = (torch.arange(length) > length // 2).long()[None]
    states = bert.states(ids, types)
    pull = torch.randn_like(states)
    loss = loss + (states * pull).sum()
    out[f"{number}.ids"], out[f"{number}.types"] = ids[0].int(), types[0].int()
    out[f"{number}.pull"], out[f"{number}.states"] = pull[0].clone(), states[0].detach().clone()
loss.backward()
for name, tensor in bert.weights.items():
    out["gradient." + name] = tensor.grad.clone()
save_file(out, folder + "/gradients.safetensors")
