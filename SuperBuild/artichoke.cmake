# SPDX-License-Identifier: Apache-2.0
# The four functions of Artichoke (3D Slicer's SuperBuild) that are used here, for a build without 3D Slicer, which brings its own.
if(COMMAND ExternalProject_Include_Dependencies)
  return()
endif()

# mark_as_superbuild(<variable>:<type>): handed down to the inner pass, where it is set.
function(mark_as_superbuild variable_and_type)
  string(REGEX REPLACE ":.*" "" variable ${variable_and_type})
  if(DEFINED ${variable})
    set_property(GLOBAL APPEND PROPERTY superbuild_args "-D${variable_and_type}=${${variable}}")
  endif()
endfunction()

# Includes External_X.cmake of each of <project>_DEPENDS, once; <project>_EP_ARGS hands down what is marked.
macro(ExternalProject_Include_Dependencies project)
  foreach(dependency IN LISTS ${project}_DEPENDS)
    if(NOT TARGET ${dependency})
      include(${PROJECT_SOURCE_DIR}/SuperBuild/External_${dependency}.cmake)
    endif()
  endforeach()
  set(proj ${project})
  get_property(superbuild_args GLOBAL PROPERTY superbuild_args)
  set(${project}_EP_ARGS CMAKE_CACHE_ARGS ${superbuild_args})
endmacro()

# A target that stands for what is there already.
function(ExternalProject_Add_Empty name)
  cmake_parse_arguments(empty "" "" "DEPENDS" ${ARGN})
  add_custom_target(${name})
  if(empty_DEPENDS)
    add_dependencies(${name} ${empty_DEPENDS})
  endif()
endfunction()

# Configures and builds at every build of the outer pass: nothing tells it what changed in the inner one.
function(ExternalProject_AlwaysConfigure name)
  ExternalProject_Add_Step(${name} forceconfigure COMMAND ${CMAKE_COMMAND} -E true DEPENDEES update DEPENDERS configure ALWAYS 1)
endfunction()
