#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Looks by pydicom at every element that `oncotome deidentify` writes, for anything that was in its input.

Usage: check_deidentify.py ONCOTOME DATA
Made-up objects (image, SR, SEG, structure set, secondary capture) with names, ids, dates, UIDs and free text in nested
sequences and private blocks; and the real chest CT, PET and structure set. No original name, id, date or UID may be
left; references stay consistent; pixels and geometry stay equal; what an option retains stays. Exit status: 0 good, 1
bad, 77 good but DATA is not there.
"""
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile

import jsonschema
import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, generate_uid

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAME, ID, BIRTH, DAY, STAMP = "Musterfrau^Erika", "ZX81-4711", "19610203", "20190817", "20190817131415"
SECRETS = ["musterfrau", "erika", "zx81-4711", BIRTH, DAY, "131415", "dr.koch", "koch", "charite", "accx99", "scan-room-7", "sn-55667788"]
STANDARD = "1.2.840.10008."
PHILIPS = "Philips PET Private Group"


def all_elements(dataset, path=""):
    for element in dataset:
        where = f"{path}/{element.tag}"
        yield where, element
        if element.VR == "SQ":
            for item in element.value:
                yield from all_elements(item, where)


def texts(dataset):
    for where, element in all_elements(dataset):
        if element.VR == "SQ":
            continue
        values = element.value if isinstance(element.value, (list, pydicom.multival.MultiValue)) else [element.value]
        for value in values:
            yield where, element, value.decode("latin-1") if isinstance(value, bytes) else str(value)


def uids(dataset):
    return {text for _, element, text in texts(dataset) if element.VR == "UI" and text and not text.startswith(STANDARD)}


def item(**values):
    d = Dataset()
    for name, value in values.items():
        setattr(d, name, value)
    return d


def base(sop_class, modality, implicit=False):
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = sop_class, generate_uid()
    meta.SourceApplicationEntityTitle = "CHARITE"
    d = FileDataset("", {}, file_meta=meta, preamble=b"Musterfrau".ljust(128, b"x"))
    d.is_little_endian, d.is_implicit_VR = True, implicit
    d.SOPClassUID, d.SOPInstanceUID, d.Modality = sop_class, meta.MediaStorageSOPInstanceUID, modality
    d.PatientName, d.PatientID, d.PatientBirthDate, d.PatientSex = NAME, ID, BIRTH, "F"
    d.PatientAge, d.PatientWeight, d.AccessionNumber, d.ReferringPhysicianName = "058Y", "70", "ACCX99", "Dr.Koch"
    d.StudyDate = d.SeriesDate = d.ContentDate = d.AcquisitionDate = DAY
    d.StudyTime = d.SeriesTime = d.ContentTime = d.AcquisitionTime = "131415"
    d.InstitutionName, d.StationName, d.DeviceSerialNumber = "Charite Berlin", "SCAN-ROOM-7", "SN-55667788"
    d.StudyDescription, d.ImageComments, d.Manufacturer = "Erika's scan", "seen by Koch", "Maker for Charite Berlin"
    # The table keeps these, whatever is in them.
    d.SeriesNumber, d.DerivationDescription, d.ReconstructionMethod = 1, "for ZX81-4711", "OSEM Musterfrau"
    d.RequestAttributesSequence = Sequence([item(ScheduledProcedureStepDescription="Erika", RequestedProcedureID="ACCX99")])
    d.ReferencedImageSequence = Sequence([item(ReferencedSOPClassUID=sop_class, ReferencedSOPInstanceUID=UIDS["image"])])
    d.OtherPatientIDsSequence = Sequence([item(PatientID="ZX81-4711", TypeOfPatientID="TEXT")])
    block = d.private_block(0x0029, "SECRET MAKER", create=True)
    block.add_new(0x01, "LO", "Musterfrau in private")
    block.add_new(0x02, "SQ", [item(PatientName=NAME)])
    d.StudyInstanceUID, d.SeriesInstanceUID, d.FrameOfReferenceUID = UIDS["study"], UIDS[modality], UIDS["frame"]
    return d


UIDS = {name: generate_uid() for name in ("study", "frame", "image", "PT", "SR", "SEG", "RTSTRUCT", "OT", "CT", "segment")}


def pixels(d):
    d.Rows, d.Columns, d.SamplesPerPixel, d.PhotometricInterpretation = 4, 4, 1, "MONOCHROME2"
    d.BitsAllocated, d.BitsStored, d.HighBit, d.PixelRepresentation = 16, 16, 15, 0
    d.PixelData = np.arange(16, dtype=np.uint16).tobytes()


def made_up(folder):
    for k in range(3):
        d = base("1.2.840.10008.5.1.4.1.1.128", "PT", implicit=k == 2)
        if k == 0:
            d.SOPInstanceUID = d.file_meta.MediaStorageSOPInstanceUID = UIDS["image"]
        pixels(d)
        d.Units, d.DecayCorrection, d.CorrectedImage = "BQML", "START", ["DECY", "ATTN"]
        d.RescaleSlope, d.RescaleIntercept = str(1 + k), "0"
        d.ImagePositionPatient, d.ImageOrientationPatient = [0, 0, 2 * k], [1, 0, 0, 0, 1, 0]
        d.PixelSpacing, d.SliceThickness = [2, 2], "2"
        drug = item(RadionuclideTotalDose="350000000", RadionuclideHalfLife="6586.2", RadiopharmaceuticalStartDateTime=f"{DAY}121000.5",
                    Radiopharmaceutical="FDG for Erika")
        d.RadiopharmaceuticalInformationSequence = Sequence([drug])
        block = d.private_block(0x7053, PHILIPS, create=True)
        block.add_new(0x00, "DS", "0.25")
        block.add_new(0x03, "LO", "Musterfrau")
        d.save_as(folder / f"{NAME} {k}.dcm", write_like_original=False)
    sr = base("1.2.840.10008.5.1.4.1.1.88.34", "SR")
    code = item(CodeValue="121071", CodingSchemeDesignator="DCM", CodeMeaning="Finding")
    sr.ValueType, sr.VerifyingObserverSequence = "CONTAINER", Sequence([item(VerifyingObserverName="Dr.Koch", VerifyingOrganization="Charite")])
    sr.ContentSequence = Sequence([
        item(RelationshipType="CONTAINS", ValueType="TEXT", ConceptNameCodeSequence=Sequence([code]), TextValue="Frau Musterfrau hat einen Tumor"),
        item(RelationshipType="CONTAINS", ValueType="PNAME", ConceptNameCodeSequence=Sequence([code]), PersonName="Koch^Robert"),
        item(RelationshipType="CONTAINS", ValueType="DATETIME", ConceptNameCodeSequence=Sequence([code]), DateTime=STAMP),
        item(RelationshipType="CONTAINS", ValueType="CONTAINER", ContentSequence=Sequence([
            item(RelationshipType="CONTAINS", ValueType="IMAGE", ReferencedSOPSequence=Sequence([
                item(ReferencedSOPClassUID="1.2.840.10008.5.1.4.1.1.128", ReferencedSOPInstanceUID=UIDS["image"])]))]))])
    sr.save_as(folder / "sr.dcm", write_like_original=False)
    seg = base("1.2.840.10008.5.1.4.1.1.66.4", "SEG")
    seg.SegmentSequence = Sequence([item(SegmentNumber=1, SegmentLabel="Tumor of Erika", TrackingID="lesion 1", TrackingUID=UIDS["segment"])])
    seg.ContentCreatorName, seg.ContentDescription = "Koch^Robert", "by Koch"
    pixels(seg)
    seg.save_as(folder / "seg.dcm", write_like_original=False)
    rt = base("1.2.840.10008.5.1.4.1.1.481.3", "RTSTRUCT")
    rt.StructureSetLabel, rt.StructureSetDate, rt.StructureSetTime = "Erika", DAY, "131415"
    rt.StructureSetROISequence = Sequence([item(ROINumber=1, ROIName="GTV Erika", ReferencedFrameOfReferenceUID=UIDS["frame"])])
    rt.ROIContourSequence = Sequence([item(ReferencedROINumber=1, ContourSequence=Sequence([
        item(ContourGeometricType="CLOSED_PLANAR", NumberOfContourPoints=3, ContourData=[0, 0, 0, 1, 0, 0, 1, 1, 0],
             ContourImageSequence=Sequence([item(ReferencedSOPClassUID="1.2.840.10008.5.1.4.1.1.128", ReferencedSOPInstanceUID=UIDS["image"])]))]))])
    rt.save_as(folder / "rt.dcm", write_like_original=False)
    sc = base("1.2.840.10008.5.1.4.1.1.7", "OT")
    pixels(sc)
    sc.save_as(folder / "sc.dcm", write_like_original=False)
    (folder / "notes.txt").write_text("no DICOM")


class Check:
    def __init__(self, program):
        self.program, self.bad, self.elements = program, 0, 0

    def need(self, good, what):
        if not good:
            self.bad += 1
            print("FAILED", what)

    def run(self, *arguments):
        run = subprocess.run([self.program, "deidentify", *map(str, arguments), "--json"], capture_output=True, text=True)
        self.need(run.returncode == 0, f"exit {run.returncode}: {run.stderr}")
        report = json.loads(run.stdout)
        jsonschema.validate(report, json.loads((ROOT / "Data/Schemas/deidentification-1.schema.json").read_text()))
        return report, run

    def outputs(self, folder):
        files = sorted(folder.glob("*.dcm"))
        self.need([p.name for p in files] == [f"{i + 1:06d}.dcm" for i in range(len(files))], "files are named by number")
        return [pydicom.dcmread(p) for p in files]

    def nothing_left(self, name, outputs, secrets, old_uids, folder):
        for d in outputs:
            self.need(d.PatientIdentityRemoved == "YES" and d.DeidentificationMethodCodeSequence[0].CodeValue == "113100", f"{name}: says what was done")
            for where, element, text in list(texts(d)) + list(texts(d.file_meta)):
                self.elements += 1
                if element.tag == 0x7FE00010:
                    continue
                low = text.lower()
                for secret in secrets:
                    self.need(secret not in low, f"{name}: {secret!r} is left in {where}")
                self.need(text not in old_uids, f"{name}: an original UID is left in {where}")
        for path in folder.glob("*"):
            data = path.read_bytes().lower()
            for secret in secrets:
                self.need(secret.encode() not in data, f"{name}: {secret!r} is left in the bytes of {path.name}")
            if path.suffix == ".dcm":
                self.need(data[:128] == bytes(128), f"{name}: the preamble is not zero")


def made_up_objects(check, scratch):
    folder = scratch / "in"
    folder.mkdir()
    made_up(folder)
    (scratch / "key").write_bytes(b"0123456789abcdef")
    sources = [pydicom.dcmread(p) for p in sorted(folder.glob("*.dcm"))]
    old = set().union(*map(uids, sources))
    report, run = check.run(folder, "-o", scratch / "plain", "--key", scratch / "key")
    check.need((report["written"], report["not_dicom"], sum(report["left_out"].values())) == (6, 1, 1), f"counts are {report}")
    outputs = check.outputs(scratch / "plain")
    check.nothing_left("plain", outputs, SECRETS, old, scratch / "plain")
    check.need(not any(s in (run.stdout + run.stderr).lower() for s in SECRETS), "the report names nobody")
    by_class = {}
    for d in outputs:
        by_class.setdefault(str(d.Modality), []).append(d)
        check.need(not any(e.tag.is_private for _, e in all_elements(d)), "no private element is left")
        check.need(d.LongitudinalTemporalInformationModified == "REMOVED", "dates are said to be removed")
        check.need(not d.get("PatientWeight") and not d.get("PatientAge"), "characteristics are gone")
    images = by_class["PT"]
    first = next(d for d in images if d.RescaleSlope == 1)
    new = str(first.SOPInstanceUID)
    check.need(len({str(d.StudyInstanceUID) for d in outputs}) == 1 and len({str(d.PatientID) for d in outputs}) == 1, "one study and one patient")
    check.need(all(str(d.ReferencedImageSequence[0].ReferencedSOPInstanceUID) == new for d in outputs), "references follow")
    deep = by_class["SR"][0].ContentSequence[3].ContentSequence[0].ReferencedSOPSequence[0]
    check.need(str(deep.ReferencedSOPInstanceUID) == new, "a reference deep in a report follows")
    check.need(by_class["SR"][0].ContentSequence[0].ConceptNameCodeSequence[0].CodeValue == "121071", "codes of a report stay")
    contour = by_class["RTSTRUCT"][0].ROIContourSequence[0].ContourSequence[0]
    check.need(str(contour.ContourImageSequence[0].ReferencedSOPInstanceUID) == new and list(contour.ContourData)[3] == 1, "contours stay, their references follow")
    check.need(str(by_class["RTSTRUCT"][0].StructureSetROISequence[0].ReferencedFrameOfReferenceUID) == str(first.FrameOfReferenceUID), "frames of reference follow")
    check.need(all(np.array_equal(d.pixel_array, np.arange(16).reshape(4, 4)) for d in images + by_class["SEG"]), "pixels stay")

    check.run(folder, "-o", scratch / "again", "--key", scratch / "key")
    check.need([uids(d) for d in check.outputs(scratch / "again")] == [uids(d) for d in outputs], "the same key gives the same UIDs")
    shutil.make_archive(scratch / "in", "zip", folder)
    check.run(scratch / "in.zip", "-o", scratch / "packed", "--key", scratch / "key")
    packed = {frozenset(uids(d)) for d in check.outputs(scratch / "packed")}
    check.need(packed == {frozenset(uids(d)) for d in outputs}, "an archive gives what its folder gives")
    check.run(folder, "-o", scratch / "other")
    check.need(not set().union(*map(uids, check.outputs(scratch / "other"))) & (set().union(*map(uids, outputs))), "another key gives other UIDs")

    check.run(folder, "-o", scratch / "kept", "--key", scratch / "key", "--retain", "shifted-dates,characteristics,safe-private,device,institution")
    kept = check.outputs(scratch / "kept")
    check.nothing_left("retain", kept, [s for s in SECRETS if s not in ("131415", "charite", "scan-room-7", "sn-55667788")], old, scratch / "kept")
    for d in (d for d in kept if d.Modality == "PT"):
        drug = d.RadiopharmaceuticalInformationSequence[0]
        check.need(float(d.PatientWeight) == 70 and d.PatientSex == "F" and d.StationName == "SCAN-ROOM-7" and d.InstitutionName == "Charite Berlin", "what is retained stays")
        check.need(d.SeriesDate != DAY and d.SeriesDate == str(drug.RadiopharmaceuticalStartDateTime)[:8] and d.SeriesTime == "131415", "dates move together")
        check.need(float(d.private_block(0x7053, PHILIPS)[0x00].value) == 0.25 and 0x03 not in d.private_block(0x7053, PHILIPS), "a safe private element stays, its neighbor goes")
    check.run(folder, "-o", scratch / "uids", "--retain", "uids,dates")
    check.need(set().union(*(uids(d) for d in check.outputs(scratch / "uids"))) >= {UIDS["image"], UIDS["study"]}, "UIDs stay when asked")

    # SUV is the same where what it needs is retained, and is not made up where it is not.
    for name, code in (("kept", 0), ("plain", 43)):
        pet = scratch / f"pet-{name}"
        pet.mkdir()
        for p in (scratch / name).glob("*.dcm"):
            if pydicom.dcmread(p).Modality == "PT":
                (pet / p.name).write_bytes(p.read_bytes())
        run = subprocess.run([check.program, "convert", pet, "--suv", "-o", scratch / f"{name}.nrrd"], capture_output=True, text=True)
        check.need(run.returncode == code, f"SUV of {name}: exit {run.returncode}, {run.stderr}")
    pet = scratch / "pet-in"
    pet.mkdir()
    for p in folder.glob(f"{NAME}*.dcm"):
        (pet / p.name).write_bytes(p.read_bytes())
    subprocess.run([check.program, "convert", pet, "--suv", "-o", scratch / "in.nrrd"], check=True, capture_output=True)
    check.need((scratch / "in.nrrd").read_bytes() == (scratch / "kept.nrrd").read_bytes(), "SUV is the same after")
    refused = subprocess.run([check.program, "deidentify", folder, "-o", folder / "out"], capture_output=True, text=True)
    check.need(refused.returncode == 2 and not (folder / "out").exists(), "an output within the input is refused")


def structure_set(points, implicit):
    rt = base("1.2.840.10008.5.1.4.1.1.481.3", "RTSTRUCT", implicit)
    numbers = [f"{value:.3f}" for k in range(points) for value in (k * 0.7, -k * 0.3, 12)]
    rt.ROIContourSequence = Sequence([item(ReferencedROINumber=1, ContourSequence=Sequence([item(
        ContourGeometricType="CLOSED_PLANAR", NumberOfContourPoints=points, ContourData=numbers)]))])
    return rt


def points_of(rt):
    data = rt.ROIContourSequence[0].ContourSequence[0].ContourData
    values = data.decode().split("\\") if isinstance(data, bytes) else data
    return np.array([float(v) for v in values]).reshape(-1, 3)


def long_texts(check, scratch):
    """Explicit VR writes more than 64 KiB of ContourData as UN: it must come through, as often as one likes."""
    folder = scratch / "long"
    folder.mkdir()
    want = []
    for name, implicit in (("explicit", False), ("implicit", True)):
        rt = structure_set(5000, implicit)
        rt.save_as(folder / f"{name}.dcm", write_like_original=False)
        want.append([(k * 0.7, -k * 0.3, 12) for k in range(5000)])
    check.need(b"\x06\x30\x50\x00UN" in (folder / "explicit.dcm").read_bytes(), "the explicit source has UN")
    palette = base("1.2.840.10008.5.1.4.1.1.2", "CT")
    pixels(palette)
    palette.add_new(0x00281201, "UN", b"\0\1" * 40000)
    palette.save_as(folder / "palette.dcm", write_like_original=False)
    for source, output, left_out in ((folder, "long-1", 1), (scratch / "long-1", "long-2", 0)):
        report, _ = check.run(source, "-o", scratch / output)
        check.need((report["written"], sum(report["left_out"].values())) == (2, left_out), f"{output}: {report}")
        got = [points_of(d) for d in check.outputs(scratch / output)]
        check.need(np.allclose(got, want, atol=6e-4), f"{output}: every point of a long contour stays")


def screens(check, scratch):
    """What may have text or a face in its pixels goes out only where it says that it has none."""
    folder = scratch / "screens"
    folder.mkdir()
    root = "1.2.840.10008.5.1.4.1.1."
    cases = [(root + "2", {"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]}), (root + "2", {"ConversionType": "WSD"})]
    cases += [(root + end, {}) for end in ("7", "7.4", "3", "3.1", "6", "6.1", "6.2", "77.1", "77.1.1", "77.1.4", "77.1.4.1")]
    for burned in ("NO", ""):
        for k, (sop_class, values) in enumerate(cases):
            d = base(sop_class, "OT")
            pixels(d)
            for name, value in values.items():
                setattr(d, name, value)
            if burned:
                d.BurnedInAnnotation = burned
            d.save_as(folder / f"{burned}{k}.dcm", write_like_original=False)
    report, _ = check.run(folder, "-o", scratch / "screens-out")
    check.need((report["written"], sum(report["left_out"].values())) == (len(cases), len(cases)), f"screens: {report}")
    check.need(all(d.BurnedInAnnotation == "NO" for d in check.outputs(scratch / "screens-out")), "only those that say so")


def short_names(check, scratch):
    """Two letters are found as a word, and no word is broken for holding them; what no table knows is removed."""
    folder = scratch / "short"
    folder.mkdir()
    d = base("1.2.840.10008.5.1.4.1.1.2", "CT")
    pixels(d)
    d.PatientName, d.PatientID, d.Manufacturer = "Max^Li", "123", "Maxilla Lines"
    d.FilterType, d.ReconstructionMethod, d.PositionReferenceIndicator = "Li 123", "Maximum of 1234 lines", "given by (Max)"
    code = lambda scheme, meaning: item(CodeValue="T-1", CodingSchemeDesignator=scheme, CodeMeaning=meaning)
    d.AnatomicRegionSequence = Sequence([code("SRT", "Max"), code("99SITE", "Max"), code("99SITE", "Maximum")])
    for tag, vr, value in ((0x00100033, "LO", "19500101 birth"), (0x00100034, "LO", "20200101 death"), (0x00189999, "LO", "odd words"),
                           (0x00200F02, "DS", "4711.4711")):
        d.add_new(tag, vr, value)
    d.save_as(folder / "a.dcm", write_like_original=False)
    for name, *options in (("short-1",), ("short-2", "--retain", "dates"), ("short-3", "--retain", "shifted-dates")):
        check.run(folder, "-o", scratch / name, *options)
        out = check.outputs(scratch / name)[0]
        meanings = [c.CodeMeaning for c in out.AnatomicRegionSequence]
        check.need(meanings == ["Max", "REMOVED", "Maximum"], f"{name}: the words of codes are {meanings}")
        got = (out.FilterType, out.PositionReferenceIndicator, out.ReconstructionMethod, out.Manufacturer)
        check.need(got == ("REMOVED", "REMOVED", "Maximum of 1234 lines", "Maxilla Lines"), f"{name}: texts are {got}")
        data = (scratch / name / "000001.dcm").read_bytes()
        for gone in (b"19500101", b"20200101", b"odd words", b"4711.4711", b"Li 123"):
            check.need(gone not in data, f"{name}: {gone} is left")


def faults(paths):
    """What dciodvfy calls an error, in one file of each series."""
    first = {}
    for path in sorted(paths):
        first.setdefault(pydicom.dcmread(path, stop_before_pixels=True).SeriesInstanceUID, path)
    said = [subprocess.run(["dciodvfy", path], capture_output=True, text=True).stderr.splitlines() for path in first.values()]
    return {re.sub("<2?[0-9.]{8,}>", "<UID>", line) for lines in said for line in lines if line.startswith("Error")}


def real(check, data, scratch):
    folder = scratch / "real"
    for archive in ("ct_lung_dx/dicom.tar.xz", "sarcoma_ct_mr_pet/STS_001.tar.xz"):
        with tarfile.open(data / archive) as tar:
            tar.extractall(folder)
    sources = [pydicom.dcmread(p) for p in sorted(folder.rglob("*.dcm"))]
    secrets = set()
    for d in sources:
        for where, e, text in texts(d):
            if e.VR in ("PN", "DA", "DT") or e.keyword in ("PatientID", "AccessionNumber", "InstitutionName", "StationName", "DeviceSerialNumber"):
                secrets.update({text.lower()} if len(text) >= 5 else set())
    old = set().union(*map(uids, sources))
    report, _ = check.run(folder, "-o", scratch / "real-out")
    outputs = check.outputs(scratch / "real-out")
    check.nothing_left("real", outputs, secrets, old, scratch / "real-out")
    check.need(len(outputs) == len(sources), f"{len(outputs)} of {len(sources)} real files")
    uid = lambda d: str(d.SeriesInstanceUID)
    before = {str(d.Modality) + str(d.get("ImagePositionPatient")) + str(d.get("Rows")): d for d in sources if "PixelData" in d}
    after = {str(d.Modality) + str(d.get("ImagePositionPatient")) + str(d.get("Rows")): d for d in outputs if "PixelData" in d}
    check.need(before.keys() == after.keys() and all(before[k].PixelData == after[k].PixelData for k in before), "real pixels and places stay")
    check.need(len({uid(d) for d in outputs}) == len({uid(d) for d in sources}), "as many series as before")
    new = faults((scratch / "real-out").glob("*.dcm")) - faults(folder.rglob("*.dcm"))
    check.need(not new, f"dciodvfy finds what was right before: {new}")
    print(f"{len(outputs)} real files, {len(secrets)} values and {len(old)} UIDs looked for")


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    program, data = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    check = Check(program)
    with tempfile.TemporaryDirectory() as scratch:
        for part in (made_up_objects, long_texts, screens, short_names):
            part(check, pathlib.Path(scratch))
        there = (data / "ct_lung_dx").is_dir()
        if there:
            real(check, data, pathlib.Path(scratch))
    print(f"{check.elements} values looked at, {check.bad} faults")
    return 1 if check.bad else 0 if there else 77


if __name__ == "__main__":
    sys.exit(main())
