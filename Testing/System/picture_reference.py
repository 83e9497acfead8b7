#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What PyTorch gives for the packages of test_pictures.py: picture_reference.py IN.npz OUT.npz, in a Python with torch.

IN holds weights by their names, and pictures "picture <name>" [H,W], 0 to 255; "mirror" whether W is mirrored too, "size".
OUT holds "<name> classes" (probabilities) and, of a network with a head for labels, "<name> labels" [K,H,W], else "<name> heat" [H,W]: Grad-CAM of
the most probable class at the last maxima, stretched from 0 to 1 before and after it is resized to the network's input.
"""
import sys

import numpy as np
import torch
import torch.nn.functional as F


def lenet_features(w, x):
    x = F.max_pool2d(F.relu(F.conv2d(x, w["conv1.weight"], w["conv1.bias"])), 2)
    return F.max_pool2d(F.relu(F.conv2d(x, w["conv2.weight"], w["conv2.bias"])), 2)


def lenet_head(w, x):
    x = F.relu(F.linear(x.flatten(1), w["fc1.weight"], w["fc1.bias"]))
    x = F.relu(F.linear(x, w["fc2.weight"], w["fc2.bias"]))
    return F.linear(x, w["fc3.weight"], w["fc3.bias"])


def lenet(w, x):
    return None, lenet_head(w, lenet_features(w, x))


def stretched(x):
    return (x - x.min()) / (1e-7 + (x - x.min()).max())


def lenet_heat(w, x):
    features = lenet_features(w, x).requires_grad_()
    logits = lenet_head(w, features)
    slopes, = torch.autograd.grad(logits[0, logits.argmax()], features)
    cam = F.relu((features * slopes.mean((2, 3), keepdim=True)).sum(1, keepdim=True)).detach()
    return stretched(F.interpolate(stretched(cam), x.shape[2:], mode="bilinear", align_corners=False))


def unet(w, x):
    def stage(name, x, stride):
        for j in range(2):
            block = f"{name}.{j}"
            x = F.conv2d(x, w[f"{block}.conv.weight"], None, stride if j == 0 else 1, 1)
            norm = [w[f"{block}.norm.{leaf}"] for leaf in ("running_mean", "running_var", "weight", "bias")]
            x = F.relu(F.batch_norm(x, *norm))
        return x

    skip = stage("encoder.0", x, 1)
    deep = stage("encoder.1", skip, 2)
    up = F.conv_transpose2d(deep, w["decoder.0.up.weight"], w["decoder.0.up.bias"], 2)
    x = stage("decoder.0", torch.cat([up, skip], 1), 1)
    return (F.conv2d(x, w["head.weight"], w["head.bias"]),
            F.linear(deep.mean((2, 3)), w["fc.weight"], w["fc.bias"]))


def main():
    data = dict(np.load(sys.argv[1]))
    pictures = {name[8:]: data.pop(name) for name in list(data) if name.startswith("picture ")}
    mirror, size = bool(data.pop("mirror")), tuple(int(v) for v in data.pop("size"))
    w = {name: torch.from_numpy(value) for name, value in data.items()}
    network, out = (lenet if "fc3.weight" in w else unet), {}
    for name, picture in pictures.items():
        x = torch.from_numpy(picture / np.float32(255))[None, None]
        x = (F.interpolate(x, size, mode="bilinear", antialias=True) - 0.5) / 0.25
        labels, classes = [], []
        for axes in ([], [3]) if mirror else ([],):
            found, logits = network(w, x.flip(axes))
            classes.append(logits.softmax(1)[0].numpy())
            if found is not None:
                labels.append(found.flip(axes).softmax(1))
        out[f"{name} classes"] = np.mean(classes, 0)
        if network is lenet:
            out[f"{name} heat"] = F.interpolate(lenet_heat(w, x), picture.shape, mode="bilinear", antialias=True)[0, 0].numpy()
        if labels:
            mean = torch.stack(labels).mean(0)
            out[f"{name} labels"] = F.interpolate(mean, picture.shape, mode="bilinear", antialias=True)[0].numpy()
    np.savez(sys.argv[2], **out)


if __name__ == "__main__":
    main()
