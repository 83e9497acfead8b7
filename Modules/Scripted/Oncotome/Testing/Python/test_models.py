# SPDX-License-Identifier: Apache-2.0
"""The model list: what is read of folders, search, and which volume goes where."""
import json
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import fake_slicer as fake

fake.install()
from OncotomeLib import models  # noqa: E402
from OncotomeLib.logic import bundledModelFolder  # noqa: E402

ROOT = fake.MODULE_FOLDER.parents[2]
KNOWN = ["brain-mass-t1c", "demo-brain-phantom", "lung-nodule"]  # by title; others may be there
FIXTURES = ROOT / "Testing" / "Golden" / "fixtures"


def ids(found):
    return [model.id for model in found]


class Models(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        found, cls.problems = models.findModels([ROOT / "Data" / "Models"])
        cls.own = [model for model in found if model.id in KNOWN]

    def test_the_extensions_own_models_are_found(self):
        self.assertEqual(Path(bundledModelFolder()), ROOT / "Data" / "Models")
        self.assertEqual((sorted(ids(self.own)), self.problems), (KNOWN, []))
        brain = next(model for model in self.own if model.id == "demo-brain-phantom")
        self.assertEqual([channel.name for channel in brain.channels], ["FLAIR", "T1", "T1ce", "T2"])
        self.assertEqual((brain.modality, brain.region, brain.reference, brain.minLesionMm3), ("MR", "Brain", 2, 500.0))
        self.assertEqual(brain.labels, ("Necrotic or non-enhancing core", "Edema", "Enhancing tumor"))
        self.assertEqual([model.id for model in self.own if not model.segments], ["lung-nodule"])
        self.assertTrue(all(text for model in self.own for _, text in model.facts()))

    def test_models_tell_what_their_preparation_takes(self):
        with tempfile.TemporaryDirectory() as name:
            msnet = ROOT / "Libs/Engine/src/msnet_package.json"
            (Path(name) / "model.json").write_text(msnet.read_text(encoding="utf-8"), encoding="utf-8")
            model = models.readModel(name)
            brain = {"schema": "oncotome.model/1", "title": "x", "input": {"channels": [{"name": "MR"}]}, "labels": [{"name": "Brain"}]}
            (Path(name) / "model.json").write_text(json.dumps(brain), encoding="utf-8")
            self.assertTrue(models.readModel(name).findsBrain)
        self.assertEqual((model.takesMask, model.takesBrainModel, model.findsBrain), (True, True, False))
        takes = {model.id: (model.takesMask, model.takesBrainModel, model.findsBrain) for model in self.own}
        self.assertEqual(takes["demo-brain-phantom"], (True, False, False))
        self.assertEqual(takes["brain-mass-t1c"], (False, False, False))

    def test_nnunet_folders_and_monai_bundles_are_models(self):
        found, problems = models.findModels([FIXTURES / "nnunet", FIXTURES / "monai"])
        self.assertEqual(problems, [])
        by_id = {model.id: model for model in found}
        masked = by_id["Dataset906_Masked/nnUNetTrainer__nnUNetPlans__3d_fullres"]
        self.assertEqual(([c.name for c in masked.channels], masked.labels), (["T1", "FLAIR"], ("organ", "tumor")))
        self.assertEqual(by_id["Dataset904_Regions/nnUNetTrainer__nnUNetPlans__3d_fullres"].modality, "CT")
        mri = by_id["mri_segresnet"]
        self.assertEqual(([c.name for c in mri.channels], mri.modality, mri.kind), (["T1c", "T1", "T2", "FLAIR"], "MR", "monai"))
        self.assertEqual(mri.labels, ("Tumor core", "Whole tumor", "Enhancing tumor"))
        self.assertEqual(by_id["ct_unet"].labels, ("liver", "liver tumor"))

    def test_what_cannot_be_read_is_told_and_the_others_are_listed(self):
        with tempfile.TemporaryDirectory() as name:
            nameless = '{"schema": "oncotome.model/1", "title": "x", "input": {"channels": [{}]}}'
            for folder, text in {"a": "{", "b": "[]", "c": '{"schema": "oncotome.model/2"}', "d": nameless}.items():
                (Path(name) / folder).mkdir()
                (Path(name) / folder / "model.json").write_text(text, encoding="utf-8")
            found, problems = models.findModels([name, ROOT / "Data" / "Models", "", Path(name) / "absent"])
        self.assertLessEqual(set(KNOWN), set(ids(found)))
        self.assertEqual(len(problems), 4)
        self.assertTrue(all("\n" not in problem for problem in problems))
        with self.assertRaises(models.ModelError):
            models.readModel(FIXTURES)

    def test_a_folder_of_everything_is_not_searched_to_its_end(self):
        with tempfile.TemporaryDirectory() as name, mock.patch.object(models, "_MOST_ENTRIES", 20):
            for i in range(30):
                (Path(name) / str(i) / "inner").mkdir(parents=True)
            with mock.patch.object(models, "kindOf", side_effect=models.kindOf) as looked:
                found, problems = models.findModels([name, ROOT / "Data" / "Models"])
        self.assertLess(looked.call_count, 2 * 20 + 10)
        self.assertLessEqual(set(KNOWN), set(ids(found)))
        self.assertEqual(problems, [f"{name}: only 20 of the files and folders in it were looked at; choose one nearer to the models"])

    def test_the_model_folder_comes_before_the_extensions_own(self):
        with tempfile.TemporaryDirectory() as name:
            text = (ROOT / "Data" / "Models" / "demo-brain-phantom" / "model.json").read_text(encoding="utf-8")
            (Path(name) / "mine").mkdir()
            (Path(name) / "mine" / "model.json").write_text(json.dumps({**json.loads(text), "title": "Mine"}), encoding="utf-8")
            found, _ = models.findModels([name, ROOT / "Data" / "Models"])
        self.assertEqual([model.title for model in found if model.id == "demo-brain-phantom"], ["Mine"])

    def test_search_takes_all_words_in_any_case_from_anywhere(self):
        for text, expected in (
            ("", KNOWN),
            ("BRAIN tumor", ["brain-mass-t1c", "demo-brain-phantom"]),
            ("glioma", ["brain-mass-t1c"]),
            ("T1Gd", ["brain-mass-t1c", "demo-brain-phantom"]),
            ("ct lung", ["lung-nodule"]),
            ("brain lung", []),
        ):
            self.assertEqual(ids(models.search(self.own, text)), expected, text)

    def test_volumes_go_to_the_channels_that_their_names_fit(self):
        brain = next(model for model in self.own if model.id == "demo-brain-phantom")
        for names, expected in (
            (["AX T2", "AX T1 post gad", "AX T1", "FLAIR axial"], [3, 2, 1, 0]),
            (["T1c", "FLA", "t2_tse", "T1 pre"], [1, 3, 0, 2]),
            (["CT chest"], [None, None, None, None]),
            (["T1 post contrast"], [None, None, 0, None]),
        ):
            self.assertEqual(models.guessInputs(brain, names), expected, names)
        lung = next(model for model in self.own if model.id == "lung-nodule")
        for names, expected in ((["anything"], [0]), (["localizer", "Chest CT 1 mm"], [1]), (["a", "b"], [None])):
            self.assertEqual(models.guessInputs(lung, names), expected, names)


if __name__ == "__main__":
    unittest.main()
