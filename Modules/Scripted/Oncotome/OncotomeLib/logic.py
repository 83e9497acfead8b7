# SPDX-License-Identifier: Apache-2.0
"""What the module does without its panel."""
from __future__ import annotations

import logging
from pathlib import Path

import slicer
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic

from . import models, results
from .parameters import Parameters
from .run import CliRun, RunError

_MODULE_FOLDER = Path(__file__).resolve().parent.parent
# Of an extension, a build tree, an installed prefix and the sources.
_BUNDLED_MODELS = ("../Oncotome/Models", "../Models", "../../../share/oncotome/Models", "../../../Data/Models")
_MIN_LESION = "Oncotome.MinimumLesionVolumeMm3"  # attribute of a segmentation, for measuring it again


def bundledModelFolder() -> str:
    """Where the extension's own models lie; empty where there are none."""
    return next((str((_MODULE_FOLDER / place).resolve()) for place in _BUNDLED_MODELS if (_MODULE_FOLDER / place).is_dir()), "")


class OncotomeLogic(ScriptedLoadableModuleLogic):
    """Runs the CLI modules on nodes of the scene, and puts their results in place. Usable without a main window.

    One run at a time; RunError, with one line for the user, where a run cannot begin or (when waiting) has failed.
    """

    def __init__(self):
        super().__init__()
        self.run = None  # the CliRun in progress
        self.keepFiles = False  # of the next runs: see CliRun

    def getParameters(self) -> Parameters:
        return Parameters(self.getParameterNode())

    def findModels(self, modelFolder: str = "") -> tuple[list[models.Model], list[str]]:
        """The models of a folder and those that came with the extension, and what of them could not be read."""
        return models.findModels([modelFolder, bundledModelFolder()])

    def process(self, inputVolumes, outputSegmentation, model, modelFolder="", measurements=None, device="auto", precision="f32",
                threads=0, skipMirroring=False, show3D=True, options=None, mask=None, brainModel="", waitForCompletion=True, onChange=None,
                onEnd=None) -> CliRun:
        """Segments the tumors in volumes.

        :param inputVolumes: a scalar volume node, or one per channel of the model in its order.
        :param outputSegmentation: segmentation node; replaced on success, untouched otherwise. None: a new one.
        :param model: a models.Model, a model's id, or a path of a model's folder.
        :param modelFolder: where ids are looked up before the extension's own models.
        :param measurements: table node for a row per lesion. None: a new one.
        :param options: further parameters of the CLI module TumorSegmentation, such as {"folds": "0,1"}.
        :param mask: scalar or label map volume of the body part, such as the brain, for models that take one.
        :param brainModel: what finds the brain for models that need it without the skull, given as the model. Empty: the one beside it.
        :param waitForCompletion: otherwise return at once, and call onEnd(run, error) at the end (see CliRun).
        :return: the run; run.outputs has the nodes "segmentation" and "measurements".
        """
        volumes = list(inputVolumes) if isinstance(inputVolumes, (list, tuple)) else [inputVolumes]
        known = self._model(model, modelFolder)
        _checkVolumes(volumes, known, mask)
        further = {"inputMask": mask} if mask is not None else {}
        if brainModel:
            brain = self._model(brainModel, modelFolder)
            further["brainModel"] = brain.path if brain else str(brainModel)
        reference = volumes[known.reference if known else 0]
        created = []
        if outputSegmentation is None:
            outputSegmentation = _newNode("vtkMRMLSegmentationNode", f"{reference.GetName()} tumors", created)
        if measurements is None:
            measurements = _newNode("vtkMRMLTableNode", f"{outputSegmentation.GetName()} measurements", created)
        parameters = _volumeParameters(volumes)
        parameters.update(outputSegmentation=outputSegmentation, outputMeasurements=measurements, model=known.path if known else str(model),
                          modelFolder=str(modelFolder or ""), device=device, precision=precision, threads=int(threads),
                          skipMirroring=bool(skipMirroring), fromDicom=all(volume.GetAttribute("DICOM.instanceUIDs") for volume in volumes))
        parameters.update(further, **(options or {}))

        def place(run):
            results.placeSegmentation(outputSegmentation, reference)
            results.putUnderStudy(measurements, reference)
            results.keepFrame(measurements, outputSegmentation)
            outputSegmentation.SetAttribute(_MIN_LESION, str(known.minLesionMm3 if known else 0.0))
            if show3D:
                results.show3D(outputSegmentation)

        return self._start("TumorSegmentation", parameters, {"segmentation": outputSegmentation, "measurements": measurements},
                           place, waitForCompletion, onChange, onEnd, created=created)

    def measure(self, segmentation, inputVolume, measurements=None, waitForCompletion=True, onChange=None, onEnd=None) -> CliRun:
        """Measures the lesions of a segmentation as it is now, such as after editing; inputVolume gives grid and intensities.

        Where segments have the category of lesions only these are taken; run.notes names the others.
        """
        created = []
        nodes, notes = results.lesionLabelmap(segmentation, inputVolume)
        if measurements is None:
            measurements = _newNode("vtkMRMLTableNode", f"{segmentation.GetName()} measurements", created)
        parameters = {"inputLesions": nodes[0], "inputVolume": inputVolume, "outputMeasurements": measurements, "minimumVolume": _minimumVolume(segmentation)}

        def place(run):
            results.putUnderStudy(measurements, inputVolume)
            results.keepFrame(measurements, inputVolume)  # as the label map's: it was given without its parent transform

        return self._start("LesionMeasurement", parameters, {"measurements": measurements}, place, waitForCompletion, onChange, onEnd,
                           created, nodes, notes)

    def classify(self, segmentation, inputVolumes, model, modelFolder="", classes=None, device="auto", precision="f32", threads=0,
                 waitForCompletion=True, onChange=None, onEnd=None) -> CliRun:
        """Says of each lesion of a segmentation what it is, by a model that knows classes; see process."""
        volumes = list(inputVolumes) if isinstance(inputVolumes, (list, tuple)) else [inputVolumes]
        known = self._model(model, modelFolder)
        _checkVolumes(volumes, known)
        created = []
        reference = volumes[known.reference if known else 0]
        nodes, notes = results.lesionLabelmap(segmentation, reference)
        if classes is None:
            classes = _newNode("vtkMRMLTableNode", f"{segmentation.GetName()} classes", created)
        parameters = _volumeParameters(volumes)
        parameters.update(inputLesions=nodes[0], outputClasses=classes, model=known.path if known else str(model), modelFolder=str(modelFolder or ""),
                          minimumVolume=_minimumVolume(segmentation), device=device, precision=precision, threads=int(threads))
        return self._start("LesionClassification", parameters, {"classes": classes},
                           lambda run: results.putUnderStudy(classes, reference), waitForCompletion, onChange, onEnd, created, nodes, notes)

    def cancel(self) -> None:
        if self.run:
            self.run.cancel()

    def abandon(self) -> None:
        """Cancels a run without a word, for a scene that closes or an application that ends."""
        if self.run:
            self.run.abandon()
            self.run = None

    def _model(self, model, modelFolder):
        """The description of a model given in any way; None for a folder whose description only the CLI module reads."""
        if isinstance(model, models.Model):
            return model
        known = next((m for m in self.findModels(modelFolder)[0] if m.id == str(model)), None)
        if known is None and Path(str(model)).is_dir():
            try:
                return models.readModel(model) if models.kindOf(Path(model)) else None
            except models.ModelError as e:
                raise RunError(str(e)) from e
        if known is None:
            raise RunError(f"There is no model '{model}' in the model folder or among those of the extension.")
        return known

    def _start(self, name, parameters, outputs, place, wait, onChange, onEnd, created=(), temporaries=(), notes=()) -> CliRun:
        failure = []

        def end(run, error):
            self.run = None
            if error is None:
                try:
                    place(run)
                except Exception as e:  # whatever Slicer raises, the caller must hear of the end
                    logging.exception("Oncotome: placing results")
                    error = RunError(f"The results are in the scene but could not be put in their place: {e}")
            if error and wait:
                failure.append(error)
            if onEnd:
                onEnd(run, error)

        try:
            if self.run:
                raise RunError("A run is in progress: wait for its end, or cancel it.")
            run = CliRun(name, parameters, onChange, end, temporaries, created, self.keepFiles)
        except RunError:
            for node in (*created, *temporaries):
                slicer.mrmlScene.RemoveNode(node)
            raise
        run.outputs, run.notes = outputs, list(notes)
        self.run = run
        if wait:
            run.wait()
        else:
            run.start()
        if failure:
            raise failure[0]
        return run


def whyNotVolumes(volumes, names) -> str:
    """Why volumes cannot be the inputs of those names, or nothing."""
    missing = [name for name, volume in zip(names, volumes) if volume is None]
    if missing:
        return f"No volume is chosen for {', '.join(missing)}."
    for volume in volumes:
        same = [name for name, other in zip(names, volumes) if other == volume]
        if len(same) > 1:
            return f"'{volume.GetName()}' is chosen for {' and '.join(same)}: each takes a volume of its own."
    return ""


def _newNode(className, name, created):
    node = slicer.mrmlScene.AddNewNodeByClass(className, slicer.mrmlScene.GenerateUniqueName(name))
    created.append(node)
    return node


def _volumeParameters(volumes) -> dict:
    return {f"inputVolume{i + 1}" if i else "inputVolume": volume for i, volume in enumerate(volumes)}


def _minimumVolume(segmentation) -> float:
    return float(segmentation.GetAttribute(_MIN_LESION) or 0)


def _checkVolumes(volumes, model, mask=None) -> None:
    names = [channel.name for channel in model.channels] if model else [str(i + 1) for i in range(len(volumes))]
    if model and model.whyNot():
        raise RunError(model.whyNot())
    if len(volumes) != len(names):
        raise RunError(f"The model takes {len(names)} volumes ({', '.join(names)}), and there are {len(volumes)}.")
    if why := whyNotVolumes(volumes, names):
        raise RunError(why)
    if len({node.GetTransformNodeID() for node in (*volumes, mask) if node is not None}) > 1:
        what = "volumes and the mask" if mask else "volumes"
        raise RunError(f"The {what} have different parent transforms, which the model would not see: harden them first.")
