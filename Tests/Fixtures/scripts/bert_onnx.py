# SPDX-License-Identifier: Apache-2.0
"""A BERT encoder from a model folder as an ONNX graph, with the fused operators that ONNX Runtime's own optimiser
makes of an exported model (EmbedLayerNormalization, Attention, SkipLayerNormalization, BiasGelu).

usage: python bert_onnx.py MODEL_FOLDER OUTPUT.onnx      (needs: pip install numpy safetensors onnx onnxruntime)"""
import json
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file


def build(folder, path):
    config = json.load(open(folder + "/config.json"))
    weights = load_file(folder + "/model.safetensors")
    anchor = "embeddings.word_embeddings.weight"
    prefix = next(name for name in weights if name.endswith(anchor))[: -len(anchor)]
    heads, epsilon = config["num_attention_heads"], config.get("layer_norm_eps", 1e-12)
    initializers, nodes = [], []

    def constant(name, array):
        initializers.append(numpy_helper.from_array(np.ascontiguousarray(array, dtype=np.float32), name))
        return name

    def weight(name):
        return weights[prefix + name]

    def node(operator, inputs, outputs, domain="com.microsoft", **attributes):
        nodes.append(helper.make_node(operator, inputs, outputs, domain=domain, **attributes))

    node("EmbedLayerNormalization",
         ["input_ids", "token_type_ids", constant("word", weight("embeddings.word_embeddings.weight")),
          constant("position", weight("embeddings.position_embeddings.weight")),
          constant("type", weight("embeddings.token_type_embeddings.weight")),
          constant("eg", weight("embeddings.LayerNorm.weight")), constant("eb", weight("embeddings.LayerNorm.bias")),
          "attention_mask"], ["h0", "mask_index"], epsilon=epsilon)
    hidden = "h0"
    for index in range(config["num_hidden_layers"]):
        name, tag = f"encoder.layer.{index}.", f"l{index}_"
        parts = ["query", "key", "value"]
        qkv = np.concatenate([weight(name + f"attention.self.{p}.weight").T for p in parts], axis=1)
        bias = np.concatenate([weight(name + f"attention.self.{p}.bias") for p in parts])
        node("Attention", [hidden, constant(tag + "qkv", qkv), constant(tag + "qkvb", bias), "mask_index"],
             [tag + "a"], num_heads=heads)
        node("MatMul", [tag + "a", constant(tag + "ow", weight(name + "attention.output.dense.weight").T)],
             [tag + "o"], domain="")
        node("SkipLayerNormalization",
             [tag + "o", hidden, constant(tag + "ng", weight(name + "attention.output.LayerNorm.weight")),
              constant(tag + "nb", weight(name + "attention.output.LayerNorm.bias")),
              constant(tag + "ob", weight(name + "attention.output.dense.bias"))], [tag + "n"], epsilon=epsilon)
        node("MatMul", [tag + "n", constant(tag + "iw", weight(name + "intermediate.dense.weight").T)], [tag + "i"],
             domain="")
        node("BiasGelu", [tag + "i", constant(tag + "ib", weight(name + "intermediate.dense.bias"))], [tag + "g"])
        node("MatMul", [tag + "g", constant(tag + "fw", weight(name + "output.dense.weight").T)], [tag + "f"],
             domain="")
        hidden = "h" if index == config["num_hidden_layers"] - 1 else tag + "h"
        node("SkipLayerNormalization",
             [tag + "f", tag + "n", constant(tag + "mg", weight(name + "output.LayerNorm.weight")),
              constant(tag + "mb", weight(name + "output.LayerNorm.bias")),
              constant(tag + "fb", weight(name + "output.dense.bias"))], [hidden], epsilon=epsilon)
    inputs = [helper.make_tensor_value_info(n, TensorProto.INT32, ["b", "t"])
              for n in ("input_ids", "token_type_ids", "attention_mask")]
    outputs = [helper.make_tensor_value_info("h", TensorProto.FLOAT, ["b", "t", config["hidden_size"]])]
    graph = helper.make_graph(nodes, "bert", inputs, outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)])
    model.ir_version = 8
    onnx.save(model, path)


def session(path, threads):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def run(session, encodings, pool=True):
    """Hidden states of a batch of `tokenizers` encodings, or their normalised means."""
    longest = max(len(e.ids) for e in encodings)
    ids, types, mask = (np.zeros((len(encodings), longest), np.int32) for _ in range(3))
    for row, e in enumerate(encodings):
        n = len(e.ids)
        ids[row, :n], types[row, :n], mask[row, :n] = e.ids, e.type_ids, 1
    h = session.run(None, {"input_ids": ids, "token_type_ids": types, "attention_mask": mask})[0]
    if not pool:
        return [h[row, : len(e.ids)] for row, e in enumerate(encodings)]
    v = (h * mask[:, :, None]).sum(1)
    return v / np.linalg.norm(v, axis=1, keepdims=True)


if __name__ == "__main__":
    build(sys.argv[1], sys.argv[2])
