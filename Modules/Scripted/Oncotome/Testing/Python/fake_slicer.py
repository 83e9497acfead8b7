# SPDX-License-Identifier: Apache-2.0
"""Stands for `slicer`, `vtk` and `qt` in tests: the parts of them that the module uses.

With slicer-core from PyPI (Slicer's own libraries, without its application) and ONCOTOME_SLICER_CORE=1 the scene and
its nodes are Slicer's; the application, Qt and the CLI modules are fakes either way. Events and signals come at once,
timers when run_timers() is called.
"""
import os
import sys
import types
import xml.etree.ElementTree as ElementTree
from pathlib import Path

MODULE_FOLDER = Path(__file__).resolve().parents[2]
REAL = os.environ.get("ONCOTOME_SLICER_CORE") == "1"


class Any:
    """Anything Qt or Slicer has that a test does not look at: attributes are kept, methods do nothing."""

    def __init__(self, *args, **kwargs):
        pass

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *args, **kwargs: None


class Observers:
    """slicer.util.VTKObservationMixin."""

    def __init__(self):
        self.observations = []

    def addObserver(self, obj, event, method):
        self.observations.append((obj, event, method, obj.AddObserver(event, method)))

    def removeObserver(self, obj, event, method):
        for o in list(self.observations):
            if o[:3] == (obj, event, method):
                obj.RemoveObserver(o[3])
                self.observations.remove(o)

    def removeObservers(self):
        for obj, _, _, tag in self.observations:
            obj.RemoveObserver(tag)
        self.observations.clear()


# CLI modules


class Module(str):
    """A module of slicer.modules, by its name."""

    path = "/nowhere/name"


class Cli:
    """slicer.cli, with the runs that were asked for. A test ends them."""

    def __init__(self):
        self.runs = []  # of (module, parameters, node)

    def createNode(self, module, parameters):
        node = sys.modules["slicer"].mrmlScene.AddNewNodeByClass("vtkMRMLCommandLineModuleNode")
        self.runs.append((module, dict(parameters), node))
        return node

    def run(self, module, node, parameters, wait_for_completion=False, delete_temporary_files=True, update_display=True):
        assert node is self.runs[-1][2] and parameters is None
        self.update_display, self.delete_temporary_files = update_display, delete_temporary_files
        node.SetStatus(node.Scheduled)
        if wait_for_completion:
            self.ends(self)

    def finish(self, status="Completed", fill=None, error=""):
        """Ends the last run: `fill` gets its parameters and makes its outputs, as Slicer does before it says so."""
        node = self.runs[-1][2]
        if fill:
            fill(self.runs[-1][1])
        node.SetErrorText(error)
        node.SetStatus(getattr(node, status))
        run_timers()


class ProgressBar(Any):
    """slicer.qSlicerCLIProgressBar: its node must be there as long as it has one."""

    node = None

    def setCommandLineModuleNode(self, node):
        assert self.node is None or self.node.GetScene()
        self.node = node


# Qt


class Item:
    def __init__(self, text=""):
        self._text, self._data = text, {}

    def text(self):
        return self._text

    def setData(self, role, value):
        self._data[role] = value

    def data(self, role):
        return self._data.get(role)

    def setToolTip(self, text):
        pass


class ModuleWidget:
    """ScriptedLoadableModuleWidget, of a module that the user looks at."""

    def __init__(self, parent=None):
        self.parent = types.SimpleNamespace(isEntered=True)
        self.layout = Any()

    def setup(self):
        pass

    def resourcePath(self, path):
        return str(MODULE_FOLDER / "Resources" / path)

    def onReload(self):
        self.reloaded = True


class Widget(Any):
    """A widget of the .ui file: its properties are attributes, a change of value emits its signal."""

    SIGNALS = {"currentPath": "currentPathChanged(QString)", "value": "valueChanged(int)", "checked": "toggled(bool)",
               "currentIndex": "currentIndexChanged(int)", "text": "textChanged(QString)", "node": "currentNodeChanged(vtkMRMLNode*)"}

    def __init__(self, className):
        self.__dict__.update(className=className, signals={}, items=[], text="", enabled=True, visible=True, cells={}, rows=0, node=None, html="")
        self.__dict__.update(value=0, checked=False, currentPath="", currentIndex=-1, current=None)

    def __getattr__(self, name):
        if name.startswith("set"):
            return lambda value: setattr(self, name[3].lower() + name[4:], value)
        return super().__getattr__(name)

    def connect(self, signal, slot):
        self.signals[signal] = slot

    def emit(self, signal, *args):
        self.signals[signal](*args)

    def tell(self, signal, *args):
        """Emits what need not be connected."""
        if signal in self.signals:
            self.emit(signal, *args)

    def __setattr__(self, name, value):
        changed = self.__dict__.get(name) != value
        self.__dict__[name] = value
        if changed and name in self.SIGNALS:
            self.tell(self.SIGNALS[name], value)
        if changed and name == "currentIndex":
            self.tell("currentTextChanged(QString)", self.currentText)

    @property
    def count(self):
        return len(self.items)

    @property
    def currentText(self):
        return self.items[self.currentIndex].text() if self.currentIndex >= 0 else ""

    @property
    def currentData(self):
        return self.items[self.currentIndex].data(0) if self.currentIndex >= 0 else None

    def addItem(self, item, data=None):
        if isinstance(item, str):
            item = Item(item)
            item.setData(0, data)
        self.items.append(item)
        if self.className == "QComboBox" and self.currentIndex < 0:
            self.currentIndex = 0

    def clear(self):
        self.items.clear()
        self.__dict__.update(currentIndex=-1, current=None, html="")

    def item(self, row, column=None):
        return self.items[row] if column is None else self.cells[row, column]

    def itemData(self, index):
        return self.items[index].data(0)

    def findData(self, data):
        return next((i for i, item in enumerate(self.items) if item.data(0) == data), -1)

    def setCurrentText(self, text):
        self.currentIndex = next(i for i, item in enumerate(self.items) if item.text() == text)

    def currentItem(self):
        return self.current

    def setCurrentItem(self, item):
        self.__dict__["current"] = item
        self.tell("itemSelectionChanged()")

    def layout(self):
        return Any()

    def setPlainText(self, text):
        self.html = text

    def appendPlainText(self, text):
        self.html += text + "\n"

    def currentNode(self):
        return self.node

    def setCurrentNode(self, node):
        if node and sys.modules["slicer"].mrmlScene.IsImporting():
            node = None  # its model has no node of an import before the end
        self.node = node

    def setRowCount(self, rows):
        self.rows = rows
        for cell in [cell for cell in self.cells if cell[0] >= rows]:
            del self.cells[cell]

    def setItem(self, row, column, item):
        self.cells[row, column] = item


def load_ui(path):
    """slicer.util.loadUI; `ui` has the widgets by name, as slicer.util.childWidgetVariables gives them."""
    panel = Any()
    panel.ui = types.SimpleNamespace()
    for element in ElementTree.parse(path).iter("widget"):
        widget = Widget(element.get("class"))
        for item in element.findall("item/property[@name='text']/string"):
            widget.addItem(item.text)
        setattr(panel.ui, element.get("name"), widget)
    return panel


_timers = []


def run_timers():
    while _timers:
        _timers.pop(0)()


class Timer(Any):
    """qt.QTimer."""

    @staticmethod
    def singleShot(ms, function):
        _timers.append(function)

    def connect(self, signal, slot):
        self.slot = slot

    def start(self):
        self.stop()
        _timers.append(self.slot)

    def stop(self):
        _timers[:] = [function for function in _timers if function != self.slot]


class ModuleLogic:
    """ScriptedLoadableModuleLogic: a parameter node per scene."""

    def __init__(self):
        self.moduleName = type(self).__name__[: -len("Logic")]

    def getParameterNode(self):
        scene = sys.modules["slicer"].mrmlScene
        node = scene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
        if node is None:
            node = scene.AddNewNodeByClass("vtkMRMLScriptedModuleNode", self.moduleName)
            node.SetSingletonTag(self.moduleName)
        return node


class Settings(dict):
    value = dict.get
    setValue = dict.__setitem__


def install():
    """Puts the fakes in sys.modules, once, and the module's folder on the path."""
    if "OncotomeLib" in sys.modules:
        return
    sys.path.insert(0, str(MODULE_FOLDER))
    if REAL:
        import slicer
        import vtk
    else:
        import fake_scene

        slicer, vtk = types.ModuleType("slicer"), types.ModuleType("vtk")
        slicer.__path__ = []
        vtk.vtkCommand = types.SimpleNamespace(ModifiedEvent="ModifiedEvent")
        vtk.reference = fake_scene.Reference
        fake_scene.install(slicer)
    qt = types.ModuleType("qt")
    qt.Qt = types.SimpleNamespace(UserRole=0)
    qt.QListWidgetItem = qt.QTableWidgetItem = Item
    qt.QTimer = Timer
    base, i18n, util = (types.ModuleType(f"slicer.{name}") for name in ("ScriptedLoadableModule", "i18n", "util"))
    base.ScriptedLoadableModule = base.ScriptedLoadableModuleTest = Any
    base.ScriptedLoadableModuleWidget = ModuleWidget
    base.ScriptedLoadableModuleLogic = ModuleLogic
    i18n.tr = str
    i18n.translate = lambda context, text: text
    util.VTKObservationMixin = Observers
    util.loadUI = load_ui
    util.childWidgetVariables = lambda panel: panel.ui
    util.errors = []
    util.errorDisplay = util.errors.append
    util.getNodesByClass = nodes_of
    slicer.util = util
    slicer.qSlicerCLIProgressBar = ProgressBar
    sys.modules.update({"slicer": slicer, "vtk": vtk, "qt": qt, "slicer.ScriptedLoadableModule": base, "slicer.i18n": i18n, "slicer.util": util})
    reset()


def _add_to_hierarchy(scene, event, node):
    """The application's part: each node of data gets its item under the scene's."""
    if node.IsA("vtkMRMLDisplayableNode") or node.IsA("vtkMRMLTableNode"):
        hierarchy().CreateItem(hierarchy().GetSceneItemID(), node)


def _remove_from_hierarchy(scene, event, node):
    if item := hierarchy().GetItemByDataNode(node):
        hierarchy().RemoveItem(item, False, False)


_remove_from_hierarchy.CallDataType = _add_to_hierarchy.CallDataType = 21  # vtk.VTK_OBJECT: the callback gets the node


def nodes_of(class_name):
    scene = sys.modules["slicer"].mrmlScene
    return [scene.GetNthNodeByClass(i, class_name) for i in range(scene.GetNumberOfNodesByClass(class_name))]


def reset():
    """An empty scene, a new application and CLI modules without runs; returns `slicer`."""
    slicer = sys.modules["slicer"]
    if REAL:
        slicer.mrmlScene = slicer.vtkMRMLScene()
        slicer.mrmlScene.RegisterNodeClass(slicer.vtkMRMLCommandLineModuleNode())
        slicer.mrmlScene.AddObserver(slicer.vtkMRMLScene.NodeAddedEvent, _add_to_hierarchy)
        slicer.mrmlScene.AddObserver(slicer.vtkMRMLScene.NodeAboutToBeRemovedEvent, _remove_from_hierarchy)
    else:
        import fake_scene

        slicer.mrmlScene = fake_scene.Scene()
    slicer.cli = Cli()
    names = ("TumorSegmentation", "LesionMeasurement", "LesionClassification")
    slicer.modules = types.SimpleNamespace(**{name.lower(): Module(name) for name in names})
    settings = Settings()
    slicer.app = types.SimpleNamespace(connect=lambda signal, slot: setattr(slicer.app, "startup", slot), settings=lambda: settings)
    slicer.util.errors.clear()
    _timers.clear()
    return slicer


# What tests put into a scene, and see in it, whoever's nodes they are


def add_segments(segmentation, entries):
    """Segments by id, with their TerminologyEntry, each of one voxel."""
    if not REAL:
        segmentation.segments.update(entries)
        return
    import vtk

    slicer = sys.modules["slicer"]
    for i, (id, entry) in enumerate(entries.items()):
        image = slicer.vtkOrientedImageData()
        image.SetExtent(0, 4, 0, 4, 0, 4)
        image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 1)
        image.GetPointData().GetScalars().Fill(0)
        image.SetScalarComponentFromDouble(1 + i % 3, 2, 2, 0, 1)
        segment = slicer.vtkSegment()
        segment.SetName(id)
        segment.SetTag("TerminologyEntry", entry)
        segment.AddRepresentation("Binary labelmap", image)
        segmentation.GetSegmentation().AddSegment(segment, id)


def add_rows(table, columns, rows):
    if not REAL:
        table.columns, table.rows = list(columns), [list(row) for row in rows]
        return
    import vtk

    table.RemoveAllColumns()
    for i, column in enumerate(columns):
        array = vtk.vtkStringArray()
        array.SetName(column)
        for row in rows:
            array.InsertNextValue(row[i])
        table.AddColumn(array)


def add_volume(name, **attributes):
    slicer = sys.modules["slicer"]
    volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    if REAL:
        import vtk

        image = vtk.vtkImageData()
        image.SetDimensions(5, 5, 5)
        image.AllocateScalars(vtk.VTK_SHORT, 1)
        volume.SetAndObserveImageData(image)
    for key, value in attributes.items():
        volume.SetAttribute(key.replace("_", "."), value)
    return volume


def add_translation(shift):
    slicer = sys.modules["slicer"]
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "moved")
    if REAL:
        import vtk

        matrix = vtk.vtkMatrix4x4()
        for i in range(3):
            matrix.SetElement(i, 3, shift[i])
        node.SetMatrixTransformToParent(matrix)
    else:
        node.attributes["shift"] = shift
    return node


class Slices:
    """Sees where slice views are sent."""

    def __init__(self):
        self.scene = sys.modules["slicer"].mrmlScene
        if REAL:
            self.node = self.scene.AddNewNodeByClass("vtkMRMLSliceNode", "Red")
        else:
            sys.modules["slicer"].vtkMRMLSliceNode.jumps.clear()

    def center(self):
        if REAL:
            matrix = self.node.GetSliceToRAS()
            return tuple(round(matrix.GetElement(i, 3), 6) for i in range(3))
        return sys.modules["slicer"].vtkMRMLSliceNode.jumps[-1]


def hierarchy():
    slicer = sys.modules["slicer"]
    return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)


def saved_scene():
    scene = sys.modules["slicer"].mrmlScene
    if not REAL:
        return [(node, dict(node.parameters), dict(node.references)) for node in scene.nodes.values()]
    scene.SetSaveToXMLString(1)
    scene.Commit()
    return scene.GetSceneXMLString()


def load_scene(saved):
    scene = sys.modules["slicer"].mrmlScene
    if not REAL:
        scene.Import(saved)
        return
    scene.SetLoadFromXMLString(1)
    scene.SetSceneXMLString(saved)
    scene.Import()


def count(class_name):
    return sys.modules["slicer"].mrmlScene.GetNumberOfNodesByClass(class_name)
