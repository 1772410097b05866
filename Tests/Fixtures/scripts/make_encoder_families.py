# SPDX-License-Identifier: Apache-2.0
"""Makes tiny encoders with random weights of each family that Forage reads, and the vectors that transformers and torch
give for some texts: Tests/Fixtures/encoder/families/NAME/.

    pip install torch transformers tokenizers safetensors
    python make_encoder_families.py OUTPUT
"""
import json, os, sys
import numpy as np
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (BertConfig, BertModel, DistilBertConfig, DistilBertModel, MPNetConfig, MPNetModel,
                          RobertaConfig, RobertaModel, XLMRobertaConfig, XLMRobertaModel)

TEXTS = ["", "a", "The quick brown fox jumps over the lazy dog.", "Tromsø liegt in Norwegen; naïve café!",
         "query: how many whales are there?", "東京は日本の首都です。 Привет, мир 42",
         "one two three four five six seven eight nine ten " * 6]
CORPUS = TEXTS + ["whales live in the sea near norway", "the capital of japan is tokyo", "passage: a fox and a dog",
                  "how many numbers are there in this sentence", "lazy brown foxes jump quickly over dogs"] * 4


def word_piece(start, end, pad, unknown):
    t = Tokenizer(models.WordPiece(unk_token=unknown))
    t.normalizer = normalizers.BertNormalizer(lowercase=True)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.decoder = decoders.WordPiece()
    t.train_from_iterator(CORPUS, trainers.WordPieceTrainer(
        vocab_size=220, special_tokens=[start, pad, end, unknown, "<mask>" if start == "<s>" else "[MASK]"]))
    return t


def byte_level():
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator(CORPUS, trainers.BpeTrainer(
        vocab_size=340, special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    t.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return t


def unigram():
    t = Tokenizer(models.Unigram())
    t.normalizer = normalizers.Sequence([normalizers.NFKC()])
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    t.train_from_iterator(CORPUS, trainers.UnigramTrainer(
        vocab_size=180, special_tokens=["<s>", "<pad>", "</s>", "<unk>"], unk_token="<unk>"))
    t.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    return t


def pool(states, mask, modes):
    m = mask.unsqueeze(-1).float()
    parts = []
    for mode in modes:
        if mode == "cls": parts.append(states[:, 0])
        elif mode == "max": parts.append(states.masked_fill(m == 0, -1e9).max(1)[0])
        elif mode == "mean": parts.append((states * m).sum(1) / m.sum(1))
        elif mode == "weightedmean":
            w = torch.arange(1, states.shape[1] + 1).float()[None, :, None] * m
            parts.append((states * w).sum(1) / w.sum(1))
        elif mode == "lasttoken": parts.append(states[torch.arange(len(states)), mask.sum(1) - 1])
    return torch.cat(parts, 1)


def make(output, name, tokenizer, model, modes, dense=None, prompts=None, length=48):
    folder = os.path.join(output, name)
    os.makedirs(folder + "/1_Pooling", exist_ok=True)
    torch.manual_seed(7)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.randn_like(p) * (0.25 if p.dim() > 1 else 0.1) + (1 if p.dim() == 1 and p.mean() > 0.5 else 0))
    model.eval()
    tokenizer.save(folder + "/tokenizer.json")
    model.config.save_pretrained(folder)
    keep = {k: v.half().contiguous() for k, v in model.state_dict().items() if "pooler" not in k and "position_ids" not in k}
    save_file(keep, folder + "/model.safetensors")
    model.load_state_dict({k: v.float() for k, v in keep.items()}, strict=False)
    flags = {"cls": "pooling_mode_cls_token", "max": "pooling_mode_max_tokens", "mean": "pooling_mode_mean_tokens",
             "weightedmean": "pooling_mode_weightedmean_tokens", "lasttoken": "pooling_mode_lasttoken"}
    json.dump({flags[m]: m in modes for m in flags}, open(folder + "/1_Pooling/config.json", "w"))
    modules = [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
               {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}]
    layer = None
    if dense:
        os.makedirs(folder + "/2_Dense", exist_ok=True)
        width = model.config.hidden_size * len(modes)
        layer = torch.nn.Linear(width, dense)
        with torch.no_grad():
            for p in layer.parameters(): p.copy_((torch.randn_like(p) * 0.3).half().float())
        save_file({"linear.weight": layer.weight.detach().half(), "linear.bias": layer.bias.detach().half()},
                  folder + "/2_Dense/model.safetensors")
        json.dump({"in_features": width, "out_features": dense, "bias": True,
                   "activation_function": "torch.nn.modules.activation.Tanh"}, open(folder + "/2_Dense/config.json", "w"))
        modules.append({"idx": 2, "name": "2", "path": "2_Dense", "type": "sentence_transformers.models.Dense"})
    json.dump(modules, open(folder + "/modules.json", "w"))
    json.dump({"max_seq_length": length, "do_lower_case": False}, open(folder + "/sentence_bert_config.json", "w"))
    if prompts:
        json.dump({"prompts": prompts, "default_prompt_name": None, "similarity_fn_name": "cosine"},
                  open(folder + "/config_sentence_transformers.json", "w"))
    tokenizer.enable_truncation(length)
    vectors, ids = [], []
    for text in TEXTS:
        e = tokenizer.encode(text)
        ids.append(e.ids)
        x = torch.tensor([e.ids])
        mask = torch.ones_like(x)
        with torch.no_grad():
            v = pool(model(input_ids=x, attention_mask=mask).last_hidden_state, mask, modes)
            if layer is not None: v = torch.tanh(layer(v))
            vectors.append(torch.nn.functional.normalize(v, dim=1)[0].numpy())
    np.stack(vectors).astype("<f4").tofile(folder + "/vectors.f32")
    json.dump({"texts": TEXTS, "ids": ids}, open(folder + "/expected.json", "w"), ensure_ascii=False)


def sizes(tokenizer, **more):
    return dict(vocab_size=tokenizer.get_vocab_size(), hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
                intermediate_size=48, **more)


if __name__ == "__main__":
    output = sys.argv[1]
    t = word_piece("[CLS]", "[SEP]", "[PAD]", "[UNK]")
    t.post_processor = processors.BertProcessing(("[SEP]", 2), ("[CLS]", 0))
    make(output, "bert-dense", t, BertModel(BertConfig(**sizes(t, max_position_embeddings=64))), ["cls", "mean"], dense=24,
         prompts={"query": "query: ", "passage": "passage: "})
    d = DistilBertModel(DistilBertConfig(vocab_size=t.get_vocab_size(), dim=32, n_layers=2, n_heads=4, hidden_dim=48,
                                         max_position_embeddings=64))
    make(output, "distilbert", t, d, ["weightedmean"])
    b = byte_level()
    make(output, "roberta", b, RobertaModel(RobertaConfig(
        **sizes(b, max_position_embeddings=66, type_vocab_size=1, pad_token_id=1))), ["lasttoken"])
    u = unigram()
    make(output, "xlm-roberta", u, XLMRobertaModel(XLMRobertaConfig(
        **sizes(u, max_position_embeddings=66, type_vocab_size=1, pad_token_id=1))), ["mean"])
    m = word_piece("<s>", "</s>", "<pad>", "[UNK]")
    m.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    make(output, "mpnet", m, MPNetModel(MPNetConfig(**sizes(m, max_position_embeddings=66))), ["mean"])
