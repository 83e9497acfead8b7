// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>

#include "lowering.h"
#include "oncotome/core/parallel.h"

namespace oncotome::engine::native {
namespace {

using kernels::Element;
using kernels::kBlock;
using kernels::Source;

class Run {
 public:
  Run(const Plan& plan, const Network& network, const kernels::Pointwise& pointwise, int threads, std::byte* arena)
      : plan_(plan), network_(network), pointwise_(pointwise), threads_(threads), arena_(arena) {}

  void all(const Tensor& input, std::vector<Tensor>& outputs, const Job& job) {
    const auto samples = static_cast<std::size_t>(input.shape[0]), together = static_cast<std::size_t>(plan_.samples);
    input_size_ = input.values.size() / samples;
    outputs_.resize(outputs.size());
    job_ = &job;
    for (std::size_t n = 0; n < samples; n += together) {
      input_ = input.values.data() + n * input_size_;
      for (std::size_t o = 0; o < outputs.size(); ++o) {
        const std::size_t size = outputs[o].values.size() / samples;
        outputs_[o] = {outputs[o].values.data() + n * size, size};
      }
      some(static_cast<double>(n) / static_cast<double>(samples),
           static_cast<double>(together) / static_cast<double>(samples));
    }
  }

 private:
  void some(double done, double share) {
    for (std::size_t s = 0; s < plan_.steps.size(); ++s) {
      job_->report("network", done + share * static_cast<double>(s) / static_cast<double>(plan_.steps.size()));
      const Step& step = plan_.steps[s];
      run(step);
      if (step.norm) normalize(step, *step.norm);
    }
  }

  std::byte* at(int buffer, int sample) const {
    const auto n = static_cast<std::size_t>(sample);
    if (buffer == kInput) return const_cast<std::byte*>(reinterpret_cast<const std::byte*>(input_ + n * input_size_));
    if (buffer <= kOutput) {
      const auto& [values, size] = outputs_[static_cast<std::size_t>(kOutput - buffer)];
      return reinterpret_cast<std::byte*>(values + n * size);
    }
    const Buffer& b = plan_.buffers[static_cast<std::size_t>(buffer)];
    return arena_ + b.offset + n * b.bytes;
  }

  Source source(const Part& part, int sample) const {
    Source s;
    s.data = at(part.buffer, sample);
    if (part.scale) {
      s.scale = part.scale->data();
      s.shift = part.shift->data();
    }
    if (part.scale_shift != kNone) {
      s.scale = reinterpret_cast<const float*>(at(part.scale_shift, sample));
      s.shift = s.scale + whole_blocks(part.channels);
    }
    s.activation = part.activation;
    s.slope = part.slope;
    s.slopes = part.slopes ? part.slopes->data() : nullptr;
    return s;
  }

  // From a block of so many voxels on.
  Source of_block(const Part& part, int sample, std::int64_t block, std::int64_t voxels,
                  std::int64_t skipped = 0) const {
    Source s = source(part, sample);
    s.data = static_cast<const std::byte*>(s.data) + blocked_at(block * voxels + skipped, part.element);
    const auto channel = static_cast<std::size_t>(block * kBlock);
    if (s.scale) {
      s.scale += channel;
      s.shift += channel;
    }
    if (s.slopes) s.slopes += channel;
    return s;
  }

  static std::size_t blocked_at(std::int64_t voxel, Element element) {
    return static_cast<std::size_t>(voxel * kBlock) * (element == Element::bf16 ? 2 : sizeof(float));
  }

  // Calls f(sample, task, scratch) for each task of each sample.
  template <class F>
  void each(std::int64_t tasks, F&& f) {
    std::atomic<std::int64_t> next{0};
    std::byte* scratch = arena_ + (plan_.arena_bytes + 63) / 64 * 64;
    const std::size_t pitch = (plan_.scratch_bytes + 63) / 64 * 64;
    const std::int64_t all = tasks * plan_.samples;
    parallel_for(
        0, std::min<std::int64_t>(threads_, all),
        [&](std::int64_t thread) {
          for (std::int64_t i = next++; i < all; i = next++) {
            job_->check();
            f(static_cast<int>(i / tasks), i % tasks, scratch + static_cast<std::size_t>(thread) * pitch);
          }
        },
        threads_);
  }

  // The same for runs of voxels: f(sample, block, first voxel, voxels, scratch).
  template <class F>
  void each_run(std::int64_t blocks, std::int64_t voxels, F&& f) {
    const std::int64_t runs = runs_of(voxels);
    each(blocks * runs, [&](int sample, std::int64_t task, std::byte* scratch) {
      const std::int64_t first = task % runs * kRun;
      f(sample, task / runs, first, std::min(kRun, voxels - first), scratch);
    });
  }

  void run(const Step& step) {
    switch (step.kind) {
      case Kind::conv:
        return convolve(step);
      case Kind::combine:
        return combine(step);
      case Kind::gather:
        return gather(step);
      case Kind::block:
        return block(step);
      case Kind::unblock:
        return unblock(step);
      case Kind::pool:
      case Kind::upsample:
        return resample(step);
      case Kind::average:
        return average(step);
      case Kind::weighted_mean:
        return weighted_mean(step);
      case Kind::softmax:
        return softmax(step);
      case Kind::torch:
        return in_torch(step);
    }
  }

  void convolve(const Step& step) {
    each(step.kernel->tiles(step.shape), [&](int sample, std::int64_t tile, std::byte* scratch) {
      kernels::ConvArguments arguments;
      for (std::size_t s = 0; s < step.sources.size(); ++s) arguments.sources[s] = source(step.sources[s], sample);
      arguments.weights = step.weights.get();
      if (!step.bias.empty()) arguments.bias = step.bias.data();
      if (step.residual != kNone) arguments.residual = at(step.residual, sample);
      arguments.activation = step.activation;
      arguments.slope = step.slope;
      arguments.output = at(step.output, sample);
      if (step.norm) arguments.statistics = reinterpret_cast<double*>(at(step.norm->statistics, sample));
      step.kernel->run(step.shape, arguments, tile, scratch);
    });
  }

  void combine(const Step& step) {
    const std::int64_t voxels = voxels_of(step.out), in_voxels = voxels_of(step.in);
    const Element element = step.sources[0].element;
    const auto channels = static_cast<std::size_t>(whole_blocks(step.channels));
    each_run(blocks_of(step.channels), voxels,
             [&](int sample, std::int64_t block, std::int64_t first, std::int64_t n, std::byte*) {
               const Source a = of_block(step.sources[0], sample, block, in_voxels, step.skipped + first);
               const Source b =
                   step.sources.size() < 2 ? Source{} : of_block(step.sources[1], sample, block, in_voxels, first);
               void* output = step.output == kNone
                                  ? nullptr
                                  : at(step.output, sample) + blocked_at(block * voxels + first, element);
               double sums[2 * kBlock];
               pointwise_.combine(a, b, element, step.activation, step.slope, output, step.norm ? sums : nullptr,
                                  static_cast<std::size_t>(n));
               if (!step.norm) return;
               auto* to = reinterpret_cast<double*>(at(step.norm->statistics, sample)) +
                          static_cast<std::size_t>(first / kRun) * 2 * channels + block * kBlock;
               std::copy_n(sums, kBlock, to);
               std::copy_n(sums + kBlock, kBlock, to + channels);
             });
  }

  void block(const Step& step) {
    const std::int64_t voxels = voxels_of(step.out);
    each_run(blocks_of(step.channels), voxels,
             [&](int sample, std::int64_t block, std::int64_t first, std::int64_t n, std::byte*) {
               const auto* in = reinterpret_cast<const float*>(at(step.sources[0].buffer, sample));
               const float* planes[kBlock] = {};
               for (std::int64_t c = block * kBlock; c < std::min<std::int64_t>(step.channels, (block + 1) * kBlock);
                    ++c)
                 planes[c % kBlock] = in + c * voxels + first;
               pointwise_.block(planes, plan_.element,
                                at(step.output, sample) + blocked_at(block * voxels + first, plan_.element),
                                static_cast<std::size_t>(n));
             });
  }

  void unblock(const Step& step) {
    const std::int64_t voxels = voxels_of(step.out);
    each_run(blocks_of(step.channels), voxels,
             [&](int sample, std::int64_t block, std::int64_t first, std::int64_t n, std::byte*) {
               auto* out = reinterpret_cast<float*>(at(step.output, sample));
               float* planes[kBlock] = {};
               for (std::int64_t c = block * kBlock; c < std::min<std::int64_t>(step.channels, (block + 1) * kBlock);
                    ++c)
                 planes[c % kBlock] = out + c * voxels + first;
               pointwise_.unblock(of_block(step.sources[0], sample, block, voxels, first), step.sources[0].element,
                                  planes, static_cast<std::size_t>(n));
             });
  }

  // By way of planes: a block of the output has channels of several blocks.
  void gather(const Step& step) {
    const std::int64_t voxels = voxels_of(step.out);
    each_run(blocks_of(step.channels), voxels,
             [&](int sample, std::int64_t block, std::int64_t first, std::int64_t n, std::byte* scratch) {
               auto* planes = reinterpret_cast<float*>(scratch);
               const float* filled[kBlock] = {};
               std::int64_t channel = step.first_channel - block * kBlock;  // of the output's block
               for (const Part& part : step.sources)
                 for (int c = 0; c < part.channels; c += kBlock) {
                   float* to[kBlock] = {};
                   bool any = false;
                   for (int l = 0; l < kBlock && c + l < part.channels; ++l, ++channel)
                     if (channel >= 0 && channel < kBlock) {
                       filled[channel] = to[l] = planes + channel * kRun;
                       any = true;
                     }
                   if (any)
                     pointwise_.unblock(of_block(part, sample, c / kBlock, voxels, first), part.element, to,
                                        static_cast<std::size_t>(n));
                 }
               pointwise_.block(filled, plan_.element,
                                at(step.output, sample) + blocked_at(block * voxels + first, plan_.element),
                                static_cast<std::size_t>(n));
             });
  }

  void resample(const Step& step) {
    const std::int64_t slices = step.out[0], slice = std::int64_t{step.out[1]} * step.out[2];
    each(blocks_of(step.channels) * slices, [&](int sample, std::int64_t task, std::byte*) {
      const std::int64_t block = task / slices, z = task % slices;
      const Source from = of_block(step.sources[0], sample, block, voxels_of(step.in));
      void* output = at(step.output, sample) + blocked_at(task * slice, plan_.element);
      if (step.kind == Kind::pool)
        pointwise_.pool(from, plan_.element, step.pool, static_cast<int>(z), output);
      else
        pointwise_.upsample(from, plan_.element, step.in.data(), step.factor.data(), static_cast<int>(z), output);
    });
  }

  void average(const Step& step) {
    const std::int64_t cells = voxels_of(step.out), voxels = voxels_of(step.in);
    each(step.channels, [&](int sample, std::int64_t channel, std::byte*) {
      const float* in = reinterpret_cast<const float*>(at(step.sources[0].buffer, sample)) + channel * voxels;
      float* out = reinterpret_cast<float*>(at(step.output, sample)) + channel * cells;
      for (std::int64_t cell = 0; cell < cells; ++cell) {
        const std::int64_t index[3] = {cell / step.out[2] / step.out[1], cell / step.out[2] % step.out[1],
                                       cell % step.out[2]};
        std::int64_t first[3], end[3];
        for (std::size_t a = 0; a < 3; ++a) {
          first[a] = index[a] * step.in[a] / step.out[a];
          end[a] = ((index[a] + 1) * step.in[a] + step.out[a] - 1) / step.out[a];
        }
        double sum = 0;
        for (std::int64_t z = first[0]; z < end[0]; ++z)
          for (std::int64_t y = first[1]; y < end[1]; ++y)
            for (std::int64_t x = first[2]; x < end[2]; ++x)
              sum += static_cast<double>(in[(z * step.in[1] + y) * step.in[2] + x]);
        const std::int64_t count = (end[0] - first[0]) * (end[1] - first[1]) * (end[2] - first[2]);
        out[cell] = static_cast<float>(sum / static_cast<double>(count));
      }
    });
  }

  void weighted_mean(const Step& step) {
    const std::int64_t voxels = voxels_of(step.in);
    each(step.channels, [&](int sample, std::int64_t channel, std::byte*) {
      const float* in = reinterpret_cast<const float*>(at(step.sources[0].buffer, sample)) + channel * voxels;
      const float* without = reinterpret_cast<const float*>(at(step.sources[1].buffer, sample));
      double sum = 0, total = 1;
      for (std::int64_t v = 0; v < voxels; ++v) {
        const double weight = 1 - static_cast<double>(without[v]);
        total += weight;
        sum += weight * static_cast<double>(in[v]);
      }
      reinterpret_cast<float*>(at(step.output, sample))[channel] = static_cast<float>(sum / total);
    });
  }

  void softmax(const Step& step) {
    const std::int64_t voxels = voxels_of(step.out);
    each_run(1, voxels, [&](int sample, std::int64_t, std::int64_t first, std::int64_t n, std::byte*) {
      pointwise_.softmax(reinterpret_cast<const float*>(at(step.sources[0].buffer, sample)) + first,
                         reinterpret_cast<float*>(at(step.output, sample)) + first, static_cast<std::size_t>(voxels),
                         step.channels, static_cast<std::size_t>(n));
    });
  }

  void in_torch(const Step& step) {
    for (int sample = 0; sample < plan_.samples; ++sample) {
      Tensor x({1, step.sources[0].channels, step.in[0], step.in[1], step.in[2]});
      std::memcpy(x.values.data(), at(step.sources[0].buffer, sample), x.values.size() * sizeof(float));
      const Tensor y = step.executable->run(x, Job());
      std::memcpy(at(step.output, sample), y.values.data(), y.values.size() * sizeof(float));
    }
  }

  // Sums in order of tiles and samples, so that threads make no difference.
  void normalize(const Step& step, const Norm& norm) {
    const Node& node = network_.graph.nodes[static_cast<std::size_t>(norm.node)];
    const auto channels = static_cast<std::size_t>(norm.channels);
    const auto whole = static_cast<std::size_t>(whole_blocks(norm.channels));
    const int together = node.op == Op::batch_norm ? plan_.samples : 1;
    const auto values_of = [&](const std::string& name) {
      const float* none = nullptr;
      return name.empty() ? none : network_.weights.at(name).values.data() + norm.first_channel;
    };
    const float *weight = values_of(node.weight), *bias = values_of(node.bias);
    for (int sample = 0; sample < plan_.samples; sample += together) {
      std::vector<double> sums(2 * whole);
      for (int s = sample; s < sample + together; ++s) {
        const auto* tile = reinterpret_cast<const double*>(at(norm.statistics, s));
        for (std::int64_t t = 0; t < norm.tiles; ++t, tile += 2 * whole)
          for (std::size_t i = 0; i < 2 * whole; ++i) sums[i] += tile[i];
      }
      const std::size_t group = node.op == Op::group_norm ? channels / static_cast<std::size_t>(node.groups) : 1;
      const double count = static_cast<double>(voxels_of(step.out)) * together * static_cast<double>(group);
      std::vector<float> scales(2 * whole);
      for (std::size_t c = 0; c < channels; ++c) {
        double sum = 0, squares = 0;
        for (std::size_t g = c / group * group; g < c / group * group + group; ++g) {
          sum += sums[g];
          squares += sums[whole + g];
        }
        const double mean = sum / count;
        const double variance = std::max(0.0, squares / count - mean * mean);
        const double scale = (weight ? static_cast<double>(weight[c]) : 1) / std::sqrt(variance + node.epsilon);
        scales[c] = static_cast<float>(scale);
        scales[whole + c] = static_cast<float>((bias ? static_cast<double>(bias[c]) : 0) - mean * scale);
      }
      for (int s = sample; s < sample + together; ++s)
        std::memcpy(at(norm.scale_shift, s), scales.data(), scales.size() * sizeof(float));
    }
  }

  const Plan& plan_;
  const Network& network_;
  const kernels::Pointwise& pointwise_;
  const int threads_;
  std::byte* const arena_;
  const float* input_ = nullptr;
  std::size_t input_size_ = 0;
  std::vector<std::pair<float*, std::size_t>> outputs_;  ///< And the values of one sample.
  const Job* job_ = nullptr;
};

}  // namespace

void run_plan(const Plan& plan, const Network& network, const kernels::Pointwise& pointwise, int threads,
              const Tensor& input, std::byte* arena, std::vector<Tensor>& outputs, const Job& job) {
  Run(plan, network, pointwise, threads, arena).all(input, outputs, job);
}

}  // namespace oncotome::engine::native
