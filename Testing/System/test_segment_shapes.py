#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The main job on studies in every shape. Needs highdicom and dcmtk's dcmcjpls."""
import json
import shutil
import subprocess
import unittest
import unittest.mock

import numpy as np
import pydicom
import SimpleITK as sitk
from highdicom.legacy import LegacyConvertedEnhancedMRImage

from whole_program import DEMO_MODEL, WithFolder, check_objects, dice, done, labels_of, main, probabilities_of


class Shapes(WithFolder):
    """The demo's study in the shapes that hospitals send it, and what is written of it beside the SEG."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        done("oncotome-phantom", "--seed", 9102, "--tumors", 1, "--format", "dicom", "--output", cls.folder)
        cls.study, cls.result = cls.folder / "study", cls.folder / "result"
        cls.segment(cls.study, cls.result, "--formats", "seg,seg-fractional,nrrd", "--entropy")
        cls.labels = labels_of(cls.result)

    @classmethod
    def segment(cls, study, result, *more):
        done("oncotome", "segment", *([study] if study else []), "--model", DEMO_MODEL, "--output", result, *more)
        return json.loads((result / "report.json").read_text())

    def edited(self, name, edit):
        """A copy of the study after edit(data set, channel, slice from the first position)."""
        place = self.folder / name
        for channel in sorted(self.study.iterdir()):
            slices = sorted((pydicom.dcmread(p) for p in channel.glob("*.dcm")), key=lambda d: d.ImagePositionPatient[2])
            (place / channel.name).mkdir(parents=True)
            for k, data in enumerate(slices):
                edit(data, channel.name, k)
                data.save_as(place / channel.name / f"{k:03}.dcm")
        return place

    def same_labels(self, result):
        self.assertGreater((self.labels > 0).sum(), 500)
        self.assertTrue(np.array_equal(labels_of(result), self.labels))

    def test_probabilities_say_what_the_labels_say(self):
        values = probabilities_of(self.result)
        numbers = {row["name"]: row["value"]
                   for row in json.loads((self.result / "report.json").read_text())["labels"]}
        self.assertEqual(set(values), set(numbers))
        stack = np.stack(list(values.values()))
        self.assertLessEqual(stack.sum(0).max(), 255 + 2)  # what each map may gain by rounding
        stack = np.concatenate([255 - stack.sum(0, keepdims=True), stack])
        ranked = np.sort(stack, 0)
        clear = ranked[-1] - ranked[-2] > 3
        likely = np.array([0] + [numbers[name] for name in values])[stack.argmax(0)]
        self.assertGreater(clear.mean(), 0.99)
        self.assertTrue(np.array_equal(likely[clear], self.labels[clear]))

    def test_the_entropy_is_that_of_the_probabilities(self):
        shares = np.stack(list(probabilities_of(self.result).values())) / 255
        shares = np.concatenate([np.maximum(0, 1 - shares.sum(0, keepdims=True)), shares])
        expected = -(shares * np.log(np.maximum(shares, 1e-9))).sum(0)
        found = sitk.ReadImage(str(self.result / "entropy.nii.gz"))
        grid = sitk.ReadImage(str(self.result / "segmentation.seg.nrrd"))
        self.assertTrue(np.allclose(found.GetOrigin(), grid.GetOrigin(), atol=1e-3))
        found = sitk.GetArrayFromImage(found)
        self.assertGreater(found.max(), 0.5)
        self.assertLess(np.abs(found - expected).max(), 0.06)  # of probabilities in steps of 1/255
        self.assertLess(np.abs(found - expected).mean(), 0.001)

    def test_a_zip_of_the_study_and_of_its_channels_gives_the_same_labels(self):
        archive = shutil.make_archive(str(self.folder / "whole"), "zip", self.study)
        self.segment(archive, self.folder / "whole-result", "--formats", "nrrd")
        self.same_labels(self.folder / "whole-result")
        names = {"flair": "FLAIR", "t1": "T1", "t1ce": "T1ce", "t2": "T2"}
        by_hand = [part for channel, name in names.items() for part in ("--input", "{}={}".format(
            name, shutil.make_archive(str(self.folder / channel), "zip", self.study / channel)))]
        self.segment(None, self.folder / "channels-result", *by_hand, "--formats", "nrrd")
        self.same_labels(self.folder / "channels-result")

    def test_channels_that_are_parts_of_one_series_give_the_same_labels(self):
        echoes = {"flair": 120, "t1": 10, "t1ce": 11, "t2": 100}
        uid = pydicom.uid.generate_uid()

        def edit(data, channel, k):
            data.SeriesInstanceUID, data.EchoTime = uid, echoes[channel]

        report = self.segment(self.edited("parts", edit), self.folder / "parts-result", "--formats", "seg,sr,nrrd")
        self.same_labels(self.folder / "parts-result")
        self.assertEqual({c["name"]: c["part_name"] for c in report["input"]["channels"]},
                         {"FLAIR": "EchoTime 120", "T1": "EchoTime 10", "T1ce": "EchoTime 11", "T2": "EchoTime 100"})
        check_objects(self.folder / "parts-result")
        seg = pydicom.dcmread(self.folder / "parts-result" / "segmentation.dcm")
        self.assertEqual([s.SeriesInstanceUID for s in seg.ReferencedSeriesSequence], [uid])
        self.assertEqual(len(seg.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence[0].SourceImageSequence), 4)

    @unittest.mock.patch.object(pydicom.config, "datetime_conversion", True)  # highdicom needs it
    def test_enhanced_multi_frame_channels_give_the_same_labels_and_contours_of_their_frames(self):
        multi, result = self.folder / "multi", self.folder / "multi-result"
        multi.mkdir()
        made = {}
        for channel in sorted(self.study.iterdir()):
            slices = [pydicom.dcmread(p) for p in sorted(channel.glob("*.dcm"))]
            for data in slices:
                data.AcquisitionDate, data.AcquisitionTime = "20200102", "101112"
            image = LegacyConvertedEnhancedMRImage(slices, pydicom.uid.generate_uid(), 7, pydicom.uid.generate_uid(), 1)
            image.SeriesDescription = slices[0].SeriesDescription
            image.save_as(multi / f"{channel.name}.dcm")
            made[channel.name] = image
        self.segment(multi, result, "--formats", "seg,sr,rtstruct,nrrd")
        self.same_labels(result)
        check_objects(result)
        drawn = pydicom.dcmread(result / "structures.dcm")
        source, contours = made["t1ce"], [c for roi in drawn.ROIContourSequence for c in roi.get("ContourSequence", [])]
        self.assertGreater(len(contours), 10)
        for contour in contours:
            image = contour.ContourImageSequence[0]
            self.assertEqual(image.ReferencedSOPInstanceUID, source.SOPInstanceUID)
            frame = source.PerFrameFunctionalGroupsSequence[image.ReferencedFrameNumber - 1]
            self.assertAlmostEqual(float(contour.ContourData[2]),
                                   float(frame.PlanePositionSequence[0].ImagePositionPatient[2]), places=2)
        study = drawn.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0]
        images = study.RTReferencedSeriesSequence[0].ContourImageSequence
        self.assertEqual([i.ReferencedSOPInstanceUID for i in images][:1], [source.SOPInstanceUID])
        # The structure set as truth and as result, against the labels that it was drawn from.
        labels = result / "segmentation.seg.nrrd"
        for pair in ((result / "structures.dcm", labels), (labels, result / "structures.dcm"),
                     (result / "structures.dcm", result / "segmentation.dcm")):
            out = json.loads(done("oncotome", "evaluate", *pair, "--json"))
            self.assertGreaterEqual(out["pairs"][0]["regions"][0]["dice"], 0.995, pair)
        out = json.loads(done("oncotome", "evaluate", result / "structures.dcm", result / "structures.dcm",
                              "--reference", multi / "t1ce.dcm", "--json"))
        self.assertEqual(out["pairs"][0]["regions"][0]["dice"], 1)

    def test_a_tilted_study_has_its_seg_on_the_slices_and_nearly_the_same_tumor(self):
        drift = 2 * np.tan(np.radians(5))  # mm from one slice to the next, of 2 mm

        def tilt(data, channel, k):
            """The same anatomy on slices that drift to the back."""
            y, step = np.arange(data.Rows), k * drift / 2
            columns = data.pixel_array.astype(float)
            moved = np.stack([np.interp(y + step, y, column, right=0) for column in columns.T], 1)
            data.PixelData = np.round(moved).astype("<i2").tobytes()
            data.ImagePositionPatient[1] = f"{float(data.ImagePositionPatient[1]) + k * drift:.6f}"

        study, result = self.edited("tilted", tilt), self.folder / "tilted-result"
        report = self.segment(study, result, "--formats", "seg,sr,nrrd")
        self.assertEqual(sum("slanted by 5 degrees" in text for text in report["corrections"]), 4, report["corrections"])
        seg = pydicom.dcmread(result / "segmentation.dcm")
        there = {str(pydicom.dcmread(p, stop_before_pixels=True).ImagePositionPatient)
                 for p in (study / "t1ce").glob("*.dcm")}
        places = {str(f.PlanePositionSequence[0].ImagePositionPatient) for f in seg.PerFrameFunctionalGroupsSequence}
        self.assertEqual(places, there)
        self.assertEqual((seg.Rows, seg.Columns), self.labels.shape[1:])
        straight = self.result / "segmentation.seg.nrrd"
        told = {}
        for name in ("segmentation.seg.nrrd", "segmentation.dcm"):
            out = json.loads(done("oncotome", "evaluate", result / name, straight, "--json"))["pairs"][0]
            told[name] = out["regions"][0]["dice"]
            self.assertGreaterEqual(told[name], 0.93, name)
        print(f"tilted by 5 degrees: whole tumor Dice with the straight run {told}")
        self.assertTrue(any("slanted" in note for note in out["notes"]), out["notes"])

    def test_what_was_compressed_with_loss_is_told_in_seg_sr_and_report(self):
        def unsigned(data, channel, k):  # as dcmcjpls wants it
            data.PixelData = np.maximum(data.pixel_array, 0).astype("<u2").tobytes()
            data.PixelRepresentation = 0

        lossy, result = self.edited("lossy", unsigned), self.folder / "lossy-result"
        for path in (lossy / "t2").glob("*.dcm"):
            subprocess.run(["dcmcjpls", "+en", "+md", "2", path, path], check=True, capture_output=True)
        source = pydicom.dcmread(next((lossy / "t2").glob("*.dcm")))
        self.assertEqual(source.LossyImageCompression, "01")
        report = self.segment(lossy, result, "--formats", "seg,seg-fractional,labelmap,sr,nrrd")
        self.assertEqual({c["name"]: c["lossy"] for c in report["input"]["channels"]},
                         {"FLAIR": False, "T1": False, "T1ce": False, "T2": True})
        for name in ("segmentation", "probabilities", "labelmap"):
            seg = pydicom.dcmread(result / f"{name}.dcm")
            self.assertEqual((seg.LossyImageCompression, seg.LossyImageCompressionMethod), ("01", "ISO_14495_1"), name)
            self.assertGreater(float(seg.LossyImageCompressionRatio), 1)
        said = [e.value for e in pydicom.dcmread(result / "report.dcm").iterall() if e.keyword == "TextValue"]
        self.assertEqual([source.SeriesInstanceUID in text for text in said if "compressed with loss" in text], [True])
        check_objects(result)
        self.assertGreaterEqual(dice(labels_of(result) > 0, self.labels > 0), 0.98)
        untouched = pydicom.dcmread(self.result / "segmentation.dcm")
        self.assertEqual(untouched.LossyImageCompression, "00")


if __name__ == "__main__":
    main()
