// SPDX-License-Identifier: Apache-2.0
#pragma once

/// The instruction set that a kernel is compiled for says what sixteen floats are.
#ifdef __AVX512F__
#include "avx512/lanes.h"
#else
#include "avx2/lanes.h"
#endif
