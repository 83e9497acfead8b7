#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the golden inputs and outputs of the network kinds, from an implementation apart from the C++ one.

Needs numpy and PyTorch (1.13 will do). `make_network_fixtures.py` writes fixtures/*.safetensors beside itself, each with the tensors
"input" [C,D,H,W] and "output" (msnet: softmax [2,D-8,H,W]; unet, meshnet: logits [K,D,H,W]), computed in float64, stored in float32.

The weights are not stored; this formula makes them anew, for each network by itself:
  n = 0; for each tensor, names sorted bytewise; for each of its elements in storage order (last index fastest):
    u = ((n * 2654435761) mod 2^32) / 2^32 - 0.5   (double);   n += 1
    value = float32(f(u)), with f by kind, all in double:
      convolution and transposed convolution weights     u * 2 / sqrt(elements / output channels)
      gamma  (.gamma, .norm.weight)                       1 + u
      beta and bias  (.beta, .bias)                       u
      PReLU slope  (.alpha)                               0.25 + 0.5 * u
The output channels are the axis: msnet conv `.w` 4, msnet `deconv_.w` 3, unet and meshnet `.weight` 0, unet `.up.weight` 1.
msnet's moving_mean and moving_variance are never used, so they are neither made nor counted.
Names and shapes stand in each file's header under __metadata__.weights, a JSON text {name: shape}.
Input: the same u with n from 0, value = float32(4 * u).

`--real WEIGHTS CASE` runs the axial whole-tumor net of brats17 on one case of four skull-stripped NIfTI files instead, and prints its Dice
against fusion/simple.nii.gz; nothing is written.
"""
import argparse
import gzip
import json
import math
import pathlib
import struct
import time

import numpy as np
import torch
import torch.nn.functional as F


def sequence(count, start=0):
    n = np.arange(start, start + count, dtype=np.uint64)
    return ((n * np.uint64(2654435761)) % np.uint64(2**32)).astype(np.float64) / 2.0**32 - 0.5


def output_channels(name, shape):
    if name.endswith("deconv_.w"):
        return shape[3]
    if name.endswith(".w"):
        return shape[-1]
    return shape[1] if name.endswith(".up.weight") or ".transpconvs." in name else shape[0]


def make_weights(shapes):
    weights, n = {}, 0
    for name in sorted(shapes):
        shape = shapes[name]
        size = int(np.prod(shape))
        u = sequence(size, n)
        n += size
        if name.endswith((".gamma", ".norm.weight", ".running_var")):
            value = 1 + u
        elif name.endswith((".beta", ".bias", ".running_mean")):
            value = u
        elif name.endswith(".alpha"):
            value = 0.25 + 0.5 * u
        else:
            value = u * 2 / np.sqrt(size / output_channels(name, shape))
        weights[name] = value.astype(np.float32).reshape(shape)
    return weights


def make_input(shape):
    return (4 * sequence(int(np.prod(shape)))).astype(np.float32).reshape(shape)


# ---- msnet

def msnet_shapes(target):
    shapes = {}

    def norm(prefix, suffix, channels):
        shapes[f"{prefix}.bn_{suffix}.beta"] = [channels]
        shapes[f"{prefix}.bn_{suffix}.gamma"] = [channels]
        shapes[f"{prefix}.prelu_acti_{suffix}.alpha"] = [channels]

    def layer(name, kernel, cin, cout, kind="conv_"):
        channels = [cout, cin] if kind == "deconv_" else [cin, cout]
        shapes[f"{name}_bn_prelu.{kind}.w"] = [*kernel, *channels]
        norm(f"{name}_bn_prelu", "", cout)

    plane, blocks = [1, 3, 3], ["1_1", "1_2", "2_1", "2_2", "3_1", "3_2", "3_3", "4_1", "4_2", "4_3"]
    for block in blocks:
        for i in range(2):
            cin = 4 if block == "1_1" and i == 0 else 32
            norm(f"block{block}", i, cin)
            shapes[f"block{block}.conv_{i}.w"] = [*plane, cin, 32]
    for i in range(1, 5):
        layer(f"fuse{i}", [3, 1, 1], 32, 32)
    layer("downsample2", plane, 32, 32)
    layer("pred_up2_1", plane, 32, 4, "deconv_")
    layer("pred_up3_1", plane, 32, 8, "deconv_")
    if target == "en":
        shapes["pred1.w"] = [*plane, 32, 2]
    else:
        layer("downsample1", plane, 32, 32)
        layer("pred_up1", plane, 32, 2, "deconv_")
        layer("pred_up2_2", plane, 4, 4, "deconv_")
        layer("pred_up3_2", plane, 8, 8, "deconv_")
    shapes["final_pred.w"] = [*plane, 14, 2]
    return shapes


def msnet(weights, x, target):
    """x [4,D,H,W], H and W multiples of 4 -> softmax [2,D-8,H,W]."""
    w = {k: torch.tensor(v).to(x.dtype) for k, v in weights.items() if "moving" not in k}

    def norm_act(x, prefix, suffix):
        mean = x.mean(dim=(0, 2, 3, 4), keepdim=True)
        var = ((x - mean) ** 2).mean(dim=(0, 2, 3, 4), keepdim=True)
        each = lambda t: t.view(1, -1, 1, 1, 1)
        x = (x - mean) / torch.sqrt(var + 1e-5)
        x = x * each(w[f"{prefix}.bn_{suffix}.gamma"]) + each(w[f"{prefix}.bn_{suffix}.beta"])
        return torch.where(x > 0, x, x * each(w[f"{prefix}.prelu_acti_{suffix}.alpha"]))

    def conv(x, name, stride=1, dilation=1):
        k = w[name].permute(4, 3, 0, 1, 2)
        if k.shape[2] == 3:
            return F.conv3d(x, k)
        if stride == 2:
            return F.conv3d(F.pad(x, (0, 1, 0, 1)), k, stride=(1, 2, 2))
        return F.conv3d(x, k, padding=(0, dilation, dilation), dilation=(1, dilation, dilation))

    def block(x, name, dilation=1):
        y = x
        for i in range(2):
            y = conv(norm_act(y, name, i), f"{name}.conv_{i}.w", dilation=dilation)
        missing = y.shape[1] - x.shape[1]
        return y + F.pad(x, (0, 0) * 3 + (missing // 2, missing - missing // 2))

    def layer(x, name, stride=1):
        return norm_act(conv(x, f"{name}_bn_prelu.conv_.w", stride), f"{name}_bn_prelu", "")

    def up(x, name):
        h, wd = 2 * x.shape[3], 2 * x.shape[4]
        y = F.conv_transpose3d(x, w[f"{name}_bn_prelu.deconv_.w"].permute(4, 3, 0, 1, 2), stride=(1, 2, 2))
        return norm_act(y[..., :h, :wd], f"{name}_bn_prelu", "")

    deep = target != "en"
    x = layer(block(block(x[None], "block1_1"), "block1_2"), "fuse1")
    if deep:
        x = layer(x, "downsample1", 2)
    f1 = layer(block(block(x, "block2_1"), "block2_2"), "fuse2")
    x = layer(f1, "downsample2", 2)
    f2 = layer(block(block(block(x, "block3_1", 1), "block3_2", 2), "block3_3", 3), "fuse3")
    f3 = layer(block(block(block(f2, "block4_1", 3), "block4_2", 2), "block4_3", 1), "fuse4")
    p1, p2, p3 = f1[:, :, 2:-2], up(f2[:, :, 1:-1], "pred_up2_1"), up(f3, "pred_up3_1")
    if deep:
        p1, p2, p3 = up(p1, "pred_up1"), up(p2, "pred_up2_2"), up(p3, "pred_up3_2")
    else:
        p1 = conv(p1, "pred1.w")
    return torch.softmax(conv(torch.cat([p1, p2, p3], 1), "final_pred.w"), 1)[0]


# ---- unet

def unet_shapes(config):
    kernel = lambda k: [k] * config["dimensions"]
    features, per_stage, shapes = config["features"], config["convs_per_stage"], {}

    def unit(prefix, cin, cout):
        shapes[f"{prefix}.conv.weight"] = [cout, cin, *kernel(3)]
        for name in ("conv.bias", "norm.weight", "norm.bias"):
            shapes[f"{prefix}.{name}"] = [cout]

    cin = config["in_channels"]
    for i, f in enumerate(features):
        for j in range(per_stage):
            unit(f"encoder.{i}.{j}", cin, f)
            cin = f
    for d in range(len(features) - 1):
        f = features[len(features) - 2 - d]
        shapes[f"decoder.{d}.up.weight"] = [cin, f, *kernel(2)]
        shapes[f"decoder.{d}.up.bias"] = [f]
        for j in range(per_stage):
            unit(f"decoder.{d}.{j}", 2 * f if j == 0 else f, f)
        cin = f
    shapes["head.weight"] = [config["out_channels"], cin, *kernel(1)]
    shapes["head.bias"] = [config["out_channels"]]
    return shapes


def unet(weights, x, config):
    """x [C,D,H,W] (D = 1 in two dimensions) -> logits [K,D,H,W]."""
    w = {k: torch.tensor(v).to(x.dtype) for k, v in weights.items()}
    flat = config["dimensions"] == 2
    conv = F.conv2d if flat else F.conv3d
    conv_transpose = F.conv_transpose2d if flat else F.conv_transpose3d

    def unit(x, prefix, stride=1):
        x = conv(x, w[f"{prefix}.conv.weight"], w[f"{prefix}.conv.bias"], stride=stride, padding=1)
        x = F.instance_norm(x, weight=w[f"{prefix}.norm.weight"], bias=w[f"{prefix}.norm.bias"], eps=1e-5)
        return F.leaky_relu(x, 0.01)

    x = x[:, 0][None] if flat else x[None]
    skips = []
    for i in range(len(config["features"])):
        for j in range(config["convs_per_stage"]):
            x = unit(x, f"encoder.{i}.{j}", 2 if i > 0 and j == 0 else 1)
        skips.append(x)
    for d, skip in enumerate(reversed(skips[:-1])):
        x = conv_transpose(x, w[f"decoder.{d}.up.weight"], w[f"decoder.{d}.up.bias"], stride=2)
        x = torch.cat([x, skip], 1)
        for j in range(config["convs_per_stage"]):
            x = unit(x, f"decoder.{d}.{j}")
    y = conv(x, w["head.weight"], w["head.bias"])[0]
    return y[:, None] if flat else y


# ---- files

def write_safetensors(path, tensors, metadata):
    header, blob = {"__metadata__": metadata}, b""
    for name, array in tensors.items():
        data = np.ascontiguousarray(array, dtype="<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [len(blob), len(blob) + len(data)]}
        blob += data
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + blob)


def read_safetensors(path):
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            tensors[name] = np.frombuffer(data[8 + size + begin:8 + size + end], "<f4").reshape(entry["shape"])
    return tensors


def read_nifti(path):
    """The voxels as float64 [z,y,x]."""
    data = gzip.open(path).read()
    nx, ny, nz = struct.unpack("<3h", data[42:48])
    kind = {2: "u1", 4: "<i2", 8: "<i4", 16: "<f4", 64: "<f8", 512: "<u2"}[struct.unpack("<h", data[70:72])[0]]
    offset = int(struct.unpack("<f", data[108:112])[0])
    return np.frombuffer(data, kind, nx * ny * nz, offset).reshape(nz, ny, nx).astype(np.float64)


def real_case(weights_path, case, margin=5):
    weights = read_safetensors(weights_path)
    channels = [read_nifti(next(case.glob(f"*_{c}_bet.nii.gz"))) for c in ("fla", "t1", "t1c", "t2")]
    where = np.argwhere(channels[0] > 0)
    box = tuple(slice(max(0, a - margin), min(n, b + 1 + margin))
                for a, b, n in zip(where.min(0), where.max(0), channels[0].shape))
    shape = channels[0][box].shape
    noise = np.random.default_rng(0)
    depth, height, width = -(-shape[0] // 11) * 11 + 8, -(-shape[1] // 4) * 4, -(-shape[2] // 4) * 4
    x = noise.standard_normal((4, depth, height, width))
    for c, volume in enumerate(channels):
        v = volume[box]
        mask = v > 0
        x[c, 4:4 + shape[0], :shape[1], :shape[2]][v != 0] = ((v - v[mask].mean()) / v[mask].std())[v != 0]
    start, slabs = time.time(), []
    with torch.no_grad():
        for z in range(0, depth - 8, 11):
            slabs.append(msnet(weights, torch.from_numpy(x[:, z:z + 19]).float(), "wt")[1].numpy())
    found = np.concatenate(slabs)[:shape[0], :shape[1], :shape[2]] > 0.5
    truth = read_nifti(case / "fusion" / "simple.nii.gz")
    label = np.zeros(truth.shape, bool)
    label[box] = found
    whole = (truth == 1) | (truth == 2)
    print(f"Dice {2 * (label & whole).sum() / (label.sum() + whole.sum()):.4f}, found {label.sum() / 1000:.1f} ml, "
          f"truth {whole.sum() / 1000:.1f} ml, crop {shape}, {time.time() - start:.1f} s")


# ---- meshnet

def meshnet_shapes(config):
    shapes, cin = {}, 1
    for i in range(len(config["dilations"])):
        shapes[f"layer.{i}.weight"] = [config["channels"], cin, 3, 3, 3]
        if not config["instance_norm"]:
            shapes[f"layer.{i}.bias"] = [config["channels"]]
        cin = config["channels"]
    return {**shapes, "head.weight": [config["out_channels"], cin, 1, 1, 1], "head.bias": [config["out_channels"]]}


def meshnet(weights, x, config):
    """x [1,D,H,W] -> logits [K,D,H,W], by shifted sums in NumPy."""
    erf = np.vectorize(math.erf)
    activations = {"relu": lambda v: np.maximum(v, 0), "elu": lambda v: np.where(v > 0, v, np.expm1(np.minimum(v, 0))),
                   "gelu": lambda v: 0.5 * v * (1 + erf(v / math.sqrt(2)))}
    w = {k: v.astype(np.float64) for k, v in weights.items()}
    x = x.numpy()
    for i, d in enumerate(config["dilations"]):
        padded = np.pad(x, [(0, 0), (d, d), (d, d), (d, d)])
        kernel, y = w[f"layer.{i}.weight"], 0
        for a, b, c in np.ndindex(3, 3, 3):
            part = padded[:, a * d:a * d + x.shape[1], b * d:b * d + x.shape[2], c * d:c * d + x.shape[3]]
            y = y + np.tensordot(kernel[:, :, a, b, c], part, 1)
        if config["instance_norm"]:
            mean, var = y.mean(axis=(1, 2, 3), keepdims=True), y.var(axis=(1, 2, 3), keepdims=True)
            y = (y - mean) / np.sqrt(var + 1e-5)
        else:
            y = y + w[f"layer.{i}.bias"].reshape(-1, 1, 1, 1)
        x = activations[config["activation"]](y)
    y = np.tensordot(w["head.weight"][:, :, 0, 0, 0], x, 1) + w["head.bias"].reshape(-1, 1, 1, 1)
    return torch.from_numpy(y)


def main():
    parser = argparse.ArgumentParser(description="Golden fixtures of the network kinds")
    parser.add_argument("--real", nargs=2, type=pathlib.Path, metavar=("WEIGHTS", "CASE"))
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    if arguments.real:
        return real_case(*arguments.real)
    folder = pathlib.Path(__file__).parent / "fixtures"
    folder.mkdir(exist_ok=True)

    def save(name, shapes, shape, run, config):
        x = make_input(shape)
        with torch.no_grad():
            y = run(make_weights(shapes), torch.from_numpy(x).double()).numpy()
        write_safetensors(folder / f"{name}.safetensors", {"input": x, "output": y},
                          {"config": json.dumps(config), "weights": json.dumps(shapes, separators=(",", ":"))})
        print(f"{name}: {sum(int(np.prod(s)) for s in shapes.values())} weights, output {y.shape} from {y.min():.4f} to "
              f"{y.max():.4f}, standard deviation {y.std():.4f}")

    for target in ("wt", "en"):
        save(f"msnet_{target}", msnet_shapes(target), [4, 19, 24, 20],
             lambda w, x, target=target: msnet(w, x, target), {"kind": "msnet", "target": target})
    for name, dimensions, shape in (("unet", 3, [2, 8, 12, 16]), ("unet2d", 2, [2, 1, 12, 16])):
        config = {"dimensions": dimensions, "in_channels": 2, "out_channels": 3, "features": [4, 8, 12],
                  "convs_per_stage": 2}
        save(name, unet_shapes(config), shape, lambda w, x, config=config: unet(w, x, config), config)
    for activation, norm in (("relu", False), ("elu", False), ("gelu", True)):
        config = {"channels": 9, "out_channels": 3, "dilations": [1, 3, 2], "activation": activation, "instance_norm": norm}
        save(f"meshnet_{activation}", meshnet_shapes(config), [1, 7, 9, 10],
             lambda w, x, config=config: meshnet(w, x, config), config)


if __name__ == "__main__":
    main()
