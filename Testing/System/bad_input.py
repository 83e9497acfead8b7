# SPDX-License-Identifier: Apache-2.0
"""What the kinds of bad input are made with, and the table of them.

The name and id of the patient are in every file, folder and file name made; no message may hold them.
"""
import os
import pathlib
import struct
import warnings

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian

warnings.simplefilter("ignore")
BIN = pathlib.Path(os.environ["ONCOTOME_BIN"])
ROOT = pathlib.Path(__file__).resolve().parents[2]
DEMO_MODEL = ROOT / "Data" / "Models" / "demo-brain-phantom"
NAME, IDENTITY = "Zebrafish^Quentin", "ZQ4711SECRET"
SECRETS = ("zebrafish", "quentin", IDENTITY.lower())
ROWS, COLUMNS, SLICES = 12, 16, 6

# name -> (what makes it, expected exit code, expected name of the error); filled by @case.
CASES = {}


def case(code, name):
    def add(function):
        CASES[function.__name__] = (function, code, name)
        return function
    return add


def slice_of(k):
    d = Dataset()
    d.file_meta = FileMetaDataset()
    d.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    d.SOPClassUID = d.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    d.SOPInstanceUID = d.file_meta.MediaStorageSOPInstanceUID = f"2.25.77.1.{k + 1}"
    d.StudyInstanceUID, d.SeriesInstanceUID, d.FrameOfReferenceUID = "2.25.77.2", "2.25.77.3", "2.25.77.4"
    d.PatientName, d.PatientID, d.PatientBirthDate, d.PatientSex = NAME, IDENTITY, "19700101", "O"
    d.StudyDate, d.StudyTime, d.StudyID, d.AccessionNumber = "20200102", "101112", "1", IDENTITY
    d.Modality, d.SeriesNumber, d.InstanceNumber = "CT", 1, k + 1
    d.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    d.Rows, d.Columns = ROWS, COLUMNS
    d.BitsAllocated, d.BitsStored, d.HighBit, d.PixelRepresentation = 16, 16, 15, 1
    d.SamplesPerPixel, d.PhotometricInterpretation = 1, "MONOCHROME2"
    d.PixelSpacing, d.SliceThickness = [1, 1], 2
    d.ImageOrientationPatient, d.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [0, 0, 2 * k]
    d.RescaleSlope, d.RescaleIntercept = 1, 0
    values = np.full((ROWS, COLUMNS), -1000, np.int16)
    values[3:9, 4:12] = 40 + k
    d.PixelData = values.tobytes()
    d["PixelData"].VR = "OW"
    d.is_little_endian, d.is_implicit_VR = True, False
    return d


def bytes_of(dataset):
    holder = pydicom.filebase.DicomBytesIO()
    pydicom.dcmwrite(holder, dataset, write_like_original=False)
    return holder.getvalue()


def series(folder, edit=lambda d, k: None, slices=SLICES):
    """A CT series, each slice edited; returns its folder, which is named after the patient."""
    place = folder / "Zebrafish_Quentin"
    place.mkdir(exist_ok=True)
    for k in range(slices):
        d = slice_of(k)
        edit(d, k)
        (place / f"ZQ4711SECRET-{k}.dcm").write_bytes(bytes_of(d))
    return place


def one(folder, k=2):
    return folder / f"ZQ4711SECRET-{k}.dcm"


def with_one(folder, change, k=2):
    """A good series of which one file's bytes are changed."""
    place = series(folder)
    one(place, k).write_bytes(change(one(place, k).read_bytes()))
    return place


def convert(place, *more):
    return ("oncotome", "convert", place, "-o", "OUTPUT.nrrd", "--quiet", *more)


def edited(folder, **values):
    """A series with one slice in which elements are set to what they may not be."""
    def edit(d, k):
        for key, value in values.items():
            if k == 2 or key.startswith("all_"):
                key = key.removeprefix("all_")
                if value is None:
                    delattr(d, key)
                else:
                    setattr(d, key, value)
    return convert(series(folder, edit))


def raw_element(tag, vr, value):
    """An element in explicit little endian with whatever value; short form."""
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value)) + value


def replaced(data, tag, vr, value):
    """Replaces a short-form element in a file's bytes."""
    key = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
    at = data.index(key, 132)
    length = struct.unpack("<H", data[at + 6:at + 8])[0]
    return data[:at] + raw_element(tag, vr, value) + data[at + 8 + length:]


def encapsulated(d, syntax, frames):
    d.file_meta.TransferSyntaxUID = syntax
    d.PixelData = encapsulate(frames)
    d["PixelData"].VR = "OB"
    d["PixelData"].is_undefined_length = True
