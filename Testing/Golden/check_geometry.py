#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Series with geometry faults, made by pydicom, against a reader of its own (ITK in each slice, numpy along the normal).

Usage: check_geometry.py ONCOTOME WRITE_SAMPLES
Under each policy a series is refused with the right code, or its grid (worked out by hand here) and voxels agree. A
letter F in patient space must come out of `convert`, and of the SEG made from that, where it was, however it was
scanned; a sphere must keep its volume. Prints a line per case. Exit status: 0 all right, 1 something is wrong.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

POLICIES = ("strict", "correct", "fill")
AXIAL = ((1, 0, 0), (0, 1, 0))
MISSING, UNEVEN, TILT = "dicom.missing_slices", "dicom.uneven_spacing", "dicom.gantry_tilt"


def turn(a_deg, b_deg):
    a, b = np.radians([a_deg, b_deg])
    return ((np.cos(a), np.sin(a), 0), (-np.sin(a) * np.cos(b), np.cos(a) * np.cos(b), np.sin(b)))


class Scan:
    """Slices: `places` are mm along row, column and normal from `corner`; `sample(points)` gives the values there."""

    def __init__(self, places, axes=AXIAL, size=(24, 20), pixel=(0.75, 0.5), corner=(-9, 11, 30), sample=None,
                 numbers=None, decimals=None, shuffle=False, position="HFS"):
        self.places = np.array([p if np.ndim(p) else (0, 0, p) for p in places], float)
        row, column = (np.array(v, float) for v in axes)
        self.axes = np.stack([row, column, np.cross(row, column)])
        self.size, self.pixel, self.corner, self.sample = size, pixel, np.array(corner, float), sample
        self.numbers = numbers or range(1, len(places) + 1)
        self.decimals, self.shuffle, self.position = decimals, shuffle, position
        self.rng = np.random.default_rng(5)

    def origin(self, place):
        return self.corner + place @ self.axes

    def points(self, place):
        j, i = np.mgrid[:self.size[1], :self.size[0]]
        return (self.origin(place) + i[..., None] * self.pixel[0] * self.axes[0]
                + j[..., None] * self.pixel[1] * self.axes[1])

    def write(self, folder, edit=None):
        folder.mkdir(parents=True)
        study, series, frame = (generate_uid() for _ in range(3))
        names = self.rng.permutation(len(self.places)) if self.shuffle else range(len(self.places))
        self.pixels = []
        for k, place in enumerate(self.places):
            shape = self.size[::-1]
            pixels = self.sample(self.points(place)) if self.sample else self.rng.integers(-1000, 1000, shape)
            self.pixels.append(pixels.astype(np.int16))
            meta = FileMetaDataset()
            meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
            meta.TransferSyntaxUID = ExplicitVRLittleEndian
            d = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
            d.is_little_endian, d.is_implicit_VR = True, False
            d.SOPClassUID, d.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
            d.StudyInstanceUID, d.SeriesInstanceUID, d.FrameOfReferenceUID = study, series, frame
            d.Modality, d.PatientID, d.PatientName, d.PatientPosition = "CT", "TEST", "Test^Geometry", self.position
            d.StudyDate, d.StudyTime, d.StudyID, d.AccessionNumber = "20200102", "101112", "1", ""
            d.PatientBirthDate, d.PatientSex, d.ReferringPhysicianName = "", "O", ""
            d.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
            d.SeriesNumber, d.InstanceNumber, d.KVP, d.SliceThickness = 1, self.numbers[k], 120, 2.5
            cosines = self.axes[:2].ravel()
            d.ImageOrientationPatient = [f"{c:.{self.decimals or 12}f}" for c in cosines]
            d.ImagePositionPatient = [f"{x:.9f}"[:16] for x in self.origin(place)]
            d.PixelSpacing = [self.pixel[1], self.pixel[0]]
            d.Rows, d.Columns, d.SamplesPerPixel, d.PhotometricInterpretation = *shape, 1, "MONOCHROME2"
            d.BitsAllocated, d.BitsStored, d.HighBit, d.PixelRepresentation = 16, 16, 15, 1
            d.RescaleSlope, d.RescaleIntercept, d.RescaleType = 1, 0, "HU"
            d.PixelData = self.pixels[k].tobytes()
            if edit:
                edit(d, k)
            d.save_as(folder / f"{names[k]:04}.dcm", write_like_original=False)


def slanted(degrees, count=12, step=2.5):
    return [(0, k * step * np.tan(np.radians(degrees)), k * step) for k in range(count)]


def distances(*gaps):
    return np.concatenate([[0], np.cumsum(gaps)])


STEPS = np.arange(12) * 2.5
JITTER = np.array([0, 1, -1, 1, 0, -1, 1, 0, 1, -1, 1, 0])
CURVE = [(1.9 * np.sin(k * np.pi / 11), -0.9 * np.sin(k * np.pi / 5.5), 2.5 * k) for k in range(12)]


def without(values, *gone):
    return [v for k, v in enumerate(values) if k not in gone]


def cases():
    """name, scan, fault, least policy, planes and step of the grid. Numbers by hand: n planes from first to last."""
    for name, axes, position in (("axial", AXIAL, "HFS"), ("sagittal", ((0, 1, 0), (0, 0, -1)), "HFS"),
                                 ("coronal", ((1, 0, 0), (0, 0, -1)), "HFS"), ("oblique double", turn(20, 35), "HFS"),
                                 ("column cosine negative", ((-1, 0, 0), (0, -1, 0)), "HFP"),
                                 ("feet first", ((-1, 0, 0), (0, 1, 0)), "FFS")):
        yield name, Scan(STEPS, axes, position=position), None, "strict", 12, 2.5
    yield "reversed order", Scan(STEPS[::-1]), None, "strict", 12, 2.5
    yield "file names out of order, left-handed", Scan(STEPS[::-1], shuffle=True), None, "strict", 12, 2.5
    yield "cosines of 4 decimals", Scan(STEPS, turn(20, 35), decimals=4), None, "strict", 12, 2.5
    yield "jitter 0.3 %", Scan(STEPS + 0.0075 * JITTER / 2), None, "strict", 12, 2.5
    yield "jitter 3 %", Scan(STEPS + 0.075 * JITTER / 2), UNEVEN, "correct", 12, 2.5
    yield "2.5 then 5 mm", Scan(distances(*[2.5] * 6, *[5] * 4)), UNEVEN, "correct", 15, 2.5
    yield "5 then 2.5 mm", Scan(distances(*[5] * 8, *[2.5] * 3)), UNEVEN, "correct", 20, 2.5
    yield "tilt +15", Scan(slanted(15)), TILT, "correct", 12, 2.5
    yield "tilt -22", Scan(slanted(-22)), TILT, "correct", 12, 2.5
    yield "tilt 8, oblique", Scan(slanted(8), turn(-30, 12)), TILT, "correct", 12, 2.5
    yield "sideways drift", Scan(CURVE), UNEVEN, "correct", 12, 2.5
    yield "tilt 50", Scan(slanted(50)), TILT, None, 0, 0
    numbers = list(range(1, 13))
    for name, gone in (("missing 1", [5]), ("missing 3", [4, 5, 6]), ("first spacing twice", [1]),
                       ("every second of a part missing", [3, 5, 7])):
        yield name, Scan(without(STEPS, *gone), numbers=without(numbers, *gone)), MISSING, "fill", 12, 2.5
    yield "tilt 10, missing 1", Scan(without(slanted(10), 6)), MISSING, "fill", 12, 2.5
    yield "jitter 3 %, missing 1", Scan(without(STEPS + 0.075 * JITTER / 2, 7)), MISSING, "fill", 12, 2.5


def expected(scan, planes, step):
    """The volume [z, y, x] on the regular grid, its origin; corner and canvas follow from the places of the slices."""
    order = np.argsort(scan.places[:, 2])
    places = scan.places[order] - scan.places[order[0]]
    index = places[:, :2] / scan.pixel
    low, high = np.floor(index.min(0) + 0.1), np.ceil(index.max(0) - 0.1)
    size = [int(n + h - l) for n, l, h in zip(scan.size, low, high)]
    shifted = []
    for place, k in zip(index, order):
        image = sitk.GetImageFromArray(scan.pixels[k].astype(np.float64))
        image.SetOrigin(place.tolist())
        shifted.append(sitk.GetArrayFromImage(sitk.Resample(image, size, sitk.Transform(), sitk.sitkLinear,
                                                            low.tolist(), (1, 1), (1, 0, 0, 1), np.nan)))
    shifted, along = np.stack(shifted), places[:, 2]
    volume = []
    for z in np.arange(planes) * step:
        above = int(np.clip(np.searchsorted(along, z), 1, len(along) - 1))
        weight = (z - along[above - 1]) / (along[above] - along[above - 1])
        near = np.abs(along - z) <= 0.01 * step
        volume.append(shifted[np.argmax(near)] if near.any() else
                      (1 - weight) * shifted[above - 1] + weight * shifted[above])
    volume = np.stack(volume)
    volume[np.isnan(volume)] = np.nanmin(volume)
    first = scan.places[order[0]].copy()
    first[:2] += low * scan.pixel
    return volume, scan.origin(first)


def run(*command):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True)


def convert(program, folder, policy):
    output = folder.parent / "volume.nrrd"
    result = run(program, "convert", "-q", folder, "--geometry", policy, "--output", output, "--overwrite")
    return result, sitk.ReadImage(str(output)) if result.returncode == 0 else None


def compare(image, scan, planes, step):
    volume, origin = expected(scan, planes, step)
    got = sitk.GetArrayFromImage(image)
    if got.shape != volume.shape:
        return f"size z,y,x is {got.shape}, expected {volume.shape}"
    tolerance = 1e-4 if scan.decimals else 1e-6
    spacing, direction = (*scan.pixel, step), scan.axes.T.ravel()
    if scan.decimals:
        spacing, step_error = image.GetSpacing(), abs(image.GetSpacing()[2] - step)
        if step_error > 1e-3:
            return f"step is off by {step_error}"
    for what, a, b in (("spacing", image.GetSpacing(), spacing), ("origin", image.GetOrigin(), origin),
                       ("direction", image.GetDirection(), direction)):
        if not np.allclose(a, b, rtol=0, atol=tolerance):
            return f"{what} is {a}, expected {b}"
    worst = np.abs(got - volume).max()
    return f"voxels differ by up to {worst}" if worst > 2e-3 else None


def check_case(program, folder, scan, fault, least, planes, step):
    scan.write(folder)
    listed = json.loads(run(program, "inspect", "-q", "--json", "-", folder).stdout)["studies"][0]["series"][0]
    got = listed.get("fault", {}).get("code"), listed.get("cure"), listed["readable"]
    if got != (fault, least if fault else None, not fault):
        yield f"inspect says {got}"
    for policy in POLICIES:
        result, image = convert(program, folder, policy)
        readable = least is not None and POLICIES.index(policy) >= POLICIES.index(least)
        if not readable and (result.returncode == 0 or f"[{fault}]" not in result.stderr):
            yield f"{policy}: not refused as {fault}: {result.stderr.strip()}"
        elif readable and image is None:
            yield f"{policy}: {result.stderr.strip()}"
        elif readable:
            if wrong := compare(image, scan, planes, step):
                yield f"{policy}: {wrong}"
        elif least and f"'{least}'" not in result.stderr:
            yield f"{policy}: the message does not name the policy '{least}': {result.stderr.strip()}"


def check_mixed(program, folder, edit):
    """Whether split into parts or refused: never one volume."""
    Scan(STEPS).write(folder, edit)
    for policy in POLICIES:
        result, _ = convert(program, folder, policy)
        if result.returncode == 0 or "error" not in result.stderr:
            yield f"{policy}: exit status {result.returncode}: {result.stderr.strip()}"


def other_size(d, k):
    if k == 4:
        d.Rows, d.Columns = d.Columns, d.Rows


def other_orientation(d, k):
    if k == 4:
        d.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]


def same_place(d, k):
    if k == 4:
        d.ImagePositionPatient = [-9, 11, 37.5]


def letter(points):
    """A letter F with a foot: no two of its sides, ends and faces are alike. Air outside."""
    x, y, z = np.moveaxis(points, -1, 0)
    inside = np.zeros(x.shape, bool)
    for (x0, x1), (y0, y1), (z0, z1) in (((-10, -4), (-6, 6), (-20, 20)), ((-4, 14), (-6, 6), (12, 20)),
                                         ((-4, 8), (-6, 6), (-2, 5)), ((-10, -4), (6, 12), (-20, -14))):
        inside |= (x > x0) & (x < x1) & (y > y0) & (y < y1) & (z > z0) & (z < z1)
    return np.where(inside, 1000, -1000)


def letter_scans():
    count, pixel, step = (48, 44), (1.3, 1.1), 1.7

    def scan(axes, slant=0, reverse=False, **more):
        places = np.array([(0, k * step * np.tan(np.radians(slant)), k * step) for k in range(32)])
        frame = np.stack([*axes, np.cross(*axes)]).astype(float)
        middle = np.array([count[0] * pixel[0], count[1] * pixel[1], 0]) / 2 + places[16]
        corner = np.array([0.31, 0.17, 0.23]) - middle @ frame
        return Scan(places[::-1] if reverse else places, axes, count, pixel, corner, letter, **more)
    yield "axial", scan(AXIAL)
    yield "sagittal", scan(((0, 1, 0), (0, 0, -1)))
    yield "coronal", scan(((1, 0, 0), (0, 0, -1)))
    yield "oblique", scan(turn(20, 35))
    yield "feet first", scan(((-1, 0, 0), (0, 1, 0)), position="FFS")
    yield "columns to the front", scan(((-1, 0, 0), (0, -1, 0)), position="HFP")
    yield "reversed order", scan(AXIAL, reverse=True)
    yield "tilted", scan(AXIAL, slant=17)


def image_points(image):
    z, y, x = np.mgrid[tuple(slice(0, n) for n in image.GetSize()[::-1])]
    direction = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    return np.stack([x, y, z], -1) @ direction.T + np.array(image.GetOrigin())


def near_edge(points, axes, reach):
    """Where the letter begins or ends within `reach` mm along the axes."""
    here = letter(points)
    return np.any([letter(points + s * d * r) != here for d, r in zip(axes, reach) for s in (-0.5, 0.5, -1, 1)], 0)


def check_letter(program, writer, folder, scan):
    scan.write(folder)
    result, image = convert(program, folder, "correct")
    if image is None:
        yield result.stderr.strip()
        return
    tilted = np.ptp(scan.places[:, 1]) > 0
    values, points = sitk.GetArrayFromImage(image), image_points(image)
    free = ~near_edge(points, scan.axes, (0, scan.pixel[1], 0)) if tilted else np.ones(values.shape, bool)
    wrong = (values > 0) != (letter(points) > 0)
    if (wrong & free).any():
        yield f"{(wrong & free).sum()} voxels of the volume are not where the letter is"
    labels = sitk.Cast(image > 0, sitk.sitkUInt8)
    sitk.WriteImage(labels, str(folder.parent / "labels.nrrd"))
    made = run(writer, "--source", folder, "--labels", folder.parent / "labels.nrrd", "--output", folder.parent / "out")
    if made.returncode != 0:
        yield made.stderr.strip()
        return
    seg = pydicom.dcmread(folder.parent / "out" / "segmentation.dcm")
    bits = np.unpackbits(np.frombuffer(seg.PixelData, np.uint8), bitorder="little")
    frames = bits[:seg.NumberOfFrames * seg.Rows * seg.Columns].reshape(-1, seg.Rows, seg.Columns)
    segments = {s.SegmentLabel: s.SegmentNumber for s in seg.SegmentSequence}
    shared = seg.SharedFunctionalGroupsSequence[0]
    if [str(v) for v in shared.PlaneOrientationSequence[0].ImageOrientationPatient] != [
            f"{c:.12f}" for c in scan.axes[:2].ravel()]:
        yield "the orientation in the SEG is not that of the slices"
    sources = {tuple(map(str, pydicom.dcmread(p).ImagePositionPatient)) for p in folder.iterdir()}
    for label in ("Necrosis", "Lesion 1"):
        seen, count, missed = set(), 0, 0
        for item, pixels in zip(seg.PerFrameFunctionalGroupsSequence, frames):
            if item.SegmentIdentificationSequence[0].ReferencedSegmentNumber != segments[label]:
                continue
            position = item.PlanePositionSequence[0].ImagePositionPatient
            seen.add(tuple(map(str, position)))
            place = (np.array(position, float) - scan.corner) @ scan.axes.T
            points = scan.points(place)
            free = ~near_edge(points, scan.axes, (0, scan.pixel[1], 0)) if tilted else True
            missed += (((pixels > 0) != (letter(points) > 0)) & free).sum()
            count += pixels.sum()
        if missed or count < 1000:
            yield f"{label}: {missed} voxels of the SEG are not where the letter is ({count} are set)"
        if seen != sources:
            yield f"{label}: {len(seen)} planes, which are not the {len(sources)} slices"


def ball(points):
    """Radius 20 mm; the edge is blurred over 8 mm, as thick slices do."""
    return np.round(1000 * np.clip(0.5 + (20 - np.linalg.norm(points, axis=-1)) / 8, 0, 1))


def ball_scans():
    size, pixel = (64, 64), (0.9, 0.9)

    def scan(places):
        middle = (np.array([63, 63]) * 0.9 + np.ptp(places[:, :2], 0) * np.sign(places[-1, :2])) / 2
        return Scan(places, AXIAL, size, pixel, (-middle[0], -middle[1], -np.ptp(places[:, 2]) / 2 + 0.4), ball)
    flat = np.arange(25) * 2.0
    yield "even", scan(np.array([(0, 0, z) for z in flat]))
    yield "tilted 15", scan(np.array(slanted(15, 25, 2)))
    yield "tilted -22", scan(np.array(slanted(-22, 25, 2)))
    yield "2 and 4 mm", scan(np.array([(0, 0, z) for z in distances(*[2] * 12, *[4] * 6)]))
    yield "missing 1", scan(np.array([(0, 0, z) for z in without(flat, 15)]))
    yield "missing 2", scan(np.array([(0, 0, z) for z in without(flat, 9, 15)]))
    yield "drifting", scan(np.array([(2 * np.sin(k / 4), np.cos(k / 3), z) for k, z in enumerate(flat)]))


def check_ball(program, folder, scan):
    scan.write(folder)
    result, image = convert(program, folder, "fill")
    if image is None:
        yield result.stderr.strip()
        return
    volume = (sitk.GetArrayFromImage(image) > 500).sum() * np.prod(image.GetSpacing())
    error = volume / (4 / 3 * np.pi * 20**3) - 1
    print(f"  volume is off by {100 * error:.2f} %")
    if abs(error) > 0.015:
        yield "that is more than 1.5 %"


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    program, writer = sys.argv[1:]
    checks = [(name, check_case, (program,), rest) for name, *rest in cases()]
    checks += [(name, check_mixed, (program,), [edit]) for name, edit in (
        ("mixed sizes", other_size), ("mixed orientations", other_orientation), ("duplicate position", same_place))]
    checks += [("letter " + name, check_letter, (program, writer), [scan]) for name, scan in letter_scans()]
    checks += [("sphere " + name, check_ball, (program,), [scan]) for name, scan in ball_scans()]
    good = True
    for name, check, programs, arguments in checks:
        with tempfile.TemporaryDirectory() as scratch:
            wrong = list(check(*programs, pathlib.Path(scratch) / "in", *arguments))
        print(f"{'FAILED' if wrong else 'right'} {name}" + "".join(f"\n  {line}" for line in wrong))
        good = good and not wrong
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
