#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`oncotome predict` gives the labels that nnU-Net v2 gave, and refuses results folders that are broken or malicious.

`check_nnunet.py PROGRAM`. The runs are those of fixtures/nnunet/cases.json (made by make_nnunet_fixtures.py with the real nnunetv2): of all voxels of
a run at least 99.99 % are equal, Dice is at least 0.999 for each class, and grids are those of the files that nnU-Net wrote. Needs numpy and SimpleITK.
"""
import json
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import zipfile

import numpy as np
import SimpleITK as sitk

FOLDER = pathlib.Path(__file__).resolve().parent / "fixtures" / "nnunet"
FAILED = []


def need(good, what):
    if not good:
        FAILED.append(what)
        print("FAILED", what)


def command(program, images, output, model, run):
    out = [program, "predict", "-i", images, "-o", output, "-m", model, "-f", *run["folds"]]
    out += ["-step_size", str(run["step"])] if run["step"] != 0.5 else []
    out += ["--disable_tta"] if not run["mirror"] else []
    out += ["-prev_stage_predictions", FOLDER / run["previous"]] if run["previous"] else []
    out += run.get("more", [])
    return [str(part) for part in out]


def stored(path, name):
    """One tensor of a safetensors file, float32."""
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    entry = json.loads(data[8:8 + size])[name]
    begin, end = entry["data_offsets"]
    return np.frombuffer(data[8 + size + begin:8 + size + end], "<f4").reshape(entry["shape"])


def compare(program, run, scratch):
    name = run["labels"].replace("/predicted", "")
    output = scratch / name.replace("/", "_")
    scratch.mkdir(exist_ok=True)
    done = subprocess.run(command(program, FOLDER / run["images"], output, FOLDER / run["model"], run), capture_output=True, text=True)
    need(done.returncode == 0, f"{name}: exit {done.returncode}, {done.stderr.strip()}")
    if done.returncode != 0:
        return
    pairs = []
    for want_file in sorted((FOLDER / run["labels"]).glob("*.nii.gz")):
        need((output / want_file.name).exists(), f"{name}: no {want_file.name}")
        if not (output / want_file.name).exists():
            return
        want, got = sitk.ReadImage(str(want_file)), sitk.ReadImage(str(output / want_file.name))
        for read in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection"):
            need(np.allclose(getattr(got, read)(), getattr(want, read)(), rtol=0, atol=1e-4), f"{name} {want_file.name}: {read} differs")
        need(got.GetPixelIDTypeAsString() == want.GetPixelIDTypeAsString(), f"{name} {want_file.name}: written as {got.GetPixelIDTypeAsString()}")
        if got.GetSize() != want.GetSize():
            return
        pairs.append((sitk.GetArrayFromImage(got).ravel(), sitk.GetArrayFromImage(want).ravel()))
    got, want = (np.concatenate(side) for side in zip(*pairs))
    differ = int((got != want).sum())
    sizes = lambda c: (2 * ((got == c) & (want == c)).sum(), (got == c).sum() + (want == c).sum())
    dice = [both / all_of if all_of else 1.0 for both, all_of in map(sizes, range(1, run["classes"] + 1))]
    print(f"{name:45} {len(pairs)} images {want.size:7} voxels {differ:4} differ   Dice {' '.join(f'{d:.5f}' for d in dice)}")
    need(differ <= 1e-4 * want.size, f"{name}: {differ} of {want.size} voxels differ")
    need(min(dice) >= 0.999, f"{name}: Dice {min(dice):.5f}")


def on_image(maps, image_file, model):
    """Arrays as nnU-Net's reader laid them, on the image's own grid: there oncotome leaves probabilities."""
    plans = json.loads((model / "plans.json").read_text())
    image = sitk.ReadImage(str(image_file))
    read = sitk.DICOMOrient(image, "RAS") if "Reorient" in plans["image_reader_writer"] else image
    out = []
    for values in maps:
        one = sitk.GetImageFromArray(values.transpose(plans["transpose_backward"]))
        one.CopyInformation(read)
        out.append(sitk.GetArrayFromImage(sitk.Resample(one, image, sitk.Transform(), sitk.sitkNearestNeighbor)))
    return np.stack(out)


def compare_probabilities(program, run, scratch):
    """An .npz is in the orientation of the training's reader, as nnU-Net writes it and its ensembling expects it."""
    output = scratch / "probabilities"
    done = subprocess.run([*command(program, FOLDER / run["images"], output, FOLDER / run["model"], run), "--save_probabilities"],
                          capture_output=True, text=True)
    need(done.returncode == 0, f"{run['labels']} with probabilities: exit {done.returncode}, {done.stderr.strip()}")
    for want_file in sorted((FOLDER / run["stages"]).glob("*.safetensors")) if done.returncode == 0 else []:
        got = np.load(output / f"{want_file.stem}.npz")["probabilities"]
        want = on_image(stored(want_file, "probabilities"), FOLDER / run["images"] / f"{want_file.stem}_0000.nii.gz", FOLDER / run["model"])
        worst = np.abs(got - want).max() if got.shape == want.shape else np.inf
        print(f"{run['labels']:45} {want_file.stem}: probabilities differ by at most {worst:.2g}")
        need(got.dtype == np.float32 and worst < 2e-3, f"{run['labels']} {want_file.stem}: probabilities {got.shape}, by {worst:.2g}")
    shutil.rmtree(output, ignore_errors=True)


# -- what must be refused ------------------------------------------------------------------------------------------------

def rewrite(checkpoint, change):
    """Edits a checkpoint's pickle; its container stays as PyTorch writes it."""
    with zipfile.ZipFile(checkpoint) as old:
        entries = [(i.filename, old.read(i)) for i in old.infolist()]
    with zipfile.ZipFile(checkpoint, "w", zipfile.ZIP_STORED) as new:
        for name, data in entries:
            new.writestr(name, change(data) if name.endswith("/data.pkl") else data)


def call(path):
    """Pickle opcodes that call os.system to make a file."""
    text = f"touch {path}".encode()
    return b"cposix\nsystem\n" + b"X" + struct.pack("<I", len(text)) + text + b"\x85R"


def edit_json(path, change):
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


def architecture(plans):
    return plans["configurations"]["3d_fullres"]["architecture"]["arch_kwargs"]


def stored_as(type_name):
    return lambda model, images, mark: rewrite(model / "fold_0/checkpoint_final.pth", lambda data: data.replace(b"FloatStorage", type_name))


def malicious(model, images, mark):
    rewrite(model / "fold_0/checkpoint_final.pth", lambda data: b"\x80\x02" + call(mark) + b".")


def malicious_beside(model, images, mark):
    rewrite(model / "fold_0/checkpoint_final.pth", lambda data: data[:-2] + b"X\x04\x00\x00\x00evil" + call(mark) + b"u.")


def malicious_weights(model, images, mark):
    rewrite(model / "fold_0/checkpoint_final.pth", lambda data: data[:-2] + b"X\x0f\x00\x00\x00network_weights" + call(mark) + b"u.")


def truncated(model, images, mark):
    path = model / "fold_0/checkpoint_final.pth"
    path.write_bytes(path.read_bytes()[:60000])


def cycle(model, images, mark):
    def change(plans):
        plans["configurations"]["3d_fullres"]["inherits_from"] = "parent"
        plans["configurations"]["parent"] = {"inherits_from": "3d_fullres"}
    edit_json(model / "plans.json", change)


def plans_with(change):
    return lambda model, images, mark: edit_json(model / "plans.json", change)


def of_dataset(change):
    return lambda model, images, mark: edit_json(model / "dataset.json", change)


def without(name):
    return lambda model, images, mark: (model / name).unlink()


def no_second_channel(model, images, mark):
    (images / "case_0001.nii.gz").unlink()


def other_grid(model, images, mark):
    path = str(images / "case_0001.nii.gz")
    sitk.WriteImage(sitk.ReadImage(path)[1:, :, :], path)


def nothing(model, images, mark):
    pass


ONE, TWO, CASCADE = "Dataset901_Isotropic/3d_fullres", "Dataset907_Batchnorm/3d_fullres", "Dataset905_Cascade/3d_cascade_fullres"
# What is done to which run's copy, further arguments, the exit code, and a word of the message.
REFUSED = {
    "a pickle that calls os.system": (ONE, malicious, [], 53, ""),
    "weights that are a call of os.system": (ONE, malicious_weights, [], 53, ""),
    "a truncated checkpoint": (ONE, truncated, [], 53, ""),
    "integer weights": (ONE, stored_as(b"IntStorage"), [], 53, ""),
    "complex weights": (ONE, stored_as(b"ComplexFloatStorage"), [], 53, ""),
    "storages too short for their type": (ONE, stored_as(b"DoubleStorage"), [], 53, ""),
    "plans that inherit in a circle": (ONE, cycle, [], 51, "parent"),
    "more features than the weights have": (ONE, plans_with(lambda p: architecture(p).update(features_per_stage=[4, 8, 16])), [], 53, "encoder.stages.2"),
    "other kernels than the weights have": (ONE, plans_with(lambda p: architecture(p).update(kernel_sizes=[[1, 3, 3]] + [[3] * 3] * 2)), [], 53, "encoder.stages.0"),
    "another class than the weights have": (ONE, of_dataset(lambda d: d["labels"].update(cyst=3)), [], 53, "seg_layers"),
    "a patch its strides do not divide": (ONE, plans_with(lambda p: p["configurations"]["3d_fullres"].update(patch_size=[15, 16, 16])), [], 51, "patch_size"),
    "a network that is not known": (ONE, plans_with(lambda p: p["configurations"]["3d_fullres"]["architecture"].update(network_class_name="a.Mamba")), [], 52, "Mamba"),
    "a preprocessor that is not known": (ONE, plans_with(lambda p: p["configurations"]["3d_fullres"].update(preprocessor_name="MyPreprocessor")), [], 52, "MyPreprocessor"),
    "plans without configurations": (ONE, plans_with(lambda p: p.pop("configurations")), [], 51, "configurations"),
    "no checkpoint": (ONE, without("fold_1/checkpoint_final.pth"), [], 50, "fold_1"),
    "a fold that is not there": (ONE, nothing, ["-f", "3"], 50, "fold_3"),
    "a checkpoint that is not there": (ONE, nothing, ["-chk", "checkpoint_best.pth"], 50, "checkpoint_best.pth"),
    "a channel that is not there": (TWO, no_second_channel, [], 41, ""),
    "channels on two grids": (TWO, other_grid, [], 40, ""),
    "a cascade without its first stage's labels": (CASCADE, nothing, [], 2, "prev_stage_predictions"),
}


def refuse(program, name, runs, scratch):
    which, change, arguments, code, word = REFUSED[name]
    run = {**runs[which], "previous": None}
    mark, alone, images, output = scratch / "mark", scratch / "model", scratch / "images", scratch / "output"
    for folder in (alone, images, output):
        shutil.rmtree(folder, ignore_errors=True)
    model = alone / pathlib.Path(run["model"]).name
    shutil.copytree(FOLDER / run["model"], model)
    shutil.copytree(FOLDER / run["images"], images)
    change(model, images, mark)
    if "-f" in arguments:
        run["folds"] = []
        arguments = arguments[1:]
    done = subprocess.run([*command(program, images, output, model, run), *arguments], capture_output=True, text=True)
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    print(f"{name}: {done.returncode}, {done.stderr.strip()}")
    need(done.returncode == code and len(lines) == 1 and word in done.stderr, f"{name}: wanted exit {code} and one line with '{word}'")
    need(not mark.exists(), f"{name}: the pickle was executed")
    need(not list(output.glob("*.nii.gz")), f"{name}: a result was written")


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    program, runs = sys.argv[1], json.loads((FOLDER / "cases.json").read_text())
    with tempfile.TemporaryDirectory() as folder:
        scratch = pathlib.Path(folder)
        for run in runs:
            compare(program, run, scratch)
        for run in runs:
            if run["probabilities"]:
                compare_probabilities(program, run, scratch)
        named = {r["labels"].replace("/predicted", ""): r for r in runs}
        compare(program, {**named[ONE], "labels": "Dataset901_Isotropic/predicted/postprocessed",
                          "more": ["--postprocessing", FOLDER / "Dataset901_Isotropic/postprocessing.json"]}, scratch)
        for name in REFUSED:
            refuse(program, name, named, scratch)
        shutil.rmtree(scratch / "model")
        model, mark = scratch / "model" / pathlib.Path(named[ONE]["model"]).name, scratch / "mark"
        shutil.copytree(FOLDER / named[ONE]["model"], model)
        for edit in (without("plans.json"), without("dataset.json"), malicious_beside):
            edit(model, None, mark)
        compare(program, {**named[ONE], "model": model}, scratch / "without plans and dataset, a call beside the weights")
        need(not mark.exists(), "a call beside the weights was executed")
        compare(program, {**named[CASCADE], "previous": None}, scratch / "with the first stage's model")
    print(f"{len(FAILED)} failed")
    return 1 if FAILED else 0


if __name__ == "__main__":
    sys.exit(main())
