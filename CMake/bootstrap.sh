#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# From a bare Debian 12 to a result: bash CMake/bootstrap.sh packages|build|demo|test|check
#   packages  installs what building needs, for those who build with CMake or pip
#   build     installs what is needed and builds into build/release
#   demo      builds, makes a demo study, runs the main job on it and says where the results lie
#   test      builds and runs every test
#   check     after test: formatting, clang-tidy on what changed, sanitizers, fuzzers
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(
  ca-certificates g++ cmake ninja-build ccache git
  libinsighttoolkit5-dev libgdcm-tools libvtk9-dev libtorch-dev libopenblas0-pthread libdnnl-dev libdcmtk-dev libminizip-dev libopenjp2-7-dev libpng-dev libjpeg-dev
  nlohmann-json3-dev libcli11-dev libgtest-dev python3-dev python3-pip python3-venv xvfb
)
test_packages=(dcmtk dicom3tools orthanc python3-torch ocl-icd-opencl-dev)
check_packages=(clang-format clang-tidy clang libclang-rt-14-dev)
readers=(pydicom==2.4.4 highdicom==0.22.0 SimpleITK==2.3.1 dcmrtstruct2nii==5 nibabel==5.3.2 numpy==1.26.4 jsonschema==4.23.0
  scipy==1.11.4 surface-distance==0.1 pylibjpeg==2.0.1 pylibjpeg-libjpeg==2.1.0 pylibjpeg-openjpeg==2.3.0 pillow==13.0.0 scikit-learn==1.3.2 pyflakes==4.1.0
  nipype==1.10.0 ctk-cli==1.5)
python=(scikit-build-core==1.1.2 pybind11==3.0.4 numpy==1.26.4 SimpleITK==2.3.1 itk-io==5.4.7 mypy==2.4.1)
slicer=(slicer-core==5.13.31053.0 vtk==9.6.2 numpy==1.26.4)

total=0 step=0
say() { step=$((step + 1)); printf '\n== [%d/%d] %s\n' "$step" "$total" "$*"; }

install_packages() {
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  if [ ${#missing[@]} -eq 0 ]; then
    echo "nothing to install"
    return
  fi
  local sudo=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "Installing packages needs root: run this as root, or install sudo" >&2; exit 1; }
    sudo=(sudo)
  fi
  command -v apt-get >/dev/null || { echo "This script installs Debian packages and found no apt-get; install these by hand: ${missing[*]}" >&2; exit 1; }
  echo "installing (the first time about 0.7 GB, some minutes): ${missing[*]}"
  "${sudo[@]}" apt-get update -qq
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# install_venv PLACE IMPORTS PIP_ARGUMENT...: a virtual environment in build/PLACE, unless IMPORTS can be imported there.
install_venv() {
  local venv=build/$1 imports=$2
  shift 2
  if "$venv/bin/python" -c "import $imports" 2>/dev/null; then
    echo "nothing to install"
    return
  fi
  echo "installing into $venv: $*"
  /usr/bin/python3 -m venv "$venv"
  "$venv/bin/pip" install -q --disable-pip-version-check "$@"
}

# The independent readers that the golden tests compare with.
install_readers() {
  install_venv readers 'pydicom, highdicom, dcmrtstruct2nii, SimpleITK, nibabel, jsonschema, surface_distance, libjpeg, openjpeg, sklearn, pyflakes, nipype, ctk_cli' \
    "${readers[@]}"
}

# Slicer's own libraries (0.2 GB to download), which the tests of its module run on besides.
install_slicer() { install_venv slicer slicer --no-deps "${slicer[@]}"; }

# What builds our Python package, and what its tests compare it with.
install_python() { install_venv python 'scikit_build_core, pybind11, numpy, SimpleITK, itk, mypy' "${python[@]}"; }

build() {
  local testing=$1
  local options=(-DBUILD_TESTING="$testing")
  [ "$testing" = OFF ] || options+=(-DPython3_EXECUTABLE="$PWD/build/readers/bin/python")
  cmake --preset release "${options[@]}" >build/configure.log 2>&1 || { tail -n 30 build/configure.log; exit 1; }
  ! grep -A3 'CMake Warning' build/configure.log || true
  cmake --build --preset release
}

demo() {
  local place=build/demo
  say "Making the demo study: a brain MR phantom with tumors, four DICOM series"
  rm -rf "$place"
  mkdir -p "$place"
  build/release/bin/oncotome-phantom --seed 9001 --tumors 2 --format dicom --output "$place"
  build/release/bin/oncotome inspect "$place/study"
  say "Finding the tumors"
  build/release/bin/oncotome segment "$place/study" --model Data/Models/demo-brain-phantom \
    --truth "$place/truth.nrrd" --output "$place/result"
  cat <<TEXT

The study:    $PWD/$place/study
The results:  $PWD/$place/result
  report.html            open this one first
  segmentation.dcm       DICOM SEG
  report.dcm             DICOM SR, TID 1500
  segmentation.seg.nrrd  for 3D Slicer
  report.json            every number
  images/                key slices, overview, 3-D view
TEXT
}

# Our models on real images (the patches are none that they learned from): ONCOTOME_DATA has brain_t1c_cheng and nodule_patches_luna16.
demo_real() {
  local data=$1 place=build/demo/real id kind
  say "Real images: brain tumors in slices of MR, outlined and told apart; candidates of lung nodules in CT"
  mkdir -p "$place/slices"
  while IFS=, read -r id kind; do
    cp "$data/brain_t1c_cheng/images/$kind/$id.jpg" "$place/slices/$kind-$id.jpg"
  done < <(awk -F, '$4 == 4 && ++seen[$3] % 40 == 1 { print $1 "," $3 }' "$data/brain_t1c_cheng/manifest.csv")
  build/release/bin/oncotome segment "$place/slices" --model Data/Models/brain-mass-t1c --output "$place/tumors"
  tar xzf "$data/nodule_patches_luna16/patches.tar.gz" -C "$place"
  build/release/bin/oncotome classify "$place/val" --model Data/Models/lung-nodule --heat 20 --output "$place/nodules"
  cat <<TEXT
  $place/tumors/masks/           outlines; tumors/predictions.csv: the kind, as slices/ names it
  $place/nodules/report.html     where the network looked
TEXT
}

mkdir -p build
case "${1:-}" in
  packages)
    total=1
    say "Packages"; install_packages "${packages[@]}"
    ;;
  build)
    total=2
    say "Packages"; install_packages "${packages[@]}"
    say "Building the program into build/release"; build OFF
    echo "The program: $PWD/build/release/bin/oncotome"
    ;;
  demo)
    total=4
    [ -z "${ONCOTOME_DATA:-}" ] || total=5
    say "Packages"; install_packages "${packages[@]}"
    say "Building into build/release"; build OFF
    demo
    if [ -n "${ONCOTOME_DATA:-}" ]; then demo_real "$ONCOTOME_DATA"; fi
    ;;
  test)
    total=6
    say "Packages"; install_packages "${packages[@]}" "${test_packages[@]}"
    say "Independent readers for the golden tests"; install_readers
    say "Slicer's libraries for the tests of its module"; install_slicer
    say "Tools of the Python package"; install_python
    say "Building with tests into build/release"; build ON
    say "Tests (those of the whole program, at the end, take some minutes each)"; ctest --preset release --progress -j "$(nproc)"
    ;;
  check)
    total=4
    say "Packages"; install_packages "${check_packages[@]}"
    say "Formatting"; bash CMake/check_format.sh
    say "clang-tidy on what changed"; bash CMake/check_tidy.sh
    say "Sanitizers on Core, Kernels, Engine and Dicom, and a short run of each fuzzer"; bash CMake/check_sanitizers.sh
    ;;
  *)
    sed -n '3,8s/^# //p' "$0"
    exit 2
    ;;
esac
