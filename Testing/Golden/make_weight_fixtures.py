#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Small files of weights as PyTorch writes them, with what it reads of them: make_weight_fixtures.py OUTPUT.

Run once with PyTorch 1.13 and once with 2.11; each run writes its own files, named after its version.
"""
import argparse
import collections
import json
import pathlib
import sys

import numpy
import torch

OUT = pathlib.Path(sys.argv[1])
VERSION = ".".join(torch.__version__.split(".")[:2])
OUT.mkdir(parents=True, exist_ok=True)
torch.manual_seed(4)


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(1, 2, 3)
        self.norm = torch.nn.BatchNorm2d(2)
        self.all_modules = torch.nn.Sequential(self.conv, self.norm)

    def forward(self, x):
        return self.all_modules(x)


class Scripted(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.block = Block()
        self.sizes = [4, 5]
        self.register_buffer("turned", torch.arange(6).half().reshape(2, 3).t())

    def forward(self, x):
        return self.block(x) + torch.tensor([1.5, -2.5])[:, None, None]


def checkpoint():
    block = Block()
    storage = torch.randn(24)
    network = block.state_dict()
    network.update(transposed=torch.randn(2, 3, 4).permute(2, 0, 1), slice=storage[5:11].reshape(2, 3), stepped=storage[::5],
                   half=torch.tensor([1.5, -2.0**-24, 65504.0, 0.0]).half(), brain=torch.tensor([3.0e38, -1.0e-30]).bfloat16(),
                   double=torch.tensor(0.1, dtype=torch.float64), whole=torch.tensor([-3, 2**40]), byte=torch.tensor([0, 255], dtype=torch.uint8),
                   short=torch.tensor([-32768], dtype=torch.int16), truth=torch.tensor([True, False]), empty=torch.zeros(0, 3),
                   parameter=torch.nn.Parameter(torch.ones(2)))
    if hasattr(torch, "uint16"):
        network["unsigned"] = torch.tensor([65535, 1], dtype=torch.uint16)
    optimizer = torch.optim.SGD(block.parameters(), lr=0.01, momentum=0.9)
    block(torch.randn(1, 1, 3, 4)).sum().backward()
    optimizer.step()
    return {"network_weights": network, "optimizer_state": optimizer.state_dict(), "trainer_name": "nnUNetTrainer", "current_epoch": 7,
            "inference_allowed_mirroring_axes": (0, 1, 2), "_best_ema": numpy.float32(0.75), "grad_scaler_state": None,
            "logging": {"losses": [numpy.float64(-0.5), 1e-3], "lr": numpy.arange(4).reshape(2, 2), "half": numpy.float16(2.5),
                        "truth": numpy.bool_(True), "bytes": b"\0\xff"},
            "init_args": {"device": torch.device("cuda", 1), "size": torch.Size((2, 3)), "dtype": torch.float16, "set": {3},
                          "options": argparse.Namespace(epochs=3), "big": 2**70, "negative": -2**40, "text": "\u00fc"}}


def plain(value):
    """What is expected of everything but tensors."""
    if isinstance(value, torch.Tensor):
        return "tensor"
    if isinstance(value, dict):
        return {str(key): plain(member) for key, member in value.items()}
    if isinstance(value, numpy.ndarray):
        return value.tolist()
    if isinstance(value, (list, tuple, set, torch.Size)):
        return [plain(member) for member in value]
    if isinstance(value, numpy.generic):
        return value.item()
    if isinstance(value, bytes):
        return {"bytes": len(value)}
    if isinstance(value, torch.device):
        return str(value)
    if isinstance(value, torch.dtype):
        return {"object": str(value)}
    if isinstance(value, argparse.Namespace):
        return {"object": "argparse.Namespace"}
    return float(value) if isinstance(value, int) and value.bit_length() > 63 else value


def tensors(value, path=""):
    if isinstance(value, torch.Tensor):
        yield path, {"dtype": str(value.dtype).split(".")[1], "shape": list(value.shape), "values": value.detach().double().flatten().tolist()}
    elif isinstance(value, (dict, list)):
        for key, member in value.items() if isinstance(value, dict) else enumerate(value):
            yield from tensors(member, f"{path}.{key}" if path else str(key))


expected = {}
saved = checkpoint()
for name, kind, options in (("zip", "torch zip", {}), ("legacy", "torch legacy", {"_use_new_zipfile_serialization": False}),
                            ("protocol5", "torch zip", {"pickle_protocol": 5})):
    torch.save(saved, OUT / f"{name}_{VERSION}.pt", **options)
    expected[f"{name}_{VERSION}.pt"] = {"kind": kind, "tensors": dict(tensors(saved)), "contents": plain(saved)}
script = torch.jit.script(Scripted().eval())
frozen = torch.jit.freeze(script)
constants = [node.t("value") for node in frozen.graph.findAllNodes("prim::Constant") if node.hasAttribute("value") and node.kindOf("value") == "t"]
for name, module, state in (("script", script, script.state_dict()), ("frozen", frozen, {"CONSTANTS": constants})):
    module.save(str(OUT / f"{name}_{VERSION}.pt"))
    expected[f"{name}_{VERSION}.pt"] = {"kind": "TorchScript", "tensors": dict(tensors(state))}
(OUT / f"expected_{VERSION}.json").write_text(json.dumps(expected))
