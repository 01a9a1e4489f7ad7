"""The texts of the fixtures."""

import csv
from pathlib import Path

SAMPLE = Path(__file__).parents[4] / "data/glosses.csv"

# Whatever is not a plain sentence.
ODD = [
    "",
    " \t\n ",
    "x",
    "Größe, naïve café: e\u0301galite\u0301, ﬁn, Ⅷ, ½",
    "東京タワーは1958年に完成した。",
    "Ελληνικά, Русский, العربية, हिन्दी, ไทย",
    "👩‍👩‍👧 ☃ 🗼 \u200bzero\u200bwidth\ufeff",
    "a\u0000b\ufffdc\u0085d\u2028e",
    "[CLS] looks [SEP] special <s> and </s> so [MASK] does <mask> this [PAD]",
    "SELECT count(*) FROM t WHERE x <> 'a''b' -- $5.00?!",
    "CamelCase snake_case kebab-case 3.14159 1,000,000 x²+y²",
    "a" * 150,
    "https://example.org/a/very/long?path=with&many=parts#and-a-fragment",
]


def glosses():
    with open(SAMPLE, encoding="utf-8", newline="") as file:
        return [row["text"] for row in csv.DictReader(file)]


def joined(lines, characters):
    """Lines until there are this many characters."""
    text = ""
    for line in lines:
        if len(text) >= characters:
            break
        text += line + "; "
    return text


def for_made_models(lines):
    """Short, odd and long ones; the longest has more than 2,048 tokens, and a short one and a
    repeated one follow it."""
    long = [joined(lines[100:], characters) for characters in (300, 1200, 9000)]
    return [lines[0], *ODD, *long, lines[7], lines[0]]


def for_minilm(lines):
    long = [joined(lines[500:], characters) for characters in (700, 900, 2500)]
    return lines[::42][:24] + ODD + long
