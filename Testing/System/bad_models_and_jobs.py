# SPDX-License-Identifier: Apache-2.0
"""Model packages that are wrong, and main jobs that cannot be done."""
import hashlib
import io
import json
import shutil
import struct
import zipfile
import zlib

import numpy as np
import SimpleITK as sitk

from bad_input import DEMO_MODEL, ROOT, case, series
from picture_models import lenet_weights, unet_weights, write_package

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


@case(52, "model.unsupported")
def a_network_that_nobody_knows(folder):
    return ("oncotome", "models", "show", "--network", "resnet51")


@case(51, "model.invalid")
def a_network_for_an_image_that_is_too_small(folder):
    return ("oncotome", "models", "show", "--network", "alexnet", "--input-size", "1", "32", "32")


def checkpoint(folder, data):
    (folder / "checkpoint_final.pth").write_bytes(data)
    return ("oncotome", "models", "show", folder / "checkpoint_final.pth")


@case(53, "weights.invalid")
def a_checkpoint_cut_short(folder):
    return checkpoint(folder, (ROOT / "Testing/Golden/fixtures/weights/zip_2.11.pt").read_bytes()[:-100])


@case(53, "weights.invalid")
def a_checkpoint_that_is_a_program(folder):
    return checkpoint(folder, b"\x80\x02cos\nsystem\nX\x04\0\0\0exit\x85R.")


@case(53, "weights.invalid")
def a_checkpoint_that_holds_itself(folder):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("model/data.pkl", b"\x80\x02]q\x01h\x01a.")
    return checkpoint(folder, buffer.getvalue())


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


# -- single images -------------------------------------------------------------------------------------------------------

def classify(place, model_, command="classify"):
    return ("oncotome", command, place, "-m", model_, "-o", "OUTPUT", "--quiet")


def lenet(folder, change=None):
    return write_package(folder / "lenet", lenet_weights(np.random.default_rng(1), 16), (16, 16), change=change)


def picture(folder, data):
    (folder / "Zebrafish_Quentin").mkdir()
    (folder / "Zebrafish_Quentin" / "Zebrafish.png").write_bytes(data)
    return folder / "Zebrafish_Quentin"


def png(folder):
    place = folder / "Zebrafish.png"
    sitk.WriteImage(sitk.GetImageFromArray(np.arange(400, dtype=np.uint8).reshape(20, 20)), str(place))
    return place


@case(12, "input.no_images")
def a_folder_without_images(folder):
    (folder / "Zebrafish").mkdir()
    return classify(folder / "Zebrafish", lenet(folder))


@case(10, "input.not_found")
def a_folder_of_pictures_that_is_not_there(folder):
    return classify(folder / "Zebrafish", lenet(folder))


@case(11, "input.unreadable")
def a_folder_of_one_picture_that_is_none(folder):
    return classify(picture(folder, b"no picture"), lenet(folder))


@case(11, "input.unreadable")
def a_picture_cut_short(folder):
    return classify(picture(folder, png(folder).read_bytes()[:60]), lenet(folder))


@case(14, "input.unsupported")
def a_picture_of_too_many_pixels(folder):
    header = struct.pack(">4s2I5B", b"IHDR", 999999, 999999, 8, 0, 0, 0, 0)
    crc = struct.pack(">I", zlib.crc32(header))
    data = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + crc
    idat = b"IDAT" + zlib.compress(bytes(100))
    return classify(picture(folder, data + struct.pack(">I", len(idat) - 4) + idat + struct.pack(">I", zlib.crc32(idat))),
                    lenet(folder))


@case(43, "precondition.unmet")
def slices_of_another_modality(folder):
    return classify(series(folder), lenet(folder))


@case(2, "usage")
def classes_of_a_model_that_has_none(folder):
    unet = write_package(folder / "unet", unet_weights(np.random.default_rng(1), classes=0), (16, 16), classes=0, labels=2)
    return classify(png(folder), unet)


@case(2, "usage")
def classes_of_a_model_for_studies(folder):
    return classify(png(folder), DEMO_MODEL)


@case(2, "usage")
def masks_of_a_model_that_has_classes_alone(folder):
    return classify(png(folder), lenet(folder), "segment")


@case(51, "model.invalid")
def a_model_with_a_class_too_many(folder):
    return classify(png(folder), lenet(folder, lambda m: m["classes"].append({"name": "more"})))


@case(53, "weights.invalid")
def a_model_with_weights_of_another_network(folder):
    return classify(png(folder), lenet(folder, lambda m: m["network"].update(input_size=[1, 64, 64])))


@case(2, "usage")
def a_result_in_place_of_its_pictures(folder):
    place = picture(folder, png(folder).read_bytes())
    return ("oncotome", "classify", place, "-m", lenet(folder), "-o", place, "--overwrite", "--quiet")


def explain(place, model_, *more):
    return ("oncotome", "explain", place, "-m", model_, "-o", "OUTPUT", "--quiet", *more)


@case(2, "usage")
def a_layer_that_the_network_does_not_have(folder):
    return explain(png(folder), lenet(folder), "--layer", "layer4")


@case(2, "usage")
def a_layer_behind_the_head(folder):
    return explain(png(folder), lenet(folder), "--layer", "fc2")


@case(2, "usage")
def a_class_that_the_model_does_not_know(folder):
    return explain(png(folder), lenet(folder), "--class", "Zebra")


@case(2, "usage")
def an_explanation_by_a_model_that_has_no_classes(folder):
    unet = write_package(folder / "unet", unet_weights(np.random.default_rng(1), classes=0), (16, 16), classes=0, labels=2)
    return explain(png(folder), unet)


@case(2, "usage")
def an_explanation_by_a_model_for_studies(folder):
    return explain(png(folder), DEMO_MODEL)


@case(2, "usage")
def an_explanation_of_several_images(folder):
    place = picture(folder, png(folder).read_bytes())
    (place / "Zebrafish_2.png").write_bytes(png(folder).read_bytes())
    return explain(place, lenet(folder))


@case(11, "input.unreadable")
def an_explanation_of_a_picture_that_is_none(folder):
    return explain(picture(folder, b"no picture"), lenet(folder))
