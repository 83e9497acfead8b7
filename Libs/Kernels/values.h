// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <math.h>

#include "lanes.h"
#include "oncotome/kernels/convolution.h"

/// Sixteen values of a block: as they are stored, and activated.
namespace oncotome::kernels {
namespace {

inline Lanes load_element(Element element, const void* data, std::int64_t at) {
  if (element == Element::bf16) return load_bf16(static_cast<const std::uint16_t*>(data) + at);
  return load_lanes(static_cast<const float*>(data) + at);
}

/// elu and gelu, which are too rare in these networks to be worth a vector's exponential.
__attribute__((noinline)) static Lanes activate_slowly(Activation activation, Lanes v) {
  float x[kBlock];
  store_lanes(x, v);
  for (float& value : x) {
    if (activation == Activation::elu && !(value > 0)) value = expm1f(value);
    if (activation == Activation::gelu) value *= 0.5F * (1 + erff(value * 0.70710678F));
  }
  return load_lanes(x);
}

inline bool is_slow(Activation activation) { return activation == Activation::elu || activation == Activation::gelu; }

/// What relu and leaky_relu multiply negative values by, and what leaves them as they are.
inline float slope_of(Activation activation, float slope) {
  return activation == Activation::relu ? 0 : activation == Activation::leaky_relu ? slope : 1;
}

/// What is done to a stored value of the channels of a block.
struct Reader {
  Lanes scale, shift, slope;
  Activation activation;

  Reader(const Source& s, int channel)
      : scale(s.scale ? load_lanes(s.scale + channel) : spread_lanes(1)),
        shift(s.scale ? load_lanes(s.shift + channel) : spread_lanes(0)),
        slope(s.activation == Activation::prelu ? load_lanes(s.slopes + channel)
                                                : spread_lanes(slope_of(s.activation, s.slope))),
        activation(s.activation) {}

  Lanes fast(Lanes v) const { return activate_slope(multiply_add(v, scale, shift), slope); }
  Lanes slow(Lanes v) const { return activate_slowly(activation, multiply_add(v, scale, shift)); }
  Lanes any(Lanes v) const { return is_slow(activation) ? slow(v) : fast(v); }
};

}  // namespace
}  // namespace oncotome::kernels
