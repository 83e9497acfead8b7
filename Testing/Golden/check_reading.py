#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares `oncotome convert` with independent readers on real CT, MR and PET series.

Usage: check_reading.py ONCOTOME DATA
ONCOTOME is the program, DATA the folder with ct_lung_dx, ct_lung_gtv and sarcoma_ct_mr_pet. Voxels must equal pydicom's exactly, as
float32(slope * stored + intercept); the grid must equal that of the positions, and that of GDCM through SimpleITK.
Prints a line per series. Exit status: 0 all equal, 1 a difference, 77 DATA is not there.
"""
import collections
import pathlib
import subprocess
import sys
import tarfile
import tempfile

import numpy
import pydicom
import SimpleITK

SOURCES = {  # How many series of images each archive or folder holds.
    "ct_lung_gtv/pat_2": 1,
    "ct_lung_gtv/pat_3": 1,
    "ct_lung_dx/dicom.tar.xz": 1,
    "sarcoma_ct_mr_pet/STS_001.tar.xz": 3,
    "sarcoma_ct_mr_pet/STS_002.tar.xz": 3,
}
GRID_TOLERANCE = 1e-6  # mm, and of unit vectors


def series_of(folder):
    """SeriesInstanceUID -> datasets, of the images that make volumes."""
    series = collections.defaultdict(list)
    for path in sorted(folder.rglob("*.dcm")):
        dataset = pydicom.dcmread(path)
        if dataset.Modality in ("CT", "MR", "PT"):
            series[str(dataset.SeriesInstanceUID)].append(dataset)
    return series


def by_pydicom(datasets):
    """Voxels [z, y, x], spacing, origin and the axes as rows."""
    row, column = (numpy.array(datasets[0].ImageOrientationPatient[i:i + 3], float) for i in (0, 3))
    normal = numpy.cross(row, column)
    datasets = sorted(datasets, key=lambda d: float(numpy.dot(numpy.array(d.ImagePositionPatient, float), normal)))
    voxels = numpy.stack([
        (float(d.get("RescaleSlope", 1)) * d.pixel_array.astype(numpy.float64) + float(d.get("RescaleIntercept", 0)))
        .astype(numpy.float32) for d in datasets
    ])
    first, last = (numpy.array(d.ImagePositionPatient, float) for d in (datasets[0], datasets[-1]))
    between_rows, between_columns = (float(v) for v in datasets[0].PixelSpacing)
    step = float(numpy.dot(last - first, normal)) / (len(datasets) - 1)
    return voxels, (between_columns, between_rows, step), first, numpy.stack([row, column, normal])


def grid(image):
    """Spacing, origin and the axes as rows."""
    direction = numpy.array(image.GetDirection()).reshape(3, 3).T
    return numpy.array(image.GetSpacing()), numpy.array(image.GetOrigin()), direction


def by_gdcm(datasets):
    uid = str(datasets[0].SeriesInstanceUID)
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(pathlib.Path(datasets[0].filename).parent), uid))
    return grid(reader.Execute())


def differences(ours, datasets):
    voxels, *expected_grid = by_pydicom(datasets)
    got = SimpleITK.GetArrayFromImage(ours)
    if got.dtype != numpy.float32:
        yield f"voxels are {got.dtype}, not float32"
    if got.shape != voxels.shape:
        yield f"size is {got.shape}, expected {voxels.shape}"
    elif not numpy.array_equal(got, voxels):
        wrong = numpy.argwhere(got != voxels)
        at = tuple(wrong[0])
        yield f"{len(wrong)} voxels differ, the first at z,y,x {at}: {got[at]!r}, expected {voxels[at]!r}"
    for reader, expected in (("pydicom", expected_grid), ("GDCM", by_gdcm(datasets))):
        for what, a, b in zip(("spacing", "origin", "direction"), grid(ours), expected):
            if not numpy.allclose(a, b, rtol=0, atol=GRID_TOLERANCE):
                yield f"{what} is {numpy.ravel(a).tolist()}, {reader} says {numpy.ravel(b).tolist()}"


def check(program, source, expected_count, scratch):
    folder = source
    if source.is_file():
        folder = scratch / "in"
        with tarfile.open(source) as tar:
            tar.extractall(folder)
    good = True
    found = series_of(folder)
    if len(found) != expected_count:
        print(f"FAILED {source.name}: {len(found)} series instead of {expected_count}")
        good = False
    for uid, datasets in found.items():
        label = f"{source.name} {datasets[0].Modality} {len(datasets)} slices {uid}"
        output = scratch / "out.nrrd"
        output.unlink(missing_ok=True)
        run = subprocess.run([program, "convert", str(folder), "--series", uid, "--output", str(output)],
                             capture_output=True, text=True)
        if run.returncode != 0 or not output.exists():
            print(f"FAILED {label}: exit status {run.returncode}: {run.stderr.strip()}")
            good = False
            continue
        wrong = list(differences(SimpleITK.ReadImage(str(output)), datasets))
        print(f"{'FAILED' if wrong else 'equal'} {label}" + "".join(f"\n  {line}" for line in wrong))
        good = good and not wrong
    return good


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    program, data = sys.argv[1], pathlib.Path(sys.argv[2])
    absent = [name for name in SOURCES if not (data / name).exists()]
    if absent:
        print(f"skipped: the data are not there: {', '.join(absent)}")
        return 77
    results = []
    for name, count in SOURCES.items():
        with tempfile.TemporaryDirectory() as scratch:
            results.append(check(program, data / name, count, pathlib.Path(scratch)))
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
