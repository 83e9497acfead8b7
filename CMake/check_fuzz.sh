#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Each fuzzer for a while, from small valid inputs: check_fuzz.sh [SECONDS [SEED]]; a long run by hand takes 3600 0 (seed by time).
# Needs build/release and build/readers (bootstrap.sh test). What is found stays in build/fuzz/corpus.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-12} seed=${2:-1}
cmake --preset fuzz >build/configure-fuzz.log 2>&1 || { tail -n 30 build/configure-fuzz.log; exit 1; }
cmake --build --preset fuzz --target Testing/Fuzz/all
build/release/bin/oncotome-write-samples --output build/fuzz/samples
build/readers/bin/python -W ignore Testing/Fuzz/make_seeds.py build/fuzz/samples build/fuzz/seeds
export TMPDIR=$PWD/build/fuzz/tmp
[ ! -w /dev/shm ] || TMPDIR=$(mktemp -d /dev/shm/oncotome-fuzz-XXXXXX)
mkdir -p "$TMPDIR"
trap 'rm -rf "$TMPDIR"' EXIT
for seeds in build/fuzz/seeds/*; do
  target=$(basename "$seeds")
  echo "fuzz_$target for $seconds s"
  mkdir -p "build/fuzz/corpus/$target"
  # DCMTK leaks at exit; what is looked for is wrong access.
  ASAN_OPTIONS=detect_leaks=0 "build/fuzz/bin/fuzz_$target" -max_total_time="$seconds" -seed="$seed" -max_len=65536 -timeout=30 \
    -rss_limit_mb=4096 -artifact_prefix="build/fuzz/" -print_final_stats=0 "build/fuzz/corpus/$target" "$seeds" \
    2>"build/fuzz/$target.log" || { tail -n 40 "build/fuzz/$target.log"; exit 1; }
  grep -E '^Done|^#[0-9]+.*DONE' "build/fuzz/$target.log" | tail -n 1
done
