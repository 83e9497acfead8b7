#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains the demonstration net on phantoms of oncotome-phantom and scores it on phantoms that it never saw.

Needs numpy and PyTorch (1.13 will do), no GPU. Writes weights.safetensors beside itself, its checksum into model.json,
and prints the scores.
  train.py --phantoms BUILD/bin/oncotome-phantom --scratch FOLDER
"""
import argparse
import hashlib
import json
import pathlib
import re
import struct
import subprocess
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

LABELS = [0, 1, 2, 4]
NAMES = {1: "core", 2: "edema", 4: "enhancing"}
# (first seed, count, tumors or None for what the seed chooses)
TRAINING = [(1000, 80, None), (1200, 8, 0)]
VALIDATION = [(2000, 4, None)]
TEST = [(9000, 16, None)]
TEST_EMPTY = [(9900, 4, 0)]


class Unit(nn.Module):
    def __init__(self, cin, cout, stride=1):
        super().__init__()
        self.conv = nn.Conv3d(cin, cout, 3, stride, 1)
        self.norm = nn.InstanceNorm3d(cout, eps=1e-5, affine=True)

    def forward(self, x):
        return F.leaky_relu(self.norm(self.conv(x)), 0.01)


class UNet(nn.Module):
    def __init__(self, cin, cout, features, per_stage):
        super().__init__()
        stage = lambda a, b, stride: [Unit(a if j == 0 else b, b, stride if j == 0 else 1) for j in range(per_stage)]
        before = [cin, *features]
        self.encoder = nn.ModuleList(nn.ModuleList(stage(before[i], f, 1 if i == 0 else 2))
                                     for i, f in enumerate(features))
        self.decoder = nn.ModuleList()
        for deep, f in zip(features[:0:-1], features[-2::-1]):
            units = {str(j): unit for j, unit in enumerate(stage(2 * f, f, 1))}
            self.decoder.append(nn.ModuleDict({"up": nn.ConvTranspose3d(deep, f, 2, 2), **units}))
        self.head = nn.Conv3d(features[0], cout, 1)

    def forward(self, x):
        skips = []
        for stage in self.encoder:
            for unit in stage:
                x = unit(x)
            skips.append(x)
        for step, skip in zip(self.decoder, skips[-2::-1]):
            x = torch.cat([step["up"](x), skip], 1)
            for name, unit in step.items():
                if name != "up":
                    x = unit(x)
        return self.head(x)


def load(path, margin=5):
    """Normalized channels [4,D,H,W] and class indices [D,H,W], cropped to the brain and a margin."""
    data = path.read_bytes()
    w, h, d = np.frombuffer(data, "<i4", 3, 4)
    n = int(w) * int(h) * int(d)
    x = np.frombuffer(data, "<i2", 4 * n, 16).reshape(4, d, h, w).astype(np.float32)
    truth = np.frombuffer(data, "u1", n, 16 + 8 * n).reshape(d, h, w)
    mask = x[0] > 0
    for channel in x:
        channel[:] = np.where(mask, (channel - channel[mask].mean()) / channel[mask].std(), 0)
    where = np.argwhere(mask)
    box = tuple(slice(max(0, a - margin), b + 1 + margin) for a, b in zip(where.min(0), where.max(0)))
    return x[(slice(None), *box)].copy(), np.searchsorted(LABELS, truth[box]).astype(np.int64)


def phantoms(program, scratch, groups):
    cases = []
    for seed, count, tumors in groups:
        if not all((scratch / f"phantom-{s}.raw").exists() for s in range(seed, seed + count)):
            extra = [] if tumors is None else ["--tumors", str(tumors)]
            subprocess.run([program, "--format", "raw", "--seed", str(seed), "--count", str(count), "--output", scratch,
                            *extra], check=True)
        cases += [load(scratch / f"phantom-{s}.raw") for s in range(seed, seed + count)]
    return cases


def sample(cases, patch, random):
    """A random patch, flipped and with changed contrast; two of three have a tumor voxel at their middle."""
    x, y = cases[random.integers(len(cases))]
    middle = [random.integers(n) for n in y.shape]
    found = np.flatnonzero(y) if random.random() < 0.67 else ()
    if len(found):
        wanted = np.flatnonzero(y == random.integers(1, 4))
        found = wanted if len(wanted) else found
        middle = np.unravel_index(found[random.integers(len(found))], y.shape)
    starts = [int(np.clip(m - p // 2, 0, max(0, n - p))) for m, p, n in zip(middle, patch, y.shape)]
    box = tuple(slice(s, s + p) for s, p in zip(starts, patch))
    x, y = x[(slice(None), *box)], y[box]
    short = [(0, p - n) for p, n in zip(patch, y.shape)]
    x, y = np.pad(x, [(0, 0), *short]), np.pad(y, short)
    flips = [a for a in range(3) if random.random() < 0.5]
    x, y = np.flip(x, [a + 1 for a in flips]), np.flip(y, flips)
    gain = random.uniform(0.85, 1.15, (4, 1, 1, 1)).astype(np.float32)
    shift = random.uniform(-0.15, 0.15, (4, 1, 1, 1)).astype(np.float32)
    noise = random.uniform(0, 0.15) * random.standard_normal(x.shape, np.float32)
    return np.where(x != 0, x * gain + shift + noise, 0).astype(np.float32), y.copy()


def loss_of(logits, y):
    p = torch.softmax(logits, 1)
    hot = F.one_hot(y, len(LABELS)).permute(0, 4, 1, 2, 3).to(p.dtype)
    axes = (0, 2, 3, 4)
    dice = (2 * (p * hot).sum(axes) + 1) / (p.sum(axes) + hot.sum(axes) + 1)
    return F.cross_entropy(logits, y) + 1 - dice[1:].mean()


def predict(net, x, patch, overlap):
    """Whole-volume logits by a sliding window with Gaussian weights; the class indices of the unpadded volume."""
    shape = x.shape[1:]
    x = np.pad(x, [(0, 0), *[(0, max(0, p - n)) for p, n in zip(patch, shape)]])
    axes, weight = [], np.ones(patch, np.float32)
    for a, (p, n) in enumerate(zip(patch, x.shape[1:])):
        count = int(np.ceil((n - p) / (p * (1 - overlap)))) + 1
        axes.append([round(i * (n - p) / max(1, count - 1)) for i in range(count)])
        g = np.exp(-0.5 * ((np.arange(p) - (p - 1) / 2) / (p / 8)) ** 2).astype(np.float32)
        weight *= g.reshape([-1 if b == a else 1 for b in range(3)])
    total = np.zeros((len(LABELS), *x.shape[1:]), np.float32)
    for z in axes[0]:
        for y in axes[1]:
            for c in axes[2]:
                box = (slice(None), slice(z, z + patch[0]), slice(y, y + patch[1]), slice(c, c + patch[2]))
                with torch.no_grad():
                    total[box] += net(torch.from_numpy(x[box].copy())[None])[0].numpy() * weight
    return total.argmax(0)[tuple(slice(n) for n in shape)]


def score(net, cases, patch, overlap):
    """Rows of Dice: core, edema, enhancing, whole tumor."""
    rows = []
    for x, y in cases:
        found = predict(net, x, patch, overlap)
        pairs = [(found == c, y == c) for c in (1, 2, 3)] + [(found > 0, y > 0)]
        rows.append([2 * (a & b).sum() / max(1, a.sum() + b.sum()) for a, b in pairs])
    return np.array(rows)


def write_safetensors(path, tensors):
    header, blob = {}, b""
    for name in sorted(tensors):
        data = tensors[name].detach().contiguous().numpy().astype("<f4").tobytes()
        offsets = [len(blob), len(blob) + len(data)]
        header[name] = {"dtype": "F32", "shape": list(tensors[name].shape), "data_offsets": offsets}
        blob += data
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + blob)


def main():
    parser = argparse.ArgumentParser(description="Trains the demonstration net on phantoms")
    parser.add_argument("--phantoms", required=True, help="the program oncotome-phantom")
    parser.add_argument("--scratch", required=True, type=pathlib.Path, help="folder for the phantoms, about 0.9 GB")
    parser.add_argument("--steps", type=int, default=1400)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rate", type=float, default=4e-3)
    parser.add_argument("--seed", type=int, default=20240501)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    random = np.random.default_rng(arguments.seed)
    here = pathlib.Path(__file__).parent
    package = json.loads((here / "model.json").read_text())
    config = package["network"]
    patch, overlap = config["patch_size"], config["overlap"]

    start = time.time()
    training = phantoms(arguments.phantoms, arguments.scratch, TRAINING)
    validation = phantoms(arguments.phantoms, arguments.scratch, VALIDATION)
    print(f"{len(training)} training phantoms ready after {time.time() - start:.0f} s", flush=True)

    net = UNet(config["in_channels"], config["out_channels"], config["features"], config["convs_per_stage"])
    net = net.to(memory_format=torch.channels_last_3d)
    optimizer = torch.optim.AdamW(net.parameters(), arguments.rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, arguments.rate, arguments.steps, pct_start=0.1)
    start, running = time.time(), 0.0
    for step in range(1, arguments.steps + 1):
        batch = [sample(training, patch, random) for _ in range(arguments.batch)]
        x, y = (torch.from_numpy(np.stack(part)) for part in zip(*batch))
        loss = loss_of(net(x.to(memory_format=torch.channels_last_3d)), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        running += loss.item()
        if step % 50 == 0:
            print(f"step {step}: loss {running / 50:.4f}, {time.time() - start:.0f} s", flush=True)
            running = 0.0
        if step % 400 == 0:
            print("validation", score(net, validation, patch, overlap).mean(0).round(4), flush=True)
    print(f"trained {arguments.steps} steps in {time.time() - start:.0f} s")

    path = here / "weights.safetensors"
    write_safetensors(path, net.state_dict())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    text = (here / "model.json").read_text()
    text = re.sub(r'("sha256": )"\w*"', rf'\1"{digest}"', text)
    (here / "model.json").write_text(text)

    rows = score(net, phantoms(arguments.phantoms, arguments.scratch, TEST), patch, overlap)
    for title, value in (("mean", rows.mean(0)), ("least", rows.min(0)), ("greatest", rows.max(0))):
        print(f"test {title:8}", *(f"{n} {v:.3f}" for n, v in zip([*NAMES.values(), "whole"], value)))
    for x, _ in phantoms(arguments.phantoms, arguments.scratch, TEST_EMPTY):
        print(f"without a tumor: {int((predict(net, x, patch, overlap) > 0).sum())} voxels found")


if __name__ == "__main__":
    main()
