# SPDX-License-Identifier: Apache-2.0
"""The codes of our models' labels, as contexts of Slicer's Terminologies module."""
from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "Resources" / "Terminology"
LESION_CATEGORY = "SCT^49755003"  # Morphologically Altered Structure


def files() -> list[Path]:
    return sorted(FOLDER.glob("*.json"))


def load(logic) -> list[str]:
    """Loads the contexts into Slicer's terminologies logic; the files that it refused.

    LoadContextFromFile tells the two kinds apart by their schema and is in every Slicer 5; the separate function for
    regions changed its name after 5.8.
    """
    return [str(file) for file in files() if not logic.LoadContextFromFile(str(file))]


def isLesion(entry: str) -> bool:
    """Whether a segment's TerminologyEntry is of the category of lesions."""
    parts = entry.split("~")
    return len(parts) > 1 and parts[1].startswith(LESION_CATEGORY + "^")
