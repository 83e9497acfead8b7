# SPDX-License-Identifier: Apache-2.0
# Options, warnings, sanitizers and the third-party packages.
include_guard(GLOBAL)

option(ONCOTOME_ENGINE_ONLY "Only Core, Engine and Torch: no ITK, VTK or DCMTK" OFF)
option(ONCOTOME_SANITIZE "AddressSanitizer and UndefinedBehaviorSanitizer" OFF)
option(ONCOTOME_FUZZ "libFuzzer targets; needs Clang" OFF)
option(BUILD_TESTING "Build the tests" ON)

if(NOT CMAKE_CXX_STANDARD)
  set(CMAKE_CXX_STANDARD 17)
endif()
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()

find_program(ONCOTOME_CCACHE ccache)
if(ONCOTOME_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${ONCOTOME_CCACHE})
endif()

add_library(oncotome_warnings INTERFACE)
target_compile_options(oncotome_warnings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor
                                                   -Woverloaded-virtual -Wno-unknown-pragmas -Werror)
if(ONCOTOME_SANITIZE)
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    add_compile_options(-Wno-maybe-uninitialized)  # GCC 12 sees it in its own <regex> when it instruments
  endif()
endif()
if(ONCOTOME_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

# This order works; ITK before DCMTK or VTK after ITK does not on Debian 12.
if(NOT ONCOTOME_ENGINE_ONLY)
  find_package(DCMTK REQUIRED)
endif()
find_package(Torch REQUIRED)
if(NOT ONCOTOME_ENGINE_ONLY)
  find_package(VTK REQUIRED COMPONENTS CommonCore CommonDataModel FiltersCore FiltersGeneral IOImage ImagingCore
                                       RenderingCore RenderingFreeType RenderingOpenGL2)
  find_package(ITK REQUIRED COMPONENTS ITKBiasCorrection ITKCommon ITKIOImageBase ITKIONIFTI ITKIONRRD ITKImageGrid ITKMetricsv4
                                       ITKOptimizersv4 ITKRegistrationMethodsv4 ITKThresholding)
  find_package(ZLIB REQUIRED)
  find_package(JPEG REQUIRED)
  find_package(OpenJPEG REQUIRED)
  find_package(PNG REQUIRED)
  find_path(MINIZIP_INCLUDE_DIR minizip/unzip.h REQUIRED)
  find_library(MINIZIP_LIBRARY minizip REQUIRED)
  find_package(CLI11 REQUIRED)
endif()
find_package(nlohmann_json REQUIRED)
find_package(Threads REQUIRED)
if(BUILD_TESTING)
  enable_testing()
  find_package(GTest REQUIRED)
  include(GoogleTest)
endif()
set(ONCOTOME_SHARED_DATA ${CMAKE_CURRENT_SOURCE_DIR}/../shared/data CACHE PATH
    "Real images and weights for tests; they are no part of the project")
