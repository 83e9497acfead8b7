#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes fixtures/nnunet: toy results folders of nnU-Net v2, small images, and what the real nnunetv2 makes of them, stage by stage.

`make_nnunet_fixtures.py [--venv DIR] [KIND...]`; the first run installs the pinned packages into DIR. Beside each model, per image:
imagesTs/CASE_000C.nii.gz, predicted/NAME/CASE.nii.gz (the program's own output) and stages/NAME/CASE.safetensors with
  image         [C,z,y,x]  as the reader gives it
  preprocessed  [C,d,h,w]  F32, with a previous stage's labels as further channels
  tile          [K,patch]  F32, the first fold's network on the first tile, not mirrored
  logits        [K,d,h,w]  F16, accumulated, averaged over the folds
  resampled     [K,d,h,w]  F16 (resample_torch_fornnunet: F32) on the cropped image's grid
  labels        [d,h,w]    U8, of the whole image, transposed forward
  probabilities [K,z,y,x]  F32, where asked; the labels come from these then
and the metadata "case": {"spacing" z,y,x as read, "box" of the crop [[first, end]...], "shape" before the crop}. cases.json lists all runs.
"""
import argparse
import contextlib
import io
import json
import os
import pathlib
import shutil
import sys
import warnings

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "Support"))
from reference_environment import enter  # noqa: E402

FOLDER = HERE / "fixtures" / "nnunet"


def arguments():
    parser = argparse.ArgumentParser(description="Golden fixtures of nnU-Net v2")
    parser.add_argument("--venv", type=pathlib.Path, default=HERE.parents[1] / "build" / "nnunet-reference")
    parser.add_argument("kinds", nargs="*")
    return parser.parse_args()


if __name__ == "__main__":
    enter(arguments().venv)
for place in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
    os.environ.setdefault(place, "/nonexistent")
os.environ["nnUNet_def_n_proc"] = "1"
warnings.simplefilter("ignore")

import numpy as np  # noqa: E402
import SimpleITK as sitk  # noqa: E402
import torch  # noqa: E402
from acvl_utils.cropping_and_padding.padding import pad_nd_image  # noqa: E402
from nnunetv2.inference.export_prediction import convert_predicted_logits_to_segmentation_with_correct_shape as export  # noqa: E402
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor  # noqa: E402
from nnunetv2.postprocessing.remove_connected_components import remove_all_but_largest_component_from_segmentation as keep_largest  # noqa: E402
from nnunetv2.utilities.label_handling.label_handling import convert_labelmap_to_one_hot  # noqa: E402
from safetensors.numpy import save_file  # noqa: E402
from scipy.ndimage import gaussian_filter  # noqa: E402

from nnunet_folder import (TORCH, architecture, configuration, dataset, intensities, plans, resampling,  # noqa: E402
                           write_model)


def cube(n):
    return [[n] * 3]


NET = architecture([4, 8, 8], cube(3) * 3, [[1] * 3, [2] * 3, [2] * 3], [1, 2, 2])
SMALL = architecture([4, 8], cube(3) * 2, [[1] * 3, [2] * 3], [2, 2])
RESIDUAL = architecture([4, 8, 8], [[1, 3, 3], [3, 3, 3], [3, 3, 3]], [[1, 1, 1], [1, 2, 2], [2, 2, 2]], [1, 2, 2], residual=True)
OLD_2D = {"UNet_class_name": "PlainConvUNet", "UNet_base_num_features": 4, "unet_max_num_features": 8, "n_conv_per_stage_encoder": [2, 2, 2],
          "n_conv_per_stage_decoder": [2, 2], "num_pool_per_axis": [2, 2], "pool_op_kernel_sizes": [[1, 1], [2, 2], [2, 2]],
          "conv_kernel_sizes": [[3, 3]] * 3}
Z, CT, NONE, TO_1 = "ZScoreNormalization", "CTNormalization", "NoNormalization", "RescaleTo01Normalization"
THREE = {"background": 0, "organ": 1, "tumor": 2}


def texture(shape, seed, mean, scale):
    random = np.random.default_rng(seed)
    smooth = gaussian_filter(random.standard_normal(shape), 2.0)
    return mean + scale * (smooth / smooth.std() + 0.3 * random.standard_normal(shape))


def head(shape, seed, mean, scale):
    """Zero outside of an ellipsoid and in two holes, one of which is open to the outside."""
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij"))
    inside = (grid ** 2).sum(0) < 0.55
    inside &= ((grid - 0.2) ** 2).sum(0) > 0.03
    inside &= ~((np.abs(grid[1] + 0.1) < 0.12) & (np.abs(grid[2]) < 0.15) & (grid[0] > 0))
    return np.where(inside, np.maximum(texture(shape, seed, mean, scale), 1), 0)


def turned(degrees):
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return [c, -s, 0, s, c, 0, 0, 0, 1]


# Of each image: shape and spacing z, y, x.
KINDS = {
    "Dataset901_Isotropic": {
        "data": dataset(["MR"], THREE), "folds": (0, 1), "optimizer": True,
        "configurations": {"3d_fullres": configuration([1.2] * 3, [16] * 3, [Z], net=NET)},
        "images": {"case": ((22, 24, 26), (1.0, 1.1, 0.9)), "small": ((10, 13, 15), (1.3, 1.0, 1.1))}, "direction": turned(8),
        "variants": {"fold_1": {"folds": (1,), "mirror": False, "step": 0.7}}},
    "Dataset902_Anisotropic": {
        "data": dataset(["MR"], THREE), "trainer": "nnUNetTrainer_onlyMirror01", "mirror": (0, 1), "reader": "NibabelIO", "forward": (2, 0, 1),
        "configurations": {"3d_fullres": configuration([3.2, 1.0, 1.0], [8, 16, 16], [Z], net=RESIDUAL)},
        "images": {"case": ((24, 26, 14), (0.9, 0.8, 4.0)), "even": ((20, 22, 18), (1.4, 1.4, 1.4))}, "direction": [0, 0, 1, 1, 0, 0, 0, 1, 0]},
    "Dataset903_Plane": {
        "data": dataset(["MR"], THREE, legacy=True), "mirror": (0, 1), "by": "modality", "type": np.uint8,
        "configurations": {"2d": configuration([1.2, 1.0], [16, 20], [Z], **OLD_2D)}, "texture": (texture, 120, 35),
        "images": {"case": ((12, 24, 29), (4.0, 0.9, 1.1)), "thin": ((3, 17, 33), (1.5, 1.2, 0.8))}},
    "Dataset904_Regions": {
        "data": dataset(["CT"], {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "enhancing": 3}, [1, 2, 3]),
        "mirror": (0, 2), "reader": "SimpleITKIOWithReorient", "probabilities": True, "direction": [0, 1, 0, -1, 0, 0, 0, 0, -1],
        "configurations": {"3d_fullres": configuration([1.5, 1.2, 1.2], [8, 16, 16], [CT], resample=resampling(TORCH), net=NET)},
        "images": {"case": ((20, 24, 22), (1.1, 1.4, 1.0)), "thick": ((9, 20, 24), (5.0, 1.3, 1.1))}, "texture": (texture, -100, 250)},
    "Dataset905_Cascade": {
        "data": dataset(["CT"], THREE), "mirror": (1, 2),
        "configurations": {
            "3d_lowres": configuration([2.2] * 3, [8, 8, 12], [CT], net=SMALL, next_stage="3d_cascade_fullres"),
            "3d_fullres": configuration([1.2] * 3, [16] * 3, [CT], net=NET),
            "3d_cascade_fullres": {"inherits_from": "3d_fullres", "previous_stage": "3d_lowres"}},
        "run": ["3d_lowres", "3d_cascade_fullres"], "previous": {"3d_cascade_fullres": "3d_lowres"},
        "images": {"case": ((22, 24, 26), (1.0, 1.1, 0.9))}, "texture": (texture, 40, 60)},
    "Dataset906_Masked": {
        "data": dataset(["T1", "FLAIR"], {**THREE, "ignore": 3}), "reader": "NibabelIOWithReorient", "probabilities": True,
        "configurations": {"3d_fullres": configuration([1.2] * 3, [16] * 3, [Z, Z], masked=True, net=NET)}, "type": np.uint8,
        "images": {"case": ((26, 30, 28), (1.1, 1.0, 1.3))}, "direction": [0, 1, 0, 0, 0, -1, 1, 0, 0], "texture": (head, 120, 30)},
    "Dataset907_Batchnorm": {
        "data": dataset(["a", "b"], THREE), "trainer": "nnUNetTrainerBN", "mirror": None,
        "configurations": {"3d_fullres": configuration([1.0, 1.1, 0.9], [8, 12, 16], [NONE, TO_1], resample=resampling(force=False), net=SMALL)},
        "images": {"case": ((18, 24, 25), (1.0, 1.1, 0.9))}, "texture": (texture, 3, 2)},
}


def write_images(folder, kind):
    make, mean, scale = kind.get("texture", (texture, 300, 80))
    kind_type = kind.get("type", np.int16)
    names = kind["data"].get("channel_names") or kind["data"]["modality"]
    folder.mkdir(parents=True)
    for number, (name, (shape, spacing)) in enumerate(kind["images"].items()):
        for channel in range(len(names)):
            values = np.rint(make(shape, 10 * number + channel, mean, scale)).clip(np.iinfo(kind_type).min, np.iinfo(kind_type).max)
            image = sitk.GetImageFromArray(values.astype(kind_type))
            image.SetSpacing(spacing[::-1])
            image.SetOrigin((-12.5, 30.25, 7.75))
            image.SetDirection(kind.get("direction", [1, 0, 0, 0, 1, 0, 0, 0, 1]))
            sitk.WriteImage(image, str(folder / f"{name}_{channel:04d}.nii.gz"), True, 9)


def stages(predictor, files, previous, probabilities):
    """What predict_from_files_sequential does, with everything in between kept."""
    manager, config, labels = predictor.plans_manager, predictor.configuration_manager, predictor.label_manager
    image, _ = manager.image_reader_writer_class().read_images(files)
    data, seg, properties = config.preprocessor_class(verbose=False).run_case(files, previous, manager, config, predictor.dataset_json)
    if previous:
        data = np.vstack((data, convert_labelmap_to_one_hot(seg[0], labels.foreground_labels, data.dtype)))
    padded, _ = pad_nd_image(torch.from_numpy(data), config.patch_size, "constant", {"value": 0}, True, None)
    with torch.inference_mode():
        predictor.network.load_state_dict(predictor.list_of_parameters[0])
        tile = predictor.network.eval()(padded[predictor._internal_get_sliding_window_slicers(padded.shape[1:])[0]][None])[0]
    logits = predictor.predict_logits_from_preprocessed_data(torch.from_numpy(data)).cpu()
    spacing = [properties["spacing"][i] for i in manager.transpose_forward]
    current = config.spacing if len(config.spacing) == 3 else [spacing[0], *config.spacing]
    resampled = config.resampling_fn_probabilities(logits, properties["shape_after_cropping_and_before_resampling"], current, spacing)
    exported = export(logits, manager, config, labels, properties, return_probabilities=probabilities)
    final = exported[0] if probabilities else exported
    out = {"image": image.astype(np.float32), "preprocessed": data, "tile": tile.numpy(), "logits": logits.numpy(),
           "resampled": np.asarray(resampled), "labels": final.transpose(manager.transpose_forward).astype(np.uint8)}
    if np.array_equal(image, np.rint(image)):
        out["image"] = image.astype(np.int16)
    if probabilities:
        out["probabilities"] = exported[1]
    case = {"spacing": [float(s) for s in properties["spacing"]], "box": [[int(a), int(b)] for a, b in properties["bbox_used_for_cropping"]],
            "shape": [int(n) for n in properties["shape_before_cropping"]]}
    return {k: np.ascontiguousarray(v) for k, v in out.items()}, case, final


def predict(root, model, kind, name, run, record):
    """One run of the real predictor over the folder of images, its files checked against the stages that are stored."""
    folds = run.get("folds", kind.get("folds", (0,)))
    predictor = nnUNetPredictor(tile_step_size=run.get("step", 0.5), use_mirroring=run.get("mirror", True), device=torch.device("cpu"), allow_tqdm=False)
    predictor.initialize_from_trained_model_folder(str(model), folds)
    previous = run.get("previous")
    output, probabilities = root / "predicted" / name, kind.get("probabilities", False)
    output.mkdir(parents=True)
    predictor.predict_from_files_sequential(str(root / "imagesTs"), str(output), False, True, str(previous) if previous else None)
    for extra in output.glob("*.json"):
        extra.unlink()
    writer = predictor.plans_manager.image_reader_writer_class()
    for case in kind["images"]:
        files = sorted(str(p) for p in (root / "imagesTs").glob(f"{case}_*.nii.gz"))
        tensors, about, final = stages(predictor, files, str(previous / f"{case}.nii.gz") if previous else None, probabilities)
        written = writer.read_seg(str(output / f"{case}.nii.gz"))[0][0]
        differ = int((written != final).sum())
        assert differ == 0 or probabilities, f"{name} {case}: the stages differ from the program's file"
        if run.get("stages", True):
            (root / "stages" / name).mkdir(parents=True, exist_ok=True)
            save_file(tensors, root / "stages" / name / f"{case}.safetensors", {"case": json.dumps(about)})
        share = np.bincount(final.ravel().astype(int), minlength=2) / final.size
        print(f"{root.name} {name} {case}: {final.shape}, classes {np.round(share, 3)}, logits to {np.abs(tensors['logits'].astype(float)).max():.1f}"
              + (f", {differ} voxels by probabilities differ" if probabilities else ""), file=sys.stderr)
    record.append({"model": str(model.relative_to(FOLDER)), "images": str((root / "imagesTs").relative_to(FOLDER)), "labels": str(output.relative_to(FOLDER)),
                   "folds": [str(f) for f in folds], "step": run.get("step", 0.5), "mirror": run.get("mirror", True), "probabilities": probabilities,
                   "previous": str(previous.relative_to(FOLDER)) if previous else None, "classes": len(predictor.label_manager.foreground_labels),
                   "stages": str((root / "stages" / name).relative_to(FOLDER)) if run.get("stages", True) else None})


def postprocess(root, name):
    """A postprocessing.json in nnU-Net's form and what it makes of one result."""
    steps = [{"labels_or_regions": [1, 2]}, {"labels_or_regions": 2, "background_label": 0}]
    (root / "postprocessing.json").write_text(json.dumps({"postprocessing_fns": [keep_largest.__name__] * 2, "postprocessing_kwargs": steps}, indent=1) + "\n")
    image = sitk.ReadImage(str(root / "predicted" / name / "case.nii.gz"))
    labels = sitk.GetArrayFromImage(image)
    kept = labels
    for step in steps:
        kept = keep_largest(kept, **step)
    assert (kept != labels).any()
    out = sitk.GetImageFromArray(kept)
    out.CopyInformation(image)
    (root / "predicted" / "postprocessed").mkdir()
    sitk.WriteImage(out, str(root / "predicted" / "postprocessed" / "case.nii.gz"), True, 9)


def make(name, kind):
    root, record = FOLDER / name, []
    shutil.rmtree(root, ignore_errors=True)
    write_images(root / "imagesTs", kind)
    ct = name in ("Dataset904_Regions", "Dataset905_Cascade")
    channels = len(kind["data"].get("channel_names") or kind["data"]["modality"])
    plan = plans(name, kind["configurations"], intensities(60.0, 90.0, -180.0, 240.0, channels) if ct else intensities(300.0, 80.0, 10.0, 600.0, channels),
                 kind.get("reader", "SimpleITKIO"), kind.get("forward", (0, 1, 2)), kind.get("by", "channel"))
    for number, config in enumerate(kind.get("run", list(kind["configurations"]))):
        model = write_model(root, plan, kind["data"], config, kind.get("folds", (0,)), kind.get("trainer", "nnUNetTrainer"),
                            kind.get("mirror", (0, 1, 2)), 100 + 10 * number, kind.get("optimizer", False))
        before = kind.get("previous", {}).get(config)
        predict(root, model, kind, config, {"previous": root / "predicted" / before} if before else {}, record)
        for variant, run in kind.get("variants", {}).items():
            predict(root, model, kind, variant, {**run, "stages": False}, record)
    if name == "Dataset901_Isotropic":
        postprocess(root, "3d_fullres")
    return record


def write_cases(name, made):
    listed = FOLDER / "cases.json"
    records = json.loads(listed.read_text()) if listed.exists() else []
    records = [r for r in records if not r["model"].startswith(name + "/")] + made
    listed.write_text(json.dumps(sorted(records, key=lambda r: r["labels"]), indent=1) + "\n")


def main():
    torch.set_num_threads(1)
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in arguments().kinds or KINDS:
        with contextlib.redirect_stdout(io.StringIO()):
            write_cases(name, make(name, KINDS[name]))
    print(f"{sum(p.stat().st_size for p in FOLDER.rglob('*') if p.is_file()) / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
