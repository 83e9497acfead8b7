# SPDX-License-Identifier: Apache-2.0
# The three ways to make a target, and the third-party libraries as targets with system headers.
include_guard(GLOBAL)

# oncotome_library(<name> [SHARED] SOURCES ... [PUBLIC target...] [PRIVATE target...])
function(oncotome_library name)
  cmake_parse_arguments(ARG "SHARED" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  if(ARG_SHARED)
    add_library(${name} SHARED ${ARG_SOURCES})
  else()
    add_library(${name} STATIC ${ARG_SOURCES})
  endif()
  if(IS_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}/include)
    target_include_directories(${name} PUBLIC ${CMAKE_CURRENT_SOURCE_DIR}/include)
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
  target_link_libraries(${name} PRIVATE ${ARG_LIBRARIES} GTest::gtest GTest::gtest_main oncotome_warnings)
  gtest_discover_tests(${name} PROPERTIES LABELS ${ARG_LABELS} PROCESSORS ${ARG_PROCESSORS} DISCOVERY_TIMEOUT 60)
endfunction()

# Wraps old-style include and library variables as one target whose headers raise no warnings.
function(oncotome_third_party name)
  cmake_parse_arguments(ARG "" "" "INCLUDES;LIBRARIES" ${ARGN})
  add_library(${name} INTERFACE)
  target_include_directories(${name} SYSTEM INTERFACE ${ARG_INCLUDES})
  target_link_libraries(${name} INTERFACE ${ARG_LIBRARIES})
endfunction()

if(NOT ONCOTOME_ENGINE_ONLY)
  oncotome_third_party(oncotome_dcmtk INCLUDES ${DCMTK_INCLUDE_DIRS}
                       LIBRARIES cmr dcmseg dcmfg dcmiod dcmsr dcmjpeg ijg8 ijg12 ijg16 dcmjpls dcmtkcharls dcmimgle
                                 dcmdata oflog ofstd xml2)
  oncotome_third_party(oncotome_minizip INCLUDES ${MINIZIP_INCLUDE_DIR} LIBRARIES ${MINIZIP_LIBRARY})
  oncotome_third_party(oncotome_openjpeg INCLUDES ${OPENJPEG_INCLUDE_DIRS} LIBRARIES ${OPENJPEG_LIBRARIES})
  oncotome_third_party(oncotome_vtk LIBRARIES ${VTK_LIBRARIES})
  oncotome_third_party(oncotome_itk INCLUDES ${ITK_INCLUDE_DIRS} LIBRARIES ${ITK_LIBRARIES})
endif()
oncotome_third_party(oncotome_torch_packages INCLUDES ${TORCH_INCLUDE_DIRS} LIBRARIES ${TORCH_LIBRARIES})
