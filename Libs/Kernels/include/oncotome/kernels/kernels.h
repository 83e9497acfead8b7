// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

/// Inner loops over raw rows, one set per instruction set; all sets give the same bits. Halves are IEEE binary16 as
/// bits, rounded to nearest, ties to even.
namespace oncotome::kernels {

/// Linear interpolation of a row of n values between up to four rows: weights of two rows along the first axis, of two
/// along the second, and for value i those of the columns column[i] and column[i] + 1; both must exist in each row,
/// also under a weight of 0.
struct RowTaps {
  const float* rows[4];  ///< [first axis][second axis].
  double first[2], second[2];
  const std::int32_t* column;
  const double *left, *right;
};

struct Kernels {
  const char* isa;
  void (*float_from_half)(const std::uint16_t* in, float* out, std::size_t n);
  void (*half_from_float)(const float* in, std::uint16_t* out, std::size_t n);
  /// sum = half(float(sum) + value * weight), in float.
  void (*accumulate)(std::uint16_t* sum, const float* value, const float* weight, std::size_t n);
  /// value = half(value / by), in float; false when one comes out infinite or not a number.
  bool (*divide)(std::uint16_t* value, const std::uint16_t* by, std::size_t n);
  /// In double, eight products in array order, as scipy.ndimage.zoom sums them; rounded to float, or to half.
  void (*interpolate)(const RowTaps& taps, bool to_half, float* out, std::size_t n);
  /// In float, axis after axis with fused products, as torch.nn.functional.interpolate sums them.
  void (*interpolate_nested)(const RowTaps& taps, float* out, std::size_t n);
  /// Of `rows` rows that lie `stride` apart: the greatest value of each column, the first row that has it, and the
  /// greatest of the other rows (minus infinity for one row).
  void (*top_two)(const float* values, std::size_t stride, std::int32_t rows, std::size_t n, float* best, float* second,
                  std::int32_t* row);
};

/// The best set up to that of the name ("reference", "avx2", "avx512", "avx512vnni", "avx512bf16"), for null that
/// which the environment's ONCOTOME_FORCE_ISA names, or else the best one here; null when the name is unknown or this
/// processor cannot run it.
const Kernels* find_kernels(const char* isa);

}  // namespace oncotome::kernels
