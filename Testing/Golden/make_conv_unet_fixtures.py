#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes golden inputs and outputs of nnU-Net's own networks, fixtures/conv_unet_*.safetensors.

Needs nnunetv2 2.8.1 with its dynamic_network_architectures 0.4.4, and PyTorch. The weights are those of the formula that
make_network_fixtures.py tells of, under the state dict's first name of each; running_mean counts as a bias, running_var
as gamma, and a transposed convolution's output channels are axis 1. Each header holds plans, dataset and trainer as well.
"""
import json
import pathlib
import warnings

import numpy as np
import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.training.nnUNetTrainer.variants.network_architecture.nnUNetTrainerBN import nnUNetTrainerBN
from nnunetv2.utilities.label_handling.label_handling import determine_num_input_channels
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from make_network_fixtures import make_input, make_weights, write_safetensors

RESAMPLING = {f"resampling_fn_{what}": "resample_data_or_seg_to_shape" for what in ("data", "seg", "probabilities")}
RESAMPLING["resampling_fn_seg_kwargs"] = {"is_seg": True}


def configuration(dimensions, architecture):
    return {"patch_size": [8, 8, 12][-dimensions:], "spacing": [1.0] * dimensions, "preprocessor_name": "DefaultPreprocessor",
            "normalization_schemes": ["ZScoreNormalization"] * 2, "use_mask_for_norm": [False] * 2, **RESAMPLING,
            **architecture}


def new(name, dimensions, **kwargs):
    common = {"n_stages": 3, "features_per_stage": [4, 6, 8], "conv_op": f"torch.nn.modules.conv.Conv{dimensions}d",
              "kernel_sizes": [[3] * dimensions] * 3, "strides": [[1] * dimensions] + [[2] * dimensions] * 2,
              "n_conv_per_stage_decoder": [1, 2], "conv_bias": True,
              "norm_op": f"torch.nn.modules.instancenorm.InstanceNorm{dimensions}d",
              "norm_op_kwargs": {"eps": 1e-05, "affine": True}, "dropout_op": None, "dropout_op_kwargs": None,
              "nonlin": "torch.nn.LeakyReLU", "nonlin_kwargs": {"inplace": True}}
    return configuration(dimensions, {"architecture": {
        "network_class_name": f"dynamic_network_architectures.architectures.unet.{name}", "arch_kwargs": {**common, **kwargs},
        "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"]}})


def old(name, dimensions):
    return configuration(dimensions, {
        "UNet_class_name": name, "UNet_base_num_features": 4, "unet_max_num_features": 6,
        "n_conv_per_stage_encoder": [2, 2, 1], "n_conv_per_stage_decoder": [2, 1], "num_pool_per_axis": [2] * dimensions,
        "pool_op_kernel_sizes": [[1] * dimensions] + [[2] * dimensions] * 2,
        "conv_kernel_sizes": [[3] * dimensions] * 3})


ANISOTROPIC = {"kernel_sizes": [[1, 3, 3], [3, 3, 3], [3, 3, 3]], "strides": [[1, 1, 1], [1, 2, 2], [2, 2, 2]]}
CASES = {
    "anisotropic": (new("PlainConvUNet", 3, n_conv_per_stage=[2, 2, 3], **ANISOTROPIC), nnUNetTrainer),
    "2d_old": (old("PlainConvUNet", 2), nnUNetTrainer),
    "residual": (new("ResidualEncoderUNet", 3, n_blocks_per_stage=[1, 3, 2], features_per_stage=[4, 8, 8],
                     **ANISOTROPIC), nnUNetTrainer),
    "residual_2d": (new("ResidualEncoderUNet", 2, n_blocks_per_stage=2, stem_channels=5, conv_bias=False, kernel_sizes=3,
                        nonlin_kwargs={"negative_slope": 0.2}), nnUNetTrainer),
    "batch_norm": (new("PlainConvUNet", 3, n_conv_per_stage=1, dropout_op="torch.nn.Dropout3d",
                       dropout_op_kwargs={"p": 0.5}, nonlin="torch.nn.ReLU"), nnUNetTrainerBN),
    "activation_first": (new("PlainConvUNet", 2, n_conv_per_stage=1, nonlin_first=True,
                             norm_op_kwargs={"eps": 0.01, "affine": True}), nnUNetTrainer),
}
DATASET = {"channel_names": {"0": "T1", "1": "T2"}, "labels": {"background": 0, "edema": 1, "core": 2},
           "file_ending": ".nii.gz"}


def main():
    warnings.filterwarnings("ignore")
    for name, (conf, trainer) in CASES.items():
        plans = {"image_reader_writer": "SimpleITKIO", "transpose_forward": [0, 1, 2], "transpose_backward": [0, 1, 2],
                 "label_manager": "LabelManager", "configurations": {"toy": conf}}
        header = {"plans": json.dumps(plans), "dataset": json.dumps(DATASET), "trainer": trainer.__name__}
        manager = PlansManager(plans)
        labels = manager.get_label_manager(DATASET)
        net = trainer.build_network_architecture(
            manager, manager.get_configuration("toy"), determine_num_input_channels(manager, "toy", DATASET),
            labels.num_segmentation_heads, enable_deep_supervision=False).eval()
        parameters = {**dict(net.named_parameters()), **dict(net.named_buffers())}
        shapes = {k: list(v.shape) for k, v in parameters.items() if v.is_floating_point()}
        net.double()
        weights = make_weights(shapes)
        state = net.state_dict()
        with torch.no_grad():
            for key, value in weights.items():
                state[key].copy_(torch.from_numpy(value))
        dimensions = len(conf["patch_size"])
        x = make_input([2, *([1] * (3 - dimensions)), *conf["patch_size"]])
        with torch.no_grad():
            y = net(torch.from_numpy(x.reshape(1, 2, *conf["patch_size"])).double())[0].numpy()
        y = y.reshape(3, *x.shape[1:])
        path = pathlib.Path(__file__).parent / "fixtures" / f"conv_unet_{name}.safetensors"
        write_safetensors(path, {"input": x, "output": y}, {
            **header, "weights": json.dumps(shapes, separators=(",", ":"))})
        print(f"{name}: {sum(int(np.prod(s)) for s in shapes.values())} weights, output {y.shape}, standard deviation "
              f"{y.std():.4f}, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
