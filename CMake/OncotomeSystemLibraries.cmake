# SPDX-License-Identifier: Apache-2.0
# What the system has to bring, with and without the SuperBuild, which looks for it before it builds anything.
if(NOT ONCOTOME_ENGINE_ONLY)
  find_package(ZLIB REQUIRED)
  find_package(JPEG REQUIRED)
  find_package(OpenJPEG REQUIRED)
  find_package(PNG REQUIRED)
  find_path(MINIZIP_INCLUDE_DIR minizip/unzip.h REQUIRED)
  find_library(MINIZIP_LIBRARY minizip REQUIRED)
  find_package(CLI11 REQUIRED)
  find_package(X11 REQUIRED)
endif()
find_package(nlohmann_json REQUIRED)
find_package(Threads REQUIRED)
