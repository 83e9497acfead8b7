#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Takes an aligned, skull-stripped study apart, as a scanner would have delivered it.

`misalign.py CASE OUTPUT [--skull]`: CASE holds *_fla, *_t1, *_t1c, *_t2 (…_bet.nii.gz) on one grid and fusion/simple.nii.gz. Every channel is moved
by a known rigid transform of its own and resampled to a grid of its own; with --skull, fluid, bone, scalp and noisy air are put round the brain first.
OUTPUT gets NAME.nii.gz of int16 for FLAIR, T1, T1ce and T2, truth.nii.gz and brain.nii.gz on the grid of T1ce, and transforms.json:
per channel the 4x4 matrix from a point of the moved channel to the point of the original that is shown there, LPS, mm. Needs SimpleITK and numpy.
"""
import argparse
import json
import math
import pathlib

import numpy as np
import SimpleITK as sitk

# Turns about x, y, z in degrees, shift in mm; spacing; slices axial, sagittal or coronal, and their tilt about x in degrees.
CHANNELS = {
    "T1ce": ("t1c", (1.5, -2.0, 1.0), (1.0, -2.0, 1.5), (0.94, 0.94, 1.2), "axial", 4),
    "FLAIR": ("fla", (-5.0, 4.0, 6.0), (7.0, -6.0, 4.0), (1.0, 1.0, 1.5), "sagittal", 0),
    "T1": ("t1", (8.0, -3.0, -4.0), (-9.0, 3.0, -5.0), (0.9, 0.9, 1.3), "coronal", -6),
    "T2": ("t2", (-3.0, -7.0, 2.0), (4.0, 9.0, -6.0), (0.86, 0.86, 1.6), "axial", 10),
}
# In units of the mean over the brain: fluid, bone, scalp.
SHELL = {"T1": (0.35, 0.12, 1.7), "T1ce": (0.35, 0.12, 1.7), "FLAIR": (0.2, 0.1, 1.2), "T2": (2.0, 0.15, 1.1)}


def rigid(turns, shift, center):
    t = sitk.Euler3DTransform()
    t.SetCenter(center)
    t.SetRotation(*[math.radians(a) for a in turns])
    t.SetTranslation(shift)
    return t


def matrix(t):
    origin = np.array(t.TransformPoint((0.0, 0.0, 0.0)))
    columns = [np.array(t.TransformPoint(tuple(e))) - origin for e in np.eye(3)]
    return np.vstack([np.column_stack([*columns, origin]), [0, 0, 0, 1]]).tolist()


def with_skull(image, brain, name, seed):
    """Layers by distance from the brain: fluid to 3 mm, bone to 9 mm, scalp to 14 mm, then air."""
    distance = sitk.GetArrayFromImage(sitk.SignedMaurerDistanceMap(brain, squaredDistance=False, useImageSpacing=True))
    values = sitk.GetArrayFromImage(image).astype(np.float64)
    mean = values[distance <= 0].mean()
    fluid, bone, scalp = (mean * s for s in SHELL[name])
    random = np.random.default_rng(seed)
    texture = 1 + 0.1 * random.standard_normal(values.shape)
    shell = np.select([distance <= 3, distance <= 9, distance <= 14], [fluid * texture, bone * texture, scalp * texture], 0.0)
    values = np.where(distance <= 0, values, shell)
    sigma = 0.015 * mean
    noisy = np.hypot(values + sigma * random.standard_normal(values.shape), sigma * random.standard_normal(values.shape))
    out = sitk.GetImageFromArray(np.where(distance <= 0, values, noisy).astype(np.float32))
    out.CopyInformation(image)
    return out


def grid_of(image, spacing, slices, tilt):
    """A grid with the same center that holds the image whatever way it is turned."""
    axes = {"axial": ((1, 0, 0), (0, 1, 0), (0, 0, 1)), "sagittal": ((0, 1, 0), (0, 0, -1), (-1, 0, 0)), "coronal": ((1, 0, 0), (0, 0, -1), (0, 1, 0))}
    a = math.radians(tilt)
    turn = np.array([[1, 0, 0], [0, math.cos(a), -math.sin(a)], [0, math.sin(a), math.cos(a)]])
    direction = turn @ np.array(axes[slices], float).T
    extent = np.array(image.GetSize()) * np.array(image.GetSpacing())
    need = np.abs(direction).T @ extent + 10
    size = np.ceil(need / spacing).astype(int)
    center = np.array(image.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in image.GetSize()]))
    grid = sitk.Image([int(n) for n in size], sitk.sitkUInt8)
    grid.SetSpacing(spacing)
    grid.SetDirection(direction.ravel().tolist())
    grid.SetOrigin((center - direction @ ((size - 1) / 2 * np.array(spacing))).tolist())
    return grid


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("case", type=pathlib.Path)
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("--skull", action="store_true")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    pad = 24
    read = lambda pattern: sitk.ConstantPad(sitk.ReadImage(str(next(arguments.case.glob(pattern))), sitk.sitkFloat32), [pad] * 3, [pad] * 3)
    images = {name: read(f"*_{c[0]}_bet.nii.gz") for name, c in CHANNELS.items()}
    brain = images["FLAIR"] > 0
    for image in images.values():
        brain = sitk.Or(brain, image > 0)
    brain = sitk.BinaryFillhole(sitk.BinaryMorphologicalClosing(brain, [2] * 3))
    truth = read("fusion/simple.nii.gz")
    center = brain.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in brain.GetSize()])
    transforms = {}
    for seed, (name, (_, turns, shift, spacing, slices, tilt)) in enumerate(CHANNELS.items()):
        image = with_skull(images[name], brain, name, seed) if arguments.skull else images[name]
        t = rigid(turns, shift, center)
        transforms[name] = matrix(t)
        grid = grid_of(image, spacing, slices, tilt)
        # Cubic, as linear interpolation would blur what a scanner would not; where the original is cut out, so is this.
        moved = sitk.Resample(image, grid, t, sitk.sitkBSpline, 0.0, sitk.sitkFloat32)
        moved = sitk.Mask(sitk.Clamp(moved, lowerBound=0.0), sitk.Resample(image > 0, grid, t, sitk.sitkNearestNeighbor, 0, sitk.sitkUInt8))
        sitk.WriteImage(sitk.Cast(sitk.Round(moved), sitk.sitkInt16), str(arguments.output / f"{name}.nii.gz"))
        if name == "T1ce":
            for what, labels in (("truth", truth), ("brain", brain)):
                there = sitk.Resample(labels, grid, t, sitk.sitkNearestNeighbor, 0, sitk.sitkUInt8)
                sitk.WriteImage(there, str(arguments.output / f"{what}.nii.gz"))
    (arguments.output / "transforms.json").write_text(json.dumps(transforms, indent=1))


if __name__ == "__main__":
    main()
