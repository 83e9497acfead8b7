#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What PyTorch's ResNet-18 makes of the patches of Data/Models/lung-nodule in as much processor time as our model took.

`nodule_resnet18.py MANIFEST MINUTES [--venv DIR] [--threads N]`. MANIFEST is what lung-nodule/prepare.py wrote. The same split, input
(48 x 48), augmentation (mirrored, turned, shifted, scaled, contrast, noise, mixup) and loss; torchvision's network from random weights,
AdamW, one cosine over the time, batches of 64, a moving average of the weights. Prints what the model card has, over the epochs' best AUC.
"""
import argparse
import csv
import math
import pathlib
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "Support"))
from reference_environment import enter  # noqa: E402


def load(manifest, part):
    import numpy as np
    import torch
    from PIL import Image
    with open(manifest, newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["part"] == part]
    small = []
    for row in rows:
        image = np.array(Image.open(manifest.parent / row["path"]).convert("L"), np.float32)
        small.append(torch.nn.functional.interpolate(torch.from_numpy(image)[None, None] / 255, (48, 48), mode="bilinear", antialias=True))
    small = torch.cat(small)
    return small, torch.tensor([row["class"] == "nodule" for row in rows]).long()


def augmented(x):
    import torch
    n = len(x)
    angle, scale = torch.rand(n) * 2 * math.pi, 0.85 + 0.35 * torch.rand(n)
    cos, sin, mirror = torch.cos(angle) / scale, torch.sin(angle) / scale, torch.randint(0, 2, (n,)) * 2 - 1
    shift = (torch.rand(2, n) - 0.5) * 0.24
    theta = torch.stack([cos * mirror, -sin, shift[0], sin * mirror, cos, shift[1]], 1).view(n, 2, 3)
    grid = torch.nn.functional.affine_grid(theta, x.shape, align_corners=False)
    x = torch.nn.functional.grid_sample(x, grid, padding_mode="border", align_corners=False)
    column = lambda low, high: torch.empty(n, 1, 1, 1).uniform_(low, high)
    mean = x.mean((1, 2, 3), keepdim=True)
    x = (x - mean) * column(0.8, 1.2) + mean + column(-0.08, 0.08)
    return x + torch.randn_like(x) * column(0, 0.03)


def recall_at(truth, p, specificity):
    order = (-p).argsort()
    negatives = (1 - truth[order]).cumsum(0)
    taken = negatives <= (1 - specificity) * (1 - truth).sum()
    return float(truth[order][taken].sum() / truth.sum())


def auc(truth, p):
    ranks = p.argsort().argsort().double() + 1
    positives = truth.sum()
    return float((ranks[truth == 1].sum() - positives * (positives + 1) / 2) / (positives * (len(truth) - positives)))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("manifest", type=pathlib.Path)
    parser.add_argument("minutes", type=float)
    parser.add_argument("--venv", type=pathlib.Path)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    enter(arguments.venv)
    import torch
    import torchvision
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

    torch.set_num_threads(arguments.threads)
    torch.manual_seed(1)
    (x, y), (vx, vy) = load(arguments.manifest, "train"), load(arguments.manifest, "validation")
    net = torchvision.models.resnet18(num_classes=2)
    net.conv1 = torch.nn.Conv2d(1, 64, 7, 2, 3, bias=False)
    net = net.to(memory_format=torch.channels_last)
    average = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(0.999), use_buffers=True)
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=0.05)
    start, best = time.process_time(), (0.0, 0.0)
    while (done := (time.process_time() - start) / 60 / arguments.minutes) < 1:
        net.train()
        for indices in torch.randperm(len(x)).split(64):
            done = min(1.0, (time.process_time() - start) / 60 / arguments.minutes)
            for group in optimizer.param_groups:
                group["lr"] = 2e-3 * min(1, done * 30) * (1 + math.cos(math.pi * done)) / 2
            share = float(torch.distributions.Beta(0.2, 0.2).sample())
            batch = (augmented(x[indices]) - 0.35) / 0.3
            batch = (share * batch + (1 - share) * batch.flip(0)).contiguous(memory_format=torch.channels_last)
            out = net(batch)
            loss = sum(w * torch.nn.functional.cross_entropy(out, t, label_smoothing=0.05)
                       for w, t in ((share, y[indices]), (1 - share, y[indices].flip(0))))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            average.update_parameters(net)
        average.eval()
        with torch.no_grad():
            p = torch.cat([sum(average((torch.flip(b, f) - 0.35) / 0.3).softmax(1)[:, 1] for f in ([], [2], [3], [2, 3])) / 4
                           for b in vx.split(256)])
        best = max(best, (auc(vy, p), recall_at(vy, p, 0.982)))
        print(f"{done * arguments.minutes:.1f} min: AUC {auc(vy, p):.4f}, recall at specificity 0.982 {recall_at(vy, p, 0.982):.3f}", flush=True)
    print(f"PyTorch {torch.__version__}, ResNet-18: best AUC {best[0]:.4f}, recall {best[1]:.3f}")


if __name__ == "__main__":
    main()
