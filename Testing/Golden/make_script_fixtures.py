#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes fixtures/scripts beside itself: small TorchScript modules, scripted or traced, with random weights, and what they give.

Needs PyTorch 2.11 and safetensors. expected.safetensors has `<module>.input` and `<module>.output`; modules are stored without the
files that only name where their code came from.
"""
import pathlib
import sys
import zipfile

import torch
from safetensors.torch import save_file
from torch import nn

OUT = pathlib.Path(__file__).resolve().parent / "fixtures" / "scripts"


def block(inputs, outputs, stride=1):
    return nn.Sequential(nn.Conv3d(inputs, outputs, 3, stride, 1), nn.InstanceNorm3d(outputs, affine=True), nn.LeakyReLU(0.01, inplace=True))


class PlainUNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down = nn.ModuleList([block(2, 5), block(5, 18, (1, 2, 2)), block(18, 6, 2)])
        self.ups = nn.ModuleList([nn.ConvTranspose3d(6, 4, 2, 2), nn.ConvTranspose3d(9, 5, (1, 2, 2), (1, 2, 2), bias=False)])
        self.after = nn.ModuleList([block(22, 9), block(10, 5)])
        self.head = nn.Conv3d(5, 3, 1)

    def forward(self, x):
        a = self.down[0](x)
        b = self.down[1](a)
        x = self.down[2](b)
        x = self.after[0](torch.cat((self.ups[0](x), b), 1))
        x = self.after[1](torch.cat((self.ups[1](x), a), 1))
        return self.head(x)


class Residual(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.first = nn.Conv3d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm3d(outputs)
        self.second = nn.Conv3d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm3d(outputs, affine=False)
        self.skip = nn.Conv3d(inputs, outputs, 1, stride)
        self.act = nn.PReLU()
        self.drop = nn.Dropout3d(0.3)

    def forward(self, x):
        y = self.drop(self.act(self.norm1(self.first(x))))
        y = self.norm2(self.second(y))
        y += self.skip(x)
        return torch.relu_(y)


class ResidualUNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv3d(1, 6, 3, padding="same")
        self.down = Residual(6, 9, 2)
        self.up = nn.ConvTranspose3d(9, 6, 3, 2, 1, 1)
        self.norm = nn.BatchNorm3d(6)
        self.head = nn.Sequential(nn.PReLU(6), nn.Conv3d(6, 2, 1), nn.Softmax(1))

    def forward(self, x):
        x = self.stem(x)
        return self.head(self.norm(self.up(self.down(x))) + x)


class SkipConnection(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return torch.cat([x, self.inner(x)], dim=-3)


def nested_2d():
    inner = nn.Sequential(nn.Conv2d(6, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Sequential(nn.Conv2d(8, 8, 3, 1, 2, 2), nn.Identity()),
                          nn.Upsample(scale_factor=2, mode="bilinear"))
    return nn.Sequential(nn.Sequential(nn.Conv2d(1, 6, (3, 5), padding=(1, 2)), nn.GroupNorm(2, 6), nn.LeakyReLU(0.2)),
                         SkipConnection(inner), nn.ReLU(True), nn.Conv2d(14, 3, 1))


class Mixed(nn.Module):
    """Normalization of several kinds, pooling, interpolation, and what does nothing."""

    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(nn.Conv3d(1, 8, 3, padding=1), nn.GroupNorm(4, 8), nn.ELU())
        self.second = nn.Sequential(nn.AvgPool3d(2), nn.Conv3d(8, 8, (1, 3, 3), padding=(0, 1, 1)), nn.InstanceNorm3d(8), nn.GELU())
        self.head = nn.Conv3d(8, 2, 1)

    def forward(self, x):
        a = self.first(x)
        b = nn.functional.interpolate(self.second(a), scale_factor=2.0, mode="trilinear", align_corners=False)
        return self.head(nn.functional.dropout(a.contiguous() + b.detach(), 0.5, self.training))


class Listed(nn.Module):
    """Skips in a list that is turned round."""

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng():
            self.down = nn.ModuleList([nn.Conv3d(1, 4, 3, 1, 1), nn.Conv3d(4, 4, 3, 2, 1), nn.Conv3d(4, 4, 3, 2, 1)])
            self.up = nn.ModuleList([nn.ConvTranspose3d(4, 4, 2, 2), nn.ConvTranspose3d(4, 4, 2, 2)])

    def forward(self, x):
        skips = []
        for layer in self.down:
            x = torch.relu(layer(x))
            skips.append(x)
        skips.reverse()
        for i, layer in enumerate(self.up):
            x = layer(x) + skips[i + 1]
        return x


class WithUnknown(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Conv3d(1, 2, 3, padding=1)

    def forward(self, x):
        return torch.sigmoid(self.net(x))


class WithBranch(nn.Module):
    """What it computes depends on the values of its input."""

    def __init__(self):
        super().__init__()
        self.one = nn.Conv3d(1, 2, 3, padding=1)
        self.other = nn.Conv3d(1, 2, 1)

    def forward(self, x):
        if bool(x.mean() > 0):
            return self.one(x)
        return self.other(x)


class InPlaceOnShared(nn.Module):
    """The first convolution's output is changed after it was read, and read again."""

    def __init__(self):
        super().__init__()
        self.one = nn.Conv3d(1, 2, 3, padding=1)
        self.other = nn.Conv3d(2, 2, 1)

    def forward(self, x):
        y = self.one(x)
        z = self.other(y)
        torch.relu_(y)
        return z + y


def main():
    torch.manual_seed(3)
    OUT.mkdir(parents=True, exist_ok=True)
    cube, plane = torch.randn(1, 1, 8, 10, 12), torch.randn(1, 1, 12, 14)
    cases = {"plain_unet": (PlainUNet(), torch.randn(1, 2, 6, 12, 8), False), "residual_unet": (ResidualUNet(), cube, False),
             "nested_2d": (nested_2d(), plane, False), "mixed": (Mixed(), cube, False), "plain_unet_traced": (PlainUNet(), torch.randn(1, 2, 6, 12, 8), True),
             "nested_2d_traced": (nested_2d(), plane, True), "mixed_traced": (Mixed(), cube, True), "in_place": (InPlaceOnShared(), cube, False),
             "unknown": (WithUnknown(), cube, False), "branch": (WithBranch(), cube, False),
             "listed": (Listed(), torch.ones(1, 1, 8, 12, 4).cumsum(3), False)}
    tensors = {}
    for name, (network, sample, traced) in cases.items():
        for module in network.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.running_mean.uniform_(-0.3, 0.3)
                module.running_var.uniform_(0.5, 1.5)
            if getattr(module, "weight", None) is not None and module.weight.dim() == 1:
                nn.init.uniform_(module.weight, 0.5, 1.5)
        network.eval()
        script = torch.jit.trace(network, sample) if traced else torch.jit.script(network)
        whole = OUT / f"{name}.whole"
        script.save(whole)
        with zipfile.ZipFile(whole) as source, zipfile.ZipFile(OUT / f"{name}.ts", "w", zipfile.ZIP_DEFLATED) as target:
            for entry in source.infolist():
                if not entry.filename.endswith(".debug_pkl"):
                    stored = zipfile.ZipInfo(entry.filename)
                    target.writestr(stored, source.read(entry))
        whole.unlink()
        with torch.no_grad():
            tensors[name + ".input"], tensors[name + ".output"] = sample.clone(), network(sample).contiguous()
    save_file(tensors, OUT / "expected.safetensors")
    return 0


if __name__ == "__main__":
    sys.exit(main())
