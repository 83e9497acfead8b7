#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What is installed works at another place: test_installed.py BUILD_TREE. Builds the example pipeline and the ITK module there."""
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import unittest

import SimpleITK as sitk

from whole_program import ROOT, done, main

BUILD = pathlib.Path(sys.argv.pop(1))
# One place for all runs, so that a compiler cache knows the commands again.
PLACE = BUILD / "Testing" / "installed"
PREFIX = PLACE / "moved"
CHANNELS = ["FLAIR", "T1", "T1ce", "T2"]


def call(*command, **options):
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True, **options)
    if result.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))} ended with {result.returncode}:\n{result.stdout[-4000:]}{result.stderr[-4000:]}")
    return result.stdout


def configure(source, folder, *options):
    return call("cmake", "-S", source, "-B", folder, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", f"-DCMAKE_PREFIX_PATH={PREFIX}",
                *(["-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"] if shutil.which("ccache") else []), *options)


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        shutil.rmtree(PLACE, ignore_errors=True)
        for component in ["Engine", "ITK", "Data", "Dicom", "Render", "Torch"]:
            call("cmake", "--install", BUILD, "--prefix", PLACE / "first", "--component", component)
        (PLACE / "first").rename(PREFIX)
        done("oncotome-phantom", "--seed", "9001", "--tumors", "2", "--format", "nrrd", "--output", PLACE / "phantom")
        cls.images = [f"{c}={PLACE / 'phantom' / c.lower()}.nrrd" for c in CHANNELS]
        cls.model = PREFIX / "share/oncotome/Models/demo-brain-phantom"

    def test_nothing_installed_names_the_place_it_was_built_or_installed(self):
        named = []
        for path in (p for p in PREFIX.rglob("*") if p.is_file()):
            content = path.read_bytes()
            named += [f"{path.name}: {place}" for place in (PLACE / "first", BUILD / "lib") if str(place).encode() in content]
        self.assertEqual(named, [])

    def test_the_example_pipeline_gives_the_labels_of_the_program(self):
        folder = PLACE / "example"
        configure(ROOT / "Examples" / "Pipeline", folder)
        call("cmake", "--build", folder)
        program = folder / "pipeline"
        needed = call("ldd", program)
        self.assertIn(str(PREFIX / "lib" / "liboncotome_engine.so"), needed)

        out = call(program, self.model, PLACE / "labels.nrrd", *self.images)
        progress = [float(line.split()[1]) for line in out.splitlines()]
        self.assertGreater(len(progress), 3)
        self.assertEqual(progress, sorted(progress))
        done("oncotome", "segment", *(a for image in self.images for a in ("--input", image)), "--model", self.model,
             "--output", PLACE / "result", "--quiet")
        expected = sitk.ReadImage(str(PLACE / "result" / "segmentation.seg.nrrd"))
        found = sitk.ReadImage(str(PLACE / "labels.nrrd"))
        self.assertEqual(found.GetSize(), expected.GetSize())
        self.assertGreater(sitk.GetArrayViewFromImage(found).sum(), 100)
        self.assertTrue((sitk.GetArrayViewFromImage(found) == sitk.GetArrayViewFromImage(expected)).all())

        # An interrupt: the tile that runs is finished, the next is not begun, and nothing is written.
        with subprocess.Popen([program, self.model, PLACE / "none.nrrd", *self.images], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True) as process:
            process.stdout.readline()
            process.send_signal(signal.SIGINT)
            rest, errors = process.communicate()
        self.assertEqual((process.returncode, errors), (130, "stopped\n"))
        self.assertLessEqual(len(rest.splitlines()), 2)
        self.assertFalse((PLACE / "none.nrrd").exists())

    def test_another_version_and_an_unknown_component_are_refused(self):
        for request, why in [("9.9", "considered but not accepted"), ("0.1 COMPONENTS Sonar", "Sonar")]:
            source = PLACE / "refused" / why[:5]
            source.mkdir(parents=True)
            (source / "CMakeLists.txt").write_text("cmake_minimum_required(VERSION 3.20)\nproject(a CXX)\n"
                                                   f"find_package(Oncotome {request} REQUIRED)\n")
            with self.assertRaisesRegex(AssertionError, why):
                configure(source, source / "build")

    def test_every_component_links(self):
        source = PLACE / "components"
        source.mkdir()
        (source / "a.cpp").write_text('#include <iostream>\n#include "oncotome/dicom/scan.h"\n#include "oncotome/render/pictures.h"\n'
                                      "int main() { std::cout << oncotome::dicom::scan({\".\"}, oncotome::Job()).studies.size(); }\n")
        (source / "CMakeLists.txt").write_text(
            "cmake_minimum_required(VERSION 3.20)\nproject(a C CXX)\nset(CMAKE_CXX_STANDARD 17)\n"
            "find_package(Oncotome 0.1 REQUIRED COMPONENTS Dicom Render ITK Torch)\nadd_executable(a a.cpp)\n"
            "target_link_libraries(a PRIVATE Oncotome::dicom Oncotome::render Oncotome::filters)\n")
        configure(source, source / "build")
        call("cmake", "--build", source / "build")
        self.assertEqual(call(source / "build" / "a", cwd=PLACE / "phantom"), "0")

    def test_the_filters_build_by_themselves_as_an_itk_module(self):
        folder = PLACE / "module"
        options = [f"-DONCOTOME_SHARED_DATA={os.environ['ONCOTOME_DATA']}"]
        configure(ROOT / "Modules" / "ITK" / "OncotomeFilters", folder, *options)
        call("cmake", "--build", folder)
        self.assertIn("100% tests passed", call("ctest", "--test-dir", folder))


if __name__ == "__main__":
    main()
