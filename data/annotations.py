#!/usr/bin/env python3
"""Writes what Unicode says of symbols, in English and Japanese, as CSV: id, symbol, english, japanese.

usage: annotations.py ANNOTATIONS > symbols.csv

ANNOTATIONS holds en/annotations.json and ja/annotations.json of the package cldr-annotations-full. A
text is "name: keyword, keyword, …". Symbols with fewer than two keywords in either language are left
out: there is nothing to be learnt from them.
"""

import csv
import json
import os
import sys


def texts(folder, language):
    """The text of every symbol."""
    path = os.path.join(folder, language, "annotations.json")
    with open(path, encoding="utf-8") as file:
        symbols = json.load(file)["annotations"]["annotations"]
    comma, colon = ("、", "：") if language == "ja" else (", ", ": ")
    found = {}
    for symbol, said in symbols.items():
        name = said.get("tts", [""])[0]
        keywords = [word for word in said.get("default", []) if word != name]
        if name and len(keywords) > 1:
            found[symbol] = name + colon + comma.join(keywords)
    return found


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    english, japanese = texts(sys.argv[1], "en"), texts(sys.argv[1], "ja")
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(("id", "symbol", "english", "japanese"))
    both = [symbol for symbol in english if symbol in japanese]
    for number, symbol in enumerate(both, start=1):
        out.writerow((number, symbol, english[symbol], japanese[symbol]))


if __name__ == "__main__":
    main()
