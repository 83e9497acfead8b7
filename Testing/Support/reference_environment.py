# SPDX-License-Identifier: Apache-2.0
"""The programs that ours is compared with, at the versions the stored numbers come from."""
import os
import pathlib
import subprocess
import sys

PINS = ["torch==2.11.0", "torchvision==0.26.0", "nnunetv2==2.8.1", "dynamic-network-architectures==0.4.4", "acvl-utils==0.2.6",
        "batchgenerators==0.25.5", "batchgeneratorsv2==0.3.6", "monai==1.5.1", "numpy==2.4.6", "scipy==1.17.1", "scikit-image==0.26.0", "SimpleITK==2.5.7",
        "nibabel==5.4.2", "blosc2==4.14.1", "safetensors==0.8.0"]
# glibc told to keep large blocks: without it each is fetched from the system again, which slows a peer that has no arena.
KEEP_BLOCKS = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "-1", "MALLOC_TOP_PAD_": "268435456"}


def enter(venv):
    """Runs the calling script again with the Python of `venv`, which is made where it is missing."""
    venv = pathlib.Path(venv).resolve()
    if pathlib.Path(sys.prefix).resolve() != venv:
        python = venv / "bin" / "python"
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", venv], check=True)
            subprocess.run([python, "-m", "pip", "install", "--quiet", *PINS], check=True)
        os.execv(python, [str(python), *sys.argv])
    from importlib.metadata import version
    wrong = [pin for pin in PINS if version(pin.split("==")[0]) != pin.split("==")[1]]
    if wrong:
        sys.exit(f"{venv} lacks {', '.join(wrong)}: give another --venv")


def total_segmentator(folder):
    """Makes totalsegmentator importable from `folder`, without what it asks for besides."""
    if not pathlib.Path(folder).exists():
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", folder, "TotalSegmentator==2.18.0"], check=True)
    sys.path.insert(0, str(folder))
