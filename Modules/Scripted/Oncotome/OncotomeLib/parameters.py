# SPDX-License-Identifier: Apache-2.0
"""The choices of the panel, kept in a parameter node and so in the scene.

On a plain vtkMRMLScriptedModuleNode: slicer.parameterNodeWrapper of Slicer 5.8 does not return the tag of a connected
panel, so that its observers can never be removed, and the number of volumes depends on the model.
"""
from __future__ import annotations

from .models import MAX_CHANNELS

DEVICES = ("auto", "cpu", "cuda")
PRECISIONS = ("f32", "strict", "bf16", "int8")


def _text(key: str, default: str) -> property:
    return property(lambda self: self.node.GetParameter(key) or default, lambda self, value: self.node.SetParameter(key, value))


def _integer(key: str) -> property:
    return property(lambda self: int(self.node.GetParameter(key) or 0), lambda self, value: self.node.SetParameter(key, str(int(value))))


def _flag(key: str, default: bool) -> property:
    def get(self) -> bool:
        text = self.node.GetParameter(key)
        return text == "true" if text else default

    return property(get, lambda self, value: self.node.SetParameter(key, "true" if value else "false"))


def _reference(role: str) -> property:
    return property(lambda self: self.node.GetNodeReference(role), lambda self, value: self.node.SetNodeReferenceID(role, value.GetID() if value else None))


class Parameters:
    """Typed access to a parameter node. What is not set has its default; nodes that are gone are None."""

    model = _text("Model", "")  # a model's id
    classifier = _text("Classifier", "")
    device = _text("Device", "auto")
    precision = _text("Precision", "f32")
    threads = _integer("Threads")  # 0: one per core
    skipMirroring = _flag("SkipMirroring", False)
    show3D = _flag("Show3D", True)
    mask = _reference("Mask")
    brainModel = _text("BrainModel", "")  # a model's id
    segmentation = _reference("OutputSegmentation")
    measurements = _reference("Measurements")
    classes = _reference("Classes")

    def __init__(self, node):
        self.node = node

    def inputs(self, count: int = MAX_CHANNELS) -> list:
        """The volumes of the first `count` channels, None where none is chosen."""
        return [getattr(self, f"input{i + 1}") for i in range(count)]


for _i in range(MAX_CHANNELS):
    setattr(Parameters, f"input{_i + 1}", _reference(f"InputVolume{_i + 1}"))
