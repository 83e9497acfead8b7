#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares `oncotome evaluate` of predicted classes with scikit-learn, and intervals with a bootstrap by NumPy.

Usage: check_classes.py ONCOTOME
Figures must agree to 1e-9, ends of intervals to 15 % of their length and one image. Exit status: 0 all equal, 1 a difference.
"""
import csv
import json
import pathlib
import subprocess
import sys
import tempfile

import jsonschema
import numpy as np
from sklearn import metrics

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "Data/Schemas/classification-1.schema.json").read_text())


def write_csv(path, header, rows):
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def calibration_error(probabilities, truth, bins=15):
    confidence, right = probabilities.max(1), probabilities.argmax(1) == truth
    total = 0
    for low, high in zip(np.arange(bins) / bins, np.arange(1, bins + 1) / bins):
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            total += inside.sum() * abs(right[inside].mean() - confidence[inside].mean())
    return total / len(truth)


def area(probabilities, truth):
    if probabilities.shape[1] == 2:
        return metrics.roc_auc_score(truth, probabilities[:, 1])
    return metrics.roc_auc_score(truth, probabilities, multi_class="ovr", average="macro")


FIGURES = {"accuracy": lambda p, t: metrics.accuracy_score(t, p.argmax(1)),
           "mean_recall": lambda p, t: metrics.balanced_accuracy_score(t, p.argmax(1)), "auc": area, "ece": calibration_error}


def drawn_intervals(probabilities, truth, groups):
    random, values = np.random.default_rng(1), {name: [] for name in FIGURES}
    members = [np.flatnonzero(groups == g) for g in np.unique(groups)]
    for _ in range(1000):
        i = np.concatenate([members[k] for k in random.integers(len(members), size=len(members))])
        if len(np.unique(truth[i])) == probabilities.shape[1]:
            for name, figure in FIGURES.items():
                values[name].append(figure(probabilities[i], truth[i]))
    return {name: np.quantile(v, (0.025, 0.975)) for name, v in values.items()}


def near(name, found, expected, tolerance):
    if found is None or abs(found - expected) > tolerance:
        sys.exit(f"{name}: {found}, expected {expected}")


def check(oncotome, folder, classes, images, grouped, seed):
    random = np.random.default_rng(seed)
    names = [f"class {k}, of {classes}" for k in range(classes)]
    truth = random.integers(classes, size=images)
    groups = random.integers(images // 8, size=images) if grouped else np.arange(images)
    logits = random.normal(0, 1, (images, classes)) + 1.5 * np.eye(classes)[truth] + 0.8 * np.eye(classes)[groups % classes]
    probabilities = np.exp(2 * logits) / np.exp(2 * logits).sum(1, keepdims=True)
    probabilities = np.round(probabilities, 2)  # ties
    probabilities[np.arange(images), probabilities.argmax(1)] += 1 - probabilities.sum(1)
    refused = random.random(images) < 0.05
    write_csv(folder / "predictions.csv", ["path", "class", *(f"p_{n}" for n in names), "entropy", "refused"],
              [[f"deep/{i}.png", names[p.argmax()], *(f"{v:.17g}" for v in p), 0, ""] if not r else
               [f"deep/{i}.png", "", *[""] * classes, "", "not the kind of image"]
               for i, (p, r) in enumerate(zip(probabilities, refused))])
    write_csv(folder / "truth.csv", ["path", "class", "part"] + ["group"] * grouped,
              [[f"data/deep/{i}.png", names[t], "test"] + [f"g{g}"] * grouped
               for i, (t, g) in enumerate(zip(truth, groups))] + [["0.png", names[0], "train"] + [""] * grouped])
    text = subprocess.run([oncotome, "evaluate", folder / "predictions.csv", folder / "truth.csv", "--part", "test", "--json"],
                          check=True, capture_output=True, text=True).stdout
    found = json.loads(text)
    jsonschema.validate(found, SCHEMA)
    p, t, g = probabilities[~refused], truth[~refused], groups[~refused]
    assert (found["images"], found["refused"], found["missing"]) == (images, refused.sum(), 0)
    for name, figure in FIGURES.items():
        near(name, found[name]["value"], figure(p, t), 1e-9)
    if found["confusion"] != metrics.confusion_matrix(t, p.argmax(1)).tolist():
        sys.exit("another confusion matrix")
    near("nll", found["nll"], -np.log(np.maximum(p[np.arange(len(t)), t], 1e-300)).mean(), 1e-9)
    recalls, precisions = (f(t, p.argmax(1), average=None) for f in (metrics.recall_score, metrics.precision_score))
    for k, row in enumerate(found["classes"]):
        near("recall", row["recall"]["value"], recalls[k], 1e-9)
        near("precision", row["precision"]["value"], precisions[k], 1e-9)
        near("auc", row["auc"]["value"], metrics.roc_auc_score(t == k, p[:, k]), 1e-9)
    for name, ends in drawn_intervals(p, t, g).items():
        if name == "accuracy" and not grouped:
            continue  # Wilson's
        for found_end, end in zip(found[name]["ci95"], ends):
            near(f"interval of {name}", found_end, end, 0.15 * (ends[1] - ends[0]) + 1 / images)
    print(f"{classes} classes, {images} images{', grouped' * grouped}: as scikit-learn has it")


def main():
    with tempfile.TemporaryDirectory() as place:
        for seed, (classes, images, grouped) in enumerate(((2, 400, False), (3, 600, False), (3, 600, True), (2, 80, True))):
            check(sys.argv[1], pathlib.Path(place), classes, images, grouped, seed)


if __name__ == "__main__":
    main()
