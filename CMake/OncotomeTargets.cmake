# SPDX-License-Identifier: Apache-2.0
# The ways to make a target, and the third-party libraries as targets with system headers.
include_guard(GLOBAL)

include(GNUInstallDirs)
include(OncotomeThirdParty)

# oncotome_library(<name> [SHARED] SOURCES ... [PUBLIC target...] [PRIVATE target...])
function(oncotome_library name)
  cmake_parse_arguments(ARG "SHARED" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  if(ARG_SHARED)
    add_library(${name} SHARED ${ARG_SOURCES})
  else()
    add_library(${name} STATIC ${ARG_SOURCES})
  endif()
  if(IS_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}/include)
    target_include_directories(${name} PUBLIC $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/include>
                                              $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  endif()
  target_link_libraries(${name} PUBLIC ${ARG_PUBLIC} PRIVATE ${ARG_PRIVATE} $<BUILD_INTERFACE:oncotome_warnings>)
endfunction()

# oncotome_test(<name> LABELS unit|golden|system [PROCESSORS n] SOURCES ... LIBRARIES ...): one GoogleTest program.
function(oncotome_test name)
  if(NOT BUILD_TESTING)
    return()
  endif()
  cmake_parse_arguments(ARG "" "LABELS;PROCESSORS" "SOURCES;LIBRARIES" ${ARGN})
  if(NOT ARG_PROCESSORS)
    set(ARG_PROCESSORS 1)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_LIBRARIES} GTest::gtest GTest::gtest_main oncotome_warnings oncotome_compiled_soon)
  gtest_discover_tests(${name} PROPERTIES LABELS ${ARG_LABELS} PROCESSORS ${ARG_PROCESSORS} DISCOVERY_TIMEOUT 60)
endfunction()

if(NOT ONCOTOME_ENGINE_ONLY)
  set(OncotomeITK_INCLUDE_DIRS ${ITK_INCLUDE_DIRS})
  set(OncotomeITK_LIBRARIES ${ITK_LIBRARIES})
  foreach(party dcmtk minizip openjpeg vtk itk)
    oncotome_third_party(${party})
  endforeach()
endif()
oncotome_third_party(torch_packages)
