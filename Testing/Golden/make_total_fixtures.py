#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes fixtures/total_segmentator: what the real TotalSegmentator makes of small images, step by step, and by toy models laid out as its own.

`make_total_fixtures.py [--venv DIR]`. Arrays of steps.safetensors and runs.safetensors are float32 [z,y,x]; NAME.affine is a NIfTI's, RAS.
Steps:  grid NAME:    image, affine, spacing [3]; coarse, coarse_affine; labels on the coarse grid, and back on the image's
        pieces:       labels, affine, image; largest (of label 1), small (of label 2, 40 mm3); statistics [K,2]: mm3 and mean
Runs:   NAME:         image, affine; labels; statistics; NAME is that of the task, behind "split " where it is run as three slabs
"""
import argparse
import os
import pathlib
import shutil
import sys
import types
import warnings

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "Support"))
from reference_environment import enter, total_segmentator  # noqa: E402

FOLDER = HERE / "fixtures" / "total_segmentator"

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Golden fixtures of TotalSegmentator")
    parser.add_argument("--venv", type=pathlib.Path, default=HERE.parents[1] / "build" / "nnunet-reference")
    VENV = parser.parse_args().venv
    enter(VENV)
    total_segmentator(VENV.parent / "total-reference")
for place in ("nnUNet_raw", "nnUNet_preprocessed"):
    os.environ[place] = "/nonexistent"
os.environ["nnUNet_results"] = str(FOLDER / "results")
warnings.simplefilter("ignore")
# Reads and writes DICOM, for which it needs packages that are of no use here.
sys.modules["totalsegmentator.dicom_io"] = types.SimpleNamespace(dcm_to_nifti=None, save_mask_as_rtstruct=None, save_mask_as_dicomseg=None)

import nibabel as nib  # noqa: E402
import numpy as np  # noqa: E402
from safetensors.numpy import save_file  # noqa: E402
from scipy.ndimage import gaussian_filter  # noqa: E402
from totalsegmentator import nnunet, postprocessing, statistics  # noqa: E402
from totalsegmentator.alignment import as_closest_canonical, undo_canonical  # noqa: E402
from totalsegmentator.map_to_binary import class_map  # noqa: E402
from totalsegmentator.resampling import change_spacing  # noqa: E402

from nnunet_folder import architecture, configuration, dataset, intensities, plans, write_model  # noqa: E402

RANDOM = np.random.default_rng(7)


def in_one_process(self, source, target, save_probabilities=False, overwrite=True, folder_with_segs_from_prev_stage=None, **_):
    return self.predict_from_files_sequential(source, target, save_probabilities, overwrite, folder_with_segs_from_prev_stage)


nnunet.nnUNetPredictor.predict_from_files = in_one_process


def affine(axes, spacing, origin=(-31.5, 12.25, 7.0), tilt=0.0):
    """`axes` such as LPS; tilted about one of them; as exact as its float32 numbers."""
    matrix = np.diag([0.0, 0, 0, 1])
    c, s = np.cos(np.radians(tilt)), np.sin(np.radians(tilt))
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    for i, letter in enumerate(axes):
        row = next(r for r, pair in enumerate(("RL", "AP", "SI")) if letter in pair)
        matrix[row, i] = spacing[i] if letter in "RAS" else -spacing[i]
    matrix[:3, :3] = turn @ matrix[:3, :3]
    matrix[:3, 3] = origin
    return matrix.astype(np.float32).astype(np.float64)


def texture(shape, mean, scale):
    smooth = gaussian_filter(RANDOM.standard_normal(shape), 2.0)
    return np.round(mean + scale * (smooth / smooth.std() + 0.3 * RANDOM.standard_normal(shape)))


def plain(array):
    return np.ascontiguousarray(np.asarray(array, np.float32).T)


GRIDS = {  # axes, spacing, tilt, shape, new spacing
    "down": ("LPS", (0.75, 0.75, 1.25), 0, (9, 8, 7), (1.5, 1.5, 1.5)),
    "turned": ("SLA", (2.0, 1.0, 0.5), 0, (5, 8, 9), (1.5, 1.5, 1.5)),
    "tilted": ("PIR", (1.1, 0.9, 2.5), 17, (7, 8, 5), (1.5, 1.5, 1.5)),
    "steep": ("LPS", (1.0, 1.0, 1.0), 47, (9, 7, 5), (1.5, 1.5, 1.5)),
    "equal": ("RPS", (1.5, 1.5, 1.5), 0, (6, 7, 8), (1.5, 1.5, 1.5)),
    "half": ("RAS", (1.5, 3.0, 1.5), 0, (5, 5, 7), (3.0, 3.0, 3.0)),
    "one slice": ("LAS", (1.0, 1.0, 5.0), 0, (9, 8, 1), (6.0, 6.0, 6.0)),
    "uneven": ("LPI", (0.9765625, 0.9765625, 2.0), 0, (7, 6, 5), (0.75, 0.75, 1.0)),
}


def steps():
    out = {}
    for name, (axes, spacing, tilt, shape, new) in GRIDS.items():
        image = nib.Nifti1Image(texture(shape, -50, 300) + (0.5 if name in ("half", "equal") else 0), affine(axes, spacing, tilt=tilt))
        turned = as_closest_canonical(image)
        coarse = change_spacing(turned, list(new), order=1, dtype=np.int32, nr_cpus=1)
        labels = nib.Nifti1Image(RANDOM.integers(0, 120, coarse.shape).astype(np.uint8), coarse.affine)
        back = undo_canonical(change_spacing(labels, list(new), turned.shape, order=0, dtype=np.uint8, nr_cpus=1, force_affine=turned.affine), image)
        out |= {f"grid {name}.{k}": plain(v) for k, v in (("image", image.get_fdata()), ("coarse", coarse.get_fdata()), ("labels", labels.get_fdata()),
                                                           ("back", back.get_fdata()))}
        out |= {f"grid {name}.affine": image.affine, f"grid {name}.coarse_affine": coarse.affine, f"grid {name}.spacing": np.array(new)}
    labels = np.digitize(gaussian_filter(RANDOM.standard_normal((14, 13, 12)), 1.3), (-0.05, 0.02, 0.14)) % 4
    labels[:3], labels[-3:], labels[:, :3], labels[:, -3:], labels[:, :, -3:] = (np.where(part == 3, 0, part) for part in (
        labels[:3], labels[-3:], labels[:, :3], labels[:, -3:], labels[:, :, -3:]))
    labels[:, :, :3][labels[:, :, :3] == 3] = 0
    image = nib.Nifti1Image(texture(labels.shape, 40, 300) + 0.75, affine("RAS", (1.5, 1.5, 2.0)))
    names = {1: "body_trunc", 2: "body_extremities"}
    table = {1: "one", 2: "two", 3: "three", 4: "four"}
    class_map["toy"] = table
    told = statistics.get_basic_statistics(labels, image, None, True, "toy")
    volume = np.prod(image.header.get_zooms())
    out |= {"pieces.labels": plain(labels), "pieces.image": plain(image.get_fdata()), "pieces.affine": image.affine,
            "pieces.largest": plain(postprocessing.keep_largest_blob_multilabel(labels.copy(), names, ["body_trunc"], quiet=True)),
            "pieces.small": plain(postprocessing.remove_small_blobs_multilabel(labels.copy(), names, ["body_extremities"],
                                                                               interval=[40 / volume, 1e10], quiet=True)),
            "pieces.statistics": np.array([[told[n]["volume"], told[n]["intensity"]] for n in table.values()])}
    return out


NET = architecture([3, 6], [[3] * 3] * 2, [[1] * 3, [2] * 3], [1, 1])
MR, CT = "ZScoreNormalization", "CTNormalization"


def toy(number, name, trainer, spacing, labels, scheme, model="3d_fullres", patch=(16, 16, 16)):
    plan = plans(f"Dataset{number:03d}_{name}", {model: configuration(list(spacing), list(patch), [scheme], net=NET)}, intensities(-50, 200, -600, 500), 
                 reader="SimpleITKIO" if scheme == MR else "NibabelIOWithReorient")
    write_model(FOLDER / "results" / f"Dataset{number:03d}_{name}", plan, dataset(["CT" if scheme == CT else "MR"], {"background": 0, **labels}), model,
                trainer=trainer, mirror=None, seed=number)


def first(names, count):
    return {name: i for i, name in names.items() if i <= count}


def run(task, image, numbers, out, name=None, crop=None, spacing=None, coarse=False, model="3d_fullres", trainer="", **more):
    name = name or task
    known = task.replace("_fastest", "").replace("_fast", "")
    found, _, told = nnunet.nnUNet_predict_image(
        image, None, numbers, model=model, folds=[0], trainer=trainer, resample=spacing, task_name=known, quiet=True, device="cpu", skip_saving=True,
        crop=crop, crop_addon=[20, 20, 20], statistics=coarse, nr_threads_resampling=1, **more)
    labels = found.get_fdata().astype(np.uint8)
    if not coarse:
        told = statistics.get_basic_statistics(labels, image, None, True, known)
    print(name, labels.shape, np.bincount(labels.ravel()))
    if out is not None:
        out |= {f"{name}.image": plain(image.get_fdata()), f"{name}.affine": image.affine, f"{name}.labels": plain(labels),
                f"{name}.statistics": np.array([[told[n]["volume"], told[n]["intensity"]] for n in class_map[known].values()])}
    return found


def runs():
    mr, fast, body = (f"nnUNetTrainer_{e}epochs_NoMirroring" if e else "nnUNetTrainer" for e in (2000, 4000, 0))
    part1, part2 = (first(table, 4) for table in nnunet.class_map_parts_mr.values())
    toy(850, "TotalSegMRI_part1_organs_1088subj", mr, [1.5] * 3, part1, MR)
    toy(851, "TotalSegMRI_part2_muscles_1088subj", mr, [1.5] * 3, part2, MR)
    toy(297, "TotalSegmentator_total_3mm_1559subj", fast, [3.0] * 3, first(class_map["total"], 6), CT)
    toy(300, "body_6mm_1559subj", body, [6.0] * 3, first(class_map["body"], 2), CT)
    toy(591, "ct_liver_lesions_842subj", body, [1.0, 0.75, 0.75], first(class_map["liver_lesions"], 1), CT, "3d_fullres_high", (16, 32, 32))
    out = {}
    scan = nib.Nifti1Image(texture((16, 15, 13), 300, 90), affine("PIR", (1.25, 2.0, 1.75), tilt=6))
    run("total_mr", scan, [850, 851], out, spacing=1.5, trainer=mr)
    long = nib.Nifti1Image(texture((5, 5, 104), 300, 90), affine("LPS", (1.5, 1.5, 3.0)))
    run("total_mr", long, [850, 851], out, name="split total_mr", spacing=1.5, trainer=mr, force_split=True)
    small = nib.Nifti1Image(texture((10, 11, 12), -50, 200), affine("LPS", (3.5, 3.0, 2.5)))
    rough = run("total_fast", small, 297, out, spacing=3.0, coarse=True, trainer=fast)
    run("body_fast", nib.Nifti1Image(texture((18, 18, 16), -50, 200), affine("RPS", (6.0, 6.0, 5.0))), 300, out, spacing=6.0, coarse=True, trainer=body)
    liver = nib.Nifti1Image((rough.get_fdata() == 5).astype(np.uint8), rough.affine)
    run("liver_lesions", small, 591, out, crop=liver, spacing=[0.75, 0.75, 1.0], trainer=body, model="3d_fullres_high")
    return out


if __name__ == "__main__":
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    for name, make in (("steps", steps), ("runs", runs)):
        save_file({k: np.ascontiguousarray(v, np.float32) for k, v in make().items()}, FOLDER / f"{name}.safetensors")
