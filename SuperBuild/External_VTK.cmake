# SPDX-License-Identifier: Apache-2.0
set(proj VTK)
set(${proj}_DEPENDS "")
ExternalProject_Include_Dependencies(${proj} PROJECT_VAR proj)
set(modules)
foreach(module ${ONCOTOME_VTK_COMPONENTS})
  list(APPEND modules -DVTK_MODULE_ENABLE_VTK_${module}:STRING=YES)
endforeach()
oncotome_external(VTK DIR VTK_DIR CONFIG lib/cmake/vtk-9.1
  GIT https://github.com/Kitware/VTK.git COMMIT 285daeedd58eb890cb90d6e907d822eea3d2d092  # 9.1.0
  OPTIONS ${modules} -DVTK_GROUP_ENABLE_StandAlone:STRING=DONT_WANT -DVTK_GROUP_ENABLE_Rendering:STRING=DONT_WANT
          -DVTK_BUILD_TESTING:STRING=OFF)
