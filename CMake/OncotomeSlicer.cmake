# SPDX-License-Identifier: Apache-2.0
# 3D Slicer's extension: with Slicer_DIR by Slicer's own rules; without, the target slicer-package makes the same by itself.
set(ONCOTOME_HOMEPAGE "NA" CACHE STRING "Public address of this project, for 3D Slicer's extension catalog")
set(ONCOTOME_SLICER_VERSIONS 5.8 5.10 5.12 CACHE STRING "Versions X.Y of 3D Slicer that slicer-package makes an archive for")
option(ONCOTOME_SLICER_WITH_TORCH "LibTorch in slicer-package's archives; refused where it brings GPL libraries, as Debian's does" OFF)
set(ONCOTOME_SLICER_LICENSES "" CACHE PATH "Folder of license texts, PROJECT.txt, of bundled libraries that are of no Debian package")

set(EXTENSION_NAME Oncotome)
set(EXTENSION_HOMEPAGE ${ONCOTOME_HOMEPAGE})
set(EXTENSION_SCM_URL ${ONCOTOME_HOMEPAGE})
set(EXTENSION_CATEGORY "Segmentation")
set(EXTENSION_CONTRIBUTORS "Oncotome contributors")
set(EXTENSION_DESCRIPTION "Finds, outlines and measures tumors in CT and MR with trained networks, on the CPU, without Python packages or a connection. For research.")
set(EXTENSION_ICONURL "NA")
set(EXTENSION_SCREENSHOTURLS "NA")
set(EXTENSION_DEPENDS "NA")
set(EXTENSION_TIER 1)
set(EXTENSION_KEYWORDS "tumor lesion segmentation nnU-Net MONAI")
set(EXTENSION_DICOM_SUPPORT_RULE "NA")
set(EXTENSION_LICENSE_FILE ${PROJECT_SOURCE_DIR}/LICENSE.txt)
set(EXTENSION_README_FILE ${PROJECT_SOURCE_DIR}/README.md)
set(EXTENSION_BUILD_SUBDIRECTORY .)
if(DEFINED ONCOTOME_SUPERBUILD)
  # Slicer's rules look for it under this name.
  set(Oncotome_SUPERBUILD ${ONCOTOME_SUPERBUILD})
endif()
if(ONCOTOME_SUPERBUILD OR EXTENSION_SUPERBUILD_BINARY_DIR)
  set(EXTENSION_BUILD_SUBDIRECTORY inner-build)
endif()
set(SUPERBUILD_TOPLEVEL_PROJECT inner)

if(Slicer_DIR)
  find_package(Slicer REQUIRED)
  include(${Slicer_USE_FILE})
  if(ONCOTOME_SUPERBUILD)
    mark_as_superbuild(Slicer_DIR:PATH)
  endif()
  set(ONCOTOME_CLI_MODULES_DIR ${CMAKE_BINARY_DIR}/${Slicer_CLIMODULES_BIN_DIR})
  # An extension's package holds all that installs; what is for developers is left out of it.
  set(ONCOTOME_DEVELOPERS_ONLY EXCLUDE_FROM_ALL)
endif()

# oncotome_slicer_extension(): to be called when all targets are there.
function(oncotome_slicer_extension)
  get_property(modules GLOBAL PROPERTY ONCOTOME_CLI_MODULES)
  if(Slicer_FOUND)
    set(place ${Slicer_INSTALL_CLIMODULES_BIN_DIR})
    set(component RuntimeLibraries)
    get_filename_component(private ${place} DIRECTORY)
    string(APPEND private /Oncotome)
    install(TARGETS oncotome_core oncotome_engine LIBRARY DESTINATION ${private} COMPONENT RuntimeLibraries)
    install(DIRECTORY Data/Models DESTINATION ${private} COMPONENT RuntimeLibraries
            FILES_MATCHING PATTERN model.json PATTERN weights.safetensors PATTERN README.md)
  else()
    set(place ${CMAKE_INSTALL_LIBDIR}/oncotome/cli-modules)
    set(component CLI)
  endif()
  set(dependencies)
  if(Slicer_FOUND AND NOT CMAKE_VERSION VERSION_LESS 3.21)
    set(dependencies RUNTIME_DEPENDENCY_SET oncotome_cli_modules)
  endif()
  foreach(module ${modules})
    # Beside the modules of an extension its libraries lie in a folder of their own: 3D Slicer shall not meet them.
    set_target_properties(${module} PROPERTIES INSTALL_RPATH "$ORIGIN/../Oncotome;$ORIGIN/../..")
    install(TARGETS ${module} ${dependencies} RUNTIME DESTINATION ${place} COMPONENT ${component})
    install(FILES ${ONCOTOME_CLI_MODULES_DIR}/${module}.xml DESTINATION ${place} COMPONENT ${component})
  endforeach()
  if(dependencies)
    # What the modules link from this machine comes along; what lies in Slicer's tree is in Slicer, and every Linux has the rest.
    get_filename_component(slicer_tree ${Slicer_DIR} DIRECTORY)
    string(REGEX REPLACE "([][+.*^$()?|])" "\\\\\\1" slicer_tree "${slicer_tree}")
    install(RUNTIME_DEPENDENCY_SET oncotome_cli_modules
            PRE_EXCLUDE_REGEXES "^lib(c|m|dl|rt|pthread|util|gcc_s|stdc[+][+]|oncotome_.*)[.]so" "^ld-linux" "^linux-vdso"
            POST_EXCLUDE_REGEXES "^${slicer_tree}/"
            LIBRARY DESTINATION ${private} COMPONENT RuntimeLibraries)
  endif()
  if(Slicer_FOUND)
    return()
  endif()

  set(packaging ${PROJECT_SOURCE_DIR}/Packaging/Slicer)
  configure_file(${packaging}/Oncotome.s4ext.in ${CMAKE_BINARY_DIR}/Oncotome.s4ext @ONLY)
  configure_file(${packaging}/Oncotome.json.in ${CMAKE_BINARY_DIR}/Oncotome.json @ONLY)
  find_package(Python3 QUIET COMPONENTS Interpreter)
  if(NOT Python3_FOUND OR NOT modules)
    return()
  endif()
  add_custom_target(slicer-package
    COMMAND ${Python3_EXECUTABLE} ${packaging}/package.py --build ${CMAKE_BINARY_DIR} --output ${CMAKE_BINARY_DIR}/slicer
            --libdir ${CMAKE_INSTALL_LIBDIR} "$<$<BOOL:${ONCOTOME_SLICER_LICENSES}>:--licenses=${ONCOTOME_SLICER_LICENSES}>"
            $<$<BOOL:${ONCOTOME_SLICER_WITH_TORCH}>:--with-torch> ${ONCOTOME_SLICER_VERSIONS}
    COMMAND_EXPAND_LISTS USES_TERMINAL VERBATIM)
  add_dependencies(slicer-package ${modules} oncotome_engine)
  if(ONCOTOME_SLICER_WITH_TORCH)
    add_dependencies(slicer-package oncotome_torch)
  endif()
endfunction()
