#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes fixtures/nnunet_window.json: what the real nnunetv2 makes of made-up logits, as 64-bit FNV-1a hashes.

`make_nnunet_window_fixture.py [--venv DIR]`. Importance maps are hashed as halves, labels as bytes. Logit i of a case is
half(((i * 2654435761 mod 2^32) / 2^20 mod levels - levels / 2) * unit + lead), where lead is `unit * levels` for the class
(z / 3 + y / 3 + x / 3) mod K and 0 for others: ties abound, and so do voxels whose neighbors agree.
"""
import argparse
import json
import os
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "Support"))
from reference_environment import enter  # noqa: E402

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Numbers of nnU-Net's sliding window and export")
    parser.add_argument("--venv", type=pathlib.Path, default=HERE.parents[1] / "build" / "nnunet-reference")
    enter(parser.parse_args().venv)
for place in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
    os.environ.setdefault(place, "/nonexistent")

import numpy as np  # noqa: E402
import torch  # noqa: E402
from nnunetv2.inference.sliding_window_prediction import compute_gaussian, compute_steps_for_sliding_window  # noqa: E402
from nnunetv2.preprocessing.resampling.default_resampling import resample_data_or_seg_to_shape  # noqa: E402
from nnunetv2.preprocessing.resampling.resample_torch import resample_torch_fornnunet  # noqa: E402
from nnunetv2.utilities.label_handling.label_handling import LabelManager  # noqa: E402

PATCHES = [[8, 8, 8], [5, 7, 9], [16, 12, 20], [32, 28, 36], [10, 64, 48], [96, 3, 40], [64, 64, 64], [40, 56], [33, 512], [128, 128, 128],
           [28, 256, 224], [80, 192, 160]]
STEPS = [(extent, tile, step) for extent, tile in [(110, 64), (64, 64), (65, 64), (200, 48), (333, 96), (77, 10)] for step in (0.5, 0.8, 0.3, 1.0)]
UP = ((12, 16, 14), (18, 24, 21))  # Weights in sixths: sums midway between halves.
CASES = [
    dict(shapes=UP, K=4, levels=5, unit=1 / 64),
    dict(shapes=UP, K=7, levels=3, unit=0.5),
    dict(shapes=UP, K=3, levels=4, unit=2.0**-24),
    dict(shapes=UP, K=5, levels=64, unit=1 / 16),
    dict(shapes=((9, 11, 13), (14, 17, 23)), K=6, levels=9, unit=1 / 32),
    dict(shapes=((20, 22, 19), (13, 15, 11)), K=6, levels=9, unit=1 / 32),
    dict(shapes=((1, 11, 13), (1, 17, 23)), K=6, levels=9, unit=1 / 32),
    dict(shapes=((12, 16, 14), (12, 24, 21)), K=4, levels=5, unit=1 / 64, current=(5, 1.5, 1.5), new=(5, 1, 1)),
    dict(shapes=((10, 16, 14), (15, 24, 21)), K=4, levels=5, unit=1 / 64, current=(6, 1.5, 1.5), new=(4, 1, 1)),
    dict(shapes=((16, 10, 14), (24, 15, 21)), K=4, levels=5, unit=1 / 64, current=(1.5, 6, 1.5), new=(1, 4, 1)),
    dict(shapes=((16, 14, 10), (24, 21, 14)), K=4, levels=5, unit=1 / 64, current=(1, 1, 2), new=(0.6, 0.6, 2)),
    dict(shapes=UP, K=4, levels=5, unit=1 / 64, order=0),
    dict(shapes=UP, K=4, levels=5, unit=1 / 64, function="torch"),
    dict(shapes=((9, 11, 13), (14, 17, 23)), K=6, levels=9, unit=1 / 32, function="torch"),
    dict(shapes=((20, 22, 19), (13, 15, 11)), K=6, levels=3, unit=1 / 32, function="torch"),
    dict(shapes=((10, 16, 14), (15, 24, 21)), K=4, levels=5, unit=1 / 64, current=(6, 1.5, 1.5), new=(4, 1, 1), function="torch"),
    dict(shapes=UP, K=3, levels=5, unit=2.0**-24, regions=True),
    dict(shapes=UP, K=3, levels=5, unit=1 / 8, regions=True),
    dict(shapes=UP, K=2, levels=5, unit=2.0**-24, regions=True, function="torch"),
]


def fnv(values):
    out = 0xCBF29CE484222325
    for byte in values.tobytes():
        out = (out ^ byte) * 0x100000001B3 % 2**64
    return f"{out:016x}"


def logits_of(case):
    shape = (case["K"], *case["shapes"][0])
    i = np.arange(np.prod(shape), dtype=np.uint64)
    levels = ((i * 2654435761 % 2**32) >> 20) % case["levels"]
    noise = levels.astype(float).reshape(shape) - case["levels"] // 2
    k, z, y, x = np.indices(shape)
    lead = (k == (z // 3 + y // 3 + x // 3) % case["K"]) * case["levels"]
    return torch.from_numpy(((noise + lead) * case["unit"]).astype(np.float16))


def labels_of(case):
    names = {"background": 0, **{f"label {k}": k for k in range(1, case["K"])}}
    manager = LabelManager(names, None)
    if case["regions"]:
        names = {"background": 0, **{f"label {k}": [k, k + 1] for k in range(1, case["K"] + 1)}}
        manager = LabelManager(names, list(range(1, case["K"] + 1)))
    function, options = (resample_torch_fornnunet, {}) if case["function"] == "torch" else (
        resample_data_or_seg_to_shape, {"order": case["order"], "order_z": 0})
    out = function(logits_of(case), case["shapes"][1], case["current"], case["new"], is_seg=False, force_separate_z=None, **options)
    return np.asarray(manager.convert_logits_to_segmentation(out)).astype(np.uint8)


if __name__ == "__main__":
    importance = []
    for patch in PATCHES:
        halves = compute_gaussian(tuple(patch), sigma_scale=1.0 / 8, value_scaling_factor=10, device=torch.device("cpu")).numpy()
        importance.append({"patch": patch, "hash": fnv(halves)})
    starts = [{"extent": e, "tile": t, "step": s, "starts": compute_steps_for_sliding_window((e,), (t,), s)[0]} for e, t, s in STEPS]
    export = []
    for case in CASES:
        case = {"current": (1.5, 1.5, 1.5), "new": (1, 1, 1), "order": 1, "function": "standard", "regions": False, **case}
        export.append({**case, "hash": fnv(labels_of(case))})
    lines = [f'"{name}": [\n' + ",\n".join(json.dumps(row) for row in rows) + "\n]"
             for name, rows in (("importance", importance), ("starts", starts), ("export", export))]
    (HERE / "fixtures" / "nnunet_window.json").write_text("{" + ",\n".join(lines) + "}\n")
