# SPDX-License-Identifier: Apache-2.0
"""The terminology files: of the structure that dcmqi and Slicer ask for, and with every code of our models."""
import ast
import io
import json
import os
import re
import unittest

import fake_slicer as fake

fake.install()
from OncotomeLib import samples, terminology  # noqa: E402

ROOT = fake.MODULE_FOLDER.parents[2]
SCHEMAS = "https://raw.githubusercontent.com/qiicr/dcmqi/master/doc/schemas/"
CODE = {"CodeMeaning": str, "CodingSchemeDesignator": str, "CodeValue": str}


def code(entry):
    return entry["CodingSchemeDesignator"], entry["CodeValue"], entry["CodeMeaning"]


class Terminology(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.documents = [json.loads(file.read_text(encoding="utf-8")) for file in terminology.files()]
        cls.segments = next(d for d in cls.documents if "SegmentationCodes" in d)
        cls.regions = next(d for d in cls.documents if "AnatomicCodes" in d)
        cls.categories = {code(c): {code(t): t for t in c["Type"]} for c in cls.segments["SegmentationCodes"]["Category"]}

    def entry(self, entry, fields):
        self.assertLessEqual(set(entry), set(CODE) | set(fields), entry)
        for name, kind in {**CODE, **fields}.items():
            self.assertIsInstance(entry.get(name, kind()), kind, (entry, name))
        self.assertTrue(0 < len(entry["CodeValue"]) <= 16 and 0 < len(entry["CodeMeaning"]) <= 64, entry)  # SH, LO
        self.assertTrue(0 < len(entry["CodingSchemeDesignator"]) <= 16, entry)

    def unique(self, entries):
        self.assertTrue(entries)
        self.assertEqual(len({code(e)[:2] for e in entries}), len(entries))

    def test_segment_contexts_have_the_structure_of_their_schema(self):
        self.assertEqual(self.segments["@schema"], SCHEMAS + "segment-context-schema.json#")
        self.assertEqual(set(self.segments), {"@schema", "SegmentationCategoryTypeContextName", "SegmentationCodes"})
        categories = self.segments["SegmentationCodes"]["Category"]
        self.unique(categories)
        for category in categories:
            self.entry(category, {"showAnatomy": bool, "Type": list})
            self.unique(category["Type"])
            for kind in category["Type"]:
                self.entry(kind, {"3dSlicerLabel": str, "recommendedDisplayRGBValue": list})
                color = kind["recommendedDisplayRGBValue"]
                self.assertTrue(len(color) == 3 and all(type(c) is int and 0 <= c <= 255 for c in color), kind)

    def test_region_contexts_have_the_structure_of_their_schema(self):
        self.assertEqual(self.regions["@schema"], SCHEMAS + "anatomic-context-schema.json#")
        self.assertEqual(set(self.regions), {"@schema", "AnatomicContextName", "AnatomicCodes"})
        regions = self.regions["AnatomicCodes"]["AnatomicRegion"]
        self.unique(regions)
        for region in regions:
            self.entry(region, {"Modifier": list})
            for modifier in region.get("Modifier", []):
                self.entry(modifier, {})

    def test_every_label_of_our_models_is_there_in_its_color(self):
        files = [*ROOT.glob("Data/Models/*/model.json"), ROOT / "Libs/Engine/src/msnet_package.json"]
        self.assertGreaterEqual(len(files), 4)
        regions = {code(r) for r in self.regions["AnatomicCodes"]["AnatomicRegion"]}
        seen = 0
        for file in files:
            model = json.loads(file.read_text(encoding="utf-8"))
            for label in model.get("labels", []):
                category, kind = ((label[key]["scheme"], label[key]["value"], label[key]["meaning"]) for key in ("category", "type"))
                self.assertIn(kind, self.categories[category], file)
                self.assertEqual(self.categories[category][kind]["recommendedDisplayRGBValue"], label["color"], (file, label["name"]))
                self.assertEqual(terminology.isLesion(f"any~{'^'.join(category)}~{'^'.join(kind)}~^^~any~^^~^^"), label["lesion"])
                seen += 1
            region = model["input"]["region"]
            self.assertIn((region["scheme"], region["value"], region["meaning"]), regions, file)
        self.assertGreaterEqual(seen, 7)

    def test_every_code_that_the_engine_gives_labels_of_others_is_there(self):
        text = (ROOT / "Libs/Engine/src/class_labels.cpp").read_text(encoding="utf-8")
        terms = re.findall(r'"[\w|]+",\s*"(\d+)",\s*"([^"]+)",\s*(true|false)', text)
        self.assertGreater(len(terms), 10)
        for value, meaning, lesion in terms:
            category = ("SCT", "49755003", "Morphologically Altered Structure") if lesion == "true" else ("SCT", "123037004", "Anatomical Structure")
            self.assertIn(("SCT", value, meaning), self.categories[category])

    def test_every_code_of_total_segmentator_and_what_files_of_segments_call_ours_is_there(self):
        ours = {kind[:2] for kinds in self.categories.values() for kind in kinds}
        source = (ROOT / "Modules/Workflow/seg_nrrd.cpp").read_text(encoding="utf-8")
        types, regions = (set(re.findall(r"\d+", re.search(name + r"\[\] = \{([^}]*)\}", source)[1])) for name in ("kOwnTypes", "kOwnRegions"))
        self.assertLessEqual({("SCT", value) for value in types}, ours)
        self.assertLessEqual(regions, {r["CodeValue"] for r in self.regions["AnatomicCodes"]["AnatomicRegion"]})
        terms = json.loads((ROOT / "Data/Terminology/total_segmentator.json").read_text(encoding="utf-8"))["terms"]
        kinds = {kind[0] for _, kind, _ in terms.values()}
        # Counted in Slicer's SegmentationCategoryTypeModifier-DICOM-Master.json, which has the others.
        self.assertEqual((len(kinds & types), len(kinds - types)), (60, 50))

    @unittest.skipUnless(fake.REAL, "needs slicer-core")
    def test_slicer_loads_them_and_finds_a_label(self):
        import slicer

        logic = slicer.vtkSlicerTerminologiesModuleLogic()
        self.assertEqual(terminology.load(logic), [])
        name = self.segments["SegmentationCategoryTypeContextName"]
        self.assertEqual(logic.GetNumberOfCategoriesInTerminology(name), len(self.categories))
        self.assertEqual(logic.GetNumberOfRegionsInRegionContext(self.regions["AnatomicContextName"]), len(self.regions["AnatomicCodes"]["AnatomicRegion"]))
        entry = slicer.vtkSlicerTerminologyEntry()
        self.assertTrue(logic.FindTypeInTerminologyBy3dSlicerLabel(name, "enhancing tumor", entry))
        self.assertEqual(entry.GetTypeObject().GetCodeValue(), "C113842")
        self.assertEqual(tuple(entry.GetTypeObject().GetRecommendedDisplayRGBValue()), (230, 80, 60))

    def test_a_file_that_slicer_refuses_is_told(self):
        class Refusing:
            def LoadContextFromFile(self, path):
                return "Anatomic" not in path

        self.assertEqual([path.split("/")[-1] for path in terminology.load(Refusing())], ["AnatomicRegionAndModifier-Oncotome.json"])

    def test_sample_data_is_named_by_its_digest(self):
        for file, digest in samples.SCANS.values():
            self.assertRegex(digest, "^[0-9a-f]{64}$")
            self.assertTrue(file.endswith(".nrrd"))


class Sources(unittest.TestCase):
    def test_they_are_python_3_9(self):  # that of Slicer 5.8
        for file in [fake.MODULE_FOLDER / "Oncotome.py", *fake.MODULE_FOLDER.glob("OncotomeLib/*.py")]:
            ast.parse(file.read_text(encoding="utf-8"), feature_version=(3, 9))

    def test_pyflakes_has_nothing_to_say(self):
        try:
            from pyflakes import api, reporter
        except ImportError:
            if "ONCOTOME_REQUIRE_DATA" in os.environ and not fake.REAL:
                raise
            self.skipTest("pyflakes is not there")
        said = io.StringIO()
        files = [str(file) for file in fake.MODULE_FOLDER.rglob("*.py")]
        self.assertEqual(api.checkRecursive(files, reporter.Reporter(said, said)), 0, said.getvalue())


if __name__ == "__main__":
    unittest.main()
