#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One results folder run by the real nnU-Net v2 (CPU) and by `oncotome predict`, in turns: wall time and peak memory of each stage.

`nnunet_study.py ONCOTOME STAGES SCRATCH [--venv DIR] [--rounds N] [--threads N] [--cases 3 60 3m] [--precision f32 bf16]`. STAGES is oncotome-nnunet-stages, which runs
the same stages with a clock and a memory mark between them; its export comprises the sums of tiles and shares the network's peak, as both run slab by
slab. The image has 256 x 256 x 200 voxels of 1 mm, the network (8, 16, 32 features, patches of 96^3) works at 1.5 mm; cases are a number of classes,
with m for mirroring (else --disable_tta). nnU-Net runs in one process with as many threads, once with glibc's malloc as it is and once told to keep
large blocks; the faster of the two counts. p after a number of classes stands for nnU-Net's plain 3d_fullres network (32 to 320 features in six
stages, patches of 128^3: 8 windows of about 955 GFLOP). Prints JSON, then a table of medians, and of ratios the least and the median over the rounds.
"""
import argparse
import json
import multiprocessing
import os
import pathlib
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "Support"))
from reference_environment import KEEP_BLOCKS, enter  # noqa: E402

STAGES = ("preprocess", "network", "export", "total")


def peak_mb():
    """Greatest resident memory since the last call."""
    status = pathlib.Path("/proc/self/status").read_text()
    pathlib.Path("/proc/self/clear_refs").write_text("5")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def by_nnunet(model, images, output, threads, mirror):
    """The stages of predict_from_files_sequential for one image; run in a process of its own."""
    start = time.perf_counter()
    import torch
    from nnunetv2.inference.export_prediction import export_prediction_from_logits
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
    torch.set_num_threads(threads)
    predictor = nnUNetPredictor(use_mirroring=mirror, device=torch.device("cpu"), allow_tqdm=False)
    predictor.initialize_from_trained_model_folder(model, (0,))
    config, manager = predictor.configuration_manager, predictor.plans_manager
    marks, peaks = [time.perf_counter()], []
    peak_mb()

    def mark():
        marks.append(time.perf_counter())
        peaks.append(peak_mb())

    files = sorted(str(p) for p in pathlib.Path(images).glob("*.nii.gz"))
    data, _, properties = config.preprocessor_class(verbose=False).run_case(files, None, manager, config, predictor.dataset_json)
    mark()
    logits = predictor.predict_logits_from_preprocessed_data(torch.from_numpy(data)).cpu()
    mark()
    export_prediction_from_logits(logits, properties, config, manager, predictor.dataset_json, f"{output}/case")
    mark()
    seconds = dict(zip(STAGES, [b - a for a, b in zip(marks, marks[1:])]))
    return {"seconds": {**seconds, "load": marks[0] - start}, "peak_mb": dict(zip(STAGES, peaks)), "grid": list(data.shape[1:])}


def measured(command, environment):
    """The last line of the command's output as JSON, and the whole process's time and peak."""
    start = time.perf_counter()
    process = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, text=True, env={**os.environ, **environment})
    text = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command[0]} ended with {process.returncode}")
    lines = [line for line in text.splitlines() if line.startswith("{")]
    out = json.loads(lines[-1]) if lines else {"seconds": {}, "peak_mb": {}}
    # A mark between stages also takes back what ru_maxrss holds.
    out["seconds"]["total"], out["peak_mb"]["total"] = seconds, max([usage.ru_maxrss / 1024, *out["peak_mb"].values()])
    return out


def write_folder(root, classes, plain):
    """Model and image of one case; returns the model's folder and what one window costs."""
    import numpy as np
    import SimpleITK as sitk
    import torch
    from nnunet_folder import architecture, build_network, configuration, dataset, intensities, plans, write_model
    from scipy.ndimage import gaussian_filter
    from torch.utils.flop_counter import FlopCounterMode
    patch, features = ([128] * 3, [32, 64, 128, 256, 320, 320]) if plain else ([96] * 3, [8, 16, 32])
    stages = len(features)
    net = architecture(features, [[3] * 3] * stages, [[1] * 3] + [[2] * 3] * (stages - 1), [2] * stages)
    plan = plans(root.name, {"3d_fullres": configuration([1.5] * 3, patch, ["CTNormalization"], net=net)}, intensities(40.0, 60.0, -150.0, 250.0))
    data = dataset(["CT"], {"background": 0, **{f"class_{i}": i for i in range(1, classes)}})
    network, _, _ = build_network(plan, data, "3d_fullres", "nnUNetTrainer")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, 1, *patch))
    (root / "imagesTs").mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(1)
    field = sum(gaussian_filter(random.standard_normal((200, 256, 256)).astype(np.float32), s) * s ** 1.5 for s in (1, 4, 16))
    image = sitk.GetImageFromArray(np.rint(40 + 80 * field / field.std()).astype(np.int16))
    sitk.WriteImage(image, str(root / "imagesTs" / "case_0000.nii.gz"), True, 1)
    return write_model(root, plan, data, "3d_fullres"), counter.get_total_flops() / 1e9


def agreement(first, second):
    import numpy as np
    import SimpleITK as sitk
    a, b = (sitk.GetArrayFromImage(sitk.ReadImage(str(path))) for path in (first, second))
    return float(np.mean(a == b))


def apart(function, *arguments):
    """Calls in a process of its own: a child's ru_maxrss begins with what its parent holds."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


def study(arguments, case):
    classes, mirror, plain = int(case.rstrip("mp")), "m" in case, "p" in case
    root = arguments.scratch / f"Dataset{classes:03d}_{'Plain' if plain else 'Study'}"
    model, gflop = apart(write_folder, root, classes, plain)
    images, rounds = root / "imagesTs", []
    threads = {"OMP_NUM_THREADS": str(arguments.threads), "MKL_NUM_THREADS": str(arguments.threads), "nnUNet_def_n_proc": str(arguments.threads)}
    places = {f"nnUNet_{p}": "/nonexistent" for p in ("raw", "preprocessed", "results")}
    for n in range(arguments.rounds):
        theirs, ours = root / "theirs", root / "ours"
        theirs.mkdir(exist_ok=True)
        child = [sys.executable, __file__, "--child", model, images, theirs, arguments.threads, int(mirror)]
        nnunet = {name: measured(child, {**threads, **places, **malloc}) for name, malloc in (("default", {}), ("keeping", KEEP_BLOCKS))}
        flags = [] if mirror else ["--disable_tta"]
        rounds.append({"nnunet": nnunet, "oncotome": {}, "equal": {}})
        for precision in arguments.precision:
            whole = measured([arguments.oncotome, "predict", "-i", images, "-o", ours, "-m", model, "-f", 0, "--threads", arguments.threads,
                              "--precision", precision, *flags], {})
            staged = measured([arguments.stages, model, images / "case_0000.nii.gz", root / "stages.nii.gz", arguments.threads, int(mirror),
                               precision], {})
            for key in ("seconds", "peak_mb"):
                staged[key]["total"] = whole[key]["total"]
            rounds[-1]["oncotome"][precision] = staged
            rounds[-1]["equal"][precision] = apart(agreement, theirs / "case.nii.gz", ours / "case.nii.gz")
        print(f"{case} round {n}: {json.dumps(rounds[-1])}", file=sys.stderr)
    return {"case": case, "gflop_per_window": gflop, "grid": rounds[0]["nnunet"]["default"]["grid"], "rounds": rounds}


def table(results):
    for result in results:
        for precision in result["rounds"][0]["oncotome"]:
            print(f"\ncase {result['case']}, {precision}, {result['gflop_per_window']:.1f} GFLOP a window, grid {result['grid']}, "
                  f"equal voxels {min(r['equal'][precision] for r in result['rounds']):.6f}")
            print(f"{'':12}{'nnU-Net':>10}{'Oncotome':>10}{'ratio: least, median':>24}{'MB':>12}{'MB':>9}{'ratio':>9}")
            best = [min(r["nnunet"].values(), key=lambda v: v["seconds"]["total"]) for r in result["rounds"]]
            for stage in STAGES:
                both = lambda key: [(b[key][stage], r["oncotome"][precision][key][stage]) for b, r in zip(best, result["rounds"])]
                seconds, memory = both("seconds"), both("peak_mb")
                ratios = [a / b for a, b in seconds]
                middle = lambda pairs, side: statistics.median(p[side] for p in pairs)
                print(f"{stage:12}{middle(seconds, 0):9.2f}s{middle(seconds, 1):9.2f}s{min(ratios):14.2f}{statistics.median(ratios):10.2f}"
                      f"{middle(memory, 0):12.0f}{middle(memory, 1):9.0f}{middle(memory, 0) / middle(memory, 1):9.2f}")


def main():
    parser = argparse.ArgumentParser(description="nnU-Net v2 against Oncotome on one machine")
    parser.add_argument("oncotome", type=pathlib.Path)
    parser.add_argument("stages", type=pathlib.Path)
    parser.add_argument("scratch", type=pathlib.Path)
    parser.add_argument("--venv", type=pathlib.Path, default=HERE.parents[1] / "build" / "nnunet-reference")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cases", nargs="+", default=["3", "60", "3m"])
    parser.add_argument("--precision", nargs="+", default=["f32"])
    arguments = parser.parse_args()
    enter(arguments.venv)
    os.environ.update({f"nnUNet_{p}": "/nonexistent" for p in ("raw", "preprocessed", "results")})
    results = [study(arguments, case) for case in arguments.cases]
    print(json.dumps(results))
    table(results)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        print(json.dumps(by_nnunet(sys.argv[2], sys.argv[3], sys.argv[4], int(sys.argv[5]), sys.argv[6] == "1")))
    else:
        main()
