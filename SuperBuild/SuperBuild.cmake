# SPDX-License-Identifier: Apache-2.0
# The outer pass of -DONCOTOME_SUPERBUILD=ON: makes what Oncotome needs, each thing once, then Oncotome itself in inner-build.
# Whatever X_DIR names (ITK_DIR, VTK_DIR, DCMTK_DIR, Torch_DIR, GTest_DIR) is used as it is, and
# -DONCOTOME_X_ARCHIVE=FILE (ITK, VTK, DCMTK, LibTorch, GoogleTest) is unpacked in the place of a download.
include(ExternalProject)
include(OncotomeSystemLibraries)
include(${CMAKE_CURRENT_LIST_DIR}/artichoke.cmake)

# oncotome_external(<name> DIR <variable> CONFIG <place of its CMake configuration under where it is installed>
#                   GIT <repository> COMMIT <hash> [SUBMODULES <folder>] [URL <archive> SHA256 <hash>]
#                   [UNPACK_ONLY <place of the configuration in the archive>] OPTIONS -D...)
# SUBMODULES: those below that folder; none without. SHA256 is that of the release's archive. UNPACK_ONLY: an archive that is given is
# built already.
macro(oncotome_external name)
  cmake_parse_arguments(external "" "DIR;CONFIG;GIT;COMMIT;SUBMODULES;URL;SHA256;UNPACK_ONLY" "OPTIONS" ${ARGN})
  set(ONCOTOME_${name}_ARCHIVE "" CACHE FILEPATH "Local archive of ${name}, in the place of a download")
  if(DEFINED ${external_DIR} AND NOT EXISTS "${${external_DIR}}")
    message(FATAL_ERROR "${external_DIR} is given but no such folder exists: ${${external_DIR}}")
  endif()
  if(DEFINED ${external_DIR})
    ExternalProject_Add_Empty(${name} DEPENDS ${${name}_DEPENDS})
  else()
    set(steps)
    set(${external_DIR} ${CMAKE_BINARY_DIR}/${name}-install/${external_CONFIG})
    if(ONCOTOME_${name}_ARCHIVE AND NOT EXISTS "${ONCOTOME_${name}_ARCHIVE}")
      message(FATAL_ERROR "ONCOTOME_${name}_ARCHIVE: no such file: ${ONCOTOME_${name}_ARCHIVE}")
    elseif(ONCOTOME_${name}_ARCHIVE)
      set(source URL ${ONCOTOME_${name}_ARCHIVE})
      if(external_UNPACK_ONLY)
        foreach(step CONFIGURE BUILD INSTALL)
          list(APPEND steps ${step}_COMMAND ${CMAKE_COMMAND} -E true)
        endforeach()
        set(${external_DIR} ${CMAKE_BINARY_DIR}/${name}/${external_UNPACK_ONLY})
      endif()
    elseif(external_URL)
      set(source URL ${external_URL})
    else()
      set(source GIT_REPOSITORY ${external_GIT} GIT_TAG ${external_COMMIT} GIT_PROGRESS ON)
    endif()
    if(external_SHA256 AND NOT source MATCHES "^GIT")
      list(APPEND source URL_HASH SHA256=${external_SHA256})
    endif()
    ExternalProject_Add(${name}
      ${${name}_EP_ARGS}
      ${source}
      GIT_SUBMODULES "${external_SUBMODULES}"
      SOURCE_DIR ${CMAKE_BINARY_DIR}/${name}
      BINARY_DIR ${CMAKE_BINARY_DIR}/${name}-build
      ${steps}
      CMAKE_CACHE_ARGS ${ONCOTOME_SUPERBUILD_ARGS} -DCMAKE_INSTALL_PREFIX:PATH=${CMAKE_BINARY_DIR}/${name}-install
                       -DCMAKE_INSTALL_LIBDIR:STRING=lib -DBUILD_SHARED_LIBS:BOOL=OFF -DBUILD_TESTING:BOOL=OFF ${external_OPTIONS}
      DEPENDS ${${name}_DEPENDS})
  endif()
  mark_as_superbuild(${external_DIR}:PATH)
endmacro()

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()
set(ONCOTOME_SUPERBUILD_ARGS
  -DCMAKE_BUILD_TYPE:STRING=${CMAKE_BUILD_TYPE} -DCMAKE_POSITION_INDEPENDENT_CODE:BOOL=ON
  -DCMAKE_C_COMPILER:FILEPATH=${CMAKE_C_COMPILER} -DCMAKE_C_FLAGS:STRING=${CMAKE_C_FLAGS}
  -DCMAKE_CXX_COMPILER:FILEPATH=${CMAKE_CXX_COMPILER} -DCMAKE_CXX_FLAGS:STRING=${CMAKE_CXX_FLAGS}
  -DCMAKE_C_COMPILER_LAUNCHER:STRING=${CMAKE_C_COMPILER_LAUNCHER} -DCMAKE_CXX_COMPILER_LAUNCHER:STRING=${CMAKE_CXX_COMPILER_LAUNCHER})

option(BUILD_TESTING "Build the tests" ON)
set(proj ${SUPERBUILD_TOPLEVEL_PROJECT})
set(${proj}_DEPENDS LibTorch)
if(NOT ONCOTOME_ENGINE_ONLY)
  list(APPEND ${proj}_DEPENDS DCMTK VTK ITK)
endif()
if(BUILD_TESTING)
  list(APPEND ${proj}_DEPENDS GoogleTest)
endif()
mark_as_superbuild(ONCOTOME_ENGINE_ONLY:BOOL)
mark_as_superbuild(BUILD_TESTING:BOOL)
ExternalProject_Include_Dependencies(${proj} PROJECT_VAR proj SUPERBUILD_VAR ONCOTOME_SUPERBUILD)

ExternalProject_Add(${proj}
  ${${proj}_EP_ARGS}
  DOWNLOAD_COMMAND ""
  INSTALL_COMMAND ""
  SOURCE_DIR ${CMAKE_CURRENT_SOURCE_DIR}
  BINARY_DIR ${CMAKE_BINARY_DIR}/${EXTENSION_BUILD_SUBDIRECTORY}
  CMAKE_CACHE_ARGS ${ONCOTOME_SUPERBUILD_ARGS} -DONCOTOME_SUPERBUILD:BOOL=OFF -DEXTENSION_SUPERBUILD_BINARY_DIR:PATH=${CMAKE_BINARY_DIR}
  DEPENDS ${${proj}_DEPENDS})
ExternalProject_AlwaysConfigure(${proj})
