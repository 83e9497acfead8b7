# SPDX-License-Identifier: Apache-2.0
"""Where results go in a scene, and the lesions of a table of measurements."""
from __future__ import annotations

from dataclasses import dataclass

import slicer
import vtk

from . import terminology

_FRAME = "Oncotome.Frame"  # a node reference of a table of measurements


@dataclass(frozen=True)
class Lesion:
    """A row of the measurements; lengths in mm, volumes in ml."""

    number: int
    volumeMl: float
    axialDiameterMm: float  # the longest within an axial slice
    diameterMm: float
    meanIntensity: float | None
    touchesBorder: bool
    centerRas: tuple[float, float, float]  # in the frame of the node that frameOf() names, before its parent transform


def putUnderStudy(node, reference) -> None:
    """Moves a node to where the reference lies in subject hierarchy: under its study, if it has one."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(node), hierarchy.GetItemParent(hierarchy.GetItemByDataNode(reference)))


def placeSegmentation(segmentation, reference) -> None:
    """Gives a segmentation the reference's grid (a DICOM SEG needs it), parent transform and study.

    The CLI module gets volumes without their parent transform, so the labels lie in the reference's own frame.
    """
    segmentation.SetReferenceImageGeometryParameterFromVolumeNode(reference)
    segmentation.SetAndObserveTransformNodeID(reference.GetTransformNodeID())
    putUnderStudy(segmentation, reference)


def show3D(segmentation, visible: bool = True) -> None:
    segmentation.CreateDefaultDisplayNodes()
    if visible:
        segmentation.CreateClosedSurfaceRepresentation()
    segmentation.GetDisplayNode().SetVisibility3D(visible)


def _rows(table):
    names = [table.GetColumnName(i) for i in range(table.GetNumberOfColumns())]
    for row in range(table.GetNumberOfRows()):
        yield {name: table.GetCellText(row, column) for column, name in enumerate(names)}


def lesions(table) -> list[Lesion]:
    """The lesions of a table that TumorSegmentation or LesionMeasurement wrote (centroids there are LPS)."""
    out = []
    for row in _rows(table) if table else ():
        left, posterior, superior = (float(row[f"centroid_{axis}_mm"]) for axis in "lps")
        out.append(
            Lesion(
                number=int(row["lesion"]),
                volumeMl=float(row["volume_mm3"]) / 1000,
                axialDiameterMm=float(row["longest_axial_diameter_mm"]),
                diameterMm=float(row["longest_diameter_mm"]),
                meanIntensity=float(row["mean_intensity"]) if row.get("mean_intensity") else None,
                touchesBorder=row.get("touches_border") == "1",
                centerRas=(-left, -posterior, superior),
            )
        )
    return out


def classOfEach(table) -> dict[int, str]:
    """What LesionClassification said of each lesion: its class with the probability, or why it said nothing."""
    return {
        int(row["lesion"]): f"none: {row['refused']}" if row.get("refused") else f"{row['class']} ({float(row['probability']):.0%})"
        for row in (_rows(table) if table else ())
    }


def keepFrame(table, node) -> None:
    """Notes, for the scene too, that the table's centroids lie in the frame of the node."""
    table.SetNodeReferenceID(_FRAME, node.GetID())


def frameOf(table):
    """The node in whose frame the table's centroids lie; None where it is not known, or gone."""
    return table.GetNodeReference(_FRAME) if table else None


def jumpTo(lesion: Lesion, frame) -> None:
    """Centers all slice views on a lesion, whose centroid lies in the frame of a node."""
    world = [0.0, 0.0, 0.0]
    frame.TransformPointToWorld(lesion.centerRas, world)
    slicer.vtkMRMLSliceNode.JumpAllSlices(slicer.mrmlScene, *world, slicer.vtkMRMLSliceNode.CenteredJumpSlice)


def lesionLabelmap(segmentation, reference):
    """A temporary label map of the segments whose category is a lesion's (all, where none is), on the reference's grid.

    :return: the label map and the nodes that go with it, all to be removed; a line for each thing that the user should know.
    """
    inner = segmentation.GetSegmentation()
    ids = [inner.GetNthSegmentID(i) for i in range(inner.GetNumberOfSegments())]
    if not ids:
        raise ValueError(f"'{segmentation.GetName()}' has no segments.")
    entry = vtk.reference("")
    tag = slicer.vtkSegment.GetTerminologyEntryTagName()
    chosen = [id for id in ids if inner.GetSegment(id).GetTag(tag, entry) and terminology.isLesion(str(entry))] or ids
    labelmap, colors = (slicer.mrmlScene.AddNewNodeByClass(c, "Oncotome lesions") for c in ("vtkMRMLLabelMapVolumeNode", "vtkMRMLColorTableNode"))
    # Without colors to write to, the export makes a table of its own, which would stay in the scene.
    colors.SetTypeToUser()
    colors.SetNumberOfColors(1)
    labelmap.CreateDefaultDisplayNodes()
    labelmap.GetDisplayNode().SetAndObserveColorNodeID(colors.GetID())
    nodes = [labelmap, labelmap.GetDisplayNode(), colors]
    if not slicer.vtkSlicerSegmentationsModuleLogic.ExportSegmentsToLabelmapNode(segmentation, chosen, labelmap, reference):
        for node in nodes:
            slicer.mrmlScene.RemoveNode(node)
        raise ValueError(f"The segments of '{segmentation.GetName()}' cannot be laid on the grid of '{reference.GetName()}'.")
    notes = []
    if leftOut := [inner.GetSegment(id).GetName() for id in ids if id not in chosen]:
        notes.append("Left out, as their category is not Morphologically Altered Structure (a double-click on a segment's color changes it): "
                     f"{', '.join(leftOut)}.")
    if labelmap.GetImageData().GetScalarRange()[1] == 0:
        notes.append(f"No segment reaches into '{reference.GetName()}': all are empty, or only one of the two was moved by a transform.")
    return nodes, notes
