# SPDX-License-Identifier: Apache-2.0
"""Reader, segmentation, writer: pipeline.py MODEL LABELS CHANNEL=IMAGE [CHANNEL=IMAGE ...]; Ctrl-C stops it within one tile."""
import sys

import itk
import oncotome

model, labels, *arguments = sys.argv[1:]
images = {}
for argument in arguments:
    channel, path = argument.split("=", 1)
    images[channel] = itk.imread(path, itk.F)


def tell(fraction, what):
    print(f"progress {fraction:.3f} {what}", flush=True)


try:
    found = oncotome.segment(images, model, progress=tell)
except KeyboardInterrupt:
    print("stopped", file=sys.stderr)
    sys.exit(130)
itk.imwrite(found.to_itk(), labels, compression=True)
