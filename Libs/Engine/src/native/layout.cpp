// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <numeric>

#include "plan.h"

namespace oncotome::engine::native {
namespace {

constexpr std::size_t kAlignment = 64;

void find_lifetimes(Plan& plan) {
  for (std::size_t s = 0; s < plan.steps.size(); ++s) {
    const auto touch = [&](int buffer) {
      if (buffer < 0) return;
      Buffer& b = plan.buffers[static_cast<std::size_t>(buffer)];
      if (b.first < 0) b.first = static_cast<int>(s);
      b.last = static_cast<int>(s);
    };
    const Step& step = plan.steps[s];
    for (const Part& source : step.sources) {
      touch(source.buffer);
      touch(source.scale_shift);
    }
    touch(step.output);
    touch(step.residual);
    if (step.norm) {
      touch(step.norm->statistics);
      touch(step.norm->scale_shift);
    }
  }
}

// Each, in order, goes to the smallest gap that takes it among those that live at the same time. Returns the end.
std::size_t place(std::vector<Buffer>& buffers, const std::vector<std::size_t>& order, std::size_t samples) {
  std::vector<const Buffer*> placed;
  std::size_t end = 0;
  const auto size = [&](const Buffer& b) { return (b.bytes * samples + kAlignment - 1) / kAlignment * kAlignment; };
  for (const std::size_t i : order) {
    Buffer& buffer = buffers[i];
    const std::size_t bytes = size(buffer);
    std::size_t at = 0, best = 0, least = SIZE_MAX;
    for (const Buffer* other : placed) {
      if (other->last < buffer.first || other->first > buffer.last) continue;
      if (other->offset >= at + bytes && other->offset - at < least) {
        best = at;
        least = other->offset - at;
      }
      at = std::max(at, other->offset + size(*other));
    }
    buffer.offset = least == SIZE_MAX ? at : best;
    const auto after = [](const Buffer* a, const Buffer* b) { return a->offset < b->offset; };
    placed.insert(std::upper_bound(placed.begin(), placed.end(), &buffer, after), &buffer);
    end = std::max(end, buffer.offset + bytes);
  }
  return end;
}

}  // namespace

void lay_out(Plan& plan) {
  find_lifetimes(plan);
  const auto samples = static_cast<std::size_t>(plan.samples);
  std::vector<std::size_t> used, live(plan.steps.size());
  for (std::size_t i = 0; i < plan.buffers.size(); ++i) {
    const Buffer& b = plan.buffers[i];
    if (b.first < 0) continue;
    used.push_back(i);
    for (int s = b.first; s <= b.last; ++s) live[static_cast<std::size_t>(s)] += b.bytes * samples;
  }
  plan.live_bytes = live.empty() ? 0 : *std::max_element(live.begin(), live.end());
  const auto span = [](const Buffer& b) { return static_cast<std::size_t>(b.last - b.first) + 1; };
  const auto by = [&](auto key) {
    std::vector<std::size_t> order = used;
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return key(plan.buffers[a]) > key(plan.buffers[b]); });
    return order;
  };
  // No order is best for every network, and trying one costs nothing.
  const std::vector<std::size_t> orders[] = {
      by([](const Buffer& b) { return b.bytes; }), by([&](const Buffer& b) { return b.bytes * span(b); }),
      by([&](const Buffer& b) { return span(b); }), by([](const Buffer& b) { return -static_cast<double>(b.first); })};
  std::vector<Buffer> best;
  for (const auto& order : orders) {
    std::vector<Buffer> buffers = plan.buffers;
    const std::size_t bytes = place(buffers, order, samples);
    if (!best.empty() && bytes >= plan.arena_bytes) continue;
    plan.arena_bytes = bytes;
    best = std::move(buffers);
  }
  plan.buffers = std::move(best);
}

}  // namespace oncotome::engine::native
