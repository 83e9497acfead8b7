#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Each fuzzer for a while, from small valid inputs: check_fuzz.sh [SECONDS [SEED]]; a long run by hand takes 3600 0 (seed by time).
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-20} seed=${2:-1}
cmake --preset fuzz >build/configure-fuzz.log 2>&1 || { tail -n 30 build/configure-fuzz.log; exit 1; }
cmake --build --preset fuzz --target fuzz_safetensors fuzz_model_package fuzz_dicom fuzz_masks fuzz_pixels
seeds=build/fuzz/seeds
mkdir -p "$seeds"/{safetensors,model_package,dicom,masks,pixels}
cp Testing/Golden/fixtures/unet2d.safetensors "$seeds/safetensors/"
cp Data/Models/*/model.json "$seeds/model_package/"
[ -e "$seeds/dicom/phantom.dcm" ] || {
  build/release/bin/oncotome-phantom --seed 1 --format dicom --output build/fuzz/phantom
  find build/fuzz/phantom -name '*.dcm' | sort | head -n 1 | xargs -I{} cp {} "$seeds/dicom/phantom.dcm"
}
[ -e "$seeds/masks/structures.dcm" ] || {
  build/release/bin/oncotome-write-samples --output build/fuzz/samples
  for object in segmentation probabilities labelmap structures; do cp "build/fuzz/samples/8x8/$object.dcm" "$seeds/masks/"; done
}
# One small picture in each syntax that DCMTK's tools write; without them the fuzzer has to find compression by itself.
for encoder in "dcmcrle" "dcmcjpeg +e1" "dcmcjpeg +eb" "dcmcjpeg +ee" "dcmcjpls" "dcmcjpls +en" "dcmconv +td"; do
  name=$(tr -d ' +' <<<"$encoder")
  [ -e "$seeds/pixels/$name.dcm" ] || $encoder "$seeds/dicom/phantom.dcm" "$seeds/pixels/$name.dcm" >/dev/null 2>&1 || true
done
for target in safetensors model_package dicom masks pixels; do
  echo "fuzz_$target for $seconds s"
  mkdir -p "build/fuzz/corpus/$target"
  # DCMTK leaks at exit; what is looked for is wrong access.
  ASAN_OPTIONS=detect_leaks=0 "build/fuzz/bin/fuzz_$target" -max_total_time="$seconds" -seed="$seed" -max_len=65536 -rss_limit_mb=4096 \
    -artifact_prefix="build/fuzz/" -print_final_stats=0 "build/fuzz/corpus/$target" "$seeds/$target" 2>"build/fuzz/$target.log" ||
    { tail -n 40 "build/fuzz/$target.log"; exit 1; }
  grep -E '^Done|^#[0-9]+.*DONE' "build/fuzz/$target.log" | tail -n 1
done
