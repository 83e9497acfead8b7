#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every kind of bad input gets one clear line and its stable code, leaves nothing behind and names no patient.

ONCOTOME_BIN names the folder of the programs.
"""
import json
import os
import pathlib
import random
import resource
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

import numpy as np
import pydicom
import SimpleITK as sitk

import bad_files  # fills CASES
import bad_models_and_jobs  # fills CASES
from bad_input import BIN, CASES, DEMO_MODEL, SECRETS, series


def run(*arguments, **options):
    return subprocess.run([BIN / arguments[0], *map(str, arguments[1:])], capture_output=True, text=True, errors="replace",
                          timeout=120, **options)


class BadInputs(unittest.TestCase):
    """The table above."""

    def test_each_is_refused_with_one_line_and_its_code(self):
        for name, (make, code, word) in CASES.items():
            with self.subTest(name), tempfile.TemporaryDirectory(prefix="oncotome-bad-") as holder:
                folder = pathlib.Path(holder)
                arguments = [folder / a if str(a).startswith("OUTPUT") else a for a in make(folder)]
                result = run(*arguments)
                self.assertEqual(result.returncode, code, result.stderr or result.stdout)
                self.assertIn(f"[{word}]", result.stderr)
                lines = result.stderr.strip().splitlines()
                self.assertEqual(len(lines), 1, result.stderr)
                self.assertGreater(len(lines[0]), 30)
                for secret in SECRETS:
                    self.assertNotIn(secret, (result.stderr + result.stdout).lower())
                self.assertEqual([p for p in folder.iterdir() if p.name.startswith(("OUTPUT", ".partial"))], [])
        print(f"{len(CASES)} kinds of bad input")
        self.assertGreaterEqual(len(CASES), 60)

    def test_a_folder_that_may_not_be_read_is_named_as_such(self):
        with tempfile.TemporaryDirectory(prefix="oncotome-bad-") as holder:
            folder = pathlib.Path(holder)
            place = series(folder)
            (place / "closed").mkdir()
            os.chmod(place / "closed", 0)
            os.chmod(holder, 0o755)
            # Root reads everything.
            options = {"user": 65534} if os.geteuid() == 0 else {}
            result = run("oncotome", "inspect", place, **options)
            self.assertIn("[input.unreadable]: the folder cannot be read", result.stdout)
            refused = run("oncotome", "convert", place, "-o", "/dev/shm/never.nrrd", **options)
            os.chmod(place / "closed", 0o700)
            self.assertEqual(refused.returncode, 11, refused.stderr)

    def test_a_full_disk_leaves_nothing(self):
        """On a mount of 300 KiB, in a namespace of its own; and at a limit of the file size."""
        with tempfile.TemporaryDirectory(prefix="oncotome-bad-") as holder:
            folder = pathlib.Path(holder)
            (folder / "small").mkdir()
            values = np.random.default_rng(3).integers(0, 4000, (40, 64, 64)).astype(np.int16)
            sitk.WriteImage(sitk.GetImageFromArray(values), str(folder / "Zebrafish.nrrd"))
            script = ('mount -t tmpfs -o size=300k none "$1" || exit 99; shift; out=$1; shift; "$@"; code=$?; '
                      'ls -A "$out" >&2; exit $code')
            small = subprocess.run(["unshare", "-rm", "sh", "-c", script, "sh", folder / "small", folder / "small",
                                    BIN / "oncotome", "convert", folder / "Zebrafish.nrrd", "-o", folder / "small" / "x.nrrd", "-q"],
                                   capture_output=True, text=True)
            self.assertEqual(small.returncode, 71, small.stderr)
            self.assertEqual(len(small.stderr.strip().splitlines()), 1, small.stderr)
            limited = run("oncotome", "convert", folder / "Zebrafish.nrrd", "-o", folder / "small" / "x.nrrd", "-q",
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000)))
            self.assertEqual(limited.returncode, 71, limited.stderr)
            self.assertEqual(list((folder / "small").iterdir()), [])

    def test_too_little_memory_is_told(self):
        with tempfile.TemporaryDirectory(prefix="oncotome-bad-") as holder:
            folder = pathlib.Path(holder)
            vast = sitk.GetImageFromArray(np.zeros((400, 512, 512), np.uint8))
            sitk.WriteImage(vast, str(folder / "Zebrafish.nrrd"), useCompression=True)
            result = run("oncotome", "convert", folder / "Zebrafish.nrrd", "-o", folder / "x.nrrd", "-q",
                         preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (400 << 20, 400 << 20)))
            self.assertEqual((result.returncode, "[memory.exhausted]" in result.stderr), (62, True), result.stderr)


class Killed(unittest.TestCase):
    def test_twenty_kills_at_random_moments_never_leave_what_looks_like_a_result(self):
        with tempfile.TemporaryDirectory(prefix="oncotome-kill-") as holder:
            folder = pathlib.Path(holder)
            self.assertEqual(run("oncotome-phantom", "--seed", 9102, "--format", "dicom", "--output", folder).returncode, 0)
            arguments = [BIN / "oncotome", "segment", folder / "study", "-m", DEMO_MODEL, "-o", folder / "out" / "result", "-q"]
            start = time.monotonic()
            subprocess.run(arguments, check=True, capture_output=True)
            whole = time.monotonic() - start
            files = sorted(p.name for p in (folder / "out" / "result").iterdir())
            shutil.rmtree(folder / "out" / "result")
            moments, killed, runs = random.Random(4), 0, 0
            while killed < 20:
                runs += 1
                self.assertLessEqual(runs, 60, f"only {killed} runs were killed")
                start = time.monotonic()
                process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                try:
                    process.wait(timeout=whole * moments.uniform(0.02, 1.05))
                    whole = time.monotonic() - start  # the machine has become faster, or idle
                except subprocess.TimeoutExpired:
                    process.send_signal(signal.SIGKILL)
                    process.wait()
                    killed += 1
                if (folder / "out" / "result").exists():
                    # It was done before the signal came, so it is whole.
                    self.assertEqual(sorted(p.name for p in (folder / "out" / "result").iterdir()), files)
                    json.loads((folder / "out" / "result" / "report.json").read_text())
                    pydicom.dcmread(folder / "out" / "result" / "segmentation.dcm").pixel_array
                    shutil.rmtree(folder / "out" / "result")
                self.assertTrue(all(p.name.startswith(".partial-") for p in (folder / "out").iterdir()))
            # A run that is let go sweeps what the others left.
            subprocess.run(arguments, check=True, capture_output=True)
            self.assertEqual([p.name for p in (folder / "out").iterdir()], ["result"])
            print(f"{killed} of {runs} runs were killed, each {whole:.1f} s long")


if __name__ == "__main__":
    unittest.main(verbosity=2)
