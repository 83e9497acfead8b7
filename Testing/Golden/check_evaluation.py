#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares `oncotome evaluate` with DeepMind's surface-distance and scipy.

Usage: check_evaluation.py ONCOTOME DATA
Dice and surface Dice must agree to 1e-6, HD95 and the mean surface distance to 1e-3 mm, volumes to 1e-9 ml, and lesion
counts exactly, on made-up masks (anisotropic, touching the border, many lesions, one slice, empty) and on real ones
against moved, eroded and grown copies. Exit status: 0 all equal, 1 a difference, 77 equal but DATA is not there.
"""
import csv
import json
import pathlib
import resource
import subprocess
import sys
import tempfile
import zipfile

import jsonschema
import numpy as np
import scipy.ndimage as ndimage
import SimpleITK as sitk
import surface_distance
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

ROOT = pathlib.Path(__file__).resolve().parents[2]
STUDY = generate_uid()
TOLERANCES = {"dice": 1e-6, "surface_dice": 1e-6, "hd95_mm": 1e-3, "mean_surface_distance_mm": 1e-3, "result_ml": 1e-9,
              "truth_ml": 1e-9, "lesion_sensitivity": 1e-12, "lesion_precision": 1e-12, "false_positive_lesions": 0,
              "truth_lesions": 0}


def expected(result, truth, spacing_xyz, tolerance_mm):
    """By other code; spacing in the order of the arrays' axes, z first."""
    spacing = tuple(reversed(spacing_xyz))
    ml = float(np.prod(spacing)) / 1000
    parts, others = (ndimage.label(m, np.ones((3, 3, 3))) for m in (truth, result))
    found = len(set(np.unique(parts[0][result])) - {0})
    true = len(set(np.unique(others[0][truth])) - {0})
    out = {"dice": None, "surface_dice": None, "hd95_mm": None, "mean_surface_distance_mm": None,
           "result_ml": result.sum() * ml, "truth_ml": truth.sum() * ml, "truth_lesions": parts[1],
           "lesion_sensitivity": found / parts[1] if parts[1] else None,
           "lesion_precision": true / others[1] if others[1] else None, "false_positive_lesions": others[1] - true}
    if result.any() or truth.any():
        out["dice"] = float(surface_distance.compute_dice_coefficient(truth, result))
        distances = surface_distance.compute_surface_distances(truth, result, spacing)
        out["surface_dice"] = float(surface_distance.compute_surface_dice_at_tolerance(distances, tolerance_mm))
        if result.any() and truth.any():
            out["hd95_mm"] = float(surface_distance.compute_robust_hausdorff(distances, 95))
            out["mean_surface_distance_mm"] = sum(surface_distance.compute_average_surface_distance(distances)) / 2
    return out


def write_dicom(path, values, sop_class, **more):
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = ExplicitVRLittleEndian, sop_class, generate_uid()
    d = FileDataset("", values, file_meta=meta, preamble=bytes(128))
    d.is_little_endian, d.is_implicit_VR = True, False
    d.SOPClassUID, d.SOPInstanceUID, d.PatientID, d.StudyInstanceUID = sop_class, meta.MediaStorageSOPInstanceUID, "1", STUDY
    for name, value in more.items():
        setattr(d, name, value)
    path.parent.mkdir(exist_ok=True)
    d.save_as(path, write_like_original=False)


def write_series(folder, frame, series, count=6, sop_class="1.2.840.10008.5.1.4.1.1.2", modality="CT"):
    for k in range(count):
        write_dicom(folder / f"{k}.dcm", {}, sop_class, Modality=modality, SeriesInstanceUID=series, FrameOfReferenceUID=frame, InstanceNumber=k + 1,
                    Rows=16, Columns=16, SamplesPerPixel=1, PhotometricInterpretation="MONOCHROME2", BitsAllocated=16, BitsStored=16, HighBit=15,
                    PixelRepresentation=1, PixelSpacing=[1, 1], SliceThickness=2, ImagePositionPatient=[0, 0, 2 * k],
                    ImageOrientationPatient=[1, 0, 0, 0, 1, 0], RescaleSlope=1, RescaleIntercept=0, PixelData=bytes(512))


def write_structure_set(path, frame, series, heights):
    def item(**values):
        d = Dataset()
        for name, value in values.items():
            setattr(d, name, value)
        return d
    contours = [item(ContourGeometricType="CLOSED_PLANAR", NumberOfContourPoints=4,
                     ContourData=[v for x, y in ((3.5, 3.5), (11.5, 3.5), (11.5, 11.5), (3.5, 11.5)) for v in (x, y, z)]) for z in heights]
    study = item(ReferencedSOPClassUID="1.2.840.10008.3.1.2.3.1", ReferencedSOPInstanceUID=STUDY,
                 RTReferencedSeriesSequence=[item(SeriesInstanceUID=series)])
    write_dicom(path, {}, "1.2.840.10008.5.1.4.1.1.481.3", Modality="RTSTRUCT", SeriesInstanceUID=generate_uid(),
                ReferencedFrameOfReferenceSequence=[item(FrameOfReferenceUID=frame, RTReferencedStudySequence=[study])],
                StructureSetROISequence=[item(ROINumber=1, ReferencedFrameOfReferenceUID=frame, ROIName="GTV", ROIGenerationAlgorithm="")],
                ROIContourSequence=[item(ReferencedROINumber=1, ContourSequence=contours)])


def blobs(random, shape, share):
    field = ndimage.gaussian_filter(random.normal(size=shape), [s / 8 for s in shape])
    return field > np.quantile(field, 1 - share)


def made_up():
    """Name, result, truth, spacing x y z."""
    random = np.random.default_rng(7)
    a, b = blobs(random, (24, 40, 36), 0.05), blobs(random, (24, 40, 36), 0.08)
    yield "blobs", a, b, (1, 1, 1)
    yield "anisotropic", a, ndimage.shift(a, (1, 2, -1), order=0) > 0, (0.488, 0.7, 5)
    yield "tenths", b, ndimage.binary_erosion(b), (0.1, 0.3, 0.7)
    whole = np.ones((5, 6, 7), bool)
    yield "the whole grid", whole, ndimage.binary_erosion(whole), (1, 2, 3)
    corner = np.zeros((20, 20, 20), bool)
    corner[:4, :5, 14:] = corner[16:, 15:, :3] = True
    yield "touching the border", corner, ndimage.binary_dilation(corner), (0.9, 0.9, 2.5)
    points = random.random((30, 30, 30)) > 0.995
    yield "many lesions", points, ndimage.binary_dilation(points & (random.random(points.shape) > 0.4)), (1, 1, 3)
    noise = random.random((2, 16, 18, 20)) > 0.5
    yield "noise, every kind of cube", noise[0], noise[1], (0.8, 1.1, 1.7)
    one = blobs(random, (1, 60, 60), 0.2)
    yield "one slice", one, np.roll(one, 3, 2), (0.5, 0.25, 8)
    yield "far apart", np.roll(corner, 9, 1), corner, (1, 1, 1)
    yield "empty result", np.zeros_like(a), a, (1, 1, 1)
    yield "empty truth", a, np.zeros_like(a), (1, 1, 1)
    yield "both empty", np.zeros_like(a), np.zeros_like(a), (1, 1, 1)


def changed(mask):
    yield "eroded", ndimage.binary_erosion(mask)
    yield "grown", ndimage.binary_dilation(mask, iterations=2)
    yield "moved", np.roll(mask, (1, -2, 3), (0, 1, 2))


def real(data):
    """Name, result, truth, the image whose grid they have."""
    for name in ("brain_brats2015_expert/brats_2013_pat0001_1/OTMultiClass.nii.gz", "brain_tcga/TCGA-DU-7294/fusion/simple.nii.gz",
                 "measurement_pyradiomics/brain1_label.nrrd", "measurement_pyradiomics/prostate_phantom_subvolume-label.nrrd"):
        image = sitk.ReadImage(str(data / name))
        mask = sitk.GetArrayFromImage(image) > 0
        for what, other in changed(mask):
            yield f"{name} {what}", other, mask, image
    case = data / "brain_tcga/TCGA-DU-7294/fusion"
    a, b = (sitk.ReadImage(str(case / f"{n}.nii.gz")) for n in ("mav", "simple"))
    for label in (1, 2):
        yield f"mav against simple, label {label}", *(sitk.GetArrayFromImage(i) == label for i in (a, b)), b


def write(mask, path, like):
    image = sitk.GetImageFromArray(mask.astype(np.uint8))
    if isinstance(like, sitk.Image):
        image.CopyInformation(like)
    else:
        image.SetSpacing(like)
    sitk.WriteImage(image, str(path), True)


def evaluate(program, *arguments):
    run = subprocess.run([program, "evaluate", *map(str, arguments), "--json"], capture_output=True, text=True)
    if run.returncode != 0:
        raise AssertionError(run.stderr)
    out = json.loads(run.stdout)
    jsonschema.validate(out, json.loads((ROOT / "Data/Schemas/evaluation-1.schema.json").read_text()))
    return out


class Check:
    def __init__(self, program, scratch):
        self.program, self.scratch, self.pairs, self.bad = program, scratch, 0, 0

    def need(self, good, what):
        if not good:
            self.bad += 1
            print("FAILED", what)

    def pair(self, name, result, truth, like):
        suffix = ".nii.gz" if self.pairs % 2 else ".nrrd"
        files = [self.scratch / f"{side}{suffix}" for side in ("result", "truth")]
        for mask, path in zip((result, truth), files):
            write(mask, path, like)
        spacing = sitk.ReadImage(str(files[0])).GetSpacing()
        tolerance = 1 if self.pairs % 3 else 2.5
        row = evaluate(self.program, *files, "--tolerance", tolerance)["pairs"][0]["regions"][0]
        wrong = []
        for key, value in expected(result, truth, spacing, tolerance).items():
            got = row[key]
            if (got is None) != (value is None) or (value is not None and not abs(got - value) <= TOLERANCES[key]):
                wrong.append(f"{key} is {got}, expected {value}")
        empty = {(True, True): "both", (True, False): "result", (False, True): "truth", (False, False): None}
        if row.get("empty") != empty[(not result.any(), not truth.any())]:
            wrong.append(f"empty is {row.get('empty')}")
        self.pairs += 1
        self.need(not wrong, f"{name}: {'; '.join(wrong)}")

    def other_grid(self):
        """The truth on a finer grid that reaches beyond the result's: nearest voxels, and what lies outside is said."""
        result, truth = np.zeros((10, 12, 14), bool), np.zeros((40, 48, 56), bool)
        result[2:8, 2:9, 3:10] = True
        truth[8:32, 8:36, 12:40] = True
        fine = sitk.GetImageFromArray(truth.astype(np.uint8))
        fine.SetSpacing((0.5, 0.5, 0.5))
        fine.SetOrigin((-0.75 - 2, -0.75, -0.75))
        sitk.WriteImage(fine, str(self.scratch / "fine.nrrd"))
        write(result, self.scratch / "coarse.nrrd", (2, 2, 2))
        coarse = sitk.ReadImage(str(self.scratch / "coarse.nrrd"))
        moved = sitk.GetArrayFromImage(sitk.Resample(fine, coarse, sitk.Transform(), sitk.sitkNearestNeighbor)) > 0
        pair = evaluate(self.program, self.scratch / "coarse.nrrd", self.scratch / "fine.nrrd")["pairs"][0]
        want = expected(result, moved, (2, 2, 2), 1)
        self.need(abs(pair["regions"][0]["dice"] - want["dice"]) < 1e-6, "a truth on a finer grid is compared as SimpleITK resamples it")
        self.need(any("resampled" in note for note in pair["notes"]), "a note says that the truth was resampled")
        fine.SetOrigin((-20, 0, 0))
        sitk.WriteImage(fine, str(self.scratch / "part.nrrd"))
        notes = evaluate(self.program, self.scratch / "coarse.nrrd", self.scratch / "part.nrrd")["pairs"][0]["notes"]
        self.need(any("outside" in note for note in notes), "a note says what lies outside")
        fine.SetOrigin((500, 0, 0))
        sitk.WriteImage(fine, str(self.scratch / "away.nrrd"))
        run = subprocess.run([self.program, "evaluate", self.scratch / "coarse.nrrd", self.scratch / "away.nrrd"], capture_output=True, text=True)
        self.need(run.returncode == 40 and "grid.mismatch" in run.stderr, f"grids that do not meet are refused, not {run.returncode}")

    def list_of_pairs(self):
        random = np.random.default_rng(3)
        truth = random.integers(0, 4, (8, 9, 10)).astype(np.uint8)
        lines = ["result,truth,name"]
        dice = []
        for i in range(3):
            result = np.where(random.random(truth.shape) < 0.2 * i, 0, truth)
            for what, labels in (("r", result), ("t", truth)):
                sitk.WriteImage(sitk.GetImageFromArray(labels), str(self.scratch / f"{what}{i}.nrrd"))
            lines.append(f'r{i}.nrrd,t{i}.nrrd,"=case, {i}"')
            core = np.isin(result, (1, 3)), np.isin(truth, (1, 3))
            dice.append(2 * (core[0] & core[1]).sum() / (core[0].sum() + core[1].sum()))
        (self.scratch / "pairs.csv").write_text("\n".join(lines) + "\n")
        out = evaluate(self.program, "--pairs", self.scratch / "pairs.csv", "--labels", "core=1+3", "--csv", self.scratch / "out.csv")
        summary = out["summary"][0]["dice"]
        for key, value in (("mean", np.mean(dice)), ("median", np.median(dice)), ("worst", min(dice))):
            self.need(abs(summary[key] - value) < 1e-9, f"{key} of the pairs is {summary[key]}, expected {value}")
        rows = list(csv.DictReader((self.scratch / "out.csv").open()))
        self.need([r["pair"] for r in rows] == [f"'=case, {i}" for i in range(3)], "names come back in the CSV, no formula among them")
        self.need(all(abs(float(r["dice"]) - d) < 1e-9 for r, d in zip(rows, dice)), "the CSV holds the same Dice")

    def fails(self, code, *arguments):
        run = subprocess.run([self.program, "evaluate", *map(str, arguments)], capture_output=True, text=True)
        self.need(run.returncode == code, f"{' '.join(map(str, arguments))}: exit {run.returncode}, not {code}: {run.stderr}")

    def structure_sets(self):
        """A box drawn every 1 mm on a series of 2 mm: 8 x 8 voxels on three planes, two contours between them."""
        frame, series = generate_uid(), generate_uid()
        write_series(self.scratch / "series", frame, series)
        write_series(self.scratch / "elsewhere", generate_uid(), generate_uid())
        write_series(self.scratch / "picture", frame, series, count=1, sop_class="1.2.840.10008.5.1.4.1.1.1", modality="CR")
        drawn = self.scratch / "drawn" / "rt.dcm"
        write_structure_set(drawn, frame, series, (0, 1, 2, 3, 4))
        for name, folder in (("series.zip", "series"), ("drawn.zip", "drawn")):
            with zipfile.ZipFile(self.scratch / name, "w") as archive:
                for path in (self.scratch / folder).iterdir():
                    archive.write(path, f"study/{path.name}")
        box = np.zeros((6, 16, 16), bool)
        box[:3, 4:12, 4:12] = True
        label = self.scratch / "box.nrrd"
        write(box, label, (1, 1, 2))
        for what, arguments in (("on the other's grid", (drawn, label)), ("on its series", (drawn, drawn, "--reference", self.scratch / "series")),
                                ("in an archive", (self.scratch / "drawn.zip", drawn.parent, "--reference", self.scratch / "series.zip"))):
            pair = evaluate(self.program, *arguments)["pairs"][0]
            row = pair["regions"][0]
            self.need(row["dice"] == 1 and abs(row["result_ml"] - 0.384) < 1e-12, f"a structure set {what}: {row}")
            self.need(any(note.startswith("the result: 2 contours of ROI 1 ") for note in pair["notes"]), f"{what}: what is left out is said")
        out = self.scratch / "converted.nrrd"
        subprocess.run([self.program, "convert", drawn, "--reference", self.scratch / "series.zip", "-o", out], check=True, capture_output=True)
        self.need(np.array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(out))) > 0, box), "convert finds the series in an archive")
        for reference in ("elsewhere", "picture"):
            self.fails(12, drawn, drawn, "--reference", self.scratch / reference)
        self.fails(12, self.scratch / "series.zip", label)
        self.need(evaluate(self.program, label, drawn, "--labels", "x=1:1")["pairs"][0]["regions"][0]["dice"] == 1, "an ROI by its number")
        self.fails(2, label, drawn, "--labels", "x=1:7")
        for option, file in (("--json", label), ("--csv", drawn), ("--csv", drawn.parent)):
            before = drawn.read_bytes() + label.read_bytes()
            self.fails(2, label, drawn, "--overwrite", option, file)
            self.need(drawn.read_bytes() + label.read_bytes() == before, f"{option} never writes over an input")

    def speed(self):
        z, y, x = np.ogrid[:300, :512, :512]
        ball = lambda cx: ((x - cx) / 230) ** 2 + ((y - 256) / 220) ** 2 + ((z - 150) / 140) ** 2 < 1
        for name, mask in (("big-a.nrrd", ball(250)), ("big-b.nrrd", ball(258))):
            image = sitk.GetImageFromArray(mask.astype(np.uint8))
            image.SetSpacing((0.8, 0.8, 1.25))
            sitk.WriteImage(image, str(self.scratch / name))
        used = lambda: sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
        begin = used()
        evaluate(self.program, self.scratch / "big-a.nrrd", self.scratch / "big-b.nrrd", "--labels", "organ=1")
        seconds, mib = used() - begin, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(f"512 x 512 x 300: {seconds:.1f} s of a processor, {mib:.0f} MiB")
        # The two volumes and their masks are 300 MiB.
        self.need(seconds < 30 and mib < 1500, "a pair of great size takes at most half a minute and 1.5 GiB")


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    program, data = sys.argv[1], pathlib.Path(sys.argv[2])
    with tempfile.TemporaryDirectory() as scratch:
        check = Check(program, pathlib.Path(scratch))
        for case in made_up():
            check.pair(*case)
        check.other_grid()
        check.list_of_pairs()
        check.structure_sets()
        check.speed()
        absent = not (data / "brain_tcga").is_dir()
        if not absent:
            for case in real(data):
                check.pair(*case)
        print(f"{check.pairs} pairs compared, {check.bad} differences" + (f"; real masks skipped: no {data}" if absent else ""))
        return 1 if check.bad else 77 if absent else 0


if __name__ == "__main__":
    sys.exit(main())
