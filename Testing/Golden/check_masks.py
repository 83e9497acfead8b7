#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks how oncotome reads masks of others: segmentations that highdicom writes, bit by bit, and the tumors of real RT
Structure Sets against dcmrtstruct2nii (within 1 % of the volume); and that dcmrtstruct2nii reads ours.

check_masks.py ONCOTOME SAMPLES DATA    SAMPLES as oncotome-write-samples makes them
"""
import io
import logging
import pathlib
import subprocess
import sys
import tarfile
import tempfile

import highdicom as hd
import numpy as np
import pydicom
import pydicom.encaps
import SimpleITK as sitk
from dcmrtstruct2nii import dcmrtstruct2nii
from PIL import Image
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, RLELossless

SYNTAXES = (("BINARY", ExplicitVRLittleEndian), ("FRACTIONAL", ExplicitVRLittleEndian), ("FRACTIONAL", RLELossless),
            ("FRACTIONAL", JPEG2000Lossless))
logging.disable(logging.CRITICAL)


def need(condition, text):
    if not condition:
        raise AssertionError(text)


def convert(oncotome, source, *extra):
    with tempfile.TemporaryDirectory() as folder:
        out = f"{folder}/mask.nrrd"
        subprocess.run([oncotome, "convert", str(source), "-o", out, "-q", *map(str, extra)], check=True,
                       stdout=subprocess.DEVNULL)
        return sitk.ReadImage(out)


def describe(number):
    return hd.seg.SegmentDescription(number, f"part {number}", codes.SCT.MorphologicallyAbnormalStructure,
                                     codes.SCT.Neoplasm, hd.seg.SegmentAlgorithmTypeValues.MANUAL)


def in_jpeg2000(seg):
    """highdicom's own has JP2 boxes round the codestream, which PS3.5 A.4.4 does not allow."""
    frames = []
    for frame in seg.pixel_array.reshape(-1, seg.Rows, seg.Columns):
        stream = io.BytesIO()
        Image.fromarray(frame).save(stream, "JPEG2000", no_jp2=True, irreversible=False)
        frames.append(stream.getvalue())
    seg.PixelData = pydicom.encaps.encapsulate(frames)
    seg["PixelData"].VR, seg["PixelData"].is_undefined_length = "OB", True
    seg.file_meta.TransferSyntaxUID = JPEG2000Lossless


def check_highdicom(oncotome, samples):
    for folder in sorted(samples.glob("*")):
        if folder.name not in ("10x13", "5x22", "1x21"):
            continue
        sources = [pydicom.dcmread(p) for p in sorted((folder / "source").rglob("*.dcm"))]
        image = sitk.ReadImage(str(folder / "segmentation.seg.nrrd"))
        labels = sitk.GetArrayFromImage(image)
        truth = np.stack([labels == 1, labels == 2, labels == 4], -1).astype(np.uint8)
        truth[1] = 0  # a plane that is left out
        for kind, syntax in SYNTAXES:
            seg = hd.seg.Segmentation(sources, truth.astype(float) if kind == "FRACTIONAL" else truth, kind,
                                      [describe(n) for n in (1, 2, 3)], hd.UID(), 7, hd.UID(), 1, "a", "b", "c", "d",
                                      omit_empty_frames=True)
            if syntax == RLELossless:
                seg.compress(syntax)
            if syntax == JPEG2000Lossless:
                in_jpeg2000(seg)
            with tempfile.TemporaryDirectory() as place:
                seg.save_as(f"{place}/seg.dcm")
                for number in (1, 2, 3):
                    read = convert(oncotome, f"{place}/seg.dcm", "--segment", number)
                    need(np.array_equal(sitk.GetArrayFromImage(read), truth[..., number - 1]),
                         f"{folder.name} {kind} {syntax.name}")
                    need(np.allclose(read.GetOrigin(), image.GetOrigin(), atol=1e-3) and
                         np.allclose(read.GetSpacing(), image.GetSpacing(), atol=1e-3), f"{folder.name} {kind}: grid")
        print(f"ok     {folder.name}: highdicom's BINARY and FRACTIONAL, plain, RLE and JPEG 2000")


def check_structures(oncotome, name, structures, images, roi):
    """`images` has nothing else in it for dcmrtstruct2nii."""
    ours = sitk.GetArrayFromImage(convert(oncotome, structures, "--reference", images, "--segment", roi.ROINumber)) > 0
    with tempfile.TemporaryDirectory() as out:
        dcmrtstruct2nii(str(structures), str(images), out, structures=[roi.ROIName], gzip=False,
                        convert_original_dicom=False, mask_background_value=0, mask_foreground_value=1)
        theirs = sitk.GetArrayFromImage(sitk.ReadImage(str(next(pathlib.Path(out).glob("mask_*.nii"))))) > 0
    need(theirs.any() and abs(ours.sum() / theirs.sum() - 1) < 0.01, f"{name}: {ours.sum()} and {theirs.sum()} voxels")
    print(f"ok     {name} {roi.ROIName}: {ours.sum()} and {theirs.sum()} voxels, {(ours ^ theirs).sum()} differ")


def main():
    oncotome, samples, data = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    check_highdicom(oncotome, samples)
    for roi in pydicom.dcmread(samples / "8x8/structures.dcm").StructureSetROISequence:
        check_structures(oncotome, "8x8", samples / "8x8/structures.dcm", samples / "8x8/source/1", roi)
    if not (data / "ct_lung_gtv").exists():
        print(f"real structure sets are not in {data}: left out")
        return 77
    for structures in sorted((data / "ct_lung_gtv").glob("pat_*/DCM_RS_*.dcm")):
        for roi in pydicom.dcmread(structures).StructureSetROISequence:
            if roi.ROIName == "GTV-1":
                check_structures(oncotome, structures.parent.name, structures, structures.parent, roi)
    with tempfile.TemporaryDirectory() as place:
        for archive in sorted((data / "sarcoma_ct_mr_pet").glob("STS_*.tar.xz")):
            with tarfile.open(archive) as tar:
                tar.extractall(place)
        for structures in sorted(pathlib.Path(place).rglob("mask/RS.dcm")):
            images = next(f for f in sorted(structures.parent.parent.iterdir()) if f.is_dir() and f.name != "mask")
            for roi in pydicom.dcmread(structures).StructureSetROISequence:
                check_structures(oncotome, "/".join(structures.parts[-5:-3]), structures, images, roi)
    return 0


if __name__ == "__main__":
    sys.exit(main())
