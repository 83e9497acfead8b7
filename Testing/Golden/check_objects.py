#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks result folders (segmentation.dcm, report.dcm, report.json, segmentation.seg.nrrd) with readers that share no
code with Oncotome: dciodvfy, pydicom with own unpacking, highdicom, SimpleITK. Needs python with those packages.

check_objects.py DIR...             result folders
check_objects.py --odd-sizes DIR    every folder under DIR, as oncotome-write-samples makes them
"""
import argparse
import json
import pathlib
import subprocess
import sys

import highdicom
import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.tag import Tag

COMPREHENSIVE_3D_SR = "1.2.840.10008.5.1.4.1.1.88.34"
MEASURED = {("118565006", "SCT"): ("volume_mm3", "mm3"), ("103339001", "SCT"): ("longest_axial_diameter_mm", "mm"),
            ("L0JK", "IBSI"): ("longest_diameter_mm", "mm"), ("RNU0", "IBSI"): ("mesh_volume_mm3", "mm3"),
            ("C0JK", "IBSI"): ("surface_area_mm2", "mm2"), ("QCFX", "IBSI"): ("sphericity", "1")}
UNIONS = {"Tumor core": (1, 4), "Whole tumor": (1, 2, 4)}  # of oncotome-write-samples
IDENTITY = ["PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyDate", "StudyTime",
            "StudyID", "AccessionNumber", "ReferringPhysicianName"]
LABELMAP = "1.2.840.10008.5.1.4.1.1.66.7"
MAX_FULL_FRAMES = 1000


def need(condition, text):
    if not condition:
        raise AssertionError(text)


def errors_of(path):
    run = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True)
    return {line for line in (run.stdout + run.stderr).splitlines() if line.startswith("Error")}


def dciodvfy(path):
    """Patient and study are copied as they are: what the source has wrong there is not ours."""
    errors = errors_of(path)
    source = next((path.parent / "source").rglob("*.dcm"), None)
    if errors and source:
        errors -= errors_of(source)
    need(not errors, f"dciodvfy {path.name}: {sorted(errors)[:3]}")


def unpack(seg):
    frames, rows, columns = int(seg.NumberOfFrames), seg.Rows, seg.Columns
    bits = frames * rows * columns
    need(len(seg.PixelData) == (bits + 15) // 16 * 2, f"PixelData has {len(seg.PixelData)} bytes for {bits} bits")
    flat = np.unpackbits(np.frombuffer(seg.PixelData, np.uint8), bitorder="little")
    need(not flat[bits:].any(), "padding bits are set")
    return flat[:bits].reshape(frames, rows, columns)


def planes_of(seg, image):
    """Index k of each frame, from its position alone; the whole grid must agree."""
    shared = seg.SharedFunctionalGroupsSequence[0]
    measures = shared.PixelMeasuresSequence[0]
    direction = np.array(image.GetDirection()).reshape(3, 3)
    orientation = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, float)
    need(np.allclose(orientation, np.concatenate([direction[:, 0], direction[:, 1]]), atol=1e-5), "orientation")
    spacing = np.array(image.GetSpacing())
    need(np.allclose([float(s) for s in measures.PixelSpacing], [spacing[1], spacing[0]], atol=1e-5), "spacing")
    need(abs(float(measures.SpacingBetweenSlices) - spacing[2]) < 1e-3, "slice spacing")
    planes = []
    for frame in seg.PerFrameFunctionalGroupsSequence:
        position = np.array(frame.PlanePositionSequence[0].ImagePositionPatient, float)
        k = int(round(float(np.dot(position - image.GetOrigin(), direction[:, 2]) / spacing[2])))
        need(np.allclose(position, image.TransformIndexToPhysicalPoint((0, 0, k)), atol=0.01), f"position, plane {k}")
        planes.append(k)
    return planes


def stack(seg, pixels, planes, shape):
    """One mask per segment, and the checks of frame order and dimension indices."""
    masks = {s.SegmentNumber: np.zeros(shape, bool) for s in seg.SegmentSequence}
    need(list(masks) == list(range(1, len(masks) + 1)), "segment numbers are not 1, 2, ...")
    ranks = {k: rank for rank, k in enumerate(sorted(set(planes)), 1)}
    order = []
    for frame, k, plane in zip(seg.PerFrameFunctionalGroupsSequence, planes, pixels):
        number = frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        need(list(frame.FrameContentSequence[0].DimensionIndexValues) == [number, ranks[k]], "dimension index values")
        masks[number][k] = plane
        order.append((number, k))
    need(order == sorted(set(order)), "frames are not ordered by segment, then position, once each")
    need({number for number, _ in order} == set(masks), "a segment has no frame")
    full = len(masks) * shape[0]
    need(len(order) == full if full <= MAX_FULL_FRAMES else len(order) < full, f"{len(order)} of {full} frames")
    return masks


def check_highdicom(path, masks, planes, single_source):
    seg = highdicom.seg.segread(str(path))
    numbers = sorted(masks)
    used = sorted(set(planes))
    pointer = Tag("ImagePositionPatient")
    by_index = seg.get_pixels_by_dimension_index_values([[r + 1] for r in range(len(used))], [pointer],
                                                        segment_numbers=numbers, assert_missing_frames_are_empty=True,
                                                        skip_overlap_checks=True)
    for channel, number in enumerate(numbers):
        need(np.array_equal(by_index[..., channel], masks[number][used]), f"highdicom reads segment {number} otherwise")
    if single_source:
        uids = seg.get_source_image_uids()
        by_source = seg.get_pixels_by_source_instance([uid for _, _, uid in uids], segment_numbers=numbers,
                                                      assert_missing_frames_are_empty=True, skip_overlap_checks=True)
        for channel, number in enumerate(numbers):
            need(by_source[..., channel].sum() == masks[number].sum(), f"highdicom by source, segment {number}")


def check_references(seg):
    per_frame = [{i.ReferencedSOPInstanceUID for d in f.DerivationImageSequence for i in d.SourceImageSequence}
                 for f in seg.PerFrameFunctionalGroupsSequence]
    listed = [[i.ReferencedSOPInstanceUID for i in s.ReferencedInstanceSequence] for s in seg.ReferencedSeriesSequence]
    flat = [uid for series in listed for uid in series]
    need(len(flat) == len(set(flat)) and set(flat) == set.union(*per_frame), "ReferencedSeriesSequence is not exact")
    need(all(uids & set(series) for uids in per_frame for series in listed), "a frame refers to no image of a series")
    counts = {len(uids) for uids in per_frame}
    need(len(counts) == 1, "frames refer to different numbers of images")
    return counts.pop()


def check_source(folder, seg):
    """Against the source images, where the folder has them: verbatim texts and identity."""
    images = {}
    for path in sorted((folder / "source").rglob("*.dcm")):
        image = pydicom.dcmread(path, stop_before_pixels=True)
        images[image.SOPInstanceUID] = image
    if not images:
        return
    for frame in seg.PerFrameFunctionalGroupsSequence:
        for item in frame.DerivationImageSequence[0].SourceImageSequence:
            image = images[item.ReferencedSOPInstanceUID]
            need([str(v) for v in frame.PlanePositionSequence[0].ImagePositionPatient] ==
                 [str(v) for v in image.ImagePositionPatient], "position is not the source's text")
            need(image.FrameOfReferenceUID == seg.FrameOfReferenceUID, "frame of reference")
    shared = seg.SharedFunctionalGroupsSequence[0]
    need([str(v) for v in shared.PlaneOrientationSequence[0].ImageOrientationPatient] ==
         [str(v) for v in image.ImageOrientationPatient], "orientation is not the source's text")
    need([str(v) for v in shared.PixelMeasuresSequence[0].PixelSpacing] == [str(v) for v in image.PixelSpacing],
         "pixel spacing is not the source's text")
    for name in IDENTITY:
        need(image.get(name) == seg.get(name), f"{name} is not the source's")


def check_segmentation(folder, report):
    path = folder / "segmentation.dcm"
    dciodvfy(path)
    seg = pydicom.dcmread(path)
    image = sitk.ReadImage(str(folder / "segmentation.seg.nrrd"))
    expected = sitk.GetArrayFromImage(image)
    planes = planes_of(seg, image)
    masks = stack(seg, unpack(seg), planes, expected.shape)
    value_of = {label["name"]: label["value"] for label in report["labels"]}
    lesion_of = {lesion["tracking_uid"]: lesion for lesion in report["lesions"]}
    labels = np.zeros(expected.shape, int)
    lesions = np.zeros(expected.shape, int)
    classes, unions = 0, {}
    for segment in seg.SegmentSequence:
        mask = masks[segment.SegmentNumber]
        if segment.SegmentLabel in UNIONS:
            unions[segment.SegmentLabel] = mask
            continue
        if "TrackingUID" not in segment:
            need(not (labels[mask] > 0).any(), "class segments overlap")
            labels[mask] = value_of[segment.SegmentLabel]
            classes += 1
            continue
        lesion = lesion_of.pop(segment.TrackingUID)
        need(not (lesions[mask] > 0).any(), "lesion segments overlap")
        lesions[mask] = lesion["id"]
        need(mask.sum() == lesion["voxel_count"], f"lesion {lesion['id']}: {mask.sum()} voxels")
        where = np.argwhere(mask)[:, ::-1]
        need(where.min(0).tolist() == list(lesion["first_index"]), f"lesion {lesion['id']}: first index")
        need(where.max(0).tolist() == list(lesion["last_index"]), f"lesion {lesion['id']}: last index")
        volume = mask.sum() * np.prod(image.GetSpacing())
        need(abs(volume - lesion["volume_mm3"]) < 1e-4 * volume, f"lesion {lesion['id']}: {volume} mm3 by count")
        if "segment_number" in lesion:
            need(lesion["segment_number"] == segment.SegmentNumber, "segment number")
    for name, mask in unions.items():
        need(np.array_equal(mask, np.isin(expected, UNIONS[name])), f"{name} is not the union of its classes")
    need(seg.SegmentsOverlap == ("YES" if unions or report["lesions"] else "NO"), "SegmentsOverlap")
    need(not lesion_of and classes == len(value_of), "a label or lesion has no segment")
    need(np.array_equal(labels, expected), f"{(labels != expected).sum()} voxels differ from segmentation.seg.nrrd")
    if (folder / "lesions.nrrd").exists():
        truth = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "lesions.nrrd")))
        need(np.array_equal(lesions, truth), "lesion segments differ from what was given")
    else:
        need((labels[lesions > 0] > 0).all(), "a lesion lies outside the labels")
    series = check_references(seg)
    check_source(folder, seg)
    check_highdicom(path, masks, planes, series == 1)
    check_label_map(folder, expected)
    check_probabilities(folder, expected)
    check_structures(folder, seg, masks, image)
    check_summary(folder)
    return seg, f"{len(masks)} segments, {seg.NumberOfFrames} frames, {int((labels > 0).sum())} label voxels"


def check_label_map(folder, expected):
    """Supplement 243: a pixel is a segment number. dciodvfy does not know this class."""
    path = folder / "labelmap.dcm"
    if not path.exists():
        return
    seg = pydicom.dcmread(path)
    need(seg.SOPClassUID == LABELMAP and seg.file_meta.MediaStorageSOPClassUID == LABELMAP, "class of the label map")
    need((seg.SegmentationType, seg.BitsAllocated, seg.BitsStored, seg.HighBit) == ("LABELMAP", 8, 8, 7), "type or bits")
    frames = np.frombuffer(seg.PixelData, np.uint8)[:seg.NumberOfFrames * seg.Rows * seg.Columns]
    planes = planes_of(seg, sitk.ReadImage(str(folder / "segmentation.seg.nrrd")))
    labels = np.zeros_like(expected)
    labels[planes] = frames.reshape(-1, seg.Rows, seg.Columns)
    need(planes == sorted(set(planes)) and np.array_equal(labels, expected), "the label map's voxels differ")
    numbers = [s.SegmentNumber for s in seg.SegmentSequence]
    need(numbers[0] == 0 and set(np.unique(frames)) <= set(numbers), "a value of the label map has no segment")
    for rank, frame in enumerate(seg.PerFrameFunctionalGroupsSequence, 1):
        need(frame.FrameContentSequence[0].DimensionIndexValues in (rank, [rank]), "dimension index of the label map")
        need("SegmentIdentificationSequence" not in frame, "a frame of the label map names a segment")
    need(len(seg.DimensionIndexSequence) == 1, "dimensions of the label map")


def check_probabilities(folder, expected):
    path = folder / "probabilities.dcm"
    if not path.exists():
        return
    dciodvfy(path)
    seg = pydicom.dcmread(path)
    need((seg.SegmentationType, seg.SegmentationFractionalType, seg.MaximumFractionalValue, seg.BitsAllocated) ==
         ("FRACTIONAL", "PROBABILITY", 255, 8), "the probabilities' type")
    frames = np.frombuffer(seg.PixelData, np.uint8)[:seg.NumberOfFrames * seg.Rows * seg.Columns]
    values = {s.SegmentNumber: np.zeros(expected.shape, np.uint8) for s in seg.SegmentSequence}
    planes = planes_of(seg, sitk.ReadImage(str(folder / "segmentation.seg.nrrd")))
    for k, frame, pixels in zip(planes, seg.PerFrameFunctionalGroupsSequence, frames.reshape(-1, seg.Rows, seg.Columns)):
        values[frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber][k] = pixels
    if (folder / "probability.nrrd").exists():  # of oncotome-write-samples
        truth = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "probability.nrrd")))
        need(np.array_equal(values[1], truth) and np.array_equal(values[2], expected), "the probabilities differ")
    by_reader = highdicom.seg.segread(str(path)).get_pixels_by_dimension_index_values(
        [[r + 1] for r in range(len(set(planes)))], [Tag("ImagePositionPatient")], segment_numbers=sorted(values),
        rescale_fractional=False, assert_missing_frames_are_empty=True)
    for channel, number in enumerate(sorted(values)):
        need(np.array_equal(by_reader[..., channel], values[number][sorted(set(planes))]), "highdicom's probabilities")


def crosses(a, b, c, d):
    side = lambda p, q, r: (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])
    return side(a, b, c) * side(a, b, d) < -1e-12 and side(c, d, a) * side(c, d, b) < -1e-12


def fill(polygon, shape):
    """Even-odd, by the number of edges to the left of each pixel's center."""
    rows, columns = np.mgrid[:shape[0], :shape[1]]
    inside = np.zeros(shape, bool)
    for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, 0)):
        if y0 == y1:
            continue
        meets = (y0 <= rows) != (y1 <= rows)
        inside ^= meets & (x0 + (rows - y0) / (y1 - y0) * (x1 - x0) < columns)
    return inside


def check_structures(folder, seg, masks, image):
    path = folder / "structures.dcm"
    if not path.exists():
        return
    dciodvfy(path)
    rs = pydicom.dcmread(path)
    need([r.ROIName for r in rs.StructureSetROISequence] == [s.SegmentLabel for s in seg.SegmentSequence], "ROI names")
    series = rs.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0].RTReferencedSeriesSequence[0]
    place = lambda i: (i.ReferencedSOPInstanceUID, i.get("ReferencedFrameNumber"))
    slices = {place(i) for i in series.ContourImageSequence}
    need(len(slices) == image.GetSize()[2], "the structure set does not list every slice")
    for roi in rs.ROIContourSequence:
        drawn = np.zeros_like(masks[roi.ReferencedROINumber])
        for contour in roi.get("ContourSequence", []):
            points = np.array(contour.ContourData, float).reshape(-1, 3)
            need(len(points) == contour.NumberOfContourPoints >= 3, "number of points")
            index = np.array([image.TransformPhysicalPointToContinuousIndex(p) for p in points.tolist()])
            k = int(round(index[0, 2]))
            need(np.abs((index[:, 2] - k) * image.GetSpacing()[2]).max() < 0.01, "a point lies off its plane")
            need(place(contour.ContourImageSequence[0]) in slices, "a contour's image")
            flat = index[:, :2]
            need(not np.allclose(flat[0], flat[-1]), "the last point repeats the first")
            edges = list(zip(flat, np.roll(flat, -1, 0)))
            if len(edges) < 200:
                need(not any(crosses(*e, *f) for n, e in enumerate(edges) for f in edges[:n]), "a contour crosses itself")
            drawn[k] ^= fill(flat, drawn[k].shape)
        need(np.array_equal(drawn, masks[roi.ReferencedROINumber]), f"ROI {roi.ReferencedROINumber} is another mask")


def check_summary(folder):
    path = folder / "summary.dcm"
    if not path.exists():
        return
    dciodvfy(path)
    sc = pydicom.dcmread(path)
    need(sc.PhotometricInterpretation == "RGB" and "PixelSpacing" not in sc and sc.BurnedInAnnotation == "YES", "summary")
    need(sc.pixel_array.shape == (sc.Rows, sc.Columns, 3) and sc.pixel_array.std() > 0, "the summary is blank")
    if (folder / "lesions.nrrd").exists():  # of oncotome-write-samples
        need(np.array_equal(sc.pixel_array.ravel(), 5 * np.arange(sc.pixel_array.size)), "the summary's pixels differ")


def code_of(item):
    return item.CodeValue, item.CodingSchemeDesignator


IMPRESSION, CERTAINTY = ("121073", "DCM"), ("111013", "DCM")


def walk(item):
    for child in item.get("ContentSequence", []):
        yield child
        yield from walk(child)


def check_group(group, lesion_of, seg):
    children = {code_of(c.ConceptNameCodeSequence[0]): c for c in group.ContentSequence}
    uid = children[("112040", "DCM")].UID
    lesion = lesion_of.pop(uid)
    reference = children[("121191", "DCM")].ReferencedSOPSequence[0]
    need(reference.ReferencedSOPInstanceUID == seg.SOPInstanceUID, "the group refers to another SEG")
    segment = seg.SegmentSequence[int(reference.ReferencedSegmentNumber) - 1]
    need(segment.TrackingUID == uid, "the segment has another tracking UID")
    need(("121071", "DCM") in children, "no finding")
    for code, (field, unit) in MEASURED.items():
        value = children[code].MeasuredValueSequence[0]
        text = str(value.NumericValue)
        need(len(text) <= 16 and abs(float(text) - lesion[field]) <= 1e-9 * max(1, abs(lesion[field])),
             f"lesion {lesion['id']}: {field} is {text} in the SR, {lesion[field]} in report.json")
        need(code_of(value.MeasurementUnitsCodeSequence[0]) == (unit, "UCUM"), f"unit of {field}")
        modifiers = {code_of(c.ConceptNameCodeSequence[0]) for c in children[code].ContentSequence}
        need({("111001", "DCM"), ("111003", "DCM")} <= modifiers, f"{field} does not name its algorithm")
    check_class(children, lesion)


def check_class(children, lesion):
    found = lesion.get("classification", {})
    need((IMPRESSION in children) == ("class" in found) == (CERTAINTY in children), "a class is in one of SR and report only")
    if "class" not in found:
        said = children[("121106", "DCM")].TextValue if found else ""
        need(found.get("refused", "") in said, "the SR does not say why there is no class")
        return
    value = children[CERTAINTY].MeasuredValueSequence[0]
    need(abs(float(value.NumericValue) - 100 * found["probabilities"][found["class"]]) < 1e-6, "another probability")
    need(code_of(value.MeasurementUnitsCodeSequence[0]) == ("%", "UCUM"), "unit of the certainty")
    need(bool(children[IMPRESSION].ConceptCodeSequence[0].CodeMeaning), "the class has no meaning")


def check_report(folder, report, seg):
    path = folder / "report.dcm"
    dciodvfy(path)
    sr = pydicom.dcmread(path)
    need(sr.SOPClassUID == COMPREHENSIVE_3D_SR and sr.CompletionFlag == "COMPLETE", "class or completion flag")
    need(sr.ContentTemplateSequence[0].TemplateIdentifier == "1500", "template")
    for name in IDENTITY:
        need(sr.get(name) == seg.get(name), f"{name} differs between SEG and SR")
    items = list(walk(sr))
    groups = [i for i in items if "ConceptNameCodeSequence" in i and
              code_of(i.ConceptNameCodeSequence[0]) == ("125007", "DCM")]
    lesion_of = {lesion["tracking_uid"]: lesion for lesion in report["lesions"]}
    for group in groups:
        check_group(group, lesion_of, seg)
    need(not lesion_of, f"lesions without a measurement group: {len(lesion_of)}")
    if not groups:
        need(any("No lesion" in i.get("TextValue", "") for i in items), "the SR does not say that there is no lesion")
    named = {r.ReferencedSOPInstanceUID for i in items for r in i.get("ReferencedSOPSequence", [])}
    evidence = {r.ReferencedSOPInstanceUID for study in sr.CurrentRequestedProcedureEvidenceSequence
                for series in study.ReferencedSeriesSequence for r in series.ReferencedSOPSequence}
    need(evidence - {seg.SOPInstanceUID} == named - {seg.SOPInstanceUID} and seg.SOPInstanceUID in evidence,
         "the evidence is not what the tree names")
    content = highdicom.sr.srread(str(path)).content
    found = {g.tracking_uid for g in content.get_volumetric_roi_measurement_groups()}
    need(found == {lesion["tracking_uid"] for lesion in report["lesions"]}, "highdicom finds other groups")
    return f"{len(groups)} lesion groups, {len(evidence)} references"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--odd-sizes", type=pathlib.Path, metavar="DIR")
    parser.add_argument("folders", nargs="*", type=pathlib.Path)
    arguments = parser.parse_args()
    folders = list(arguments.folders)
    if arguments.odd_sizes:
        folders += sorted(p.parent for p in arguments.odd_sizes.glob("*/segmentation.dcm"))
    failed = not folders
    for folder in folders:
        try:
            report = json.loads((folder / "report.json").read_text())
            seg, seen = check_segmentation(folder, report)
            print(f"ok     {folder.name}: {seen}; {check_report(folder, report, seg)}")
        except (AssertionError, KeyError) as error:
            failed = True
            print(f"FAILED {folder.name}: {error!r}")
    if not folders:
        print("no result folder found")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
