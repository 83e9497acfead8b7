#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Hospital MR: channels in frames of reference of their own, with the skull on."""
import json
import shutil
import subprocess
import sys

import jsonschema
import numpy as np
import SimpleITK as sitk

from whole_program import ROOT, WithFolder, check_objects, dice, done, labels_of, main, need, run

# As it comes, aligned and stripped, the case reaches 0.934 (test_segment.py). Moved apart, resampled to grids of its own and registered, 0.917.
LEAST_DICE = 0.914
LEAST_BRAIN_DICE = 0.86  # 0.871 is reached, against the mask that the images came with, round a made-up skull.


def affine(geometry):
    direction = np.array(geometry["direction"]).reshape(3, 3)
    a = np.eye(4)
    a[:3, :3], a[:3, 3] = direction * np.array(geometry["spacing_mm"]), geometry["origin_mm"]
    return a


def affine_of(image):
    return affine({"direction": image.GetDirection(), "spacing_mm": image.GetSpacing(), "origin_mm": image.GetOrigin()})


class Misaligned(WithFolder):
    """The TCGA case, its channels turned, shifted and resampled apart by known transforms."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.case = need("brain_tcga/TCGA-DU-7294")
        cls.model = cls.folder / "model"
        done("oncotome", "models", "import", need("model_brats17_msnet"), "--output", cls.model)

    def segment(self, name, *arguments, skull=False):
        place = self.folder / name
        subprocess.run([sys.executable, ROOT / "Testing/Support/misalign.py", self.case, place, *(["--skull"] if skull else [])], check=True)
        done("oncotome-dicomize", "--output", place / "study", "--study-seed", name, "--own-frames",
             *[f"{c}={place / c}.nii.gz" for c in ("FLAIR", "T1", "T1ce", "T2")])
        result = place / "result"
        output = run("oncotome", "segment", place / "study", "--model", self.model, "--output", result, "--formats", "seg,sr,nrrd", *arguments)
        return place, result, output

    def check(self, place, result):
        report = json.loads((result / "report.json").read_text())
        jsonschema.validate(report, json.loads((ROOT / "Data/Schemas/report-1.schema.json").read_text()))
        truth = sitk.GetArrayFromImage(sitk.ReadImage(str(place / "truth.nii.gz")))
        whole = dice(labels_of(result) > 0, truth > 0)
        print(f"{place.name}: whole tumor Dice {whole:.4f}")
        # Target registration error over the brain: where a point of the moved channel was put, against where it belongs.
        to_original = {name: np.array(m) for name, m in json.loads((place / "transforms.json").read_text()).items()}
        brain = sitk.ReadImage(str(place / "brain.nii.gz"))
        index = np.argwhere(sitk.GetArrayFromImage(brain))[::997, ::-1]
        points = affine_of(brain) @ np.vstack([index.T, np.ones(len(index))])
        for channel in report["input"]["channels"]:
            name = channel["name"]
            if name == "T1ce":
                continue
            there = np.linalg.inv(to_original[name]) @ to_original["T1ce"] @ points
            put = affine(channel["geometry"]) @ np.linalg.inv(affine_of(sitk.ReadImage(str(place / f"{name}.nii.gz")))) @ there
            error = np.linalg.norm((put - points)[:3], axis=0)
            print(f"{place.name}: {name} registration error mean {error.mean():.2f} mm, greatest {error.max():.2f} mm")
            self.assertLessEqual(error.mean(), 1.0, name)
            self.assertLessEqual(error.max(), 2.0, name)
        self.assertGreaterEqual(whole, LEAST_DICE)
        check_objects(result)
        return report

    def test_stripped_channels_in_frames_of_their_own_are_registered(self):
        place, result, output = self.segment("bare")
        self.assertEqual(output.returncode, 0, output.stderr)
        report = self.check(place, result)
        self.assertEqual(sum("was registered" in text for text in report["corrections"]), 3)
        self.assertFalse(any("skull" in text for text in report["corrections"]))

    def test_a_head_with_its_skull_is_refused_without_a_brain_model_which_finds_the_brain(self):
        place, result, output = self.segment("head", skull=True)
        self.assertEqual((output.returncode, "[precondition.unmet]" in output.stderr, "give a brain model" in output.stderr), (43, True, True), output.stderr)
        brain = self.folder / "brain"
        done("oncotome", "models", "import", need("model_brainchop_meshnet/mindgrab_skullstrip"), "--output", brain)
        channel = json.loads((brain / "model.json").read_text())["input"]["channels"][0]["name"]
        done("oncotome", "segment", "--input", f"{channel}={place / 'T1ce.nii.gz'}", "--model", brain, "--output", result, "--formats", "nrrd")
        found = dice(labels_of(result) > 0, sitk.GetArrayFromImage(sitk.ReadImage(str(place / "brain.nii.gz"))) > 0)
        print(f"head: brain Dice {found:.4f}")
        self.assertGreaterEqual(found, LEAST_BRAIN_DICE)


class Brain(WithFolder):
    """MeshNets of brainchop."""

    def test_probabilities_are_refused_where_there_are_none(self):
        brain = self.folder / "brain"
        done("oncotome", "models", "import", need("model_brainchop_meshnet/mindgrab_skullstrip"), "--output", brain)
        result = run("oncotome", "segment", brain, "--model", brain, "--output", self.folder / "never", "--formats", "seg-fractional")
        self.assertEqual((result.returncode, "no probabilities" in result.stderr), (2, True), result.stderr)
        result = run("oncotome", "segment", brain, "--model", brain, "--output", self.folder / "never", "--entropy")
        self.assertEqual((result.returncode, "entropy" in result.stderr), (2, True), result.stderr)

    def test_each_of_the_family_is_imported_and_others_are_refused(self):
        source = need("model_brainchop_meshnet")
        schema = json.loads((ROOT / "Data/Schemas/model-1.schema.json").read_text())
        for name in ("mindgrab_skullstrip", "model5_gw_ae", "model18cls", "model20chan3cls", "model30chan18cls", "lesion_model_11ch_ACR", "lesion_model_11ch_ARC"):
            done("oncotome", "models", "import", source / name, "--output", self.folder / name)
            jsonschema.validate(json.loads((self.folder / name / "model.json").read_text()), schema)
            self.assertTrue((self.folder / name / "LICENSE").exists())
        for change, code in ((lambda t, b: (t.replace('"gelu"', '"swish"'), b), 52), (lambda t, b: (t, b[:-4]), 53), (lambda t, b: (t, b + bytes(4)), 53),
                             (lambda t, b: (t.replace('"model.bin"', '"../model.bin"'), b), 53), (lambda t, b: (t.replace('"filters": 15', '"filters": 16'), b), 52)):
            spoiled = self.folder / "spoiled"
            shutil.rmtree(spoiled, ignore_errors=True)
            spoiled.mkdir()
            text, weights = change((source / "mindgrab_skullstrip/model.json").read_text(), (source / "mindgrab_skullstrip/model.bin").read_bytes())
            (spoiled / "model.json").write_text(text)
            (spoiled / "model.bin").write_bytes(weights)
            result = run("oncotome", "models", "import", spoiled, "--output", self.folder / "never")
            self.assertEqual(result.returncode, code, result.stderr)
            self.assertFalse((self.folder / "never").exists())


if __name__ == "__main__":
    main()
