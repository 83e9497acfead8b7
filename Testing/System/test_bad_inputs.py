#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every kind of bad input gets one clear line and its stable code, leaves nothing behind and names no patient.

ONCOTOME_BIN names the folder of the programs. The name and id of the patient are in every file, folder and file name made
here; no message may hold them.
"""
import gzip
import hashlib
import json
import os
import pathlib
import random
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import warnings
import zipfile
import zlib

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

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


def run(*arguments, **options):
    return subprocess.run([BIN / arguments[0], *map(str, arguments[1:])], capture_output=True, text=True, errors="replace",
                          timeout=120, **options)


def slice_of(k, **changes):
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
    for key, value in changes.items():
        if value is None:
            delattr(d, key)
        else:
            setattr(d, key, value)
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


# -- files that are damaged ---------------------------------------------------------------------------------------------

@case(11, "input.unreadable")
def zero_bytes(folder):
    return convert(with_one(folder, lambda data: b""))


@case(11, "input.unreadable")
def cut_in_the_header(folder):
    return convert(with_one(folder, lambda data: data[:400]))


@case(11, "input.unreadable")
def cut_in_the_pixels(folder):
    return convert(with_one(folder, lambda data: data[:-100]))


@case(11, "input.unreadable")
def nothing_after_the_prefix(folder):
    return convert(with_one(folder, lambda data: data[:132]))


@case(11, "input.unreadable")
def random_bytes_with_a_dicom_name(folder):
    return convert(with_one(folder, lambda data: random.Random(1).randbytes(5000)))


@case(11, "input.unreadable")
def a_text_given_by_name(folder):
    path = folder / "Zebrafish.txt"
    path.write_text("hello " * 100)
    return convert(path)


@case(11, "input.unreadable")
def a_picture_called_dcm(folder):
    return convert(with_one(folder, lambda data: b"\x89PNG\r\n\x1a\n" + bytes(300)))


@case(11, "input.unreadable")
def no_pixel_data(folder):
    return edited(folder, PixelData=None)


@case(11, "input.unreadable")
def pixel_data_too_short(folder):
    return edited(folder, PixelData=bytes(2 * ROWS * COLUMNS - 20))


@case(11, "input.unreadable")
def pixel_data_of_two_frames(folder):
    return edited(folder, PixelData=bytes(4 * ROWS * COLUMNS))


@case(11, "input.unreadable")
def pixel_data_with_a_lying_length(folder):
    def change(data):
        at = data.index(struct.pack("<HH2s", 0x7FE0, 0x10, b"OW"))
        return data[:at + 8] + struct.pack("<I", 0xFFFFFFF0) + data[at + 12:]
    return convert(with_one(folder, change))


@case(11, "input.unreadable")
def a_text_with_a_lying_length(folder):
    def change(data):
        at = data.index(struct.pack("<HH2s", 0x0028, 0x0002, b"US"))
        return data[:at] + struct.pack("<HH2sHI", 0x0020, 0x9F01, b"UT", 0, 0x70000000) + data[at:]
    return convert(with_one(folder, change))


@case(11, "input.unreadable")
def sequences_nested_two_thousand_deep(folder):
    def change(data):
        deep = b""
        for _ in range(2000):
            item = struct.pack("<HHI", 0xFFFE, 0xE000, len(deep)) + deep
            deep = struct.pack("<HH2sHI", 0x0040, 0xA730, b"SQ", 0, len(item)) + item
        at = data.index(struct.pack("<HH2s", 0x7FE0, 0x10, b"OW"))
        return data[:at] + deep + data[at:]
    return convert(with_one(folder, change))


@case(11, "input.unreadable")
def private_junk_without_an_end(folder):
    def change(data):
        at = data.index(struct.pack("<HH2s", 0x7FE0, 0x10, b"OW"))
        return data[:at] + struct.pack("<HH2sHI", 0x7053, 0x1099, b"UN", 0, 0xFFFFFFFF) + b"\x01\x02junk" * 9
    return convert(with_one(folder, change))


@case(11, "input.unreadable")
def a_transfer_syntax_that_lies_about_the_byte_order(folder):
    return convert(with_one(folder, lambda data: data.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.2\0", 1)))


# -- values that cannot be ----------------------------------------------------------------------------------------------

@case(28, "dicom.bad_value")
def no_rows(folder):
    return edited(folder, Rows=0)


@case(28, "dicom.bad_value")
def absurd_columns(folder):
    return edited(folder, Columns=65535)


@case(28, "dicom.bad_value")
def twelve_bits_allocated(folder):
    return edited(folder, BitsAllocated=12)


@case(28, "dicom.bad_value")
def more_bits_stored_than_allocated(folder):
    return edited(folder, BitsStored=17)


@case(28, "dicom.bad_value")
def high_bit_below_the_bits_stored(folder):
    return edited(folder, HighBit=7)


@case(28, "dicom.bad_value")
def rows_with_a_text_for_a_value(folder):
    return convert(with_one(folder, lambda data: replaced(data, 0x00280010, b"LO", b"twelve")))


@case(28, "dicom.bad_value")
def slope_of_zero(folder):
    return edited(folder, RescaleSlope=0)


@case(28, "dicom.bad_value")
def slope_that_is_no_number(folder):
    return convert(with_one(folder, lambda data: replaced(data, 0x00281053, b"DS", b"nan ")))


@case(28, "dicom.bad_value")
def slope_with_a_comma(folder):
    return convert(with_one(folder, lambda data: replaced(data, 0x00281053, b"DS", b"1,5 ")))


@case(28, "dicom.bad_value")
def one_pixel_spacing(folder):
    return convert(with_one(folder, lambda data: replaced(data, 0x00280030, b"DS", b"0.7 ")))


@case(28, "dicom.bad_value")
def pixel_spacing_of_zero(folder):
    return edited(folder, PixelSpacing=[0, 0])


@case(28, "dicom.bad_value")
def orientation_of_zeros(folder):
    return edited(folder, ImageOrientationPatient=[0] * 6)


@case(28, "dicom.bad_value")
def position_with_two_values(folder):
    return convert(with_one(folder, lambda data: replaced(data, 0x00200032, b"DS", b"1\\2 ")))


@case(28, "dicom.bad_value")
def frames_as_one_e_three(folder):
    return convert(with_one(folder, lambda data: data.replace(
        struct.pack("<HH2s", 0x0028, 0x0010, b"US"), raw_element(0x00280008, b"IS", b"1e3 ") +
        struct.pack("<HH2s", 0x0028, 0x0010, b"US"))))


@case(28, "dicom.bad_value")
def no_instance_uid(folder):
    return edited(folder, SOPInstanceUID="")


@case(28, "dicom.bad_value")
def a_series_uid_that_is_a_path(folder):
    return edited(folder, SeriesInstanceUID="../../etc/passwd")


@case(28, "dicom.bad_value")
def an_instance_uid_that_is_a_path(folder):
    return edited(folder, SOPInstanceUID="../../etc/passwd")


@case(28, "dicom.bad_value")
def one_uid_for_two_images(folder):
    return edited(folder, SOPInstanceUID="2.25.77.1.1")


# -- stacks that are no volume ------------------------------------------------------------------------------------------

@case(27, "dicom.no_geometry")
def no_position_in_one(folder):
    return edited(folder, ImagePositionPatient=None)


@case(27, "dicom.no_geometry")
def no_orientation_at_all(folder):
    return edited(folder, all_ImageOrientationPatient=None)


@case(21, "dicom.missing_slices")
def a_missing_slice(folder):
    place = series(folder)
    one(place).unlink()
    return convert(place)


@case(22, "dicom.uneven_spacing")
def uneven_distances_under_a_strict_policy(folder):
    return convert(series(folder, lambda d, k: setattr(d, "ImagePositionPatient", [0, 0, 2 * k + (0.9 if k > 3 else 0)])),
                   "--geometry", "strict")


@case(24, "dicom.gantry_tilt")
def a_tilt_under_a_strict_policy(folder):
    return convert(series(folder, lambda d, k: setattr(d, "ImagePositionPatient", [0, 0.7 * k, 2 * k])), "--geometry", "strict")


@case(24, "dicom.gantry_tilt")
def a_tilt_of_fifty_degrees(folder):
    return convert(series(folder, lambda d, k: setattr(d, "ImagePositionPatient", [0, 2.4 * k, 2 * k])))


@case(23, "dicom.duplicate_position")
def two_different_slices_at_one_place(folder):
    def edit(d, k):
        if k == 3:
            d.ImagePositionPatient = [0, 0, 4]
            d.PixelData = np.full((ROWS, COLUMNS), 7, np.int16).tobytes()
    return convert(series(folder, edit))


@case(25, "dicom.mixed_orientation")
def two_orientations_in_one_series(folder):
    return convert(series(folder, lambda d, k: setattr(d, "ImageOrientationPatient",
                                                       [1, 0, 0, 0, 1, 0] if k < 3 else [1, 0, 0, 0, 0, -1])))


@case(29, "dicom.too_few_slices")
def a_single_slice(folder):
    return convert(series(folder, slices=1))


@case(30, "dicom.mixed_patients")
def two_patients_in_one_study(folder):
    return edited(folder, PatientID="ZQ4711SECRET-B")


@case(13, "input.ambiguous")
def two_studies_of_two_patients(folder):
    def edit(d, k):
        if k >= 3:
            d.PatientID, d.StudyInstanceUID, d.SeriesInstanceUID = "ZQ4711SECRET-B", "2.25.77.8", "2.25.77.9"
    return convert(series(folder, edit))


# -- transfer syntaxes --------------------------------------------------------------------------------------------------

@case(20, "dicom.syntax_unsupported")
def a_film(folder):
    return convert(series(folder, lambda d, k: encapsulated(d, "1.2.840.10008.1.2.4.100", [bytes(64)])))


@case(20, "dicom.syntax_unsupported")
def high_throughput_jpeg_2000(folder):
    place = series(folder, lambda d, k: encapsulated(d, "1.2.840.10008.1.2.4.100", [bytes(64)]), slices=1)
    one(place, 0).write_bytes(one(place, 0).read_bytes().replace(b"1.2.840.10008.1.2.4.100\0", b"1.2.840.10008.1.2.4.201\0"))
    return convert(place)


@case(20, "dicom.syntax_unsupported")
def a_syntax_nobody_knows(folder):
    return convert(series(folder, lambda d, k: encapsulated(d, "1.2.3.4.5.6", [bytes(64)])))


def deflated(dataset, raw=None):
    """The file with its data set deflated; raw: the deflated bytes to use instead."""
    data = bytes_of(dataset)
    at = 132 + 12 + struct.unpack("<I", data[140:144])[0]
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = raw if raw is not None else squeezer.compress(data[at:]) + squeezer.flush()
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1.99"
    head = bytes_of(dataset)
    return head[:132 + 12 + struct.unpack("<I", head[140:144])[0]] + body


@case(11, "input.unreadable")
def a_deflated_bomb(folder):
    place = series(folder, slices=1)
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = b"".join(squeezer.compress(bytes(1 << 20)) for _ in range(1024)) + squeezer.flush()
    one(place, 0).write_bytes(deflated(slice_of(0), body))
    return convert(place)


@case(11, "input.unreadable")
def a_deflated_file_cut_short(folder):
    place = series(folder, slices=1)
    one(place, 0).write_bytes(deflated(slice_of(0))[:-40])
    return convert(place)


def compressed(folder, syntax, frame, fragments=None):
    def edit(d, k):
        encapsulated(d, syntax, fragments or [frame])
        d.BitsAllocated, d.BitsStored, d.HighBit, d.PixelRepresentation = 8, 8, 7, 0
    return convert(series(folder, edit))


@case(11, "input.unreadable")
def a_jpeg_that_claims_to_be_vast(folder):
    head = bytes.fromhex("ffd8ffc0000b08ffffffff01011100") + bytes.fromhex("ffda0008010100003f00") + bytes(40)
    return compressed(folder, "1.2.840.10008.1.2.4.50", head + b"\xff\xd9")


@case(11, "input.unreadable")
def a_jpeg_2000_that_claims_to_be_vast(folder):
    size = struct.pack(">HHHIIIIIIIIH", 0xFF51, 41, 0, 65535, 65535, 0, 0, 65535, 65535, 0, 0, 1) + bytes([7, 1, 1])
    return compressed(folder, "1.2.840.10008.1.2.4.90", b"\xff\x4f" + size + b"\xff\xd9")


@case(11, "input.unreadable")
def a_jpeg_of_another_size_than_the_header_says(folder):
    return compressed(folder, "1.2.840.10008.1.2.4.80", bytes.fromhex("ffd8fff7000b08000200020101110" "0ffd9"))


@case(11, "input.unreadable")
def jpeg_data_that_is_noise(folder):
    return compressed(folder, "1.2.840.10008.1.2.4.70", random.Random(2).randbytes(400))


@case(11, "input.unreadable")
def run_lengths_that_end_too_soon(folder):
    header = struct.pack("<16I", 1, 64, *[0] * 14)
    return compressed(folder, "1.2.840.10008.1.2.5", header + bytes([127]) * 20)


@case(11, "input.unreadable")
def run_lengths_with_too_many_segments(folder):
    return compressed(folder, "1.2.840.10008.1.2.5", struct.pack("<16I", 4_000_000_000, *[64] * 15) + bytes(64))


# -- what is no image series ---------------------------------------------------------------------------------------------

@case(12, "input.no_images")
def an_empty_folder(folder):
    (folder / "Zebrafish").mkdir()
    return convert(folder / "Zebrafish")


@case(10, "input.not_found")
def a_folder_that_is_not_there(folder):
    return convert(folder / "Zebrafish" / "Quentin")


@case(14, "input.unsupported")
def a_report_alone(folder):
    return convert(series(folder, lambda d, k: setattr(d, "SOPClassUID", "1.2.840.10008.5.1.4.1.1.88.33")))


@case(14, "input.unsupported")
def an_encapsulated_pdf(folder):
    return convert(series(folder, lambda d, k: setattr(d, "SOPClassUID", "1.2.840.10008.5.1.4.1.1.104.1")))


@case(12, "input.no_images")
def links_in_a_circle(folder):
    place = folder / "Zebrafish"
    (place / "a").mkdir(parents=True)
    (place / "a" / "b").symlink_to(place, target_is_directory=True)
    (place / "c").symlink_to(place / "c")
    return convert(place)


@case(14, "input.unsupported")
def a_pipe(folder):
    os.mkfifo(folder / "Zebrafish.dcm")
    return convert(folder / "Zebrafish.dcm")


@case(11, "input.unreadable")
def a_volume_cut_off(folder):
    path = folder / "Zebrafish.nii.gz"
    sitk.WriteImage(sitk.GetImageFromArray(np.random.default_rng(0).random((8, 8, 8), np.float32)), str(path))
    path.write_bytes(path.read_bytes()[:-500])
    return convert(path)


@case(14, "input.unsupported")
def a_volume_without_orientation(folder):
    path = folder / "Zebrafish.nii"
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((4, 4, 4), np.float32)), str(path))
    data = bytearray(path.read_bytes())
    data[252:256] = bytes(4)
    path.write_bytes(data)
    return convert(path)


@case(11, "input.unreadable")
def a_volume_whose_header_is_not_finite(folder):
    path = folder / "Zebrafish.nii"
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((4, 4, 4), np.float32)), str(path))
    data = bytearray(path.read_bytes())
    data[80:84] = np.float32(np.nan).tobytes()
    path.write_bytes(data)
    return convert(path)


@case(11, "input.unreadable")
def a_volume_with_a_voxel_that_is_not_finite(folder):
    values = np.ones((4, 4, 4), np.float32)
    values[1, 2, 3] = np.nan
    sitk.WriteImage(sitk.GetImageFromArray(values), str(folder / "Zebrafish.nii.gz"))
    return convert(folder / "Zebrafish.nii.gz")


@case(28, "dicom.bad_value")
def a_slope_beyond_all_sense(folder):
    return edited(folder, RescaleSlope="1e300")


@case(28, "dicom.bad_value")
def a_slope_in_all_images_but_one(folder):
    return edited(folder, RescaleSlope=None)


@case(11, "input.unreadable")
def a_volume_without_its_voxels(folder):
    (folder / "Zebrafish.nhdr").write_text("NRRD0004\ntype: short\ndimension: 3\nsizes: 4 4 4\nencoding: raw\n"
                                           "data file: absent.raw\n")
    return convert(folder / "Zebrafish.nhdr")


@case(14, "input.unsupported")
def a_volume_of_vectors(folder):
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((4, 4, 4, 3), np.float32), isVector=True), str(folder / "Zebrafish.nrrd"))
    return convert(folder / "Zebrafish.nrrd")


# -- archives, indexes and masks ------------------------------------------------------------------------------------------

def zipped(folder, change=lambda data: data, fill=None):
    """A zip of a good series, its bytes changed; fill: writes the members instead."""
    path = folder / "Zebrafish.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        if fill is None:
            for file in sorted(series(folder).iterdir()):
                archive.write(file, file.name)
        else:
            fill(archive)
    path.write_bytes(change(path.read_bytes()))
    return convert(path)


@case(11, "input.unreadable")
def a_zip_cut_off(folder):
    return zipped(folder, lambda data: data[:-300])


@case(14, "input.unsupported")
def a_zip_that_is_encrypted(folder):
    def mark(data):
        data = bytearray(data)
        for signature, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
            at = data.find(signature)
            while at >= 0:
                data[at + offset] |= 1
                at = data.find(signature, at + 4)
        return bytes(data)
    return zipped(folder, mark)


@case(14, "input.unsupported")
def a_zip_that_is_a_bomb(folder):
    def fill(archive):
        with archive.open("Zebrafish.dcm", "w", force_zip64=True) as member:
            for _ in range(512):
                member.write(bytes(1 << 20))
    return zipped(folder, fill=fill)


@case(11, "input.unreadable")
def an_index_that_leaves_its_folder(folder):
    d = Dataset()
    d.file_meta = FileMetaDataset()
    d.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    d.file_meta.MediaStorageSOPClassUID, d.file_meta.MediaStorageSOPInstanceUID = "1.2.840.10008.1.3.10", "2.25.78"
    d.FileSetID = "ZQ4711SECRET"
    record = Dataset()
    record.DirectoryRecordType, record.ReferencedFileID = "IMAGE", ["..", "..", "etc", "passwd"]
    d.DirectoryRecordSequence = Sequence([record])
    d.is_little_endian, d.is_implicit_VR = True, False
    (folder / "Zebrafish").mkdir()
    (folder / "Zebrafish" / "DICOMDIR").write_bytes(bytes_of(d))
    return convert(folder / "Zebrafish" / "DICOMDIR")


def mask_file(folder, name, origin=0.0):
    image = sitk.GetImageFromArray(np.pad(np.ones((4, 4, 4), np.uint8), 3))
    image.SetOrigin([origin] * 3)
    sitk.WriteImage(image, str(folder / name))
    return folder / name


@case(10, "input.not_found")
def a_truth_that_is_not_there(folder):
    return ("oncotome", "evaluate", "--quiet", mask_file(folder, "a.nrrd"), folder / "Zebrafish.nrrd")


@case(40, "grid.mismatch")
def a_truth_of_another_place(folder):
    return ("oncotome", "evaluate", "--quiet", mask_file(folder, "a.nrrd"), mask_file(folder, "Zebrafish.nrrd", 500.0))


@case(14, "input.unsupported")
def a_truth_that_is_an_image(folder):
    return ("oncotome", "evaluate", "--quiet", mask_file(folder, "a.nrrd"), one(series(folder)))


def segmentation(folder, change):
    """A SEG of two frames, made by hand, and then spoiled."""
    d = slice_of(0)
    d.SOPClassUID = d.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.66.4"
    d.Modality, d.SegmentationType, d.NumberOfFrames = "SEG", "BINARY", 2
    d.BitsAllocated, d.BitsStored, d.HighBit, d.PixelRepresentation = 1, 1, 0, 0
    segment = Dataset()
    segment.SegmentNumber, segment.SegmentLabel = 1, "Tumor"
    d.SegmentSequence = Sequence([segment])
    shared, measures, orientation = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = [1, 1], 2
    orientation.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = Sequence([measures]), Sequence([orientation])
    d.SharedFunctionalGroupsSequence = Sequence([shared])
    frames = []
    for k in range(2):
        frame, position, which = Dataset(), Dataset(), Dataset()
        position.ImagePositionPatient, which.ReferencedSegmentNumber = [0, 0, 2 * k], 1
        frame.PlanePositionSequence, frame.SegmentIdentificationSequence = Sequence([position]), Sequence([which])
        frames.append(frame)
    d.PerFrameFunctionalGroupsSequence = Sequence(frames)
    d.PixelData = bytes([255]) * (ROWS * COLUMNS * 2 // 8)
    d["PixelData"].VR = "OB"
    change(d)
    (folder / "Zebrafish.dcm").write_bytes(bytes_of(d))
    return convert(folder / "Zebrafish.dcm")


@case(28, "dicom.bad_value")
def a_segmentation_that_is_too_short(folder):
    return segmentation(folder, lambda d: setattr(d, "PixelData", bytes(30)))


@case(28, "dicom.bad_value")
def a_segmentation_with_a_frame_of_no_segment(folder):
    return segmentation(folder, lambda d: setattr(
        d.PerFrameFunctionalGroupsSequence[1].SegmentIdentificationSequence[0], "ReferencedSegmentNumber", 7))


@case(14, "input.unsupported")
def a_segmentation_with_two_billion_frames(folder):
    return segmentation(folder, lambda d: setattr(d, "NumberOfFrames", 2147483647))


@case(23, "dicom.duplicate_position")
def a_segmentation_with_one_plane_twice(folder):
    return segmentation(folder, lambda d: setattr(
        d.PerFrameFunctionalGroupsSequence[1].PlanePositionSequence[0], "ImagePositionPatient", [0, 0, 0]))


# -- models --------------------------------------------------------------------------------------------------------------

def model(folder, text=None, change=None, weights=None):
    place = folder / "model"
    shutil.copytree(DEMO_MODEL, place)
    description = json.loads((place / "model.json").read_text())
    if weights is not None:
        (place / description["weights"]["file"]).write_bytes(weights((place / description["weights"]["file"]).read_bytes()))
        description["weights"]["sha256"] = hashlib.sha256((place / description["weights"]["file"]).read_bytes()).hexdigest()
    if change is not None:
        change(description)
    (place / "model.json").write_text(json.dumps(description) if text is None else text)
    return ("oncotome", "models", "show", place)


def tensors(data, change):
    """Safetensors with an edited header."""
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + length])
    change(header)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data[8 + length:]


@case(50, "model.not_found")
def a_model_that_is_not_there(folder):
    return ("oncotome", "models", "show", folder)


@case(51, "model.invalid")
def a_model_that_is_no_json(folder):
    return model(folder, text="{]")


@case(51, "model.invalid")
def a_model_nested_very_deep(folder):
    return model(folder, text="[" * 100000)


@case(51, "model.invalid")
def a_model_without_labels(folder):
    return model(folder, change=lambda m: m.pop("labels"))


@case(51, "model.invalid")
def a_model_whose_pattern_explodes(folder):
    return model(folder, change=lambda m: m["input"]["channels"][0].update(find=[{"description": "(a+)+b"}]))


@case(51, "model.invalid")
def a_model_that_reaches_out_of_its_folder(folder):
    return model(folder, change=lambda m: m["weights"].update(file="../../etc/passwd"))


@case(52, "model.unsupported")
def a_model_of_another_schema(folder):
    return model(folder, change=lambda m: m.update(schema="oncotome.model/9"))


@case(52, "model.unsupported")
def a_model_with_an_unknown_step(folder):
    return model(folder, change=lambda m: m["preparation"].insert(0, {"step": "magic"}))


@case(53, "weights.invalid")
def weights_that_are_not_there(folder):
    return model(folder, change=lambda m: m["weights"].update(file="absent.safetensors"))


@case(54, "weights.checksum")
def weights_of_another_checksum(folder):
    return model(folder, change=lambda m: m["weights"].update(sha256="0" * 64))


@case(53, "weights.invalid")
def weights_with_a_lying_header_length(folder):
    return model(folder, weights=lambda data: struct.pack("<Q", 1 << 60) + data[8:])


@case(53, "weights.invalid")
def weights_with_a_broken_header(folder):
    return model(folder, weights=lambda data: data[:8] + b"}" + data[9:])


@case(53, "weights.invalid")
def weights_cut_short(folder):
    return model(folder, weights=lambda data: data[:-1000])


@case(53, "weights.invalid")
def weights_with_a_shape_that_overflows(folder):
    return model(folder, weights=lambda data: tensors(
        data, lambda header: header[next(k for k in header if k != "__metadata__")].update(shape=[1 << 32, 1 << 32, 4])))


@case(53, "weights.invalid")
def weights_that_are_not_finite(folder):
    return model(folder, weights=lambda data: data[:-4] + np.float32(np.nan).tobytes())


# -- the main job --------------------------------------------------------------------------------------------------------

def segment(input_, *more, model_=DEMO_MODEL):
    return ("oncotome", "segment", *input_, "-m", model_, "-o", "OUTPUT", "--quiet", *more)


def volumes(folder, **arrays):
    """Four channels as NRRD, named by hand; an array replaces one."""
    values = np.random.default_rng(1).random((24, 24, 24), np.float32) * 100 + 1
    by_hand = []
    for channel in ("FLAIR", "T1", "T1ce", "T2"):
        path = folder / f"Zebrafish-{channel}.nrrd"
        image = sitk.GetImageFromArray(arrays.get(channel, values).astype(np.float32))
        sitk.WriteImage(image, str(path))
        by_hand += ["--input", f"{channel}={path}"]
    return by_hand


@case(53, "weights.invalid")
def a_network_without_one_of_its_tensors(folder):
    place = model(folder, weights=lambda data: tensors(
        data, lambda header: header.update(other=header.pop(next(k for k in header if k != "__metadata__")))))[-1]
    return segment(volumes(folder), model_=place)


@case(53, "weights.invalid")
def a_network_with_a_tensor_of_another_shape(folder):
    def flatten(header):
        for entry in header.values():
            if len(entry.get("shape", [])) > 1:
                entry["shape"] = [int(np.prod(entry["shape"]))]
                return
    place = model(folder, weights=lambda data: tensors(data, flatten))[-1]
    return segment(volumes(folder), model_=place)


@case(41, "channel.missing")
def a_channel_that_is_missing(folder):
    return segment(volumes(folder)[:6])


@case(2, "usage")
def a_channel_the_model_does_not_have(folder):
    return segment([*volumes(folder), "--input", f"DWI={folder}/Zebrafish-T1.nrrd"])


@case(43, "precondition.unmet")
def a_channel_of_one_value(folder):
    return segment(volumes(folder, T1=np.zeros((24, 24, 24))))


@case(43, "precondition.unmet")
def a_channel_that_is_not_finite(folder):
    values = np.ones((24, 24, 24), np.float32)
    values[3, 3, 3] = np.inf
    return segment(volumes(folder, T2=values))


@case(12, "input.no_images")
def a_study_of_another_modality(folder):
    return segment([series(folder)])


@case(2, "usage")
def objects_asked_for_without_dicom(folder):
    return segment(volumes(folder), "--formats", "seg")


@case(14, "input.unsupported")
def a_mask_that_is_no_mask(folder):
    sitk.WriteImage(sitk.GetImageFromArray(np.full((24, 24, 24), 300, np.int16)), str(folder / "Zebrafish-mask.nrrd"))
    return segment(volumes(folder), "--mask", folder / "Zebrafish-mask.nrrd")


@case(2, "usage")
def a_result_in_place_of_its_input(folder):
    place = series(folder)
    return ("oncotome", "segment", place, "-m", DEMO_MODEL, "-o", place, "--overwrite", "--quiet")


@case(70, "output.exists")
def a_place_that_is_taken(folder):
    (folder / "taken").mkdir()
    (folder / "taken" / "mine").write_text("keep")
    return ("oncotome", "segment", *volumes(folder), "-m", DEMO_MODEL, "-o", folder / "taken", "--quiet")


@case(71, "output.unwritable")
def a_place_that_cannot_be_written(folder):
    return ("oncotome", "segment", *volumes(folder), "-m", DEMO_MODEL, "-o", "/proc/none/result", "--quiet")


class BadInputs(unittest.TestCase):
    """The table above."""

    def test_each_is_refused_with_one_line_and_its_code(self):
        for name, (make, code, word) in CASES.items():
            with self.subTest(name), tempfile.TemporaryDirectory(prefix="oncotome-bad-") as holder:
                folder = pathlib.Path(holder)
                arguments = [folder / a if str(a).startswith("OUTPUT") else a for a in make(folder)]
                result = run(*arguments)
                self.assertEqual(result.returncode, code, result.stderr or result.stdout)
                self.assertIn(f"[{word}]", result.stderr)
                lines = result.stderr.strip().splitlines()
                self.assertEqual(len(lines), 1, result.stderr)
                self.assertGreater(len(lines[0]), 30)
                for secret in SECRETS:
                    self.assertNotIn(secret, (result.stderr + result.stdout).lower())
                self.assertEqual([p for p in folder.iterdir() if p.name.startswith(("OUTPUT", ".partial"))], [])
        print(f"{len(CASES)} kinds of bad input")
        self.assertGreaterEqual(len(CASES), 60)

    def test_a_folder_that_may_not_be_read_is_named_as_such(self):
        with tempfile.TemporaryDirectory(prefix="oncotome-bad-") as holder:
            folder = pathlib.Path(holder)
            place = series(folder)
            (place / "closed").mkdir()
            os.chmod(place / "closed", 0)
            os.chmod(holder, 0o755)
            # Root reads everything.
            options = {"user": 65534} if os.geteuid() == 0 else {}
            result = run("oncotome", "inspect", place, **options)
            self.assertIn("[input.unreadable]: the folder cannot be read", result.stdout)
            refused = run("oncotome", "convert", place, "-o", "/dev/shm/never.nrrd", **options)
            os.chmod(place / "closed", 0o700)
            self.assertEqual(refused.returncode, 11, refused.stderr)

    def test_a_full_disk_leaves_nothing(self):
        """On a mount of 300 KiB, in a namespace of its own; and at a limit of the file size."""
        with tempfile.TemporaryDirectory(prefix="oncotome-bad-") as holder:
            folder = pathlib.Path(holder)
            (folder / "small").mkdir()
            values = np.random.default_rng(3).integers(0, 4000, (40, 64, 64)).astype(np.int16)
            sitk.WriteImage(sitk.GetImageFromArray(values), str(folder / "Zebrafish.nrrd"))
            script = ('mount -t tmpfs -o size=300k none "$1" || exit 99; shift; out=$1; shift; "$@"; code=$?; '
                      'ls -A "$out" >&2; exit $code')
            small = subprocess.run(["unshare", "-rm", "sh", "-c", script, "sh", folder / "small", folder / "small",
                                    BIN / "oncotome", "convert", folder / "Zebrafish.nrrd", "-o", folder / "small" / "x.nrrd", "-q"],
                                   capture_output=True, text=True)
            self.assertEqual(small.returncode, 71, small.stderr)
            self.assertEqual(len(small.stderr.strip().splitlines()), 1, small.stderr)
            limited = run("oncotome", "convert", folder / "Zebrafish.nrrd", "-o", folder / "small" / "x.nrrd", "-q",
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000)))
            self.assertEqual(limited.returncode, 71, limited.stderr)
            self.assertEqual(list((folder / "small").iterdir()), [])

    def test_too_little_memory_is_told(self):
        with tempfile.TemporaryDirectory(prefix="oncotome-bad-") as holder:
            folder = pathlib.Path(holder)
            vast = sitk.GetImageFromArray(np.zeros((400, 512, 512), np.uint8))
            sitk.WriteImage(vast, str(folder / "Zebrafish.nrrd"), useCompression=True)
            result = run("oncotome", "convert", folder / "Zebrafish.nrrd", "-o", folder / "x.nrrd", "-q",
                         preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (400 << 20, 400 << 20)))
            self.assertEqual((result.returncode, "[memory.exhausted]" in result.stderr), (62, True), result.stderr)


class Killed(unittest.TestCase):
    def test_twenty_kills_at_random_moments_never_leave_what_looks_like_a_result(self):
        with tempfile.TemporaryDirectory(prefix="oncotome-kill-") as holder:
            folder = pathlib.Path(holder)
            self.assertEqual(run("oncotome-phantom", "--seed", 9102, "--format", "dicom", "--output", folder).returncode, 0)
            arguments = [BIN / "oncotome", "segment", folder / "study", "-m", DEMO_MODEL, "-o", folder / "out" / "result", "-q"]
            start = time.monotonic()
            subprocess.run(arguments, check=True, capture_output=True)
            whole = time.monotonic() - start
            files = sorted(p.name for p in (folder / "out" / "result").iterdir())
            shutil.rmtree(folder / "out" / "result")
            moments, killed = random.Random(4), 0
            for _ in range(20):
                process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                try:
                    process.wait(timeout=whole * moments.uniform(0.02, 1.05))
                except subprocess.TimeoutExpired:
                    process.send_signal(signal.SIGKILL)
                    process.wait()
                    killed += 1
                if (folder / "out" / "result").exists():
                    # It was done before the signal came, so it is whole.
                    self.assertEqual(sorted(p.name for p in (folder / "out" / "result").iterdir()), files)
                    json.loads((folder / "out" / "result" / "report.json").read_text())
                    pydicom.dcmread(folder / "out" / "result" / "segmentation.dcm").pixel_array
                    shutil.rmtree(folder / "out" / "result")
                self.assertTrue(all(p.name.startswith(".partial-") for p in (folder / "out").iterdir()))
            self.assertGreaterEqual(killed, 15)
            # A run that is let go sweeps what the others left.
            subprocess.run(arguments, check=True, capture_output=True)
            self.assertEqual([p.name for p in (folder / "out").iterdir()], ["result"])
            print(f"{killed} of 20 runs were killed, each {whole:.1f} s long")


if __name__ == "__main__":
    unittest.main(verbosity=2)
