#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""nnU-Net's results folders as models of the whole program: DICOM, archives, ensembles, cascades. That the labels are
nnU-Net's own is held by Golden/check_nnunet.py.
"""
import json
import shutil
import unittest
import zipfile

import numpy as np
import pydicom
import SimpleITK as sitk

from whole_program import ROOT, WithFolder, check_objects, done, labels_of, main, run

FIXTURES = ROOT / "Testing" / "Golden" / "fixtures" / "nnunet"
PHANTOM = FIXTURES / "Dataset910_Phantom"


def model_of(dataset, ending="3d_fullres"):
    return next((FIXTURES / dataset).glob(f"*__{ending}"))


def array(path):
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


class NnUnet(WithFolder):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.model = model_of("Dataset910_Phantom")
        cls.images = PHANTOM / "imagesTs"
        cls.channels = [x for c, name in enumerate(("FLAIR", "T1ce"))
                        for x in ("--input", f"{name}={cls.images}/case_{c:04}.nii.gz")]
        cls.labels = array(PHANTOM / "predicted/3d_fullres/case.nii.gz")

    def predict(self, name, *arguments, images=None, model=None):
        models = [] if "-m" in arguments else ["-m", model or self.model]
        done("oncotome", "predict", "-i", images or self.images, "-o", self.folder / name, *models, *arguments)
        return array(self.folder / name / "case.nii.gz")

    def test_segment_gives_the_labels_of_predict_with_names_and_lesions(self):
        result = self.folder / "files"
        done("oncotome", "segment", *self.channels, "--model", self.model, "--output", result)
        self.assertGreater((labels_of(result) == self.labels).mean(), 0.9999)
        report = json.loads((result / "report.json").read_text())
        self.assertEqual([(row["value"], row["name"]) for row in report["labels"]], [(1, "core"), (2, "edema")])
        self.assertEqual(len(report["model"]["sha256"]), 64)
        self.assertIn("3d_fullres", json.dumps(report["preparation"]))

    def test_the_entropy_is_that_of_the_saved_probabilities(self):
        done("oncotome", "segment", *self.channels, "--model", self.model, "--output", self.folder / "entropy", "--entropy", "--formats", "nrrd")
        self.predict("saved", "--save_probabilities")
        p = np.load(self.folder / "saved/case.npz")["probabilities"].astype(float)
        p /= p.sum(0)
        found = array(self.folder / "entropy/entropy.nii.gz")
        self.assertGreater(found.max(), 0.5)
        self.assertLess(np.abs(found + (p * np.log(np.maximum(p, 1e-30))).sum(0)).max(), 1e-3)

    def test_dicom_goes_in_and_a_seg_comes_out(self):
        study, result = self.folder / "study", self.folder / "dicom"
        done("oncotome-dicomize", "--output", study, "--study-seed", "nnunet",
             *(f"{name}={self.images}/case_{c:04}.nii.gz" for c, name in enumerate(("FLAIR", "T1ce"))))
        done("oncotome", "segment", study, "--model", self.model, "--output", result, "--formats", "seg,sr,nrrd")
        image = sitk.ReadImage(str(result / "segmentation.seg.nrrd"))
        same = sitk.DICOMOrient(image, "LPS")
        self.assertGreater((sitk.GetArrayFromImage(same) == self.labels).mean(), 0.9999)
        check_objects(result)
        seg = pydicom.dcmread(result / "segmentation.dcm")
        self.assertIn("edema", [s.SegmentLabel for s in seg.SegmentSequence])

    def test_what_nnunet_does_not_know_comes_from_oncotome_json(self):
        model = self.folder / "described"
        shutil.copytree(self.model, model)
        (model / "oncotome.json").write_text(json.dumps(
            {"title": "Phantoms", "labels": [{"value": 1, "name": "Core", "lesion": True}], "lesion": {"min_volume_mm3": 20}}))
        done("oncotome", "segment", *self.channels, "--model", model, "--output", self.folder / "described-result")
        report = json.loads((self.folder / "described-result/report.json").read_text())
        self.assertEqual(report["model"]["title"], "Phantoms")
        self.assertEqual([(row["name"], row["lesion"]) for row in report["labels"]], [("Core", True), ("edema", True)])
        (model / "oncotome.json").write_text(json.dumps({"labels": [{"value": 7, "name": "no such label"}]}))
        refused = run("oncotome", "segment", *self.channels, "--model", model, "--output", self.folder / "no")
        self.assertEqual((refused.returncode, refused.stderr.count("oncotome.json")), (51, 1))

    def test_an_exported_archive_is_a_model(self):
        archive = self.folder / "export.zip"
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
            for file in self.model.rglob("*"):
                out.write(file, file.relative_to(FIXTURES))
        self.assertGreater((self.predict("zipped", model=archive) == self.labels).mean(), 0.9999)

    def test_an_archive_that_names_a_place_outside_is_refused(self):
        archive = self.folder / "evil.zip"
        with zipfile.ZipFile(archive, "w") as out:
            out.writestr("../../evil.txt", "x")
        refused = run("oncotome", "predict", "-i", self.images, "-o", self.folder / "evil", "-m", archive)
        self.assertEqual(refused.returncode, 14)
        self.assertFalse((self.folder / "evil").exists())

    def test_an_ensemble_averages_probabilities(self):
        images, whole = FIXTURES / "Dataset901_Isotropic/imagesTs", model_of("Dataset901_Isotropic")
        models, probabilities = [], []
        for fold in (0, 1):
            model = self.folder / f"only-{fold}" / whole.name
            shutil.copytree(whole, model)
            shutil.rmtree(model / f"fold_{1 - fold}")
            models.append(model)
            self.predict(f"only-{fold}-result", "--save_probabilities", images=images, model=model)
            probabilities.append(np.load(self.folder / f"only-{fold}-result/case.npz")["probabilities"])
        got = self.predict("both", "-m", *models, images=images)
        want = np.mean(probabilities, axis=0).argmax(0)
        self.assertGreater((want != probabilities[0].argmax(0)).sum(), 10)
        self.assertGreater((got == want).mean(), 0.9999)

    def test_float32_sums_change_ties_only(self):
        self.assertGreater((self.predict("float32", "--float32", "--save_probabilities") == self.labels).mean(), 0.999)
        self.predict("half", "--save_probabilities")
        half, single = (np.load(self.folder / name / "case.npz")["probabilities"] for name in ("half", "float32"))
        self.assertTrue(0 < np.abs(half - single).max() < 0.01)

    def test_a_cascade_runs_the_stage_that_lies_beside_it(self):
        cascade = FIXTURES / "Dataset905_Cascade"
        got = self.predict("cascade", "-f", "0", images=cascade / "imagesTs", model=model_of("Dataset905_Cascade", "3d_cascade_fullres"))
        self.assertGreater((got == array(cascade / "predicted/3d_cascade_fullres/case.nii.gz")).mean(), 0.9999)

    def test_cases_that_are_done_are_left_out_when_asked(self):
        output = self.folder / "continued"
        output.mkdir()
        (output / "case.nii.gz").write_text("done before")
        told = done("oncotome", "predict", "-i", self.images, "-o", output, "-m", self.model, "--continue_prediction", "--json")
        self.assertEqual(json.loads(told)["skipped"], 1)
        self.assertEqual((output / "case.nii.gz").read_text(), "done before")


if __name__ == "__main__":
    main()
