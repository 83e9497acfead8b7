#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The main job on the demo's phantom and on real brains."""
import gzip
import json
import os
import shutil
import signal
import subprocess
import warnings

import jsonschema
import numpy as np
import pydicom
import SimpleITK as sitk

from whole_program import BIN, DEMO_MODEL, ROOT, WithFolder, check_objects, dice, done, labels_of, main, need, probabilities_of, run


class Demo(WithFolder):
    """The demo's phantom and model."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        done("oncotome-phantom", "--seed", 9100, "--tumors", 2, "--format", "dicom", "--output", cls.folder)
        cls.study, cls.truth, cls.result = cls.folder / "study", cls.folder / "truth.nrrd", cls.folder / "result"
        cls.output = done("oncotome", "segment", cls.study, "--model", DEMO_MODEL, "--truth", cls.truth, "--output", cls.result)
        cls.report = json.loads((cls.result / "report.json").read_text())

    def segment(self, *arguments, **options):
        return run("oncotome", "segment", self.study, "--model", DEMO_MODEL, *arguments, **options)

    def left_in(self, folder):
        return sorted(p.name for p in folder.iterdir())

    def test_finds_the_tumors_of_a_phantom_never_seen(self):
        truth = sitk.GetArrayFromImage(sitk.ReadImage(str(self.truth)))
        whole = dice(labels_of(self.result) > 0, truth > 0)
        self.assertGreaterEqual(whole, 0.9)
        told = {row["name"]: row["dice"] for row in self.report["evaluation"]["regions"]}
        self.assertAlmostEqual(told["Whole tumor"], whole, places=6)
        # Where edema crosses the midline the network may part it; each tumor has one enhancing rim.
        self.assertEqual(sum("Enhancing tumor" in lesion["volume_by_label_mm3"] for lesion in self.report["lesions"]), 2)

    def test_evaluate_says_of_the_seg_what_segment_said_of_the_labels(self):
        told = {row["name"]: row for row in self.report["evaluation"]["regions"]}["Whole tumor"]
        out = json.loads(done("oncotome", "evaluate", self.result / "segmentation.dcm", self.truth, "--json"))
        self.assertEqual(out["pairs"][0]["regions"][0], {**told, "name": "all"})

    def test_objects_are_read_back_the_same_by_other_readers(self):
        check_objects(self.result)

    def test_every_file_the_report_names_is_there_and_nothing_else(self):
        there = sorted(str(p.relative_to(self.result)) for p in self.result.rglob("*") if p.is_file())
        self.assertEqual(there, sorted(self.report["files"]))

    def test_what_is_written_as_json_follows_its_schema(self):
        schema = lambda name: json.loads((ROOT / "Data" / "Schemas" / f"{name}-1.schema.json").read_text())
        jsonschema.validate(self.report, schema("report"))
        jsonschema.validate(json.loads(done("oncotome", "inspect", self.study, self.truth, "--json")), schema("inspect"))
        for model in (DEMO_MODEL / "model.json", ROOT / "Libs" / "Engine" / "src" / "msnet_package.json"):
            jsonschema.validate(json.loads(model.read_text()), schema("model"))

    def test_malformed_dates_of_a_source_are_left_out_of_the_objects(self):
        odd = self.folder / "odd"
        shutil.copytree(self.study, odd)
        for path in odd.rglob("*.dcm"):
            data = pydicom.dcmread(path)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                data.PatientBirthDate, data.PatientSex, data.StudyTime = "19500000", "weird", "10:11:12"
                data.save_as(path)
        done("oncotome", "segment", odd, "--model", DEMO_MODEL, "--output", self.folder / "odd-result", "--formats", "seg,sr,nrrd")
        check_objects(self.folder / "odd-result")
        self.assertEqual(pydicom.dcmread(self.folder / "odd-result" / "report.dcm").PatientSex or "", "")

    def test_a_missing_slice_is_filled_only_when_asked_and_told_everywhere(self):
        holed, result = self.folder / "holed", self.folder / "holed-result"
        shutil.copytree(self.study, holed)
        middle = self.report["lesions"][0]["centroid_mm"][2]
        for channel in holed.iterdir():
            far = {abs(float(pydicom.dcmread(p, stop_before_pixels=True).ImagePositionPatient[2]) - middle): p
                   for p in channel.glob("*.dcm")}
            far[min(far)].unlink()
        refused = run("oncotome", "segment", holed, "--model", DEMO_MODEL, "--output", result)
        self.assertIn("[dicom.missing_slices]", refused.stderr)
        self.assertIn("'fill'", refused.stderr)
        done("oncotome", "segment", holed, "--model", DEMO_MODEL, "--output", result, "--geometry", "fill",
             "--formats", "seg,sr,nrrd,html")
        schema = lambda name: json.loads((ROOT / "Data" / "Schemas" / f"{name}-1.schema.json").read_text())
        report = json.loads((result / "report.json").read_text())
        jsonschema.validate(report, schema("report"))
        listed = json.loads(done("oncotome", "inspect", holed, "--json"))
        jsonschema.validate(listed, schema("inspect"))
        self.assertEqual({s["cure"] for study in listed["studies"] for s in study["series"]}, {"fill"})
        told = [text for text in report["corrections"] if "1 slice is missing" in text]
        self.assertEqual(len(told), 4, report["corrections"])
        self.assertTrue(report["lesions"][0]["touches_unmeasured"])
        self.assertTrue(any("lesion 1 reaches interpolated" in text for text in report["doubts"]))
        self.assertIn("1 slice is missing", (result / "report.html").read_text())
        sr = " ".join(e.value for e in pydicom.dcmread(result / "report.dcm").iterall() if e.keyword == "TextValue")
        self.assertEqual((sr.count("1 slice is missing"), "lies on the slices" in sr, "uncertain" in sr), (4, True, True))
        whole = sitk.GetArrayFromImage(sitk.ReadImage(str(self.truth))) > 0
        self.assertGreaterEqual(dice(labels_of(result) > 0, whole), 0.9)
        seg = pydicom.dcmread(result / "segmentation.dcm")
        places = {str(f.PlanePositionSequence[0].ImagePositionPatient) for f in seg.PerFrameFunctionalGroupsSequence}
        there = {str(pydicom.dcmread(p, stop_before_pixels=True).ImagePositionPatient)
                 for p in (holed / "flair").glob("*.dcm")}
        self.assertTrue(places <= there)
        self.assertNotIn("SpacingBetweenSlices", seg.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0])

    def test_a_damaged_slice_at_the_end_of_a_stack_is_not_passed_over(self):
        cut = self.folder / "cut"
        shutil.copytree(self.study, cut)
        sorted((cut / "flair").glob("*.dcm"))[-1].write_bytes(b"")
        result = run("oncotome", "segment", cut, "--model", DEMO_MODEL, "--output", self.folder / "cut-result")
        self.assertEqual((result.returncode, "[input.unreadable]" in result.stderr), (11, True), result.stderr)

    def test_volumes_cut_off_or_without_orientation_are_refused(self):
        image = sitk.ReadImage(str(self.truth))
        whole = self.folder / "whole.nii.gz"
        sitk.WriteImage(image, str(whole))
        self.assertEqual(run("oncotome", "inspect", whole).returncode, 0)
        data = bytearray(gzip.decompress(whole.read_bytes()))
        (self.folder / "half.nii.gz").write_bytes(gzip.compress(data[:len(data) // 2]))
        (self.folder / "short.nii").write_bytes(data[:-1])
        data[252:256] = bytes(4)
        (self.folder / "nowhere.nii").write_bytes(data)
        codes = [run("oncotome", "inspect", self.folder / name).returncode for name in ("half.nii.gz", "short.nii", "nowhere.nii")]
        self.assertEqual(codes, [11, 11, 14])

    def test_slicer_finds_names_colors_and_terminology_in_the_seg_nrrd(self):
        image = sitk.ReadImage(str(self.result / "segmentation.seg.nrrd"))
        field = lambda key: image.GetMetaData(key)
        self.assertEqual(field("Segmentation_MasterRepresentation"), "Binary labelmap")
        for i, label in enumerate(self.report["labels"]):
            self.assertEqual(field(f"Segment{i}_Name"), label["name"])
            self.assertEqual(field(f"Segment{i}_LabelValue"), str(label["value"]))
            self.assertEqual(field(f"Segment{i}_Extent"), "0 95 0 111 0 79")
            self.assertEqual([round(255 * float(c)) for c in field(f"Segment{i}_Color").split()], label["color"])
            parts = field(f"Segment{i}_Tags").split("|")[0].removeprefix("TerminologyEntry:").split("~")
            self.assertEqual(len(parts), 7)
            self.assertEqual(parts[2], "^".join(label["code"][k] for k in ("scheme", "value", "meaning")))
        self.assertFalse(image.HasMetaDataKey(f"Segment{len(self.report['labels'])}_ID"))

    def test_the_same_input_gives_the_same_labels_and_the_same_objects(self):
        environment = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}
        for name in "ab":
            self.assertEqual(self.segment("--output", self.folder / name, "--formats", "seg,sr,nrrd", env=environment).returncode, 0)
        self.assertTrue(np.array_equal(labels_of(self.folder / "a"), labels_of(self.result)))
        for name in ("segmentation.dcm", "report.dcm", "segmentation.seg.nrrd"):
            self.assertEqual((self.folder / "a" / name).read_bytes(), (self.folder / "b" / name).read_bytes(), name)

    def test_a_time_that_is_none_is_refused_before_anything_else(self):
        for epoch in ("", "soon", "-1", "253402300800", "1e9"):
            result = self.segment("--output", self.folder / "late", env={**os.environ, "SOURCE_DATE_EPOCH": epoch})
            self.assertEqual(result.returncode, 2, epoch)
            self.assertIn("SOURCE_DATE_EPOCH", result.stderr)

    def test_no_lesion_is_a_result_with_its_own_report(self):
        done("oncotome-phantom", "--seed", 9101, "--tumors", 0, "--format", "dicom", "--output", self.folder / "healthy")
        result = self.folder / "healthy-result"
        output = done("oncotome", "segment", self.folder / "healthy" / "study", "--model", DEMO_MODEL, "--output", result)
        self.assertIn("No lesion was found", output)
        self.assertEqual(json.loads((result / "report.json").read_text())["lesions"], [])
        self.assertIn("No lesion was found", (result / "report.html").read_text())
        check_objects(result)

    def test_no_patient_name_or_id_is_in_a_message_or_a_report(self):
        first = sitk.ReadImage(str(next(self.study.rglob("*.dcm"))))
        secrets = [first.GetMetaData(tag).strip().lower() for tag in ("0010|0010", "0010|0020")]
        self.assertTrue(all(secrets))
        place = self.folder / "secret"
        texts = [self.output, (self.result / "report.json").read_text(), (self.result / "report.html").read_text(),
                 done("oncotome", "inspect", self.study), done("oncotome", "inspect", self.study, "--json")]
        for result in (self.segment("--output", place, "--formats", "nrrd"),
                       self.segment("--output", place, "--input", f"T1={self.study}"),
                       run("oncotome", "convert", self.study, "-o", self.folder / "x.nrrd"),
                       run("oncotome", "segment", self.study / "t1", "-m", DEMO_MODEL, "-o", self.folder / "y")):
            texts += [result.stdout, result.stderr]
        for text in texts:
            for secret in secrets:
                self.assertNotIn(secret, text.lower())

    def test_only_an_earlier_result_is_replaced_and_only_when_asked(self):
        place = self.folder / "taken"
        place.mkdir()
        (place / "mine").write_text("keep")
        for extra in ([], ["--overwrite"]):
            refused = self.segment("--output", place, "--formats", "nrrd", *extra)
            self.assertEqual((refused.returncode, self.left_in(place)), (70, ["mine"]))
        for output in (self.study, self.folder):
            self.assertEqual(self.segment("--output", output, "--overwrite").returncode, 2)
        earlier = self.folder / "earlier"
        codes = [self.segment("--output", earlier, "--formats", formats, *extra).returncode
                 for formats, extra in (("nifti", []), ("nrrd", []), ("nrrd", ["--overwrite"]))]
        self.assertEqual(codes, [0, 70, 0])
        self.assertEqual(self.left_in(earlier), ["report.json", "segmentation.seg.nrrd"])

    def test_ctrl_c_leaves_nothing_behind(self):
        place = self.folder / "interrupted"
        place.mkdir()
        process = subprocess.Popen([BIN / "oncotome", "segment", self.study, "--model", DEMO_MODEL, "--output", place / "result"],
                                   stderr=subprocess.PIPE, text=True)
        for line in process.stderr:
            if "segment" in line:
                break
        process.send_signal(signal.SIGINT)
        message = process.stderr.read()
        process.stderr.close()
        self.assertEqual(process.wait(timeout=60), 130)
        self.assertIn("[cancelled]", message)
        self.assertEqual(self.left_in(place), [])

    def test_help_is_shown_without_loading_libtorch(self):
        loaded = run("oncotome", "segment", "--help", env={**os.environ, "LD_DEBUG": "files"})
        self.assertEqual(loaded.returncode, 0)
        self.assertIn("liboncotome_engine", loaded.stderr)
        self.assertNotIn("libtorch", loaded.stderr)

    def test_bad_use_gets_one_line_and_a_stable_exit_code(self):
        nothing = self.folder / "nothing"
        nothing.mkdir()
        place = self.folder / "never"
        header = bytearray(352)
        header[:4], header[40:48], header[70:74] = (348).to_bytes(4, "little"), bytes([3, 0, 2, 0, 2, 0, 2, 0]), bytes([2, 0, 8, 0])
        header[76:80] = np.float32(np.nan).tobytes()
        header[344:348] = b"n+1\0"
        (self.folder / "not-finite.nii").write_bytes(header + bytes(8))
        cases = [
            (("segment", self.folder / "absent", "-m", DEMO_MODEL, "-o", place), 10, "input.not_found"),
            (("segment", nothing, "-m", DEMO_MODEL, "-o", place), 12, "input.no_images"),
            (("segment", self.study, "-m", nothing, "-o", place), 50, "model.not_found"),
            (("segment", "-m", DEMO_MODEL, "-o", place), 2, "usage"),
            (("segment", self.study, "-m", DEMO_MODEL, "-o", place, "--input", "DWI=x.nrrd"), 2, "usage"),
            (("segment", self.study, "-m", DEMO_MODEL, "-o", "/proc/none/result"), 71, "output.unwritable"),
            (("segment", next(self.study.iterdir()), "-m", DEMO_MODEL, "-o", place), 41, "channel.missing"),
            (("convert", self.study, "-o", self.folder / "x.nrrd"), 13, "input.ambiguous"),
            (("convert", next(self.study.iterdir()), "-o", nothing), 2, "usage"),
            (("inspect", self.study, "--json", next(self.study.rglob("*.dcm"))), 2, "usage"),
            (("inspect", self.folder / "not-finite.nii"), 11, "input.unreadable"),
            (("frobnicate",), 2, "usage"),
        ]
        for arguments, code, name in cases:
            with self.subTest(name, arguments=arguments):
                result = run("oncotome", *arguments, "--quiet")
                self.assertEqual(result.returncode, code, result.stderr)
                self.assertIn(f"[{name}]", result.stderr)
                self.assertEqual(len(result.stderr.strip().splitlines()), 1, result.stderr)
                self.assertFalse(place.exists())

    def test_the_itk_example_gives_the_labels_of_the_program(self):
        channels = []
        for series in sorted(p for p in self.study.iterdir() if p.is_dir()):
            volume = self.folder / f"{series.name}.nrrd"
            done("oncotome", "convert", series, "-o", volume)
            description = json.loads(done("oncotome", "inspect", series, "--json"))["studies"][0]["series"][0]
            channels.append((volume, description["series_uid"]))
        names = {c["series_uid"]: c["name"] for c in self.report["input"]["channels"]}
        output = self.folder / "example.nrrd"
        text = done("SegmentTumor", DEMO_MODEL, output, *[f"{names[uid]}={volume}" for volume, uid in channels])
        self.assertIn("lesion 1", text)
        self.assertTrue(np.array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(output))), labels_of(self.result)))


class Cascade(WithFolder):
    """The imported brats17 cascade on real brains."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.model = cls.folder / "model"
        done("oncotome", "models", "import", need("model_brats17_msnet"), "--output", cls.model)

    def test_tcga_case_as_files_and_as_dicom(self):
        case = need("brain_tcga/TCGA-DU-7294")
        channels = {name: case / f"TCGA-DU-7294_{stem}_bet.nii.gz"
                    for name, stem in (("FLAIR", "fla"), ("T1", "t1"), ("T1ce", "t1c"), ("T2", "t2"))}
        by_hand = [part for name, path in channels.items() for part in ("--input", f"{name}={path}")]
        done("oncotome", "segment", *by_hand, "--model", self.model, "--output", self.folder / "files")
        truth = sitk.GetArrayFromImage(sitk.ReadImage(str(case / "fusion" / "simple.nii.gz")))
        found = labels_of(self.folder / "files")
        whole, core = dice(found > 0, truth > 0), dice((found == 1) | (found == 4), truth == 1)
        print(f"TCGA-DU-7294: whole tumor Dice {whole:.4f}, core {core:.4f}, enhancing {np.sum(found == 4) / 1000:.2f} ml")
        self.assertGreaterEqual(whole, 0.93)
        self.assertGreaterEqual(core, 0.85)

        done("oncotome-dicomize", "--output", self.folder / "study", "--study-seed", "tcga", "--shuffle",
             *[f"{name}={path}" for name, path in channels.items()])
        done("oncotome", "segment", self.folder / "study", "--model", self.model, "--output", self.folder / "dicom",
             "--formats", "seg,seg-fractional,sr,nrrd,png,html")
        self.assertTrue(np.array_equal(labels_of(self.folder / "dicom"), found))
        check_objects(self.folder / "dicom")
        self.check_probabilities(self.folder / "dicom", found)

    def check_probabilities(self, folder, labels):
        """Each region lies in the one before, and the labels are their halves, but for the closing of holes and small
        components that are left out."""
        values = probabilities_of(folder)
        self.assertEqual(list(values), ["Whole tumor", "Tumor core", "Enhancing tumor"])
        whole, core, enhancing = values.values()
        self.assertTrue((core <= whole).all() and (enhancing <= core).all())
        for name, probability, region in (("whole", whole, labels > 0), ("core", core, (labels == 1) | (labels == 4)),
                                          ("enhancing", enhancing, labels == 4)):
            overlap = dice(probability > 127, region)
            print(f"TCGA-DU-7294: probabilities above a half and the labels of {name}, Dice {overlap:.4f}")
            self.assertGreaterEqual(overlap, 0.97, name)

    def test_brats_2013_case_with_a_mask(self):
        case = need("brain_brats2015_expert/brats_2013_pat0001_1")
        t1c, flair = case / "T1c_subtrMeanDivStd.nii.gz", case / "Flair_subtrMeanDivStd.nii.gz"
        done("oncotome", "segment", "--input", f"FLAIR={flair}", "--input", f"T1={t1c}", "--input", f"T1ce={t1c}",
             "--input", f"T2={flair}", "--mask", case / "brainmask.nii.gz", "--model", self.model, "--formats", "nrrd",
             "--output", self.folder / "brats")
        truth = sitk.GetArrayFromImage(sitk.ReadImage(str(case / "OTMultiClass.nii.gz")))
        whole = dice(labels_of(self.folder / "brats") > 0, truth > 0)
        print(f"brats_2013_pat0001_1: whole tumor Dice {whole:.4f}")
        self.assertGreaterEqual(whole, 0.80)


if __name__ == "__main__":
    main()
