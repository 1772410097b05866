# SPDX-License-Identifier: Apache-2.0
"""BERT's encoder in plain PyTorch over the tensors of a model folder, for gradients and timings to compare with."""
import json

import torch
from safetensors.torch import load_file


class Bert:
    def __init__(self, folder):
        config = json.load(open(folder + "/config.json"))
        self.heads, self.epsilon = config["num_attention_heads"], config["layer_norm_eps"]
        self.layers = config["num_hidden_layers"]
        self.weights = {k: v.float() for k, v in load_file(folder + "/model.safetensors").items()
                        if v.is_floating_point()}

    def norm(self, x, name):
        w = self.weights
        return torch.nn.functional.layer_norm(x, x.shape[-1:], w[name + ".weight"], w[name + ".bias"], self.epsilon)

    def linear(self, x, name):
        return torch.nn.functional.linear(x, self.weights[name + ".weight"], self.weights[name + ".bias"])

    def block(self, x, layer, mask=None, dropout=0.0):
        """One block over a batch (texts x tokens x width); `mask` is true where there is a token."""
        name = f"encoder.layer.{layer}."
        texts, length, width = x.shape
        q, k, v = (self.linear(x, name + f"attention.self.{part}").view(texts, length, self.heads, -1).transpose(1, 2)
                   for part in ("query", "key", "value"))
        if mask is not None:
            mask = mask[:, None, None, :]
        attended = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout)
        attended = self.linear(attended.transpose(1, 2).reshape(texts, length, width), name + "attention.output.dense")
        attended = torch.nn.functional.dropout(attended, dropout)
        x = self.norm(attended + x, name + "attention.output.LayerNorm")
        inner = torch.nn.functional.gelu(self.linear(x, name + "intermediate.dense"))
        inner = torch.nn.functional.dropout(self.linear(inner, name + "output.dense"), dropout)
        return self.norm(inner + x, name + "output.LayerNorm")

    def states(self, ids, types):
        w = self.weights
        x = (w["embeddings.word_embeddings.weight"][ids] + w["embeddings.position_embeddings.weight"][: ids.shape[1]]
             + w["embeddings.token_type_embeddings.weight"][types])
        x = self.norm(x, "embeddings.LayerNorm")
        for layer in range(self.layers):
            x = self.block(x, layer)
        return x
