#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Single images: classify, segment for a folder of pictures, and explain, against PyTorch on the same weights."""
import csv
import json
import os
import shutil
import subprocess
import unittest

import jsonschema
import numpy as np
import pydicom
import SimpleITK as sitk
from PIL import Image

from bad_input import bytes_of, slice_of
from picture_models import CLASSES, lenet_weights, unet_weights, write_package
from whole_program import ROOT, WithFolder, done, main, run

TORCH_PYTHON = os.environ.get("ONCOTOME_TORCH_PYTHON", "/usr/bin/python3")
SIZE = (32, 32)


def smooth(random, height, width):
    image = random.uniform(0, 255, (height, width))
    for axis in (0, 1):
        for _ in range(3):
            image = (image + np.roll(image, 1, axis)) / 2
    image = (image - image.min()) / max(np.ptp(image), 1)
    return np.round(255 * image).astype(np.uint8)


class Pictures(WithFolder):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        random = np.random.default_rng(7)
        cls.place = cls.folder / "pictures"
        cls.arrays = {name: smooth(random, *size) for name, size in {
            "a.png": (40, 60), "b/c.png": (32, 32), "b/deep/d.png": (17, 90), "z, last.png": (200, 150)}.items()}
        for name, values in cls.arrays.items():
            (cls.place / name).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(values).save(cls.place / name)
        (cls.place / "notes.txt").write_text("no picture")
        cls.lenet, cls.unet = lenet_weights(random, SIZE[0]), unet_weights(random)
        cls.model = write_package(cls.folder / "lenet", cls.lenet, SIZE)
        cls.both = write_package(cls.folder / "both", cls.unet, SIZE, labels=2,
                                 change=lambda m: m.update(mirrors=["W"]))

    def job(self, command, name, *arguments, model=None, source=None):
        result = self.folder / name
        done("oncotome", command, source or self.place, "--model", model or self.model, "--output", result, "--quiet",
             *arguments)
        report = json.loads((result / "report.json").read_text())
        jsonschema.validate(report, json.loads((ROOT / "Data/Schemas/pictures-1.schema.json").read_text()))
        package = json.loads(((model or self.model) / "model.json").read_text())
        jsonschema.validate(package, json.loads((ROOT / "Data/Schemas/model-1.schema.json").read_text()))
        found = sorted(p.relative_to(result).as_posix() for p in result.rglob("*") if p.is_file())
        self.assertEqual(found, sorted(report["files"]))
        with open(result / "predictions.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        return report, {row["path"]: row for row in rows}

    def reference(self, weights, mirror=False):
        """By PyTorch."""
        if subprocess.run([TORCH_PYTHON, "-c", "import torch"], capture_output=True).returncode != 0:
            self.skipTest("needs a Python with PyTorch")
        given, out = self.folder / "given.npz", self.folder / "out.npz"
        np.savez(given, mirror=mirror, size=SIZE, **weights,
                 **{f"picture {name}": values.astype(np.float32) for name, values in self.arrays.items()})
        subprocess.run([TORCH_PYTHON, ROOT / "Testing/System/picture_reference.py", given, out], check=True)
        return dict(np.load(out))

    def compare(self, rows, reference):
        self.assertEqual(list(rows), sorted(self.arrays))
        for name, row in rows.items():
            expected = reference[f"{name} classes"]
            found = np.array([float(row[f"p_{c}"]) for c in CLASSES])
            self.assertLess(np.abs(found - expected).max(), 1e-5, name)
            self.assertEqual(row["class"], CLASSES[expected.argmax()])
            self.assertAlmostEqual(float(row["entropy"]), -(expected * np.log(expected)).sum(), places=4)
            self.assertEqual(row["refused"], "")

    def test_classes_are_those_of_pytorch(self):
        report, rows = self.job("classify", "classes")
        self.compare(rows, self.reference(self.lenet))
        self.assertEqual(report["rejected"], [])
        self.assertEqual(sum(report["counts"]["classes"].values()), len(self.arrays))
        for image in report["images"]:
            self.assertAlmostEqual(image["probabilities"][CLASSES[1]], float(rows[image["path"]][f"p_{CLASSES[1]}"]), 6)
        header = (self.folder / "classes" / "predictions.csv").read_text().splitlines()[0]
        self.assertEqual(header, 'path,class,p_meningioma,"p_glioma, of any kind",p_pituitary,entropy,refused')

    def test_batches_and_single_pictures_give_the_same(self):
        _, whole = self.job("classify", "batch-16")
        _, single = self.job("classify", "batch-1", "--batch", 1)
        _, one = self.job("classify", "one", source=self.place / "a.png")
        for name in whole:
            for column in whole[name]:
                if column.startswith("p_"):
                    self.assertAlmostEqual(float(whole[name][column]), float(single[name][column]), places=6)
        self.assertEqual(one["a.png"], single["a.png"])

    def test_a_temperature_divides_logits(self):
        cool = write_package(self.folder / "cool", self.lenet, SIZE,
                             change=lambda m: m.update(calibration={"temperature": 2.5}))
        _, warm_rows = self.job("classify", "warm-result")
        _, rows = self.job("classify", "cool-result", model=cool)
        for name, row in rows.items():
            p = np.array([float(warm_rows[name][f"p_{c}"]) for c in CLASSES]) ** (1 / 2.5)
            found = np.array([float(row[f"p_{c}"]) for c in CLASSES])
            self.assertLess(np.abs(found - p / p.sum()).max(), 1e-5)

    def test_masks_and_classes_are_those_of_pytorch(self):
        report, rows = self.job("segment", "masks", model=self.both)
        reference = self.reference(self.unet, mirror=True)
        self.compare(rows, reference)
        for image in report["images"]:
            expected = reference[f"{image['path']} labels"]
            self.assertEqual(image["mask"], f"masks/{image['path']}")
            mask = np.asarray(Image.open(self.folder / "masks" / image["mask"]))
            self.assertEqual(mask.shape, self.arrays[image["path"]].shape)
            clear = np.abs(expected[1] - expected[0]) > 1e-4
            self.assertGreater(clear.mean(), 0.99)
            self.assertTrue(np.array_equal(mask[clear], np.where(expected.argmax(0), 7, 0)[clear]))
            self.assertEqual(image["pixels"], {"Tumor": int((mask == 7).sum())})
        self.assertEqual(report["labels"], [{"value": 7, "name": "Tumor"}])

    def test_an_ensemble_is_the_mean_of_its_members(self):
        other = write_package(self.folder / "member", lenet_weights(np.random.default_rng(8), SIZE[0]), SIZE)
        report, rows = self.job("classify", "ensemble", "--model", other)
        self.assertEqual([m["sha256"] for m in report["members"]], [
            json.loads((package / "model.json").read_text())["weights"]["sha256"] for package in (self.model, other)])
        singles = [self.job("classify", f"single-{i}", model=m)[1] for i, m in enumerate((self.model, other))]

        def entropy(p):
            return -(p * np.log(p)).sum()

        for name, row in rows.items():
            parts = [np.array([float(single[name][f"p_{c}"]) for c in CLASSES]) for single in singles]
            mean = np.mean(parts, 0)
            self.assertLess(np.abs(mean - [float(row[f"p_{c}"]) for c in CLASSES]).max(), 1e-6)
            self.assertAlmostEqual(float(row["entropy"]), entropy(mean), places=5)
            self.assertAlmostEqual(float(row["mutual_information"]), entropy(mean) - np.mean([*map(entropy, parts)]), places=5)
        bad = run("oncotome", "classify", self.place, "-m", self.model, "-m", self.both, "-o", self.folder / "unequal", "-q")
        self.assertEqual((bad.returncode, bad.stderr.count("\n")), (2, 1), bad.stderr)

    def test_maps_of_entropy_are_those_of_pytorch(self):
        report, rows = self.job("segment", "entropies", "--entropy", model=self.both)
        reference = self.reference(self.unet, mirror=True)
        for image in report["images"]:
            p = reference[f"{image['path']} labels"].astype(float)
            p /= p.sum(0)
            found = np.asarray(Image.open(self.folder / "entropies" / image["entropy_map"])).astype(float)
            self.assertGreater(found.max(), 256)
            self.assertLess(np.abs(found * report["entropy_map_nats"] + (p * np.log(p)).sum(0)).max(), 1e-4)
        self.assertAlmostEqual(report["entropy_map_nats"] * 65535, np.log(2))
        # Of two mirrored versions the deviation is half of their difference.
        mirrored = self.reference({**self.unet}, mirror=False)
        for name, row in rows.items():
            plain, mean = mirrored[f"{name} classes"], reference[f"{name} classes"]
            self.assertAlmostEqual(float(row["mirror_spread"]), abs(plain - mean)[mean.argmax()], places=5)

    def test_dropout_samples_are_seeded_and_only_of_networks_that_have_dropouts(self):
        _, plain = self.job("segment", "no-dropout", model=self.both)
        report, rows = self.job("segment", "dropout", "--dropout-samples", 50, "--dropout-seed", 3, model=self.both)
        self.assertEqual((report["run"]["dropout_samples"], report["run"]["seed"]), (50, 3))
        _, again = self.job("segment", "dropout-again", "--dropout-samples", 50, "--dropout-seed", 3, model=self.both)
        _, others = self.job("segment", "dropout-other", "--dropout-samples", 50, model=self.both)
        self.assertEqual(rows, again)
        for name, row in rows.items():
            self.assertGreater(float(row["mutual_information"]), 0)
            for c in CLASSES:
                self.assertNotEqual(row[f"p_{c}"], others[name][f"p_{c}"])
                self.assertLess(abs(float(row[f"p_{c}"]) - float(plain[name][f"p_{c}"])), 0.35)
        bad = run("oncotome", "classify", self.place, "-m", self.model, "-o", self.folder / "bad", "--dropout-samples", 5, "-q")
        self.assertEqual((bad.returncode, bad.stderr.count("\n")), (2, 1), bad.stderr)
        self.assertIn("lenet5", bad.stderr)

    def test_what_cannot_be_read_is_listed_and_the_others_go_on(self):
        place = self.folder / "mixed"
        shutil.copytree(self.place, place)
        (place / "cut.png").write_bytes((place / "a.png").read_bytes()[:900])
        (place / "text.jpg").write_text("hello")
        (place / "empty.png").write_bytes(b"")
        Image.fromarray(self.arrays["a.png"].astype(np.uint16) * 257).save(place / "deep.png")
        Image.fromarray(np.full((1, 1), 99, np.uint8)).save(place / "one.png")
        Image.fromarray(np.stack([self.arrays["a.png"]] * 3, -1)).save(place / "color.png")
        (place / "broken.dcm").write_bytes(bytes_of(slice_of(0))[:500])
        report, rows = self.job("classify", "mixed-result", source=place)
        self.assertEqual({r["path"]: r["code"] for r in report["rejected"]},
                         dict.fromkeys(("cut.png", "text.jpg", "empty.png", "broken.dcm"), "input.unreadable"))
        self.assertEqual(set(rows), {*self.arrays, "deep.png", "one.png", "color.png"})
        for name in ("deep.png", "color.png"):
            for c in CLASSES:
                self.assertAlmostEqual(float(rows[name][f"p_{c}"]), float(rows["a.png"][f"p_{c}"]), places=5)

    def test_dicom_gives_what_the_picture_of_it_gives(self):
        """CT at five HU for each gray value, and a radiograph and a photograph of the same pixels."""
        place, gray = self.folder / "dicom", self.arrays["a.png"]
        (place / "ct").mkdir(parents=True)
        for k in range(3):
            ct = slice_of(k)
            values = (-1000 + 5 * np.roll(gray, k, 1).astype(int)).astype("<i2")
            ct.Rows, ct.Columns, ct.PixelData = *gray.shape, values.tobytes()
            ct.ImagePositionPatient[2] = [0, 2, 9][k]  # no regular volume
            ct.save_as(place / "ct" / f"{k}.dcm", write_like_original=False)
            Image.fromarray(np.roll(gray, k, 1)).save(place / "ct" / f"{k}.png")
        photo = slice_of(7)
        photo.SOPClassUID = photo.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.77.1.4"
        photo.Modality, photo.SeriesInstanceUID = "XC", "2.25.77.31"
        photo.Rows, photo.Columns, photo.SamplesPerPixel = *gray.shape, 3
        photo.PhotometricInterpretation, photo.PlanarConfiguration, photo.PixelRepresentation = "RGB", 0, 0
        photo.BitsAllocated, photo.BitsStored, photo.HighBit = 8, 8, 7
        photo.PixelData = np.stack([gray] * 3, -1).tobytes()
        photo["PixelData"].VR = "OB"
        photo.save_as(place / "photo.dcm", write_like_original=False)

        def of_ct(m):
            m["image"]["picture_range"] = [-1000, 275]

        model = write_package(self.folder / "ct-model", self.lenet, SIZE, modality="CT", change=of_ct)
        report, rows = self.job("classify", "dicom-result", source=place, model=model)
        self.assertEqual([(r["path"], r["code"]) for r in report["rejected"]], [("photo.dcm", "precondition.unmet")])
        self.assertEqual(len(rows), 6)
        for k in range(3):
            for c in CLASSES:
                self.assertAlmostEqual(float(rows[f"ct/{k}.dcm"][f"p_{c}"]), float(rows[f"ct/{k}.png"][f"p_{c}"]), places=5)
        model = write_package(self.folder / "photo-model", self.lenet, SIZE, modality="DMS")
        _, rows = self.job("classify", "photo-result", source=place / "photo.dcm", model=model)
        _, plain = self.job("classify", "plain-result", source=self.place / "a.png")
        for c in CLASSES:
            self.assertAlmostEqual(float(rows["photo.dcm"][f"p_{c}"]), float(plain["a.png"][f"p_{c}"]), places=5)

    def test_a_gate_refuses_with_its_reason(self):
        features = 9 + 32

        def gated(limit, **more):
            return lambda m: m.update(gate={"features": "statistics/1", "mean": [0] * features, "quantile": 0.99,
                                            "whitening": [0] * (features * (features + 1) // 2), "max_distance": limit,
                                            **more})

        closed = write_package(self.folder / "closed", self.lenet, SIZE, change=gated(-1))
        report, rows = self.job("classify", "closed-result", model=closed)
        self.assertEqual(report["counts"]["refused"], len(self.arrays))
        for row in rows.values():
            self.assertEqual([row["class"], row["entropy"], *(row[f"p_{c}"] for c in CLASSES)], [""] * 5)
            self.assertIn("not the kind of image", row["refused"])
        self.assertTrue(all("class" not in image and image["refused"] for image in report["images"]))
        opened = write_package(self.folder / "opened", self.lenet, SIZE, change=gated(1, max_energy=1e9))
        report, rows = self.job("classify", "opened-result", model=opened)
        self.assertEqual(report["counts"]["refused"], 0)
        sure = write_package(self.folder / "sure", self.lenet, SIZE, change=gated(1, max_energy=-1e9))
        report, _ = self.job("classify", "sure-result", model=sure)
        self.assertIn("energy", report["images"][0]["refused"])

    def compare_heat(self, path, name, reference, left):
        """The right one of the two pictures is the left one under the heat: up to seven tenths of a glow from black to white."""
        sheet = np.asarray(Image.open(path)).astype(float)
        height, width = np.round(np.array(self.arrays[name].shape) * 320 / max(self.arrays[name].shape)).astype(int)
        top = sheet.shape[0] - 16 - height
        plain, hot = (sheet[top:top + height, x:x + width] for x in (left, left + width + 4))
        self.assertGreater(np.ptp(plain), 100)
        heat = np.asarray(Image.fromarray(reference[f"{name} heat"]).resize((width, height), Image.BILINEAR), float)
        glow = 255 * np.clip(3 * heat[..., None] - [0, 1, 2], 0, 1)
        self.assertLess(np.abs(hot - (plain + 0.7 * heat[..., None] * (glow - plain))).max(), 2.5)
        self.assertGreater(np.abs(hot - plain).max(), 50)

    def test_heat_maps_are_those_of_pytorch(self):
        report, _ = self.job("classify", "heat", "--heat", 2)
        reference = self.reference(self.lenet)
        self.assertEqual([image.get("heat") for image in report["images"]], ["heat/a.png", "heat/b/c.png", None, None])
        for image in report["images"][:2]:
            self.compare_heat(self.folder / "heat" / image["heat"], image["path"], reference, 12)
        page = (self.folder / "heat" / "report.html").read_text()
        self.assertEqual(page.count("data:image/png;base64,"), 2)
        self.assertIn("2 of 4 images are shown", page)
        self.assertIn(report["images"][0]["class"], page)

    def explain(self, name, image, *arguments, model=None):
        result = self.folder / name
        done("oncotome", "explain", image, "--model", model or self.model, "--output", result, "--quiet", *arguments)
        report = json.loads((result / "explanation.json").read_text())
        jsonschema.validate(report, json.loads((ROOT / "Data/Schemas/explanation-1.schema.json").read_text()))
        self.assertEqual(sorted(p.name for p in result.iterdir()), sorted(report["files"]))
        return report, {file: np.asarray(Image.open(result / file)) for file in report["files"] if file.endswith(".png")}

    def test_a_picture_is_explained(self):
        report, pictures = self.explain("explained", self.place / "a.png")
        _, rows = self.job("classify", "of-explained", source=self.place / "a.png")
        self.assertEqual((report["layer"], report["class"]), ("conv2.max_pool", rows["a.png"]["class"]))
        for c in CLASSES:
            self.assertAlmostEqual(report["probabilities"][c], float(rows["a.png"][f"p_{c}"]), places=6)
        self.compare_heat(self.folder / "explained" / "gradcam.png", "a.png", self.reference(self.lenet), 12)
        # Six filters of 5 x 5, three in a row, each voxel 10 x 10 pixels, by the greatest of each.
        weights = self.lenet["conv1.weight"][:, 0]
        shares = weights / np.abs(weights).max((1, 2), keepdims=True)
        top = pictures["filters.png"].shape[0] - 12 - 2 * 54
        for i, filter_ in enumerate(np.round(255 * (shares + 1) / 2)):
            y, x = top + i // 3 * 54, 12 + i % 3 * 54
            found = pictures["filters.png"][y + 5:y + 50:10, x + 5:x + 50:10].astype(float)
            self.assertLessEqual(np.abs(found - filter_[..., None]).max(), 1)
        other, pictures = self.explain("other", self.place / "a.png", "--layer", "conv1", "--class", CLASSES[2])
        self.assertEqual((other["layer"], other["class"]), ("conv1", CLASSES[2]))
        self.assertEqual(other["probability"], report["probabilities"][CLASSES[2]])
        self.assertEqual(pictures["features_conv1.png"].shape[0], 34 + 2 * (2 * 28 + 4) + 12)
        twice = run("oncotome", "explain", self.place / "a.png", "-m", self.model, "-o", self.folder / "other", "-q")
        self.assertEqual(twice.returncode, 70)

    def test_a_volume_is_explained(self):
        """Where it is brightest there is heat, on the slice that is shown of it too."""
        def in_3d(m):
            m["network"].update(dimensions=3, input_size=[16, 16, 16])

        weights = unet_weights(np.random.default_rng(5), dimensions=3)
        model = write_package(self.folder / "volumes", weights, SIZE, labels=2, change=in_3d)
        values = np.random.default_rng(2).uniform(0, 60, (20, 24, 28)).astype(np.float32)
        values[12:16, 4:9, 5:10] = 255
        image = sitk.GetImageFromArray(values)
        image.SetSpacing((1, 1, 2))
        sitk.WriteImage(image, str(self.folder / "volume.nii.gz"))
        report, pictures = self.explain("volume-explained", self.folder / "volume.nii.gz", model=model)
        self.assertEqual(report["layer"], "encoder.1.1.norm.relu")
        self.assertEqual(pictures["features_encoder.1.1.norm.relu.png"].shape[0], 34 + 3 * (6 * 8 + 4) + 12)
        sheet = pictures["gradcam.png"].astype(int)
        self.assertGreater((sheet[..., 0] - sheet[..., 2]).max(), 60)
        refused = run("oncotome", "classify", self.place, "-m", model, "-o", self.folder / "none", "-q")
        self.assertEqual(refused.returncode, 52)

    def test_what_is_wrong_is_said_with_what_would_be_right(self):
        def said(*arguments):
            result = run("oncotome", "explain", self.place / "a.png", "-m", self.model, "-o", self.folder / "never", *arguments)
            self.assertEqual(result.returncode, 2)
            self.assertEqual(result.stderr.count("\n"), 1)
            return result.stderr

        self.assertIn("has no layer 'conv3'; it has input, conv1, conv2, fc1, fc2, fc3", said("--layer", "conv3"))
        self.assertIn("the last that does is 'conv2.max_pool'", said("--layer", "fc1"))
        self.assertIn("it has meningioma, glioma, of any kind, pituitary", said("--class", "zebra"))

    def test_a_result_that_exists_is_replaced_only_when_asked(self):
        self.job("classify", "twice")
        self.assertEqual(run("oncotome", "classify", self.place, "-m", self.model, "-o", self.folder / "twice").returncode, 70)
        self.job("classify", "twice", "--overwrite")
        # A result within the input is not taken for input.
        self.job("classify", "pictures/result")
        report, _ = self.job("segment", "pictures/result", "--overwrite", model=self.both)
        report, _ = self.job("segment", "pictures/result", "--overwrite", model=self.both)
        self.assertEqual(report["counts"]["images"], len(self.arrays))
        shutil.rmtree(self.place / "result")


if __name__ == "__main__":
    main()
