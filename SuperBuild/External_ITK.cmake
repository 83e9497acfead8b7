# SPDX-License-Identifier: Apache-2.0
set(proj ITK)
set(${proj}_DEPENDS "")
ExternalProject_Include_Dependencies(${proj} PROJECT_VAR proj)
set(modules)
foreach(module ${ONCOTOME_ITK_COMPONENTS})
  list(APPEND modules -DModule_${module}:BOOL=ON)
endforeach()
oncotome_external(ITK DIR ITK_DIR CONFIG lib/cmake/ITK-5.2
  GIT https://github.com/InsightSoftwareConsortium/ITK.git COMMIT 8be208ee1f04d09912523401e78ba7bb14a89d6f  # 5.2.1
  OPTIONS ${modules} -DITK_BUILD_DEFAULT_MODULES:BOOL=OFF -DBUILD_EXAMPLES:BOOL=OFF -DITK_USE_SYSTEM_ZLIB:BOOL=ON)
