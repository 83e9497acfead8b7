#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""segment --classify: each lesion of a study gets its class, in report.json, the HTML report and the SR; classify --lesions: so
does each lesion that a mask outlines."""
import json
import unittest

import jsonschema
import numpy as np
import pydicom
import SimpleITK as sitk

from picture_models import CLASSES, CODE, lenet_weights, unet_weights, write_package
from whole_program import DEMO_MODEL, ROOT, WithFolder, check_objects, done, main, need, run

SIZE = (32, 32)


def of_mr(classes_with_code=3, **image):
    def change(model):
        model["input"]["channels"] = [{"name": "T1ce"}]
        model["image"].update(image)
        model["image"].pop("rescale")
        model["image"]["percentiles"] = [0.01, 0.99]
        for c in model["classes"][classes_with_code:]:
            c.pop("code")
    return change


class LesionClasses(WithFolder):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        done("oncotome-phantom", "--seed", 9102, "--tumors", 2, "--format", "dicom", "--output", cls.folder)
        cls.study = cls.folder / "study"
        cls.scan = ["--input", f"T1ce={cls.study / 't1ce'}"]
        cls.weights = lenet_weights(np.random.default_rng(5), SIZE[0])

    def segment(self, name, *arguments, study=None, model=DEMO_MODEL):
        result = self.folder / name
        done("oncotome", "segment", study or self.study, "--model", model, "--output", result, "--quiet", *arguments)
        report = json.loads((result / "report.json").read_text())
        jsonschema.validate(report, json.loads((ROOT / "Data/Schemas/report-1.schema.json").read_text()))
        return report, result

    def test_each_lesion_has_its_class_in_every_report(self):
        model = write_package(self.folder / "classes", self.weights, SIZE, change=of_mr())
        report, result = self.segment("result", "--classify", model)
        self.assertGreaterEqual(len(report["lesions"]), 2)
        self.assertEqual([c["name"] for c in report["classifier"]["classes"]], list(CLASSES))
        html = (result / "report.html").read_text()
        sr = pydicom.dcmread(result / "report.dcm")
        said = [e.value for e in sr.iterall() if e.keyword == "CodeMeaning"]
        self.assertEqual(said.count("Impression"), len(report["lesions"]))
        self.assertEqual(said.count("Certainty of Impression"), len(report["lesions"]))
        for lesion in report["lesions"]:
            found = lesion["classification"]
            self.assertAlmostEqual(sum(found["probabilities"].values()), 1, places=6)
            self.assertEqual(found["class"], max(found["probabilities"], key=found["probabilities"].get))
            self.assertIn(f"<strong>{found['class']}</strong>", html)
        self.assertIn(CODE["value"], [e.value for e in sr.iterall() if e.keyword == "CodeValue"])
        check_objects(result)

    def test_a_lesion_is_seen_as_a_picture_of_its_slice_would_be(self):
        model = write_package(self.folder / "whole", self.weights, SIZE, change=of_mr())
        report, result = self.segment("whole-result", "--classify", model, "--formats", "nrrd")
        series = [p for p in (self.study / "t1ce").glob("*.dcm")]
        by_place = {float(pydicom.dcmread(p).ImagePositionPatient[2]): p for p in series}
        labels = sitk.ReadImage(str(result / "segmentation.seg.nrrd"))
        ids = sitk.GetArrayFromImage(sitk.ConnectedComponent(labels > 0, True))
        for lesion in report["lesions"]:
            x, y, z = lesion["first_index"]
            x1, y1, z1 = lesion["last_index"]
            inside = ids[z:z1 + 1, y:y1 + 1, x:x1 + 1]
            number = np.bincount(inside[inside > 0]).argmax()
            slice_ = int((ids == number).sum((1, 2)).argmax())
            place = labels.TransformIndexToPhysicalPoint((0, 0, slice_))[2]
            path = by_place[min(by_place, key=lambda v: abs(v - place))]
            out = self.folder / f"slice-{lesion['id']}"
            done("oncotome", "classify", path, "-m", model, "-o", out, "--quiet")
            alone = json.loads((out / "report.json").read_text())["images"][0]
            for name, p in alone["probabilities"].items():
                self.assertAlmostEqual(p, lesion["classification"]["probabilities"][name], places=5)

    def outlined(self, name, study, lesions, model):
        out = self.folder / name
        done("oncotome", "classify", *study, "--lesions", lesions, "--model", model, "--output", out, "--quiet")
        report = json.loads((out / "report.json").read_text())
        jsonschema.validate(report, json.loads((ROOT / "Data/Schemas/pictures-1.schema.json").read_text()))
        return report

    def test_outlined_lesions_get_the_classes_that_segmented_ones_do(self):
        model = write_package(self.folder / "outlined-classes", self.weights, SIZE, change=of_mr(crop_margin_mm=4))
        report, result = self.segment("outlined-result", "--classify", model)
        expected = {tuple(map(tuple, (x["first_index"], x["last_index"]))): x["classification"] for x in report["lesions"]}
        for lesions in ("segmentation.dcm", "segmentation.seg.nrrd"):
            found = self.outlined(lesions + "-classes", self.scan, result / lesions, model)["images"]
            self.assertEqual([x["path"] for x in found], [f"lesion {n + 1}" for n in range(len(found))])
            by_box = {(tuple(x["box"]["first"]), tuple(x["box"]["last"])): x for x in found}
            for box, wanted in expected.items():  # Among others, too small to be lesions of the package.
                x = by_box[box]
                for name, p in wanted["probabilities"].items():
                    self.assertAlmostEqual(x["probabilities"][name], p, places=5)

    def test_a_nodule_model_sees_what_a_structure_set_outlines(self):
        study = need("ct_lung_gtv") / "pat_2"
        drawn = pydicom.dcmread(study / "DCM_RS_00041.dcm")
        slices = [pydicom.dcmread(p, stop_before_pixels=True) for p in study.glob("DCM_IMG_*.dcm")]
        slices.sort(key=lambda d: float(d.ImagePositionPatient[2]))
        points = np.concatenate([np.reshape(c.ContourData, (-1, 3)).astype(float)
                                 for c in drawn.ROIContourSequence[0].ContourSequence])
        origin = np.array(slices[0].ImagePositionPatient, float)
        step = float(slices[1].ImagePositionPatient[2]) - origin[2]
        index = (points - origin) / [*map(float, slices[0].PixelSpacing), step]
        model = ROOT / "Data" / "Models" / "lung-nodule"
        found = self.outlined("gtv", [study], study / "DCM_RS_00041.dcm", model)["images"]
        boxes = np.array([[x["box"]["first"], x["box"]["last"]] for x in found])
        np.testing.assert_allclose(boxes[:, 0].min(0), index.min(0), atol=1)
        np.testing.assert_allclose(boxes[:, 1].max(0), index.max(0), atol=1)
        mask = self.folder / "gtv.nrrd"
        done("oncotome", "convert", study / "DCM_RS_00041.dcm", "--output", mask)
        again = self.outlined("gtv-mask", [study], mask, model)["images"]
        self.assertEqual(found, again)

    def test_outlines_that_are_none_are_refused(self):
        model = write_package(self.folder / "none-classes", self.weights, SIZE, change=of_mr())
        empty = sitk.Image(8, 8, 8, sitk.sitkUInt8)
        sitk.WriteImage(empty, str(self.folder / "empty.nrrd"))
        empty.SetOrigin((5000, 0, 0))
        sitk.WriteImage(empty + 1, str(self.folder / "far.nrrd"))
        for name, code in (("absent.nrrd", 10), ("far.nrrd", 40), ("empty.nrrd", 12)):
            result = run("oncotome", "classify", *self.scan, "--lesions", self.folder / name, "-m", model, "-o", self.folder / "never")
            self.assertEqual(result.returncode, code, result.stderr)
            self.assertFalse((self.folder / "never").exists())

    def test_a_class_without_a_code_and_a_refusal_are_told(self):
        model = write_package(self.folder / "uncoded", self.weights, SIZE, change=of_mr(0, crop_margin_mm=4))
        _, result = self.segment("uncoded-result", "--classify", model, "--formats", "seg,sr,nrrd")
        sr = pydicom.dcmread(result / "report.dcm")
        self.assertIn("99MODEL", [e.value for e in sr.iterall() if e.keyword == "CodingSchemeDesignator"])
        check_objects(result)

        def closed(m):
            of_mr()(m)
            m["gate"] = {"features": "statistics/1", "mean": [0] * 41, "whitening": [0] * 861, "quantile": 0.99,
                         "max_distance": -1}

        model = write_package(self.folder / "closed", self.weights, SIZE, change=closed)
        report, result = self.segment("closed-result", "--classify", model)
        self.assertTrue(all("class" not in lesion["classification"] for lesion in report["lesions"]))
        self.assertIn("none: not the kind of image", (result / "report.html").read_text())
        check_objects(result)

    def test_a_model_with_both_heads_does_both(self):
        def both(m):
            of_mr()(m)

        model = write_package(self.folder / "both", unet_weights(np.random.default_rng(2)), SIZE, labels=2, change=both)
        report, result = self.segment("both-result", "--input", f"T1ce={self.study / 't1ce'}", study=self.study,
                                      model=model)
        self.assertEqual(report["classifier"]["name"], report["model"]["name"])
        self.assertTrue(all("classification" in lesion for lesion in report["lesions"]))
        check_objects(result)

    def test_a_classifier_that_does_not_fit_is_refused_before_the_work(self):
        def refusal(model):
            result = run("oncotome", "segment", self.study, "-m", DEMO_MODEL, "-o", self.folder / "never", "--classify", model)
            self.assertFalse((self.folder / "never").exists())
            return result.returncode
        self.assertEqual(refusal(DEMO_MODEL), 2)
        self.assertEqual(refusal(write_package(self.folder / "gray", self.weights, SIZE)), 41)
        self.assertEqual(refusal(write_package(self.folder / "ct", self.weights, SIZE, modality="CT")), 43)


if __name__ == "__main__":
    main()
