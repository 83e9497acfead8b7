# SPDX-License-Identifier: Apache-2.0
"""Studies in Python against the program, SimpleITK and itk."""
import concurrent.futures
import contextlib
import io
import json
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import time
import unittest

import itk
import numpy as np
import SimpleITK as sitk

import oncotome
from package_tests import array_of, BIN, CHANNELS, done, MODEL, need, ROOT, WithFolder

# A turn about x, then about z.
OBLIQUE = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1]]) @ np.array([[1, 0, 0], [0, 0.96, -0.28], [0, 0.28, 0.96]])


class Phantom(WithFolder):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for kind in ("nrrd", "dicom"):
            done(BIN / "oncotome-phantom", "--seed", 9001, "--tumors", 2, "--format", kind, "--output", cls.folder / kind)
        cls.study = cls.folder / "dicom" / "study"
        cls.paths = {channel: cls.folder / "nrrd" / f"{stem}.nrrd" for channel, stem in CHANNELS.items()}
        cls.sitk = {channel: sitk.ReadImage(str(path), sitk.sitkFloat32) for channel, path in cls.paths.items()}
        cls.arrays = {channel: sitk.GetArrayFromImage(image) for channel, image in cls.sitk.items()}
        first = cls.sitk["FLAIR"]
        cls.geometry = {"spacing": first.GetSpacing(), "origin": first.GetOrigin(),
                        "direction": np.reshape(first.GetDirection(), (3, 3))}
        cls.expected = cls.program("expected", ROOT / "Data/Models" / MODEL,
                                   *(part for channel, path in cls.paths.items() for part in ("--input", f"{channel}={path}")))

    def test_a_dicom_study_gives_what_the_program_finds(self):
        expected = self.program("study", ROOT / "Data/Models" / MODEL, self.study)
        self.same(oncotome.segment(self.study, MODEL), *expected)
        archive = shutil.make_archive(str(self.folder / "archive"), "zip", self.study)
        told = []  # a progress of unpacking, looking, reading, loading and finding, which only rises
        found = oncotome.segment(archive, ROOT / "Data/Models" / MODEL, device="cpu", threads=1, progress=lambda *what: told.append(what))
        self.same(found, *expected)
        self.assertEqual([fraction for fraction, _ in told], sorted(fraction for fraction, _ in told))
        self.assertLessEqual({"unpack", "scan", "read", "load model", "segment", "measure"}, {what for _, what in told})
        self.assertEqual(found.model.title, oncotome.models()[MODEL].title)

    def test_arrays_images_and_paths_give_what_the_program_finds(self):
        images = {channel: itk.imread(str(path), itk.F) for channel, path in self.paths.items()}
        for kind, image, geometry in [
                ("arrays", self.arrays, self.geometry), ("SimpleITK", self.sitk, {}), ("itk", images, {}), ("paths", self.paths, {}),
                ("doubles", {channel: array.astype(float) for channel, array in self.arrays.items()}, self.geometry),
                ("mixed", {**self.sitk, "T1": self.paths["T1"], "FLAIR": self.paths["FLAIR"], "T2": images["T2"]}, {})]:
            with self.subTest(kind):
                self.same(oncotome.segment(image, MODEL, **geometry), *self.expected)

    def test_a_mask_is_what_the_program_takes(self):
        """A background that is not 0, and the mask of what it is not."""
        mask = sitk.Cast(self.sitk["FLAIR"] > 0, sitk.sitkUInt8)
        path = self.folder / "mask.nii.gz"
        sitk.WriteImage(mask, str(path))
        shifted = {channel: self.folder / f"shifted-{channel}.nrrd" for channel in CHANNELS}
        for channel, image in self.sitk.items():
            sitk.WriteImage(image + 7, str(shifted[channel]))
        expected = self.program("masked", ROOT / "Data/Models" / MODEL, "--mask", path,
                                *(part for channel, place in shifted.items() for part in ("--input", f"{channel}={place}")))
        for given in (path, mask, itk.imread(str(path))):
            self.same(oncotome.segment(shifted, MODEL, mask=given), *expected)
        self.same(oncotome.segment(shifted, MODEL, mask=sitk.GetArrayFromImage(mask) * 3, **self.geometry), *expected)
        with self.assertRaises(oncotome.Error) as caught:
            oncotome.segment(shifted, MODEL, mask=self.folder / "absent.nrrd")
        self.assertEqual((caught.exception.code, str(caught.exception)[:9]), ("input.not_found", "the mask:"))

    def test_channels_are_registered_and_evened_out_as_by_the_program(self):
        model = self.folder / "conditioned"
        shutil.copytree(ROOT / "Data/Models" / MODEL, model)
        package = json.loads((model / "model.json").read_text())
        package["preparation"] = [{"step": "register", "tolerance_mm": 1}, {"step": "bias_field"}, *package["preparation"]]
        (model / "model.json").write_text(json.dumps(package))
        moved = sitk.Image(self.sitk["T2"])
        moved.SetOrigin(np.add(moved.GetOrigin(), (4, -3, 2)))
        sitk.WriteImage(moved, str(self.folder / "moved.nrrd"))
        paths = {**self.paths, "T2": self.folder / "moved.nrrd"}
        expected = self.program("registered", model, *(part for channel, path in paths.items() for part in ("--input", f"{channel}={path}")))
        before = sitk.GetArrayFromImage(moved)
        for images in (paths, {**self.sitk, "T2": moved}):
            found = oncotome.segment(images, model)
            self.same(found, *expected)
            self.assertEqual(list(found.corrections), expected[1]["corrections"])
            self.assertTrue(any("T2 was registered" in text for text in found.corrections), found.corrections)
        np.testing.assert_array_equal(sitk.GetArrayFromImage(moved), before)

    def test_a_model_is_loaded_once_for_many_calls(self):
        shutil.make_archive(str(self.folder / "once"), "zip", ROOT / "Data/Models" / MODEL)
        loaded = oncotome.load(self.folder / "once.zip", threads=1)
        (self.folder / "once.zip").unlink()
        self.assertEqual(loaded.model.name, "demo-brain-phantom")
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            for found in pool.map(lambda _: oncotome.segment(self.arrays, loaded, **self.geometry), range(2)):
                self.same(found, *self.expected)
        with self.assertRaises(ValueError):
            oncotome.segment(self.arrays, loaded, threads=2)

    def test_an_itk_pipeline_is_brought_up_to_date_and_its_region_counts(self):
        readers = [itk.ImageFileReader[itk.Image[itk.F, 3]].New(FileName=str(path)) for path in self.paths.values()]
        found = oncotome.segment({c: reader.GetOutput() for c, reader in zip(self.paths, readers)}, MODEL)
        self.same(found, *self.expected)
        # What is cut off in front must not move the rest.
        size = self.sitk["T1"].GetSize()
        region = itk.ImageRegion[3]([0, 0, 3], [size[0], size[1], size[2] - 3])
        cut = {}
        for channel, reader in zip(self.paths, readers):
            extract = itk.ExtractImageFilter.New(reader.GetOutput(), ExtractionRegion=region)
            extract.SetDirectionCollapseToIdentity()
            extract.Update()
            cut[channel] = extract.GetOutput()
        found = oncotome.segment(cut, MODEL)
        self.assertEqual(found.labels.shape[0], self.arrays["T1"].shape[0] - 3)
        np.testing.assert_allclose(found.origin, self.sitk["T1"].TransformIndexToPhysicalPoint((0, 0, 3)), atol=1e-4)

    def test_geometry_goes_round_by_simpleitk_itk_and_files(self):
        geometry = {"spacing": self.geometry["spacing"], "origin": (-31.5, 12.25, 107.0), "direction": OBLIQUE}
        found = oncotome.segment(self.arrays, MODEL, **geometry)
        np.testing.assert_array_equal(found.labels, sitk.GetArrayViewFromImage(self.expected[0]))
        by_sitk = found.to_sitk()
        found.write(self.folder / "oblique.nrrd")
        found.write(self.folder / "oblique.seg.nrrd")
        found.write(str(self.folder / "oblique.nii.gz"))
        by_itk = found.to_itk()
        itk.imwrite(by_itk, str(self.folder / "by-itk.nrrd"))
        images = [by_sitk, *(sitk.ReadImage(str(self.folder / name))
                             for name in ("oblique.nrrd", "oblique.seg.nrrd", "oblique.nii.gz", "by-itk.nrrd"))]
        corner = np.array([i - 1 for i in by_sitk.GetSize()])
        last = np.array(geometry["origin"]) + OBLIQUE @ (np.array(geometry["spacing"]) * corner)
        np.testing.assert_allclose(list(by_itk.TransformIndexToPhysicalPoint([int(i) for i in corner])), last, atol=1e-3)
        for image in images:
            np.testing.assert_array_equal(sitk.GetArrayViewFromImage(image), found.labels)
            np.testing.assert_allclose(image.TransformIndexToPhysicalPoint(corner.tolist()), last, atol=1e-3)
        again = oncotome.segment(self.turned(), MODEL)
        np.testing.assert_allclose(again.direction, OBLIQUE, atol=1e-6)
        np.testing.assert_array_equal(again.labels, found.labels)
        segments = images[2]
        self.assertEqual([segments.GetMetaData(f"Segment{i}_Name") for i in range(len(found.names))], list(found.names.values()))

    def turned(self):
        images = {}
        for channel, array in self.arrays.items():
            images[channel] = itk.image_from_array(array)
            images[channel].SetSpacing(self.geometry["spacing"])
            images[channel].SetDirection(itk.matrix_from_array(OBLIQUE))
        return images

    def test_float32_is_read_in_place_and_labels_are_the_engines_memory(self):
        given = {channel: np.zeros_like(array) for channel, array in self.arrays.items()}

        def fill(fraction, what):
            if what == "load model":
                for channel, array in self.arrays.items():
                    given[channel][:] = array

        found = oncotome.segment(given, MODEL, progress=fill, **self.geometry)
        self.same(found, *self.expected)  # it saw what was filled in after the call
        self.assertFalse(found.labels.flags.owndata)
        self.assertTrue(found.labels.flags.writeable and found.labels.flags.c_contiguous)
        found.labels[:] = 7
        found.write(self.folder / "changed.nrrd")
        self.assertTrue((array_of(self.folder / "changed.nrrd") == 7).all())
        view = itk.array_view_from_image(found.to_itk())
        self.assertTrue(np.shares_memory(view, found.labels))
        labels = found.labels
        del found, view
        self.assertTrue((labels == 7).all())  # which lives as long as the array

    def test_progress_rises_to_one_and_other_threads_run_meanwhile(self):
        told, ticks, results = [], [], []
        stop = threading.Event()

        def tick():
            while not stop.wait(0.005):
                ticks.append(time.monotonic())

        ticking = threading.Thread(target=tick)
        # A second one at the same time, in its own thread.
        other = threading.Thread(target=lambda: results.append(oncotome.segment(self.arrays, MODEL, threads=1, **self.geometry)))
        ticking.start()
        other.start()
        begin = time.monotonic()
        found = oncotome.segment(self.arrays, MODEL, progress=lambda *what: told.append(what), **self.geometry)
        end = time.monotonic()
        other.join()
        stop.set()
        ticking.join()
        self.same(found, *self.expected)
        self.same(results[0], *self.expected)
        fractions = [fraction for fraction, _ in told]
        self.assertEqual(fractions, sorted(fractions))
        self.assertTrue(0 <= fractions[0] < 0.1 and fractions[-1] == 1)
        self.assertLessEqual({"load model", "segment", "measure"}, {what for _, what in told})
        during = [t for t in ticks if begin < t < end]
        self.assertGreater(len(during), 20)

    def test_progress_that_raises_or_returns_false_stops_within_one_tile(self):
        class Enough(Exception):
            pass

        for answer, expected in [(Enough("of it"), Enough), (False, oncotome.Error)]:
            told = []

            def progress(fraction, what):
                told.append(what)
                if what != "segment":
                    return None
                if answer is False:
                    return answer
                raise answer

            with self.assertRaises(expected) as caught:
                oncotome.segment(self.arrays, MODEL, progress=progress, **self.geometry)
            self.assertEqual(told.count("segment"), 1)
            self.assertEqual(told[-1], "segment")
            if answer is False:
                self.assertEqual((caught.exception.code, caught.exception.exit_code), ("cancelled", 130))

    def test_ctrl_c_stops_within_one_tile(self):
        code = ("import sys, oncotome\n"
                "images = dict(a.split('=', 1) for a in sys.argv[2:])\n"
                "oncotome.segment(images, sys.argv[1], threads=1, progress=lambda f, what: print(what, flush=True))")
        with subprocess.Popen([sys.executable, "-c", code, MODEL, *(f"{c}={p}" for c, p in self.paths.items())],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            while process.stdout.readline().strip() != "segment":
                pass
            process.send_signal(signal.SIGINT)
            rest, errors = process.communicate()
        self.assertIn("KeyboardInterrupt", errors)
        self.assertEqual(process.returncode, -signal.SIGINT)
        self.assertLessEqual(len(rest.splitlines()), 2)

    def test_the_example_pipeline_gives_the_labels_of_the_program(self):
        script = ROOT / "Examples" / "Pipeline" / "pipeline.py"
        images = [f"{channel}={path}" for channel, path in self.paths.items()]
        out = done(sys.executable, script, MODEL, self.folder / "labels.nrrd", *images)
        self.assertGreater(len(out.splitlines()), 3)
        found = sitk.ReadImage(str(self.folder / "labels.nrrd"))
        np.testing.assert_array_equal(sitk.GetArrayViewFromImage(found), sitk.GetArrayViewFromImage(self.expected[0]))
        np.testing.assert_allclose(found.GetOrigin(), self.expected[0].GetOrigin(), atol=1e-4)
        # An interrupt: the tile that runs is finished, the next is not begun, and nothing is written.
        with subprocess.Popen([sys.executable, script, MODEL, self.folder / "none.nrrd", *images], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True) as process:
            while not process.stdout.readline().endswith("segment\n"):
                pass
            process.send_signal(signal.SIGINT)
            rest, errors = process.communicate()
        self.assertEqual((process.returncode, errors), (130, "stopped\n"))
        self.assertLessEqual(len(rest.splitlines()), 2)
        self.assertFalse((self.folder / "none.nrrd").exists())

    def test_the_code_in_the_readme_runs(self):
        section = (ROOT / "README.md").read_text().split("## In Python\n")[1].split("\n## ")[0]
        first, pipeline = [block.split("```")[0] for block in section.split("```python\n")[1:]]
        with contextlib.chdir(self.folder), contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(first.replace('"STUDY"', repr(str(self.study))), {})
            self.assertEqual(len(printed.getvalue().splitlines()), 2)
            names = {"itk": itk, "oncotome": oncotome, "paths": self.paths, "model": MODEL, "limit": 2}
            exec(pipeline, names)
            self.same(names["found"], *self.expected)
            with self.assertRaises(oncotome.Error) as caught:
                exec(pipeline, {**names, "limit": 0.5})
        self.assertEqual(caught.exception.code, "cancelled")
        self.assertGreater(array_of(self.folder / "tumor.seg.nrrd").sum(), 100)
        np.testing.assert_array_equal(array_of(self.folder / "labels.nrrd"), sitk.GetArrayViewFromImage(self.expected[0]))

    def test_errors_have_codes_and_name_no_path(self):
        secret = self.folder / "Doe^Jane"
        secret.mkdir()
        (secret / "damaged.nrrd").write_bytes(b"NRRD0004\n")
        array = self.arrays["T1"]
        for image, model, options, code, exit_code in [
                (secret / "absent", MODEL, {}, "input.not_found", 10),
                (secret, MODEL, {}, "channel.missing", 41),
                ({channel: secret / "damaged.nrrd" for channel in CHANNELS}, MODEL, {}, "input.unreadable", 11),
                (array, MODEL, {}, "channel.missing", 41),
                ({"T1": array}, MODEL, {}, "channel.missing", 41),
                ({"DWI": array}, MODEL, {}, "usage", 2),
                (self.arrays, "no-such-model", {}, "model.not_found", 50),
                (self.arrays, self.folder / "nrrd", {}, "model.not_found", 50),
                (self.arrays, "lung-nodule", {}, "usage", 2),
                (self.arrays, MODEL, {"spacing": (1, 0, 1)}, "usage", 2),
                (self.arrays, MODEL, {"origin": (np.nan, 0, 1)}, "usage", 2),
                (self.arrays, MODEL, {"direction": np.ones((3, 3))}, "usage", 2),
                (self.arrays, MODEL, {"device": "tpu"}, "usage", 2),
                (self.arrays, MODEL, {"precision": "f8"}, "usage", 2),
                (self.arrays, MODEL, {"threads": -1}, "usage", 2),
                ({channel: one * np.nan for channel, one in self.arrays.items()}, MODEL, {}, "precondition.unmet", 43)]:
            with self.subTest(code=code, options=options, model=str(model)), self.assertRaises(oncotome.Error) as caught:
                oncotome.segment(image, model, **options)
            error = caught.exception
            self.assertEqual((error.code, error.exit_code), (code, exit_code), str(error))
            self.assertNotIn("Doe", str(error))
            self.assertNotIn("\n", str(error))
            again = pickle.loads(pickle.dumps(error))
            self.assertEqual((str(again), again.code), (str(error), code))
        found = oncotome.segment(self.arrays, MODEL, **self.geometry)
        for path, code in [("labels.png", "usage"), ("none/labels.nrrd", "output.unwritable")]:
            with self.assertRaises(oncotome.Error) as caught:
                found.write(secret / path)
            self.assertEqual(caught.exception.code, code)
            self.assertNotIn("Doe", str(caught.exception))
        self.assertEqual([path.name for path in secret.iterdir()], ["damaged.nrrd"])
        for image, options, kind in [(3, {}, TypeError), (array.astype(complex), {}, TypeError), (array[0], {}, ValueError),
                                     (self.sitk["T1"], {"spacing": (1, 1, 1)}, ValueError), (self.study, {"origin": (0, 0, 0)}, ValueError)]:
            with self.subTest(kind), self.assertRaises(kind):
                oncotome.segment(image, MODEL, **options)


class Brain(WithFolder):
    """The imported brats17 cascade on a real brain."""

    def test_tcga_case_gives_what_the_program_finds(self):
        case = need("brain_tcga/TCGA-DU-7294")
        model = self.folder / "model"
        done(BIN / "oncotome", "models", "import", need("model_brats17_msnet"), "--output", model)
        paths = {name: case / f"TCGA-DU-7294_{stem}_bet.nii.gz"
                 for name, stem in (("FLAIR", "fla"), ("T1", "t1"), ("T1ce", "t1c"), ("T2", "t2"))}
        expected = self.program("result", model, *(part for name, path in paths.items() for part in ("--input", f"{name}={path}")))
        images = {name: itk.imread(str(path), itk.F) if name == "T1" else sitk.ReadImage(str(path)) for name, path in paths.items()}
        self.same(oncotome.segment(images, model), *expected)


if __name__ == "__main__":
    # A shell's background jobs ignore it, and so would the children.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    unittest.main()
