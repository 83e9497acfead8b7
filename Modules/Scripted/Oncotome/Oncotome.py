# SPDX-License-Identifier: Apache-2.0
"""The Oncotome module of 3D Slicer: finds, outlines and measures tumors. What it does lies in OncotomeLib."""
import html
import importlib
import logging
import sys

import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import ScriptedLoadableModule, ScriptedLoadableModuleTest, ScriptedLoadableModuleWidget
from slicer.util import VTKObservationMixin

from OncotomeLib import models, results, samples, terminology
from OncotomeLib.logic import OncotomeLogic, whyNotVolumes
from OncotomeLib.models import MAX_CHANNELS
from OncotomeLib.run import RunCancelled, RunError, engineVersion

_MODEL_FOLDER = "Oncotome/ModelFolder"  # an application setting: a path of one machine has no place in a scene
_COLUMNS = ("Lesion", "Volume, ml", "Axial, mm", "3-D, mm", "Mean", "Class")  # mm: longest diameters


class Oncotome(ScriptedLoadableModule):
    def __init__(self, parent):
        super().__init__(parent)
        parent.title = "Oncotome"
        parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        parent.dependencies = ["Segmentations", "SubjectHierarchy", "Terminologies"]
        parent.contributors = ["The Oncotome authors"]
        parent.helpText = _(
            "Finds, outlines and measures tumors in CT, MR and PET with trained networks, on this machine: nothing is sent anywhere. "
            "For research, not a medical device."
        )
        parent.acknowledgementText = _("Models and their training data are named in each model's description.")
        slicer.app.connect("startupCompleted()", onStartupCompleted)


def onStartupCompleted():
    """Makes sample data and terminology known, which takes other modules."""
    samples.register()
    for file in terminology.load(slicer.modules.terminologies.logic()):
        logging.error(f"Oncotome: Slicer refused the terminology {file}")


class OncotomeWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self.parameters = None
        self._models = []
        self._lesions = []
        self._updating = False

    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        panel = slicer.util.loadUI(self.resourcePath("UI/Oncotome.ui"))
        self.layout.addWidget(panel)
        self.ui = slicer.util.childWidgetVariables(panel)
        panel.setMRMLScene(slicer.mrmlScene)
        self.logic = OncotomeLogic()
        ui = self.ui
        self._channelLabels = [getattr(ui, f"channelLabel{i + 1}") for i in range(MAX_CHANNELS)]
        self._channelSelectors = [getattr(ui, f"channelSelector{i + 1}") for i in range(MAX_CHANNELS)]
        self._progressBar = slicer.qSlicerCLIProgressBar()
        ui.progressPlace.layout().addWidget(self._progressBar)
        ui.lesionTable.setColumnCount(len(_COLUMNS))
        ui.lesionTable.setHorizontalHeaderLabels(list(_COLUMNS))
        ui.versionText.text = engineVersion() or _("not known")
        ui.modelFolderEdit.currentPath = slicer.app.settings().value(_MODEL_FOLDER) or ""

        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        # After panel.setMRMLScene: the selectors must have heard of the end of an import before.
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartImportEvent, self.onSceneStartImport)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndImportEvent, self.onSceneEndImport)
        ui.modelSearch.connect("textChanged(QString)", self.listModels)
        ui.modelList.connect("itemSelectionChanged()", self.onModelSelected)
        for i, selector in enumerate(self._channelSelectors):
            selector.connect("currentNodeChanged(vtkMRMLNode*)", self.keeps(f"input{i + 1}"))
        ui.outputSelector.connect("currentNodeChanged(vtkMRMLNode*)", self.onOutput)
        ui.deviceSelector.connect("currentTextChanged(QString)", self.keeps("device"))
        ui.precisionSelector.connect("currentTextChanged(QString)", self.keeps("precision"))
        ui.classifierSelector.connect("currentIndexChanged(int)", self.onClassifier)
        ui.brainModelSelector.connect("currentIndexChanged(int)", self.onBrainModel)
        ui.maskSelector.connect("currentNodeChanged(vtkMRMLNode*)", self.keeps("mask"))
        ui.threadsSpinBox.connect("valueChanged(int)", self.keeps("threads"))
        ui.skipMirroringCheckBox.connect("toggled(bool)", self.keeps("skipMirroring"))
        ui.show3DCheckBox.connect("toggled(bool)", self.keeps("show3D"))
        self._folderTimer = qt.QTimer()  # the path changes with each key
        self._folderTimer.setSingleShot(True)
        self._folderTimer.setInterval(500)
        self._folderTimer.connect("timeout()", self.onModelFolder)
        ui.modelFolderEdit.connect("currentPathChanged(QString)", lambda path: self._folderTimer.start())
        ui.clearModelFolderButton.connect("clicked()", lambda: setattr(ui.modelFolderEdit, "currentPath", ""))
        ui.applyButton.connect("clicked()", self.onApply)
        ui.measureButton.connect("clicked()", self.onMeasure)
        ui.classifyButton.connect("clicked()", self.onClassify)
        ui.lesionTable.connect("cellClicked(int,int)", self.onLesion)
        self.findModels()
        self.setParameters(self.logic.getParameters())

    # Life of the panel

    def enter(self):
        if self.parameters is None:
            self.setParameters(self.logic.getParameters())

    def exit(self):
        pass  # a run goes on, and the panel follows it

    def cleanup(self):
        if self.logic:
            self.abandon()
            self._folderTimer.stop()
        self.removeObservers()

    def onReload(self):
        """Reloads OncotomeLib too: Slicer reloads this file only."""
        self.abandon()
        for name in ("models", "parameters", "terminology", "samples", "results", "run", "logic"):
            importlib.reload(sys.modules[f"OncotomeLib.{name}"])
        super().onReload()

    def abandon(self):
        self._progressBar.setCommandLineModuleNode(None)  # it does not own the node
        self.logic.abandon()

    def onSceneStartClose(self, caller, event):
        self.abandon()
        self.setParameters(None)

    def onSceneEndClose(self, caller, event):
        if self.parent.isEntered:
            self.setParameters(self.logic.getParameters())

    def onSceneStartImport(self, caller, event):
        """Lets go: until the end of an import selectors know none of its nodes, and would show and keep None."""
        self.setParameters(None)

    def onSceneEndImport(self, caller, event):
        if self.parent.isEntered or self.logic.run:
            self.setParameters(self.logic.getParameters())

    # Parameter node and panel

    def setParameters(self, parameters):
        if self.parameters:
            self.removeObserver(self.parameters.node, vtk.vtkCommand.ModifiedEvent, self.updatePanel)
        self.parameters = parameters
        if parameters:
            self.addObserver(parameters.node, vtk.vtkCommand.ModifiedEvent, self.updatePanel)
        self.listModels()

    def model(self, id=None):
        """The model of an id, else the chosen one; None where it is not there."""
        id = id if id is not None else self.parameters.model
        return next((model for model in self._models if model.id == id), None)

    def inputs(self):
        model = self.model()
        return self.parameters.inputs(min(len(model.channels), MAX_CHANNELS)) if model else []

    def updatePanel(self, caller=None, event=None):
        """Shows the parameter node's choices."""
        if self._updating:
            return
        self._updating = True
        try:
            self._updatePanel()
        finally:
            self._updating = False

    def _updatePanel(self):
        ui, parameters, run = self.ui, self.parameters, self.logic.run
        model = self.model() if parameters else None
        channels = [channel.name for channel in model.channels][:MAX_CHANNELS] if model else []
        for i, (label, selector) in enumerate(zip(self._channelLabels, self._channelSelectors)):
            for widget in (label, selector):
                widget.setVisible(i < len(channels))
            label.text = f"{channels[i]}:" if i < len(channels) else ""
            selector.setCurrentNode(parameters.inputs()[i] if parameters else None)
        ui.modelFacts.setHtml(factsHtml(model))
        for row in range(ui.modelList.count):
            item = ui.modelList.item(row)
            if model and item.data(qt.Qt.UserRole) == model.id:
                ui.modelList.setCurrentItem(item)
        segmentation = parameters.segmentation if parameters else None
        ui.outputSelector.setCurrentNode(segmentation)
        ui.show3DButton.setSegmentationNode(segmentation)
        if parameters:
            ui.deviceSelector.setCurrentText(parameters.device)
            ui.precisionSelector.setCurrentText(parameters.precision)
            ui.threadsSpinBox.value = parameters.threads
            ui.skipMirroringCheckBox.checked = parameters.skipMirroring
            ui.show3DCheckBox.checked = parameters.show3D
        ui.maskSelector.setCurrentNode(parameters.mask if parameters else None)
        for widgets, wanted in (((ui.maskLabel, ui.maskSelector), model and model.takesMask),
                                ((ui.brainModelLabel, ui.brainModelSelector), model and model.takesBrainModel)):
            for widget in widgets:
                widget.setVisible(bool(wanted))
        # Of models that know classes, those that see what the chosen model sees.
        classifiers = [m for m in self._models if model and m.classes and m.modality == model.modality and not m.whyNot()]
        brains = [m for m in self._models if m.findsBrain]
        beside = (_("The one beside the model"), "")
        self.offer(ui.classifierSelector, [(m.title, m.id) for m in classifiers], parameters and parameters.classifier)
        self.offer(ui.brainModelSelector, [beside, *((m.title, m.id) for m in brains)], parameters and parameters.brainModel)
        inputs = self.inputs() if parameters else []
        why = _("Choose a model.") if model is None else model.whyNot() or whyNotVolumes(inputs, channels)
        ui.applyButton.text = _("Cancel") if run else _("Apply")
        ui.applyButton.enabled = bool(run) or not why
        ui.applyButton.toolTip = "" if run else why
        ui.measureButton.enabled = not run and bool(segmentation) and bool(inputs) and bool(inputs[model.reference])
        ui.classifyButton.enabled = ui.measureButton.enabled and ui.classifierSelector.count > 0
        self.showLesions()

    def keeps(self, field):
        """A slot that keeps a widget's value in that field of the parameter node."""
        return lambda value: self.onChoice(**{field: value})

    def onChoice(self, **choices):
        if self._updating or not self.parameters:
            return
        wasModifying = self.parameters.node.StartModify()
        for field, value in choices.items():
            setattr(self.parameters, field, value)
        self.parameters.node.EndModify(wasModifying)

    def onOutput(self, segmentation):
        if self.parameters and self.parameters.segmentation != segmentation:
            self.onChoice(segmentation=segmentation, measurements=None, classes=None)

    def onClassifier(self, index):
        self.onChoice(classifier=self.ui.classifierSelector.currentData or "")

    def onBrainModel(self, index):
        self.onChoice(brainModel=self.ui.brainModelSelector.currentData or "")

    # Models

    def findModels(self):
        self._models, problems = self.logic.findModels(self.ui.modelFolderEdit.currentPath)
        for problem in problems:
            self.log(problem)

    def listModels(self, text=None):
        """Lists the models that outline something and fit the search."""
        self._updating = True
        self.ui.modelList.clear()
        for model in models.search(self._models, self.ui.modelSearch.text):
            if model.segments:
                item = qt.QListWidgetItem(model.title)
                item.setData(qt.Qt.UserRole, model.id)
                item.setToolTip(model.description)
                self.ui.modelList.addItem(item)
        self._updating = False
        self.updatePanel()

    def offer(self, box, entries, chosen):
        """Lists titles and ids in a box, and shows the chosen one, or the first where it is not there."""
        if [box.itemData(i) for i in range(box.count)] != [id for _title, id in entries]:
            box.clear()
            for title, id in entries:
                box.addItem(title, id)
        if entries:
            box.setCurrentIndex(max(0, box.findData(chosen or "")))

    def onModelSelected(self):
        item = self.ui.modelList.currentItem()
        if self._updating or not self.parameters or item is None:
            return
        model = self.model(item.data(qt.Qt.UserRole))
        volumes = [v for v in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") if v.GetClassName() == "vtkMRMLScalarVolumeNode"]
        guesses = models.guessInputs(model, [volume.GetName() for volume in volumes])
        inputs = {f"input{i + 1}": None if guess is None else volumes[guess] for i, guess in enumerate(guesses[:MAX_CHANNELS])}
        self.onChoice(model=model.id, **inputs)

    def onModelFolder(self):
        slicer.app.settings().setValue(_MODEL_FOLDER, self.ui.modelFolderEdit.currentPath)
        self.findModels()
        self.listModels()

    # Runs

    def onApply(self):
        if self.logic.run:
            self.ui.applyButton.enabled = False
            self.ui.statusLabel.text = _("Cancelling...")
            self.logic.cancel()
            return
        p, model = self.parameters, self.model()
        measurements = p.measurements if p.segmentation else None
        mask = p.mask if model.takesMask else None
        brainModel = self.model(p.brainModel) if model.takesBrainModel else None
        self._begin(lambda **common: self.logic.process(
            self.inputs(), p.segmentation, model, measurements=measurements, mask=mask, brainModel=brainModel,
            skipMirroring=p.skipMirroring, show3D=p.show3D, **self._device(), **common))

    def onMeasure(self):
        p = self.parameters
        self._begin(lambda **common: self.logic.measure(p.segmentation, self.inputs()[self.model().reference], p.measurements, **common))

    def onClassify(self):
        p = self.parameters
        classifier = self.model(self.ui.classifierSelector.currentData)  # the node's may be one for other images
        volumes = self.inputs()
        if len(classifier.channels) == 1:
            fitting = models.guessInputs(classifier, [channel.name for channel in self.model().channels])[0]
            volumes = [volumes[self.model().reference if fitting is None else fitting]]
        self._begin(lambda **common: self.logic.classify(p.segmentation, volumes, classifier, classes=p.classes, **self._device(), **common))

    def _device(self):
        p = self.parameters
        return {"modelFolder": self.ui.modelFolderEdit.currentPath, "device": p.device, "precision": p.precision, "threads": p.threads}

    def _begin(self, start):
        self.ui.logText.clear()
        self.ui.statusLabel.text = ""
        self.logic.keepFiles = self.ui.keepFilesCheckBox.checked
        try:
            run = start(waitForCompletion=False, onChange=self.onRunChange, onEnd=self.onRunEnd)
        except (RunError, ValueError) as e:
            self.fail(str(e))
            return
        self._progressBar.setCommandLineModuleNode(run.node)
        self.updatePanel()

    def onRunChange(self, run):
        self.ui.logText.setPlainText(run.output)

    def onRunEnd(self, run, error):
        self._progressBar.setCommandLineModuleNode(None)
        self.ui.logText.setPlainText(run.output)
        if isinstance(error, RunCancelled):
            self.ui.statusLabel.text = _("Cancelled.")
        elif error:
            self.fail(str(error))
        elif self.parameters:
            self.onChoice(**({"classes": None} if "segmentation" in run.outputs else {}), **run.outputs)
            self.ui.statusLabel.text = " ".join([summary(results.lesions(self.parameters.measurements)), *run.notes])
            for note in run.notes:
                self.log(note)
        self.updatePanel()

    def fail(self, text):
        self.ui.statusLabel.text = text
        self.log(text)
        slicer.util.errorDisplay(text)

    def log(self, text):
        self.ui.logText.appendPlainText(text)

    # Lesions

    def showLesions(self):
        table = self.ui.lesionTable
        p = self.parameters
        self._lesions = results.lesions(p.measurements) if p else []
        classes = results.classOfEach(p.classes) if p else {}
        table.setRowCount(len(self._lesions))
        for row, lesion in enumerate(self._lesions):
            for column, text in enumerate(lesionTexts(lesion, classes.get(lesion.number, ""))):
                table.setItem(row, column, qt.QTableWidgetItem(text))
        table.resizeColumnsToContents()

    def onLesion(self, row, column):
        frame = results.frameOf(self.parameters.measurements) or self.parameters.segmentation
        if frame:
            results.jumpTo(self._lesions[row], frame)


def lesionTexts(lesion, className):
    intensity = "" if lesion.meanIntensity is None else f"{lesion.meanIntensity:.4g}"
    cut = " (at border)" if lesion.touchesBorder else ""
    return (str(lesion.number) + cut, f"{lesion.volumeMl:.2f}", f"{lesion.axialDiameterMm:.1f}", f"{lesion.diameterMm:.1f}", intensity, className)


def factsHtml(model):
    """What a panel shows of a model."""
    if model is None:
        return html.escape(_("No model is chosen, or the chosen one is not in the model folder."))
    rows = "".join(f"<tr><td><b>{html.escape(caption)}</b>&nbsp;</td><td>{html.escape(text)}</td></tr>" for caption, text in model.facts())
    return f"<p><b>{html.escape(model.title)}</b></p><p>{html.escape(model.whyNot())}</p><table>{rows}</table>"


def summary(lesions):
    """A finding in one line."""
    if not lesions:
        return _("No lesion was found.")
    count = _("1 lesion") if len(lesions) == 1 else _("{count} lesions").format(count=len(lesions))
    return f"{count}, {sum(lesion.volumeMl for lesion in lesions):.2f} ml"


class OncotomeTest(ScriptedLoadableModuleTest):
    """In a running Slicer: the panel, the terminology, and a run on a phantom where the demonstration model is there."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def test_panel(self):
        slicer.util.selectModule("Oncotome")
        widget = slicer.modules.oncotome.widgetRepresentation().self()
        self.assertTrue(widget.logic.findModels()[0])
        self.assertFalse(widget.ui.applyButton.enabled and widget.logic.run is None and not all(widget.inputs()))

    def test_terminology(self):
        self.assertEqual(terminology.load(slicer.modules.terminologies.logic()), [])

    def test_noise_gives_an_error_or_a_result_with_its_geometry(self):
        import numpy as np

        noise = np.random.default_rng(1).normal(100, 20, (32, 40, 48))
        volumes = [slicer.util.addVolumeFromArray(noise, name=name) for name in ("FLAIR", "T1", "T1ce", "T2")]
        logic = OncotomeLogic()
        try:
            run = logic.process(volumes, None, "demo-brain-phantom", show3D=False)
        except RunError as e:
            self.assertNotIn("not loaded", str(e))
            self.assertEqual(slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode"), 0)
        else:
            self.assertEqual(run.outputs["segmentation"].GetSegmentation().GetNumberOfSegments(), 3)
