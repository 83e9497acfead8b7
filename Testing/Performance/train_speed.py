#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Training speed of `oncotome train` and of PyTorch (CPU), in turns, in images per second.

`train_speed.py ONCOTOME SCRATCH [--venv DIR] [--rounds N] [--threads N]`. The same networks of the same sizes, batches of 16 pictures of one channel,
AdamW: ResNet-18 (128 x 128) and the U-Net with two heads (96 x 96, features 16 to 128, Dice + cross entropy). Ours reads the pictures from its
cache and prepares them within the time that is counted; PyTorch gets tensors that are ready, in the faster of its two layouts. Prints a table.
"""
import argparse
import csv
import json
import pathlib
import random
import shutil
import statistics
import struct
import subprocess
import sys
import time
import zlib

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "Support"))
from reference_environment import enter  # noqa: E402

BATCH, IMAGES, FEATURES = 16, 160, [16, 32, 64, 128]
CASES = {"resnet18": 128, "unet_classifier": 96}


def write_png(path, size, value):
    rows = b"".join(b"\0" + bytes(value(x, y) for x in range(size)) for y in range(size))

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", size, size, 8, 0, 0, 0, 0)) +
                     chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def write_training(folder, name, size):
    """Noise with a class and a mask each; two epochs, of which the second is timed."""
    folder.mkdir(parents=True)
    noise = random.Random(1)
    write_png(folder / "mask.png", size, lambda x, y: 255 * (x < size // 2 and y < size // 2))
    with open(folder / "m.csv", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "class", "mask", "part"])
        for i in range(IMAGES + 4):
            write_png(folder / f"{i}.png", size, lambda x, y: noise.randrange(256))
            rows.writerow([f"{i}.png", "ab"[i % 2], "mask.png", "train" if i < IMAGES else "validation"])
    config = {"name": name, "license": "CC0-1.0", "data": {"manifest": "m.csv", "split": "part"},
              "network": {"architecture": name, "in_channels": 1, "input_size": [1, size, size]},
              "image": {"resize": "squash", "rescale": [0, 255], "mean": [0.5], "std": [0.25]}, "epochs": 2, "batch_size": BATCH}
    if name == "unet_classifier":
        tissue = {"value": "49755003", "scheme": "SCT", "meaning": "Morphologically Altered Structure"}
        mass = {"value": "4147007", "scheme": "SCT", "meaning": "Mass"}
        config["network"]["features"] = FEATURES
        config["classes"] = [{"name": "a"}, {"name": "b"}]
        config["class_labels"] = [0, 1]
        config["labels"] = [{"value": 1, "name": "Square", "category": tissue, "type": mass, "color": [200, 0, 0], "lesion": True}]
    (folder / "c.json").write_text(json.dumps(config))


def ours(oncotome, folder, threads):
    shutil.rmtree(folder / "model", ignore_errors=True)
    subprocess.run([oncotome, "train", folder / "c.json", "-o", folder / "model", "--quiet", "--threads", str(threads)], check=True,
                   stdout=subprocess.DEVNULL)
    return json.loads((folder / "model" / "metrics.jsonl").read_text().splitlines()[-1])["images_per_second"]


def unet():
    import torch
    from torch import nn

    def stage(inputs, outputs, stride):
        layers = []
        for i in range(2):
            layers += [nn.Conv2d(inputs if i == 0 else outputs, outputs, 3, stride if i == 0 else 1, 1, bias=False),
                       nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
        return nn.Sequential(*layers)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = nn.ModuleList(stage(([1] + FEATURES)[i], f, 1 if i == 0 else 2) for i, f in enumerate(FEATURES))
            down = list(zip(FEATURES[:0:-1], FEATURES[-2::-1]))
            self.ups = nn.ModuleList(nn.ConvTranspose2d(a, b, 2, 2) for a, b in down)
            self.decoder = nn.ModuleList(stage(2 * b, b, 1) for _, b in down)
            self.head, self.fc = nn.Conv2d(FEATURES[0], 2, 1), nn.Linear(FEATURES[-1], 2)

        def forward(self, x):
            skips = []
            for encoder in self.encoder:
                x = encoder(x)
                skips.append(x)
            classes = self.fc(x.mean((2, 3)))
            for up, decoder, skip in zip(self.ups, self.decoder, skips[-2::-1]):
                x = decoder(torch.cat([up(x), skip], 1))
            return self.head(x), classes

    return Net()


def theirs(name, size, layout):
    import torch
    import torch.nn.functional as F
    import torchvision

    if name == "resnet18":
        net = torchvision.models.resnet18(num_classes=2)
        net.conv1 = torch.nn.Conv2d(1, 64, 7, 2, 3, bias=False)
    else:
        net = unet()
    net = net.train().to(memory_format=layout)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3)
    x = torch.randn(BATCH, 1, size, size).to(memory_format=layout)
    classes = torch.arange(BATCH) % 2
    masks = torch.zeros(BATCH, size, size, dtype=torch.long)
    masks[:, :size // 2, :size // 2] = 1

    def step():
        out = net(x)
        if name == "resnet18":
            loss = F.cross_entropy(out, classes)
        else:
            p = out[0].softmax(1)[:, 1]
            dice = (2 * (p * masks).sum() + 1e-5) / (p.sum() + masks.sum() + 1e-5)
            loss = 1 - dice + F.cross_entropy(out[0], masks) + F.cross_entropy(out[1], classes)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    step()
    begin = time.perf_counter()
    for _ in range(IMAGES // BATCH):
        step()
    return IMAGES / (time.perf_counter() - begin)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("oncotome", type=pathlib.Path)
    parser.add_argument("scratch", type=pathlib.Path)
    parser.add_argument("--venv", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    enter(arguments.venv)
    import torch

    torch.set_num_threads(arguments.threads)
    layouts = {"plain": torch.contiguous_format, "channels last": torch.channels_last}
    print(f"PyTorch {torch.__version__}, {arguments.threads} threads, images/s, medians of {arguments.rounds}")
    for name, size in CASES.items():
        folder = arguments.scratch / name
        shutil.rmtree(folder, ignore_errors=True)
        write_training(folder, name, size)
        rates = {"oncotome": [], **{layout: [] for layout in layouts}}
        for _ in range(arguments.rounds):
            rates["oncotome"].append(ours(arguments.oncotome, folder, arguments.threads))
            for layout, value in layouts.items():
                rates[layout].append(theirs(name, size, value))
        middle = {key: statistics.median(values) for key, values in rates.items()}
        best = max(middle[layout] for layout in layouts)
        text = ", ".join(f"{key} {value:.1f}" for key, value in middle.items())
        print(f"{name}: {text}; ratio {middle['oncotome'] / best:.2f}", flush=True)


if __name__ == "__main__":
    main()
