# SPDX-License-Identifier: Apache-2.0
set(proj DCMTK)
set(${proj}_DEPENDS "")
ExternalProject_Include_Dependencies(${proj} PROJECT_VAR proj)
oncotome_external(DCMTK DIR DCMTK_DIR CONFIG lib/cmake/dcmtk
  GIT https://github.com/DCMTK/dcmtk.git COMMIT a137f1aff4e1df3fbefe53ee8b160973c74c96dd  # 3.6.7
  URL https://github.com/DCMTK/dcmtk/archive/refs/tags/DCMTK-3.6.7.tar.gz
  SHA256 17705dcdb2047d1266bb4e92dbf4aa6d4967819e8e3e94f39b7df697661b4860
  # The dictionary within the library: no file to be found at run time.
  OPTIONS -DBUILD_APPS:BOOL=OFF -DDCMTK_DEFAULT_DICT:STRING=builtin -DDCMTK_ENABLE_PRIVATE_TAGS:BOOL=ON -DDCMTK_ENABLE_CXX11:STRING=ON
          -DDCMTK_WITH_DOXYGEN:BOOL=OFF -DDCMTK_WITH_ICONV:BOOL=OFF -DDCMTK_WITH_ICU:BOOL=OFF -DDCMTK_WITH_OPENSSL:BOOL=OFF
          -DDCMTK_WITH_PNG:BOOL=OFF -DDCMTK_WITH_SNDFILE:BOOL=OFF -DDCMTK_WITH_TIFF:BOOL=OFF -DDCMTK_WITH_WRAP:BOOL=OFF
          -DDCMTK_WITH_XML:BOOL=ON -DDCMTK_WITH_ZLIB:BOOL=ON)
