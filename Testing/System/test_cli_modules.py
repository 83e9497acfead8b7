#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The command line modules of 3D Slicer: what they say of themselves, and what they do when nipype or a shell calls them."""
import csv
import json
import os
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import time
import unittest
import xml.etree.ElementTree as ET

import numpy as np
import SimpleITK as sitk

from sem_rules import nrrd, problems, segmentation_problems
from whole_program import BIN, DATA, DEMO_MODEL, ROOT, WithFolder, dice, done, labels_of, main, need

MODULES = BIN.parent / "lib" / "Oncotome" / "cli-modules"
NAMES = ["LesionClassification", "LesionMeasurement", "TumorSegmentation"]
# The Python whose PyTorch is of the LibTorch that is built with: Debian's.
TORCH_PYTHON = "/usr/bin/python3"


def call(name, *arguments, **options):
    return subprocess.run([MODULES / name, *map(str, arguments)], capture_output=True, text=True, **options)


def worked(name, *arguments):
    """Stdout of a call that has to succeed, with nothing on stderr."""
    result = call(name, *arguments)
    if result.returncode != 0 or result.stderr:
        raise AssertionError(f"{name} ended with {result.returncode}: {result.stderr}")
    return result.stdout


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else ","))


def returned(path):
    return dict(line.split(" = ", 1) for line in path.read_text().splitlines())


def children_of(pid):
    parents = {int(stat.parent.name): int(stat.read_text().rpartition(")")[2].split()[1]) for stat in pathlib.Path("/proc").glob("[0-9]*/stat")
               if stat.exists()}
    return [child for child, parent in parents.items() if parent == pid]


class Contract(unittest.TestCase):
    def test_nothing_else_in_the_folder_looks_like_a_module(self):
        self.assertEqual(sorted(p.name for p in MODULES.iterdir()), sorted(NAMES + [f"{name}.xml" for name in NAMES]))

    def test_xml_is_that_of_the_file_beside_and_keeps_the_rules(self):
        for name in NAMES:
            result = subprocess.run([MODULES / name, "--xml"], capture_output=True)
            self.assertEqual((result.returncode, result.stderr), (0, b""), name)
            self.assertEqual(result.stdout, (MODULES / f"{name}.xml").read_bytes(), name)
            self.assertEqual(problems(result.stdout.decode()), [], name)

    def test_the_rules_can_be_broken(self):
        text = (MODULES / "TumorSegmentation.xml").read_text()
        for old, new in (("<longflag>model<", "<longflag>lesion-model<"), ("<index>1<", "<index>2<"),
                         ("<channel>output</channel>", ""), (' fileExtensions=".csv,.tsv"', ""),
                         ("<default>auto<", "<default>gpu<"), ("<longflag>threads<", "<longflag>model<"),
                         ("<string>", "<text>"), ("<default>false<", "<default>true<"), ("<?xml", "ITK <?xml")):
            self.assertIn(old, text)
            changed = text.replace(old, new).replace("</string>", "</text>" if new == "<text>" else "</string>")
            self.assertTrue(problems(changed) if "ITK" not in new else not changed.startswith("<?xml"), old)

    def test_help_names_every_parameter_and_default(self):
        for name in NAMES:
            text = worked(name, "--help")
            self.assertEqual(text, worked(name, "-h"))
            flat = " ".join(text.split())
            for group in ET.fromstring((MODULES / f"{name}.xml").read_text()).iter("parameters"):
                for parameter in group[2:]:
                    values = {child.tag: child.text for child in parameter}
                    self.assertIn(("--" if "longflag" in values else "") + values["name"], flat)
                    self.assertIn(values["description"], flat)
                    if parameter.tag != "boolean" and "default" in values:
                        self.assertIn(f"Default: {values['default']}.", flat)
            for standard in ("--help", "--version", "--xml", "--echo", "--returnparameterfile", "--processinformationaddress"):
                self.assertIn(standard, text)

    def test_version(self):
        for name in NAMES:
            version = ET.fromstring((MODULES / f"{name}.xml").read_text()).find("version").text
            self.assertEqual(worked(name, "--version"), f"{name} {version}\n")

    def test_questions_are_answered_without_libtorch_and_fast(self):
        for name in NAMES:
            loaded = call(name, "--xml", env={**os.environ, "LD_DEBUG": "files"}).stderr
            self.assertIn("liboncotome_engine", loaded)
            for heavy in ("libtorch", "libcuda", "libvtk", "libdcm", "liboncotome_torch"):
                self.assertNotIn(heavy, loaded, name)
        if subprocess.run([TORCH_PYTHON, "-c", "import torch"], capture_output=True).returncode != 0:
            self.skipTest("no PyTorch to compare with")
        seconds = {"torch": [], "--xml": [], "--help": []}
        for _ in range(5):
            for what, command in (("torch", [TORCH_PYTHON, "-c", "import torch"]),
                                  *((flag, [MODULES / "TumorSegmentation", flag]) for flag in ("--xml", "--help"))):
                begin = time.perf_counter()
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
                seconds[what].append(time.perf_counter() - begin)
        took = {what: statistics.median(all_of_it) for what, all_of_it in seconds.items()}
        print({what: f"{1000 * value:.1f} ms" for what, value in took.items()})
        self.assertLess(took["--xml"], 0.1 * took["torch"])
        self.assertLess(took["--help"], 0.1 * took["torch"])

    def test_another_reader_of_such_xml_reads_them(self):
        try:
            import ctk_cli
        except ImportError:
            if os.environ.get("ONCOTOME_REQUIRE_DATA"):
                raise
            self.skipTest("needs ctk-cli")
        for name in NAMES:
            with self.assertLogs("ctk_cli") as logs:
                module = ctk_cli.CLIModule(str(MODULES / f"{name}.xml"))
            # Of 3D Slicer's ways it does not know references, and would number return parameters from 1000.
            unknown = [r.getMessage() for r in logs.records if not re.search("of '(table|image)' is not part|cannot be passed", r.getMessage())]
            self.assertEqual(unknown, [], name)
            arguments, options, outputs = module.classifyParameters()
            root = ET.fromstring((MODULES / f"{name}.xml").read_text())
            count = lambda path: len(root.findall(f"parameters/*[{path}]"))
            self.assertEqual([len(arguments), len(options), len(outputs)],
                             [count("index"), count("longflag"), len(root.findall("parameters")[-1]) - 2], name)
            self.assertEqual([p.index for p in arguments], list(range(len(arguments))))

    def test_bad_use_gets_one_line_and_its_code(self):
        cases = [
            ("TumorSegmentation", [], 2, "usage"),
            ("TumorSegmentation", ["--nothing"], 2, "usage"),
            ("TumorSegmentation", ["in.nrrd", "out.seg.nrrd", "--device", "gpu"], 2, "usage"),
            ("TumorSegmentation", ["in.nrrd", "out.mha"], 2, "usage"),
            ("TumorSegmentation", ["in.nrrd", "out.seg.nrrd"], 2, "usage"),
            ("TumorSegmentation", ["in.nrrd", "out.seg.nrrd", "--model", "none of ours"], 50, "model.not_found"),
            ("TumorSegmentation", ["in.nrrd", "out.seg.nrrd", "--model", "demo-brain-phantom"], 41, "channel.missing"),
            ("TumorSegmentation", ["absent.nrrd", "out.seg.nrrd", "--model", "brain-mass-t1c"], 10, "input.not_found"),
            ("TumorSegmentation", ["in.nrrd", "absent/out.seg.nrrd", "--model", "brain-mass-t1c"], 71, "output.unwritable"),
            ("LesionMeasurement", ["absent.nrrd", "out.csv"], 10, "input.not_found"),
            ("LesionMeasurement", ["in.nrrd", "out.csv", "--labels", "1,x"], 2, "usage"),
            ("LesionClassification", ["in.nrrd", "in.nrrd", "out.csv", "--model", "demo-brain-phantom"], 2, "usage"),
        ]
        for name, arguments, code, error in cases:
            with self.subTest(name, arguments=arguments):
                result = call(name, *arguments)
                self.assertEqual(result.returncode, code, result.stderr)
                self.assertRegex(result.stderr, rf"\A{name}: error \[{re.escape(error)}\]: [^\n]+\n\Z")
        self.assertIn("demo-brain-phantom", call("TumorSegmentation", "in.nrrd", "out.seg.nrrd").stderr)


def by_nipype(folder, name):
    """The class that nipype makes of a module's --xml."""
    os.environ["NO_ET"] = "1"  # nipype asks home whether it is new
    try:
        from nipype.interfaces.slicer.generate_classes import generate_all_classes
    except ImportError:
        if os.environ.get("ONCOTOME_REQUIRE_DATA"):
            raise
        raise unittest.SkipTest("needs nipype")
    place = folder / f"generated_{name}"
    place.mkdir()
    here, path = os.getcwd(), os.environ["PATH"]
    os.chdir(place)
    os.environ["PATH"] = f"{MODULES}{os.pathsep}{path}"
    try:
        generate_all_classes(modules_list=[name], launcher=[])
        source = (place / "oncotome.py").read_text().replace("from ..base import", "from nipype.interfaces.base import")
        namespace = {}
        exec(compile(source, name, "exec"), namespace)
        namespace[name].set_default_terminal_output("none")
        return namespace[name]
    finally:
        os.chdir(here)


class Phantom(WithFolder):
    """The demo's phantom and model."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        done("oncotome-phantom", "--seed", 9100, "--tumors", 2, "--format", "nrrd", "--output", cls.folder)
        files = {p.name.split(".")[0].lower(): p for p in cls.folder.rglob("*.nrrd")}
        cls.truth = files.pop("truth")
        cls.channels = [files[name] for name in ("flair", "t1", "t1ce", "t2")]
        cls.model = json.loads((DEMO_MODEL / "model.json").read_text())
        # A place that no shell would like.
        cls.odd = cls.folder / "Üb er's"
        cls.odd.mkdir()
        cls.labels, cls.table, cls.results = cls.odd / "found.seg.nrrd", cls.odd / "found.csv", cls.odd / "results"
        cls.output = worked("TumorSegmentation", "--returnparameterfile", cls.results, "--processinformationaddress", "0", "--echo",
                            *cls.further(cls.channels), "--outputMeasurements", cls.table, "--model", "demo-brain-phantom",
                            cls.channels[0], cls.labels)

    @staticmethod
    def further(channels):
        return [part for i, path in enumerate(channels[1:], 2) for part in (f"--inputVolume{i}", path)]

    def test_labels_are_those_of_the_whole_program(self):
        names = ("FLAIR", "T1", "T1ce", "T2")
        by_hand = [part for name, path in zip(names, self.channels) for part in ("--input", f"{name}={path}")]
        done("oncotome", "segment", *by_hand, "--model", DEMO_MODEL, "--output", self.folder / "whole", "--formats", "nrrd")
        found = sitk.GetArrayFromImage(sitk.ReadImage(str(self.labels)))
        self.assertTrue(np.array_equal(found, labels_of(self.folder / "whole")))
        self.assertGreaterEqual(dice(found > 0, sitk.GetArrayFromImage(sitk.ReadImage(str(self.truth))) > 0), 0.9)
        report = json.loads((self.folder / "whole" / "report.json").read_text())
        rows = rows_of(self.table)
        self.assertEqual(len(rows), len(report["lesions"]))
        for row, lesion in zip(rows, report["lesions"]):
            for key in ("volume_mm3", "voxel_count", "mesh_volume_mm3", "surface_area_mm2", "sphericity", "longest_diameter_mm",
                        "longest_axial_diameter_mm", "maximum_2d_diameter_slice_mm", "key_slice"):
                self.assertAlmostEqual(float(row[key]) / lesion[key], 1, places=7, msg=key)
            self.assertTrue(np.allclose([float(row[f"centroid_{a}_mm"]) for a in "lps"], lesion["centroid_mm"]))
            for label, volume in lesion["volume_by_label_mm3"].items():
                self.assertAlmostEqual(float(row[f"volume_mm3 of {label}"]), volume, places=4)

    def test_the_segmentation_is_what_slicer_reads(self):
        self.assertEqual(segmentation_problems(self.labels, self.model["labels"], self.model["input"]["region"]), [])
        wrong = json.loads(json.dumps(self.model["labels"]))
        wrong[0]["type"]["meaning"] = "Mass"
        self.assertEqual(len(segmentation_problems(self.labels, wrong, self.model["input"]["region"])), 1)

    def test_progress_grows_from_0_to_1_within_start_and_end(self):
        self.assertLess(self.output.index("</filter-start>"), self.output.index("<filter-progress>"))
        self.assertTrue(self.output.rstrip().endswith("</filter-end>"))
        self.assertRegex(self.output, r"<filter-start>\n<filter-name>TumorSegmentation</filter-name>\n<filter-comment>[^<]+</filter-comment>\n</filter-start>")
        self.assertRegex(self.output, r"<filter-end>\n<filter-name>TumorSegmentation</filter-name>\n<filter-time>\d+\.\d+</filter-time>\n</filter-end>\n")
        values = [float(v) for v in re.findall(r"<filter-progress>(.*?)</filter-progress>", self.output)]
        self.assertEqual((values[0], values[-1]), (0, 1))
        self.assertEqual(values, sorted(values))
        self.assertGreater(len(values), 10)
        self.assertTrue(all(len(c) < 1024 for c in re.findall(r"<filter-comment>(.*?)</filter-comment>", self.output)))

    def test_return_parameters_and_echo(self):
        rows, results = rows_of(self.table), returned(self.results)
        self.assertEqual(list(results), ["lesionCount", "lesionVolumeMl", "modelTitle"])
        self.assertEqual(int(results["lesionCount"]), len(rows))
        self.assertAlmostEqual(float(results["lesionVolumeMl"]), sum(float(r["volume_mm3"]) for r in rows) / 1000, places=4)
        self.assertEqual(results["modelTitle"], f"{self.model['title']} {self.model['version']}")
        self.assertIn(f"    inputVolume: {self.channels[0]}\n", self.output)

    def test_channels_in_another_order_by_their_names_with_spaces(self):
        turned = [self.channels[i] for i in (2, 0, 3, 1)]
        labels = self.folder / "turned.seg.nrrd"
        worked("TumorSegmentation", "--channels", "T1Gd, FLAIR, T2, T1", "--model", DEMO_MODEL, *self.further(turned), turned[0], labels)
        self.assertEqual(nrrd(labels)[2], nrrd(self.labels)[2])
        for channels, code in (("FLAIR,T1,T1ce", 2), ("FLAIR,T1,T1ce,T1", 2), ("FLAIR,T1,T1ce,DWI", 2)):
            result = call("TumorSegmentation", "--channels", channels, "--model", DEMO_MODEL, *self.further(turned), turned[0], labels)
            self.assertEqual(result.returncode, code, result.stderr)

    def test_no_tumor_is_a_result(self):
        done("oncotome-phantom", "--seed", 9101, "--tumors", 0, "--format", "nrrd", "--output", self.folder / "healthy")
        files = {p.name.split(".")[0].lower(): p for p in (self.folder / "healthy").rglob("*.nrrd")}
        channels = [files[name] for name in ("flair", "t1", "t1ce", "t2")]
        labels, table, results = (self.folder / f"healthy{end}" for end in (".seg.nrrd", ".tsv", ".txt"))
        worked("TumorSegmentation", "--returnparameterfile", results, "--outputMeasurements", table, "--model", DEMO_MODEL,
               *self.further(channels), channels[0], labels)
        self.assertEqual(returned(results)["lesionCount"], "0")
        self.assertEqual(segmentation_problems(labels, self.model["labels"], self.model["input"]["region"]), [])
        self.assertEqual(len(table.read_text().splitlines()), 1)
        self.assertIn("\tvolume_mm3\t", table.read_text())

    def test_a_cropped_segmentation_is_measured_as_the_whole_one(self):
        whole = sitk.ReadImage(str(self.truth), sitk.sitkUInt8)
        inside = np.argwhere(sitk.GetArrayFromImage(whole) > 0)
        low, high = inside.min(0)[::-1], inside.max(0)[::-1] + 1
        cropped = self.folder / "cropped.nrrd"
        sitk.WriteImage(whole[low[0]:high[0], low[1]:high[1], low[2]:high[2]], str(cropped))
        for name, labels in (("whole", self.truth), ("cropped", cropped)):
            worked("LesionMeasurement", "--inputVolume", self.channels[0], labels, self.folder / f"{name}.csv")
        self.assertEqual((self.folder / "whole.csv").read_text(), (self.folder / "cropped.csv").read_text())
        self.assertEqual(rows_of(self.folder / "whole.csv")[0]["touches_border"], "0")
        worked("LesionMeasurement", cropped, self.folder / "alone.csv")
        alone = rows_of(self.folder / "alone.csv")[0]
        self.assertEqual((alone["touches_border"], alone["mean_intensity"]), ("1", ""))

    def test_labels_and_minimum_volume_choose_lesions(self):
        everything, rims, large = (self.folder / f"{name}.csv" for name in ("everything", "rims", "large"))
        worked("LesionMeasurement", self.truth, everything)
        worked("LesionMeasurement", "--labels", "4, 1", self.truth, rims)
        rows = rows_of(everything)
        self.assertEqual([row["lesion"] for row in rows], [str(i + 1) for i in range(len(rows))])
        self.assertLess(float(rows_of(rims)[0]["volume_mm3"]), float(rows[0]["volume_mm3"]))
        self.assertNotIn("volume_mm3 of label 2", rows_of(rims)[0])
        worked("LesionMeasurement", "--minimumVolume", "1e6", "--returnparameterfile", self.folder / "none", self.truth, large)
        self.assertEqual(rows_of(large), [])
        self.assertEqual(returned(self.folder / "none"), {"lesionCount": "0", "lesionVolumeMl": "0", "longestDiameterMm": "0"})

    def test_nipype_runs_what_it_makes_of_the_xml(self):
        interface = by_nipype(self.folder, "TumorSegmentation")()
        interface.inputs.inputVolume = str(self.channels[0])
        for i, path in enumerate(self.channels[1:], 2):
            setattr(interface.inputs, f"inputVolume{i}", str(path))
        interface.inputs.trait_set(model="demo-brain-phantom", channels=["FLAIR", "T1", "T1ce", "T2"], threads=2, device="cpu")
        place = self.folder / "nipype"
        place.mkdir()
        interface.inputs.outputSegmentation = str(place / "out.seg.nrrd")
        interface.inputs.outputMeasurements = str(place / "out.csv")
        outputs = interface.run(cwd=str(place)).outputs
        self.assertEqual(nrrd(pathlib.Path(outputs.outputSegmentation))[2], nrrd(self.labels)[2])
        self.assertEqual(pathlib.Path(outputs.outputMeasurements).read_text(), self.table.read_text())

    def test_a_kill_leaves_neither_output_nor_child(self):
        place = self.folder / "killed"
        place.mkdir()
        process = subprocess.Popen([MODULES / "TumorSegmentation", "--model", DEMO_MODEL, *self.further(self.channels), self.channels[0],
                                    place / "out.seg.nrrd", "--outputMeasurements", place / "out.csv", "--threads", "1",
                                    "--returnparameterfile", place / "results"], stdout=subprocess.PIPE, text=True)
        for line in process.stdout:
            if line.startswith("<filter-progress>") and float(line[17:-19]) > 0.3:
                break
        self.assertEqual(children_of(process.pid), [])
        self.assertIn(process.pid, children_of(os.getpid()))
        process.send_signal(signal.SIGKILL)
        process.stdout.close()
        self.assertEqual(process.wait(timeout=60), -signal.SIGKILL)
        self.assertEqual(list(place.iterdir()), [])


class Real(WithFolder):
    """Real scans, through the classes that nipype makes."""

    def test_measurements_are_those_of_pyradiomics(self):
        folder = need("measurement_pyradiomics")
        with open(folder / "baseline" / "baseline_shape.csv", newline="") as shape, open(folder / "baseline" / "baseline_firstorder.csv", newline="") as order:
            baseline = {row["featureName"]: row for file in (shape, order) for row in csv.DictReader(file)}
        interface = by_nipype(self.folder, "LesionMeasurement")()
        rows = {}
        for case in ("brain1", "brain2"):
            interface.inputs.trait_set(inputLesions=str(folder / f"{case}_label.nrrd"), inputVolume=str(folder / f"{case}_image.nrrd"),
                                       outputMeasurements=str(self.folder / f"{case}.csv"))
            table = interface.run(cwd=str(self.folder)).outputs.outputMeasurements
            rows[case] = [{key: float(value) for key, value in row.items()} for row in rows_of(pathlib.Path(table))]

        def near(case, feature, value):
            wanted = float(baseline[f"original_{feature}"][case])
            self.assertLess(abs(value / wanted - 1), 1e-6, f"{case} {feature}: {value}, not {wanted}")

        row, = rows["brain2"]
        for column, feature in {"mesh_volume_mm3": "shape_MeshVolume", "surface_area_mm2": "shape_SurfaceArea",
                                "sphericity": "shape_Sphericity", "longest_diameter_mm": "shape_Maximum3DDiameter",
                                "maximum_2d_diameter_slice_mm": "shape_Maximum2DDiameterSlice"}.items():
            near("brain2", feature, row[column])
        # The mask of brain1 is in two pieces, which PyRadiomics takes as one.
        for case, pieces in rows.items():
            counts, means = (np.array([row[key] for row in pieces]) for key in ("voxel_count", "mean_intensity"))
            mean = np.average(means, weights=counts)
            squares = np.array([row["standard_deviation_intensity"] ** 2 for row in pieces]) + (means - mean) ** 2
            near(case, "shape_VoxelVolume", sum(row["volume_mm3"] for row in pieces))
            near(case, "firstorder_Mean", mean)
            near(case, "firstorder_Variance", np.average(squares, weights=counts))
            near(case, "firstorder_Minimum", min(row["minimum_intensity"] for row in pieces))
            near(case, "firstorder_Maximum", max(row["maximum_intensity"] for row in pieces))

    def test_a_glioma_is_classified(self):
        case = need("brain_tcga/TCGA-DU-7294")
        table = self.folder / "classes.csv"
        interface = by_nipype(self.folder, "LesionClassification")()
        interface.inputs.trait_set(inputVolume=str(case / "TCGA-DU-7294_t1c_bet.nii.gz"), inputLesions=str(case / "fusion" / "simple.nii.gz"),
                                   outputClasses=str(table), model="brain-mass-t1c", minimumVolume=1000.0)
        rows = rows_of(pathlib.Path(interface.run(cwd=str(self.folder)).outputs.outputClasses))
        self.assertIn(rows[0]["class"], ("glioma", ""))  # that, or none: it learned from scans with their skulls
        for row in rows:
            print(f"TCGA-DU-7294, lesion {row['lesion']}: {row['class'] or row['refused']} {row['probability']}")
            if not row["refused"]:
                classes = [float(row[f"p_{name}"]) for name in ("meningioma", "glioma", "pituitary")]
                self.assertAlmostEqual(sum(classes), 1, places=6)
                self.assertEqual(float(row["probability"]), max(classes))

    def test_the_cascade_finds_the_tumor_of_a_real_brain(self):
        case = need("brain_tcga/TCGA-DU-7294")
        model = self.folder / "models" / "cascade"
        done("oncotome", "models", "import", need("model_brats17_msnet"), "--output", model)
        labels, table = self.folder / "tumor.seg.nrrd", self.folder / "tumor.csv"
        interface = by_nipype(self.folder, "TumorSegmentation")()
        volumes = [str(case / f"TCGA-DU-7294_{stem}_bet.nii.gz") for stem in ("fla", "t1", "t1c", "t2")]
        interface.inputs.trait_set(inputVolume=volumes[0], inputVolume2=volumes[1], inputVolume3=volumes[2], inputVolume4=volumes[3],
                                   channels=["FLAIR", "T1", "T1ce", "T2"], model="cascade", modelFolder=str(model.parent),
                                   outputSegmentation=str(labels), outputMeasurements=str(table))
        interface.run(cwd=str(self.folder))
        truth = sitk.GetArrayFromImage(sitk.ReadImage(str(case / "fusion" / "simple.nii.gz")))
        whole = dice(sitk.GetArrayFromImage(sitk.ReadImage(str(labels))) > 0, truth > 0)
        print(f"TCGA-DU-7294 through nipype: whole tumor Dice {whole:.4f}")
        self.assertGreaterEqual(whole, 0.93)
        package = json.loads((model / "model.json").read_text())
        self.assertEqual(segmentation_problems(labels, package["labels"], package["input"]["region"]), [])
        self.assertEqual(rows_of(table)[0]["lesion"], "1")


if __name__ == "__main__":
    main()
