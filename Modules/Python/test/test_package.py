# SPDX-License-Identifier: Apache-2.0
"""The installed Python package: what comes with it, and pictures against the program."""
import csv
import doctest
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import numpy as np
import SimpleITK as sitk

import oncotome
from package_tests import array_of, BIN, CHANNELS, done, MODEL, need, ROOT, WithFolder


class Package(unittest.TestCase):
    def test_the_docstring_example_runs(self):
        self.assertEqual(doctest.testmod(oncotome, verbose=False), (0, 5))

    def test_the_models_of_the_project_come_with_it(self):
        known = oncotome.models()
        self.assertEqual(set(known), {folder.name for folder in (ROOT / "Data" / "Models").iterdir() if folder.is_dir()})
        self.assertEqual(known[MODEL].channels, tuple(CHANNELS))
        self.assertEqual(known["brain-mass-t1c"].labels, {1: "Tumor"})
        for name, model in known.items():
            self.assertEqual(json.loads((ROOT / "Data/Models" / name / "model.json").read_text())["title"], model.title)

    def test_nothing_but_the_package_and_the_system_is_loaded(self):
        folder = pathlib.Path(oncotome.__file__).resolve().parent
        code = "import oncotome; print(open('/proc/self/maps').read())"
        maps = done(sys.executable, "-c", code, env={**os.environ, "LD_LIBRARY_PATH": str(BIN.parent / "lib")})
        loaded = {line.split()[-1] for line in maps.splitlines() if ".so" in line}
        ours = [path for path in loaded if "oncotome" in pathlib.Path(path).name]
        self.assertEqual(len(ours), 2)
        for path in ours:
            self.assertEqual(pathlib.Path(path).parent, folder)
        self.assertFalse([path for path in loaded if "libtorch" in path or "libvtk" in path])

    def test_types_are_told_and_right(self):
        with tempfile.TemporaryDirectory() as name:
            script = pathlib.Path(name) / "client.py"
            script.write_text("import numpy as np\nimport oncotome\n\n"
                              "found = oncotome.segment({'T1': np.zeros((2, 3, 4), np.float32)}, 'model', progress=print)\n"
                              "reveal_type(found.lesions[0].volume_mm3)\nreveal_type(found.spacing)\n"
                              "found.labels[0] = 1\nfound.write('labels.nrrd')\noncotome.segment('a', 'b', threads='many')\n")
            told = subprocess.run([sys.executable, "-m", "mypy", "--strict", "--no-error-summary", script], capture_output=True, text=True).stdout
            lines = [line.split(":", 2)[1:] for line in told.splitlines()]
            self.assertEqual([number for number, _ in lines], ["5", "6", "9"], told)
            self.assertIn('"float"', lines[0][1])
            self.assertIn("arg-type", lines[2][1])
            done(sys.executable, "-m", "mypy", "--strict", "-p", "oncotome", "--no-error-summary")
            # What pybind11 makes of every class, and libraries that are no modules.
            allowed = pathlib.Path(name) / "allowed"
            allowed.write_text(r"oncotome\._core\.[A-Z]\w+(\.__init__)?" "\n" r"oncotome\.lib\w+" "\n")
            done(sys.executable, "-m", "mypy.stubtest", "oncotome", "--concise", "--allowlist", allowed)


class Pictures(WithFolder):
    def test_pictures_get_the_classes_and_masks_of_the_program(self):
        images = need("brain_t1c_cheng") / "images"
        (self.folder / "in").mkdir()
        for kind in images.iterdir():
            shutil.copy(min(kind.glob("*.jpg")), self.folder / "in" / f"{kind.name}.jpg")
        model = ROOT / "Data" / "Models" / "brain-mass-t1c"
        done(BIN / "oncotome", "segment", self.folder / "in", "--model", model, "--output", self.folder / "out", "--quiet")
        with open(self.folder / "out" / "predictions.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        self.assertGreater(sum(not row["refused"] for row in rows), 1)
        for row in rows:
            path = self.folder / "in" / row["path"]
            told = []
            pixels = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
            for given in (path, pixels, np.float32(pixels)):
                found = oncotome.classify(given, "brain-mass-t1c", progress=lambda *what: told.append(what))
                self.assertEqual((found.best or "", found.refusal), (row["class"], row["refused"]))
                for name, probability in found.probabilities.items():
                    if not found.refusal:
                        self.assertAlmostEqual(probability, float(row[f"p_{name}"]), delta=1e-4)
                mask = array_of(self.folder / "out" / "masks" / row["path"].replace(".jpg", ".png"))
                if not found.refusal:
                    np.testing.assert_array_equal(found.labels > 0, mask > 0)
            self.assertEqual(told[-1], (1.0, "classify"))
        for image, model, code in [(self.folder / "in", "brain-mass-t1c", "input.ambiguous"), (pixels, MODEL, "usage"),
                                   (np.zeros((8, 8, 2)), "brain-mass-t1c", "usage"), (pixels, "no-such-model", "model.not_found")]:
            with self.assertRaises(oncotome.Error) as caught:
                oncotome.classify(image, model)
            self.assertEqual(caught.exception.code, code)


if __name__ == "__main__":
    unittest.main()
