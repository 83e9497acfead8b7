# SPDX-License-Identifier: Apache-2.0
"""What the module hands to the CLI modules, and what it makes of their ends."""
import types
import unittest

import fake_slicer as fake

fake.install()
from OncotomeLib import models, results  # noqa: E402
from OncotomeLib.logic import OncotomeLogic  # noqa: E402
from OncotomeLib.parameters import Parameters  # noqa: E402
from OncotomeLib.run import RunCancelled, RunError, errorOf  # noqa: E402

ENTRY = "Segmentation category and type - Oncotome~{}~^^~Anatomic codes - Oncotome~SCT^12738006^Brain~^^"
LESION = ENTRY.format("SCT^49755003^Morphologically Altered Structure~SCT^79654002^Edema")
ORGAN = ENTRY.format("SCT^123037004^Anatomical Structure~SCT^12738006^Brain")
COLUMNS = ("lesion", "volume_mm3", "longest_diameter_mm", "longest_axial_diameter_mm", "centroid_l_mm", "centroid_p_mm", "centroid_s_mm", "touches_border", "mean_intensity")
ROWS = (("1", "12500", "31.5", "28.25", "10", "-20", "30.5", "0", "103.25"), ("2", "250", "9", "8", "-1", "2", "3", "1", ""))


def fill(parameters):
    fake.add_segments(parameters["outputSegmentation"], {"Segment_1": LESION, "Segment_2": ORGAN, "Segment_3": LESION})
    fake.add_rows(parameters["outputMeasurements"], COLUMNS, ROWS)


class Logic(unittest.TestCase):
    def setUp(self):
        self.slicer = fake.reset()
        self.volumes = [fake.add_volume(name) for name in ("FLAIR", "T1", "T1ce", "T2")]
        self.logic = OncotomeLogic()
        self.ends = []
        self.slicer.cli.ends = lambda cli: cli.finish(fill=fill)

    def start(self, **options):
        return self.logic.process(self.volumes, None, "demo-brain-phantom", waitForCompletion=False, onEnd=lambda run, error: self.ends.append(error), **options)

    def parameters(self):
        return self.slicer.cli.runs[-1][1]

    def test_each_channel_gets_its_volume_and_the_model_its_path(self):
        run = self.logic.process(self.volumes, None, "demo-brain-phantom", device="cpu", precision="bf16", threads=3, skipMirroring=True, options={"folds": "0,1"})
        self.assertEqual(self.slicer.cli.runs[-1][0], "TumorSegmentation")
        given = self.parameters()
        self.assertTrue(given.pop("model").endswith("/demo-brain-phantom"))
        self.assertEqual(given, {
            "inputVolume": self.volumes[0], "inputVolume2": self.volumes[1], "inputVolume3": self.volumes[2], "inputVolume4": self.volumes[3],
            "outputSegmentation": run.outputs["segmentation"], "outputMeasurements": run.outputs["measurements"], "modelFolder": "",
            "device": "cpu", "precision": "bf16", "threads": 3, "skipMirroring": True, "fromDicom": False, "folds": "0,1"})
        self.assertFalse(self.slicer.cli.update_display)  # it would reset the slice views

    def test_a_mask_and_a_brain_model_are_handed_on(self):
        mask = fake.add_volume("brain")
        self.logic.process(self.volumes, None, "demo-brain-phantom", mask=mask, brainModel="brain-mass-t1c")
        self.assertEqual(self.parameters()["inputMask"], mask)
        self.assertTrue(self.parameters()["brainModel"].endswith("/brain-mass-t1c"))
        mask.SetAndObserveTransformNodeID(fake.add_translation((1, 0, 0)).GetID())
        with self.assertRaisesRegex(RunError, "The volumes and the mask have different parent transforms"):
            self.logic.process(self.volumes, None, "demo-brain-phantom", mask=mask)
        with self.assertRaisesRegex(RunError, "no model 'nonesuch'"):
            self.logic.process(self.volumes, None, "demo-brain-phantom", brainModel="nonesuch")

    def test_volumes_of_the_dicom_database_are_said_to_be_such(self):
        for volume in self.volumes:
            volume.SetAttribute("DICOM.instanceUIDs", "1.2.3")
        self.start()
        self.assertIs(self.parameters()["fromDicom"], True)

    def test_a_single_volume_needs_no_list(self):
        self.logic.process(self.volumes[2], None, "brain-mass-t1c")
        self.assertEqual([name for name in self.parameters() if name.startswith("inputVolume")], ["inputVolume"])

    def test_results_lie_where_the_reference_channel_lies(self):
        moved = fake.add_translation((1, 2, 3))
        for volume in self.volumes:
            volume.SetAndObserveTransformNodeID(moved.GetID())
        hierarchy = fake.hierarchy()
        study = hierarchy.CreateStudyItem(hierarchy.GetSceneItemID(), "study")
        hierarchy.SetItemParent(hierarchy.GetItemByDataNode(self.volumes[2]), study)
        outputs = self.logic.process(self.volumes, None, "demo-brain-phantom").outputs
        segmentation = outputs["segmentation"]
        self.assertEqual(segmentation.GetNodeReferenceID("referenceImageGeometryRef"), self.volumes[2].GetID())
        self.assertEqual(segmentation.GetTransformNodeID(), moved.GetID())
        for node in outputs.values():
            self.assertEqual(hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)), study)
        self.assertTrue(segmentation.GetDisplayNode().GetVisibility3D())
        self.assertEqual(fake.count("vtkMRMLCommandLineModuleNode"), 0)

    def test_a_given_segmentation_is_used_and_stays_when_a_run_fails(self):
        mine = self.slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "mine")
        self.logic.process(self.volumes, mine, "demo-brain-phantom", waitForCompletion=False, onEnd=lambda run, error: self.ends.append(error))
        self.slicer.cli.finish("CompletedWithErrors", error="a warning of a library\nTumorSegmentation: error [geometry mismatch]: the grids differ\n")
        self.assertEqual(str(self.ends[0]), "the grids differ")
        self.assertIs(self.slicer.mrmlScene.GetNodeByID(mine.GetID()), mine)
        self.assertEqual((fake.count("vtkMRMLSegmentationNode"), fake.count("vtkMRMLTableNode"), fake.count("vtkMRMLCommandLineModuleNode")), (1, 0, 0))
        self.assertIsNone(self.logic.run)

    def test_a_failure_is_raised_to_who_waits(self):
        self.slicer.cli.ends = lambda cli: cli.finish("CompletedWithErrors", error="TumorSegmentation: error [out of memory]: 3 GB are missing")
        with self.assertRaisesRegex(RunError, "^3 GB are missing$"):
            self.logic.process(self.volumes, None, "demo-brain-phantom")
        self.assertEqual(fake.count("vtkMRMLSegmentationNode"), 0)

    def test_cancel_while_it_runs(self):
        run = self.start()
        run.node.SetStatus(run.node.Running)
        self.logic.cancel()
        self.assertEqual(run.node.GetStatus(), run.node.Cancelling)
        self.assertFalse(self.ends)  # the process still lives
        self.slicer.cli.finish("Cancelled")
        self.assertIsInstance(self.ends[0], RunCancelled)
        self.assertEqual((len(self.ends), fake.count("vtkMRMLSegmentationNode"), fake.count("vtkMRMLCommandLineModuleNode")), (1, 0, 0))

    def test_cancel_before_it_runs_and_after_its_end(self):
        self.logic.cancel()
        run = self.start()
        self.assertEqual(run.node.GetStatus(), run.node.Scheduled)
        run.cancel()
        self.slicer.cli.finish("Cancelled")
        run.cancel()
        self.assertEqual([type(e) for e in self.ends], [RunCancelled])

    def test_cancel_while_slicer_writes_the_inputs(self):
        run = self.start()
        run.cancel()
        self.assertEqual(run.node.GetStatus(), run.node.Cancelling)
        run.node.SetStatus(run.node.Running)  # as Slicer's thread does when it has written them
        self.assertEqual(run.node.GetStatus(), run.node.Cancelling)

    def test_an_abandoned_run_says_nothing_and_leaves_nothing(self):
        seen = []
        node = self.start(onChange=seen.append).node
        seen.clear()
        self.logic.abandon()
        self.assertEqual(node.GetStatus(), node.Cancelling)
        node.SetStatus(node.Cancelled)
        fake.run_timers()
        self.assertFalse(self.ends or seen)
        self.logic.abandon()  # with nothing to abandon
        self.start()
        self.logic.abandon()
        self.slicer.cli.finish(fill=fill)  # before it could be stopped
        self.assertEqual((fake.count("vtkMRMLSegmentationNode"), fake.count("vtkMRMLCommandLineModuleNode")), (0, 0))

    def test_what_an_abandoned_run_reads_stays_until_its_process_is_gone(self):
        segmentation = self.logic.process(self.volumes, None, "demo-brain-phantom").outputs["segmentation"]
        node = self.logic.measure(segmentation, self.volumes[2], waitForCompletion=False).node
        self.logic.abandon()
        self.assertEqual((fake.count("vtkMRMLLabelMapVolumeNode"), fake.count("vtkMRMLCommandLineModuleNode")), (1, 1))
        node.SetStatus(node.Cancelled)
        fake.run_timers()
        self.assertEqual((fake.count("vtkMRMLLabelMapVolumeNode"), fake.count("vtkMRMLCommandLineModuleNode")), (0, 0))

    def test_the_cli_modules_node_outlives_the_word_of_the_end(self):
        there = []
        run = self.logic.process(self.volumes, None, "demo-brain-phantom", waitForCompletion=False, onEnd=lambda run, error: there.append(run.node.GetScene()))
        self.slicer.cli.finish(fill=fill)
        self.assertEqual((there, run.node), ([self.slicer.mrmlScene], None))

    def test_one_run_at_a_time(self):
        self.start()
        with self.assertRaisesRegex(RunError, "in progress"):
            self.start()
        self.assertEqual((fake.count("vtkMRMLSegmentationNode"), len(self.slicer.cli.runs)), (1, 1))

    def test_output_and_progress_are_told(self):
        seen = []
        run = self.start(onChange=lambda run: seen.append(run.output))
        run.node.SetOutputText("note: the bias field was corrected")
        self.assertIn("note: the bias field was corrected", seen)

    def test_what_cannot_run_is_refused_in_one_line_and_leaves_no_node(self):
        tumor = self.volumes[0]
        moved = fake.add_translation((1, 0, 0))
        for volumes, model, line in (
            ([tumor], "demo-brain-phantom", r"takes 4 volumes \(FLAIR, T1, T1ce, T2\), and there are 1"),
            ([tumor, None, tumor, None], "demo-brain-phantom", "No volume is chosen for T1, T2"),
            ([tumor, *self.volumes[1:3], tumor], "demo-brain-phantom", "'FLAIR' is chosen for FLAIR and T2"),
            ([tumor], "nonesuch", "no model 'nonesuch'"),
            ([tumor], models.Model("x", "/x", "monai", "x", channels=tuple(models.Channel(str(i)) for i in range(5))), "takes 5 volumes"),
        ):
            with self.assertRaisesRegex(RunError, line):
                self.logic.process(volumes, None, model)
        self.volumes[1].SetAndObserveTransformNodeID(moved.GetID())
        with self.assertRaisesRegex(RunError, "harden"):
            self.logic.process(self.volumes, None, "demo-brain-phantom")
        del self.slicer.modules.tumorsegmentation
        with self.assertRaisesRegex(RunError, "TumorSegmentation is not loaded"):
            self.logic.process([tumor], None, "brain-mass-t1c")
        self.assertEqual((fake.count("vtkMRMLSegmentationNode"), fake.count("vtkMRMLTableNode")), (0, 0))

    def test_results_that_cannot_be_placed_are_an_error_too(self):
        self.start()
        self.slicer.vtkMRMLSubjectHierarchyNode, kept = None, self.slicer.vtkMRMLSubjectHierarchyNode
        try:
            with self.assertLogs(level="ERROR"):
                self.slicer.cli.finish(fill=fill)
        finally:
            self.slicer.vtkMRMLSubjectHierarchyNode = kept
        self.assertRegex(str(self.ends[0]), "could not be put in their place")

    def test_rows_of_the_lesion_table_and_a_jump_to_one(self):
        outputs = self.logic.process(self.volumes, None, "demo-brain-phantom").outputs
        lesions = results.lesions(outputs["measurements"])
        self.assertEqual(lesions[0], results.Lesion(1, 12.5, 28.25, 31.5, 103.25, False, (-10.0, 20.0, 30.5)))
        self.assertEqual((lesions[1].meanIntensity, lesions[1].touchesBorder), (None, True))
        outputs["segmentation"].SetAndObserveTransformNodeID(fake.add_translation((100, 0, -1)).GetID())
        slices = fake.Slices()
        results.jumpTo(lesions[0], outputs["segmentation"])
        self.assertEqual(slices.center(), (90.0, 20.0, 29.5))

    def test_a_result_without_lesions_is_an_empty_table(self):
        self.slicer.cli.ends = lambda cli: cli.finish(fill=lambda p: fake.add_rows(p["outputMeasurements"], COLUMNS, ()))
        outputs = self.logic.process(self.volumes, None, "demo-brain-phantom").outputs
        self.assertEqual(results.lesions(outputs["measurements"]), [])

    def test_measuring_again_takes_the_segments_of_lesions(self):
        segmentation = self.logic.process(self.volumes, None, "demo-brain-phantom").outputs["segmentation"]
        exported = []

        def end(cli):
            exported.append(cli.runs[-1][1]["inputLesions"])
            fake.add_rows(cli.runs[-1][1]["outputMeasurements"], COLUMNS, ROWS[:1])
            cli.finish()

        self.slicer.cli.ends = end
        run = self.logic.measure(segmentation, self.volumes[2])
        self.assertEqual(self.slicer.cli.runs[-1][0], "LesionMeasurement")
        self.assertEqual(self.parameters()["minimumVolume"], 500.0)  # the package's own
        if fake.REAL:
            labels = exported[0].GetImageData().GetPointData().GetScalars()
            self.assertEqual([sum(labels.GetValue(i) == label for i in range(125)) for label in (1, 2, 3)], [1, 1, 0])
        else:
            self.assertEqual(exported[0].segments, ["Segment_1", "Segment_3"])
        self.assertEqual(len(results.lesions(run.outputs["measurements"])), 1)
        self.assertEqual(len(run.notes), 1)
        self.assertRegex(run.notes[0], r"category is not .*: Segment_2\.$")
        self.assertEqual([fake.count(f"vtkMRML{kind}Node") for kind in ("LabelMapVolume", "LabelMapVolumeDisplay", "ColorTable")], [0, 0, 0])

    def test_a_segment_without_a_category_is_left_out_where_others_have_that_of_lesions_alone(self):
        for entries, expected in (({"a": LESION, "added": ""}, ["added"]), ({"a": ORGAN, "added": ""}, []), ({"a": LESION}, [])):
            segmentation = self.slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "mine")
            fake.add_segments(segmentation, entries)
            notes = results.lesionLabelmap(segmentation, self.volumes[0])[1]
            self.assertEqual([note.rpartition(": ")[2] for note in notes], [f"{name}." for name in expected])

    def test_segments_beside_the_volume_are_measured_with_a_word_on_why(self):
        segmentation = self.logic.process(self.volumes, None, "demo-brain-phantom").outputs["segmentation"]
        segmentation.SetAndObserveTransformNodeID(fake.add_translation((100, 0, 0)).GetID())
        self.slicer.cli.ends = lambda cli: cli.finish(fill=lambda p: fake.add_rows(p["outputMeasurements"], COLUMNS, ()))
        notes = self.logic.measure(segmentation, self.volumes[2]).notes
        self.assertRegex(notes[-1], "No segment reaches into 'T1ce': .* moved by a transform")

    def test_segments_that_cannot_be_laid_on_a_grid_leave_no_node(self):
        empty = self.slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "empty")
        with self.assertRaisesRegex(ValueError, "'empty' has no segments"):
            self.logic.measure(empty, self.volumes[0])
        fake.add_segments(empty, {"a": LESION})
        kept = self.slicer.vtkSlicerSegmentationsModuleLogic
        self.slicer.vtkSlicerSegmentationsModuleLogic = types.SimpleNamespace(ExportSegmentsToLabelmapNode=lambda *all: False)
        try:
            with self.assertRaisesRegex(ValueError, "'empty' cannot be laid on the grid of 'FLAIR'"):
                self.logic.measure(empty, self.volumes[0])
        finally:
            self.slicer.vtkSlicerSegmentationsModuleLogic = kept
        self.assertEqual([fake.count(f"vtkMRML{kind}Node") for kind in ("LabelMapVolume", "LabelMapVolumeDisplay", "ColorTable")], [0, 0, 0])

    def test_classes_of_lesions(self):
        segmentation = self.logic.process(self.volumes, None, "demo-brain-phantom").outputs["segmentation"]
        rows = (("1", "glioma", "0.93", ""), ("2", "", "", "another kind of image"))
        self.slicer.cli.ends = lambda cli: cli.finish(fill=lambda p: fake.add_rows(p["outputClasses"], ("lesion", "class", "probability", "refused"), rows))
        run = self.logic.classify(segmentation, self.volumes[2], "brain-mass-t1c")
        self.assertEqual(self.slicer.cli.runs[-1][0], "LesionClassification")
        self.assertEqual(results.classOfEach(run.outputs["classes"]), {1: "glioma (93%)", 2: "none: another kind of image"})
        self.assertEqual(fake.count("vtkMRMLLabelMapVolumeNode"), 0)

    def test_parameters_last_in_their_node(self):
        node = self.logic.getParameterNode()
        kept = Parameters(node)
        self.assertEqual((kept.model, kept.device, kept.precision, kept.threads), ("", "auto", "f32", 0))
        self.assertEqual((kept.skipMirroring, kept.show3D, kept.segmentation), (False, True, None))
        kept.model, kept.device, kept.precision, kept.threads, kept.skipMirroring, kept.show3D = "a/b", "cuda", "int8", 4, True, False
        kept.segmentation = self.slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "out")
        kept.input3 = kept.mask = self.volumes[1]
        kept.brainModel = "brain"
        saved = fake.saved_scene()
        self.slicer.mrmlScene.Clear(False)
        self.assertEqual((kept.model, kept.input3), ("", None))
        fake.load_scene(saved)
        again = Parameters(self.logic.getParameterNode())
        self.assertEqual((again.model, again.device, again.precision, again.threads, again.skipMirroring, again.show3D), ("a/b", "cuda", "int8", 4, True, False))
        self.assertEqual((again.segmentation.GetName(), again.inputs()[2].GetName(), again.inputs()[0]), ("out", "T1", None))
        self.assertEqual((again.mask.GetName(), again.brainModel), ("T1", "brain"))
        again.segmentation = None
        self.assertIsNone(again.segmentation)

    def test_errors_are_told_without_the_programs_name(self):
        self.assertEqual(errorOf("TumorSegmentation: error [channel.ambiguous]: no model\n\n"), "no model")
        self.assertEqual(errorOf("Killed"), "Killed")
        self.assertEqual(errorOf(" \n"), "The module ended without saying why.")


if __name__ == "__main__":
    unittest.main()
