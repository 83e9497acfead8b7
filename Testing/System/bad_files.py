# SPDX-License-Identifier: Apache-2.0
"""Files, series, archives and masks that cannot be read rightly."""
import os
import random
import struct
import zipfile
import zlib

import numpy as np
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian

from bad_input import (COLUMNS, ROWS, bytes_of, case, convert, edited, encapsulated, one, raw_element,
                       replaced, series, slice_of, with_one)

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
