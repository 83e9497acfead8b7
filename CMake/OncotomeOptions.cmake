# SPDX-License-Identifier: Apache-2.0
# Options, warnings, sanitizers and the third-party packages.
include_guard(GLOBAL)

option(ONCOTOME_ENGINE_ONLY "Only Core, Engine and Torch: no ITK, VTK or DCMTK" OFF)
option(ONCOTOME_SANITIZE "AddressSanitizer and UndefinedBehaviorSanitizer, and libFuzzer targets; needs Clang" OFF)
option(ONCOTOME_PYTHON "The Python package, as pip builds it; needs pybind11" OFF)
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
# Libraries are found from where they lie: beside what is built, beside what is installed, and never through LD_LIBRARY_PATH, which hosts
# such as 3D Slicer set for themselves (DT_RPATH is searched first, DT_RUNPATH after it).
set(CMAKE_INSTALL_RPATH_USE_LINK_PATH ON)
if(UNIX AND NOT APPLE)
  add_link_options(LINKER:--disable-new-dtags)
endif()

find_program(ONCOTOME_CCACHE ccache)
if(ONCOTOME_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${ONCOTOME_CCACHE})
endif()

add_library(oncotome_warnings INTERFACE)
target_compile_options(oncotome_warnings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor
                                                   -Woverloaded-virtual -Wno-unknown-pragmas -Werror)
# Of what computes nothing itself: a third less time to compile.
add_library(oncotome_compiled_soon INTERFACE)
target_compile_options(oncotome_compiled_soon INTERFACE $<$<CONFIG:Release>:-O1>)
if(ONCOTOME_SANITIZE)
  add_compile_options(-fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
endif()

# This order works; ITK before DCMTK or VTK after ITK does not on Debian 12.
if(NOT ONCOTOME_ENGINE_ONLY)
  find_package(DCMTK REQUIRED)
endif()
if(Torch_DIR)
  # TorchConfig.cmake looks for its own parts in the system's folders first, and would mix a given LibTorch with the system's.
  get_filename_component(torch_prefix ${Torch_DIR}/../../.. ABSOLUTE)
  list(PREPEND CMAKE_PREFIX_PATH ${torch_prefix})
endif()
find_package(Torch REQUIRED)
if(DEFINED torch_prefix)
  list(POP_FRONT CMAKE_PREFIX_PATH)
endif()
if(NOT ONCOTOME_ENGINE_ONLY)
  find_package(VTK REQUIRED COMPONENTS ${ONCOTOME_VTK_COMPONENTS})
  find_package(ITK REQUIRED COMPONENTS ${ONCOTOME_ITK_COMPONENTS})
endif()
include(OncotomeSystemLibraries)
if(BUILD_TESTING)
  enable_testing()
  find_package(GTest REQUIRED)
  include(GoogleTest)
endif()
set(ONCOTOME_SHARED_DATA ${CMAKE_CURRENT_SOURCE_DIR}/../shared/data CACHE PATH
    "Real images and weights for tests; they are no part of the project")
