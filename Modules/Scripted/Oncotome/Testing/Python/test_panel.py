# SPDX-License-Identifier: Apache-2.0
"""The panel: its .ui file, and what its widgets do to the parameter node and the logic."""
import dataclasses
import importlib
import re
import tempfile
import types
import unittest
import xml.etree.ElementTree as ElementTree

import fake_slicer as fake
import test_logic as made

fake.install()
import Oncotome  # noqa: E402
from OncotomeLib import parameters as choices  # noqa: E402

KNOWN = ("brain-mass-t1c", "demo-brain-phantom", "lung-nodule")  # others may be there
UI = fake.MODULE_FOLDER / "Resources" / "UI" / "Oncotome.ui"


class Panel(unittest.TestCase):
    def setUp(self):
        self.slicer = fake.reset()
        self.volumes = {name: fake.add_volume(name) for name in ("T2 axial", "CT chest", "T1 post gad", "T1 pre", "FLAIR")}
        self.widget = self.panel()
        self.ui = self.widget.ui
        self.slicer.cli.ends = None

    def panel(self):
        widget = Oncotome.OncotomeWidget()
        widget.setup()
        self.addCleanup(widget.cleanup)
        return widget

    def choose(self, id):
        items = self.ui.modelList.items
        self.ui.modelList.setCurrentItem(next(item for item in items if item.data(0) == id))

    def listed(self):
        return [id for id in (item.data(0) for item in self.ui.modelList.items) if id in (*KNOWN, "ct_unet")]

    def shown(self):
        return [label.text for label in self.widget._channelLabels if label.visible]

    def chosen(self):
        return [selector.currentNode().GetName() if selector.currentNode() else None for selector in self.widget._channelSelectors]

    def test_models_that_outline_something_are_listed_and_searched(self):
        self.assertEqual(self.listed(), ["brain-mass-t1c", "demo-brain-phantom"])
        self.ui.modelSearch.text = "phantom"
        self.assertEqual(self.listed(), ["demo-brain-phantom"])

    def test_the_chosen_model_makes_the_selectors_and_finds_the_volumes(self):
        self.choose("demo-brain-phantom")
        self.assertEqual(self.shown(), ["FLAIR:", "T1:", "T1ce:", "T2:"])
        self.assertEqual(self.chosen(), ["FLAIR", "T1 pre", "T1 post gad", "T2 axial"])
        self.assertIn("Not for patients", self.ui.modelFacts.html)
        self.choose("brain-mass-t1c")
        self.assertEqual(self.shown(), ["T1ce:"])
        self.assertEqual([id for id in (item.data(0) for item in self.ui.classifierSelector.items) if id in KNOWN], ["brain-mass-t1c"])
        self.assertEqual(self.widget.parameters.model, "brain-mass-t1c")
        self.assertTrue(self.ui.applyButton.enabled)

    def test_apply_waits_for_a_model_and_every_volume(self):
        self.assertFalse(self.ui.applyButton.enabled)
        self.choose("demo-brain-phantom")
        self.assertTrue(self.ui.applyButton.enabled)
        self.ui.channelSelector2.setCurrentNode(None)
        self.assertFalse(self.ui.applyButton.enabled)
        self.assertEqual(self.ui.applyButton.toolTip, "No volume is chosen for T1.")
        self.ui.channelSelector2.setCurrentNode(self.volumes["FLAIR"])
        self.assertFalse(self.ui.applyButton.enabled)
        self.assertIn("'FLAIR' is chosen for FLAIR and T1", self.ui.applyButton.toolTip)
        self.ui.channelSelector2.setCurrentNode(self.volumes["T1 pre"])
        self.assertTrue(self.ui.applyButton.enabled)

    def test_a_mask_and_a_brain_model_are_offered_to_models_that_take_them(self):
        def shown():
            return [widget.visible for widget in (self.ui.maskSelector, self.ui.maskLabel, self.ui.brainModelSelector, self.ui.brainModelLabel)]

        self.choose("brain-mass-t1c")
        self.assertEqual(shown(), [False] * 4)
        self.choose("demo-brain-phantom")
        self.assertEqual(shown(), [True, True, False, False])
        phantom = self.widget.model()
        brain = dataclasses.replace(phantom, id="brain", title="Brain", channels=phantom.channels[:1], labels=("Brain",))
        self.widget._models = [brain, dataclasses.replace(phantom, steps=("extract_brain", "foreground"))]
        self.widget.listModels()
        self.assertEqual(shown(), [True] * 4)
        self.assertEqual([item.data(0) for item in self.ui.brainModelSelector.items], ["", "brain"])
        mask = fake.add_volume("mask")
        self.ui.maskSelector.setCurrentNode(mask)
        self.ui.brainModelSelector.setCurrentIndex(1)
        self.assertEqual((self.widget.parameters.mask, self.widget.parameters.brainModel), (mask, "brain"))
        self.ui.applyButton.emit("clicked()")
        given = self.slicer.cli.runs[-1][1]
        self.assertEqual((given["inputMask"], given["brainModel"]), (mask, brain.path))
        self.slicer.cli.finish("Cancelled")
        self.widget._models = [phantom, brain]
        self.ui.applyButton.emit("clicked()")
        self.assertNotIn("brainModel", self.slicer.cli.runs[-1][1])

    def test_temporary_files_stay_where_that_is_asked_for(self):
        for keep in (False, True, False):
            self.ui.keepFilesCheckBox.checked = keep
            self.run_it()
            self.assertIs(self.slicer.cli.delete_temporary_files, not keep)
            self.slicer.cli.finish("Cancelled")

    def test_the_engines_version_is_that_of_the_xml_beside_it(self):
        self.assertEqual(self.ui.versionText.text, "not known")
        with tempfile.TemporaryDirectory() as name:
            self.slicer.modules.tumorsegmentation.path = f"{name}/TumorSegmentation"
            with open(f"{name}/TumorSegmentation.xml", "w", encoding="utf-8") as file:
                file.write("<executable><version>1.2.3</version></executable>")
            self.assertEqual(self.panel().ui.versionText.text, "1.2.3")

    def run_it(self):
        self.choose("demo-brain-phantom")
        self.ui.applyButton.emit("clicked()")

    def test_apply_becomes_cancel_and_lesions_are_listed(self):
        self.run_it()
        self.assertEqual((self.ui.applyButton.text, self.ui.applyButton.enabled), ("Cancel", True))
        node = self.slicer.cli.runs[-1][2]
        node.SetOutputText("note: half of it is done")
        self.assertIn("half of it", self.ui.logText.html)
        self.slicer.cli.finish(fill=made.fill)
        self.assertEqual((self.ui.applyButton.text, self.ui.statusLabel.text), ("Apply", "2 lesions, 12.75 ml"))
        self.assertEqual([self.ui.lesionTable.item(0, c).text() for c in range(6)], ["1", "12.50", "28.2", "31.5", "103.2", ""])
        self.assertEqual(self.ui.lesionTable.item(1, 0).text(), "2 (at border)")
        self.assertIs(self.ui.outputSelector.currentNode(), self.widget.parameters.segmentation)
        self.assertEqual(self.widget.parameters.segmentation.GetName(), "T1 post gad tumors")
        slices = fake.Slices()
        self.ui.lesionTable.emit("cellClicked(int,int)", 0, 3)
        self.assertEqual(slices.center(), (-10.0, 20.0, 30.5))

    def test_cancel_waits_until_the_process_is_gone(self):
        self.run_it()
        self.slicer.cli.runs[-1][2].SetStatus(2)
        self.ui.applyButton.emit("clicked()")
        self.assertEqual((self.ui.applyButton.enabled, self.ui.statusLabel.text), (False, "Cancelling..."))
        self.slicer.cli.finish("Cancelled")
        self.assertEqual((self.ui.applyButton.text, self.ui.applyButton.enabled, self.ui.statusLabel.text), ("Apply", True, "Cancelled."))
        self.assertEqual(self.slicer.util.errors, [])

    def test_an_error_is_shown_and_logged(self):
        self.run_it()
        self.slicer.cli.finish("CompletedWithErrors", error="TumorSegmentation: error [geometry]: the grids differ")
        self.assertEqual(self.slicer.util.errors, ["the grids differ"])
        self.assertEqual(self.ui.statusLabel.text, "the grids differ")
        self.assertIn("the grids differ", self.ui.logText.html)
        self.assertEqual(fake.count("vtkMRMLSegmentationNode"), 0)

    def test_measure_again_and_classify_fill_the_same_table(self):
        self.run_it()
        self.slicer.cli.finish(fill=made.fill)
        self.assertTrue(self.ui.measureButton.enabled and self.ui.classifyButton.enabled)
        table = self.widget.parameters.measurements
        self.ui.measureButton.emit("clicked()")
        self.slicer.cli.finish(fill=lambda p: fake.add_rows(p["outputMeasurements"], made.COLUMNS, made.ROWS[1:]))
        self.assertIs(self.widget.parameters.measurements, table)
        self.assertEqual(self.ui.lesionTable.rows, 1)
        self.assertRegex(self.ui.statusLabel.text, r"^1 lesion, .* Left out, .*: Segment_2\.$")
        self.assertIn("Segment_2", self.ui.logText.html)
        self.widget.parameters.classifier = "lung-nodule"  # chosen with another model
        self.ui.classifyButton.emit("clicked()")
        self.assertTrue(self.slicer.cli.runs[-1][1]["model"].endswith("/brain-mass-t1c"))
        self.assertEqual(self.slicer.cli.runs[-1][1]["inputVolume"].GetName(), "T1 post gad")
        self.slicer.cli.finish(fill=lambda p: fake.add_rows(p["outputClasses"], ("lesion", "class", "probability", "refused"), (("2", "glioma", "0.5", ""),)))
        self.assertEqual(self.ui.lesionTable.item(0, 5).text(), "glioma (50%)")

    def test_a_lesion_that_was_measured_again_lies_where_its_volume_lies(self):
        self.run_it()
        self.slicer.cli.finish(fill=made.fill)
        self.ui.measureButton.emit("clicked()")
        self.slicer.cli.finish(fill=lambda p: fake.add_rows(p["outputMeasurements"], made.COLUMNS, made.ROWS[:1]))
        self.volumes["T1 post gad"].SetAndObserveTransformNodeID(fake.add_translation((100, 0, 0)).GetID())
        saved = fake.saved_scene()
        self.slicer.mrmlScene.Clear(False)
        fake.load_scene(saved)
        if fake.REAL:  # a table's rows lie in a file of their own
            fake.add_rows(self.widget.parameters.measurements, made.COLUMNS, made.ROWS[:1])
            self.widget.updatePanel()
        slices = fake.Slices()
        self.ui.lesionTable.emit("cellClicked(int,int)", 0, 0)
        self.assertEqual(slices.center(), (90.0, 20.0, 30.5))

    def test_another_output_forgets_the_lesions_of_the_last(self):
        self.run_it()
        self.slicer.cli.finish(fill=made.fill)
        self.ui.outputSelector.setCurrentNode(self.slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "other"))
        self.assertIsNone(self.widget.parameters.measurements)
        self.assertEqual(self.ui.lesionTable.rows, 0)

    def test_choices_go_to_the_node_and_come_back(self):
        self.choose("demo-brain-phantom")
        self.ui.deviceSelector.setCurrentText("cpu")
        self.ui.precisionSelector.setCurrentText("bf16")
        self.ui.threadsSpinBox.value = 2
        self.ui.skipMirroringCheckBox.checked = True
        self.ui.show3DCheckBox.checked = False
        ui = self.panel().ui
        self.assertEqual((ui.deviceSelector.currentText, ui.precisionSelector.currentText, ui.threadsSpinBox.value), ("cpu", "bf16", 2))
        self.assertEqual((ui.skipMirroringCheckBox.checked, ui.show3DCheckBox.checked), (True, False))
        self.assertEqual(ui.modelList.currentItem().data(0), "demo-brain-phantom")
        self.assertIs(ui.channelSelector1.currentNode(), self.volumes["FLAIR"])

    def test_a_scene_that_closes_ends_the_run_and_a_new_one_begins_empty(self):
        self.run_it()
        node = self.slicer.cli.runs[-1][2]
        self.assertIs(self.widget._progressBar.node, node)
        self.slicer.mrmlScene.Clear(False)
        self.assertIsNone(self.widget._progressBar.node)
        self.assertEqual(node.GetStatus(), node.Cancelling)
        self.assertIsNone(self.widget.logic.run)
        self.assertEqual((self.widget.parameters.model, self.ui.lesionTable.rows, self.ui.applyButton.text), ("", 0, "Apply"))
        node.SetStatus(node.Cancelled)
        fake.run_timers()
        self.assertEqual(self.slicer.util.errors, [])

    def test_a_loaded_scene_shows_its_choices_and_keeps_them(self):
        self.run_it()
        self.slicer.cli.finish(fill=made.fill)
        saved = fake.saved_scene()
        self.slicer.mrmlScene.Clear(False)
        self.assertEqual(self.chosen(), [None] * 4)
        for _ in range(2):  # the second adds to what is there
            fake.load_scene(saved)
            self.assertEqual(self.chosen(), ["FLAIR", "T1 pre", "T1 post gad", "T2 axial"])
            self.assertEqual(self.ui.outputSelector.currentNode().GetName(), "T1 post gad tumors")
        self.ui.threadsSpinBox.value = 2
        p = self.widget.parameters
        self.assertEqual([volume.GetName() for volume in p.inputs()], self.chosen())
        self.assertEqual((p.segmentation.GetName(), p.measurements.GetName()), ("T1 post gad tumors", "T1 post gad tumors measurements"))

    def test_a_run_that_outlasts_an_import_gives_its_results(self):
        saved = fake.saved_scene()
        self.run_it()
        self.widget.parent.isEntered = False
        fake.load_scene(saved)
        self.slicer.cli.finish(fill=made.fill)
        self.assertEqual(self.widget.parameters.segmentation.GetName(), "T1 post gad tumors")
        self.assertEqual(self.ui.lesionTable.rows, 2)

    def test_a_widget_keeps_its_own_choice_alone(self):
        self.choose("demo-brain-phantom")
        self.ui.channelSelector1.__dict__["node"] = None  # whatever it shows
        self.ui.threadsSpinBox.value = 2
        self.assertEqual((self.widget.parameters.input1, self.widget.parameters.threads), (self.volumes["FLAIR"], 2))

    def test_a_closed_scene_is_left_alone_while_another_module_is_shown(self):
        self.widget.parent.isEntered = False
        self.slicer.mrmlScene.Clear(False)
        self.assertIsNone(self.widget.parameters)
        self.widget.enter()
        self.assertIsNotNone(self.widget.parameters)

    def test_the_model_folder_is_kept_by_the_application(self):
        searched = []
        self.widget.logic.findModels = lambda folder: searched.append(folder) or type(self.widget.logic).findModels(self.widget.logic, folder)
        folder = str(fake.MODULE_FOLDER.parents[2] / "Testing/Golden/fixtures/monai")
        for end in range(1, len(folder) + 1):  # as it is typed
            self.ui.modelFolderEdit.currentPath = folder[:end]
        fake.run_timers()
        self.assertEqual(searched, [folder])
        self.assertIn("ct_unet", self.listed())
        again = self.panel()
        self.assertEqual(again.ui.modelFolderEdit.currentPath, self.ui.modelFolderEdit.currentPath)
        self.ui.clearModelFolderButton.emit("clicked()")
        fake.run_timers()
        self.assertEqual(self.listed(), ["brain-mass-t1c", "demo-brain-phantom"])

    def test_it_goes_without_a_trace_and_can_be_reloaded(self):
        self.run_it()
        self.widget.cleanup()
        self.assertIsNone(self.widget.logic.run)
        self.assertFalse(self.widget.observations)
        self.widget.onReload()
        self.assertTrue(self.widget.reloaded)
        importlib.reload(Oncotome)
        again = self.panel()
        self.assertEqual(again.parameters.model, "demo-brain-phantom")

    def test_start_up_makes_samples_and_terminology_known(self):
        registered, loaded = [], []
        data = types.SimpleNamespace(registerCustomSampleDataSource=lambda **source: registered.append(source))
        module = types.ModuleType("SampleData")
        module.SampleDataLogic = data
        self.slicer.modules.terminologies = types.SimpleNamespace(logic=lambda: types.SimpleNamespace(LoadContextFromFile=lambda path: loaded.append(path) or True))
        import sys

        sys.modules["SampleData"] = module
        Oncotome.Oncotome(types.SimpleNamespace())
        self.slicer.app.startup()
        self.assertEqual(len(loaded), 2)
        for source in registered:
            self.assertTrue(source["uris"].endswith(source["checksums"].split(":")[1]))
        self.assertEqual(len(registered), 2)


class UiFile(unittest.TestCase):
    root = ElementTree.parse(UI).getroot()

    def test_every_widget_that_the_code_names_is_in_it_and_named_once(self):
        names = [w.get("name") for w in self.root.iter("widget")]
        self.assertEqual(len(names), len(set(names)))
        code = (fake.MODULE_FOLDER / "Oncotome.py").read_text(encoding="utf-8")
        used = set(re.findall(r"\bui\.(\w+)", code)) | {f"{kind}{i + 1}" for kind in ("channelLabel", "channelSelector") for i in range(choices.MAX_CHANNELS)}
        self.assertGreater(len(used), 25)
        self.assertEqual(used - set(names), set())

    def test_every_class_that_is_not_qts_is_declared(self):
        classes = {w.get("class") for w in self.root.iter("widget") if not w.get("class").startswith("Q")}
        self.assertEqual(classes - {e.text for e in self.root.iterfind("customwidgets/customwidget/class")}, set())

    def test_every_selector_of_nodes_gets_the_scene(self):
        selectors = {w.get("name") for w in self.root.iter("widget") if w.get("class") == "qMRMLNodeComboBox"}
        self.assertEqual({c.findtext("receiver") for c in self.root.iter("connection")}, selectors)

    def test_device_and_precision_offer_what_the_parameters_know(self):
        for name, expected in (("deviceSelector", choices.DEVICES), ("precisionSelector", choices.PRECISIONS)):
            widget = next(w for w in self.root.iter("widget") if w.get("name") == name)
            self.assertEqual(tuple(e.text for e in widget.iterfind("item/property/string")), expected)


if __name__ == "__main__":
    unittest.main()
