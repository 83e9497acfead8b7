# SPDX-License-Identifier: Apache-2.0
"""The module with its CLI modules, on Slicer's own scene: what they write is read by Slicer's readers.

test_with_cli.py CLI_MODULES PHANTOM: the folder of the CLI modules, and the program that makes phantoms. Needs slicer-core.
"""
import os
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree
from pathlib import Path

os.environ["ONCOTOME_SLICER_CORE"] = "1"
import fake_slicer as fake  # noqa: E402

fake.install()
import slicer  # noqa: E402
import vtk  # noqa: E402
from OncotomeLib import results, terminology  # noqa: E402
from OncotomeLib.logic import OncotomeLogic  # noqa: E402
from OncotomeLib.run import RunError  # noqa: E402
from vtk.util.numpy_support import vtk_to_numpy  # noqa: E402

FILES = {"image": ".nrrd", "table": ".tsv"}  # what Slicer takes where a parameter names no extension


def store(node, path):
    """A storage node as Slicer makes it for a file of that name."""
    node.AddDefaultStorageNode(str(path))
    storage = node.GetStorageNode()
    storage.SetFileName(str(path))
    return storage


def read(class_name, name, path):
    node = slicer.mrmlScene.AddNewNodeByClass(class_name, name)
    assert store(node, path).ReadData(node), path
    return node


class RunningCli(fake.Cli):
    """Runs the executables as Slicer does: by their XML, with nodes as files."""

    def __init__(self, folder):
        super().__init__()
        self.folder = Path(folder)
        self.ends = RunningCli.execute

    def execute(self):
        module, parameters, node = self.runs[-1]
        parameters, outputs = dict(parameters), []
        flagged, indexed = [], {}
        with tempfile.TemporaryDirectory() as place:
            for element in ElementTree.parse(self.folder / f"{module}.xml").iterfind("parameters/*[name]"):
                name = element.findtext("name")
                value = parameters.pop(name, None)
                if element.tag in FILES and value is not None:
                    path = Path(place) / (name + (element.get("fileExtensions") or FILES[element.tag]).split(",")[0])
                    if element.findtext("channel") == "input":
                        assert store(value, path).WriteData(value), path
                    else:
                        outputs.append((value, path))
                    value = path
                if element.find("index") is not None:
                    indexed[int(element.findtext("index"))] = str(value)
                elif element.tag == "boolean":
                    flagged += [f"--{element.findtext('longflag')}"] if value else []
                elif value not in (None, "") and element.find("longflag") is not None:
                    flagged += [f"--{element.findtext('longflag')}", str(value)]
            assert not parameters, f"{module} has no {', '.join(parameters)}"
            command = [str(self.folder / module), *flagged, *(indexed[i] for i in sorted(indexed))]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            node.SetOutputText(done.stdout)
            if done.returncode == 0:
                for output, path in outputs:
                    assert store(output, path).ReadData(output), path
        self.finish("Completed" if done.returncode == 0 else "CompletedWithErrors", error=done.stderr)


class WithCli(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.slicer = fake.reset()
        slicer.cli = RunningCli(CLI_MODULES)
        with tempfile.TemporaryDirectory() as place:
            subprocess.run([PHANTOM, "--seed", "9001", "--tumors", "2", "--format", "nrrd", "--output", place], check=True, capture_output=True)
            cls.volumes = [read("vtkMRMLScalarVolumeNode", channel, Path(place) / f"{channel.lower()}.nrrd") for channel in ("FLAIR", "T1", "T1ce", "T2")]
            cls.truth = read("vtkMRMLLabelMapVolumeNode", "truth", Path(place) / "truth.nrrd")
        cls.logic = OncotomeLogic()
        outputs = cls.logic.process(cls.volumes, None, "demo-brain-phantom", device="cpu").outputs
        cls.segmentation, cls.table = outputs["segmentation"], outputs["measurements"]

    def segments(self):
        inner = self.segmentation.GetSegmentation()
        return [inner.GetNthSegment(i) for i in range(inner.GetNumberOfSegments())]

    def test_segments_have_names_colors_and_terminology(self):
        segments = self.segments()
        self.assertEqual([segment.GetName() for segment in segments], ["Necrotic or non-enhancing core", "Edema", "Enhancing tumor"])
        self.assertEqual([round(255 * c) for c in segments[2].GetColor()], [230, 80, 60])
        for segment, code in zip(segments, ("SCT^6574001^Necrosis", "SCT^79654002^Edema", "NCIt^C113842^Enhancing Lesion")):
            entry = vtk.reference("")
            self.assertTrue(segment.GetTag("TerminologyEntry", entry))
            parts = str(entry).split("~")
            self.assertEqual((len(parts), parts[2], parts[5]), (7, code, "SCT^12738006^Brain"))
            self.assertTrue(terminology.isLesion(str(entry)))

    def test_labels_lie_on_the_reference_volume_and_on_the_tumors(self):
        self.assertEqual(self.segmentation.GetNodeReferenceID("referenceImageGeometryRef"), self.volumes[2].GetID())
        nodes, notes = results.lesionLabelmap(self.segmentation, self.volumes[2])
        for node in nodes:
            self.addCleanup(slicer.mrmlScene.RemoveNode, node)
        self.assertEqual(notes, [])
        found, truth = (vtk_to_numpy(node.GetImageData().GetPointData().GetScalars()) > 0 for node in (nodes[0], self.truth))
        self.assertGreater(2 * (found & truth).sum() / (found.sum() + truth.sum()), 0.85)

    def test_a_jump_lands_in_a_tumor(self):
        lesions = results.lesions(self.table)
        self.assertEqual([lesion.number for lesion in lesions], [1, 2])
        to_ijk = vtk.vtkMatrix4x4()
        self.truth.GetRASToIJKMatrix(to_ijk)
        slices = fake.Slices()
        for lesion in lesions:
            results.jumpTo(lesion, self.segmentation)
            i, j, k = (round(x) for x in to_ijk.MultiplyPoint((*slices.center(), 1))[:3])
            self.assertGreater(self.truth.GetImageData().GetScalarComponentAsDouble(i, j, k, 0), 0)

    def test_measuring_again_gives_the_same_lesions(self):
        again = self.logic.measure(self.segmentation, self.volumes[2]).outputs["measurements"]
        for a, b in zip(results.lesions(self.table), results.lesions(again)):
            self.assertEqual((a.number, a.volumeMl, a.centerRas, a.diameterMm), (b.number, b.volumeMl, b.centerRas, b.diameterMm))

    def test_every_lesion_gets_a_class_or_the_reason_why_not(self):
        classes = results.classOfEach(self.logic.classify(self.segmentation, self.volumes[2], "brain-mass-t1c", device="cpu").outputs["classes"])
        self.assertEqual(sorted(classes), [1, 2])
        for text in classes.values():
            self.assertRegex(text, r"^(none: .+|(meningioma|glioma|pituitary) \(\d+%\))$")

    def test_what_the_module_refuses_is_one_line_and_leaves_nothing(self):
        nodes = slicer.mrmlScene.GetNumberOfNodes()
        empty = fake.add_volume("empty")
        self.addCleanup(slicer.mrmlScene.RemoveNode, empty)
        with self.assertRaises(RunError) as raised:
            self.logic.process([empty, *self.volumes[1:]], None, "demo-brain-phantom", device="cpu")
        self.assertRegex(str(raised.exception), r"^[^\n\[]{10,}$")
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode"), 1)
        self.assertLessEqual(slicer.mrmlScene.GetNumberOfNodes(), nodes + 4)  # the empty volume's own


if __name__ == "__main__":
    CLI_MODULES, PHANTOM = sys.argv[1:3]
    unittest.main(argv=sys.argv[:1])
