#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Lays out the T1-weighted, contrast-enhanced slices of Cheng et al. for `oncotome train`: prepare.py SLICES [FOLDER].

SLICES holds images/<class>/<id>.jpg, masks/ of the same paths, and manifest.csv (id, class and the author's patient-wise fold, among
others). Fold 4 is for validation: no patient is in two folds. FOLDER is `data` beside this file unless it is given.
"""
import csv
import pathlib
import sys

source = pathlib.Path(sys.argv[1]).resolve()
folder = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else pathlib.Path(__file__).parent / "data"
folder.mkdir(parents=True, exist_ok=True)
with open(source / "manifest.csv", newline="") as file, open(folder / "manifest.csv", "w", newline="") as out:
    rows = csv.writer(out)
    rows.writerow(["path", "class", "mask", "part"])
    for row in csv.DictReader(file):
        image, mask = (next((source / kind / row["class"]).glob(row["id"] + ".*")) for kind in ("images", "masks"))
        rows.writerow([image, row["class"], mask, "validation" if row["cvfold_patientwise"] == "4" else "train"])
