#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the 1,797 digits of 8 x 8 pixels that scikit-learn carries as PNGs with a manifest: prepare.py [FOLDER].

The folder is `data` beside this file unless it is given. Of every six images, in scikit-learn's order, the fifth is for validation and
the sixth for the test. They are the test set of UCI's "Optical Recognition of Handwritten Digits" (13 writers, whom it does not
name), so digits of one writer are in several parts.
"""
import csv
import pathlib
import sys

from PIL import Image
from sklearn.datasets import load_digits

digits = load_digits()
folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "data"
(folder / "images").mkdir(parents=True, exist_ok=True)
with open(folder / "manifest.csv", "w", newline="") as file:
    rows = csv.writer(file)
    rows.writerow(["path", "class", "part"])
    for number, (image, digit) in enumerate(zip(digits.images, digits.target)):
        name = f"images/{number:04}.png"
        Image.fromarray((image * 255 / 16).round().astype("uint8")).save(folder / name)
        rows.writerow([name, digit, {4: "validation", 5: "test"}.get(number % 6, "train")])
