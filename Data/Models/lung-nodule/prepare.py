#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Lays out the LUNA16 nodule patches for `oncotome train`: prepare.py PATCHES [FOLDER].

PATCHES is patches.tar.gz, or the folder that it unpacks to: train/ and val/ with JPEGs of 50 x 50 (HU -1000 to 400 as 0 to 255), and
traindatalabels.txt and valdatalabels.txt (`path 0|1`). Only labelled patches are taken; the split is the author's. FOLDER is `data`
beside this file unless it is given.
"""
import csv
import pathlib
import re
import sys
import tarfile

source = pathlib.Path(sys.argv[1])
folder = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else pathlib.Path(__file__).parent / "data"
folder.mkdir(parents=True, exist_ok=True)
if source.is_file():
    with tarfile.open(source) as archive:
        archive.extractall(folder, [m for m in archive if m.isfile() and re.fullmatch(r"(\./)?((train|val)/)?\w+\.(jpg|txt)", m.name)])
    source = folder
with open(folder / "manifest.csv", "w", newline="") as file:
    rows = csv.writer(file)
    rows.writerow(["path", "class", "part"])
    for labels, part in (("traindatalabels.txt", "train"), ("valdatalabels.txt", "validation")):
        for line in (source / labels).read_text().splitlines():
            if line.strip():
                path, label = line.split()
                rows.writerow([(source / path).resolve(), ["other", "nodule"][int(label)], part])
