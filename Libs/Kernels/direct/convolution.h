// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tile.h"

/// The functions of a ConvKernel by direct sums, for a Math that says what the products are made of.
namespace oncotome::kernels {
namespace {

/// A point is a block's channels, or one value of a planar input.
template <class Math, bool kPlanar>
struct DirectOp {
  using Sum = Lanes;
  using Values = Lanes;
  using Value = typename Math::Value;
  static constexpr int kSteps = kPlanar ? 1 : kBlock / Math::kStep;
  static constexpr int kPoint = static_cast<int>(sizeof(Value)) * (kPlanar ? 1 : kBlock);
  static DirectFormat format() { return {kPoint, kSteps, kPlanar && Math::kStep == 2, false}; }
  static bool is_stored(Element element) { return !kPlanar && (element == Element::f32) == (sizeof(Value) == 4); }

  static void begin(const DirectPlan&, const DirectSum&, int, std::int32_t, std::int32_t (*)[3][kBlock]) {}
  static Sum start(const std::int32_t (*)[3][kBlock], int, int) { return Lanes{}; }
  static Sum load(const float* from) { return load_lanes(from); }
  static void store(float* to, Sum sum) { store_lanes(to, sum); }
  static Values values(const char* from) { return Math::get(reinterpret_cast<const Value*>(from)); }
  static Values spread(const char* from) { return Math::spread(reinterpret_cast<const Value*>(from)); }
  static Sum add(Sum sum, Values x, Values w) { return Math::multiply_add(x, w, sum); }

  static void clear(char* point) { memset(point, 0, kPoint); }
  static void put(char* point, Lanes v) { Math::put(reinterpret_cast<Value*>(point), v); }
  static auto floats(int) {
    return [](Sum sum) { return sum; };
  }

  void fill(const ConvShape& s, const DirectPlan& p, const ConvArguments& a, const DirectTile& t, char* box) const {
    if constexpr (!kPlanar) return load_blocked(*this, s, p, a, t, box);
    const std::int64_t volume = std::int64_t{s.in[0]} * s.in[1] * s.in[2];
    const auto* in = static_cast<const float*>(a.sources[0].data);
    for (int c = 0; c < p.blocks; ++c)
      load_block(s, p, t, box + c * p.block_bytes, [&](std::int64_t at, const DirectRow& r) {
        zero_points(*this, r, 0, r.from);
        const float* row = in + c * volume + at - r.from;
        auto* out = reinterpret_cast<Value*>(r.out);
        int i = r.from;
        for (; r.phases == 1 && i + kBlock <= r.to; i += kBlock) Math::put(out + i, load_lanes(row + i));
        for (; i < r.to; ++i) out[i % r.phases * r.columns + i / r.phases] = Math::round(row[i]);
        zero_points(*this, r, r.to, r.size);
      });
  }
};

template <class Math>
DirectPlan plan_direct(const ConvShape& s) {
  return direct_plan(s,
                     s.in_layout == Layout::planar ? DirectOp<Math, true>::format() : DirectOp<Math, false>::format());
}

template <class Math>
std::size_t packed_direct(const ConvShape& s) {
  return static_cast<std::size_t>(direct_weight_pitch(plan_direct<Math>(s)) * s.out_blocks());
}

/// To [output block][input block][tap][step][16][kStep].
template <class Math>
void pack_direct(const ConvShape& s, const float* weight, void* packed) {
  using Value = typename Math::Value;
  const DirectPlan p = plan_direct<Math>(s);
  const int inputs = s.in_channels(), volume = s.kernel[0] * s.kernel[1] * s.kernel[2];
  const bool planar = s.in_layout == Layout::planar;
  memset(packed, 0, packed_direct<Math>(s));
  ColumnStep columns[kMaxKernel];
  column_steps(s, p.format.pairs_taps, columns);
  for (int co = 0; co < s.out_channels; ++co) {
    const auto put = [&](int ci, int tap, std::int64_t step, int part) {
      const std::int64_t at = s.transposed ? std::int64_t{ci} * s.out_channels + co : std::int64_t{co} * inputs + ci;
      auto* out = static_cast<char*>(packed) + co / kBlock * direct_weight_pitch(p) + step * 64;
      reinterpret_cast<Value*>(out)[co % kBlock * Math::kStep + part] = Math::round(weight[at * volume + tap]);
    };
    for (int source = 0, ci = 0, block = 0; source < s.source_count; ++source)
      for (int c = 0; c < s.source_channels[source]; ++c, ++ci) {
        const bool starts = c > 0 && (planar || c % kBlock == 0);
        if (starts) ++block;
        for (int row = 0; row < s.kernel[0] * s.kernel[1]; ++row)
          for (int i = 0; i < p.column_steps; ++i) {
            const std::int64_t step = (std::int64_t{block} * p.taps + row * p.column_steps + i) * p.format.steps;
            const int tap = row * s.kernel[2], second = columns[i].second;
            const int channel = planar ? 0 : c % kBlock;
            put(ci, tap + columns[i].first, step + channel / Math::kStep, channel % Math::kStep);
            if (second >= 0) put(ci, tap + second, step, 1);
          }
        if (c == s.source_channels[source] - 1) ++block;
      }
  }
}

template <class Math>
std::int64_t tiles_direct(const ConvShape& s) {
  return direct_tiles(plan_direct<Math>(s));
}

template <class Math>
std::size_t scratch_direct(const ConvShape& s) {
  return direct_scratch(plan_direct<Math>(s));
}

template <class Math>
void run_direct(const ConvShape& s, const ConvArguments& a, std::int64_t tile, void* scratch) {
  if (s.in_layout == Layout::planar) return run_direct_tile(DirectOp<Math, true>(), s, a, tile, scratch);
  run_direct_tile(DirectOp<Math, false>(), s, a, tile, scratch);
}

}  // namespace
}  // namespace oncotome::kernels
