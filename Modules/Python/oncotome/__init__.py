# SPDX-License-Identifier: Apache-2.0
"""Finds, outlines and measures tumors in medical images. For research; not a medical device.

Space is ITK's and DICOM's: millimeters in LPS (x to the left, y to posterior, z to superior). Arrays are indexed z, y, x;
`spacing`, `origin` and the rows and columns of `direction` are in the order x, y, z, as SimpleITK and itk give them.
"""
from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _arguments, _core
from ._arguments import Image, Matrix, Path, Progress, Triple
from ._core import Lesion, Model
from ._error import Error

__all__ = ["Classification", "Error", "Lesion", "LoadedModel", "Model", "Segmentation", "classify", "load", "models", "segment"]
__version__: str = _core.version


@dataclass(frozen=True, eq=False)
class Segmentation:
    """Labels on the grid of the model's reference channel, and the lesions in them.

    `labels` (uint8) and `lesion_ids` (uint16: 0 or a lesion's id) have the shape (z, y, x). They are the memory of the
    engine, not copies; they may be changed, and `write`, `to_sitk` and `to_itk` then give what was changed. Hence it is
    not for pickling: another process is sent the arrays.
    """

    labels: NDArray[np.uint8] = field(repr=False)
    lesion_ids: NDArray[np.uint16] = field(repr=False)
    spacing: tuple[float, float, float]  #: mm along x, y, z
    origin: tuple[float, float, float]  #: LPS of the center of voxel (0, 0, 0), mm
    direction: tuple[tuple[float, float, float], ...]  #: rows of ITK's matrix: column 0 is where x points in LPS
    names: dict[int, str]  #: of the label values; 0 is background
    lesions: tuple[Lesion, ...]  #: by falling volume
    corrections: tuple[str, ...]  #: what was done to the images so that the model could take them
    doubts: tuple[str, ...]  #: what may make the result wrong
    model: Model = field(repr=False)
    _result: _core.Result = field(repr=False)

    def write(self, path: Path) -> None:
        """Writes the labels: .seg.nrrd (with names, colors and terminology for 3D Slicer), .nrrd, .nii or .nii.gz.

        A file appears whole or not at all, and replaces one of its name. Raises Error (usage, output.unwritable, and
        output.exists where there is something else than a file).
        """
        self._result.write(_arguments.place(path))

    def to_sitk(self) -> Any:
        """The labels as a SimpleITK.Image (a copy)."""
        image = import_module("SimpleITK").GetImageFromArray(self.labels)
        image.SetSpacing(self.spacing)
        image.SetOrigin(self.origin)
        image.SetDirection([value for row in self.direction for value in row])
        return image

    def to_itk(self) -> Any:
        """The labels as an itk.Image[itk.UC, 3] that shares their memory."""
        itk = import_module("itk")
        image = itk.image_view_from_array(self.labels)
        image.SetSpacing(self.spacing)
        image.SetOrigin(self.origin)
        image.SetDirection(itk.matrix_from_array(np.array(self.direction)))
        return image


@dataclass(frozen=True, eq=False)
class Classification:
    """What a model says of a picture."""

    best: str | None  #: the most probable class; None when refused, or of a model without classes
    probabilities: dict[str, float]  #: by class
    entropy: float  #: of these, in nats
    refusal: str  #: why there is no answer: the picture is not of the kind that the model knows; else ""
    labels: NDArray[np.uint8] | None = field(repr=False)  #: (y, x), of a model that outlines too; the engine's memory
    model: Model = field(repr=False)


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A model in memory, from `load`, for any number of calls, from several threads too."""

    model: Model
    _source: _core.ModelSource = field(repr=False)


def load(model: Path, *, device: str = "auto", precision: str = "f32", threads: int = 0) -> LoadedModel:
    """Loads a model once for many calls of `segment` and `classify`, which else load it each time.

    The arguments are those of `segment`; of several models the threads of the one loaded last prepare images for all.
    Raises Error.
    """
    source = _core.load(_source_of(model, device, precision, threads))
    return LoadedModel(source.package, source)


def models() -> dict[str, Model]:
    """The models that come with the package, by name: title, channels, labels and what they are meant for."""
    return {name: Model(_arguments.MODELS / name) for name in _arguments.names()}


def segment(
    image: Image | Mapping[str, Image],
    model: Path | LoadedModel,
    *,
    spacing: Triple | None = None,
    origin: Triple | None = None,
    direction: Matrix | None = None,
    mask: Image | None = None,
    brain_model: Path = "",
    device: str = "auto",
    precision: str = "f32",
    threads: int = 0,
    seed: int = 0,
    study: str = "",
    progress: Progress | None = None,
) -> Segmentation:
    """Segments and measures the tumors in one patient's images.

    `image` is a path (a DICOM folder, file or .zip, a NIfTI or NRRD file), a NumPy array (z, y, x), a SimpleITK.Image or
    an itk.Image; or, for a model of several channels, a dict of such by the channel's name. Of one path the channels are
    found as the program `oncotome segment` finds them. A C-contiguous float32 array or image is read in place, others are
    converted once. `model` is a folder or .zip (a package, nnU-Net v2's results, a MONAI bundle), the name of one of
    `models()`, or one from `load`, which has its device, precision and threads.

    `spacing` (mm, along x, y, z; default 1), `origin` (LPS, mm; default 0) and `direction` (ITK's matrix; default
    identity) place NumPy arrays, which have no geometry of their own; `labels` of the result lie on the same grid.

    `mask`: an image that is not 0 in the body part, such as the brain, for images whose background is not 0.
    `brain_model`: the model that finds the brain, where one is needed without skull (default: the one beside the model).
    `device`: "cpu", "cuda", or "auto": CUDA where it can be used, which it cannot beside a PyTorch of another LibTorch.
    `precision`: "f32", "strict", "bf16" or "int8". `threads`: 0 is one per core. The same images, model, seed and device
    give the same labels. `study`: UID of the study to take, of several in a folder.

    Other Python threads run meanwhile. `progress(fraction, what)` is called in this one, with 0 to 1 and the name of the
    stage. When it raises or returns False, or on Ctrl-C, computing stops within one tile, and that exception (for False:
    Error cancelled) is raised here. Else raises Error, and TypeError or ValueError for arguments that are no images.

    >>> import numpy as np, oncotome
    >>> slices = np.zeros((3, 128, 128), np.float32)  # contrast-enhanced T1-weighted MR would be better
    >>> slices[:, 24:104, 24:104], slices[:, 60:70, 60:70] = 100, 200
    >>> found = oncotome.segment(slices, "brain-mass-t1c", spacing=(1.5, 1.5, 6))
    >>> found.labels.shape, found.labels.dtype, found.names
    ((3, 128, 128), dtype('uint8'), {1: 'Tumor'})
    """
    geometry = (spacing, origin, direction)
    images = list(image.values()) if isinstance(image, Mapping) else [image]
    if study and not isinstance(image, (str, os.PathLike)):
        raise ValueError("study chooses one of several under one path")
    if any(given is not None for given in geometry) and not any(isinstance(one, np.ndarray) for one in (*images, mask)):
        raise ValueError("spacing, origin and direction are for NumPy arrays, which have none")
    path, channels = b"", []
    if isinstance(image, Mapping):
        channels = [_arguments.channel(_arguments.text("the name of a channel", name), one, geometry) for name, one in image.items()]
    elif isinstance(image, (str, os.PathLike)):
        path = _arguments.place(image)
    else:
        channels = [_arguments.channel("", image, geometry)]
    result = _core.segment(
        model=_source_of(model, device, precision, threads), path=path, study=_arguments.text("study", study), channels=channels,
        mask=None if mask is None else _arguments.channel("", mask, geometry), brain_model=_arguments.folder_of(brain_model) if brain_model else b"",
        seed=_arguments.whole("seed", seed, 2**64), progress=_arguments.progress_function(progress),
    )
    return Segmentation(
        labels=result.labels, lesion_ids=result.lesion_ids, spacing=result.spacing, origin=result.origin, direction=result.direction,
        names=result.model.labels, lesions=result.lesions, corrections=result.corrections, doubts=result.doubts, model=result.model,
        _result=result,
    )


def classify(
    image: Path | NDArray[Any],
    model: Path | LoadedModel,
    *,
    device: str = "auto",
    precision: str = "f32",
    threads: int = 0,
    progress: Progress | None = None,
) -> Classification:
    """Says what one picture shows, by a model of such.

    `image` is the path of a PNG, JPEG or DICOM image, or a NumPy array (y, x) or (y, x, 3) of 0 to 255. The rest is as for
    `segment`, errors too.
    """
    path, pixels = b"", None
    if isinstance(image, (str, os.PathLike)):
        path = _arguments.place(image)
    elif isinstance(image, np.ndarray):
        pixels = _arguments.float32(image[..., np.newaxis] if image.ndim == 2 else image)
    else:
        raise TypeError(f"a picture is a path or a NumPy array, not {type(image).__name__}")
    result = _core.classify(model=_source_of(model, device, precision, threads), path=path, pixels=pixels, progress=_arguments.progress_function(progress))
    probabilities = result.probabilities
    best = max(probabilities, key=lambda name: probabilities[name]) if probabilities and not result.refusal else None
    return Classification(best, probabilities, result.entropy, result.refusal, result.labels, result.model)


def _source_of(model: Path | LoadedModel, device: str, precision: str, threads: int) -> _core.ModelSource:
    if not isinstance(model, LoadedModel):
        return _core.ModelSource(_arguments.folder_of(model), _arguments.text("device", device), _arguments.text("precision", precision), _arguments.whole("threads", threads, 4097))
    if (device, precision, threads) != ("auto", "f32", 0):
        raise ValueError("device, precision and threads are for load(), where the model is loaded already")
    return model._source
