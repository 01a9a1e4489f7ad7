#!/usr/bin/env python3
"""Says what scikit-learn makes of the rows in classifiers.slt; needs scikit-learn."""

import csv
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    f1_score,
    precision_recall_curve,
    precision_score,
    recall_score,
    roc_auc_score,
)
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import normalize

DATA = Path(__file__).parents[2] / "data"


def say(name, value):
    print(f"{name:32} {value:.10g}")


def labels():
    rows = np.arange(1, 201)
    truth = rows % 4
    pred = np.where(rows % 7 == 0, (rows + 1) % 4, np.where(rows % 5 == 0, 9, truth))
    say("accuracy", accuracy_score(truth, pred))
    for name, score in [("precision", precision_score), ("recall", recall_score), ("f1", f1_score)]:
        for average in ["macro", "weighted", "micro"]:
            say(f"{name} {average}", score(truth, pred, average=average, zero_division=0))
        say(f"{name} of 2", score(truth, pred, labels=[2], average=None)[0])
        say(f"{name} of true", score(truth == 1, pred == 1))
    say("f1 macro of rows % 3 = 1", f1_score(truth[rows % 3 == 1], pred[rows % 3 == 1], average="macro"))


def scores():
    rows = np.arange(1, 201)
    truth = rows % 4 == 0
    score = np.sin(rows * 0.7) + np.where(truth, 0.8, 0.0)
    say("roc_auc", roc_auc_score(truth, score))
    say("average_precision", average_precision_score(truth, score))
    precision, recall, thresholds = precision_recall_curve(truth, score)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    say("best_threshold", thresholds[np.flatnonzero(f1[:-1] == f1[:-1].max())[-1]])
    enough = precision[:-1] >= 0.5
    at = np.flatnonzero(enough & (recall[:-1] == recall[:-1][enough].max()))[-1]
    say("best_threshold at 0.5", thresholds[at])
    coarse = np.round(score)
    say("roc_auc with ties", roc_auc_score(truth, coarse))
    say("average_precision with ties", average_precision_score(truth, coarse))


def digits():
    with open(DATA / "digits.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    ids = np.array([int(row["id"]) for row in rows])
    truth = np.array([int(row["label"]) for row in rows])
    pixels = np.array([np.fromstring(row["pixels"].strip("[]"), sep=",") for row in rows])
    known = ids % 2 == 0
    for name, values in [("of length 1", normalize(pixels)), ("as they are", pixels)]:
        model = LogisticRegression(max_iter=100).fit(values[known], truth[known])
        say(f"logistic {name}", model.score(values[~known], truth[~known]))
    model = KNeighborsClassifier(15, metric="cosine", algorithm="brute")
    say("knn", model.fit(pixels[known], truth[known]).score(pixels[~known], truth[~known]))
    four = np.isin(truth, [4, 9])
    values = normalize(pixels)
    model = LogisticRegression(max_iter=100).fit(values[known & four], truth[known & four] == 9)
    score = model.predict_proba(values[~known & four])[:, 1]
    say("roc_auc of 4 and 9", roc_auc_score(truth[~known & four] == 9, score))


if __name__ == "__main__":
    labels()
    scores()
    digits()
