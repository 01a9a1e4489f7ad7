#!/usr/bin/env python3
"""Writes the folder of a model of nomic-embed-text-v1.5's size and shape with random weights: they
cost the same time as trained ones.

usage: nomic_model.py TOKENIZER.json FOLDER
"""

import argparse
import shutil
from pathlib import Path

import torch
from transformers import NomicBertConfig, NomicBertModel


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tokenizer", metavar="TOKENIZER.json", help="BERT's, as MiniLM has it")
    parser.add_argument("folder", metavar="FOLDER", type=Path)
    arguments = parser.parse_args()
    torch.manual_seed(1)
    NomicBertModel(NomicBertConfig()).save_pretrained(arguments.folder)
    shutil.copyfile(arguments.tokenizer, arguments.folder / "tokenizer.json")


if __name__ == "__main__":
    main()
