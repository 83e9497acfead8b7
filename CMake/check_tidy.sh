#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# clang-tidy (.clang-tidy) on the sources that changed since the last push, at most 80 (4 minutes on two cores); on all of them with --all or
# without a history. Sources that include ITK, or guarded.h, which does, are left out: its 5.2.1 headers refuse to be parsed by Clang's tools;
# fuzzers and the Python package are in no release build.
set -euo pipefail
cd "$(dirname "$0")/.."
base=$(git rev-parse -q --verify origin/main 2>/dev/null || true)
# Where the branch is pushed already, what the last commit changed.
[ -n "$base" ] && [ "$base" != "$(git rev-parse HEAD)" ] || base=$(git rev-parse -q --verify HEAD~1 2>/dev/null || true)
if [ "${1:-}" = --all ] || [ -z "$base" ]; then
  mapfile -t files < <(find Libs Modules Testing -name '*.cpp' | sort)
else
  mapfile -t files < <(git diff --name-only --diff-filter=AM "$base" -- 'Libs/*.cpp' 'Modules/*.cpp' 'Testing/*.cpp')
  [ ${#files[@]} -le 80 ] || echo "left out: $((${#files[@]} - 80)) of the ${#files[@]} that changed (--all checks them)"
  files=("${files[@]:0:80}")
fi
mapfile -t files < <(for f in "${files[@]}"; do
  [[ $f == Modules/Python/* ]] || grep -qE '#include .(itk|ToyModel|guarded)|LLVMFuzzer' "$f" || echo "$f"
done)
[ ${#files[@]} -gt 0 ] || { echo "no source changed"; exit 0; }
echo "checking ${#files[@]} files"
printf '%s\n' "${files[@]}" | xargs -P "$(nproc)" -n 2 clang-tidy -p build/release --quiet 2>/dev/null
echo "clang-tidy has nothing to say"
