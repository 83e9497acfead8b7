// SPDX-License-Identifier: Apache-2.0
#include <math.h>

#include "../direct/tile.h"

namespace oncotome::kernels {
namespace {

constexpr DirectFormat kQuads = {16, 4, false, true};

/// The range of what a box will hold, with zero. An activation's extremes are those of its input's, or about zero.
struct Extent {
  float least, most;
};

__attribute__((noinline)) void widen(Element element, const void* in, std::int64_t at, int points, __m512& low,
                                     __m512& high) {
  __m512 l = low, h = high;
  for (int i = 0; i < points; ++i) {
    const __m512 v = load_element(element, in, at + std::int64_t{i} * kBlock);
    l = _mm512_min_ps(l, v);
    h = _mm512_max_ps(h, v);
  }
  low = l;
  high = h;
}

Extent box_extent(const ConvShape& s, const DirectPlan& p, const ConvArguments& a, const DirectTile& t, char* box) {
  const std::int64_t volume = std::int64_t{s.in[0]} * s.in[1] * s.in[2];
  __m512 least = _mm512_setzero_ps(), most = least;
  for (int source = 0; source < s.source_count; ++source) {
    const Source& in = a.sources[source];
    if (in.activation == Activation::gelu) least = _mm512_min_ps(least, _mm512_set1_ps(-0.17F));
    for (int c = 0; c < s.source_channels[source]; c += kBlock) {
      __m512 low = _mm512_set1_ps(INFINITY), high = _mm512_set1_ps(-INFINITY);
      load_block(s, p, t, box, [&](std::int64_t at, const DirectRow& r) {
        widen(s.in_element, in.data, c * volume + at * kBlock, r.to - r.from, low, high);
      });
      if (_mm512_cmp_ps_mask(low, high, _CMP_GT_OQ)) continue;
      const Reader reader(in, c);
      const __m512 one = reader.any(low), other = reader.any(high);
      least = _mm512_min_ps(least, _mm512_min_ps(one, other));
      most = _mm512_max_ps(most, _mm512_max_ps(one, other));
    }
  }
  return {_mm512_reduce_min_ps(least), _mm512_reduce_max_ps(most)};
}

/// Writes 8 bits without sign about a zero point.
struct Quantizer {
  static constexpr int kPoint = kQuads.point_bytes;
  __m512 inverse, zero;
  int zero_point;

  void clear(char* point) const { memset(point, zero_point, kPoint); }
  void put(char* point, __m512 v) const {
    const __m512i whole = _mm512_cvtps_epi32(_mm512_fmadd_ps(v, inverse, zero));
    const __m512i bounded = _mm512_max_epi32(whole, _mm512_setzero_si512());
    _mm_storeu_si128(reinterpret_cast<__m128i*>(point), _mm512_cvtusepi32_epi8(bounded));
  }
};

/// After the weights of all output blocks, of each: the sums of the weights of every tap, and the scales.
std::ptrdiff_t block_extra(const DirectPlan& p) { return std::ptrdiff_t{64} * (p.taps + 1); }

/// Sums of quads of channels: inputs in 8 bits without sign about a zero point, that fit the tile's range; weights in 8
/// bits with sign that fit the range of an output channel.
struct QuadsOp {
  using Sum = __m512i;
  using Values = __m512i;
  static constexpr int kPoint = kQuads.point_bytes, kSteps = kQuads.steps;
  static DirectFormat format() { return kQuads; }
  static bool is_stored(Element) { return false; }

  const char* extra;  ///< What follows the weights.
  std::ptrdiff_t extra_pitch;
  float scale = 1;
  std::int32_t zero_point = 0;

  static Sum load(const float* from) { return _mm512_load_si512(from); }
  static void store(float* to, Sum sum) { _mm512_store_si512(to, sum); }
  static Values values(const char* from) { return _mm512_load_si512(from); }
  static Values spread(const char* from) {
    std::int32_t quad = 0;
    memcpy(&quad, from, sizeof quad);
    return _mm512_set1_epi32(quad);
  }
  static Sum add(Sum sum, Values x, Values w) { return _mm512_dpbusd_epi32(sum, x, w); }
  static Sum start(const std::int32_t (*starts)[3][kBlock], int n, int kind) {
    return _mm512_loadu_si512(starts[n][kind]);
  }

  /// What the zero points of the taps of a row add, taken off.
  void begin(const DirectPlan& p, const DirectSum& a, int group, std::int32_t both,
             std::int32_t (*starts)[3][kBlock]) const {
    const __m512i zero = _mm512_set1_epi32(-zero_point);
    for (int n = 0; n < group; ++n) {
      const char* sums = extra + (a.co / kBlock + n) * extra_pitch;
      __m512i all = _mm512_setzero_si512(), first = all, last = all;
      for (int i = 0; i < a.tap_count; ++i) {
        const __m512i sum = _mm512_load_si512(sums + a.taps[i].weights / p.format.steps);
        all = _mm512_add_epi32(all, sum);
        if ((a.taps[i].skip & (kFirst | both)) != kFirst) first = _mm512_add_epi32(first, sum);
        if ((a.taps[i].skip & (kLast | both)) != kLast) last = _mm512_add_epi32(last, sum);
      }
      _mm512_storeu_si512(starts[n][0], _mm512_mullo_epi32(all, zero));
      _mm512_storeu_si512(starts[n][1], _mm512_mullo_epi32(first, zero));
      _mm512_storeu_si512(starts[n][2], _mm512_mullo_epi32(last, zero));
    }
  }

  auto floats(int co) const {
    const char* scales = extra + (co / kBlock + 1) * extra_pitch - 64;
    const __m512 by = _mm512_mul_ps(_mm512_load_ps(scales), _mm512_set1_ps(scale));
    return [by](Sum sum) { return _mm512_mul_ps(_mm512_cvtepi32_ps(sum), by); };
  }

  void fill(const ConvShape& s, const DirectPlan& p, const ConvArguments& a, const DirectTile& t, char* box) {
    const Extent extent = box_extent(s, p, a, t, box);
    const float range = extent.most - extent.least;
    scale = range > 0 ? range / 255 : 1;
    zero_point = static_cast<std::int32_t>(lrintf(-extent.least / scale));
    const Quantizer to = {_mm512_set1_ps(1 / scale), _mm512_set1_ps(static_cast<float>(zero_point)), zero_point};
    load_blocked(to, s, p, a, t, box);
  }
};

const char* declines(const ConvShape& s) {
  if (s.precision != Precision::int8) return "more precision than int8 is asked for";
  if (s.in_channels() < 64) return "too few channels to gain by int8";
  if (s.in_layout == Layout::planar || s.out_layout == Layout::planar) return "an input or output of the network";
  return direct_declines(s);
}

DirectPlan plan(const ConvShape& s) { return direct_plan(s, kQuads); }

std::size_t packed_bytes(const ConvShape& s) {
  const DirectPlan p = plan(s);
  return static_cast<std::size_t>((direct_weight_pitch(p) + block_extra(p)) * s.out_blocks());
}

void pack(const ConvShape& s, const float* weight, void* packed) {
  const DirectPlan p = plan(s);
  const std::ptrdiff_t inputs = s.in_channels(), outputs = s.out_channels;
  auto* out = static_cast<char*>(packed);
  char* extra = out + direct_weight_pitch(p) * s.out_blocks();
  memset(packed, 0, packed_bytes(s));
  const auto at = [&](std::ptrdiff_t co, std::ptrdiff_t ci, int tap) {
    return weight[(s.transposed ? ci * outputs + co : co * inputs + ci) * p.taps + tap];
  };
  for (int co = 0; co < s.out_channels; ++co) {
    float most = 0;
    for (int ci = 0; ci < inputs; ++ci)
      for (int tap = 0; tap < p.taps; ++tap) most = fmaxf(most, fabsf(at(co, ci, tap)));
    auto* sums = reinterpret_cast<std::int32_t*>(extra + co / kBlock * block_extra(p)) + co % kBlock;
    const float scale = most > 0 ? most / 127 : 1;
    memcpy(sums + p.taps * kBlock, &scale, sizeof scale);
    char* weights = out + co / kBlock * direct_weight_pitch(p) + co % kBlock * 4;
    for (int source = 0, ci = 0; source < s.source_count; ++source, weights += direct_block_weights(p))
      for (int c = 0; c < s.source_channels[source]; ++c, ++ci) {
        if (c > 0 && c % kBlock == 0) weights += direct_block_weights(p);
        for (int tap = 0; tap < p.taps; ++tap) {
          const auto whole = static_cast<std::int32_t>(lrintf(at(co, ci, tap) / scale));
          weights[(tap * kQuads.steps + c % kBlock / 4) * 64 + c % 4] = static_cast<char>(whole);
          sums[tap * kBlock] += whole;
        }
      }
  }
}

std::int64_t tiles(const ConvShape& s) { return direct_tiles(plan(s)); }

std::size_t scratch_bytes(const ConvShape& s) { return direct_scratch(plan(s)); }

void run(const ConvShape& s, const ConvArguments& a, std::int64_t tile, void* scratch) {
  const DirectPlan p = plan(s);
  QuadsOp op = {};
  op.extra = static_cast<const char*>(a.weights) + direct_weight_pitch(p) * s.out_blocks();
  op.extra_pitch = block_extra(p);
  run_direct_tile(op, s, a, tile, scratch);
}

}  // namespace

extern const ConvKernel otm_int8_direct__avx512vnni;
const ConvKernel otm_int8_direct__avx512vnni = {"otm_int8_direct", "avx512vnni", declines, packed_bytes, pack, tiles,
                                                scratch_bytes,     run};

}  // namespace oncotome::kernels
