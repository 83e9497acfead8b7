#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares pictures (radiographs, photographs, screen shots) that `oncotome convert` writes with pydicom's and Pillow's.

Usage: check_pictures.py ONCOTOME [DATA]
Without DATA on made-up files, with DATA on the patterns of dicom_transfer_syntaxes. Gray .nrrd must equal the values
after the modality transform, .png what the eye should see: exactly where nothing is rounded, within one step elsewhere.
Needs dcmtk's dcmcjpeg and dcmcjpls. Prints a line per case. Exit status: 0 all as expected, 1 not, 77 DATA is not there.
"""
import io
import pathlib
import subprocess
import sys
import tempfile
import warnings

import numpy as np
import pydicom
import SimpleITK as sitk
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import decode_data_sequence, encapsulate
from pydicom.pixel_data_handlers.util import apply_color_lut, apply_modality_lut, apply_voi_lut, convert_color_space
from pydicom.uid import JPEG2000Lossless, RLELossless, ExplicitVRLittleEndian, generate_uid

warnings.simplefilter("ignore")

CR, DX = "1.2.840.10008.5.1.4.1.1.1", "1.2.840.10008.5.1.4.1.1.1.1"
SC, PHOTOGRAPH = "1.2.840.10008.5.1.4.1.1.7", "1.2.840.10008.5.1.4.1.1.77.1.4"
ROWS, COLUMNS = 34, 46
ONCOTOME = sys.argv[1] if len(sys.argv) > 1 else ""
failures = 0


def report(name, problems):
    global failures
    problems = list(problems)
    failures += bool(problems)
    print(f"{'FAILED' if problems else 'ok'} {name}" + "".join(f"\n  {p}" for p in problems), flush=True)


# Making.

def picture(sop_class, photometric, pixels, bits, **more):
    """`pixels` are the stored values, [rows, columns] or [rows, columns, 3]."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.is_little_endian, ds.is_implicit_VR = True, False
    ds.SOPClassUID, ds.SOPInstanceUID = sop_class, generate_uid()
    ds.file_meta.MediaStorageSOPClassUID, ds.file_meta.MediaStorageSOPInstanceUID = sop_class, ds.SOPInstanceUID
    ds.StudyInstanceUID, ds.SeriesInstanceUID = generate_uid(), generate_uid()
    ds.PatientName, ds.PatientID, ds.StudyDate, ds.StudyTime = "Test^Pictures", "PICTURES", "20200102", "101112"
    ds.PatientBirthDate, ds.PatientSex, ds.StudyID, ds.AccessionNumber = "", "O", "1", ""
    ds.Modality = {CR: "CR", DX: "DX", SC: "OT", PHOTOGRAPH: "XC"}[sop_class]
    ds.InstanceNumber, ds.ConversionType = 1, "WSD"
    ds.Rows, ds.Columns = pixels.shape[:2]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = pixels.shape[2] if pixels.ndim == 3 else 1, photometric
    if ds.SamplesPerPixel == 3:
        ds.PlanarConfiguration = 0
    ds.BitsAllocated = 8 if bits <= 8 else 16
    ds.BitsStored, ds.HighBit, ds.PixelRepresentation = bits, bits - 1, int(pixels.dtype.kind == "i")
    ds.PixelData = pixels.astype(f"<{pixels.dtype.kind}{ds.BitsAllocated // 8}").tobytes()
    for name, value in more.items():
        setattr(ds, name, value)
    ds["PixelData"].VR = "OW" if ds.BitsAllocated == 16 else "OB"
    return ds


def gray(bits, seed=1, signed=False):
    low, high = (-(1 << (bits - 1)), 1 << (bits - 1)) if signed else (0, 1 << bits)
    values = np.random.default_rng(seed).integers(low, high, (ROWS, COLUMNS))
    values[0, :2] = low, high - 1
    return values.astype(np.int16 if signed else np.uint16)


def color(seed=2):
    """Smooth, so that halved chroma and lossy codecs lose little, and nowhere symmetric."""
    y, x = np.mgrid[:ROWS, :COLUMNS]
    noise = np.random.default_rng(seed).integers(0, 6, (ROWS, COLUMNS, 3))
    return (np.stack([5 * x, 6 * y, 240 - 4 * x], -1) + noise).astype(np.uint8)


def table(count, first, bits, values, signed=False):
    item = Dataset()
    item.add_new("LUTDescriptor", "SS" if signed else "US", [count % 65536, first, bits])
    item.add_new("LUTData", "OW", np.asarray(values, "<u2").tobytes())
    return item


def palette(ds, count, first, bits, red, green, blue):
    for name, values in (("Red", red), ("Green", green), ("Blue", blue)):
        ds.add_new(f"{name}PaletteColorLookupTableDescriptor", "US", [count % 65536, first, bits])
        ds.add_new(f"{name}PaletteColorLookupTableData", "OW", values)
    return ds


def save(scratch, ds):
    path = scratch / f"{ds.SOPInstanceUID}.dcm"
    ds.save_as(path, write_like_original=False)
    return path


def compressed(path, program, *options):
    output = path.with_suffix(".compressed.dcm")
    subprocess.run([program, *options, path, output], check=True, capture_output=True)
    return output


# Reading.

def convert(path, suffix):
    """What is written, as [rows, columns(, 3)]; the error; what is said; the spacing of a volume."""
    with tempfile.TemporaryDirectory() as folder:
        output = pathlib.Path(folder) / f"out{suffix}"
        done = subprocess.run([ONCOTOME, "convert", path, "-o", output, "-q"], capture_output=True, text=True)
        if done.returncode:
            return None, done.stderr.strip(), "", None
        if suffix == ".png":
            return np.asarray(Image.open(output).convert("RGB")), "", done.stdout, None
        image = sitk.ReadImage(str(output))
        return sitk.GetArrayFromImage(image)[0], "", done.stdout, image.GetSpacing()


def differences(path, suffix, expected, most=0.0):
    got, error, _, _ = convert(path, suffix)
    if got is None:
        yield f"{suffix}: {error}"
        return
    if expected.ndim < got.ndim:
        expected = np.repeat(expected[..., None], 3, -1)
    if got.shape != expected.shape:
        yield f"{suffix}: shape {got.shape}, expected {expected.shape}"
        return
    worst = np.abs(got.astype(np.float64) - expected).max()
    if not worst <= most:
        yield f"{suffix}: differs by {worst:g}, more than {most:g}"


def refusal(path, suffix, name, *parts):
    _, error, _, _ = convert(path, suffix)
    if f"[{name}]" not in error or not all(part in error for part in parts) or len(error.splitlines()) != 1:
        yield f"{suffix}: '{error}', expected [{name}] {parts}"


def shown(values, center=None, width=None):
    """PS3.3 C.11.2.1.2.1; without a window from the least value to the greatest."""
    if center is None:
        low, span = values.min(), values.max() - values.min()
    else:
        low, span = center - 0.5 - (width - 1) / 2, width - 1
    return np.clip(np.floor((values - low) / span * 255 + 0.5), 0, 255)


def codestream(path):
    return b"".join(decode_data_sequence(pydicom.dcmread(path).PixelData))


# Cases.

def check_gray(scratch):
    stored = gray(12)
    path = save(scratch, picture(DX, "MONOCHROME2", stored, 12, ImagerPixelSpacing=[0.2, 0.1], WindowCenter=[2000, 9],
                                 WindowWidth=[1500, 9], RescaleSlope=2, RescaleIntercept=-100))
    values = apply_modality_lut(stored, pydicom.dcmread(path))
    _, _, said, spacing = convert(path, ".nrrd")
    problems = [] if "at the detector" in said and np.allclose(spacing, (0.1, 0.2, 1)) else [f"{said} {spacing}"]
    windowed = apply_voi_lut(values, pydicom.dcmread(path), index=0, prefer_lut=False)
    scaled = (windowed - windowed.min()) / (windowed.max() - windowed.min()) * 255  # both ends of the window occur
    report("DX, 12 bits, slope and window", problems + [
        *differences(path, ".nrrd", values), *differences(path, ".png", scaled, 0.51)])

    stored = gray(15, signed=True)
    path = save(scratch, picture(CR, "MONOCHROME2", stored, 15, PixelSpacing=[0.3, 0.4]))
    _, _, said, spacing = convert(path, ".nrrd")
    problems = [] if np.allclose(spacing, (0.4, 0.3, 1)) and "detector" not in said else [f"{said} {spacing}"]
    report("CR, 15 bits with sign, no window", problems + [
        *differences(path, ".nrrd", stored), *differences(path, ".png", shown(stored.astype(float)))])

    for bits, signed in ((10, False), (12, True)):
        stored = gray(bits, seed=bits, signed=signed)
        center, width = (40, 900) if signed else (300, 500)
        path = save(scratch, picture(CR, "MONOCHROME1", stored, bits, RescaleSlope=0.5, RescaleIntercept=7,
                                     WindowCenter=center, WindowWidth=width))
        turned = -1 - stored if signed else (1 << bits) - 1 - stored.astype(int)
        # What is windowed as it is stored must come out as its negative.
        seen = shown(apply_modality_lut(stored, pydicom.dcmread(path)), center, width)
        report(f"CR, MONOCHROME1 of {bits} bits{' with sign' if signed else ''}", [
            *differences(path, ".nrrd", 0.5 * turned + 7), *differences(path, ".png", 255 - seen, 1)])


def check_tables(scratch):
    for photometric in ("MONOCHROME2", "MONOCHROME1"):
        stored, values = gray(10), np.floor(65535 * (np.arange(900) / 899) ** 0.4).astype(int)
        path = save(scratch, picture(CR, photometric, stored, 10, ModalityLUTSequence=[table(900, 50, 16, values)],
                                     WindowCenter=40000, WindowWidth=30000, RescaleSlope=3, RescaleIntercept=5))
        expected = apply_modality_lut(stored, pydicom.dcmread(path)).astype(float)
        seen = shown(expected, 40000, 30000)
        if photometric == "MONOCHROME1":
            expected, seen = 65535 - expected, 255 - seen
        report(f"modality table over slope, {photometric}", [
            *differences(path, ".nrrd", expected), *differences(path, ".png", seen, 1)])
    stored, values = gray(9, signed=True), np.arange(512)[::-1] * 100 % 4096
    path = save(scratch, picture(CR, "MONOCHROME2", stored, 9,
                                 ModalityLUTSequence=[table(512, -256, 12, values, signed=True)]))
    report("modality table from a negative value",
           differences(path, ".nrrd", values[stored.astype(int) + 256]))
    path = save(scratch, picture(CR, "MONOCHROME2", gray(10), 10, ModalityLUTSequence=[table(900, 0, 16, range(300))]))
    report("a modality table that is too short", refusal(path, ".nrrd", "dicom.bad_value", "LUT"))


def check_palettes(scratch):
    rng = np.random.default_rng(3)
    for name, bits, count, first in (("16-bit", 16, 256, 0), ("16-bit, 200 from 30", 16, 200, 30), ("8-bit", 8, 256, 0)):
        stored = rng.integers(0, 256, (ROWS, COLUMNS)).astype(np.uint8)
        tables = [rng.integers(0, 1 << bits, count).astype("<u2" if bits == 16 else "u1").tobytes() for _ in range(3)]
        path = save(scratch, palette(picture(SC, "PALETTE COLOR", stored, 8), count, first, bits, *tables))
        expected = apply_color_lut(stored, pydicom.dcmread(path)) >> (bits - 8)
        report(f"palette of {name} entries", [*differences(path, ".png", expected),
                                              *refusal(path, ".nrrd", "usage", ".png")])
    stored = rng.integers(0, 65536, (ROWS, COLUMNS)).astype(np.uint16)
    tables = [rng.integers(0, 65536, 65536).astype("<u2").tobytes() for _ in range(3)]
    path = save(scratch, palette(picture(SC, "PALETTE COLOR", stored, 16), 65536, 0, 16, *tables))
    expected = np.stack([np.frombuffer(t, "<u2")[stored] for t in tables], -1) >> 8
    report("palette of 65536 entries", differences(path, ".png", expected))
    ds = palette(picture(SC, "PALETTE COLOR", stored, 16), 65536, 0, 16, *tables)
    for name in ("Red", "Green", "Blue"):
        del ds[f"{name}PaletteColorLookupTableData"]
        ds.add_new(f"Segmented{name}PaletteColorLookupTableData", "OW", bytes(8))
    report("a segmented palette is refused", refusal(save(scratch, ds), ".png", "input.unsupported", "segmented"))


def check_color(scratch):
    rgb = color()
    path = save(scratch, picture(PHOTOGRAPH, "RGB", rgb, 8))
    report("RGB by pixel", [*differences(path, ".png", rgb), *refusal(path, ".nrrd", "usage", ".png")])
    planes = picture(PHOTOGRAPH, "RGB", rgb, 8, PlanarConfiguration=1, PixelData=rgb.transpose(2, 0, 1).tobytes())
    report("RGB by plane", differences(save(scratch, planes), ".png", rgb))
    deep = np.random.default_rng(4).integers(0, 65536, rgb.shape).astype(np.uint16)
    report("RGB of 16 bits", differences(save(scratch, picture(SC, "RGB", deep, 16)), ".png", deep >> 8))

    ybr = np.random.default_rng(5).integers(0, 256, rgb.shape).astype(np.uint8)
    ybr[0, 0], ybr[0, 1] = (76, 85, 255), (150, 44, 21)  # red and green
    expected = convert_color_space(ybr, "YBR_FULL", "RGB").astype(int)
    problems = [] if (expected[0, 0, 0] > 250 and expected[0, 1, 1] > 250) else ["pydicom does not know red and green"]
    report("YBR_FULL", problems + [*differences(save(scratch, picture(SC, "YBR_FULL", ybr, 8)), ".png", expected, 1)])
    by_plane = picture(SC, "YBR_FULL", ybr, 8, PlanarConfiguration=1, PixelData=ybr.transpose(2, 0, 1).tobytes())
    report("YBR_FULL by plane", differences(save(scratch, by_plane), ".png", expected, 1))

    halved = ybr.copy()
    halved[:, 1::2, 1:] = halved[:, ::2, 1:]
    packed = np.stack([ybr[:, ::2, 0], ybr[:, 1::2, 0], ybr[:, ::2, 1], ybr[:, ::2, 2]], -1)
    path = save(scratch, picture(SC, "YBR_FULL_422", ybr, 8, PixelData=packed.tobytes()))
    other = convert_color_space(pydicom.dcmread(path).pixel_array, "YBR_FULL_422", "RGB").astype(int)
    expected = convert_color_space(halved, "YBR_FULL", "RGB").astype(int)
    report("YBR_FULL_422", [*differences(path, ".png", expected, 1), *differences(path, ".png", other, 1)])
    for photometric in ("YBR_PARTIAL_420", "YBR_PARTIAL_422", "CMYK"):
        report(f"{photometric} is refused", refusal(save(scratch, picture(SC, photometric, ybr, 8)), ".png",
                                                    "input.unsupported", photometric))


def check_compressed(scratch):
    rgb = color(6)
    plain = save(scratch, picture(PHOTOGRAPH, "RGB", rgb, 8))
    for name, program, options in (("JPEG-LS by line", "dcmcjpls", ("+il",)), ("JPEG-LS by sample", "dcmcjpls", ("+is",)),
                                   ("JPEG lossless", "dcmcjpeg", ("+e1",)), ("RLE", "dcmcrle", ())):
        report(f"RGB in {name}", differences(compressed(plain, program, *options), ".png", rgb))
    path = compressed(plain, "dcmcjpeg", "+eb", "+q", "95")
    expected = np.asarray(Image.open(io.BytesIO(codestream(path))).convert("RGB")).astype(int)
    near = np.abs(expected - rgb.astype(int)).mean() < 6
    report("JPEG baseline in color", ([] if near else ["Pillow's is another picture"]) + [
        *differences(path, ".png", expected, 10)])  # how halved chroma is spread is the decoder's choice
    for name, options in (("RCT", {"irreversible": False}), ("ICT", {"irreversible": True, "quality_mode": "rates",
                                                                     "quality_layers": [4]})):
        stream = io.BytesIO()
        Image.fromarray(rgb).save(stream, "JPEG2000", no_jp2=True, mct=1, **options)
        ds = pydicom.dcmread(plain)
        ds.PixelData = encapsulate([stream.getvalue()])
        ds["PixelData"].VR, ds["PixelData"].is_undefined_length = "OB", True
        ds.PhotometricInterpretation = f"YBR_{name}"
        ds.file_meta.TransferSyntaxUID = JPEG2000Lossless if name == "RCT" else "1.2.840.10008.1.2.4.91"
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        stream.seek(0)
        expected = rgb if name == "RCT" else np.asarray(Image.open(stream).convert("RGB")).astype(int)
        report(f"JPEG 2000 in color, {name}", differences(save(scratch, ds), ".png", expected, 0 if name == "RCT" else 1))
    stored = gray(14)
    plain = save(scratch, picture(DX, "MONOCHROME1", stored, 14))
    turned = (1 << 14) - 1 - stored.astype(int)
    for program, options in (("dcmcjpeg", ("+e1",)), ("dcmcjpls", ()), ("dcmcrle", ())):
        report(f"DX, MONOCHROME1 of 14 bits by {program}",
               differences(compressed(plain, program, *options), ".nrrd", turned))
    ds = pydicom.dcmread(plain)
    ds.compress(RLELossless)
    report("the same by pydicom's RLE", differences(save(scratch, ds), ".nrrd", turned))


def check_patterns(data):
    pattern = pydicom.dcmread(data / "TestPattern_RGB.dcm").pixel_array.astype(int)
    for name in ("TestPattern_RGB", "TestPattern_JPEG-LS-Lossless", "TestPattern_JPEG-Lossless_RGB"):
        report(name, differences(data / f"{name}.dcm", ".png", pattern))
    name = "TestPattern_JPEG-LS-NearLossless"
    report(name, differences(data / f"{name}.dcm", ".png", pattern, 2))  # NEAR of its stream
    for name in ("TestPattern_Palette", "TestPattern_Palette_16", "no-pixel-spacing"):
        ds = pydicom.dcmread(data / f"{name}.dcm")
        looked_up = apply_color_lut(ds.pixel_array, ds)
        expected = looked_up >> 8 if ds.RedPaletteColorLookupTableDescriptor[2] == 16 else looked_up
        report(name, differences(data / f"{name}.dcm", ".png", expected))
    ultrasound = pydicom.dcmread(data / "US-YBR_FULL_422-EVRLE.dcm")
    report("US-YBR_FULL_422-EVRLE", differences(
        data / "US-YBR_FULL_422-EVRLE.dcm", ".png",
        convert_color_space(ultrasound.pixel_array, "YBR_FULL_422", "RGB").astype(int), 1))
    for name in ("YBR422", "YBRFull"):
        path = data / f"TestPattern_JPEG-Baseline_{name}.dcm"
        expected = np.asarray(Image.open(io.BytesIO(codestream(path))).convert("RGB")).astype(int)
        report(f"TestPattern_JPEG-Baseline_{name}", differences(path, ".png", expected, 1))



def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    data = pathlib.Path(sys.argv[2]) / "dicom_transfer_syntaxes" if len(sys.argv) == 3 else None
    if data and not data.is_dir():
        print(f"skipped: {data.name} is not there")
        return 77
    if data:
        check_patterns(data)
    else:
        with tempfile.TemporaryDirectory() as folder:
            for case in (check_gray, check_tables, check_palettes, check_color, check_compressed):
                case(pathlib.Path(folder))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
