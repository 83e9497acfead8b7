# SPDX-License-Identifier: Apache-2.0
"""What the Oncotome module of 3D Slicer does, apart from its panel."""
