#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every shape of study: multi-frame objects, several volumes in one series, several studies, a DICOMDIR, a .zip.

Usage: check_shapes.py ONCOTOME [DATA]
Multi-frame objects are made by highdicom and pydicom from series of pydicom's making and, with DATA (ct_lung_dx and
sarcoma_ct_mr_pet), from real ones; what `oncotome convert` writes must equal the single images' own voxels and grid.
Prints a line per case. Exit status: 0 all as expected, 1 not, 77 DATA is given but not there.
"""
import copy
import json
import os
import pathlib
import random
import subprocess
import sys
import tarfile
import tempfile
import zipfile

import numpy
import pydicom
import SimpleITK
from highdicom.legacy import (LegacyConvertedEnhancedCTImage, LegacyConvertedEnhancedMRImage,
                              LegacyConvertedEnhancedPETImage)
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

pydicom.config.datetime_conversion = True  # highdicom needs it

CT, MR, ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.4.1"
ARCHIVES = ["ct_lung_dx/dicom.tar.xz", "sarcoma_ct_mr_pet/STS_001.tar.xz"]
LEGACY = {"CT": LegacyConvertedEnhancedCTImage, "MR": LegacyConvertedEnhancedMRImage,
          "PT": LegacyConvertedEnhancedPETImage}
TOLERANCE_MM = 1e-6
ONCOTOME = sys.argv[1] if len(sys.argv) > 1 else ""
failures = 0


def report(name, problems):
    global failures
    problems = list(problems)
    failures += bool(problems)
    print(f"{'FAILED' if problems else 'ok'} {name}" + "".join(f"\n  {p}" for p in problems), flush=True)


# Making.

def image(uids, number, position, pixels, modality="MR", orientation=(1, 0, 0, 0, 1, 0), spacing=(0.75, 0.5), **more):
    """A single image; `uids` are study, series and frame of reference."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.is_little_endian, ds.is_implicit_VR = True, False
    ds.SOPClassUID = {"MR": MR, "CT": CT}[modality]
    ds.SOPInstanceUID = generate_uid()
    ds.file_meta.MediaStorageSOPClassUID, ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = uids
    ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex = "Test^Shapes", "SHAPES", "", "O"
    ds.StudyDate, ds.StudyTime, ds.StudyID, ds.AccessionNumber = "20200102", "101112", "1", ""
    ds.ReferringPhysicianName, ds.PositionReferenceIndicator = "", ""
    ds.Manufacturer, ds.SeriesNumber, ds.InstanceNumber = "none", 1, number
    ds.Modality, ds.ImageType = modality, ["ORIGINAL", "PRIMARY", "M" if modality == "MR" else "AXIAL"]
    ds.Rows, ds.Columns = pixels.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
    ds.PixelSpacing, ds.SliceThickness = list(spacing), 2.5
    ds.ImagePositionPatient, ds.ImageOrientationPatient = list(position), list(orientation)
    if modality == "CT":
        ds.RescaleIntercept, ds.RescaleSlope = -1024, 1
    ds.PixelData = pixels.astype("<i2").tobytes()
    for name, value in more.items():
        setattr(ds, name, value)
    return ds


def hounsfield(array):
    return numpy.maximum(array.astype(float) - 1024, -1024)


def uids():
    return generate_uid(), generate_uid(), generate_uid()


def voxels(seed, planes=5, rows=7, columns=6):
    return numpy.random.default_rng(seed).integers(-900, 900, (planes, rows, columns)).astype(numpy.int16)


def stack(ids, array, first=1, origin=(-10.0, 20.0, 30.0), step=2.5, **more):
    """One image per plane of the array, along z."""
    return [image(ids, first + k, (origin[0], origin[1], origin[2] + k * step), plane, **more)
            for k, plane in enumerate(array)]


def write(folder, datasets):
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{n:04}.dcm" for n in range(len(datasets))]
    random.Random(len(datasets)).shuffle(names)  # The order of the files must mean nothing.
    for name, ds in zip(names, datasets):
        ds.save_as(folder / name, write_like_original=False)
    return folder


def enhanced_mr(ids, frames):
    """`frames`: dicts with pixels, position, echo, and optionally time, slope, intercept, stack."""
    first = image(ids, 1, (0, 0, 0), frames[0]["pixels"])
    for name in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"):
        delattr(first, name)
    first.SOPClassUID = first.file_meta.MediaStorageSOPClassUID = ENHANCED_MR
    first.ImagePositionPatient = [999, 999, 999]  # Has no meaning here and must not be used.
    first.NumberOfFrames = len(frames)
    shared = Dataset()
    shared.PlaneOrientationSequence = Sequence([Dataset()])
    shared.PlaneOrientationSequence[0].ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    shared.PixelMeasuresSequence = Sequence([Dataset()])
    shared.PixelMeasuresSequence[0].PixelSpacing, shared.PixelMeasuresSequence[0].SliceThickness = [0.75, 0.5], 2.5
    first.SharedFunctionalGroupsSequence = Sequence([shared])
    items = []
    for frame in frames:
        item = Dataset()
        item.PlanePositionSequence = Sequence([Dataset()])
        item.PlanePositionSequence[0].ImagePositionPatient = list(frame["position"])
        item.FrameContentSequence = Sequence([Dataset()])
        content = item.FrameContentSequence[0]
        content.StackID = frame.get("stack", "1")
        content.TemporalPositionIndex = frame.get("time", 1)
        item.MREchoSequence = Sequence([Dataset()])
        item.MREchoSequence[0].EffectiveEchoTime = float(frame["echo"])
        item.MRImageFrameTypeSequence = Sequence([Dataset()])
        item.MRImageFrameTypeSequence[0].FrameType = ["ORIGINAL", "PRIMARY", "M", "NONE"]
        item.PixelValueTransformationSequence = Sequence([Dataset()])
        value = item.PixelValueTransformationSequence[0]
        value.RescaleSlope, value.RescaleIntercept = frame.get("slope", 1), frame.get("intercept", 0)
        value.RescaleType = "US"
        items.append(item)
    first.PerFrameFunctionalGroupsSequence = Sequence(items)
    first.PixelData = b"".join(f["pixels"].astype("<i2").tobytes() for f in frames)
    return first


# Reading.

def run(*arguments):
    return subprocess.run([ONCOTOME, *map(str, arguments)], capture_output=True, text=True)


def inspect(path):
    done = run("inspect", path, "-q", "--json")
    return json.loads(done.stdout) if done.stdout else {"studies": [], "rejected": []}


def all_series(path):
    return [s for study in inspect(path)["studies"] for s in study["series"]]


def converted(path, *more):
    with tempfile.TemporaryDirectory() as folder:
        output = pathlib.Path(folder) / "out.nrrd"
        done = run("convert", path, *more, "-o", output, "-q")
        if done.returncode:
            return None, done.stderr.strip()
        return SimpleITK.ReadImage(str(output)), ""


def compare(got, error, expected, origin, spacing=(0.5, 0.75, 2.5), direction=numpy.eye(3)):
    if got is None:
        yield f"not converted: {error}"
        return
    array = SimpleITK.GetArrayFromImage(got)
    if array.shape != expected.shape or not numpy.array_equal(array, expected.astype(numpy.float32)):
        yield f"voxels differ (shape {array.shape}, expected {expected.shape})"
    for what, a, b in (("origin", got.GetOrigin(), origin), ("spacing", got.GetSpacing(), spacing),
                       ("direction", got.GetDirection(), numpy.ravel(direction))):
        if not numpy.allclose(a, b, rtol=0, atol=TOLERANCE_MM):
            yield f"{what} {numpy.round(a, 6).tolist()}, expected {numpy.round(b, 6).tolist()}"


def fault(series):
    return series.get("fault", {}).get("code", "none")


# Cases.

def check_random_frames(scratch):
    ids, rng = uids(), random.Random(5)
    echoes = {10.0: voxels(1), 30.0: voxels(2), 100.0: voxels(3)}
    frames = [{"pixels": plane, "position": (-10, 20, 30 + 2.5 * k), "echo": echo, "slope": 2 + k, "intercept": -k}
              for echo, array in echoes.items() for k, plane in enumerate(array)]
    rng.shuffle(frames)
    folder = write(scratch / "random", [enhanced_mr(ids, frames)])
    found = all_series(folder)
    problems = []
    if [s.get("part_name") for s in found] != ["EchoTime 10", "EchoTime 30", "EchoTime 100"]:
        problems.append(f"parts {[s.get('part_name') for s in found]}")
    if [s["echo_time_ms"] for s in found] != [10, 30, 100]:
        problems.append("wrong echo times")
    for number, (echo, array) in enumerate(echoes.items(), 1):
        slope = numpy.arange(2, 2 + len(array))[:, None, None]
        expected = array * slope.astype(float) - numpy.arange(len(array))[:, None, None]
        problems += compare(*converted(folder, "--series", f"{ids[1]}#{number}"), expected, (-10, 20, 30))
    _, error = converted(folder)
    if "input.ambiguous" not in error or f"{ids[1]}#2" not in error:
        problems.append(f"without --series: {error}")
    report("enhanced MR, frames in random order, three echoes", problems)


def check_two_keys(scratch):
    ids = uids()
    frames = [{"pixels": voxels(10 * t + e)[k], "position": (-10, 20, 30 + 2.5 * k), "echo": e, "time": t}
              for k in range(5) for e in (20, 80) for t in (1, 2, 3)]
    folder = write(scratch / "two keys", [enhanced_mr(ids, frames)])
    names = [s.get("part_name") for s in all_series(folder)]
    expected = [f"TemporalPosition {t}, EchoTime {e}" for t in (1, 2, 3) for e in (20, 80)]
    problems = [] if names == expected else [f"parts {names}"]
    problems += compare(*converted(folder, "--series", f"{ids[1]}#4"), voxels(20 + 80), (-10, 20, 30))
    report("enhanced MR, three times of two echoes", problems)


def check_concatenation(scratch):
    ids, array, uid = uids(), voxels(4, planes=6), generate_uid()
    parts = []
    for n, planes in enumerate(((0, 1), (2, 3), (4, 5)), 1):
        ds = enhanced_mr(ids, [{"pixels": array[k], "position": (-10, 20, 30 + 2.5 * k), "echo": 10} for k in planes])
        ds.ConcatenationUID, ds.InConcatenationNumber, ds.InConcatenationTotalNumber = uid, n, 3
        ds.ConcatenationFrameOffsetNumber = planes[0]
        parts.append(ds)
    folder = write(scratch / "whole", parts)
    problems = list(compare(*converted(folder), array, (-10, 20, 30)))
    (series,) = all_series(write(scratch / "cut", parts[:2]))
    if fault(series) != "dicom.missing_slices":
        problems.append(f"with a part missing: {fault(series)}")
    report("concatenation of three files", problems)


def check_bad_multi_frame(scratch):
    ids, array = uids(), voxels(5)
    good = enhanced_mr(ids, [{"pixels": p, "position": (0, 0, 2.5 * k), "echo": 1} for k, p in enumerate(array)])
    problems = []

    def refused(name, code, edit):
        ds = copy.deepcopy(good)
        edit(ds)
        folder = write(scratch / name, [ds])
        (series,) = all_series(folder)
        _, error = converted(folder)
        if fault(series) != code and code not in error:
            problems.append(f"{name}: {fault(series)}, then {error}, expected {code}")

    def text(value):
        def edit(ds):
            ds["NumberOfFrames"]._value = value
        return edit

    refused("one frame too few", "dicom.bad_value", lambda d: d.PerFrameFunctionalGroupsSequence.pop())
    refused("no frames", "dicom.bad_value", text("0"))
    refused("exponent", "dicom.bad_value", text("5e0"))
    refused("negative", "dicom.bad_value", text("-5"))
    refused("two values", "dicom.bad_value", text("5\\5"))
    refused("no orientation", "dicom.no_geometry",
            lambda d: d.SharedFunctionalGroupsSequence[0].__delattr__("PlaneOrientationSequence"))
    refused("cut short", "input.unreadable", lambda d: setattr(d, "PixelData", d.PixelData[:-2]))
    refused("slope 0", "dicom.bad_value", lambda d: setattr(
        d.PerFrameFunctionalGroupsSequence[3].PixelValueTransformationSequence[0], "RescaleSlope", 0))
    report("multi-frame objects that lie are refused", problems)


def split_case(scratch, name, groups, expected_names, edit=lambda d, g: None, **more):
    """groups: one dict of attributes per volume, all at the same places."""
    ids = uids()
    datasets = []
    for g, attributes in enumerate(groups):
        datasets += stack(ids, voxels(100 + g), first=1 + 5 * g, **attributes, **more)
    folder = write(scratch / name, datasets)
    found = all_series(folder)
    problems = []
    if [s.get("part_name") for s in found] != expected_names:
        problems.append(f"parts {[s.get('part_name') for s in found]}, fault {[fault(s) for s in found]}")
    else:
        for g in range(len(groups)):
            rescaled = hounsfield(voxels(100 + g)) if more.get("modality") == "CT" else voxels(100 + g)
            problems += compare(*converted(folder, "--series", f"{ids[1]}#{g + 1}"), rescaled, (-10, 20, 30))
    report(name, problems)


def check_splits(scratch):
    split_case(scratch, "echo times", [{"EchoTime": 9}, {"EchoTime": 100}], ["EchoTime 9", "EchoTime 100"])
    split_case(scratch, "echo numbers", [{"EchoNumbers": 1}, {"EchoNumbers": 2}], ["EchoNumber 1", "EchoNumber 2"])
    split_case(scratch, "acquisitions", [{"AcquisitionNumber": 2}, {"AcquisitionNumber": 10}],
               ["AcquisitionNumber 2", "AcquisitionNumber 10"], modality="CT")
    split_case(scratch, "time points", [{"TemporalPositionIdentifier": t} for t in (1, 2, 3)],
               [f"TemporalPosition {t}" for t in (1, 2, 3)])
    split_case(scratch, "b-values", [{"DiffusionBValue": b} for b in (0.0, 500.0, 1000.0)],
               [f"b-value {b}" for b in (0, 500, 1000)])
    directions = ([1.0, 0.0, 0.0], [0.0, 1.0, 0.0])
    split_case(scratch, "gradient directions",
               [{"DiffusionBValue": 1000.0, "DiffusionGradientOrientation": d} for d in reversed(directions)],
               ["gradient direction 0\\1\\0", "gradient direction 1\\0\\0"])
    split_case(scratch, "trigger times", [{"TriggerTime": 20}, {"TriggerTime": 100}],
               ["TriggerTime 20", "TriggerTime 100"])
    types = [["ORIGINAL", "PRIMARY", "M"], ["ORIGINAL", "PRIMARY", "P"]]
    split_case(scratch, "magnitude and phase", [{"ImageType": t} for t in types],
               ["ImageType ORIGINAL\\PRIMARY\\M", "ImageType ORIGINAL\\PRIMARY\\P"])


def check_one_volume(scratch):
    """What differs inside one good volume does not split it."""
    ids, array = uids(), voxels(7, planes=8)
    datasets = stack(ids, array, modality="CT")
    for k, ds in enumerate(datasets):
        ds.AcquisitionNumber, ds.ContentTime = 1 + k // 4, f"1011{k:02}"
    folder = write(scratch / "one", datasets)
    report("AcquisitionNumber changes inside one volume",
           compare(*converted(folder), hounsfield(array), (-10, 20, 30)))


def check_orientations(scratch):
    ids, problems = uids(), []
    planes = {"axial": (1, 0, 0, 0, 1, 0), "sagittal": (0, 1, 0, 0, 0, -1), "coronal": (1, 0, 0, 0, 0, -1)}
    datasets, arrays = [], {}
    for n, (name, o) in enumerate(planes.items()):
        arrays[name] = voxels(20 + n)
        normal = numpy.cross(o[:3], o[3:])
        datasets += [image(ids, 1 + 5 * n + k, (3 * k * normal).tolist(), plane, orientation=o)
                     for k, plane in enumerate(arrays[name])]
    folder = write(scratch / "three planes", datasets)
    found = {s.get("part_name", ""): s for s in all_series(folder)}
    if sorted(found) != sorted(f"{n} 6 x 7" for n in planes):
        problems.append(f"parts {sorted(found)}")
    for name, o in planes.items():
        direction = numpy.array([o[:3], o[3:], numpy.cross(o[:3], o[3:])], float).T
        series = found.get(f"{name} 6 x 7")
        if series:
            problems += compare(*converted(folder, "--series", series["id"]), arrays[name].astype(float), (0, 0, 0),
                                spacing=(0.5, 0.75, 3), direction=direction)
    report("three orientations in one series", problems)

    array = voxels(30, planes=6)
    scout = image(ids, 99, (0, 0, 0), array[0], orientation=(0, 1, 0, 0, 0, -1))
    folder = write(scratch / "scout", stack(ids, array) + [scout])
    found = all_series(folder)
    problems = list(compare(*converted(folder), array, (-10, 20, 30)))
    if len(found) != 1 or not any("another orientation" in d for d in found[0]["doubts"]):
        problems.append(f"doubts {[s['doubts'] for s in found]}")
    report("one image of another orientation is left out", problems)

    derived = image(ids, 99, (-10, 20, 31), array[0], ImageType=["DERIVED", "SECONDARY", "PROJECTION IMAGE"])
    folder = write(scratch / "derived", stack(ids, array) + [derived])
    found = all_series(folder)
    problems = list(compare(*converted(folder), array, (-10, 20, 30)))
    if len(found) != 1 or not any("derived" in d for d in found[0]["doubts"]):
        problems.append(f"doubts {[s['doubts'] for s in found]}")
    report("one derived image is left out", problems)

    small = [image(ids, 50 + k, (-10, 20, 30 + 2.5 * k), plane) for k, plane in enumerate(voxels(31, 5, 4, 4))]
    folder = write(scratch / "sizes", stack(ids, array) + small)
    found = {s.get("part_name"): s["id"] for s in all_series(folder)}
    problems = [] if sorted(found) == ["axial 4 x 4", "axial 6 x 7"] else [f"parts {sorted(found)}"]
    if not problems:
        problems += compare(*converted(folder, "--series", found["axial 4 x 4"]), voxels(31, 5, 4, 4), (-10, 20, 30))
    report("two sizes in one series", problems)


def check_inseparable(scratch):
    ids = uids()
    folder = write(scratch / "inseparable", stack(ids, voxels(40)) + stack(ids, voxels(41), first=6))
    problems = [f"{fault(s)}" for s in all_series(folder) if fault(s) != "dicom.duplicate_position"]
    report("volumes that nothing tells apart are refused", problems)
    folder = write(scratch / "twice", stack(ids, voxels(40)) + stack(ids, voxels(40), first=6))
    problems = list(compare(*converted(folder), voxels(40), (-10, 20, 30)))
    report("a series that was sent twice under other UIDs is read once", problems)
    folder = write(scratch / "uneven echoes",
                   stack(ids, voxels(40), EchoTime=1) + stack(ids, voxels(41)[[0, 1, 3]], first=6, EchoTime=2)[:2] +
                   stack(ids, voxels(41)[4:], first=9, origin=(-10, 20, 40), EchoTime=2))
    problems = [f"{fault(s)}" for s in all_series(folder) if fault(s) != "dicom.duplicate_position"]
    report("an echo with fewer places does not make a part", problems)


def check_results(scratch):
    """SEG and SR of a study whose three channels are frames of one file, in random order."""
    ids, rng, problems = uids(), random.Random(9), []
    frames = [{"pixels": voxels(e)[k], "position": (-10.5, 20, 30 + 2.5 * k), "echo": e, "stack": "1"}
              for k in range(5) for e in (10, 30, 100)]
    rng.shuffle(frames)
    made = enhanced_mr(ids, frames)
    folder = write(scratch / "results", [made])
    labels = numpy.zeros((5, 7, 6), numpy.uint8)
    labels[1:4, 2:5, 1:4] = 1
    volume = SimpleITK.GetImageFromArray(labels)
    volume.SetOrigin((-10.5, 20, 30))
    volume.SetSpacing((0.5, 0.75, 2.5))
    SimpleITK.WriteImage(volume, str(scratch / "labels.nrrd"))
    out = scratch / "objects"
    writer = pathlib.Path(ONCOTOME).parent / "oncotome-write-samples"
    done = subprocess.run([writer, "--source", folder, "--labels", scratch / "labels.nrrd", "--output", out],
                          capture_output=True, text=True)
    if done.returncode:
        report("SEG and SR of a multi-frame source", [done.stderr])
        return
    for name in ("segmentation.dcm", "report.dcm"):
        said = subprocess.run(["dciodvfy", out / name], capture_output=True, text=True)
        problems += [line for line in (said.stdout + said.stderr).splitlines() if line.startswith("Error")]
    seg, sr = pydicom.dcmread(out / "segmentation.dcm"), pydicom.dcmread(out / "report.dcm")
    bits = numpy.unpackbits(numpy.frombuffer(seg.PixelData, numpy.uint8), bitorder="little")
    got = numpy.zeros_like(labels)
    for n, item in enumerate(seg.PerFrameFunctionalGroupsSequence):
        position = [float(v) for v in item.PlanePositionSequence[0].ImagePositionPatient]
        for source in item.DerivationImageSequence[0].SourceImageSequence:
            frame = frames[int(source.ReferencedFrameNumber) - 1]
            if list(frame["position"]) != position or source.ReferencedSOPInstanceUID != made.SOPInstanceUID:
                problems.append(f"frame {n} refers to a frame at {frame['position']} and lies at {position}")
        echoes = {frames[int(s.ReferencedFrameNumber) - 1]["echo"]
                  for s in item.DerivationImageSequence[0].SourceImageSequence}
        if echoes != {10, 30, 100}:
            problems.append(f"frame {n} refers to the echoes {echoes}")
        if item.SegmentIdentificationSequence[0].ReferencedSegmentNumber == 1:
            got[round((position[2] - 30) / 2.5)] |= bits[42 * n:42 * n + 42].reshape(7, 6)
    if not numpy.array_equal(got, labels):
        problems.append("the SEG's voxels are not where they were")
    references = [i.ReferencedSOPInstanceUID for s in seg.ReferencedSeriesSequence
                  for i in s.ReferencedInstanceSequence]
    if references != [made.SOPInstanceUID]:
        problems.append(f"the SEG refers to {references}")
    images = []

    def walk(item):
        if item.get("ValueType") == "IMAGE" and item.get("RelationshipType") == "CONTAINS":
            reference = item.ReferencedSOPSequence[0]
            if reference.ReferencedSOPInstanceUID == made.SOPInstanceUID:
                images.append({frames[int(n) - 1]["echo"] for n in reference.ReferencedFrameNumber})
        for child in item.get("ContentSequence", []):
            walk(child)

    walk(sr)
    if images != [{10}, {30}, {100}]:
        problems.append(f"the SR's image library refers to frames of the echoes {images}")
    report("SEG and SR of a multi-frame source", problems)


def dicomdir(folder, ids):
    """A DICOMDIR that names files by these ids, made by hand so that it can lie."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.1.3.10"
    ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    ds.is_little_endian, ds.is_implicit_VR = True, False
    ds.FileSetID, records = "TEST", []
    for name in ids:
        record = Dataset()
        record.OffsetOfTheNextDirectoryRecord, record.RecordInUseFlag = 0, 0xFFFF
        record.OffsetOfReferencedLowerLevelDirectoryEntity, record.DirectoryRecordType = 0, "IMAGE"
        record.ReferencedFileID = name
        records.append(record)
    ds.DirectoryRecordSequence = Sequence(records)
    ds.save_as(folder / "DICOMDIR", write_like_original=False)
    return folder / "DICOMDIR"


def check_dicomdir(scratch):
    ids, array, problems = uids(), voxels(50), []
    folder = scratch / "disc"
    images = write(folder / "IMAGES" / "a", stack(ids, array))
    write(folder / "OTHER", stack(uids(), voxels(51)))  # Not in the index, so not read.
    names = [["IMAGES", "A", p.name.upper()] for p in sorted(images.iterdir())]
    problems += compare(*converted(dicomdir(folder, names)), array, (-10, 20, 30))
    outside = write(scratch / "outside", stack(uids(), voxels(52)))
    (folder / "LINK").symlink_to(outside)
    for bad in (["..", "outside", "0000.dcm"], ["LINK", "0000.dcm"], ["IMAGES/a/0000.dcm"], ["IMAGES", "NONE.DCM"]):
        index = inspect(dicomdir(folder, names + [bad]))
        read = [s["instances"] for study in index["studies"] for s in study["series"]]
        if read != [5] or len(index["rejected"]) != 1:
            problems.append(f"{bad}: read {read}, rejected {index['rejected']}")
    report("DICOMDIR", problems)


def check_studies(scratch):
    folder = scratch / "two studies"
    both = [uids(), uids()]
    for n, ids in enumerate(both):
        write(folder / str(n), stack(ids, voxels(60 + n), PatientID=f"P{n}"))
    index = inspect(folder)
    problems = []
    if sorted(s["study_uid"] for s in index["studies"]) != sorted(i[0] for i in both):
        problems.append("not both studies are listed")
    model = pathlib.Path(__file__).parents[2] / "Data" / "Models" / "demo-brain-phantom"
    done = run("segment", folder, "-m", model, "-o", scratch / "never", "-q")
    if "input.ambiguous" not in done.stderr or any(i[0] not in done.stderr for i in both):
        problems.append(f"segment says: {done.stderr}")
    report("two studies of two patients", problems)


def check_zip(scratch):
    ids, array, problems = uids(), voxels(70), []
    folder = write(scratch / "zipped", stack(ids, array))
    temporary = scratch / "tmp"
    temporary.mkdir()
    os.environ["TMPDIR"] = str(temporary)

    def archive(name, entries):
        with zipfile.ZipFile(scratch / name, "w", zipfile.ZIP_DEFLATED) as file:
            for entry, data in entries:
                file.writestr(entry, data)
        return scratch / name

    images = [(f"STUDY/{p.name}", p.read_bytes()) for p in sorted(folder.iterdir())]
    problems += compare(*converted(archive("good.zip", images + [("STUDY/README.txt", "hello")])), array, (-10, 20, 30))
    evil = [(f"../../escaped/{n}.dcm", data) for n, (_, data) in enumerate(images)]
    problems += compare(*converted(archive("names.zip", evil)), array, (-10, 20, 30))
    if (scratch.parent / "escaped").exists() or (scratch / "escaped").exists():
        problems.append("a name of the archive became a path")
    for name, path in (("bomb", archive("bomb.zip", [("zeros", bytes(300 << 20))])),
                       ("encrypted", archive("encrypted.zip", images))):
        if name == "encrypted":
            data = bytearray(path.read_bytes())
            for signature, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
                at = data.find(signature)
                while at >= 0:
                    data[at + flags] |= 1
                    at = data.find(signature, at + 4)
            path.write_bytes(data)
        done = run("inspect", path, "-q")
        if "input.unsupported" not in done.stderr:
            problems.append(f"{name}: {done.stderr.strip()}")
    cut = scratch / "cut.zip"
    cut.write_bytes((scratch / "good.zip").read_bytes()[:-200])
    done = run("inspect", cut, "-q")
    if "input.unreadable" not in done.stderr:
        problems.append(f"cut short: {done.stderr.strip()}")
    if left := list(temporary.iterdir()):
        problems.append(f"left behind: {left}")
    del os.environ["TMPDIR"]
    report("a .zip of a study", problems)


def check_legacy(scratch, name, datasets, expected_series):
    """The multi-frame object of a real series equals the series."""
    modality = datasets[0].Modality
    single = write(scratch / "single", datasets)
    made = LEGACY[modality](datasets, series_instance_uid=generate_uid(), series_number=7,
                            sop_instance_uid=generate_uid(), instance_number=1)
    problems = []
    if modality == "PT":  # highdicom loses the slopes.
        if "dicom.bad_value" not in converted(write(scratch / "no slopes", [made]))[1]:
            problems.append("read without slopes")
        source_at = {tuple(d.ImagePositionPatient): d for d in datasets}
        for item in made.PerFrameFunctionalGroupsSequence:
            source = source_at[tuple(item.PlanePositionSequence[0].ImagePositionPatient)]
            value = Dataset()
            value.RescaleSlope, value.RescaleIntercept = source.RescaleSlope, source.RescaleIntercept
            value.RescaleType = "US"
            item.PixelValueTransformationSequence = Sequence([value])
    multi = write(scratch / "multi", [made])
    one, error_one = converted(single)
    other, error_other = converted(multi)
    if one is None or other is None:
        problems.append(f"not converted: {error_one or error_other}")
    else:
        problems += compare(other, "", SimpleITK.GetArrayFromImage(one), one.GetOrigin(), one.GetSpacing(),
                            one.GetDirection())
        a, b = all_series(single)[0], all_series(multi)[0]
        for key in ("unit", "contrast", "instances", "modality", "echo_time_ms", "repetition_time_ms"):
            if a.get(key) != b.get(key):
                problems.append(f"{key}: {a.get(key)} as single images, {b.get(key)} as frames")
        if b["files"] != 1:
            problems.append(f"{b['files']} files")
    report(f"legacy converted {name} {modality}, {len(datasets)} frames", problems)


def real_series(folder):
    """With times as highdicom wants them."""
    series = {}
    for path in sorted(folder.rglob("*.dcm")):
        ds = pydicom.dcmread(path)
        ds.AcquisitionDate = ds.get("AcquisitionDate") or "20000101"
        ds.AcquisitionTime = ds.get("AcquisitionTime") or "101112"
        if ds.Modality in LEGACY:
            series.setdefault(str(ds.SeriesInstanceUID), []).append(ds)
    return series


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    data = pathlib.Path(sys.argv[2]) if len(sys.argv) == 3 else None
    if data and not all((data / a).is_file() for a in ARCHIVES):
        print("skipped: the data are not there")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        scratch = pathlib.Path(folder)
        if data:
            for archive in ARCHIVES:
                place = scratch / archive.replace("/", "-")
                with tarfile.open(data / archive) as tar:
                    tar.extractall(place / "in")
                for n, datasets in enumerate(real_series(place / "in").values()):
                    check_legacy(place / str(n), archive, datasets, n)
        else:
            for case in (check_random_frames, check_two_keys, check_concatenation, check_bad_multi_frame, check_splits,
                         check_one_volume, check_orientations, check_inseparable, check_results,
                         check_dicomdir, check_studies, check_zip):
                case(scratch)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
