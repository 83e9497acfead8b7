# SPDX-License-Identifier: Apache-2.0
set(proj GoogleTest)
set(${proj}_DEPENDS "")
ExternalProject_Include_Dependencies(${proj} PROJECT_VAR proj)
oncotome_external(GoogleTest DIR GTest_DIR CONFIG lib/cmake/GTest
  GIT https://github.com/google/googletest.git COMMIT 58d77fa8070e8cec2dc1ed015d66b454c8d78850  # 1.12.1
  URL https://github.com/google/googletest/archive/refs/tags/release-1.12.1.tar.gz
  SHA256 81964fe578e9bd7c94dfdb09c8e4d6e6759e19967e397dbea48d1c10e45d0df2
  OPTIONS -DBUILD_GMOCK:BOOL=OFF)
