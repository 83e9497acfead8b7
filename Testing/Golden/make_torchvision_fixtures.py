#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes fixtures/torchvision.safetensors beside itself: what torchvision's own networks give for weights that a formula makes.

Needs numpy, PyTorch and torchvision (2.11 and 0.26 were used). Networks run in float64; weights and inputs are float32. For each case the
tensors "<case>.classes" [N,classes] and, with a segmentation head, "<case>.labels" [N,labels,...]; __metadata__.cases is a JSON list of the
configurations, each with the state dict's names and shapes as text "name:8,3,3,3 name: ...". torchvision has no LeNet and no U-Net (made
anew here), and no 3-D ResNet of this kind (its 2-D modules are replaced by 3-D ones).

The formula, for the tensor `name` and its element i in storage order (last index fastest), in float64:
  u = even(i) - 0.5, with even() of Libs/Engine/include/oncotome/engine/noise.h, seed 0, stream FNV-1a(name) of 64 bits
  kernels, of 2 axes or more            u * sqrt(24 / (elements / shape[0]))
  .running_var and weights of one axis  1 + 0.5 u
  .running_mean and .bias               0.2 u
  .num_batches_tracked                  0
  "input"                               4 u
"""
import json
import pathlib
import warnings

import numpy as np
import torch
import torchvision
from make_network_fixtures import write_safetensors
from torch import nn


def mix(z):
    z = z + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def fnv1a(text):
    h = 0xCBF29CE484222325
    for byte in text.encode():
        h = ((h ^ byte) * 0x100000001B3) % 2**64
    return h


def values(name, shape):
    size, run = int(np.prod(shape)), 1 << 22
    key = mix(mix(np.zeros(1, np.uint64)) + np.uint64(fnv1a(name)))
    out = np.empty(size, np.float32)
    for first in range(0, size, run):
        i = np.arange(first, min(size, first + run), dtype=np.uint64)
        u = (mix(key + i) >> np.uint64(11)).astype(np.float64) / 2.0**53 - 0.5
        if name == "input":
            v = 4 * u
        elif len(shape) > 1:
            v = u * np.sqrt(24 / (size / shape[0]))
        elif name.endswith((".running_var", ".weight")):
            v = 1 + 0.5 * u
        else:
            v = 0.2 * u
        out[first:first + run] = v
    return out.reshape(shape)


class LeNet(nn.Module):
    """As in PyTorch's tutorial, its input of 32 x 32."""

    def __init__(self, classes):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 5), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, classes)

    def forward(self, x):
        for conv in (self.conv1, self.conv2):
            x = nn.functional.max_pool2d(torch.relu(conv(x)), 2)
        x = torch.relu(self.fc1(x.flatten(1)))
        return self.fc3(torch.relu(self.fc2(x)))


class Unit(nn.Module):
    def __init__(self, d, i, o, stride):
        super().__init__()
        self.conv = (nn.Conv2d, nn.Conv3d)[d - 2](i, o, 3, stride, 1, bias=False)
        self.norm = (nn.BatchNorm2d, nn.BatchNorm3d)[d - 2](o)

    def forward(self, x):
        return torch.relu(self.norm(self.conv(x)))


class Up(nn.Module):
    def __init__(self, d, i, o):
        super().__init__()
        self.up = (nn.ConvTranspose2d, nn.ConvTranspose3d)[d - 2](i, o, 2, 2)
        self.add_module("0", Unit(d, 2 * o, o, 1))
        self.add_module("1", Unit(d, o, o, 1))

    def forward(self, x, skip):
        x = self.get_submodule("0")(torch.cat([self.up(x), skip], 1))
        return self.get_submodule("1")(x)


class UNetClassifier(nn.Module):
    def __init__(self, d, channels, features, classes, labels, lesion_pooling):
        super().__init__()
        self.lesion_pooling = lesion_pooling
        ins = [channels, *features]
        self.encoder = nn.ModuleList(
            nn.Sequential(Unit(d, ins[s], f, 2 if s else 1), Unit(d, f, f, 1)) for s, f in enumerate(features))
        if labels:
            self.decoder = nn.ModuleList(Up(d, features[s + 1], features[s]) for s in reversed(range(len(features) - 1)))
            self.head = (nn.Conv2d, nn.Conv3d)[d - 2](features[0], labels, 1)
        if classes:
            self.fc = nn.Linear(features[-1] + (features[2] if lesion_pooling else 0), classes)

    def forward(self, x):
        skips, out = [], {}
        for stage in self.encoder:
            x = stage(x)
            skips.append(x)
        means = [x.flatten(2).mean(2)]
        if hasattr(self, "head"):
            ups = {}
            for stage, skip in zip(self.decoder, reversed(skips[:-1])):
                ups[len(self.decoder) - 1 - len(ups)] = x = stage(x, skip)
            out["labels"] = self.head(x)
        if self.lesion_pooling:
            pool = (nn.functional.avg_pool2d, nn.functional.avg_pool3d)[x.dim() - 4]
            lesion = 1 - torch.softmax(pool(out["labels"], 4), 1)[:, :1]
            means.append((ups[2] * lesion).flatten(2).sum(2) / (lesion.flatten(2).sum(2) + 1))
        if hasattr(self, "fc"):
            out["classes"] = self.fc(torch.cat(means, 1))
        return out


def in_3d(module):
    for name, child in module.named_children():
        if isinstance(child, nn.Conv2d):
            new = nn.Conv3d(child.in_channels, child.out_channels, child.kernel_size[0], child.stride[0], child.padding[0],
                            bias=child.bias is not None)
        elif isinstance(child, nn.BatchNorm2d):
            new = nn.BatchNorm3d(child.num_features)
        elif isinstance(child, nn.MaxPool2d):
            new = nn.MaxPool3d(child.kernel_size, child.stride, child.padding)
        elif isinstance(child, nn.AdaptiveAvgPool2d):
            new = nn.AdaptiveAvgPool3d(child.output_size[0])
        else:
            new = in_3d(child)
        setattr(module, name, new)
    return module


def case(architecture, size, batch=1, channels=3, classes=7, labels=0, features=(), lesion_pooling=False, suffix=""):
    return {"name": architecture + suffix, "architecture": architecture, "dimensions": len(size), "in_channels": channels, "classes": classes,
            "labels": labels, "input_size": [*[1] * (3 - len(size)), *size], "features": list(features), "batch": batch,
            "lesion_pooling": lesion_pooling}


CASES = [
    case("lenet5", [32, 32], batch=2, channels=1),
    case("alexnet", [127, 96]),
    case("vgg16", [64, 64]),
    case("vgg16_bn", [32, 32]),
    case("vgg19", [32, 96]),
    case("vgg19_bn", [32, 32]),
    case("resnet18", [64, 80], batch=2, channels=1),
    case("resnet34", [64, 64]),
    case("resnet50", [64, 64]),
    case("resnet101", [64, 64]),
    case("resnet152", [64, 64]),
    case("resnet18", [32, 40, 32], batch=2, channels=1, suffix="_3d"),
    case("resnet50", [32, 32, 32], channels=2, suffix="_3d"),
    case("unet_classifier", [16, 24], batch=2, channels=1, labels=3, features=[8, 12, 20], suffix="_2d"),
    case("unet_classifier", [8, 8, 12], channels=2, labels=2, features=[6, 10, 18], suffix="_3d"),
    case("unet_classifier", [16, 20], classes=0, labels=3, features=[8, 12], suffix="_labels"),
    case("unet_classifier", [16, 20], features=[8, 12], suffix="_classes"),
    case("unet_classifier", [24, 32], batch=2, channels=1, labels=3, features=[4, 6, 9, 5], lesion_pooling=True, suffix="_lesion"),
    case("unet_classifier", [8, 16, 24], labels=2, features=[3, 4, 17, 5], lesion_pooling=True, suffix="_lesion_3d"),
]


def network(c):
    if c["architecture"] == "lenet5":
        return LeNet(c["classes"])
    if c["architecture"] == "unet_classifier":
        return UNetClassifier(c["dimensions"], c["in_channels"], c["features"], c["classes"], c["labels"],
                              c["lesion_pooling"])
    net = getattr(torchvision.models, c["architecture"])(num_classes=c["classes"])
    if c["in_channels"] != 3:  # of a ResNet
        net.conv1 = nn.Conv2d(c["in_channels"], 64, 7, 2, 3, bias=False)
    return in_3d(net) if c["dimensions"] == 3 else net


def main():
    warnings.filterwarnings("ignore")
    tensors = {}
    for c in CASES:
        with torch.device("meta"):
            net = network(c)
        shapes = {k: list(v.shape) for k, v in net.state_dict().items()}
        state = {k: torch.from_numpy(values(k, s)) if s else torch.tensor(0) for k, s in shapes.items()}
        net.load_state_dict(state, strict=True, assign=True)
        net.double().eval()
        size = c["input_size"][3 - c["dimensions"]:]
        with torch.no_grad():
            out = net(torch.from_numpy(values("input", [c["batch"], c["in_channels"], *size])).double())
        for head, y in (out if isinstance(out, dict) else {"classes": out}).items():
            tensors[c["name"] + "." + head] = y.numpy().astype(np.float32)
            print(c["name"], head, list(y.shape), "greatest", float(y.abs().max()), "standard deviation", float(y.std()))
        c["weights"] = " ".join(k + ":" + ",".join(map(str, s)) for k, s in shapes.items())
        del net, state
    path = pathlib.Path(__file__).parent / "fixtures" / "torchvision.safetensors"
    write_safetensors(path, tensors, {"cases": json.dumps(CASES, separators=(",", ":"))})
    print(path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
