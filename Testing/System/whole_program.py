# SPDX-License-Identifier: Apache-2.0
"""What tests of the whole program share. ONCOTOME_BIN names the folder of the programs, ONCOTOME_DATA the shared data;
with ONCOTOME_REQUIRE_DATA set, absent data fails instead of skipping.
"""
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import numpy as np
import pydicom
import SimpleITK as sitk

BIN = pathlib.Path(os.environ["ONCOTOME_BIN"])
DATA = pathlib.Path(os.environ["ONCOTOME_DATA"])
ROOT = pathlib.Path(__file__).resolve().parents[2]
DEMO_MODEL = ROOT / "Data" / "Models" / "demo-brain-phantom"


def run(program, *arguments, **options):
    return subprocess.run([BIN / program, *map(str, arguments)], capture_output=True, text=True, **options)


def done(program, *arguments, **options):
    result = run(program, *arguments, **options)
    if result.returncode != 0:
        raise AssertionError(f"{program} {arguments[0]} ended with {result.returncode}: {result.stderr}")
    return result.stdout


def labels_of(folder):
    return sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "segmentation.seg.nrrd")))


def probabilities_of(folder):
    """By the name of the segment, 0 to 255, on the grid of the labels."""
    seg = pydicom.dcmread(folder / "probabilities.dcm")
    image = sitk.ReadImage(str(folder / "segmentation.seg.nrrd"))
    names = {s.SegmentNumber: s.SegmentLabel for s in seg.SegmentSequence}
    values = {name: np.zeros(image.GetSize()[::-1], int) for name in names.values()}
    for frame, pixels in zip(seg.PerFrameFunctionalGroupsSequence, seg.pixel_array):
        place = [float(v) for v in frame.PlanePositionSequence[0].ImagePositionPatient]
        name = names[frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber]
        values[name][image.TransformPhysicalPointToIndex(place)[2]] = pixels
    return values


def dice(a, b):
    return 2 * np.logical_and(a, b).sum() / (a.sum() + b.sum())


def check_objects(*folders):
    result = subprocess.run([sys.executable, "-W", "ignore", ROOT / "Testing/Golden/check_objects.py", *folders],
                            capture_output=True, text=True)
    if result.returncode != 0:
        raise AssertionError(result.stdout + result.stderr)


def need(name):
    if not (DATA / name).exists():
        if os.environ.get("ONCOTOME_REQUIRE_DATA"):
            raise AssertionError(f"the shared data lacks {name}")
        raise unittest.SkipTest(f"needs the shared data: {name}")
    return DATA / name


class WithFolder(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.holder = tempfile.TemporaryDirectory(prefix="oncotome-test-")
        cls.folder = pathlib.Path(cls.holder.name)

    @classmethod
    def tearDownClass(cls):
        cls.holder.cleanup()


def main():
    """Runs the tests of the script; 77 when all were skipped."""
    outcome = unittest.main(verbosity=2, exit=False).result
    sys.exit(77 if outcome.testsRun <= len(outcome.skipped) and outcome.wasSuccessful() else not outcome.wasSuccessful())
