# SPDX-License-Identifier: Apache-2.0
"""Makes Tests/Fixtures/decoder/llama.safetensors and qwen2.safetensors: tiny random models of the Transformers library, the
log-probabilities of chosen tokens in three texts of different lengths, and the gradients of sum(log-probability * pull) at
every tensor, and at the two thin matrices of low-rank products beside every projection.

usage: python make_decoder_gradients.py FOLDER      (needs: pip install torch transformers safetensors)"""
import sys

import torch
from safetensors.torch import save_file
from torch.func import functional_call
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

SIZES = dict(
    vocab_size=48, hidden_size=32, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, max_position_embeddings=256, rms_norm_eps=1e-5, attn_implementation="eager")
PROJECTIONS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
RANK, SCALE = 3, 1.5


def text_loss(model, weights, texts):
    loss, found = 0, []
    for ids, learned, pull in texts:
        logits = functional_call(model, weights, (ids[None],)).logits[0]
        chosen = torch.log_softmax(logits, -1)[:-1].gather(1, ids[1:, None])[:, 0][learned[1:]]
        loss = loss + (chosen * pull).sum()
        found.append(chosen.detach().clone())
    return loss, found


def make(model, path):
    # The norms and biases start at one and zero, where mistakes would not show.
    for name, tensor in model.named_parameters():
        torch.nn.init.normal_(tensor, 1 if "norm" in name else 0, 0.3 if "norm" in name or "bias" in name else 0.25)
    texts, out = [], {}
    for number, length in enumerate([7, 19, 3]):
        ids = torch.randint(0, 48, (length,))
        learned = torch.rand(length) < 0.6
        learned[0], learned[-1] = False, True
        pull = torch.randn(int(learned.sum()))
        texts.append((ids, learned, pull))
        out[f"{number}.ids"], out[f"{number}.learned"], out[f"{number}.pull"] = ids.int(), learned.int(), pull
    names = [name for name, _ in model.named_parameters()]
    weights = {name: tensor.detach().clone().requires_grad_(True) for name, tensor in model.named_parameters()}
    loss, found = text_loss(model, weights, texts)
    loss.backward()
    for number, chosen in enumerate(found):
        out[f"{number}.expected"] = chosen
    for name in names:
        out[name.removeprefix("model.")] = weights[name].detach().clone()
        out["gradient." + name.removeprefix("model.")] = weights[name].grad.clone()
    # The same with thin products beside every projection.
    adapted, thin = {name: tensor.detach() for name, tensor in weights.items()}, {}
    for name in names:
        if name.split(".")[-2] not in PROJECTIONS or not name.endswith("weight"):
            continue
        outputs, inputs = weights[name].shape
        stem = name.removeprefix("model.").removesuffix(".weight")
        a = (torch.randn(RANK, inputs) * 0.2).requires_grad_(True)
        b = (torch.randn(outputs, RANK) * 0.2).requires_grad_(True)
        thin[stem + ".lora_A.weight"], thin[stem + ".lora_B.weight"] = a, b
        adapted[name] = weights[name].detach() + SCALE * b @ a
    loss, found = text_loss(model, adapted, texts)
    loss.backward()
    for number, chosen in enumerate(found):
        out[f"{number}.adapted"] = chosen
    for name, tensor in thin.items():
        out[name], out["gradient." + name] = tensor.detach().clone(), tensor.grad.clone()
    save_file(out, path)


torch.manual_seed(5)
make(LlamaForCausalLM(LlamaConfig(tie_word_embeddings=True, rope_theta=10000.0, **SIZES)), sys.argv[1] + "/llama.safetensors")
make(Qwen2ForCausalLM(Qwen2Config(tie_word_embeddings=False, rope_theta=10000.0, **SIZES)), sys.argv[1] + "/qwen2.safetensors")
