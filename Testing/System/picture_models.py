# SPDX-License-Identifier: Apache-2.0
"""Model packages for images, made of random weights."""
import hashlib
import json
import struct

import numpy as np

CLASSES = ("meningioma", "glioma, of any kind", "pituitary")
CODE = {"value": "108369006", "scheme": "SCT", "meaning": "Neoplasm"}


def write_safetensors(path, tensors):
    header, data = {}, b""
    for name, value in sorted(tensors.items()):
        header[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [len(data), len(data) + value.nbytes]}
        data += value.tobytes()
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def lenet_weights(random, side, classes=3):
    extent = ((side - 4) // 2 - 4) // 2
    shapes = {"conv1": (6, 1, 5, 5), "conv2": (16, 6, 5, 5), "fc1": (120, 16 * extent * extent), "fc2": (84, 120),
              "fc3": (classes, 84)}
    weights = {}
    for name, shape in shapes.items():
        weights[f"{name}.weight"] = random.normal(0, (2 / np.prod(shape[1:])) ** 0.5, shape).astype(np.float32)
        weights[f"{name}.bias"] = random.normal(0, 0.1, shape[0]).astype(np.float32)
    return weights


def unet_weights(random, classes=3, labels=2, dimensions=2):
    weights = {}

    def conv(name, *shape, bias=False):
        weights[f"{name}.weight"] = random.normal(0, (2 / np.prod(shape[1:])) ** 0.5, shape).astype(np.float32)
        if bias:
            weights[f"{name}.bias"] = random.normal(0, 0.1, bias).astype(np.float32)

    for name, before, after in (("encoder.0", 1, 4), ("encoder.1", 4, 8), ("decoder.0", 8, 4)):
        for j, channels in enumerate((before, after)):
            conv(f"{name}.{j}.conv", after, channels, *[3] * dimensions)
            norm = f"{name}.{j}.norm"
            weights[f"{norm}.weight"] = random.uniform(0.5, 1.5, after).astype(np.float32)
            weights[f"{norm}.bias"] = random.normal(0, 0.2, after).astype(np.float32)
            weights[f"{norm}.running_mean"] = random.normal(0, 0.2, after).astype(np.float32)
            weights[f"{norm}.running_var"] = random.uniform(0.5, 2, after).astype(np.float32)
    conv("decoder.0.up", 8, 4, *[2] * dimensions, bias=4)
    conv("head", labels, 4, *[1] * dimensions, bias=labels)
    if classes:
        conv("fc", classes, 8, bias=classes)
    return weights


def write_package(folder, weights, size, *, classes=3, labels=0, modality="MR", change=None):
    """Gray pictures, (value / 255 - 0.5) / 0.25; lenet5 without labels, unet_classifier with them."""
    folder.mkdir(parents=True)
    write_safetensors(folder / "weights.safetensors", weights)
    network = {"architecture": "unet_classifier" if labels else "lenet5", "dimensions": 2, "in_channels": 1,
               "classes": classes, "labels": labels, "input_size": [1, *size]}
    model = {
        "schema": "oncotome.model/1", "name": "toy-pictures", "title": "Toy", "version": "1", "intended_use": "test",
        "license": "Apache-2.0", "origin": "test",
        "weights": {"file": "weights.safetensors",
                    "sha256": hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest()},
        "input": {"modality": modality, "region": {"value": "12738006", "scheme": "SCT", "meaning": "Brain"},
                  "channels": [{"name": "gray"}]},
        "image": {"resize": "squash", "rescale": [0, 255], "mean": [0.5], "std": [0.25]}, "network": network}
    if classes:
        model["classes"] = [{"name": name, "code": CODE} for name in CLASSES[:classes]]
    if labels:
        network.update(features=[4, 8], class_labels=[0, 7])
        category = {"value": "49755003", "scheme": "SCT", "meaning": "Morphologically Altered Structure"}
        model.update(labels=[{"value": 7, "name": "Tumor", "category": category, "type": CODE, "color": [255, 0, 0],
                              "lesion": True}], lesion={"min_volume_mm3": 0})
    if change:
        change(model)
    (folder / "model.json").write_text(json.dumps(model))
    return folder
