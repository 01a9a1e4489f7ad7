#!/usr/bin/env python3
"""Writes texts, one a line, of WordNet's glosses.

usage: lines.py N > LINES                               the glosses as they are
       lines.py N --tokens T --tokenizer FILE > LINES   texts of T tokens each

A text of T tokens is made of glosses one after another; the two that the tokenizer puts around a
text count.
"""

import argparse
import csv
import itertools
import os
import sys
from pathlib import Path

DATA = Path(os.environ.get("PORTOLAN_DATA", Path.home() / ".cache/portolan/data"))


def glosses():
    path = DATA / "glosses.csv"
    if not path.exists():
        sys.exit(f"lines.py: {path} is missing; data/fetch glosses makes it")
    with open(path, encoding="utf-8", newline="") as file:
        return [row["text"] for row in csv.DictReader(file)]


def of_length(lines, tokens, tokenizer):
    """Texts of exactly so many tokens."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(tokenizer)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    words = itertools.cycle(word for line in lines for word in line.split())
    count = {}
    most = tokens - tokenizer.num_special_tokens_to_add(is_pair=False)
    while True:
        text, room = [], most
        while room > 0:
            word = next(words)
            if word not in count:
                count[word] = len(tokenizer.encode(word, add_special_tokens=False).ids)
            if count[word] <= room:
                text.append(word)
                room -= count[word]
        yield " ".join(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("n", metavar="N", type=int)
    parser.add_argument("--tokens", metavar="T", type=int)
    parser.add_argument("--tokenizer", metavar="TOKENIZER.json")
    arguments = parser.parse_args()
    if (arguments.tokens is None) != (arguments.tokenizer is None):
        parser.error("--tokens and --tokenizer go together")
    lines = glosses()
    if arguments.tokens:
        lines = of_length(lines, arguments.tokens, arguments.tokenizer)
    for line in itertools.islice(lines, arguments.n):
        print(line)


if __name__ == "__main__":
    main()
