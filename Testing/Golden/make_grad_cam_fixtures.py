#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes fixtures/grad_cam.safetensors beside itself: heat maps of pytorch-grad-cam.

Needs what make_torchvision_fixtures.py does, which has the networks and the formula of their weights, and grad-cam (1.5.5 was used). Networks run
in float64. For each case "<case>.cam", the map on the layer's grid, and "<case>.heat", on the input's: of images as pytorch-grad-cam resizes it
(OpenCV, linear). Volumes it zooms by cubic splines between the outermost voxels' centers; theirs here is "cam" by PyTorch, trilinear as images are
linear, stretched from 0 to 1 as pytorch-grad-cam does. __metadata__.cases is as in torchvision.safetensors; besides, "layer" is the layer's name
in Oncotome (empty: the one that it takes itself) and "target" the class.
"""
import json
import pathlib
import warnings

import numpy as np
import torch
from make_network_fixtures import write_safetensors
from make_torchvision_fixtures import case, network, values
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.image import scale_cam_image
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget


class OnTheLayersGrid(GradCAM):
    def get_target_width_height(self, input_tensor):
        return None


class Classes(torch.nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        out = self.net(x)
        return out["classes"] if isinstance(out, dict) else out


# A case, the layer's name in Oncotome and where it is in the module; of the first class that has any heat.
CASES = [
    (case("resnet18", [64, 96]), "", lambda n: n.layer4[-1]),
    (case("resnet18", [64, 96], suffix="_layer2"), "layer2", lambda n: n.layer2[-1]),
    (case("resnet18", [64, 96], suffix="_conv"), "layer3.1.conv1", lambda n: n.layer3[1].conv1),
    (case("vgg16", [96, 128]), "", lambda n: n.features[-1]),
    (case("resnet18", [24, 16, 32], channels=1, suffix="_3d"), "layer2", lambda n: n.layer2[-1]),
    (case("unet_classifier", [16, 16, 24], channels=2, classes=3, features=[6, 10, 18], suffix="_3d"), "", lambda n: n.encoder[-1][-1]),
]


def main():
    warnings.filterwarnings("ignore")
    tensors, cases = {}, []
    for c, layer, place in CASES:
        with torch.device("meta"):
            net = network(c)
        shapes = {k: list(v.shape) for k, v in net.state_dict().items()}
        net.load_state_dict({k: torch.from_numpy(values(k, s)) if s else torch.tensor(0) for k, s in shapes.items()}, strict=True, assign=True)
        net.double().eval()
        size = c["input_size"][3 - c["dimensions"]:]
        x = torch.from_numpy(values("input", [1, c["in_channels"], *size])).double()

        def heat(method, target):
            return method(Classes(net), [place(net)])(x, [ClassifierOutputTarget(target)])[0]

        target = next(k for k in range(c["classes"]) if heat(OnTheLayersGrid, k).max() > 0.99)
        cam = heat(OnTheLayersGrid, target)
        if len(size) == 2:
            large = heat(GradCAM, target)
        else:
            large = torch.nn.functional.interpolate(torch.from_numpy(cam)[None, None], size, mode="trilinear")[0].numpy()
            large = scale_cam_image(large)[0]
        assert large.shape == tuple(size), c["name"]
        tensors[c["name"] + ".cam"], tensors[c["name"] + ".heat"] = cam.astype(np.float32), large.astype(np.float32)
        print(c["name"], "class", target, "layer", list(cam.shape), "mean", float(large.mean()))
        cases.append({**c, "layer": layer, "target": target, "weights": " ".join(k + ":" + ",".join(map(str, s)) for k, s in shapes.items())})
    path = pathlib.Path(__file__).parent / "fixtures" / "grad_cam.safetensors"
    write_safetensors(path, tensors, {"cases": json.dumps(cases, separators=(",", ":"))})
    print(path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
