#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`oncotome segment --model BUNDLE` gives the labels that MONAI gave, from model.pt and from model.ts, and refuses what it does not know.

`check_monai.py PROGRAM`. The bundles are those of fixtures/monai (made by make_monai_fixtures.py with the real MONAI): Dice is at least 0.9999
for each class, on the grid of the input. Needs numpy and nibabel.
"""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import nibabel
import numpy as np

FOLDER = pathlib.Path(__file__).resolve().parent / "fixtures" / "monai"
CASES = {"ct_unet": {"image": "ct"}, "ct_dynunet": {"CT": "ct"}, "mr_slices": {"image": "mri_0"},
         "mri_segresnet": {"T1c": "mri_0", "T1": "mri_1", "T2": "mri_2", "FLAIR": "mri_3"}}
FAILED = []


def need(good, what):
    if not good:
        FAILED.append(what)
        print("FAILED", what)


def segment(program, bundle, inputs, output):
    arguments = [f"--input={name}={FOLDER / file}.nii.gz" for name, file in inputs.items()]
    return subprocess.run([program, "segment", *arguments, "--model", bundle, "--formats", "nifti", "--output", output],
                          capture_output=True, text=True)


def compare(program, bundle, expected, inputs, output):
    done = segment(program, bundle, inputs, output)
    need(done.returncode == 0, f"{bundle.name}: exit {done.returncode}, {done.stderr.strip()}")
    if done.returncode != 0:
        return
    want, got = nibabel.load(FOLDER / f"{expected}.nii.gz"), nibabel.load(output / "segmentation.nii.gz")
    need(want.shape == got.shape and np.allclose(want.affine, got.affine, atol=1e-3), f"{bundle.name}: the grid differs")
    if want.shape != got.shape:
        return
    want, got = np.asarray(want.dataobj), np.asarray(got.dataobj)
    dice = {int(c): 2 * ((got == c) & (want == c)).sum() / ((got == c).sum() + (want == c).sum()) for c in np.union1d(want, got)}
    print(f"{bundle.name:20} {(got != want).sum():4} of {want.size} voxels differ   Dice {' '.join(f'{c}: {d:.6f}' for c, d in dice.items())}")
    need(min(dice.values()) >= 0.9999, f"{bundle.name}: Dice {dice}")


def refuse(program, scratch, edit, word):
    bundle = scratch / "bundle"
    shutil.rmtree(bundle, ignore_errors=True)
    shutil.copytree(FOLDER / "ct_unet", bundle)
    (bundle / "models" / "model.ts").unlink()
    inference = json.loads((bundle / "configs" / "inference.json").read_text())
    edit(inference)
    (bundle / "configs" / "inference.json").write_text(json.dumps(inference))
    done = segment(program, bundle, CASES["ct_unet"], scratch / "refused")
    lines = done.stderr.strip().splitlines()
    need(done.returncode == 52 and len(lines) == 1 and word in lines[0] and not (scratch / "refused").exists(), f"{word}: exit {done.returncode}, {done.stderr.strip()}")


def main(program):
    with tempfile.TemporaryDirectory() as name:
        scratch = pathlib.Path(name)
        for bundle, inputs in CASES.items():
            compare(program, FOLDER / bundle, bundle, inputs, scratch / bundle)
        script = scratch / "torchscript"
        shutil.copytree(FOLDER / "ct_unet", script)
        (script / "models" / "model.pt").unlink()
        compare(program, script, "ct_unet", CASES["ct_unet"], scratch / "from_script")
        refuse(program, scratch, lambda j: j.update(network_def={"_target_": "SwinUNETR"}), "SwinUNETR")
        refuse(program, scratch, lambda j: j.update(inferer={"_target_": "scripts.detection_inferer.RetinaNetInferer"}), "RetinaNetInferer")
        refuse(program, scratch, lambda j: j["preprocessing"]["transforms"].append({"_target_": "Resized", "keys": "image"}), "Resized")
    return 1 if FAILED else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
