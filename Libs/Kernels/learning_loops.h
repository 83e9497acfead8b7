// SPDX-License-Identifier: Apache-2.0
// The loops of learning.h, compiled once per instruction set; of internal linkage, so that no set's code serves
// another.
#include <math.h>

#include "oncotome/kernels/learning.h"

namespace oncotome::kernels {
namespace {

void moments(const float* x, const float* center, Rows rows, float* __restrict sums) {
  float* __restrict squares = sums + rows.channels;
  for (size_t r = 0; r < rows.count; ++r, x += rows.channels)
    for (size_t c = 0; c < rows.channels; ++c) {
      const float d = x[c] - center[c];
      sums[c] += d;
      squares[c] += d * d;
    }
}

template <class Value>
void store_rows(Rows rows, bool relu, float* __restrict y, const Value& value) {
  for (size_t r = 0, i = 0; r < rows.count; ++r)
    for (size_t c = 0; c < rows.channels; ++c, ++i) {
      const float v = value(i, c);
      y[i] = relu && v < 0 ? 0 : v;
    }
}

void normalize(const float* x, const float* other, const Normalization& how, Rows rows, float* y) {
  const float *scale = how.scale, *shift = how.shift;
  if (other)
    store_rows(rows, how.relu, y, [=](size_t i, size_t c) { return x[i] * scale[c] + shift[c] + other[i]; });
  else
    store_rows(rows, how.relu, y, [=](size_t i, size_t c) { return x[i] * scale[c] + shift[c]; });
}

template <class IsOpen>
void add_moments(const float* gradient, const float* x, const float* mean, Rows rows, float* __restrict passed,
                 float* __restrict sums, const IsOpen& is_open) {
  float* __restrict products = sums + rows.channels;
  for (size_t r = 0, i = 0; r < rows.count; ++r)
    for (size_t c = 0; c < rows.channels; ++c, ++i) {
      const float whole = gradient[i], g = is_open(i, c) ? whole : 0.0F;
      if (passed) passed[i] = g;
      sums[c] += g;
      products[c] += g * (x[i] - mean[c]);
    }
}

void gradient_moments(const float* gradient, const float* x, const float* y, const Normalization& how,
                      const float* mean, Rows rows, float* passed, float* sums) {
  const float *scale = how.scale, *shift = how.shift;
  if (!how.relu)
    add_moments(gradient, x, mean, rows, passed, sums, [](size_t, size_t) { return true; });
  else if (y)
    add_moments(gradient, x, mean, rows, passed, sums, [=](size_t i, size_t) { return y[i] > 0; });
  else
    add_moments(gradient, x, mean, rows, passed, sums,
                [=](size_t i, size_t c) { return x[i] * scale[c] + shift[c] > 0; });
}

void gradient(const float* gradient, const float* x, const Normalization& how, const float* mean, const float* base,
              const float* slope, Rows rows, float* out) {
  const float *scale = how.scale, *shift = how.shift;
  const auto found = [=](float g, size_t i, size_t c) {
    return scale[c] * (g - base[c] - (x[i] - mean[c]) * slope[c]);
  };
  if (how.relu)
    store_rows(rows, false, out, [=](size_t i, size_t c) {
      const float whole = gradient[i];
      return found(x[i] * scale[c] + shift[c] > 0 ? whole : 0.0F, i, c);
    });
  else
    store_rows(rows, false, out, [=](size_t i, size_t c) { return found(gradient[i], i, c); });
}

void adamw(const AdamW& how, const float* gradient, size_t n, float* __restrict values, float* __restrict first,
           float* __restrict second) {
  const AdamW h = how;
  for (size_t i = 0; i < n; ++i) {
    const float g = gradient[i];
    first[i] = first[i] * h.beta1 + g * (1 - h.beta1);
    second[i] = second[i] * h.beta2 + g * g * (1 - h.beta2);
    values[i] = values[i] * h.keep - h.step * (first[i] / (sqrtf(second[i]) * h.root + h.epsilon));
  }
}

}  // namespace
}  // namespace oncotome::kernels
