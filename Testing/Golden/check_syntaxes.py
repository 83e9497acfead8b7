#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares `oncotome convert` with independent decoders on one CT slice in every transfer syntax.

Usage: check_syntaxes.py ONCOTOME DATA
ONCOTOME is the program, DATA the folder with dicom_transfer_syntaxes. Each slice is written twice, one above the other,
with its pixel data as they are, so that it makes a volume. What was compressed without loss must equal the uncompressed
original voxel by voxel; what was compressed with loss must equal pylibjpeg within LOSSY stored units, and inspect
must doubt it. Prints a line per file. Exit status: 0 all as expected, 1 a difference, 77 DATA is not there.
"""
import json
import pathlib
import subprocess
import sys
import tempfile
import warnings

import libjpeg
import numpy
import pydicom
import pydicom.encaps
import SimpleITK

LOSSY = 1.01  # The inverse DCT of two decoders may round one step apart.
RETIRED = {"1.2.840.10008.1.2.4.53", "1.2.840.10008.1.2.4.55"}
LOSSY_SYNTAXES = {"50", "51", "53", "55", "81", "91"}


def run(*arguments):
    return subprocess.run([str(a) for a in arguments], capture_output=True, text=True)


def make_stack(path, folder):
    """The slice at two positions."""
    dataset = pydicom.dcmread(path)
    uid, z = dataset.SOPInstanceUID, float(dataset.ImagePositionPatient[2])
    for k in range(2):
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"{uid[:50]}.{k + 1}"
        dataset.ImagePositionPatient[2] = z + 5 * k
        dataset.InstanceNumber = k + 1
        dataset.save_as(folder / f"{k}.dcm", write_like_original=False)


def expected(path):
    """Hounsfield units by an independent decoder, before what is no image becomes -1024."""
    dataset = pydicom.dcmread(path)
    if str(dataset.file_meta.TransferSyntaxUID) in RETIRED:  # pydicom does not hand these on.
        stored = libjpeg.decode(b"".join(pydicom.encaps.decode_data_sequence(dataset.PixelData)))
    else:
        stored = dataset.pixel_array
    stored = stored.astype(numpy.float64)
    return (float(dataset.RescaleSlope) * stored + float(dataset.RescaleIntercept)).astype(numpy.float32)


def voxels(program, folder, output):
    made = run(program, "convert", folder, "--output", output, "--quiet")
    if made.returncode:
        raise RuntimeError(made.stderr.strip())
    return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(output)))


def check(program, path, original, scratch):
    folder = scratch / path.name
    folder.mkdir()
    make_stack(path, folder)
    syntax = str(pydicom.dcmread(path, stop_before_pixels=True).file_meta.TransferSyntaxUID)
    is_lossy = syntax.rsplit(".", 1)[1] in LOSSY_SYNTAXES
    got = voxels(program, folder, scratch / (path.name + ".nrrd"))
    want = expected(path) if is_lossy or not path.name.startswith("CTImage") else original
    want = numpy.maximum(want, -1024)
    slope = float(pydicom.dcmread(path, stop_before_pixels=True).RescaleSlope)
    worst = float(numpy.abs(got - want[None]).max()) if got.shape[1:] == want.shape else numpy.inf
    listed = json.loads(run(program, "inspect", folder, "--json").stdout)["studies"][0]["series"][0]
    doubts = any("compressed with loss" in doubt for doubt in listed["doubts"])
    bound = LOSSY * slope if is_lossy else 0
    good = got.shape[0] == 2 and worst <= bound and doubts == is_lossy
    print(f"{'equal ' if good else 'FAILED'} {path.name}: differs by {worst:g} of at most {bound:g} HU"
          f"{', lossy' if doubts else ''}")
    return good


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    program, data = sys.argv[1], pathlib.Path(sys.argv[2]) / "dicom_transfer_syntaxes"
    if not data.is_dir():
        print(f"skipped: {data.name} is not there")
        return 77
    warnings.simplefilter("ignore")
    paths = sorted(data.glob("CTImage.dcm*")) + sorted(data.glob("CT?_J2KR"))
    original = expected(data / "CTImage.dcm")
    with tempfile.TemporaryDirectory() as scratch:
        results = [check(program, path, original, pathlib.Path(scratch)) for path in paths]
    print(f"{sum(results)} of {len(results)} files as expected")
    return 0 if results and all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
