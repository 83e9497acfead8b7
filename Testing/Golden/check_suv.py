#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares `oncotome convert --suv` and `inspect` with SUV by pydicom, written after QIBA's vendor-neutral pseudo-code.

Usage: check_suv.py ONCOTOME DATA
Made-up PET series in every unit and decay correction, with a slope of its own in each slice, over midnight, and with a
field missing or absurd (no SUV, and the reason names it); and the real PET of sarcoma_ct_mr_pet, which is SUV already.
Exit status: 0 all equal, 1 a difference, 77 equal but DATA is not there.
"""
import datetime
import json
import math
import pathlib
import subprocess
import sys
import tarfile
import tempfile

import jsonschema
import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, generate_uid

ROOT = pathlib.Path(__file__).resolve().parents[2]
HALF_LIFE = 6586.2
PHILIPS = "Philips PET Private Group"


def when(date, time):
    time = str(time)
    whole, _, fraction = time.partition(".")
    return datetime.datetime.strptime(str(date) + whole, "%Y%m%d%H%M%S") + datetime.timedelta(seconds=float("0." + (fraction or "0")))


def suv_by_pydicom(datasets):
    """Voxels [z, y, x] in g/ml."""
    out = []
    first = datasets[0]
    acquisitions = [when(d.AcquisitionDate, d.AcquisitionTime) for d in datasets]
    for d, acquisition in zip(datasets, acquisitions):
        value = d.pixel_array.astype(float) * float(d.RescaleSlope) + float(d.RescaleIntercept)
        if d.Units == "GML":
            out.append(value)
            continue
        if d.Units == "CNTS":
            block = d.private_block(0x7053, PHILIPS)
            if 0x00 in block:
                out.append(value * float(block[0x00].value))
                continue
            value = value * float(block[0x09].value)
        drug = d.RadiopharmaceuticalInformationSequence[0]
        half_life, dose = float(drug.RadionuclideHalfLife), float(drug.RadionuclideTotalDose)
        scan = when(first.SeriesDate, first.SeriesTime)
        if scan > min(acquisitions):
            scan = min(acquisitions)
            try:
                stamp = first.private_block(0x0009, "GEMS_PETD_01")[0x0D].value
                scan = when(stamp[:8], stamp[8:])
            except KeyError:
                pass
        if d.DecayCorrection == "NONE":
            scan = acquisition
        if "RadiopharmaceuticalStartDateTime" in drug:
            stamp = str(drug.RadiopharmaceuticalStartDateTime)
            given = when(stamp[:8], stamp[8:])
        else:
            given = when(scan.strftime("%Y%m%d"), drug.RadiopharmaceuticalStartTime)
            if given > scan:
                given -= datetime.timedelta(days=1)
        if d.DecayCorrection == "ADMIN":
            decayed = dose
        else:
            decayed = dose * 2 ** (-(scan - given).total_seconds() / half_life)
        if d.DecayCorrection == "NONE":
            x = math.log(2) / half_life * float(d.ActualFrameDuration) / 1000
            value = value * x / (1 - math.exp(-x))
        out.append(value * float(d.PatientWeight) * 1000 / decayed)
    return np.stack(out)


def series(edit=None, slices=4):
    """Slices of a PET; the slope grows from slice to slice."""
    study, uid, frame = generate_uid(), generate_uid(), generate_uid()
    random = np.random.default_rng(5)
    out = []
    for k in range(slices):
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.128"
        meta.MediaStorageSOPInstanceUID = generate_uid()
        d = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
        d.is_little_endian, d.is_implicit_VR = True, False
        d.SOPClassUID, d.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
        d.StudyInstanceUID, d.SeriesInstanceUID, d.FrameOfReferenceUID = study, uid, frame
        d.Modality, d.PatientName, d.PatientID, d.PatientWeight = "PT", "Test^Suv", "SUV", "70"
        d.SeriesDate = d.AcquisitionDate = d.StudyDate = "20200102"
        d.SeriesTime, d.AcquisitionTime = "101500", f"1015{10 * (k + 1)}.5"
        d.Units, d.DecayCorrection, d.CorrectedImage = "BQML", "START", ["DECY", "ATTN", "SCAT"]
        d.ActualFrameDuration = "120000"
        d.ImagePositionPatient, d.ImageOrientationPatient = [0, 0, 3 * k], [1, 0, 0, 0, 1, 0]
        d.PixelSpacing, d.SliceThickness, d.InstanceNumber = [2, 2], "3", k + 1
        d.RescaleSlope, d.RescaleIntercept = str(round(0.5 + 0.37 * k, 2)), "0"
        d.Rows, d.Columns, d.SamplesPerPixel, d.PhotometricInterpretation = 5, 6, 1, "MONOCHROME2"
        d.BitsAllocated, d.BitsStored, d.HighBit, d.PixelRepresentation = 16, 16, 15, 0
        d.PixelData = random.integers(0, 20000, (5, 6), np.uint16).tobytes()
        drug = Dataset()
        drug.RadionuclideTotalDose, drug.RadionuclideHalfLife = "350000000", str(HALF_LIFE)
        drug.RadiopharmaceuticalStartDateTime = "20200102091000.00"
        drug.RadiopharmaceuticalStartTime = "091000"
        d.RadiopharmaceuticalInformationSequence = Sequence([drug])
        if edit:
            edit(d, drug, k)
        out.append(d)
    return out


def put(**values):
    return lambda d, drug, k: [setattr(d, name, value) for name, value in values.items()]


def inject(**values):
    def edit(d, drug, k):
        for name, value in values.items():
            if value is None:
                delattr(drug, name)
            else:
                setattr(drug, name, value)
    return edit


def both(*edits):
    return lambda d, drug, k: [edit(d, drug, k) for edit in edits]


def philips(block, **elements):
    def edit(d, drug, k):
        d.Units = "CNTS"
        if block == 0x11:
            d.private_block(0x7053, "SOMEBODY ELSE", create=True).add_new(0x00, "DS", "99")
        mine = d.private_block(0x7053, PHILIPS, create=True)
        for name, value in elements.items():
            mine.add_new(int(name[1:], 16), "DS", value)
    return edit


def ge(d, drug, k):
    d.SeriesTime = "113000"
    d.private_block(0x0009, "GEMS_PETD_01", create=True).add_new(0x0D, "DT", "20200102101455.00")


def over_midnight(d, drug, k):
    d.SeriesDate = d.AcquisitionDate = "20200103"
    d.SeriesTime, d.AcquisitionTime = "001000", f"00101{k}"
    del drug.RadiopharmaceuticalStartDateTime
    drug.RadiopharmaceuticalStartTime = "231500.25"


def days_apart(d, drug, k):
    d.SeriesDate = d.AcquisitionDate = "20200107"
    drug.RadionuclideHalfLife, drug.RadiopharmaceuticalStartDateTime = "282240", "20200102091000"


GOOD = {
    "BQML, START": None,
    "BQML, ADMIN": put(DecayCorrection="ADMIN"),
    "BQML, NONE, a time of its own in each slice": put(DecayCorrection="NONE", CorrectedImage=["ATTN"]),
    "CNTS with an SUV factor": philips(0x10, x00="0.000125"),
    "CNTS, the block is the second one": philips(0x11, x00="0.000125"),
    "CNTS with an activity factor": philips(0x10, x09="1.75"),
    "GML": put(Units="GML"),
    "GML, BW": put(Units="GML", SUVType="BW"),
    "series time later than the scan": put(SeriesTime="120000"),
    "the same, with GE's own time": ge,
    "injected the day before, by time alone": over_midnight,
    "injected days before": days_apart,
    "no date of injection": inject(RadiopharmaceuticalStartDateTime=None),
}
BAD = {
    "no weight": (put(PatientWeight=None), "PatientWeight"),
    "weight 0": (put(PatientWeight="0"), "PatientWeight"),
    "weight 7000": (put(PatientWeight="7000"), "PatientWeight"),
    "no dose": (inject(RadionuclideTotalDose=None), "RadionuclideTotalDose"),
    "dose in MBq": (inject(RadionuclideTotalDose="350"), "RadionuclideTotalDose"),
    "no half-life": (inject(RadionuclideHalfLife=None), "RadionuclideHalfLife"),
    "no time of injection": (inject(RadiopharmaceuticalStartDateTime=None, RadiopharmaceuticalStartTime=None), "injection"),
    "injected after the scan": (inject(RadiopharmaceuticalStartDateTime="20200102111000"), "later than the scan"),
    "injected a year before": (inject(RadiopharmaceuticalStartDateTime="20190102091000"), "half-lives"),
    "no attenuation correction": (put(CorrectedImage=["DECY"]), "ATTN"),
    "no decay correction": (put(CorrectedImage=["ATTN"]), "DECY"),
    "NONE and DECY": (put(DecayCorrection="NONE"), "DECY"),
    "no DecayCorrection": (put(DecayCorrection=None), "DecayCorrection"),
    "no units": (put(Units=None), "Units"),
    "SUV by surface": (put(Units="CM2ML"), "CM2ML"),
    "SUV by lean mass": (put(Units="GML", SUVType="LBM"), "LBM"),
    "CNTS without factors": (put(Units="CNTS"), "7053"),
    "CNTS with factors of 0": (philips(0x10, x00="0", x09="0"), "7053"),
    "no radiopharmaceutical": (put(RadiopharmaceuticalInformationSequence=Sequence([])), "RadionuclideTotalDose"),
    "no date of the scan": (put(SeriesDate=None, AcquisitionDate=None), "scan"),
    "one image of another dose": (lambda d, drug, k: setattr(drug, "RadionuclideTotalDose", str(350000000 + (k == 2))), "disagree"),
}


def uniform(d, drug, k):
    """Activity that decays with the dose: spread evenly in 70 kg, its SUV is 1 everywhere."""
    decayed = 350e6 * 2 ** (-(65 * 60) / HALF_LIFE)
    stored = 9000 + 100 * k
    d.PixelData = np.full((5, 6), stored, np.uint16).tobytes()
    d.RescaleSlope = f"{decayed / 70000 / stored:.12g}"


class Check:
    def __init__(self, program, scratch):
        self.program, self.scratch, self.count, self.bad = program, scratch, 0, 0

    def need(self, good, what):
        if not good:
            self.bad += 1
            print("FAILED", what)

    def run(self, *arguments):
        return subprocess.run([self.program, *map(str, arguments)], capture_output=True, text=True)

    def write(self, datasets):
        folder = self.scratch / f"s{self.count}"
        folder.mkdir()
        for k, d in enumerate(datasets):
            d.save_as(folder / f"{k}.dcm", write_like_original=False)
        self.count += 1
        return folder

    def suv_json(self, folder):
        out = json.loads(self.run("inspect", folder, "--json").stdout)
        jsonschema.validate(out, json.loads((ROOT / "Data/Schemas/inspect-1.schema.json").read_text()))
        return out["studies"][0]["series"][0]["suv"]

    def good(self, name, folder, datasets):
        output = self.scratch / "suv.nrrd"
        run = self.run("convert", folder, "--suv", "-o", output, "--overwrite")
        if run.returncode != 0:
            return self.need(False, f"{name}: {run.stderr}")
        got, want = sitk.GetArrayFromImage(sitk.ReadImage(str(output))), suv_by_pydicom(datasets)
        worst = float(np.max(np.abs(got - want) / np.maximum(np.abs(want), 1e-6)))
        self.need(worst < 1e-6, f"{name}: SUV differs by {worst:.3g} of itself")
        self.need(self.suv_json(folder)["available"], f"{name}: inspect says there is no SUV")
        return got

    def refused(self, name, folder, word):
        run = self.run("convert", folder, "--suv", "-o", self.scratch / "none.nrrd")
        self.need(run.returncode == 43 and word in run.stderr, f"{name}: exit {run.returncode}, {run.stderr.strip()}")
        self.need(not (self.scratch / "none.nrrd").exists(), f"{name}: a volume was written")
        told = self.suv_json(folder)
        self.need(not told["available"] and word in told.get("reason", ""), f"{name}: inspect says {told}")


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    program, data = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    with tempfile.TemporaryDirectory() as scratch:
        check = Check(program, pathlib.Path(scratch))
        for name, edit in GOOD.items():
            datasets = series(edit)
            check.good(name, check.write(datasets), datasets)
            for d in datasets:
                d.is_implicit_VR, d.file_meta.TransferSyntaxUID = True, ImplicitVRLittleEndian
            check.good(f"{name}, implicit VR", check.write(datasets), datasets)
        for name, (edit, word) in BAD.items():
            check.refused(name, check.write(series(edit)), word)
        datasets = series(uniform)
        ones = check.good("uniform phantom", check.write(datasets), datasets)
        check.need(ones is not None and np.allclose(ones, 1, atol=1e-5), "the SUV of a uniform phantom is 1")
        text = check.write(series())
        for path in text.iterdir():  # pydicom writes no such number
            path.write_bytes(path.read_bytes().replace(b"\x10\x00\x30\x10DS\x02\x0070", b"\x10\x00\x30\x10DS\x04\x0070kg"))
        check.refused("a weight with its unit", text, "PatientWeight")
        print(f"{check.count} made-up series")
        archives = sorted((data / "sarcoma_ct_mr_pet").glob("*.tar.xz"))
        for archive in archives:
            folder = check.scratch / archive.stem
            with tarfile.open(archive) as tar:
                tar.extractall(folder, members=[m for m in tar.getmembers() if "/PET/" in m.name and "mask" not in m.name])
            datasets = sorted((pydicom.dcmread(p) for p in folder.rglob("*.dcm")), key=lambda d: float(d.ImagePositionPatient[2]))
            check.good(archive.name, folder, datasets)
            print(f"{archive.name}: {len(datasets)} slices, Units {datasets[0].Units}")
        return 1 if check.bad else 0 if archives else 77


if __name__ == "__main__":
    sys.exit(main())
