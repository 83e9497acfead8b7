#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Our own models on the validation parts of their data, measured by scikit-learn and NumPy. Those that were refitted learned from
these too, and are only held to what they then knew; their cards have the figures from before."""
import csv
import json
import pathlib
import subprocess
import sys

import numpy as np
from PIL import Image
from sklearn.metrics import roc_auc_score, roc_curve

from whole_program import ROOT, WithFolder, dice, done, main, need

MODELS = ROOT / "Data" / "Models"


def calibration_error(confidence, right):
    """Expected calibration error, 15 equal bins (arXiv:1706.04599)."""
    bins = np.minimum((confidence * 15).astype(int), 14)
    return sum(abs(confidence[bins == b].mean() - right[bins == b].mean()) * (bins == b).mean() for b in np.unique(bins))


class OurModels(WithFolder):
    def prepared(self, model, source):
        """The validation rows of the manifest that prepare.py writes, and a folder with their images."""
        place = self.folder / model
        subprocess.run([sys.executable, MODELS / model / "prepare.py", need(source), place / "data"], check=True)
        with open(place / "data" / "manifest.csv", newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["part"] == "validation"]
        (place / "images").mkdir()
        for number, row in enumerate(rows):
            row["name"] = f"{number}{pathlib.Path(row['path']).suffix}"
            (place / "images" / row["name"]).symlink_to(row["path"])
        return rows, place

    def answers(self, command, model, place):
        out = place / "out"
        done("oncotome", command, place / "images", "--model", MODELS / model, "--output", out, "--quiet")
        self.assertEqual(json.loads((out / "report.json").read_text())["rejected"], [])
        if not (out / "predictions.csv").exists():  # of a model without classes
            return {}, out
        with open(out / "predictions.csv", newline="") as file:
            return {row["path"]: row for row in csv.DictReader(file)}, out

    @staticmethod
    def mean_dice(rows, out):
        masks = [(np.asarray(Image.open(out / "masks" / pathlib.Path(row["name"]).with_suffix(".png"))) > 0,
                  np.asarray(Image.open(row["mask"]).convert("L")) > 0) for row in rows]
        return np.mean([dice(*pair) for pair in masks])

    def test_lung_nodules_are_told_from_others(self):
        rows, place = self.prepared("lung-nodule", "nodule_patches_luna16/patches.tar.gz")
        found, _ = self.answers("classify", "lung-nodule", place)
        rows = [row for row in rows if not found[row["name"]]["refused"]]
        self.assertGreaterEqual(len(rows), 0.98 * 1297)
        p = np.array([float(found[row["name"]]["p_nodule"]) for row in rows])
        truth = np.array([row["class"] == "nodule" for row in rows])
        self.assertGreaterEqual(roc_auc_score(truth, p), 0.96)
        false_positives, recall, _ = roc_curve(truth, p)
        self.assertGreaterEqual(recall[false_positives <= 1 - 0.982].max(), 0.75)
        self.assertLessEqual(calibration_error(np.maximum(p, 1 - p), (p > 0.5) == truth), 0.03)

    def test_brain_tumors_are_outlined_and_told_apart(self):
        rows, place = self.prepared("brain-mass-t1c", "brain_t1c_cheng")
        found, out = self.answers("segment", "brain-mass-t1c", place)
        rows = [row for row in rows if not found[row["name"]]["refused"]]
        self.assertGreaterEqual(len(rows), 0.98 * 613)
        right = [found[row["name"]]["class"] == row["class"] for row in rows]
        self.assertGreaterEqual(np.mean(right), 0.98)
        self.assertGreaterEqual(self.mean_dice(rows, out), 0.79)

    def test_lung_nodules_are_outlined(self):
        rows, place = self.prepared("lung-nodule-outline", "lung_nodules_lidc/slices_train.tar.xz")
        _, out = self.answers("segment", "lung-nodule-outline", place)
        rows = [row for row in rows if (out / "masks" / row["name"]).exists()]
        self.assertGreaterEqual(len(rows), 0.98 * 221)
        self.assertGreaterEqual(self.mean_dice(rows, out), 0.72)


if __name__ == "__main__":
    main()
