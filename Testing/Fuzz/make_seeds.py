#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Small valid inputs for the fuzzers: make_seeds.py SAMPLES OUTPUT, SAMPLES being what oncotome-write-samples wrote.

Makes OUTPUT/<fuzzer>/; needs pydicom, openjpeg and DCMTK's tools.
"""
import gzip
import io
import json
import pathlib
import shutil
import struct
import subprocess
import sys
import zipfile

import numpy
import openjpeg
import pydicom
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless, RLELossless

ROOT = pathlib.Path(__file__).resolve().parents[2]
SAMPLES, OUT = map(pathlib.Path, sys.argv[1:])
IMAGES = sorted((SAMPLES / "8x8" / "source" / "1").glob("*.dcm"))
ENHANCED_MR, DX, PET = (f"1.2.840.10008.5.1.4.1.1.{tail}" for tail in ("4.1", "1.1", "128"))


def put(fuzzer, name, data):
    path = OUT / fuzzer / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def written(dataset):
    buffer = io.BytesIO()
    dataset.save_as(buffer, write_like_original=False)
    return buffer.getvalue()


def image(k=0, sop_class=None, **values):
    dataset = pydicom.dcmread(IMAGES[k])
    if sop_class:
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = sop_class
    for name, value in values.items():
        setattr(dataset, name, value)
    return dataset


def items(**values):
    dataset = Dataset()
    for name, value in values.items():
        setattr(dataset, name, value)
    return [dataset]


def enhanced():
    first = image(0, ENHANCED_MR, NumberOfFrames=len(IMAGES))
    slices = [pydicom.dcmread(path) for path in IMAGES]
    first.PixelData = b"".join(s.PixelData for s in slices)
    first.SharedFunctionalGroupsSequence = items(
        PlaneOrientationSequence=items(ImageOrientationPatient=first.ImageOrientationPatient),
        PixelMeasuresSequence=items(PixelSpacing=first.PixelSpacing, SliceThickness=first.SliceThickness))
    first.PerFrameFunctionalGroupsSequence = [
        items(PlanePositionSequence=items(ImagePositionPatient=s.ImagePositionPatient), MREchoSequence=items(EffectiveEchoTime=10.0),
              FrameContentSequence=items(StackID="1", TemporalPositionIndex=1),
              PixelValueTransformationSequence=items(RescaleSlope=2, RescaleIntercept=-1, RescaleType="US"))[0] for s in slices]
    return first


def pet(k):
    drug = items(RadiopharmaceuticalStartDateTime="20200102091500", RadiopharmaceuticalStartTime="091500", RadionuclideTotalDose=3.7e8,
                 RadionuclideHalfLife=6586.2)
    return image(k, PET, Modality="PT", Units="BQML", DecayCorrection="START", CorrectedImage=["DECY", "ATTN"], PatientWeight="70",
                 SeriesDate="20200102", SeriesTime="101500", AcquisitionDate="20200102", AcquisitionTime="101501.5", FrameReferenceTime="0",
                 ActualFrameDuration="60000", RadiopharmaceuticalInformationSequence=drug, RescaleSlope="0.5", RescaleIntercept="0")


def picture(photometric, samples, **values):
    pixels = bytes(i * 7 % 256 for i in range(64 * samples))
    dataset = image(0, DX, Modality="DX", PhotometricInterpretation=photometric, SamplesPerPixel=samples, BitsAllocated=8, BitsStored=8,
                    HighBit=7, PixelRepresentation=0, PixelData=pixels, **values)
    if samples > 1:
        dataset.PlanarConfiguration = 0
    return dataset


def palette():
    dataset = picture("PALETTE COLOR", 1)
    for color in ("Red", "Green", "Blue"):
        dataset.add_new(f"{color}PaletteColorLookupTableDescriptor", "US", [256, 0, 8])
        dataset.add_new(f"{color}PaletteColorLookupTableData", "OW", bytes(range(256)))
    return dataset


def dicomdir():
    dataset = image(0, "1.2.840.10008.1.3.10", DirectoryRecordSequence=items(ReferencedFileID=["1.DCM"], DirectoryRecordType="IMAGE"))
    del dataset.PixelData
    return dataset


def jpeg2000(dataset):
    """A larger image: the encoder wants five levels."""
    pixels = numpy.tile(dataset.pixel_array, (4, 4, 1)[:dataset.pixel_array.ndim])
    stream = bytes(openjpeg.encode(pixels, compression_ratios=[1], codec_format=0))
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.PixelData = encapsulate([stream])
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless
    return written(dataset), stream


def compressed():
    """Kind, file and its only codestream."""
    rgb = picture("RGB", 3)
    small = put("pixels", "color.dcm", written(rgb))
    yield "2", *jpeg2000(image(0))
    yield "2", *jpeg2000(rgb)
    rle = image(0)
    rle.compress(RLELossless)
    yield "r", written(rle), next(pydicom.encaps.generate_pixel_data_frame(rle.PixelData, 1))
    source = put("pixels", "plain.dcm", IMAGES[0].read_bytes())
    for file, *encoder in ((source, "dcmcjpeg", "+e1"), (small, "dcmcjpeg", "+eb"), (small, "dcmcjpeg", "+ep"), (source, "dcmcjpls"),
                           (small, "dcmcjpls", "+en"), (source, "dcmconv", "+td"), (source, "dcmconv", "+tb")):
        path = OUT / "coded.dcm"
        subprocess.run([*encoder, file, path], check=True, capture_output=True)
        dataset = pydicom.dcmread(path)
        has_stream = dataset.file_meta.TransferSyntaxUID.is_compressed and encoder[0] != "dcmconv"
        yield "j", path.read_bytes(), next(pydicom.encaps.generate_pixel_data_frame(dataset.PixelData, 1)) if has_stream else None


def pictures():
    """Name and bytes of PNGs and JPEGs of every kind."""
    gray = numpy.arange(16 * 12, dtype=numpy.uint8).reshape(12, 16)
    color = Image.fromarray(numpy.stack([gray, gray[::-1], gray[:, ::-1]], -1))
    pngs = {"gray": Image.fromarray(gray), "deep": Image.fromarray(gray.astype(numpy.uint16) * 257), "color": color,
            "alpha": color.convert("RGBA"), "palette": color.quantize(16), "bits": Image.fromarray(gray > 90)}
    jpegs = {"gray": (Image.fromarray(gray), {}), "color": (color, {}), "full": (color, {"subsampling": 0}),
             "progressive": (color, {"progressive": True})}
    for name, image in pngs.items():
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        yield f"{name}.png", buffer.getvalue()
    for name, (image, options) in jpegs.items():
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", **options)
        yield f"{name}.jpg", buffer.getvalue()


def nifti():
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, 2, 2, 2, 1, 1, 1, 1)
    struct.pack_into("<2h", header, 70, 2, 8)
    struct.pack_into("<8f", header, 76, *[1.0] * 8)
    struct.pack_into("<f", header, 108, 352)
    struct.pack_into("<2h", header, 252, 1, 1)
    header[344:348] = b"n+1\0"
    return bytes(header) + bytes(8)


def brainchop():
    """The smallest MeshNet that is known: two layers, a head."""
    layers, weights = [], []
    for name, size, inputs, filters in (("a", 3, 1, 5), ("b", 3, 5, 5), ("head", 1, 5, 3)):
        config = {"name": name, "filters": filters, "kernel_size": [size] * 3, "dilation_rate": [1] * 3, "strides": [1] * 3, "padding": "same",
                  "data_format": "channels_last", "activation": "linear", "use_bias": True}
        layers.append({"class_name": "Conv3D", "config": config})
        if name != "head":
            layers.append({"class_name": "Activation", "config": {"activation": "relu"}})
        weights += [{"name": f"{name}/kernel", "shape": [size] * 3 + [inputs, filters], "dtype": "float32"},
                    {"name": f"{name}/bias", "shape": [filters], "dtype": "float32"}]
    model = {"modelTopology": {"model_config": {"config": {"layers": layers}}}, "weightsManifest": [{"paths": ["w.bin"], "weights": weights}]}
    count = sum(numpy.prod(w["shape"]) for w in weights)
    return json.dumps(model).encode() + b"\0" + numpy.linspace(-1, 1, count).astype("<f4").tobytes()


def zipped():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.dcm", IMAGES[0].read_bytes(), zipfile.ZIP_DEFLATED)
        archive.writestr("b/stored.txt", b"text", zipfile.ZIP_STORED)
    return buffer.getvalue()


shutil.rmtree(OUT, ignore_errors=True)
for path in [*(ROOT / "Testing/Golden/fixtures/weights").glob("*.pt"), ROOT / "Testing/Golden/fixtures/unet2d.safetensors"]:
    put("weights", path.name, path.read_bytes())
for path in sorted(ROOT.glob("Data/Models/*/model.json")) + [ROOT / "Libs/Engine/src/msnet_package.json"]:
    put("model_package", f"{path.parent.name}.json", path.read_bytes())
for path in (SAMPLES / "8x8/segmentation.dcm", SAMPLES / "8x8/probabilities.dcm", SAMPLES / "8x8/labelmap.dcm",
             SAMPLES / "8x8/structures.dcm", SAMPLES / "11x5_empty/structures.dcm"):
    put("masks", f"{path.parent.name}-{path.name}", path.read_bytes())
stack = b"".join(path.read_bytes() for path in IMAGES)
first, second = (numpy.array(image(k).ImagePositionPatient, float) for k in range(2))
apart = image(2, ImagePositionPatient=[f"{x:.6g}" for x in first + 3 * (second - first)])
gap = IMAGES[0].read_bytes() + IMAGES[1].read_bytes() + written(apart)
objects = {"enhanced": written(enhanced()), "pet": b"".join(written(pet(k)) for k in range(3)), "gray": written(picture("MONOCHROME1", 1)),
           "color": written(picture("YBR_FULL", 3)), "palette": written(palette())}
for name, data in {**objects, "stack": stack, "gap": gap, "dicomdir": written(dicomdir()) + IMAGES[0].read_bytes()}.items():
    put("dicom", name, data)
for name, data in {**objects, "structures": (SAMPLES / "11x5_empty/structures.dcm").read_bytes(),
                   "report": (SAMPLES / "8x8/report.dcm").read_bytes()}.items():
    put("deidentify", name, b"\0" + data)
    put("deidentify", f"{name}-kept", b"\x7e" + data)
for number, (kind, file, stream) in enumerate(compressed()):
    if file:
        put("pixels", f"{number}.dcm", file)
    if stream:
        put("codestream", f"{number}", kind.encode() + stream)
for text in ("20200102101112.5+0100", "20200102101112.25", "2020.01.0210:11:12"):
    put("codestream", text, b"t" + text.encode())
put("import", "meshnet", brainchop())
for name, data in pictures():
    put("picture", name, data)
configuration = (ROOT / "Data/Examples/digits/train.json").read_bytes()
put("training", "parts", configuration + b"\0path,class,part\n1,a,train\n2,b,train\n3,a,val\n4,b,val\n")
by_group = configuration.replace(b'"split": "part"', b'"split": "group", "validation": 0.5')
put("training", "groups", by_group + b'\0path,class,group,mask\n1,a,p,\n2,"b",q,\n3,a,r,1\n4,b,s,\n')
put("predictions", "two", b"path,class,p_a,p_b,entropy,refused\nx/1.png,a,0.75,0.25,0.56,\nx/2.png,,,,,\"no, \"\"kind\"\"\"\n"
    b"3.png,b,0.5,0.5,0.69,\n\0path,class,group,part\n1.png,a,p,test\ny/x/2.png,b,q,test\n3.png,b,q,\n")
put("zip", "two.zip", zipped())
put("nifti", "plain", nifti())
put("nifti", "gzipped", gzip.compress(nifti(), mtime=0))
(OUT / "coded.dcm").unlink()
