#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes fixtures/nnunet_resize.safetensors: what the real nnunetv2 makes of small arrays when it resamples and preprocesses them.

`make_resize_fixtures.py [--venv DIR]`. All tensors are float32; "NAME.in" and "NAME.out" [d,h,w] of a resampling have beside them
  NAME.how [15]  0 standard 1 torch, labels or not, order, order_z, force_separate_z (-1 null), memory-efficient labels, 3 spacings, 3 new ones, new shape
and "NAME.in", "NAME.out" [C,d,h,w] of a case that is preprocessed
  NAME.how [9 + 6 C]  transpose_forward, spacing z,y,x, target spacing; per channel the scheme's number, use_mask_for_norm, mean, std, 0.5 and 99.5 percentiles
  NAME.box [9]  shape before the crop, first, size
  NAME.previous [d,h,w]  where the labels 1 and 2 of a previous stage are given
"""
import argparse
import pathlib
import sys
import warnings
from functools import partial
from types import SimpleNamespace

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "Support"))
from reference_environment import enter  # noqa: E402

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Golden fixtures of resampling and preprocessing")
    parser.add_argument("--venv", type=pathlib.Path, default=HERE.parents[1] / "build" / "nnunet-reference")
    enter(parser.parse_args().venv)
warnings.simplefilter("ignore")

import numpy as np  # noqa: E402
from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor  # noqa: E402
from nnunetv2.preprocessing.resampling.default_resampling import resample_data_or_seg_to_shape as standard  # noqa: E402
from nnunetv2.preprocessing.resampling.resample_torch import resample_torch_fornnunet as torch_variant  # noqa: E402
from nnunetv2.utilities.label_handling.label_handling import convert_labelmap_to_one_hot  # noqa: E402
from safetensors.numpy import save_file  # noqa: E402
from scipy.ndimage import gaussian_filter  # noqa: E402

ISO, THICK, THIN = (1.0, 0.75, 0.75), (4.0, 1.0, 1.0), (1.0, 1.0, 0.25)
# Name: shape, new shape, spacing, new spacing, keyword arguments.
IMAGES = {
    "cubic up": ((5, 9, 8), (7, 10, 11), ISO, ISO, {}),
    "cubic down": ((7, 11, 9), (4, 6, 5), ISO, ISO, {}),
    "cubic mixed": ((7, 12, 5), (7, 5, 9), ISO, ISO, {}),
    "cubic one axis": ((4, 9, 10), (9, 9, 10), ISO, ISO, {}),
    "cubic single slice": ((1, 11, 9), (1, 7, 14), (999.0, 1.0, 1.0), (999.0, 1.5, 0.5), {}),
    "cubic short axes": ((1, 2, 3), (4, 5, 6), ISO, ISO, {}),
    "linear up": ((5, 9, 8), (7, 10, 11), ISO, ISO, {"order": 1}),
    "linear down": ((7, 11, 9), (4, 6, 5), ISO, ISO, {"order": 1}),
    "linear single voxel": ((1, 1, 1), (3, 2, 4), ISO, ISO, {"order": 1}),
    "nearest": ((6, 9, 5), (11, 4, 7), ISO, ISO, {"order": 0}),
    "apart": ((5, 9, 8), (8, 13, 6), THICK, ISO, {}),
    "apart last": ((5, 8, 9), (7, 6, 4), ISO, (1.0, 1.0, 4.0), {}),
    "apart middle forced": ((5, 4, 9), (6, 9, 7), (1.0, 2.0, 1.0), ISO, {"force_separate_z": True}),
    "apart forced but equal": ((5, 4, 9), (6, 9, 7), (1.0, 1.0, 1.0), ISO, {"force_separate_z": True}),
    "not apart though thick": ((5, 9, 8), (8, 13, 6), THICK, ISO, {"force_separate_z": False}),
    "two thick axes": ((5, 4, 9), (6, 9, 7), THIN, ISO, {}),
    "apart only along": ((5, 9, 8), (12, 9, 8), THICK, ISO, {}),
    "apart only across": ((5, 9, 8), (5, 12, 11), THICK, ISO, {"order": 1}),
    "apart linear along": ((5, 9, 8), (8, 13, 6), THICK, ISO, {"order_z": 1}),
    "apart cubic along": ((5, 9, 8), (8, 7, 10), THICK, ISO, {"order_z": 3}),
    "torch": ((5, 9, 8), (8, 13, 6), ISO, ISO, {"torch": True}),
    "torch apart": ((5, 9, 8), (8, 13, 6), THICK, ISO, {"torch": True}),
    "torch apart last": ((7, 8, 9), (5, 11, 14), ISO, (1.0, 1.0, 4.0), {"torch": True}),
    "torch only along": ((9, 7, 6), (5, 7, 6), THICK, ISO, {"torch": True}),
}
LABELS = {
    "labels up": ((6, 9, 8), (8, 10, 11), ISO, ISO, {}),
    "labels twice": ((5, 4, 7), (10, 8, 14), ISO, ISO, {}),
    "labels down": ((7, 11, 9), (4, 6, 5), ISO, ISO, {}),
    "labels half": ((10, 12, 8), (5, 6, 4), ISO, ISO, {}),
    "labels apart": ((5, 9, 8), (7, 10, 12), THICK, ISO, {}),
    "labels apart last": ((8, 6, 5), (4, 9, 8), (1.0, 1.0, 4.0), ISO, {}),
    "labels nearest": ((6, 9, 5), (11, 4, 7), ISO, ISO, {"order": 0}),
    "labels torch": ((6, 9, 8), (8, 10, 11), ISO, ISO, {"torch": True}),
    "labels torch apart": ((5, 9, 8), (7, 10, 12), THICK, ISO, {"torch": True}),
    "labels torch lean": ((6, 9, 8), (8, 18, 11), ISO, ISO, {"torch": True, "lean": True}),
    "labels torch lean apart": ((5, 9, 8), (7, 10, 12), THICK, ISO, {"torch": True, "lean": True}),
}
CT, ZSCORE, NONE, RESCALE, RGB = "CTNormalization", "ZScoreNormalization", "NoNormalization", "RescaleTo01Normalization", "RGBTo01Normalization"
SCHEMES = [CT, ZSCORE, NONE, RESCALE, RGB]


def texture(random, shape, mean=100.0, scale=40.0):
    return (mean + scale * (random.standard_normal(shape) + 3 * gaussian_filter(random.standard_normal(shape), 1))).astype(np.float32)


def blobs(random, shape):
    """Four labels and -1, in patches of a few voxels."""
    values = gaussian_filter(random.standard_normal((5, *shape)), (0, 0.8, 0.8, 0.8))
    return (values.argmax(0) - 1).astype(np.float32)


def head(random, shape):
    """Zero outside of an ellipsoid, in a cavity and in a cleft."""
    z, y, x = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
    inside = (z**2 + y**2 + x**2 < 0.75) & (z**2 + y**2 + x**2 > 0.05) & ~((np.abs(x) < 0.2) & (y > 0.3))
    return np.where(inside, np.maximum(texture(random, shape), 1), 0).astype(np.float32)


def resize_case(out, name, values, shape, spacing, new_spacing, options, labels):
    options = dict(options)
    is_torch, lean = options.pop("torch", False), options.pop("lean", False)
    force = options.get("force_separate_z")
    if is_torch:
        made = torch_variant(values[None].copy(), shape, spacing, new_spacing, is_seg=labels, memefficient_seg_resampling=lean, **options)[0]
    else:
        options = {"order": 1 if labels else 3, "order_z": 0, "force_separate_z": None, **options}
        made = standard(values[None].copy(), shape, spacing, new_spacing, is_seg=labels, **options)[0]
    out[f"{name}.in"], out[f"{name}.out"] = values, made
    out[f"{name}.how"] = np.array([is_torch, labels, options.get("order", 1), options.get("order_z", 0), -1 if force is None else force, lean,
                                   *spacing, *new_spacing, *shape])


def preprocess_case(out, name, image, spacing, target, schemes, masked=None, transpose=(0, 1, 2), previous=None, resample=None, about=(100.0, 30.0, 40.0, 170.0)):
    masked = masked or [False] * len(schemes)
    data = resample or partial(standard, is_seg=False, order=3, order_z=0, force_separate_z=None)
    seg = partial(standard, is_seg=True, order=1, order_z=0, force_separate_z=None)
    intensities = dict(zip(["mean", "std", "percentile_00_5", "percentile_99_5"], about))
    plans = SimpleNamespace(transpose_forward=transpose, foreground_intensity_properties_per_channel={str(c): intensities for c in range(len(schemes))})
    plans.get_label_manager = lambda _: SimpleNamespace(has_regions=False, foreground_labels=[1, 2], has_ignore_label=False, all_labels=[0, 1, 2])
    configuration = SimpleNamespace(spacing=list(target), normalization_schemes=schemes, use_mask_for_norm=masked, resampling_fn_data=data, resampling_fn_seg=seg)
    properties = {"spacing": spacing}
    made, labels, properties = DefaultPreprocessor(verbose=False).run_case_npy(
        image, None if previous is None else previous[None], properties, plans, configuration, {})
    if previous is not None:
        made = np.vstack((made, convert_labelmap_to_one_hot(labels[0], [1, 2], made.dtype)))
        out[f"{name}.previous"] = previous
    box = np.array(properties["bbox_used_for_cropping"])
    out[f"{name}.in"], out[f"{name}.out"] = image, made
    out[f"{name}.box"] = np.array([*properties["shape_before_cropping"], *box[:, 0], *(box[:, 1] - box[:, 0])])
    channels = [v for s, m in zip(schemes, masked) for v in (SCHEMES.index(s), m, *about)]
    out[f"{name}.how"] = np.array([*transpose, *spacing, *([0] * (3 - len(target))), *target, *channels])


def main():
    out = {}
    random = np.random.default_rng(5)
    for name, (shape, new, spacing, new_spacing, options) in IMAGES.items():
        resize_case(out, name, texture(random, shape), new, spacing, new_spacing, options, False)
    for name, (shape, new, spacing, new_spacing, options) in LABELS.items():
        resize_case(out, name, blobs(random, shape), new, spacing, new_spacing, options, True)
    resize_case(out, "cubic constant", np.full((4, 5, 6), 0.1, np.float32), (6, 7, 8), ISO, ISO, {}, False)
    resize_case(out, "labels constant", np.full((4, 5, 6), 2, np.float32), (6, 7, 8), ISO, ISO, {}, True)

    shape = (7, 10, 9)
    padded = np.zeros((1, 9, 12, 11), np.float32)
    padded[0, 2:8, 1:11, 3:9] = texture(random, (6, 10, 6), 50)
    two = np.stack([head(random, shape), head(random, shape)])
    everywhere = texture(random, (1, 5, 9, 7))
    labels = np.maximum(blobs(random, shape), 0).clip(0, 2)
    preprocess_case(out, "case ct", padded, (2.0, 0.75, 1.0), (1.5, 1.0, 1.0), [CT])
    preprocess_case(out, "case zscore", everywhere, (1.0, 1.0, 1.25), (1.25, 1.0, 1.0), [ZSCORE])
    preprocess_case(out, "case masked", two, (1.0, 1.5, 1.0), (1.25, 1.0, 1.25), [ZSCORE, ZSCORE], [True, False])
    preprocess_case(out, "case transposed", two, (1.0, 1.5, 4.0), (3.5, 1.25, 1.25), [RESCALE, ZSCORE], [True, True], transpose=(2, 0, 1))
    preprocess_case(out, "case previous", two[:1], (1.0, 1.5, 1.0), (1.25, 1.0, 1.25), [ZSCORE], [True], previous=labels, transpose=(1, 2, 0))
    preprocess_case(out, "case previous as it is", two[:1], (1.0, 1.5, 1.0), (1.0, 1.5, 1.0), [NONE], previous=labels)
    preprocess_case(out, "case plane", everywhere.clip(0, 255), (5.0, 1.0, 1.25), (1.5, 1.0), [RGB], about=(0.0, 1.0, 0.0, 1.0))
    preprocess_case(out, "case single slice", two[:1, 3:4], (999.0, 1.5, 1.0), (1.0, 1.25), [ZSCORE], [True])
    preprocess_case(out, "case zero", np.zeros((2, 5, 6, 7), np.float32), (1.0, 1.0, 1.0), (1.5, 1.0, 0.75), [ZSCORE, RESCALE], [True, False])
    preprocess_case(out, "case constant", np.full((1, 5, 6, 7), 0.1, np.float32), (1.0, 1.0, 1.0), (1.0, 1.0, 1.0), [ZSCORE])
    path = HERE / "fixtures" / "nnunet_resize.safetensors"
    save_file({name: np.ascontiguousarray(value, np.float32) for name, value in out.items()}, path)
    print(f"{len(out)} tensors, {path.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
