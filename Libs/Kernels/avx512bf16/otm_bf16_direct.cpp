// SPDX-License-Identifier: Apache-2.0
#include "../avx512/low_conv.h"

namespace oncotome::kernels {
namespace {

/// Sums of pairs in bf16: of two channels of a block, or of two taps of a planar input.
template <bool kPlanar>
struct PairsOp {
  using Sum = __m512;
  using Values = __m512i;
  static constexpr int kPoint = kPlanar ? 2 : 32, kSteps = kPlanar ? 1 : 8;
  static constexpr bool kStored = !kPlanar;  ///< A box's points are as tensors store them.
  static LowFormat format() { return {kPoint, kSteps}; }

  static void begin(const LowPlan&, const LowSum&, int, std::int32_t, std::int32_t (*)[3][kBlock]) {}
  static Sum start(const std::int32_t (*)[3][kBlock], int, int) { return _mm512_setzero_ps(); }
  static Sum load(const float* from) { return _mm512_load_ps(from); }
  static void store(float* to, Sum sum) { _mm512_store_ps(to, sum); }
  static Values values(const char* from) { return _mm512_load_si512(from); }
  static Values spread(const char* from) {
    std::int32_t pair = 0;
    memcpy(&pair, from, sizeof pair);
    return _mm512_set1_epi32(pair);
  }
  static Sum add(Sum sum, Values x, Values w) {
    return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(x), reinterpret_cast<__m512bh>(w));
  }

  static void clear(char* point) { memset(point, 0, kPoint); }
  static void put(char* point, __m512 v) { store_bf16(point, v); }
  static auto floats(int) {
    return [](Sum sum) { return sum; };
  }

  void fill(const ConvShape& s, const LowPlan& p, const ConvArguments& a, const LowTile& t, char* box) const {
    if constexpr (!kPlanar) return load_blocked(*this, s, p, a, t, box);
    const std::int64_t volume = std::int64_t{s.in[0]} * s.in[1] * s.in[2];
    const auto* in = static_cast<const float*>(a.sources[0].data);
    for (int c = 0; c < p.blocks; ++c)
      load_block(s, p, t, box + c * p.block_bytes, [&](std::int64_t at, const LowRow& r) {
        zero_points(*this, r, 0, r.from);
        const float* row = in + c * volume + at - r.from;
        int i = r.from;
        for (; r.phases == 1 && i + kBlock <= r.to; i += kBlock) store_bf16(r.out + i * 2, _mm512_loadu_ps(row + i));
        for (; i < r.to; ++i) {
          const __m128bh bits = _mm_cvtneps_pbh(_mm_load_ss(row + i));
          memcpy(r.out + (std::ptrdiff_t{i % r.phases} * r.columns + i / r.phases) * 2, &bits, 2);
        }
        zero_points(*this, r, r.to, r.size);
      });
  }
};

std::uint16_t bf16_of(float value) {
  const __m128bh bits = _mm_cvtneps_pbh(_mm_set_ss(value));
  std::uint16_t out = 0;
  memcpy(&out, &bits, sizeof out);
  return out;
}

const char* declines(const ConvShape& s) {
  if (s.precision != Precision::bf16 && s.precision != Precision::int8) return "more precision than bf16 is asked for";
  return low_declines(s);
}

LowPlan plan(const ConvShape& s) {
  return low_plan(s, s.in_layout == Layout::planar ? PairsOp<true>::format() : PairsOp<false>::format());
}

std::size_t packed_bytes(const ConvShape& s) {
  return static_cast<std::size_t>(low_weight_pitch(plan(s)) * s.out_blocks());
}

void pack(const ConvShape& s, const float* weight, void* packed) {
  const LowPlan p = plan(s);
  const int inputs = s.in_channels(), volume = s.kernel[0] * s.kernel[1] * s.kernel[2];
  memset(packed, 0, packed_bytes(s));
  ColumnStep columns[kMaxKernel];
  column_steps(s, columns);
  for (int co = 0; co < s.out_channels; ++co) {
    const auto put = [&](int ci, int tap, std::int64_t step, int half) {
      const std::int64_t at = s.transposed ? std::int64_t{ci} * s.out_channels + co : std::int64_t{co} * inputs + ci;
      auto* out = static_cast<char*>(packed) + co / kBlock * low_weight_pitch(p) + step * 64;
      reinterpret_cast<std::uint16_t*>(out)[co % kBlock * 2 + half] = bf16_of(weight[at * volume + tap]);
    };
    for (int source = 0, ci = 0, block = 0; source < s.source_count; ++source)
      for (int c = 0; c < s.source_channels[source]; ++c, ++ci) {
        const bool planar = s.in_layout == Layout::planar;
        const bool starts = c > 0 && (planar || c % kBlock == 0);
        if (starts) ++block;
        for (int row = 0; row < s.kernel[0] * s.kernel[1]; ++row)
          for (int i = 0; i < p.column_steps; ++i) {
            const std::int64_t tap = std::int64_t{block} * p.taps + row * p.column_steps + i;
            if (!planar) {
              put(ci, row * s.kernel[2] + i, tap * p.format.steps + c % kBlock / 2, c % 2);
              continue;
            }
            put(ci, row * s.kernel[2] + columns[i].first, tap, 0);
            if (columns[i].second >= 0) put(ci, row * s.kernel[2] + columns[i].second, tap, 1);
          }
        if (c == s.source_channels[source] - 1) ++block;
      }
  }
}

std::int64_t tiles(const ConvShape& s) { return low_tiles(plan(s)); }

std::size_t scratch_bytes(const ConvShape& s) { return low_scratch(plan(s)); }

void run(const ConvShape& s, const ConvArguments& a, std::int64_t tile, void* scratch) {
  if (s.in_layout == Layout::planar) return run_low(PairsOp<true>(), s, a, tile, scratch);
  run_low(PairsOp<false>(), s, a, tile, scratch);
}

}  // namespace

extern const ConvKernel otm_bf16_direct__avx512bf16;
const ConvKernel otm_bf16_direct__avx512bf16 = {"otm_bf16_direct", "avx512bf16", declines, packed_bytes, pack, tiles,
                                                scratch_bytes,     run};

}  // namespace oncotome::kernels
