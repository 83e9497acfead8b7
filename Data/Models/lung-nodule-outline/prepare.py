#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Lays out slices of nodules of LIDC-IDRI for `oncotome train`: prepare.py SLICES [FOLDER].

SLICES is slices_train.tar.xz, or the folder that it unpacks to: LIDC-IDRI-NNNN/nodule-K/{images,mask-0..3}/slice-S.png. The truth is
what at least half of those radiologists outline who drew anything of the nodule; slices without any of that are left out. Every fifth
patient, in order of number, is for validation. FOLDER is `data` beside this file unless it is given. Needs NumPy and Pillow.
"""
import csv
import pathlib
import re
import sys
import tarfile

import numpy as np
from PIL import Image

source = pathlib.Path(sys.argv[1])
folder = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else pathlib.Path(__file__).parent / "data"
folder.mkdir(parents=True, exist_ok=True)
if source.is_file():
    with tarfile.open(source) as archive:
        archive.extractall(folder, [m for m in archive if m.isfile() and re.fullmatch(r"[\w./-]+/slice-\d+\.png", m.name)
                                    and ".." not in m.name and not m.name.startswith("/")])
    source = folder
patients = sorted({p.name for p in source.glob("**/LIDC-IDRI-????")})
with open(folder / "manifest.csv", "w", newline="") as file:
    rows = csv.writer(file)
    rows.writerow(["path", "mask", "group", "part"])
    for nodule in sorted(source.glob("**/LIDC-IDRI-????/nodule-*")):
        raters = [{p.name: np.asarray(Image.open(p).convert("L")) > 0 for p in (nodule / f"mask-{r}").glob("*.png")} for r in range(4)]
        raters = [r for r in raters if any(mask.any() for mask in r.values())]
        for image in sorted((nodule / "images").glob("*.png")):
            votes = [r[image.name] for r in raters if image.name in r]
            if not votes or not (truth := 2 * np.sum(votes, axis=0) >= len(raters)).any():
                continue
            consensus = nodule / "consensus"
            consensus.mkdir(exist_ok=True)
            Image.fromarray(truth.astype(np.uint8) * 255).save(consensus / image.name)
            patient = nodule.parent.name
            rows.writerow([image.resolve(), (consensus / image.name).resolve(), patient,
                           "validation" if patients.index(patient) % 5 == 4 else "train"])
