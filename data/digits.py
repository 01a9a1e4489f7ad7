#!/usr/bin/env python3
"""Writes scikit-learn's handwritten digits as CSV: id, label, pixels.

usage: digits.py > digits.csv

A picture is 8 rows of 8 pixels from 0 to 16, in brackets: a vector as SQL reads it from text. The
digits are those of the test set of E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten
Digits, UCI Machine Learning Repository, 1998 (CC BY 4.0).
"""

import csv
import sys

from sklearn.datasets import load_digits


def main():
    digits = load_digits()
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(("id", "label", "pixels"))
    for number, (pixels, label) in enumerate(zip(digits.data, digits.target), start=1):
        out.writerow((number, label, "[" + ",".join(str(int(pixel)) for pixel in pixels) + "]"))


if __name__ == "__main__":
    main()
