# SPDX-License-Identifier: Apache-2.0
import os
from collections.abc import Callable, Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

version: str

class ModelSource:
    def __init__(self, path: str | bytes, device: str, precision: str, threads: int) -> None: ...
    @property
    def package(self) -> Model:
        """What its model says of itself."""

class Channel:
    @overload
    def __init__(self, name: str, path: str | bytes) -> None: ...
    @overload
    def __init__(self, name: str, voxels: NDArray[np.float32], spacing: Sequence[float], origin: Sequence[float],
                 direction: Sequence[Sequence[float]], owner: object) -> None: ...

class Model:
    """What a model says of itself."""

    def __init__(self, path: str | os.PathLike[str]) -> None: ...
    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def modality(self) -> str:
        """DICOM's, such as MR or CT."""
    @property
    def intended_use(self) -> str: ...
    @property
    def license(self) -> str: ...
    @property
    def channels(self) -> tuple[str, ...]: ...
    @property
    def labels(self) -> dict[int, str]: ...

class Lesion:
    """One 26-connected component of the labels that are lesions, measured."""

    @property
    def id(self) -> int:
        """1, 2, ... by falling volume; its value in lesion_ids."""
    @property
    def voxel_count(self) -> int: ...
    @property
    def volume_mm3(self) -> float:
        """Sum of voxels, IBSI YEKZ."""
    @property
    def mesh_volume_mm3(self) -> float:
        """Inside the surface by marching cubes, IBSI RNU0."""
    @property
    def surface_area_mm2(self) -> float:
        """Of that surface, IBSI C0JK."""
    @property
    def sphericity(self) -> float:
        """0 to 1, IBSI QCFX."""
    @property
    def longest_diameter_mm(self) -> float:
        """In three dimensions, IBSI L0JK."""
    @property
    def longest_axial_diameter_mm(self) -> float:
        """In one x-y slice."""
    @property
    def centroid_mm(self) -> tuple[float, float, float]:
        """x, y, z in LPS."""
    @property
    def key_slice(self) -> int:
        """Index z of the slice with the longest axial diameter."""
    @property
    def touches_border(self) -> bool:
        """The volume is a lower bound then."""
    @property
    def touches_unmeasured(self) -> bool:
        """Reaches where slices are missing."""
    @property
    def volume_by_label_mm3(self) -> dict[int, float]:
        """By label value."""

class Result:
    @property
    def labels(self) -> NDArray[np.uint8]: ...
    @property
    def lesion_ids(self) -> NDArray[np.uint16]: ...
    @property
    def spacing(self) -> tuple[float, float, float]: ...
    @property
    def origin(self) -> tuple[float, float, float]: ...
    @property
    def direction(self) -> tuple[tuple[float, float, float], ...]: ...
    @property
    def lesions(self) -> tuple[Lesion, ...]: ...
    @property
    def corrections(self) -> tuple[str, ...]: ...
    @property
    def doubts(self) -> tuple[str, ...]: ...
    @property
    def model(self) -> Model: ...
    def write(self, path: str | bytes) -> None: ...

class PictureResult:
    @property
    def probabilities(self) -> dict[str, float]: ...
    @property
    def entropy(self) -> float: ...
    @property
    def refusal(self) -> str: ...
    @property
    def labels(self) -> NDArray[np.uint8] | None: ...
    @property
    def model(self) -> Model: ...

def load(source: ModelSource) -> ModelSource: ...
def classify(*, model: ModelSource, path: str | bytes, pixels: NDArray[np.float32] | None,
             progress: Callable[[float, str], Any] | None) -> PictureResult: ...
def segment(*, model: ModelSource, path: str | bytes, study: str, channels: Sequence[Channel], mask: Channel | None,
            brain_model: str | bytes, seed: int, progress: Callable[[float, str], Any] | None) -> Result: ...
