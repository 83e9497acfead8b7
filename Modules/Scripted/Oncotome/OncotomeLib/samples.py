# SPDX-License-Identifier: Apache-2.0
"""Public scans that the models take, for the Sample Data module."""
from __future__ import annotations

from pathlib import Path

CATEGORY = "Oncotome"
_ICON = Path(__file__).resolve().parent.parent / "Resources" / "Icons" / "Oncotome.png"
# Scans of Slicer's own testing data, by the digests in Slicer's SampleData module; the store's addresses are the digests.
_STORE = "https://github.com/Slicer/SlicerTestingData/releases/download/SHA256/"
SCANS = {
    "Brain tumor MR 1": ("RegLib_C01_1.nrrd", "998cb522173839c78657f4bc0ea907cea09fd04e44601f17c82ea27927937b95"),
    "Brain tumor MR 2": ("RegLib_C01_2.nrrd", "1a64f3f422eb3d1c9b093d1a18da354b13bcf307907c66317e2463ee530b7a97"),
}


def register() -> None:
    """Adds the scans to the Sample Data module; nothing is downloaded before a user asks for it."""
    import SampleData

    for name, (file, digest) in SCANS.items():
        SampleData.SampleDataLogic.registerCustomSampleDataSource(
            category=CATEGORY, sampleName=name, thumbnailFileName=str(_ICON), uris=_STORE + digest, fileNames=file,
            checksums=f"SHA256:{digest}", nodeNames=name)
