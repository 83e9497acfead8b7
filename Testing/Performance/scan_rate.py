#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Files per second of `oncotome inspect` against a loop of pydicom's dcmread(stop_before_pixels=True).

Usage: scan_rate.py ONCOTOME [DATA]
2,000 CT images of 512 x 512, of 20 series: with DATA (ct_lung_dx), copies of a real series under other UIDs. Both read
the same files, warm, in turns; oncotome as a whole process. Prints the medians and their ratio. Exit status: 0 when the
ratio is at least 5, 1 when it is not.
"""
import pathlib
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time

import numpy
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

FILES, SERIES, ROUNDS, NEEDED = 2000, 20, 5, 5.0


def made_up():
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.is_little_endian, ds.is_implicit_VR = True, False
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    ds.PatientName, ds.PatientID, ds.Modality, ds.ImageType = "Test^Rate", "RATE", "CT", ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.Rows = ds.Columns = 512
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
    ds.RescaleSlope, ds.RescaleIntercept, ds.PixelSpacing, ds.SliceThickness = 1, -1024, [0.7, 0.7], 5
    ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    ds.PixelData = numpy.zeros((512, 512), "<i2").tobytes()
    return ds


def write(folder, sources):
    study, frame = generate_uid(), generate_uid()
    for n in range(FILES):
        series, slice_number = divmod(n, FILES // SERIES)
        ds = sources[n % len(sources)]
        if slice_number == 0:
            series_uid = generate_uid()
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = study, series_uid, frame
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        ds.InstanceNumber, ds.ImagePositionPatient = slice_number + 1, [-180, -180, 5 * slice_number]
        place = folder / f"{series:02}"
        place.mkdir(exist_ok=True)
        ds.save_as(place / f"{slice_number:04}.dcm", write_like_original=False)


def by_pydicom(paths):
    start = time.perf_counter()
    for path in paths:
        pydicom.dcmread(path, stop_before_pixels=True)
    return time.perf_counter() - start


def by_oncotome(program, folder):
    start = time.perf_counter()
    subprocess.run([program, "inspect", folder, "--quiet", "--json"], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory() as scratch:
        folder, sources = pathlib.Path(scratch) / "in", [made_up()]
        folder.mkdir()
        if len(sys.argv) == 3:
            with tarfile.open(pathlib.Path(sys.argv[2]) / "ct_lung_dx" / "dicom.tar.xz") as tar:
                tar.extractall(pathlib.Path(scratch) / "real")
            sources = [pydicom.dcmread(p) for p in sorted((pathlib.Path(scratch) / "real").rglob("*.dcm"))]
        write(folder, sources)
        paths = sorted(folder.rglob("*.dcm"))
        times = [(by_pydicom(paths), by_oncotome(sys.argv[1], folder)) for _ in range(ROUNDS + 1)][1:]
        theirs, ours = (statistics.median(t) for t in zip(*times))
        print(f"{FILES} files: pydicom {FILES / theirs:.0f}/s, oncotome {FILES / ours:.0f}/s, ratio {theirs / ours:.1f}")
        return 0 if theirs / ours >= NEEDED else 1


if __name__ == "__main__":
    sys.exit(main())
