#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Unit tests of Core, Kernels, Engine and Dicom under AddressSanitizer and UndefinedBehaviorSanitizer, and then each fuzzer for a while, from
# small valid inputs: check_sanitizers.sh [SECONDS [SEED]]; a long run by hand takes 3600 0 (seed by time).
# Needs build/release and build/readers (bootstrap.sh test). What is found stays in build/sanitize/corpus.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-12} seed=${2:-1} place=build/sanitize
# The libraries leak at exit; what is looked for here is wrong access.
export ASAN_OPTIONS=detect_leaks=0
cmake --preset sanitize -DPython3_EXECUTABLE="$PWD/build/readers/bin/python" >build/configure-sanitize.log 2>&1 ||
  { tail -n 30 build/configure-sanitize.log; exit 1; }
cmake --build --preset sanitize --target Libs/Core/all Libs/Engine/all Libs/Kernels/all Libs/Dicom/all Testing/Fuzz/all
ctest --preset sanitize --progress -j "$(nproc)"

build/release/bin/oncotome-write-samples --output $place/samples
build/readers/bin/python -W ignore Testing/Fuzz/make_seeds.py $place/samples $place/seeds
export TMPDIR=$PWD/$place/tmp
[ ! -w /dev/shm ] || TMPDIR=$(mktemp -d /dev/shm/oncotome-fuzz-XXXXXX)
mkdir -p "$TMPDIR"
trap 'rm -rf "$TMPDIR"' EXIT
fuzz() {
  local target=$1
  mkdir -p "$place/corpus/$target"
  "$place/bin/fuzz_$target" -max_total_time="$seconds" -seed="$seed" -max_len=65536 -timeout=30 -rss_limit_mb=4096 \
    -artifact_prefix="$place/" -print_final_stats=0 "$place/corpus/$target" "$place/seeds/$target" \
    2>"$place/$target.log" || { tail -n 40 "$place/$target.log"; return 1; }
  echo "fuzz_$target for $seconds s: $(grep -E '^Done|^#[0-9]+.*DONE' "$place/$target.log" | tail -n 1)"
}
export -f fuzz
export place seconds seed
ls $place/seeds | xargs -P "$(nproc)" -I{} bash -c 'fuzz {}'
