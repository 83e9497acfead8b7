# SPDX-License-Identifier: Apache-2.0
itk_module(OncotomeFilters
  DEPENDS ITKCommon ITKMetricsv4 ITKOptimizersv4 ITKRegistrationMethodsv4
  TEST_DEPENDS ITKGoogleTest ITKIONRRD
  DESCRIPTION "Tumor segmentation with trained networks, lesion measurement, and rigid registration of a patient's scans.")
