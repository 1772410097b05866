# SPDX-License-Identifier: Apache-2.0
"""Makes Tests/Fixtures/wordpiece: texts and the ids that the `tokenizers` library gives for them.

usage: python make_wordpiece.py MODEL_FOLDER PASSAGES.jsonl OUTPUT_FOLDER      (needs: pip install tokenizers)
texts.json: a JSON array of 2,000 texts; ids.bin: for each text a little-endian uint16 count and that many uint16 ids,
special pieces included; vocab.txt: the vocabulary (bert-base-uncased, Apache-2.0)."""
import json
import struct
import sys

from tokenizers import Tokenizer

from varied_texts import varied

model, passages, output = sys.argv[1:4]
tokenizer = Tokenizer.from_file(model + "/tokenizer.json")
tokenizer.no_truncation()
tokenizer.no_padding()
texts = varied(passages, 2000)
with open(output + "/texts.json", "w", encoding="utf-8") as file:
    json.dump(texts, file, ensure_ascii=True, separators=(",\n", ":"))
with open(output + "/ids.bin", "wb") as file:
    for text in texts:
        ids = tokenizer.encode(text).ids
        file.write(struct.pack(f"<{len(ids) + 1}H", len(ids), *ids))
vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
with open(output + "/vocab.txt", "w", encoding="utf-8", newline="\n") as file:
    file.writelines(piece + "\n" for piece, _ in vocabulary)
