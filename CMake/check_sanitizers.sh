#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Unit tests of Core, Kernels, Engine and Dicom under AddressSanitizer and UndefinedBehaviorSanitizer.
set -euo pipefail
cd "$(dirname "$0")/.."
cmake --preset asan -DPython3_EXECUTABLE="$PWD/build/readers/bin/python" >build/configure-asan.log 2>&1 ||
  { tail -n 30 build/configure-asan.log; exit 1; }
cmake --build --preset asan --target Libs/Core/all Libs/Engine/all Libs/Kernels/all Libs/Dicom/all
# Debian's libraries leak at exit; what is looked for here is wrong access.
ASAN_OPTIONS=detect_leaks=0 ctest --preset asan -L unit
