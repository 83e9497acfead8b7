#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every source file as .clang-format has it; prints the files that are not.
set -euo pipefail
cd "$(dirname "$0")/.."
git ls-files "*.h" "*.cpp" "*.hxx" "*.cxx" | xargs clang-format --dry-run --Werror
echo "all files are formatted"
