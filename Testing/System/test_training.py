#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""train: LeNet-5 learns scikit-learn's digits, a killed training goes on to the same bits, and the package classifies."""
import csv
import json
import shutil
import signal
import subprocess
import sys
import time

import jsonschema

from whole_program import BIN, ROOT, WithFolder, done, main, run

EXAMPLE = ROOT / "Data" / "Examples" / "digits"


class Digits(WithFolder):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        subprocess.run([sys.executable, EXAMPLE / "prepare.py", cls.folder / "data"], check=True)
        shutil.copy(EXAMPLE / "train.json", cls.folder)

    def configuration(self, name, /, **changes):
        content = json.loads((EXAMPLE / "train.json").read_text())
        for key, value in changes.items():
            if isinstance(value, dict):
                value = {**content.get(key, {}), **value}
            content[key] = value
        path = self.folder / name
        path.write_text(json.dumps(content))
        return path

    def test_the_tutorial_reads_98_of_100_digits_that_it_has_not_seen(self):
        summary = json.loads(done("oncotome", "train", self.folder / "train.json", "--json", "--quiet"))
        self.assertGreaterEqual(summary["measured"]["test"]["accuracy"]["value"], 0.98)
        package = self.folder / "model"
        self.assertEqual(sorted(p.name for p in package.iterdir()),
                         ["README.md", "curves.png", "metrics.jsonl", "model.json", "reliability.png", "training.json",
                          "weights.safetensors"])
        jsonschema.validate(json.loads((package / "model.json").read_text()),
                            json.loads((ROOT / "Data/Schemas/model-1.schema.json").read_text()))
        self.assertFalse((self.folder / "model.training").exists())

        done("oncotome", "classify", self.folder / "data" / "images", "--model", package, "--output", self.folder / "classes",
             "--quiet")
        with open(self.folder / "classes" / "predictions.csv", newline="") as file:
            found = {row["path"]: row for row in csv.DictReader(file)}
        with open(self.folder / "data" / "manifest.csv", newline="") as file:
            test = [row for row in csv.DictReader(file) if row["part"] == "test"]
        answered = [row for row in test if not found[row["path"].split("/")[-1]]["refused"]]
        right = sum(found[row["path"].split("/")[-1]]["class"] == row["class"] for row in answered)
        self.assertGreaterEqual(len(answered), 0.97 * len(test))
        self.assertGreaterEqual(right, 0.98 * len(answered))

    def test_killed_and_resumed_it_ends_with_the_same_bits(self):
        short = self.configuration("short.json", epochs=4, output="unused", checkpoint_steps=1)
        whole, ended = self.folder / "whole", self.folder / "ended"
        done("oncotome", "train", short, "--output", whole, "--quiet")
        checkpoint = self.folder / "ended.training" / "checkpoint.safetensors"
        kills = 0
        for wait in (0.3, 0.6, 0.1):
            process = subprocess.Popen([BIN / "oncotome", "train", short, "--output", ended, "--resume", "--quiet"])
            deadline = time.monotonic() + 60
            before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
            while process.poll() is None and time.monotonic() < deadline:
                if checkpoint.exists() and checkpoint.stat().st_mtime_ns != before:
                    break
                time.sleep(0.005)
            time.sleep(wait)
            process.send_signal(signal.SIGKILL)
            kills += process.wait() == -signal.SIGKILL
            if ended.exists():
                break
        self.assertGreaterEqual(kills, 1)
        if not ended.exists():
            done("oncotome", "train", short, "--output", ended, "--resume", "--quiet")
        self.assertEqual((whole / "weights.safetensors").read_bytes(), (ended / "weights.safetensors").read_bytes())

    def test_the_schema_and_the_program_refuse_the_same(self):
        validator = jsonschema.Draft202012Validator(json.loads((ROOT / "Data/Schemas/training-1.schema.json").read_text()))
        validator.check_schema(validator.schema)
        validator.validate(json.loads((EXAMPLE / "train.json").read_text()))
        for name, changes in (
                ("key", {"epoch": 3}), ("inner key", {"optimizer": {"lr": 0.1}}), ("type", {"epochs": "many"}), ("bound", {"epochs": 0}),
                ("fraction", {"batch_size": 1.5}), ("choice", {"schedule": {"name": "linear"}}), ("axis", {"augmentation": {"flip": ["X"]}}),
                ("pair", {"augmentation": {"scale": [1]}}), ("two places", {"data": {"folder": "data"}}), ("label", {"class_labels": [0, 1]}),
                ("size", {"network": {"input_size": [1, 0, 32]}}), ("resize", {"image": {"resize": "crop"}}),
                ("two ranges", {"image": {"percentiles": [0, 1]}}), ("none", {"name": None}), ("weights", {"loss": {"class_weights": "even"}})):
            with self.subTest(name):
                path = self.configuration("bad.json", **changes)
                self.assertFalse(validator.is_valid(json.loads(path.read_text())))
                result = run("oncotome", "train", path, "--output", self.folder / "bad", "--quiet")
                self.assertGreaterEqual(result.returncode, 2, result.stderr)
                self.assertEqual(result.stderr.count("\n"), 1, result.stderr)

    def test_bad_input_gets_one_line_and_its_code(self):
        for name, changes, words in (
                ("key.json", {"epoch": 3}, "epoch"),
                ("network.json", {"network": {"architecture": "lenet7"}}, "lenet7"),
                ("manifest.json", {"data": {"manifest": "data/none.csv"}}, "the manifest cannot be opened"),
                ("weights.json", {"initial": {"weights": "none.safetensors"}}, "none.safetensors"),
                ("rate.json", {"optimizer": {"name": "sgd", "learning_rate": 1000}}, "not finite")):
            with self.subTest(name):
                result = run("oncotome", "train", self.configuration(name, **changes), "--output", self.folder / "bad", "--quiet")
                self.assertGreaterEqual(result.returncode, 2, result.stderr)
                self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
                self.assertIn(words, result.stderr)
                self.assertFalse((self.folder / "bad").exists())
                shutil.rmtree(self.folder / "bad.training", ignore_errors=True)


if __name__ == "__main__":
    main()
