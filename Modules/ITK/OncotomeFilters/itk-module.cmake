# SPDX-License-Identifier: Apache-2.0
itk_module(OncotomeFilters
  DEPENDS ITKCommon
  TEST_DEPENDS ITKGoogleTest ITKIONRRD
  DESCRIPTION "Tumor segmentation with trained networks, and lesion measurement.")
