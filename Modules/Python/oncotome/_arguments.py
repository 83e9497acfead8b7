# SPDX-License-Identifier: Apache-2.0
"""What users give, checked and as C++ takes it. Raises TypeError, ValueError and Error."""
from __future__ import annotations

import operator
import os
import pathlib
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _core
from ._error import Error

MODELS = pathlib.Path(__file__).parent / "models"
_IDENTITY = ((1, 0, 0), (0, 1, 0), (0, 0, 1))

Path = str | os.PathLike[str]
Triple = Sequence[float]
Matrix = Sequence[Triple]
Geometry = tuple[Triple | None, Triple | None, Matrix | None]
Image = Any  # a path, a NumPy array, a SimpleITK.Image or an itk.Image
Progress = Callable[[float, str], Any]


def names() -> list[str]:
    return sorted(path.parent.name for path in MODELS.glob("*/model.json"))


def folder_of(model: Path) -> bytes:
    path = place(model)
    name = os.fsdecode(path)
    if name in names():
        return os.fsencode(MODELS / name)
    if os.path.exists(path):
        return path
    raise Error(f"there is no such model; those that come with oncotome are {', '.join(names())}", "model.not_found", 50)


def place(path: Path) -> bytes:
    """Of any name that the file system knows, UTF-8 or not."""
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"a path is text or a pathlib.Path, not {type(path).__name__}")
    encoded = os.fsencode(path)
    if not encoded or b"\0" in encoded:
        raise ValueError("a path is empty, or holds a zero byte")
    return encoded


def text(what: str, value: str) -> str:
    if not isinstance(value, str) or not value.isprintable():
        raise TypeError(f"{what} is one line of text")
    return value


def whole(what: str, value: int, end: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{what} is a whole number, not {type(value).__name__}") from None
    if not 0 <= number < end:
        raise Error(f"{what} is a whole number from 0 to {end - 1}", "usage", 2)
    return number


def progress_function(progress: Progress | None) -> Progress | None:
    if progress is not None and not callable(progress):
        raise TypeError("progress is a function of a fraction and the name of a stage")
    return progress


def triple(what: str, values: Triple | None, default: Triple) -> list[float]:
    try:
        numbers = [float(value) for value in np.ravel(default if values is None else values)]
    except (TypeError, ValueError):
        numbers = []
    if len(numbers) != 3:
        raise ValueError(f"{what} is three numbers, along x, y, z")
    return numbers


def matrix(values: Matrix | None) -> list[list[float]]:
    try:
        rows = np.reshape(np.asarray(_IDENTITY if values is None else values, float), (3, 3))
    except (TypeError, ValueError):
        raise ValueError("direction is ITK's matrix: three rows of three numbers") from None
    return [[float(value) for value in row] for row in rows]


def float32(array: NDArray[Any]) -> NDArray[np.float32]:
    if isinstance(array, np.ma.MaskedArray):
        raise TypeError("an image is no masked array: fill it, and give the mask as an image of its own")
    if array.dtype.kind not in "buif":
        raise TypeError(f"an image holds real numbers, not {array.dtype}")
    with np.errstate(over="ignore"):  # Infinite values are refused later.
        return np.ascontiguousarray(array, np.float32)


def channel(name: str, image: Image, geometry: Geometry) -> _core.Channel:
    if isinstance(image, (str, os.PathLike)):
        return _core.Channel(name, place(image))
    spacing, origin, direction = geometry
    array: NDArray[Any] | None
    owner = image
    if isinstance(image, np.ndarray):
        array = image
    elif hasattr(image, "GetPixelIDTypeAsString"):
        if "label" in image.GetPixelIDTypeAsString():
            raise TypeError("an image is no label map: make it an image of labels first")
        array = import_module("SimpleITK").GetArrayViewFromImage(image)
        spacing, origin = image.GetSpacing(), image.GetOrigin()
        direction = np.reshape(image.GetDirection(), (image.GetDimension(),) * 2).tolist()
    elif hasattr(image, "GetBufferedRegion"):
        itk = import_module("itk")
        try:
            image.Update()  # what it comes from, in a pipeline
        except RuntimeError:
            raise Error("the pipeline of an itk.Image failed: call its Update() to see why", "input.unreadable", 11) from None
        owner = type(image).New()
        owner.Graft(image)  # which may let go of its voxels meanwhile
        try:
            array = itk.array_view_from_image(owner)
        except (RuntimeError, KeyError):
            array = None
        if array is None:
            raise TypeError("an itk.Image has no voxels that are real numbers: keep what it comes from, and call its Update()")
        spacing = list(image.GetSpacing())
        origin = list(image.TransformIndexToPhysicalPoint(image.GetBufferedRegion().GetIndex()))
        direction = itk.array_from_matrix(image.GetDirection()).tolist()
    else:
        raise TypeError(f"an image is a path, a NumPy array, a SimpleITK.Image or an itk.Image, not {type(image).__name__}")
    voxels = float32(array)
    if array.ndim != 3:
        raise ValueError(f"an image has the three axes z, y, x, not {array.ndim}")
    return _core.Channel(
        name, voxels, triple("spacing", spacing, (1, 1, 1)), triple("origin", origin, (0, 0, 0)), matrix(direction), owner
    )
