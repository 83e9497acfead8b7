# SPDX-License-Identifier: Apache-2.0
"""What the Python package refuses and how, and what it meets in a process that has a life of its own."""
import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import threading
import unittest

import itk
import numpy as np
import SimpleITK as sitk

import oncotome
from oncotome._error import from_program
from package_tests import WithFolder

MODEL = "brain-mass-t1c"
SLICES = np.zeros((2, 32, 32), np.float32)
SECRET = "Doe^Jane"


def segment(image, **options):
    return oncotome.segment(image, MODEL, threads=1, **options)


class Arguments(WithFolder):
    def test_what_is_wrong_is_told_in_one_line_without_a_path(self):
        secret = self.folder / SECRET
        secret.mkdir(exist_ok=True)
        image = secret / "image.nrrd"
        sitk.WriteImage(sitk.GetImageFromArray(SLICES), str(image))
        wide = secret / "wide.nii.gz"
        sitk.WriteImage(sitk.GetImageFromArray(np.zeros((2, 2, 32, 32), np.float32)), str(wide))
        unread = itk.ImageFileReader[itk.Image[itk.F, 3]].New(FileName=str(secret / "absent.nrrd"))
        complex_image = itk.Image[itk.complex[itk.F], 3].New(Regions=[4, 4, 2])
        complex_image.Allocate()
        result = segment(SLICES)
        cases = [
            (TypeError, "threads is a whole number, not str", lambda: oncotome.segment(image, MODEL, threads="2")),
            (oncotome.Error, "threads is a whole number from 0 to 4096", lambda: oncotome.segment(image, MODEL, threads=-1)),
            (oncotome.Error, "seed is a whole number from 0", lambda: segment(image, seed=2**64)),
            (TypeError, "seed is a whole number, not float", lambda: segment(image, seed=1.5)),
            (TypeError, "device is one line of text", lambda: segment(image, device=None)),
            (oncotome.Error, "must be auto, cpu or cuda", lambda: segment(image, device="gpu")),
            (TypeError, "progress is a function", lambda: segment(image, progress=3)),
            (TypeError, "name of a channel is one line", lambda: segment({1: image})),
            (TypeError, "name of a channel is one line", lambda: segment({f"{SECRET}\n": image})),
            (ValueError, "spacing is three numbers", lambda: segment(SLICES, spacing=(1, 1))),
            (ValueError, "spacing is three numbers", lambda: segment(SLICES, spacing="abc")),
            (oncotome.Error, "of 0.0001 to 1000", lambda: segment(SLICES, spacing=(1e300,) * 3)),
            (oncotome.Error, "at most 1000000", lambda: segment(SLICES, origin=(np.nan, 0, 0))),
            (ValueError, "three rows of three numbers", lambda: segment(SLICES, direction=(1, 0, 0, 1))),
            (ValueError, "one of several under one path", lambda: segment(SLICES, study="1.2")),
            (oncotome.Error, "an image has no voxels", lambda: segment(np.zeros((3, 0, 64), np.float32))),
            (oncotome.Error, "an image has no voxels", lambda: segment(sitk.Image([0, 0, 0], sitk.sitkFloat32))),
            (ValueError, "a path is empty", lambda: segment({"T1ce": ""})),
            (ValueError, "a path is empty", lambda: segment(SLICES, mask="")),
            (ValueError, "a path is empty", lambda: oncotome.classify("", MODEL)),
            (ValueError, "zero byte", lambda: result.write(f"{secret}/a\0b.nrrd")),
            (oncotome.Error, "is no file; choose another", lambda: result.write(secret / ".." / SECRET)),
            (oncotome.Error, "output must end in", lambda: result.write(secret / "labels.jpg")),
            (oncotome.Error, "an image has no voxels", lambda: oncotome.segment({c: SLICES for c in ("FLAIR", "T1", "T1ce", "T2")},
                                                                              "demo-brain-phantom", mask=np.zeros((0, 3, 3)))),
            (TypeError, "an image holds real numbers, not complex64", lambda: segment(SLICES.astype(np.complex64))),
            (TypeError, "an image holds real numbers, not object", lambda: oncotome.classify(np.zeros((4, 4), object), MODEL)),
            (TypeError, "no masked array", lambda: segment(np.ma.masked_equal(SLICES, 0))),
            (TypeError, "no label map", lambda: segment(sitk.Image([3, 3, 3], sitk.sitkLabelUInt8))),
            (oncotome.Error, "its Update() to see why", lambda: segment(unread.GetOutput())),
            (TypeError, "no voxels that are real numbers", lambda: segment(itk.Image[itk.F, 3].New())),
            (TypeError, "no voxels that are real numbers", lambda: segment(complex_image)),
            (oncotome.Error, "several values per voxel", lambda: segment(wide)),
            (oncotome.Error, "no such model; those that come with oncotome are brain-mass-t1c", lambda: oncotome.segment(image, "x" * 5000)),
            (TypeError, "a path is text", lambda: oncotome.segment(image, b"brain-mass-t1c")),
            (TypeError, "", lambda: oncotome.Model(None)),
        ]
        for kind, message, call in cases:
            with self.subTest(message), self.assertRaises(kind) as caught:
                call()
            text = str(caught.exception)
            self.assertIn(message, text)
            self.assertNotIn("\n", text)
            self.assertNotIn(SECRET, text)

    def test_options_of_the_program_are_told_as_arguments(self):
        error = from_program("choose --device cpu; choose one with --study UID; name it with --input T1=PATH; name one with "
                                "--configuration, or its folder; series --x--", "usage", 2)
        self.assertEqual(str(error), 'choose device="cpu"; choose one with study="UID"; name it with {"T1": PATH}; name one '
                                     'by its folder; series --x--')

    def test_one_file_is_the_only_channel(self):
        path = self.folder / "one.nrrd"
        sitk.WriteImage(sitk.GetImageFromArray(SLICES), str(path))
        self.assertEqual(segment(path).labels.shape, SLICES.shape)

    @unittest.skipIf(sys.getfilesystemencoding() != "utf-8", "needs names of bytes")
    def test_names_that_are_no_utf_8_are_read_and_written(self):
        folder = os.fsdecode(os.fsencode(self.folder) + b"/\xff\xe4")
        os.mkdir(folder)
        sitk.WriteImage(sitk.GetImageFromArray(SLICES), str(self.folder / "plain.nrrd"))
        shutil.copy(self.folder / "plain.nrrd", folder + "/in.nrrd")
        segment(folder + "/in.nrrd").write(folder + "/out.nii.gz")
        self.assertTrue(os.path.exists(folder + "/out.nii.gz"))

    def test_segments_have_names_however_the_ending_is_spelled(self):
        segment(SLICES).write(self.folder / "labels.Seg.nrrd")
        self.assertEqual(sitk.ReadImage(str(self.folder / "labels.Seg.nrrd")).GetMetaData("Segment0_Name"), "Tumor")

    def test_false_of_numpy_stops_too(self):
        limit = np.float64(0.3)
        with self.assertRaises(oncotome.Error) as caught:
            segment(SLICES, progress=lambda fraction, what: fraction < limit)
        self.assertEqual(caught.exception.code, "cancelled")

    def test_an_archive_of_a_models_folder_is_a_model_and_a_folder_of_its_name_hides_none(self):
        source = pathlib.Path(oncotome.__file__).parent / "models"
        archive = shutil.make_archive(str(self.folder / "archive"), "zip", source, MODEL)
        self.assertEqual(oncotome.Model(archive).name, MODEL)
        self.assertEqual(oncotome.segment(SLICES, archive, threads=1).model.name, MODEL)
        (self.folder / MODEL).mkdir()
        with contextlib.chdir(self.folder):
            self.assertEqual(segment(SLICES).model.name, MODEL)
        self.assertIn(f"name='{MODEL}'", repr(oncotome.models()[MODEL]))

    def test_a_buffer_that_is_let_go_of_is_still_read(self):
        slices = np.zeros((6, 512, 512), np.float32)  # So many bytes go back to the system.
        slices[:, 96:416, 96:416], slices[:, 240:280, 240:280] = 100, 200
        sitk.WriteImage(sitk.GetImageFromArray(slices), str(self.folder / "freed.nrrd"))
        reader = itk.ImageFileReader[itk.Image[itk.F, 3]].New(FileName=str(self.folder / "freed.nrrd"))
        found = segment(reader.GetOutput(), progress=lambda fraction, what: reader.GetOutput().Initialize())
        expected = segment(slices)
        np.testing.assert_array_equal(found.labels, expected.labels)
        self.assertEqual(found.doubts, expected.doubts)

    def test_two_threads_write_to_one_place(self):
        """Whoever reads finds one of the two, whole."""
        results = [segment(SLICES), segment(SLICES)]
        noise = np.random.default_rng(0).integers(0, 2, SLICES.shape)
        results[1].labels[:] = noise
        path = self.folder / "shared.nrrd"
        results[0].write(path)
        failed = []

        def write(result):
            try:
                for _ in range(40):
                    result.write(path)
            except Exception as error:  # Told below.
                failed.append(error)

        threads = [threading.Thread(target=write, args=(result,)) for result in results]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            read = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
            self.assertTrue((read == 0).all() or (read == noise).all())
        self.assertEqual(failed, [])

    def test_python_ends_while_a_daemon_thread_computes(self):
        """Also what it asks for from within, in its progress."""
        code = ("import threading, time, numpy, oncotome\n"
                "picture, started = numpy.zeros((64, 64)), threading.Event()\n"
                "def classify(progress):\n"
                f"    oncotome.classify(picture, {MODEL!r}, threads=1, progress=progress)\n"
                "def work():\n"
                "    while True:\n"
                "        classify(lambda *_: classify(None))\n"
                "        started.set()\n"
                "for _ in range(2):\n"
                "    threading.Thread(target=work, daemon=True).start()\n"
                "started.wait()\n")
        for _ in range(3):
            ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
            self.assertEqual((ended.returncode, ended.stderr), (0, ""))


if __name__ == "__main__":
    unittest.main()
