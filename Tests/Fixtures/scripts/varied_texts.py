# SPDX-License-Identifier: Apache-2.0
"""Texts that try a tokenizer: sentences of real passages, many scripts, emoji, control characters, noise. Seeded.

Sentences are from HotpotQA (Wikipedia, CC BY-SA 4.0), given as a JSONL file with "text" lines; the rest is made here."""
import json
import random
import re

SCRIPTS = [
    (0x41, 0x5A), (0x61, 0x7A), (0xC0, 0x17F), (0x180, 0x24F), (0x370, 0x3FF), (0x400, 0x4FF), (0x590, 0x5FF),
    (0x600, 0x6FF), (0x900, 0x97F), (0xE00, 0xE7F), (0x1100, 0x11FF), (0x1E00, 0x1EFF), (0x1F00, 0x1FFF),
    (0x2000, 0x206F), (0x20A0, 0x20CF), (0x2100, 0x214F), (0x2150, 0x218F), (0x2200, 0x22FF), (0x2460, 0x24FF),
    (0x3000, 0x303F), (0x3040, 0x30FF), (0x4E00, 0x4FFF), (0xAC00, 0xAD00), (0xF900, 0xFA2F), (0xFB00, 0xFB4F),
    (0xFE20, 0xFE6F), (0xFF00, 0xFFEF), (0x1D400, 0x1D4FF), (0x1F300, 0x1F64F), (0x20000, 0x20100),
]
FIXED = [
    "", " ", "\n", "a", ".", "\u200b", "\x00", "\x00\x01\x02", "\ufffd", "[SEP]", "[CLS] x [MASK] y[SEP]", "[sep]",
    "unaffable", "UNAFFABLE", "naïve café résumé", "nai\u0308ve", "ﬁne ﬂour", "Straße", "İstanbul ısı", "ΑΣ ΟΔΥΣΣΕΥΣ",
    "東京は日本の首都です。", "我是中国人。hello世界", "한국어 문장입니다.", "مرحبا بالعالم", "שלום עולם", "नमस्ते दुनिया", "สวัสดีชาวโลก",
    "I ❤️ 🍕!! 👩‍👩‍👧‍👦🇫🇷", "🙂" * 40, "e=mc²; ½ + ⅓ ≠ ∑", "$5.00+tax=~5^2|x`y<z>", "a\tb\rc\nd\u00a0e\u3000f\u2028g",
    "https://example.org/a_b?c=d&e=f#g", "x" * 100, "x" * 101, "ab" * 300, "don't can't won't 'tis O'Brien’s",
    "C++ C# .NET node.js", "1,234,567.89 −12 ±3 №5 ①②", "a\u0301\u0302\u0303 \u0301", "\u202eabc\u202c", "\ue000x\uf8ff",
    "Ｆｕｌｌｗｉｄｔｈ　１２３", "…—–‐‑“”‘’«»", "ǅ ǈ ŉ ẞ", "\U0001d400\U0001d401 \U000e0041", "  lots   of   space  ",
]


def varied(jsonl, count, seed=20):
    rng = random.Random(seed)
    sentences = []
    with open(jsonl, encoding="utf-8") as lines:
        for line in lines:
            sentences += re.split(r"(?<=[.!?]) ", json.loads(line)["text"])
    rng.shuffle(sentences)
    texts = list(FIXED)
    words = [w for s in sentences[:2000] for w in s.split()]
    while len(texts) < count:
        kind = rng.random()
        if kind < 0.35:
            text = sentences.pop()[:220]
        elif kind < 0.5:
            text = "".join(chr(c) for c in (rng.randrange(0x20, 0x10FFFF) for _ in range(rng.randrange(1, 12)))
                           if not 0xD800 <= c <= 0xDFFF)
        elif kind < 0.75:
            low, high = rng.choice(SCRIPTS)
            text = "".join(chr(rng.randint(low, high)) if rng.random() < 0.8 else rng.choice(" ab.-\t1")
                           for _ in range(rng.randrange(1, 30)))
        elif kind < 0.9:
            parts = [rng.choice(words) for _ in range(rng.randrange(1, 8))]
            for _ in range(rng.randrange(0, 4)):
                low, high = rng.choice(SCRIPTS)
                parts.insert(rng.randrange(len(parts) + 1), chr(rng.randint(low, high)))
            text = rng.choice(["", " ", "\n", "_", "\u0301"]).join(parts)
        else:
            text = "".join(rng.choice(rng.choice(words)) + rng.choice(["", "", " ", "\u00ad", "\x7f", "\u0327"])
                           for _ in range(rng.randrange(1, 40)))
        texts.append(text)
    return texts
