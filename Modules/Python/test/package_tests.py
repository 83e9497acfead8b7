# SPDX-License-Identifier: Apache-2.0
"""What the tests of the installed Python package share. ONCOTOME_BIN names the folder of the programs, ONCOTOME_DATA the shared data."""
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

import numpy as np
import SimpleITK as sitk

BIN = pathlib.Path(os.environ["ONCOTOME_BIN"])
DATA = pathlib.Path(os.environ["ONCOTOME_DATA"])
ROOT = pathlib.Path(__file__).resolve().parents[3]
MODEL = "demo-brain-phantom"
CHANNELS = {"FLAIR": "flair", "T1": "t1", "T1ce": "t1ce", "T2": "t2"}


def done(*command, **options):
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True, **options)
    if result.returncode != 0:
        raise AssertionError(f"{command[0]} ended with {result.returncode}:\n{result.stdout[-4000:]}{result.stderr[-4000:]}")
    return result.stdout


def array_of(path):
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


class WithFolder(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(temporary.cleanup)
        cls.folder = pathlib.Path(temporary.name)

    @classmethod
    def program(cls, name, model, *inputs):
        """Labels and report of `oncotome segment`."""
        place = cls.folder / name
        done(BIN / "oncotome", "segment", *inputs, "--model", model, "--output", place, "--formats", "nrrd", "--quiet")
        return sitk.ReadImage(str(place / "segmentation.seg.nrrd")), json.loads((place / "report.json").read_text())

    def same(self, found, expected, report):
        self.assertGreater(found.labels.sum(), 100)
        np.testing.assert_array_equal(found.labels, sitk.GetArrayViewFromImage(expected))
        np.testing.assert_allclose(found.spacing, expected.GetSpacing())
        np.testing.assert_allclose(found.origin, expected.GetOrigin(), atol=1e-4)
        np.testing.assert_allclose(np.ravel(found.direction), expected.GetDirection(), atol=1e-6)
        self.assertEqual(found.names, {row["value"]: row["name"] for row in report["labels"]})
        self.assertEqual(len(found.lesions), len(report["lesions"]))
        for lesion, row in zip(found.lesions, report["lesions"]):
            self.assertEqual((lesion.id, lesion.voxel_count, lesion.key_slice), (row["id"], row["voxel_count"], row["key_slice"]))
            for name in ("volume_mm3", "mesh_volume_mm3", "surface_area_mm2", "sphericity", "longest_diameter_mm",
                         "longest_axial_diameter_mm"):
                self.assertAlmostEqual(getattr(lesion, name), row[name], delta=1e-4 * row[name], msg=name)
            np.testing.assert_allclose(lesion.centroid_mm, row["centroid_mm"], atol=1e-2)
            self.assertEqual((found.lesion_ids == lesion.id).sum(), lesion.voxel_count)


def need(path):
    """Shared data, or the test is skipped; with ONCOTOME_REQUIRE_DATA set it fails."""
    if not (DATA / path).exists():
        if os.environ.get("ONCOTOME_REQUIRE_DATA"):
            raise AssertionError("the shared data are missing")
        raise unittest.SkipTest("the shared data are missing")
    return DATA / path
