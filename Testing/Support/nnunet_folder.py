# SPDX-License-Identifier: Apache-2.0
"""Results folders of nnU-Net v2 with random weights, in its own layout and file formats. Runs in the reference environment."""
import json

import numpy as np
import torch
from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name
from nnunetv2.utilities.label_handling.label_handling import determine_num_input_channels
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

STANDARD = "resample_data_or_seg_to_shape"
TORCH = "resample_torch_fornnunet"


def resampling(function=STANDARD, force=None):
    if function == TORCH:
        of = lambda seg: {"is_seg": seg, "force_separate_z": force, "memefficient_seg_resampling": False}
        kwargs = {"data": of(False), "seg": of(True), "probabilities": of(False)}
    else:
        of = lambda seg, order: {"is_seg": seg, "order": order, "order_z": 0, "force_separate_z": force}
        kwargs = {"data": of(False, 3), "seg": of(True, 1), "probabilities": of(False, 1)}
    return {f"resampling_fn_{k}{s}": v for k in kwargs for s, v in (("", function), ("_kwargs", kwargs[k]))}


def architecture(features, kernels, strides, convs, residual=False):
    dimensions = len(kernels[0])
    return {
        "network_class_name": "dynamic_network_architectures.architectures.unet." + ("ResidualEncoderUNet" if residual else "PlainConvUNet"),
        "arch_kwargs": {
            "n_stages": len(features), "features_per_stage": features, "conv_op": f"torch.nn.modules.conv.Conv{dimensions}d",
            "kernel_sizes": kernels, "strides": strides, "n_blocks_per_stage" if residual else "n_conv_per_stage": convs,
            "n_conv_per_stage_decoder": [1 if residual else 2] * (len(features) - 1), "conv_bias": True,
            "norm_op": f"torch.nn.modules.instancenorm.InstanceNorm{dimensions}d", "norm_op_kwargs": {"eps": 1e-05, "affine": True},
            "dropout_op": None, "dropout_op_kwargs": None, "nonlin": "torch.nn.LeakyReLU", "nonlin_kwargs": {"inplace": True}},
        "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"]}


def configuration(spacing, patch, normalization, masked=False, resample=None, net=None, **more):
    count = len(normalization)
    out = {"data_identifier": "nnUNetPlans", "preprocessor_name": "DefaultPreprocessor", "batch_size": 2, "patch_size": patch,
           "median_image_size_in_voxels": [float(2 * n) for n in patch], "spacing": spacing, "normalization_schemes": normalization,
           "use_mask_for_norm": [masked] * count, **(resample or resampling()), **more, "batch_dice": False}
    if net:
        out["architecture"] = net
    return out


def plans(name, configurations, intensities, reader="SimpleITKIO", forward=(0, 1, 2), by="channel"):
    return {"dataset_name": name, "plans_name": "nnUNetPlans", "original_median_spacing_after_transp": [1.0, 1.0, 1.0],
            "original_median_shape_after_transp": [24, 24, 24], "image_reader_writer": reader, "transpose_forward": list(forward),
            "transpose_backward": [list(forward).index(i) for i in range(3)], "configurations": configurations,
            "experiment_planner_used": "ExperimentPlanner", "label_manager": "LabelManager",
            "foreground_intensity_properties_" + ("per_channel" if by == "channel" else "by_modality"): intensities}


def dataset(channels, labels, order=None, legacy=False):
    out = {"modality" if legacy else "channel_names": {str(i): n for i, n in enumerate(channels)}, "labels": labels, "numTraining": 2,
           "file_ending": ".nii.gz"}
    if order:
        out["regions_class_order"] = order
    return out


def intensities(mean, std, low, high, count=1):
    one = {"max": high + 10.0, "mean": mean, "median": mean, "min": low - 10.0, "percentile_00_5": low, "percentile_99_5": high, "std": std}
    return {str(i): one for i in range(count)}


def build_network(plan, data, name, trainer):
    manager = PlansManager(json.loads(json.dumps(plan)))
    config = manager.get_configuration(name)
    inputs = determine_num_input_channels(manager, config, data)
    heads = manager.get_label_manager(data).num_segmentation_heads
    network = recursive_find_trainer_class_by_name(trainer).build_network_architecture(manager, config, inputs, heads, enable_deep_supervision=False)
    return network.eval(), inputs, heads


def randomize(network, inputs, patch, seed, spread=3.0):
    """Weights under which every class is the greatest somewhere and logits lie `spread` apart, as a trained net's do."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, value in [*network.named_parameters(), *network.named_buffers()]:
            if name.endswith("running_var"):
                value.uniform_(0.5, 2)
            elif name.endswith("num_batches_tracked"):
                value.fill_(7)
            elif value.ndim == 1:
                value.copy_(torch.randn_like(value) * 0.2 + (1 if name.endswith("norm.weight") else 0))
            else:
                fan = value[0].numel()
                value.copy_(torch.randn_like(value) * (2 / fan) ** 0.5)
        head = network.decoder.seg_layers[-1]
        logits = network(torch.randn(1, inputs, *patch)).transpose(0, 1).flatten(1)
        scale = spread / logits.std(1)
        head.weight *= scale.view(-1, *[1] * (head.weight.ndim - 1))
        head.bias.copy_((head.bias - logits.mean(1)) * scale)


def write_model(root, plan, data, name, folds=(0,), trainer="nnUNetTrainer", mirror=(0, 1, 2), seed=1, optimizer=False):
    """Writes root/<trainer>__<plans>__<configuration> and returns it."""
    folder = root / f"{trainer}__{plan['plans_name']}__{name}"
    network, inputs, _ = build_network(plan, data, name, trainer)
    patch = PlansManager(json.loads(json.dumps(plan))).get_configuration(name).patch_size
    for fold in folds:
        randomize(network, inputs, patch, seed + fold)
        checkpoint = {
            "network_weights": network.state_dict(), "grad_scaler_state": None,
            "logging": {"mean_fg_dice": [np.float64(0.5)], "train_losses": [np.float32(0.25)], "epoch_start_timestamps": [0.0]},
            "_best_ema": np.float64(0.5), "current_epoch": 1, "trainer_name": trainer, "inference_allowed_mirroring_axes": mirror,
            "init_args": {"plans": plan, "configuration": name, "fold": fold, "dataset_json": data, "device": torch.device("cpu")}}
        if optimizer and fold == folds[0]:
            optimize = torch.optim.SGD(network.parameters(), 1e-12, momentum=0.99, nesterov=True)
            network(torch.randn(1, inputs, *patch)).sum().backward()
            optimize.step()
            checkpoint["optimizer_state"] = optimize.state_dict()
        (folder / f"fold_{fold}").mkdir(parents=True, exist_ok=True)
        torch.save(checkpoint, folder / f"fold_{fold}" / "checkpoint_final.pth")
    (folder / "plans.json").write_text(json.dumps(plan, indent=1) + "\n")
    (folder / "dataset.json").write_text(json.dumps(data, indent=1) + "\n")
    return folder
