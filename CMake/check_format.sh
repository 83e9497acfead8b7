#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every source file as .clang-format has it; prints the files that are not.
set -euo pipefail
cd "$(dirname "$0")/.."
find Examples Libs Modules Testing -name "*.h" -o -name "*.cpp" -o -name "*.hxx" -o -name "*.cxx" | xargs clang-format --dry-run --Werror
echo "all files are formatted"
