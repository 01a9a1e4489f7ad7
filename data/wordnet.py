#!/usr/bin/env python3
"""Writes WordNet's glosses as CSV: id, word, label, text.

usage: wordnet.py DICT [--sample N] > glosses.csv

DICT holds WordNet's data.noun, data.verb, data.adj and data.adv. A row is a set of synonyms: its
first word, its lexicographer class as label, and "word: definition" as text, without the quoted
examples. --sample takes N rows, spread evenly.
"""

import argparse
import csv
import os
import sys

# The lexicographer files, in the order of their numbers.
LABELS = (
    "adj.all adj.pert adv.all noun.Tops noun.act noun.animal noun.artifact noun.attribute "
    "noun.body noun.cognition noun.communication noun.event noun.feeling noun.food noun.group "
    "noun.location noun.motive noun.object noun.person noun.phenomenon noun.plant "
    "noun.possession noun.process noun.quantity noun.relation noun.shape noun.state "
    "noun.substance noun.time verb.body verb.change verb.cognition verb.communication "
    "verb.competition verb.consumption verb.contact verb.creation verb.emotion verb.motion "
    "verb.perception verb.possession verb.social verb.stative verb.weather adj.ppl"
).split()


def glosses(folder):
    """(word, label, text) of every set of synonyms."""
    for part in ("noun", "verb", "adj", "adv"):
        with open(os.path.join(folder, "data." + part), encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("  "):  # the licence
                    continue
                fields, gloss = line.split(" | ", 1)
                _offset, label, _part, _words, word = fields.split()[:5]
                word = word.split("(")[0].replace("_", " ")  # adjectives carry a marker: "(a)"
                definition = gloss.split('; "')[0].strip().rstrip(";")
                yield word, LABELS[int(label)], f"{word}: {definition}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dict", metavar="DICT")
    parser.add_argument("--sample", metavar="N", type=int)
    arguments = parser.parse_args()
    rows = [(number, *row) for number, row in enumerate(glosses(arguments.dict), start=1)]
    if arguments.sample:
        rows = [rows[i * len(rows) // arguments.sample] for i in range(arguments.sample)]
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(("id", "word", "label", "text"))
    out.writerows(rows)


if __name__ == "__main__":
    main()
