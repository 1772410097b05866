# SPDX-License-Identifier: Apache-2.0
"""Checks a file that `forage train export` wrote, against the tokenizer in a GGUF file and nothing of Forage's own.

    check_trajectories.py TRAJECTORIES.jsonl MODEL.gguf

The ids of each chain of messages must decode to its text, tokenizing that text must give the ids again (with the package
`tokenizers`), the mask must cover what the model wrote and nothing that it was shown, and no tool text may be learned.
"""
import json
import struct
import sys

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers


def metadata(path):
    """The key-value pairs of a GGUF file."""
    with open(path, "rb") as file:
        def read(form):
            return struct.unpack("<" + form, file.read(struct.calcsize("<" + form)))[0]

        def text():
            return file.read(read("Q")).decode("utf-8", "surrogateescape")

        def value(kind):
            if kind == 8:
                return text()
            if kind == 9:
                inner, count = read("I"), read("Q")
                return [value(inner) for _ in range(count)]
            return read({0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}[kind])

        assert file.read(4) == b"GGUF"
        read("I"), read("Q")
        return {text(): value(read("I")) for _ in range(read("Q"))}


def tokenizer(path):
    """A byte-level BPE tokenizer made from the file's own vocabulary and merges."""
    data = metadata(path)
    names = data["tokenizer.ggml.tokens"]
    merges = [tuple(merge.split(" ")) for merge in data["tokenizer.ggml.merges"]]
    made = Tokenizer(models.BPE(vocab={name: place for place, name in enumerate(names)}, merges=merges))
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    made.decoder = decoders.ByteLevel()
    kinds = data["tokenizer.ggml.token_type"]
    special = [AddedToken(name, special=True, normalized=False) for name, kind in zip(names, kinds) if kind == 3]
    made.add_special_tokens(special)
    return made


def main(path, model):
    made = tokenizer(model)
    sessions = tokens = learned = differing = 0
    for number, line in enumerate(open(path, encoding="utf-8"), 1):
        session = json.loads(line)
        nodes = session["nodes"]
        parents = {node["parent"] for node in nodes}
        for leaf in (place for place in range(len(nodes)) if place not in parents):
            chain = []
            while leaf is not None:
                chain.insert(0, nodes[leaf])
                leaf = nodes[leaf]["parent"]
            ids = [token for node in chain for token in node["token_ids"]]
            text = made.decode(ids, skip_special_tokens=False)
            shown = 0
            for node in chain:
                own, mask = node["token_ids"], node["mask"]
                assert len(own) == len(mask) == len(node["is_content"]), number
                message = node["message"]
                whole = made.decode(own, skip_special_tokens=False)
                content = message["content"]
                if not session["recorded"]:
                    assert content in whole, (number, content[:80], whole[:80])
                written = made.decode([token for token, bit in zip(own, mask) if bit], skip_special_tokens=False)
                if node["sampled"]:
                    assert any(mask), number
                    if not session["recorded"]:
                        assert written == content + "<|im_end|>", (number, written)
                else:
                    # Prompts and tool text: nothing of them is learned.
                    assert not any(mask), number
                    shown += "<<data " in content
                tokens += len(own)
                learned += sum(mask)
            if made.encode(text, add_special_tokens=False).ids != ids:
                differing += 1
                # What a model sampled need not be how its text is tokenized.
                assert session["recorded"], number
            assert session["recorded"] or shown > 0, number
        sessions += 1
    print(f"{sessions} sessions, {tokens} tokens, {learned} written by the model: every check holds; "
          f"{differing} recorded chains are tokenized in another way than their text would be")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
