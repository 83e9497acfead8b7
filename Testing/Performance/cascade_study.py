#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The brain cascade on a DICOM study, by `oncotome segment` and its networks in PyTorch (CPU), in turns.

`cascade_study.py ONCOTOME STUDY PACKAGE SCRATCH [--venv DIR] [--before ONCOTOME ...] [--precision f32 bf16] [--rounds N] [--threads N]`. PACKAGE
is what `oncotome models import` made of the cascade. PyTorch runs the same networks with the package's weights on noise, in batches of the same
shapes, in the faster of its two layouts; it is told to keep large blocks of memory. --before runs another oncotome in the same turns. Prints JSON,
then a table.
"""
import argparse
import json
import os
import pathlib
import re
import resource
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "Support"))
from reference_environment import KEEP_BLOCKS, enter  # noqa: E402

PLANES = {"axial": (0, 1, 2), "sagittal": (1, 2, 0), "coronal": (0, 2, 1)}
SLAB, BATCH, MARGIN = 19, 5, 5


def batches(size, axes):
    """Shapes [N, 4, D, H, W] of what a plane's network is given for a box of x, y, z voxels."""
    w, h, d = (size[a] for a in axes)
    slabs = -(-d // (SLAB - 8))
    count = -(-slabs // BATCH)
    return [(slabs * (b + 1) // count - slabs * b // count, 4, SLAB, -(-h // 4) * 4, -(-w // 4) * 4) for b in range(count)]


def msnet(weights, x):
    """The network of Wang et al. (arXiv:1709.00382), with the statistics of the batch."""
    import torch
    import torch.nn.functional as F

    def norm_prelu(norm, activation, v):
        return F.prelu(F.batch_norm(v, None, None, weights[norm + ".gamma"], weights[norm + ".beta"], True), weights[activation + ".alpha"])

    def block(name, v, dilation):
        shortcut = F.pad(v, (0, 0, 0, 0, 0, 0, 14, 14)) if v.shape[1] == 4 else v
        for i in "01":
            v = norm_prelu(f"{name}.bn_{i}", f"{name}.prelu_acti_{i}", v)
            v = F.conv3d(v, weights[f"{name}.conv_{i}.w"], padding=(0, dilation, dilation), dilation=(1, dilation, dilation))
        return v + shortcut

    def layer(stem, v, convolve, kernel="conv_"):
        name = stem + "_bn_prelu"
        return norm_prelu(f"{name}.bn_", f"{name}.prelu_acti_", convolve(v, weights[f"{name}.{kernel}.w"]))

    def fuse(stem, v):
        return layer(stem, v, F.conv3d)

    def down(stem, v):
        return layer(stem, F.pad(v, (0, 1, 0, 1)), lambda a, w: F.conv3d(a, w, stride=(1, 2, 2)))

    def up(stem, v):
        return layer(stem, v, lambda a, w: F.conv_transpose3d(a, w, stride=(1, 2, 2))[..., :-1, :-1], "deconv_")

    def planar(name, v):
        return F.conv3d(v, weights[name], padding=(0, 1, 1))

    twice = "downsample1_bn_prelu.conv_.w" in weights
    x = fuse("fuse1", block("block1_2", block("block1_1", x, 1), 1))
    if twice:
        x = down("downsample1", x)
    first = x = fuse("fuse2", block("block2_2", block("block2_1", x, 1), 1))
    x = down("downsample2", x)
    second = x = fuse("fuse3", block("block3_3", block("block3_2", block("block3_1", x, 1), 2), 3))
    third = fuse("fuse4", block("block4_3", block("block4_2", block("block4_1", x, 3), 2), 1))
    first, second = first[:, :, 2:-2], second[:, :, 1:-1]
    parts = [up("pred_up1", first) if twice else planar("pred1.w", first), up("pred_up2_1", second), up("pred_up3_1", third)]
    if twice:
        parts[1:] = [up("pred_up2_2", parts[1]), up("pred_up3_2", parts[2])]
    return torch.softmax(planar("final_pred.w", torch.cat(parts, 1)), 1)


def by_torch(package, sizes, threads, layout):
    """Seconds of all networks of one study, and the peak in MB; run in a process of its own."""
    import torch
    from safetensors.torch import load_file
    torch.set_num_threads(threads)
    format = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last_3d}[layout]
    stored = load_file(pathlib.Path(package) / "weights.safetensors")
    seconds = 0.0
    with torch.inference_mode():
        for region, size in sizes.items():
            for plane, axes in PLANES.items():
                prefix = f"{region}.{plane}."
                weights = {k[len(prefix):]: (v.contiguous(memory_format=format) if v.ndim == 5 else v)
                           for k, v in stored.items() if k.startswith(prefix)}
                for shape in batches(size, axes):
                    x = torch.randn(shape).contiguous(memory_format=format)
                    start = time.perf_counter()
                    msnet(weights, x)
                    seconds += time.perf_counter() - start
    return {"network": seconds, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def by_oncotome(program, arguments, output, flags=()):
    """Seconds and peak of `oncotome segment`, by its report and by the clock; and the report."""
    libraries = str(pathlib.Path(program).resolve().parent.parent / "lib")
    start = time.perf_counter()
    process = subprocess.Popen([program, "segment", arguments.study, "--model", arguments.package, "--output", output, "--overwrite", "--threads",
                                str(arguments.threads), *flags], stdout=subprocess.DEVNULL, env={**os.environ, "LD_LIBRARY_PATH": libraries})
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{program} ended with {process.returncode}")
    report = json.loads((output / "report.json").read_text())
    network = next(t["ms"] for t in report["run"]["timings_ms"] if t["stage"] == "network") / 1000
    return {"network": network, "total": time.perf_counter() - start, "peak_mb": usage.ru_maxrss / 1024}, report


def boxes(report, segmentation):
    """What each region's networks look at: the cropped brain, and the boxes of what was found with a margin."""
    import numpy as np
    import SimpleITK as sitk
    crop = next(re.findall(r"\d+", p["note"]) for p in report["preparation"] if p["step"] == "crop")
    labels = sitk.GetArrayFromImage(sitk.ReadImage(str(segmentation)))
    out = {"whole": tuple(map(int, crop))}
    for region, values in (("core", (1, 2, 4)), ("enhancing", (1, 4))):
        at = np.argwhere(np.isin(labels, values))
        if len(at):
            out[region] = tuple(int(n) + 1 + 2 * MARGIN for n in (at.max(0) - at.min(0))[::-1])
    return out


def main():
    parser = argparse.ArgumentParser(description="The brain cascade against its networks in PyTorch")
    parser.add_argument("oncotome", type=pathlib.Path)
    parser.add_argument("study", type=pathlib.Path)
    parser.add_argument("package", type=pathlib.Path)
    parser.add_argument("scratch", type=pathlib.Path)
    parser.add_argument("--venv", type=pathlib.Path, default=HERE.parents[1] / "build" / "nnunet-reference")
    parser.add_argument("--before", type=pathlib.Path, nargs="*", default=[])
    parser.add_argument("--precision", nargs="+", default=["f32"], help="all others are compared with the first")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    enter(arguments.venv)
    arguments.scratch.mkdir(parents=True, exist_ok=True)
    output = arguments.scratch / "result"
    rounds = []
    for n in range(arguments.rounds):
        row = {}
        for program in arguments.before:
            row[str(program)], _ = by_oncotome(program, arguments, output)
        for precision in arguments.precision:
            row[precision], report = by_oncotome(arguments.oncotome, arguments, output, ["--precision", precision])
        sizes = boxes(report, output / "segmentation.seg.nrrd")
        for layout in ("contiguous", "channels_last"):
            child = [sys.executable, __file__, "--child", str(arguments.package), json.dumps(sizes), str(arguments.threads), layout]
            environment = {**os.environ, **KEEP_BLOCKS, "OMP_NUM_THREADS": str(arguments.threads)}
            row["PyTorch " + layout] = json.loads(subprocess.run(child, env=environment, check=True, capture_output=True, text=True).stdout)
        rounds.append(row)
        print(f"round {n}: {json.dumps(row)}", file=sys.stderr)
    print(json.dumps({"boxes": sizes, "rounds": rounds}))
    mine = arguments.precision[0]
    for name in rounds[0]:
        middle = {key: statistics.median(r[name].get(key, float("nan")) for r in rounds) for key in ("network", "total", "peak_mb")}
        ratios = [r[name]["network"] / r[mine]["network"] for r in rounds]
        print(f"{name:45} network {middle['network']:7.2f} s  total {middle['total']:7.2f} s  peak {middle['peak_mb']:6.0f} MB"
              f"  network against {mine}: least {min(ratios):.2f}, median {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        print(json.dumps(by_torch(sys.argv[2], json.loads(sys.argv[3]), int(sys.argv[4]), sys.argv[5])))
    else:
        main()
