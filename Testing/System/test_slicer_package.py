#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The archive for 3D Slicer: test_slicer_package.py BUILD_TREE. What lies in it, and that it runs where nothing of ours is installed."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile

import SimpleITK as sitk

from whole_program import DEMO_MODEL, ROOT, WithFolder, done, main

BUILD = pathlib.Path(sys.argv.pop(1))
CLI = BUILD / "lib" / "Oncotome" / "cli-modules"
MODULES = ["LesionClassification", "LesionMeasurement", "TumorSegmentation"]
CACHE = (BUILD / "CMakeCache.txt").read_text()
WITH_TORCH = "ONCOTOME_SLICER_WITH_TORCH:BOOL=ON" in CACHE
OF_THE_MACHINE = re.compile(r"(ld-linux-x86-64|libc|libm|libdl|libpthread|librt|libutil|libcuda)\.so\.\d")


def needed_by(path):
    out = subprocess.run(["readelf", "-dW", path], capture_output=True, text=True, check=True).stdout
    return re.findall(r"\(NEEDED\).*\[(.*)\]", out)


class SlicerPackage(WithFolder):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        shutil.rmtree(BUILD / "slicer", ignore_errors=True)
        made = subprocess.run(["cmake", "--build", BUILD, "--target", "slicer-package"], capture_output=True, text=True)
        if made.returncode != 0:
            raise AssertionError(made.stdout + made.stderr)
        cls.archives = sorted((BUILD / "slicer").iterdir())
        with tarfile.open(cls.archives[0]) as tar:
            tar.extractall(cls.folder)
            cls.members = tar.getmembers()
        cls.base = cls.archives[0].name.removesuffix(".tar.gz")
        cls.version = cls.base.split("-")[0]
        cls.top = cls.folder / cls.base
        cls.lib = cls.top / "lib" / f"Slicer-{cls.version}"
        cls.share = cls.top / "share" / f"Slicer-{cls.version}"
        done("oncotome-phantom", "--seed", "9001", "--tumors", "2", "--format", "nrrd", "--output", cls.folder / "phantom")

    def segment(self, program, model, output, *, before=(), place=None, **environment):
        """Runs a TumorSegmentation on the phantom, whose folder the program sees as `place`."""
        place = place or self.folder / "phantom"
        images = [word for number, channel in enumerate(["t1", "t1ce", "t2"], 2) for word in (f"--inputVolume{number}", f"{place}/{channel}.nrrd")]
        return subprocess.run([*before, program, "--model", model, *images, "--channels", "FLAIR,T1,T1ce,T2", f"{place}/flair.nrrd", output],
                              capture_output=True, text=True, env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", **environment})

    def labels_of_the_build_tree(self):
        output = self.folder / "expected.seg.nrrd"
        if not output.exists():
            result = self.segment(CLI / "TumorSegmentation", DEMO_MODEL, output)
            self.assertEqual((result.returncode, result.stderr), (0, ""))
        return output

    def assert_same_labels(self, output):
        found, expected = (sitk.ReadImage(str(path)) for path in (output, self.labels_of_the_build_tree()))
        self.assertEqual(found.GetSize(), expected.GetSize())
        self.assertGreater(sitk.GetArrayViewFromImage(found).sum(), 100)
        self.assertTrue((sitk.GetArrayViewFromImage(found) == sitk.GetArrayViewFromImage(expected)).all())

    def test_layout_is_that_of_an_extension(self):
        versions = re.search(r"ONCOTOME_SLICER_VERSIONS:STRING=(.*)", CACHE)[1].split(";")
        self.assertEqual(len(self.archives), len(versions))
        for archive in self.archives:
            self.assertRegex(archive.name, r"^\d+\.\d+-linux-amd64-Oncotome-git[0-9a-f]+-\d{4}-\d\d-\d\d\.tar\.gz$")
        self.assertEqual({m.name.split("/")[0] for m in self.members}, {self.base})
        self.assertTrue(all(m.isfile() or m.isdir() for m in self.members))
        self.assertEqual(sorted(p.name for p in (self.lib / "cli-modules").iterdir()), sorted(m + end for m in MODULES for end in ("", ".xml")))
        for module in MODULES:
            xml = subprocess.run([self.lib / "cli-modules" / module, "--xml"], capture_output=True, check=True)
            self.assertEqual(xml.stdout, (self.lib / "cli-modules" / f"{module}.xml").read_bytes())
        # Nothing for 3D Slicer's own library path, which holds lib/Slicer-X.Y itself.
        self.assertEqual([p.name for p in self.lib.iterdir() if p.is_file()], [])
        self.assertEqual(sorted(p.name for p in (self.lib / "Oncotome" / "Models").iterdir()),
                         sorted(p.name for p in (ROOT / "Data" / "Models").iterdir() if (p / "model.json").exists()))
        self.assertTrue((self.lib / "qt-scripted-modules" / "Oncotome.py").exists())
        self.assertEqual(list(self.lib.rglob("test_*.py")), [])

    def test_description_and_catalog_entry_have_the_keys_of_3d_slicer(self):
        lines = (self.share / "Oncotome.s4ext").read_text().splitlines()
        self.assertEqual([line.split()[0] for line in lines],
                         ["scm", "scmurl", "scmrevision", "depends", "recommends", "build_subdirectory", "homepage", "contributors", "category",
                          "iconurl", "status", "tier", "description", "screenshoturls", "enabled", "dicom_support_rule", "keywords"])
        self.assertTrue(all(len(line.split(maxsplit=1)) == 2 for line in lines))
        entry = json.loads((BUILD / "Oncotome.json").read_text())
        self.assertLessEqual({"$schema", "category", "scm_url"}, set(entry))
        self.assertLessEqual(set(entry), {"$schema", "category", "scm_url", "scm_revision", "scm_type", "build_dependencies", "build_subdirectory",
                                          "enabled", "tier"})

    def test_every_library_but_glibc_is_there_with_its_license(self):
        private = self.lib / "Oncotome"
        table = (self.share / "Oncotome" / "LIBRARIES.md").read_text()
        libraries = sorted(p for p in private.iterdir() if p.is_file())
        self.assertGreater(len(libraries), 5)
        for path in [*libraries, *(self.lib / "cli-modules" / m for m in MODULES)]:
            for name in needed_by(path):
                self.assertTrue(OF_THE_MACHINE.fullmatch(name) or (private / name).exists(), f"{path.name} needs {name}")
        for path in libraries:
            row = re.search(rf"^\| {re.escape(path.name)} \|(.*)\|$", table, re.M)
            self.assertIsNotNone(row, f"{path.name} is not in the table")
            _, license_name, project, package, users = (cell.strip() for cell in row[1].split("|"))
            self.assertTrue("GPL" not in license_name or "GCC-exception" in license_name, path.name)
            self.assertTrue(users)
            if project != "Oncotome":
                text = package.split()[0] if package else project
                self.assertGreater((self.share / "Oncotome" / "licenses" / f"{text}.txt").stat().st_size, 500)
        self.assertEqual([p.name for p in libraries if re.search("fftw|opencv|avcodec|x26", p.name)], [])
        self.assertEqual(any(re.search("torch|c10", p.name) for p in libraries), WITH_TORCH)

    def test_libraries_of_3d_slicer_in_the_environment_are_not_loaded(self):
        poison = self.folder / "poison"
        poison.mkdir()
        (poison / "poison.c").write_text("#include <stdlib.h>\n__attribute__((constructor)) static void loaded(void) { abort(); }\n")
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", poison / "libpoison.so", poison / "poison.c"], check=True)
        for library in (p for p in (self.lib / "Oncotome").iterdir() if p.is_file()):
            shutil.copy(poison / "libpoison.so", poison / library.name)
        program = self.lib / "cli-modules" / "TumorSegmentation"
        with self.subTest("the poison works"):
            self.assertLess(subprocess.run(["/usr/bin/env", "sort", "/dev/null"], env={"LD_PRELOAD": str(poison / "libpoison.so")}).returncode, 0)
        output = self.folder / "poisoned.seg.nrrd"
        result = self.segment(program, "demo-brain-phantom", output, LD_LIBRARY_PATH=str(poison), ITK_AUTOLOAD_PATH=str(poison),
                              PYTHONHOME=str(poison))
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assert_same_labels(output)

    def test_an_empty_root_with_glibc_alone_is_enough(self):
        if os.geteuid() != 0:
            self.skipTest("needs root, for chroot")
        root = self.folder / "root"
        files = subprocess.run(["dpkg", "-L", "libc6"], capture_output=True, text=True, check=True).stdout.splitlines()
        for name in files:
            path = pathlib.Path(name)
            if path.is_file() and re.search(r"/(ld-linux|lib)[^/]*\.so", name) and "gconv" not in name:
                target = root / "lib" / "x86_64-linux-gnu" / path.name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, target)
        (root / "lib64").mkdir()
        (root / "lib64" / "ld-linux-x86-64.so.2").symlink_to("../lib/x86_64-linux-gnu/ld-linux-x86-64.so.2")
        for name in ("proc", "tmp"):
            (root / name).mkdir()
        shutil.copytree(self.top, root / "extension")
        shutil.copytree(self.folder / "phantom", root / "phantom")
        program = f"/extension/lib/Slicer-{self.version}/cli-modules/TumorSegmentation"
        result = self.segment(program, "demo-brain-phantom", "/tmp/found.seg.nrrd", place="/phantom",
                              before=["unshare", "--mount", "sh", "-c", 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"', root])
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assert_same_labels(root / "tmp" / "found.seg.nrrd")

    def test_libtorch_with_gpl_libraries_is_refused(self):
        if "\nTORCH_LIBRARY:FILEPATH=/usr/lib/" not in CACHE:
            self.skipTest("needs Debian's LibTorch")
        refused = subprocess.run([sys.executable, ROOT / "Packaging/Slicer/package.py", "--build", BUILD, "--output", self.folder / "none", "--with-torch",
                                  "5.8"], capture_output=True, text=True)
        self.assertEqual(refused.returncode, 1)
        self.assertRegex(refused.stderr, r"^no archive: .* is not in libraries.csv.*\n$")
        self.assertEqual(list((self.folder / "none").iterdir()), [])


if __name__ == "__main__":
    main()
