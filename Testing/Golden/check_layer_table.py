#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`oncotome models show` tells of what layers a model is.

`check_layer_table.py PROGRAM DEMO_MODEL`. Of a network by its name the sums are those that torchvision's documentation gives; of a package the
layers' parameters are those that lie in its weights file; of an nnU-Net the last layer gives each of its classes on the patch's grid.
"""
import json
import pathlib
import subprocess
import sys

NNUNET = pathlib.Path(__file__).resolve().parent / "fixtures" / "nnunet"
FAILED = []


def need(good, what):
    if not good:
        FAILED.append(what)
        print("FAILED", what)


def main():
    program, demo = sys.argv[1:]

    def show(*arguments):
        return subprocess.run([program, "models", "show", *map(str, arguments)], check=True, capture_output=True, text=True).stdout

    def layers_of(*arguments):
        return json.loads(show(*arguments, "--json"))

    resnet = layers_of("--network", "resnet50")
    need(sum(layer["parameters"] for layer in resnet["layers"]) == 25557032, "parameters of ResNet-50")
    need(abs(resnet["operations"] / 2e9 - 4.09) < 0.006, "multiply-adds of ResNet-50")
    volume = layers_of("--network", "resnet18", "--dimensions", 3, "--in-channels", 1, "--classes", 2, "--input-size", 64, 96, 96)
    need(volume["layers"][1]["output"] == [64, 32, 48, 48], "the first layer of a 3-D ResNet")
    unet = layers_of("--network", "unet_classifier", "--features", 8, 16, "--classes", 0, "--labels", 3, "--input-size", 1, 64, 64)
    need(unet["layers"][-1]["output"] == [3, 1, 64, 64], "the head of a U-Net")
    text = show("--network", "vgg16", "--input-size", 1, 224, 224)
    need("138357544 parameters" in text and "features.28" in text and "512x14x14" in text, "the table of VGG-16")

    package = layers_of(demo)
    need(sum(layer["parameters"] for layer in package["layers"]) == package["parameters"], "parameters of the demo's model")
    need("encoder.0.0.conv" in show(demo), "the table of the demo's model")
    for name, classes in [("Dataset901_Isotropic", 3), ("Dataset903_Plane", 3)]:
        for stage in NNUNET.joinpath(name).glob("nnUNetTrainer*"):
            nnunet = layers_of(stage)["nnunet"]
            need(nnunet["layers"][-1]["output"] == [classes, *nnunet["patch_size"]], f"the last layer of {name}")
            need(nnunet["operations"] > 0, f"operations of {name}")
    print("as expected" if not FAILED else f"{len(FAILED)} failed")
    return len(FAILED)


if __name__ == "__main__":
    sys.exit(main())
