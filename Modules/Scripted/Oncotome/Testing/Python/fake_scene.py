# SPDX-License-Identifier: Apache-2.0
"""A scene and its nodes, as far as the module asks of them. Names and meanings are those of MRML."""
import types


class Node:
    StartCloseEvent, EndCloseEvent, StartImportEvent, EndImportEvent = "StartClose", "EndClose", "StartImport", "EndImport"

    def __init__(self, name="", className=""):
        self.name, self.className, self.id, self.scene = name, className or type(self).__name__, None, None
        self.attributes, self.parameters, self.references, self.observers = {}, {}, {}, {}
        self.modifying, self.pending, self.singleton = 0, False, ""

    def GetName(self):
        return self.name

    def SetName(self, name):
        self.name = name

    def GetID(self):
        return self.id

    def GetScene(self):
        return self.scene

    def GetClassName(self):
        return self.className

    def SetSingletonTag(self, tag):
        self.singleton = tag

    def GetAttribute(self, key):
        return self.attributes.get(key)

    def SetAttribute(self, key, value):
        self.attributes[key] = value

    def GetParameter(self, key):
        return self.parameters.get(key, "")

    def SetParameter(self, key, value):
        assert isinstance(value, str), value
        if self.parameters.get(key) != value:
            self.parameters[key] = value
            self.Modified()

    def GetNodeReference(self, role):
        return self.scene.GetNodeByID(self.references.get(role)) if role in self.references else None

    def SetNodeReferenceID(self, role, id):
        if self.references.get(role) != id:
            self.references[role] = id
            self.Modified()

    def GetTransformNodeID(self):
        return self.references.get("transform")

    def SetAndObserveTransformNodeID(self, id):
        self.references["transform"] = id

    def TransformPointToWorld(self, point, world):
        shift = self.scene.GetNodeByID(self.GetTransformNodeID()).attributes["shift"] if self.GetTransformNodeID() else (0, 0, 0)
        world[:] = [p + s for p, s in zip(point, shift)]

    def AddObserver(self, event, callback, priority=0.0):
        tag = len(self.observers) + 1
        self.observers[tag] = (event, callback)
        return tag

    def RemoveObserver(self, tag):
        self.observers.pop(tag, None)

    def InvokeEvent(self, event):
        for wanted, callback in list(self.observers.values()):
            if wanted == event:
                callback(self, event)

    def StartModify(self):
        self.modifying += 1
        return self.modifying - 1

    def EndModify(self, was):
        self.modifying = was
        if not was and self.pending:
            self.pending = False
            self.Modified()

    def Modified(self):
        if self.modifying:
            self.pending = True
        else:
            self.InvokeEvent("ModifiedEvent")


class CommandLineNode(Node):
    Idle, Scheduled, Running, Cancelling, Cancelled, Completing, Completed, ErrorsMask = 0, 1, 2, 4, 8, 16, 32, 64
    CompletedWithErrors = Completed | ErrorsMask
    status, output, error, progress = Idle, "", "", 0

    def GetStatus(self):
        return self.status

    def SetStatus(self, status):
        self.status = status
        self.Modified()

    def IsBusy(self):
        return bool(self.status & (self.Scheduled | self.Running | self.Cancelling | self.Completing))

    def Cancel(self):
        if self.IsBusy():
            self.SetStatus(self.Cancelling)

    def GetProgress(self):
        return self.progress

    def GetOutputText(self):
        return self.output

    def SetOutputText(self, text):
        self.output = text
        self.Modified()

    def GetErrorText(self):
        return self.error

    def SetErrorText(self, text):
        self.error = text
        self.Modified()

    def GetParameterAsString(self, name):
        return ""

    def StartContinuousOutputUpdate(self):
        self.continuous = True


class Colors(Node):
    SetTypeToUser = SetNumberOfColors = lambda self, *count: None


class Display(Node):
    visible, colors = False, None

    def SetVisibility3D(self, on):
        self.visible = on

    def GetVisibility3D(self):
        return self.visible

    def SetAndObserveColorNodeID(self, id):
        self.colors = id


class Displayable(Node):
    display = None

    def CreateDefaultDisplayNodes(self):
        self.display = self.display or self.scene.AddNode(Display("", self.className.replace("Node", "DisplayNode")))

    def GetDisplayNode(self):
        return self.display


class Segmentation(Displayable):
    def __init__(self, *args):
        super().__init__(*args)
        self.segments, self.reference, self.surfaces = {}, None, False

    def SetReferenceImageGeometryParameterFromVolumeNode(self, volume):
        self.reference = volume.id

    def GetNodeReferenceID(self, role):
        return self.reference

    def CreateClosedSurfaceRepresentation(self):
        self.surfaces = True

    def GetSegmentation(self):
        return self

    def GetNumberOfSegments(self):
        return len(self.segments)

    def GetNthSegmentID(self, n):
        return list(self.segments)[n]

    def GetSegment(self, id):
        entry = self.segments[id]
        return types.SimpleNamespace(GetName=lambda: id, GetTag=lambda tag, out: (setattr(out, "value", entry), bool(entry))[1])


class Table(Node):
    def __init__(self, *args):
        super().__init__(*args)
        self.columns, self.rows = [], []

    def GetNumberOfColumns(self):
        return len(self.columns)

    def GetNumberOfRows(self):
        return len(self.rows)

    def GetColumnName(self, i):
        return self.columns[i]

    def GetCellText(self, row, column):
        return self.rows[row][column]


class Hierarchy:
    """Parents of data nodes, by item; 1 is the scene, new nodes lie in it."""

    def __init__(self):
        self.items, self.parents = {}, {}

    def GetItemByDataNode(self, node):
        return self.items.setdefault(node.GetID(), 100 + len(self.items))

    def GetSceneItemID(self):
        return 1

    def CreateStudyItem(self, parent, name):
        item = 1000 + len(self.parents)
        self.parents[item] = parent
        return item

    def GetItemParent(self, item):
        return self.parents.get(item, 1)

    def SetItemParent(self, item, parent):
        self.parents[item] = parent


class Scene(Node):
    classes = {"vtkMRMLSegmentationNode": Segmentation, "vtkMRMLTableNode": Table, "vtkMRMLCommandLineModuleNode": CommandLineNode,
               "vtkMRMLLabelMapVolumeNode": Displayable, "vtkMRMLColorTableNode": Colors}

    def __init__(self):
        super().__init__()
        self.nodes, self.added, self.hierarchy, self.importing = {}, {}, Hierarchy(), False

    def AddNewNodeByClass(self, className, name=""):
        return self.AddNode(self.classes.get(className, Node)(name, className))

    def AddNode(self, node):
        self.added[node.className] = self.added.get(node.className, 0) + 1
        node.id, node.scene = f"{node.className}{self.added[node.className]}", self
        self.nodes[node.id] = node
        return node

    def RemoveNode(self, node):
        del self.nodes[node.id]
        node.scene = None

    def GetNodeByID(self, id):
        return self.nodes.get(id)

    def GenerateUniqueName(self, name):
        return name

    def GetNumberOfNodesByClass(self, className):
        return sum(node.className == className for node in self.nodes.values())

    def GetNthNodeByClass(self, n, className):
        return [node for node in self.nodes.values() if node.className == className][n]

    def GetSingletonNode(self, tag, className):
        return next((node for node in self.nodes.values() if node.className == className and node.singleton == tag), None)

    def Clear(self, removeSingletons=False):
        self.InvokeEvent(self.StartCloseEvent)
        for node in [node for node in self.nodes.values() if removeSingletons or not node.singleton]:
            self.RemoveNode(node)
        for node in self.nodes.values():
            node.parameters.clear()
            node.references.clear()
        self.InvokeEvent(self.EndCloseEvent)

    def IsImporting(self):
        return self.importing

    def Import(self, saved):
        """Of (node, parameters, references); singletons stay, and get what was saved of them."""
        self.importing = True
        self.InvokeEvent(self.StartImportEvent)
        for node, node.parameters, node.references in saved:
            self.nodes[node.id], node.scene = node, self
            node.Modified()
        self.importing = False
        self.InvokeEvent(self.EndImportEvent)


class Reference:
    """vtk.reference of a string."""

    def __init__(self, value):
        self.value = value

    def __str__(self):
        return self.value


class SliceNode:
    """Notes where slices were sent."""

    CenteredJumpSlice, jumps = 1, []

    @staticmethod
    def JumpAllSlices(scene, r, a, s, mode):
        SliceNode.jumps.append((r, a, s))


class SegmentationsLogic:
    @staticmethod
    def ExportSegmentsToLabelmapNode(segmentation, ids, labelmap, reference):
        labelmap.segments, labelmap.reference = list(ids), reference
        reached = segmentation.GetTransformNodeID() == reference.GetTransformNodeID()
        labelmap.GetImageData = lambda: types.SimpleNamespace(GetScalarRange=lambda: (0, len(ids) if reached else 0))
        if not labelmap.GetDisplayNode() or not labelmap.GetDisplayNode().colors:
            labelmap.scene.AddNewNodeByClass("vtkMRMLColorTableNode", f"{segmentation.GetName()}_ColorTable")
        return True


def install(slicer):
    slicer.vtkMRMLSliceNode = SliceNode
    slicer.vtkSlicerSegmentationsModuleLogic = SegmentationsLogic
    slicer.vtkSegment = types.SimpleNamespace(GetTerminologyEntryTagName=lambda: "TerminologyEntry")
    slicer.vtkMRMLSubjectHierarchyNode = types.SimpleNamespace(GetSubjectHierarchyNode=lambda scene: scene.hierarchy)
