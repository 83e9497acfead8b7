#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What each precision costs trained networks, window by window of a real case, is within what its table allows.

`check_precision.py PROGRAM GUARD PHANTOM DEMO_MODEL [SHARED_DATA]`: the demonstration's U-Net and a small nnU-Net; with the shared data the nine networks
of the brain cascade instead, on a study of TCGA. LibTorch stands for itself: `strict` is to be within what rounding makes of it.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

NNUNET = pathlib.Path(__file__).resolve().parent / "fixtures" / "nnunet" / "Dataset910_Phantom"
# Of logits the relative L2 and the greatest difference over their root mean square; voxels whose class changes; Dice of classes of 500 voxels and more,
# the least and the mean; change of their volume.
BOUNDS = {"LibTorch": (1e-5, 1e-3, 1e-6, 0.99999, 0.99999, 0.002), "f32": (3e-5, 3e-3, 1e-5, 0.9999, 0.9999, 0.002),
          "bf16": (3e-2, 0.25, 5e-4, 0.999, 0.9995, 0.002), "int8": (8e-2, 0.8, 2e-3, 0.997, 0.999, 0.002)}
# The small nnU-Net was trained for minutes: PyTorch's own bf16 gives 0.9985 and 0.9993 on the same windows.
OF_NNUNET = {"bf16": (3e-2, 0.25, 5e-4, 0.998, 0.999, 0.002), "int8": (8e-2, 0.8, 2e-3, 0.997, 0.999, 0.002)}
FAILED = []


def check(guard, name, model, images, bounds):
    done = subprocess.run([guard, model, *images], stdout=subprocess.PIPE, text=True, check=True)
    rows = json.loads(done.stdout)
    for precision, row in rows.items():
        print(name, precision, json.dumps(row))
        norm, most, flips, least, mean, volume = bounds[precision]
        good = row["finite"] and row["classes"] > 1 and row["logits_rel_l2"] <= norm and row["max_over_rms"] <= most and row["flips"] <= flips
        good = good and row["dice_least"] >= least and row["dice_mean"] >= mean and row["volume_change"] <= volume
        if not good or row["greatest_margin_of_a_flip_over_rms"] >= 2 * most:
            FAILED.append(f"{name} {precision}")
    if "bf16" in rows and rows["bf16"]["logits_rel_l2"] <= rows["f32"]["logits_rel_l2"]:
        FAILED.append(f"{name}: f32 and bf16 do not differ")


def main():
    program, guard, phantom, demo = sys.argv[1:5]
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        if len(sys.argv) > 5:
            data = pathlib.Path(sys.argv[5])
            study = data / "brain_tcga" / "TCGA-DU-7294"
            if not study.exists():
                print("no shared data")
                sys.exit(1 if os.environ.get("ONCOTOME_REQUIRE_DATA") else 77)
            subprocess.run([program, "models", "import", data / "model_brats17_msnet", "--output", scratch / "cascade"], check=True)
            images = [study / f"TCGA-DU-7294_{channel}_bet.nii.gz" for channel in ("fla", "t1", "t1c", "t2")]
            check(guard, "cascade", scratch / "cascade", images, BOUNDS)
        else:
            subprocess.run([phantom, "--output", scratch / "phantom", "--seed", "7", "--format", "nrrd"], check=True)
            images = [scratch / "phantom" / f"{channel}.nrrd" for channel in ("flair", "t1", "t1ce", "t2")]
            check(guard, "demo", demo, images, BOUNDS)
            images = sorted((NNUNET / "imagesTs").glob("*.nii.gz"))
            check(guard, "nnU-Net", NNUNET / "nnUNetTrainer__nnUNetPlans__3d_fullres", images, {**BOUNDS, **OF_NNUNET})
    for what in FAILED:
        print("FAILED", what)
    sys.exit(1 if FAILED else 0)


if __name__ == "__main__":
    main()
