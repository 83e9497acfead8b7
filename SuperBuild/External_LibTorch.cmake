# SPDX-License-Identifier: Apache-2.0
# By far the longest to build; an archive that is given is the official one of LibTorch (libtorch-...zip), which only has to be unpacked.
set(proj LibTorch)
set(${proj}_DEPENDS "")
ExternalProject_Include_Dependencies(${proj} PROJECT_VAR proj)
oncotome_external(LibTorch DIR Torch_DIR CONFIG share/cmake/Torch UNPACK_ONLY share/cmake/Torch
  GIT https://github.com/pytorch/pytorch.git COMMIT 70d99e998b4955e0049d13a98d77ae1b14db1f45  # 2.11.0
  SUBMODULES third_party
  OPTIONS -DBUILD_SHARED_LIBS:BOOL=ON -DBUILD_PYTHON:BOOL=OFF -DBUILD_TEST:BOOL=OFF -DUSE_CUDA:BOOL=OFF -DUSE_ROCM:BOOL=OFF
          -DUSE_DISTRIBUTED:BOOL=OFF -DUSE_KINETO:BOOL=OFF)
