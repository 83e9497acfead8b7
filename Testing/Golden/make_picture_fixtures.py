#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Pictures as PIL writes them, and torchvision's antialiased resize of one: fixtures/pictures.

make_picture_fixtures.py; needs Pillow, numpy, torch, torchvision, safetensors. Red 10 x + y, green 200 - x, blue 7 y.
"""
import pathlib

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torchvision.transforms.v2.functional import resize

PLACE = pathlib.Path(__file__).resolve().parent / "fixtures" / "pictures"


def main():
    PLACE.mkdir(exist_ok=True)
    y, x = np.mgrid[:9, :12]
    rgb = np.stack([10 * x + y, 200 - x, 7 * y], -1).astype(np.uint8)
    alpha = np.full((9, 12, 1), 77, np.uint8)
    gray = rgb[..., :1]
    Image.fromarray(rgb).save(PLACE / "rgb.png")
    Image.fromarray(rgb).save(PLACE / "rgb.JPG", "JPEG", quality=95, subsampling=0)
    Image.fromarray(np.concatenate([rgb, alpha], -1)).save(PLACE / "rgba.png")
    palette = Image.fromarray(np.arange(108, dtype=np.uint8).reshape(9, 12), "P")
    palette.putpalette(rgb.reshape(-1).tolist())
    palette.save(PLACE / "palette.png")
    Image.fromarray(gray[..., 0]).save(PLACE / "gray.png")
    Image.fromarray(np.concatenate([gray, alpha], -1), "LA").save(PLACE / "gray_alpha.png")
    deep = (1000 * x + 7 * y).astype(np.uint16)
    deep[4, 5] = 54321
    Image.fromarray(deep).save(PLACE / "gray16.png")
    Image.fromarray(((x + y) % 2 == 0)).save(PLACE / "bilevel.png")
    Image.fromarray(np.full((1, 1), 9, np.uint8)).save(PLACE / "one.png")

    torch.manual_seed(3)
    image = torch.rand(1, 2, 23, 31)
    tensors = {"image": image}
    for height, width in ((9, 10), (23, 11), (50, 57), (1, 1), (31, 14)):
        tensors[f"{height}x{width}"] = resize(image, [height, width], antialias=True)
    save_file({name: value.contiguous() for name, value in tensors.items()}, str(PLACE / "resized.safetensors"))


if __name__ == "__main__":
    main()
