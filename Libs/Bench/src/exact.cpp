// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <cstring>

#include "cases.h"
#include "oncotome/core/error.h"
#include "oncotome/core/parallel.h"
#include "oncotome/kernels/bf16.h"
#include "oracle.h"

namespace oncotome::bench {
namespace {

using engine::Dhw;
using engine::Node;
using engine::Op;
using kernels::ConvShape;

constexpr std::size_t kWide = 16;
using Pair = double __attribute__((vector_size(16)));

/// [voxel][channel], as sums over channels want it.
struct Values {
  std::size_t channels = 0;
  Dhw extent{};
  std::vector<double> values{};

  Values(std::int64_t c, const Dhw& e)
      : channels(static_cast<std::size_t>(c)), extent(e), values(channels * voxels()) {}
  std::size_t voxels() const { return static_cast<std::size_t>(extent[0] * extent[1] * extent[2]); }
  double& at(std::size_t voxel, std::size_t channel) { return values[voxel * channels + channel]; }
  double at(std::size_t voxel, std::size_t channel) const { return values[voxel * channels + channel]; }
};

template <class F>
void each(std::size_t count, F&& f) {
  parallel_for(0, static_cast<std::int64_t>(count), [&](std::int64_t i) { f(static_cast<std::size_t>(i)); });
}

/// As [16 channels of the output][tap][channel of the input][16], zeros where there are fewer.
std::vector<double> reordered(const ConvShape& s, const std::vector<float>& weight) {
  const auto ins = static_cast<std::size_t>(s.in_channels()), outs = static_cast<std::size_t>(s.out_channels);
  const std::size_t taps = weight.size() / ins / outs, groups = (outs + kWide - 1) / kWide;
  std::vector<double> to(groups * taps * ins * kWide);
  for (std::size_t o = 0; o < outs; ++o)
    for (std::size_t i = 0; i < ins; ++i)
      for (std::size_t t = 0; t < taps; ++t)
        to[((o / kWide * taps + t) * ins + i) * kWide + o % kWide] =
            weight[(s.transposed ? i * outs + o : o * ins + i) * taps + t];
  return to;
}

/// Adds the products of `count` channels of one voxel; the compiler keeps these sums in registers, arrays it does not.
void add_products(const double* x, const double* weight, std::size_t count, double* sums) {
  Pair total[kWide / 2];
  std::memcpy(total, sums, sizeof total);
  for (std::size_t i = 0; i < count; ++i) {
    const Pair both = {x[i], x[i]};
    for (std::size_t o = 0; o < kWide / 2; ++o) {
      Pair w;
      std::memcpy(&w, weight + i * kWide + 2 * o, sizeof w);
      total[o] += both * w;
    }
  }
  std::memcpy(sums, total, sizeof total);
}

Values convolved(const ConvShape& s, const Values& x, const engine::Tensor& weight, const engine::Tensor* bias) {
  Values y(s.out_channels, {s.out[0], s.out[1], s.out[2]});
  const std::vector<double> packed = reordered(s, weight.values);
  const std::size_t taps = weight.values.size() / x.channels / y.channels, group = taps * x.channels * kWide;
  const auto width = static_cast<std::size_t>(s.out[2]);
  each(y.voxels() / width, [&](std::size_t row) {
    std::vector<std::int64_t> from;
    for (int column = 0; column < s.out[2]; ++column) {
      const int out[3] = {static_cast<int>(row) / s.out[1], static_cast<int>(row) % s.out[1], column};
      int tap[3];
      for (tap[0] = 0; tap[0] < s.kernel[0]; ++tap[0])
        for (tap[1] = 0; tap[1] < s.kernel[1]; ++tap[1])
          for (tap[2] = 0; tap[2] < s.kernel[2]; ++tap[2]) from.push_back(input_voxel(s, out, tap));
    }
    for (std::size_t first = 0; first < y.channels; first += kWide) {
      const std::size_t count = std::min(kWide, y.channels - first);
      for (std::size_t column = 0; column < width; ++column) {
        double sums[kWide] = {};
        for (std::size_t o = 0; bias && o < count; ++o) sums[o] = bias->values[first + o];
        for (std::size_t t = 0; t < taps; ++t)
          if (const std::int64_t voxel = from[column * taps + t]; voxel >= 0)
            add_products(&x.values[static_cast<std::size_t>(voxel) * x.channels],
                         &packed[first / kWide * group + t * x.channels * kWide], x.channels, sums);
        std::copy_n(sums, count, &y.values[(row * width + column) * y.channels + first]);
      }
    }
  });
  return y;
}

void normalize(Values& x, double epsilon, const engine::Tensor& weight, const engine::Tensor& bias) {
  const std::size_t voxels = x.voxels();
  each(x.channels, [&](std::size_t c) {
    double sum = 0, squares = 0;
    for (std::size_t v = 0; v < voxels; ++v) sum += x.at(v, c);
    const double mean = sum / static_cast<double>(voxels);
    for (std::size_t v = 0; v < voxels; ++v) squares += (x.at(v, c) - mean) * (x.at(v, c) - mean);
    const double scale = weight.values[c] / std::sqrt(squares / static_cast<double>(voxels) + epsilon);
    for (std::size_t v = 0; v < voxels; ++v) x.at(v, c) = (x.at(v, c) - mean) * scale + bias.values[c];
  });
}

/// Of each window the mean or the greatest.
Values pooled(const Node& node, const Values& x, const Dhw& extent) {
  const bool mean = node.op == Op::avg_pool;
  const Dhw& window = mean ? node.stride : node.kernel;
  Values y(static_cast<std::int64_t>(x.channels), extent);
  const auto count = static_cast<double>(window[0] * window[1] * window[2]);
  each(y.voxels(), [&](std::size_t v) {
    const auto voxel = static_cast<std::int64_t>(v);
    const Dhw out{voxel / extent[2] / extent[1], voxel / extent[2] % extent[1], voxel % extent[2]};
    std::fill_n(&y.at(v, 0), y.channels, mean ? 0.0 : -HUGE_VAL);
    for (std::int64_t k = 0; k < window[0] * window[1] * window[2]; ++k) {
      const Dhw tap{k / window[2] / window[1], k / window[2] % window[1], k % window[2]};
      std::int64_t from = 0;
      bool inside = true;
      for (std::size_t a = 0; a < 3; ++a) {
        const std::int64_t at = out[a] * node.stride[a] - node.pad_before[a] + tap[a];
        inside = inside && at >= 0 && at < x.extent[a];
        from = from * x.extent[a] + at;
      }
      for (std::size_t c = 0; inside && c < y.channels; ++c) {
        const double value = x.at(static_cast<std::size_t>(from), c);
        y.at(v, c) = mean ? y.at(v, c) + value / count : std::max(y.at(v, c), value);
      }
    }
  });
  return y;
}

Values joined(const std::vector<const Values*>& parts) {
  std::size_t channels = 0;
  for (const Values* p : parts) channels += p->channels;
  Values y(static_cast<std::int64_t>(channels), parts[0]->extent);
  each(y.voxels(), [&](std::size_t v) {
    double* to = &y.at(v, 0);
    for (const Values* p : parts) to = std::copy_n(&p->values[v * p->channels], p->channels, to);
  });
  return y;
}

class Network {
 public:
  Network(const Task& task, bool rounds)
      : task_(task), rounds_(rounds), shapes_(engine::node_shapes(task.graph, shape_of(task.input.shape))) {}

  engine::Tensor run() {
    const auto& nodes = task_.graph.nodes;
    std::vector<std::size_t> last(nodes.size());
    for (std::size_t n = 0; n < nodes.size(); ++n)
      for (const int from : nodes[n].inputs) last[static_cast<std::size_t>(from)] = n;
    std::vector<std::unique_ptr<Values>> values(nodes.size());
    for (std::size_t n = 0; n < nodes.size(); ++n) {
      std::vector<const Values*> in;
      for (const int from : nodes[n].inputs) in.push_back(values[static_cast<std::size_t>(from)].get());
      values[n] = std::make_unique<Values>(evaluate(n, in));
      if (rounds_)
        for (double& v : values[n]->values) v = rounded(v);
      for (const int from : nodes[n].inputs)
        if (last[static_cast<std::size_t>(from)] == n) values[static_cast<std::size_t>(from)].reset();
    }
    const Values& y = *values.back();
    engine::Tensor out({1, static_cast<std::int64_t>(y.channels), y.extent[0], y.extent[1], y.extent[2]});
    for (std::size_t c = 0, i = 0; c < y.channels; ++c)
      for (std::size_t v = 0; v < y.voxels(); ++v, ++i) out.values[i] = static_cast<float>(y.at(v, c));
    return out;
  }

 private:
  const engine::Tensor& weight(const std::string& name) const { return task_.weights.at(name); }

  Values input() const {
    Values x(task_.input.shape[1], {task_.input.shape[2], task_.input.shape[3], task_.input.shape[4]});
    for (std::size_t c = 0, i = 0; c < x.channels; ++c)
      for (std::size_t v = 0; v < x.voxels(); ++v, ++i) x.at(v, c) = task_.input.values[i];
    return x;
  }

  Values evaluate(std::size_t n, const std::vector<const Values*>& in) const {
    const Node& node = task_.graph.nodes[n];
    if (node.op == Op::input) return input();
    if (node.op == Op::concat) return joined(in);
    if (node.op == Op::avg_pool || node.op == Op::max_pool) return pooled(node, *in[0], shapes_[n].extent);
    if (node.op == Op::conv || node.op == Op::conv_transpose)
      return convolved(convolution_of(task_.graph, shapes_, n), *in[0], weight(node.weight),
                       node.bias.empty() ? nullptr : &weight(node.bias));
    Values x = *in[0];
    if (node.op == Op::instance_norm) {
      normalize(x, node.epsilon, weight(node.weight), weight(node.bias));
      return x;
    }
    const bool affine = node.op == Op::affine;
    const float* scale = affine ? weight(node.weight).values.data() : nullptr;
    const float* shift = affine ? weight(node.bias).values.data() : nullptr;
    each(x.voxels(), [&](std::size_t v) {
      for (std::size_t c = 0; c < x.channels; ++c) {
        double& value = x.at(v, c);
        if (affine)
          value = value * scale[c] + shift[c];
        else if (node.op == Op::add)
          value += in[1]->at(v, c);
        else if (node.op == Op::relu || node.op == Op::leaky_relu)
          value *= value < 0 ? node.slope : 1;
        else
          throw Error(ErrorCode::internal, "a network of the benchmark has an operation that has no reference");
      }
    });
    return x;
  }

  static double rounded(double v) { return kernels::f32_from_bf16(kernels::bf16_from_f32(static_cast<float>(v))); }

  const Task& task_;
  const bool rounds_;
  const std::vector<engine::NodeShape> shapes_;
};

}  // namespace

engine::Tensor exact_output(const Task& task) { return Network(task, false).run(); }

double condition(const Task& task, const engine::Tensor& exact) {
  constexpr double kUsual = 2e-2;
  Task rounded = task;
  for (auto& [name, weight] : rounded.weights)
    for (float& v : weight.values) v = kernels::f32_from_bf16(kernels::bf16_from_f32(v));
  return std::max(1.0, relative_error(exact, Network(rounded, true).run()) / kUsual);
}

}  // namespace oncotome::bench
