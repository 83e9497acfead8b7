#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains a small nnU-Net with the real nnunetv2 on our phantoms, and stores it with a test image and nnunetv2's labels of it.

`train_nnunet_fixture.py PHANTOM_PROGRAM SCRATCH [--venv DIR] [--epochs N]`: some 20 minutes on one core. nnU-Net's own preprocessing, trainer, augmentation
and loss; the plans are ours (three stages of 8, 16, 32 features, patches of 48^3). The optimizer's state is dropped. Writes fixtures/nnunet/Dataset910_Phantom.
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "Support"))
from reference_environment import enter  # noqa: E402

NAME, CONFIGURATION, LABELS = "Dataset910_Phantom", "3d_fullres", {"background": 0, "core": 1, "edema": 2}
CASES, TEST_SEED = 20, 900


def arguments():
    parser = argparse.ArgumentParser(description="A trained fixture of nnU-Net v2")
    parser.add_argument("program", type=pathlib.Path, help="oncotome-phantom")
    parser.add_argument("scratch", type=pathlib.Path)
    parser.add_argument("--venv", type=pathlib.Path, default=HERE.parents[1] / "build" / "nnunet-reference")
    parser.add_argument("--epochs", type=int, default=12, help="of 50 steps")
    return parser.parse_args()


if __name__ == "__main__":
    ARGUMENTS = arguments()
    enter(ARGUMENTS.venv)
    for key, folder in (("raw", "raw"), ("preprocessed", "preprocessed"), ("results", "results")):
        os.environ[f"nnUNet_{key}"] = str((ARGUMENTS.scratch / folder).resolve())
    os.environ["nnUNet_n_proc_DA"] = "0"

import make_nnunet_fixtures as fixtures  # noqa: E402
import numpy as np  # noqa: E402
import SimpleITK as sitk  # noqa: E402
import torch  # noqa: E402
from nnunet_folder import architecture, configuration, dataset, intensities, plans  # noqa: E402
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer  # noqa: E402


def phantom(program, scratch, seed, spacing, count=1):
    subprocess.run([program, "--output", scratch, "--seed", str(seed), "--count", str(count), "--spacing", str(spacing), "--format", "nrrd"], check=True)
    for n in range(seed, seed + count):
        folder = scratch / str(n) if (scratch / str(n)).exists() else scratch
        truth = sitk.ReadImage(str(folder / "truth.nrrd"))
        yield [sitk.ReadImage(str(folder / f"{c}.nrrd")) for c in ("flair", "t1ce")], sitk.ChangeLabel(truth, {4: 1})


def prepare(arguments, plan, data):
    raw, ready = (arguments.scratch / kind / NAME for kind in ("raw", "preprocessed"))
    for folder in (raw / "imagesTr", raw / "labelsTr", ready):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    for n, (channels, truth) in enumerate(phantom(arguments.program, arguments.scratch / "phantoms", 1, 2.0, CASES)):
        for c, image in enumerate(channels):
            sitk.WriteImage(image, str(raw / "imagesTr" / f"p{n:02d}_{c:04d}.nii.gz"))
        sitk.WriteImage(truth, str(raw / "labelsTr" / f"p{n:02d}.nii.gz"))
    for folder in (raw, ready):
        (folder / "dataset.json").write_text(json.dumps(data))
    (ready / "nnUNetPlans.json").write_text(json.dumps(plan))
    (ready / "dataset_fingerprint.json").write_text("{}")
    from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor
    DefaultPreprocessor(verbose=False).run(NAME, CONFIGURATION, "nnUNetPlans", 1)


def train(plan, data, epochs):
    torch.manual_seed(1)
    np.random.seed(1)
    trainer = nnUNetTrainer({**plan, "continue_training": False}, CONFIGURATION, 0, data, torch.device("cpu"))
    trainer.num_epochs, trainer.num_iterations_per_epoch, trainer.num_val_iterations_per_epoch = epochs, 50, 5
    trainer.initialize()
    trainer.run_training()
    return pathlib.Path(trainer.output_folder_base)


def write_test_case(arguments, folder):
    """A phantom on another grid, cropped round its tumor."""
    (channels, truth), = phantom(arguments.program, arguments.scratch / "test", TEST_SEED, 2.5)
    where = np.argwhere(sitk.GetArrayFromImage(truth) > 0)[:, ::-1]
    size = np.minimum([44, 44, 40], truth.GetSize())
    first = np.clip(where.mean(0).astype(int) - size // 2, 0, np.array(truth.GetSize()) - size)
    crop = lambda image: sitk.RegionOfInterest(image, size.tolist(), first.tolist())
    folder.mkdir(parents=True)
    for c, image in enumerate(channels):
        sitk.WriteImage(crop(image), str(folder / f"case_{c:04d}.nii.gz"), True, 9)
    return sitk.GetArrayFromImage(crop(truth))


def main(arguments):
    torch.set_num_threads(1)
    data = dataset(["FLAIR", "T1ce"], LABELS)
    net = architecture([8, 16, 32], fixtures.cube(3) * 3, [[1] * 3, [2] * 3, [2] * 3], [2, 2, 2])
    z = "ZScoreNormalization"
    plan = plans(NAME, {CONFIGURATION: configuration([2.0] * 3, [48] * 3, [z, z], masked=True, net=net)}, intensities(300.0, 100.0, 0.0, 1000.0, 2))
    prepare(arguments, plan, data)
    trained = train(plan, data, arguments.epochs)

    root = fixtures.FOLDER / NAME
    shutil.rmtree(root, ignore_errors=True)
    truth = write_test_case(arguments, root / "imagesTs")
    model = root / trained.name
    (model / "fold_0").mkdir(parents=True)
    for name in ("plans.json", "dataset.json"):
        (model / name).write_text(json.dumps(json.loads((trained / name).read_text()), indent=1) + "\n")
    checkpoint = torch.load(trained / "fold_0" / "checkpoint_final.pth", weights_only=False)
    del checkpoint["optimizer_state"]
    torch.save(checkpoint, model / "fold_0" / "checkpoint_final.pth")
    made = []
    fixtures.predict(root, model, {"data": data, "images": {"case": None}}, CONFIGURATION, {"stages": False}, made)
    fixtures.write_cases(NAME, made)
    found = sitk.GetArrayFromImage(sitk.ReadImage(str(root / "predicted" / CONFIGURATION / "case.nii.gz")))
    for name, value in list(LABELS.items())[1:]:
        print(f"{name}: Dice {2 * ((found == value) & (truth == value)).sum() / ((found == value).sum() + (truth == value).sum()):.3f}")


if __name__ == "__main__":
    main(ARGUMENTS)
