# SPDX-License-Identifier: Apache-2.0
"""One run of a CLI module: started, watched, cancelled, and its node removed."""
from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import slicer
import vtk


class RunError(RuntimeError):
    """A run that failed; the text is the CLI module's own line."""


class RunCancelled(RunError):
    """A run that was cancelled."""


def cliModule(name: str):
    """The CLI module of that name; RunError where Slicer has not loaded it."""
    module = getattr(slicer.modules, name.lower(), None)
    if module is None:
        raise RunError(
            f"The command-line module {name} is not loaded: install the whole Oncotome extension, or add its cli-modules folder "
            "in Edit / Application Settings / Modules."
        )
    return module


def engineVersion() -> str:
    """The version of the CLI modules, of the XML that lies beside them; empty where it does not."""
    try:
        return ElementTree.parse(Path(cliModule("TumorSegmentation").path).with_suffix(".xml")).findtext("version") or ""
    except (OSError, ElementTree.ParseError, RunError):
        return ""


def errorOf(text: str) -> str:
    """The line that tells what went wrong, without the program's name: the last of an error output."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return re.sub(r"^\w+: error \[[^\]]*\]: ", "", lines[-1]) if lines else "The module ended without saying why."


class CliRun:
    """Runs a CLI module once.

    :param parameters: of the CLI module: strings, numbers, booleans and nodes.
    :param onChange: called with the run on progress and new output.
    :param onEnd: called once with the run and its error (RunError, RunCancelled) or None. By then outputs are in the
        scene and temporary nodes gone; the CLI module's node goes after it, as widgets may look at it.
    :param keepFiles: leave the files that Slicer exchanges with the module in its temporary folder.
    :param temporaries: nodes that are removed when the run ends; createdNodes only when it fails or is cancelled.
    """

    def __init__(self, name: str, parameters: dict, onChange=None, onEnd=None, temporaries=(), createdNodes=(), keepFiles=False):
        self._module = cliModule(name)
        self._keepFiles = keepFiles
        self._onChange, self._onEnd = onChange, onEnd
        self._temporaries, self._createdNodes = list(temporaries), list(createdNodes)
        self.output, self.outputs, self.notes = "", {}, []
        self.node = slicer.cli.createNode(self._module, parameters)
        self._tag = None
        self._cancelRequested = self._abandoned = False

    @property
    def progress(self) -> int:
        """0 to 100."""
        return self.node.GetProgress() if self.node else 100

    @property
    def busy(self) -> bool:
        return self.node is not None

    def start(self) -> None:
        self._tag = self.node.AddObserver(vtk.vtkCommand.ModifiedEvent, self._onModified)
        self.node.StartContinuousOutputUpdate()
        self._run(wait=False)

    def wait(self) -> None:
        """Runs it now, and returns when it has ended."""
        self._run(wait=True)
        self._end()

    def _run(self, wait: bool) -> None:
        slicer.cli.run(self._module, self.node, None, wait_for_completion=wait, delete_temporary_files=not self._keepFiles, update_display=False)

    def cancel(self) -> None:
        """Asks for the end; onEnd follows when the process is gone."""
        if self.node:
            self._cancelRequested = True
            self.node.Cancel()

    def abandon(self) -> None:
        """Cancels and forgets: onEnd is not called. For a scene that closes or a module that goes away.

        The nodes go when the process has: Slicer may still be writing them.
        """
        self._onChange = self._onEnd = None
        self._abandoned = True
        self.cancel()

    def _onModified(self, caller, event) -> None:
        if self.node is None or self._tag is None:
            return
        if self._cancelRequested and self.node.GetStatus() == self.node.Running:
            self.node.Cancel()  # Slicer, once the inputs are written, says that it runs without a look at what was asked
        self.output = self.node.GetOutputText()
        if self._onChange:
            self._onChange(self)
        if self.node and not self.node.IsBusy() and self.node.GetStatus() != self.node.Idle:
            self.node.RemoveObserver(self._tag)
            self._tag = None
            import qt

            # Slicer still works with the node while it tells of the change.
            qt.QTimer.singleShot(0, self._end)

    def _end(self) -> None:
        if self.node is None:
            return
        self.output = self.node.GetOutputText()
        status, text = self.node.GetStatus(), self.node.GetErrorText()
        error = None
        if status & self.node.ErrorsMask:
            error = RunError(errorOf(text))
        elif not status & self.node.Completed:
            error = RunCancelled("Cancelled.")
        _remove(self._temporaries)
        if error or self._abandoned:
            _remove(self._createdNodes)
        try:
            if self._onEnd:
                self._onEnd(self, error)
        finally:
            _remove([self.node])
            self.node = None


def _remove(nodes) -> None:
    for node in nodes:
        if node.GetScene():  # a scene that was closed has removed them itself
            slicer.mrmlScene.RemoveNode(node)
