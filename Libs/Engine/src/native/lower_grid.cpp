// SPDX-License-Identifier: Apache-2.0
#include "lowering.h"

namespace oncotome::engine::native {

Value Lowering::cropped(const Node& node, const Value& source) {
  const Value x = blocked(source);
  Extent out = x.extent;
  out[0] -= static_cast<int>(node.pad_before[0] + node.pad_after[0]);
  if (out[0] < 1) refuse("nothing is left of its depth");
  Value all{{}, out, true};
  for (const Part& part : x.parts) {
    Step& step = emit(Kind::combine, {{part}, x.extent}, out, part.channels);
    step.skipped = node.pad_before[0] * x.extent[1] * x.extent[2];
    const Value one = result(part.channels, out);
    plan_->steps.back().output = one.parts[0].buffer;
    all.parts.push_back(one.parts[0]);
  }
  return all;
}

Value Lowering::resampled(const Node& node, const Value& source) {
  const Value x = blocked(source);
  const bool grows = node.op == Op::upsample;
  kernels::PoolShape pool;
  pool.maximum = node.op == Op::max_pool;
  Extent out{}, factor{};
  for (std::size_t a = 0; a < 3; ++a) {
    factor[a] = pool.stride[a] = static_cast<int>(node.stride[a]);
    pool.kernel[a] = pool.maximum ? static_cast<int>(node.kernel[a]) : factor[a];
    pool.pad[a] = static_cast<int>(node.pad_before[a]);
    pool.in[a] = x.extent[a];
    const int room = x.extent[a] + static_cast<int>(node.pad_before[a] + node.pad_after[a]) - pool.kernel[a];
    out[a] = pool.out[a] = grows ? x.extent[a] * factor[a] : room < 0 ? 0 : room / factor[a] + 1;
    if (out[a] < 1) refuse("a pool is larger than what it pools");
  }
  Value all{{}, out, true};
  for (const Part& part : x.parts) {
    Step& step = emit(grows ? Kind::upsample : Kind::pool, {{part}, x.extent}, out, part.channels);
    step.pool = pool;
    step.factor = factor;
    const Value one = result(part.channels, out);
    plan_->steps.back().output = one.parts[0].buffer;
    all.parts.push_back(one.parts[0]);
  }
  return all;
}

Value Lowering::averaged(const Node& node, const Value& source) {
  Extent out{};
  Node pool{Op::avg_pool};
  bool divides = true;
  for (std::size_t a = 0; a < 3; ++a) {
    out[a] = static_cast<int>(node.kernel[a]);
    pool.stride[a] = source.extent[a] / out[a];
    divides = divides && source.extent[a] % out[a] == 0;
  }
  if (source.extent == out) return source;
  if (divides) return resampled(pool, source);
  const Value x = planar(source);
  const int channels = x.parts[0].channels;
  emit(Kind::average, x, out, channels);
  Value y = result(channels, out, true);
  plan_->steps.back().output = y.parts[0].buffer;
  return y;
}

Value Lowering::weighted_mean(const Value& source, const Value& source_of_weights) {
  const Value x = planar(source), weights = planar(source_of_weights);
  const int channels = x.parts[0].channels;
  emit(Kind::weighted_mean, {{x.parts[0], weights.parts[0]}, x.extent}, {1, 1, 1}, channels);
  Value y = result(channels, {1, 1, 1}, true);
  plan_->steps.back().output = y.parts[0].buffer;
  return y;
}

}  // namespace oncotome::engine::native
