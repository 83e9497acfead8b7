#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes fixtures/monai beside itself: bundles in the layout of MONAI's model zoo, with random weights, and what MONAI makes of them.

Needs MONAI 1.5.1, PyTorch 2.11, nibabel, scikit-image and safetensors. Each bundle has configs/metadata.json, configs/inference.json and
models/model.pt or model.ts or both; `<bundle>.nii.gz` are the labels that its own inference.json gives (ConfigParser, the transforms and the
inferer as the evaluator runs them) for ct.nii.gz or mri_{0..3}.nii.gz, which lie oblique and with axes named otherwise than R, A, S.
networks.safetensors has an input and an output of each network.
"""
import json
import pathlib
import sys

import monai
import nibabel
import numpy as np
import torch
from monai.bundle import ConfigParser
from safetensors.numpy import save_file
from scipy.ndimage import gaussian_filter

OUT = pathlib.Path(__file__).resolve().parent / "fixtures" / "monai"
LOAD = [{"_target_": "LoadImaged", "keys": "@image_key"}, {"_target_": "EnsureChannelFirstd", "keys": "@image_key"}]
SAVE = {"_target_": "SaveImaged", "keys": "pred", "output_dir": "@output_dir", "output_ext": ".nii.gz"}
LAMBDA = "$lambda x: torch.where(x[[2]] > 0, 4, torch.where(x[[0]] > 0, 1, torch.where(x[[1]] > 0, 2, 0)))"


def invert(nearest):
    return {"_target_": "Invertd", "keys": "pred", "transform": "@preprocessing", "orig_keys": "@image_key", "nearest_interp": nearest,
            "to_tensor": True}


# name: modality, input and output channels, network, preparation, inferer, finish, files
BUNDLES = {
    "ct_unet": ("CT", ["image"], ["background", "liver", "liver tumor"],
                {"_target_": "UNet", "spatial_dims": 3, "in_channels": 1, "out_channels": 3, "channels": [4, 6, 8], "strides": [2, 2],
                 "num_res_units": 2, "norm": "batch", "dropout": 0.1},
                [*LOAD, {"_target_": "Orientationd", "keys": "@image_key", "axcodes": "RAS"},
                 {"_target_": "Spacingd", "keys": "@image_key", "pixdim": [1.5, 1.5, 2.0], "mode": "bilinear"},
                 {"_target_": "ScaleIntensityRanged", "keys": "@image_key", "a_min": -57, "a_max": 164, "b_min": 0, "b_max": 1, "clip": True},
                 {"_target_": "EnsureTyped", "keys": "@image_key"}],
                {"_target_": "SlidingWindowInferer", "roi_size": [24, 24, 24], "sw_batch_size": 4, "overlap": 0.5},
                [{"_target_": "Activationsd", "keys": "pred", "softmax": True}, invert(False),
                 {"_target_": "AsDiscreted", "keys": "pred", "argmax": True}, SAVE], ("model.pt", "model.ts")),
    "mri_segresnet": ("MR", ["T1c", "T1", "T2", "FLAIR"], ["Tumor core", "Whole tumor", "Enhancing tumor"],
                      {"_target_": "SegResNet", "blocks_down": [2, 1], "blocks_up": [1], "init_filters": 8, "in_channels": 4,
                       "out_channels": 3, "dropout_prob": 0.2},
                      [{"_target_": "LoadImaged", "keys": "@image_key", "image_only": False},
                       {"_target_": "NormalizeIntensityd", "keys": "@image_key", "nonzero": True, "channel_wise": True}],
                      {"_target_": "SlidingWindowInferer", "roi_size": [24, 40, 16], "sw_batch_size": 1, "overlap": 0.5},
                      [{"_target_": "Activationsd", "keys": "pred", "sigmoid": True}, invert(False),
                       {"_target_": "AsDiscreted", "keys": "pred", "threshold": 0.5},
                       {"_target_": "Lambdad", "keys": "pred", "func": LAMBDA}, SAVE], ("model.pt",)),
    "ct_dynunet": ("CT", ["image"], ["background", "central gland", "peripheral zone"],
                   {"_target_": "monai.networks.nets.DynUNet", "spatial_dims": 3, "in_channels": 1, "out_channels": 3,
                    "kernel_size": [3, [3, 3, 1], 3], "strides": [1, [2, 2, 1], 2], "upsample_kernel_size": [[2, 2, 1], 2],
                    "filters": [4, 6, 8], "norm_name": "instance", "res_block": True},
                   [*LOAD, {"_target_": "EnsureTyped", "keys": "@image_key"},
                    {"_target_": "Orientationd", "keys": "@image_key", "axcodes": "LPS"},
                    {"_target_": "Spacingd", "keys": "@image_key", "pixdim": "@pixdim", "mode": "bilinear"},
                    {"_target_": "CropForegroundd", "keys": "@image_key", "source_key": "@image_key", "margin": 2},
                    {"_target_": "ScaleIntensityRangePercentilesd", "keys": "@image_key", "lower": 1, "upper": 99, "b_min": 0.0,
                     "b_max": 1.0, "clip": True},
                    {"_target_": "NormalizeIntensityd", "keys": "@image_key", "nonzero": True},
                    {"_target_": "ScaleIntensityd", "keys": "@image_key", "minv": -1.0, "maxv": 1.0},
                    {"_target_": "DivisiblePadd", "keys": "@image_key", "k": 4}],
                   {"_target_": "SlidingWindowInferer", "roi_size": [24, 32, 40], "sw_batch_size": "@displayable_configs#sw_batch_size",
                    "overlap": "@displayable_configs#sw_overlap", "padding_mode": "replicate", "mode": "gaussian"},
                   [{"_target_": "Activationsd", "keys": "pred", "softmax": True}, {"_target_": "AsDiscreted", "keys": "pred", "argmax": True},
                    {"_target_": "KeepLargestConnectedComponentd", "keys": "pred", "applied_labels": [1, 2]}, invert(True), SAVE],
                   ("model.pt",)),
    "mr_slices": ("MR", ["image"], ["background", "left ventricle", "myocardium"],
                  {"_target_": "UNet", "spatial_dims": 2, "in_channels": 1, "out_channels": 3, "channels": [4, 8], "strides": [2],
                   "act": ["leakyrelu", {"negative_slope": 0.1}]},
                  [*LOAD, {"_target_": "ScaleIntensityd", "keys": "@image_key"}],
                  {"_target_": "SliceInferer", "roi_size": [32, 32], "spatial_dim": 2},
                  [{"_target_": "Activationsd", "keys": "pred", "softmax": True}, invert(False),
                   {"_target_": "AsDiscreted", "keys": "pred", "argmax": True}, SAVE], ("model.pt",)),
}


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1) + "\n")


def configs(name, modality, inputs, outputs, network, preparation, inferer, finish):
    def channels(names, form):
        return {"type": "image", "format": form, "modality": modality, "num_channels": len(names), "spatial_shape": [24, 24, 24],
                "dtype": "float32", "value_range": [0, 1], "is_patch_data": True, "channel_def": {str(i): n for i, n in enumerate(names)}}

    metadata = {"version": "0.1.0", "monai_version": monai.__version__, "name": name, "task": "a test", "authors": "Oncotome",
                "description": "random weights", "intended_use": "to test a program",
                "network_data_format": {"inputs": {"image": channels(inputs, "magnitude")}, "outputs": {"pred": channels(outputs, "segmentation")}}}
    inference = {"displayable_configs": {"highres": True, "sw_overlap": 0.25, "sw_batch_size": 1}, "imports": ["$import glob", "$import os"],
                 "bundle_root": ".", "image_key": "image", "output_dir": "$@bundle_root + '/eval'",
                 "device": "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
                 "pixdim": "$[1.75, 1.62, 2.2] if @displayable_configs#highres else [3.0, 3.0, 3.0]", "network_def": network,
                 "network": "$@network_def.to(@device)", "preprocessing": {"_target_": "Compose", "transforms": preparation},
                 "inferer": inferer, "postprocessing": {"_target_": "Compose", "transforms": finish},
                 "checkpointloader": {"_target_": "CheckpointLoader", "load_path": "$@bundle_root + '/models/model.pt'",
                                      "load_dict": {"model": "@network"}}}
    write(OUT / name / "configs" / "metadata.json", metadata)
    write(OUT / name / "configs" / "inference.json", inference)


def smooth(shape, seed, scale):
    return gaussian_filter(np.random.default_rng(seed).normal(size=shape), 2.5) * scale


def write_image(path, voxels, spacing, codes, seed):
    """Oblique by some degrees round each axis, with axes named by `codes`."""
    a, b, c = np.deg2rad(np.random.default_rng(seed).uniform(4, 9, 3))
    turn = (np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
            @ np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
            @ np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]]))
    names = {"R": (0, 1), "L": (0, -1), "A": (1, 1), "P": (1, -1), "S": (2, 1), "I": (2, -1)}
    axes = np.zeros((3, 3))
    for i, code in enumerate(codes):
        axes[names[code][0], i] = names[code][1]
    affine = np.eye(4)
    affine[:3, :3] = turn @ axes @ np.diag(spacing)
    affine[:3, 3] = [-31.5, 20.25, 7.75]
    image = nibabel.Nifti1Image(voxels, affine)
    image.set_qform(affine, 1)
    image.set_sform(affine, 1)
    nibabel.save(image, path)


def balanced(network, sample, regions):
    """Random statistics, and a head that no class wins everywhere."""
    generator = torch.Generator().manual_seed(7)
    for module in network.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.running_mean.uniform_(-0.3, 0.3, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
    with torch.no_grad():
        out = network(sample)
        heads = [m for m in network.modules() if isinstance(m, (torch.nn.Conv3d, torch.nn.Conv2d)) and m.out_channels == out.shape[1]]
        if not heads or heads[-1].bias is None:
            heads = [m for m in network.modules() if hasattr(m, "out_channels") and getattr(m, "bias", None) is not None
                     and m.out_channels == out.shape[1]]
        for step in range(40):
            out = network(sample)
            flat = out.transpose(0, 1).flatten(1)
            if regions:
                heads[-1].bias -= flat.quantile(torch.tensor(0.6), dim=1)
                break
            share = torch.bincount(flat.argmax(0), minlength=flat.shape[0]) / flat.shape[1]
            heads[-1].bias -= (share - 1 / flat.shape[0]) * 0.5 * flat.std()


def main():
    torch.manual_seed(1)
    OUT.mkdir(parents=True, exist_ok=True)
    ct = np.clip(smooth((30, 38, 44), 3, 900) - 60 * (np.indices((30, 38, 44))[1] < 4), -200, 300).astype(np.int16)
    write_image(OUT / "ct.nii.gz", ct, (2.3, 1.27, 1.11), "PSL", 5)
    inside = smooth((30, 34, 20), 4, 1) > -0.05
    for i in range(4):
        write_image(OUT / f"mri_{i}.nii.gz", (inside * np.maximum(1, 300 + smooth((30, 34, 20), 10 + i, 900))).astype(np.int16), (1.1, 1.0, 2.0), "LPS", 6)
    tensors = {}
    for name, (modality, inputs, outputs, definition, preparation, inferer, finish, files) in BUNDLES.items():
        configs(name, modality, inputs, outputs, definition, preparation, inferer, finish)
        parser = ConfigParser()
        parser.read_config(OUT / name / "configs" / "inference.json")
        parser.read_meta(OUT / name / "configs" / "metadata.json")
        network = parser.get_parsed_content("network_def").eval()
        prepare, window, end = (parser.get_parsed_content(k) for k in ("preprocessing", "inferer", "postprocessing"))
        case = [str(OUT / f"mri_{i}.nii.gz") for i in range(4)][:len(inputs)] if modality == "MR" else str(OUT / "ct.nii.gz")
        data = prepare({"image": case})
        flat = definition.get("spatial_dims") == 2
        sample = data["image"].as_tensor()[None]
        sample = sample[..., 10][..., :32, :32] if flat else sample[..., :24, :24, :16]
        balanced(network, sample, "background" not in outputs)
        (OUT / name / "models").mkdir(exist_ok=True)
        if "model.pt" in files:
            torch.save(network.state_dict(), OUT / name / "models" / "model.pt")
        if "model.ts" in files:
            torch.jit.script(network).save(OUT / name / "models" / "model.ts")
        with torch.no_grad():
            patch = torch.from_numpy(np.random.default_rng(9).normal(size=(len(inputs), 1, 8, 12) if flat else (len(inputs), 8, 12, 8))).float()
            tensors[name + ".input"] = patch.numpy()
            result = network(patch.transpose(0, 1) if flat else patch[None])[0]
            tensors[name + ".output"] = (result[:, None] if flat else result).numpy()
            data["pred"] = window(data["image"][None], network)[0]
        for transform in end.transforms[:-1]:
            data = transform(data)
        labels = data["pred"][0].numpy()
        source = nibabel.load(case[0] if isinstance(case, list) else case)
        assert labels.shape == source.shape and (labels == labels.round()).all()
        print(name, labels.shape, np.unique(labels, return_counts=True))
        nibabel.save(nibabel.Nifti1Image(labels.astype(np.uint8), source.affine), OUT / f"{name}.nii.gz")
    save_file({k: np.ascontiguousarray(v) for k, v in tensors.items()}, OUT / "networks.safetensors")
    return 0


if __name__ == "__main__":
    sys.exit(main())
