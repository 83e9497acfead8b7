// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "gate_mixture.h"
#include "oncotome/core/error.h"
#include "oncotome/core/json.h"
#include "oncotome/engine/image_gate.h"

namespace oncotome::engine {
namespace {

constexpr std::int64_t kBlocks = 4;           // along H and W
constexpr double kSame = 0.02, kFlat = 0.05;  // of prepared values, whose deviation is about 1
constexpr double kQuantiles[] = {0.05, 0.25, 0.5, 0.75, 0.95};

// Strengths differ by factors; prepared values have a deviation of about 1, and none at all is far from a little.
double log_strength(double value) { return std::log(value + 0.01); }

/// The slices of one channel.
struct Channel {
  const float* values;
  std::int64_t depth, height, width;

  std::int64_t count() const { return depth * height * width; }
  double at(std::int64_t z, std::int64_t y, std::int64_t x) const { return values[(z * height + y) * width + x]; }
};

std::vector<float> sorted_values(const Channel& channel) {
  std::vector<float> sorted(channel.values, channel.values + channel.count());
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}

void add_moments(const std::vector<float>& values, std::vector<double>& out) {
  const auto n = static_cast<double>(values.size());
  double sum = 0, squares = 0;
  for (const double value : values) sum += value;
  for (const double value : values) squares += (value - sum / n) * (value - sum / n);
  out.push_back(sum / n);
  out.push_back(log_strength(std::sqrt(squares / n)));
}

void add_histogram(const std::vector<float>& sorted, std::vector<double>& out) {
  add_moments(sorted, out);
  const auto n = static_cast<double>(sorted.size());
  for (const double q : kQuantiles) out.push_back(sorted[static_cast<std::size_t>(q * (n - 1))]);
}

// Mean first and second differences between neighbors, along W and H.
void add_detail(const Channel& channel, std::vector<double>& out) {
  double edges = 0, detail = 0;
  for (std::int64_t z = 0; z < channel.depth; ++z)
    for (std::int64_t y = 0; y < channel.height; ++y)
      for (std::int64_t x = 0; x < channel.width; ++x) {
        const double value = channel.at(z, y, x);
        const double right = channel.at(z, y, std::min(x + 1, channel.width - 1));
        const double below = channel.at(z, std::min(y + 1, channel.height - 1), x);
        edges += std::abs(right - value) + std::abs(below - value);
        detail += std::abs(2 * value - right - channel.at(z, y, std::max<std::int64_t>(x - 1, 0))) +
                  std::abs(2 * value - below - channel.at(z, std::max<std::int64_t>(y - 1, 0), x));
      }
  out.push_back(log_strength(edges / static_cast<double>(channel.count())));
  out.push_back(log_strength(detail / static_cast<double>(channel.count())));
}

void add_extremes(const std::vector<float>& sorted, std::vector<double>& out) {
  const float low = sorted.front(), high = sorted.back();
  const auto n = static_cast<double>(sorted.size());
  const auto lowest = std::lower_bound(sorted.begin(), sorted.end(), low + static_cast<float>(kSame));
  const auto highest = std::upper_bound(sorted.begin(), sorted.end(), high - static_cast<float>(kSame));
  out.push_back(static_cast<double>(low));
  out.push_back(static_cast<double>(high));
  out.push_back(log_strength(static_cast<double>(lowest - sorted.begin()) / n));
  out.push_back(log_strength(static_cast<double>(sorted.end() - highest) / n));
}

void add_gradient(const Channel& channel, std::vector<double>& out) {
  constexpr double kShares[] = {0.25, 0.5, 0.75, 0.95, 0.99};
  std::vector<double> strengths;
  for (std::int64_t z = 0; z < channel.depth; ++z)
    for (std::int64_t y = 0; y + 1 < channel.height; ++y)
      for (std::int64_t x = 0; x + 1 < channel.width; ++x) {
        const double value = channel.at(z, y, x);
        strengths.push_back(std::abs(channel.at(z, y, x + 1) - value) + std::abs(channel.at(z, y + 1, x) - value));
      }
  if (strengths.empty()) strengths.push_back(0);
  std::sort(strengths.begin(), strengths.end());
  const auto n = static_cast<double>(strengths.size());
  for (const double q : kShares) out.push_back(log_strength(strengths[static_cast<std::size_t>(q * (n - 1))]));
  const auto flat = std::lower_bound(strengths.begin(), strengths.end(), kFlat) - strengths.begin();
  out.push_back(log_strength(static_cast<double>(flat) / n));
}

// Mean difference between neighboring blocks of `side` x `side` pixels.
void add_coarse_edges(const Channel& channel, std::int64_t side, std::vector<double>& out) {
  const std::int64_t height = channel.height / side, width = channel.width / side;
  std::vector<double> means(static_cast<std::size_t>(channel.depth * height * width), 0);
  const auto mean = [&](std::int64_t z, std::int64_t y, std::int64_t x) -> double& {
    return means[static_cast<std::size_t>((z * height + y) * width + x)];
  };
  for (std::int64_t z = 0; z < channel.depth; ++z)
    for (std::int64_t y = 0; y < height * side; ++y)
      for (std::int64_t x = 0; x < width * side; ++x)
        mean(z, y / side, x / side) += channel.at(z, y, x) / static_cast<double>(side * side);
  double across = 0, down = 0, pairs_across = 0, pairs_down = 0;
  for (std::int64_t z = 0; z < channel.depth; ++z)
    for (std::int64_t y = 0; y < height; ++y)
      for (std::int64_t x = 0; x < width; ++x) {
        if (x + 1 < width) across += std::abs(mean(z, y, x + 1) - mean(z, y, x)), ++pairs_across;
        if (y + 1 < height) down += std::abs(mean(z, y + 1, x) - mean(z, y, x)), ++pairs_down;
      }
  out.push_back(log_strength(across / std::max(1.0, pairs_across) + down / std::max(1.0, pairs_down)));
}

// Mean products of deviations from the mean, over the variance, with what lies elsewhere.
void add_correlations(const Channel& channel, double mean, std::vector<double>& out) {
  const auto deviation = [&](std::int64_t z, std::int64_t y, std::int64_t x) { return channel.at(z, y, x) - mean; };
  const auto product = [&](std::int64_t height, std::int64_t width, auto&& other) {
    double sum = 0;
    for (std::int64_t z = 0; z < channel.depth; ++z)
      for (std::int64_t y = 0; y < height; ++y)
        for (std::int64_t x = 0; x < width; ++x) sum += deviation(z, y, x) * other(z, y, x);
    return height > 0 && width > 0 ? sum / static_cast<double>(channel.depth * height * width) : 0;
  };
  const double variance = product(channel.height, channel.width, deviation) + 1e-4;
  for (const std::int64_t lag : {1, 2, 4, 8}) {
    const double across =
        product(channel.height, channel.width - lag, [&](auto z, auto y, auto x) { return deviation(z, y, x + lag); });
    const double down =
        product(channel.height - lag, channel.width, [&](auto z, auto y, auto x) { return deviation(z, y + lag, x); });
    out.push_back((across + down) / 2 / variance);
  }
  out.push_back(product(channel.height, channel.width,
                        [&](auto z, auto y, auto x) { return deviation(z, y, channel.width - 1 - x); }) /
                variance);
  out.push_back(product(channel.height, channel.width,
                        [&](auto z, auto y, auto x) { return deviation(z, channel.height - 1 - y, x); }) /
                variance);
}

void add_border(const Channel& channel, std::vector<double>& out) {
  const std::int64_t down = std::max<std::int64_t>(1, channel.height / 16);
  const std::int64_t across = std::max<std::int64_t>(1, channel.width / 16);
  double count = 0, sum = 0, squares = 0;
  for (std::int64_t z = 0; z < channel.depth; ++z)
    for (std::int64_t y = 0; y < channel.height; ++y)
      for (std::int64_t x = 0; x < channel.width; ++x) {
        const bool inside = y >= down && y < channel.height - down && x >= across && x < channel.width - across;
        if (inside) continue;
        const double value = channel.at(z, y, x);
        ++count;
        sum += value;
        squares += value * value;
      }
  const double mean = sum / count;
  out.push_back(mean);
  out.push_back(log_strength(std::sqrt(std::max(0.0, squares / count - mean * mean))));
}

std::vector<float> mean_over_channels(const Tensor& prepared) {
  const auto channels = static_cast<std::size_t>(prepared.shape[1]);
  std::vector<float> mean(prepared.values.size() / channels, 0);
  for (std::size_t i = 0; i < prepared.values.size(); ++i)
    mean[i % mean.size()] += prepared.values[i] / static_cast<float>(channels);
  return mean;
}

// Of the mean over channels.
void add_picture(const Channel& channel, std::vector<double>& out) {
  const std::vector<float> sorted = sorted_values(channel);
  add_histogram(sorted, out);
  add_detail(channel, out);
  add_extremes(sorted, out);
  add_gradient(channel, out);
  for (const std::int64_t side : {2, 4}) add_coarse_edges(channel, side, out);
  add_correlations(channel, out[0], out);
  add_border(channel, out);
}

void add_blocks(const Tensor& prepared, std::vector<double>& out) {
  const std::int64_t height = prepared.shape[3], width = prepared.shape[4];
  std::vector<double> counts(kBlocks * kBlocks), sums = counts, squares = counts;
  for (std::size_t i = 0; i < prepared.values.size(); ++i) {
    const auto at = static_cast<std::int64_t>(i);
    const std::int64_t row = at / width % height * kBlocks / height, column = at % width * kBlocks / width;
    const auto block = static_cast<std::size_t>(row * kBlocks + column);
    const double value = prepared.values[i];
    counts[block] += 1;
    sums[block] += value;
    squares[block] += value * value;
  }
  for (std::size_t b = 0; b < sums.size(); ++b) {
    const double n = std::max(1.0, counts[b]), mean = sums[b] / n;
    out.push_back(mean);
    out.push_back(log_strength(std::sqrt(std::max(0.0, squares[b] / n - mean * mean))));
  }
}

// The value that at most 1 - quantile of such values exceed, as conformal prediction chooses it.
double threshold(std::vector<double> values, double quantile) {
  std::sort(values.begin(), values.end());
  const double rank = std::ceil(static_cast<double>(values.size() + 1) * quantile);
  return values[static_cast<std::size_t>(std::clamp(rank, 1.0, static_cast<double>(values.size()))) - 1];
}

}  // namespace

std::vector<double> gate_features(const Tensor& prepared, int version) {
  std::vector<double> out;
  const auto channels = static_cast<std::size_t>(prepared.shape[1]);
  const std::size_t voxels = prepared.values.size() / channels;
  const auto view = [&](const float* values) {
    return Channel{values, prepared.shape[2], prepared.shape[3], prepared.shape[4]};
  };
  if (version >= 2) {
    const std::vector<float> mean = mean_over_channels(prepared);
    add_picture(view(mean.data()), out);
  }
  for (std::size_t c = 0; c < channels; ++c) {
    const Channel channel = view(prepared.values.data() + c * voxels);
    if (version == 1) {
      add_histogram(sorted_values(channel), out);
      add_detail(channel, out);
    } else if (channels > 1) {
      add_moments(sorted_values(channel), out);
    }
    if (c == 0) continue;
    double difference = 0;
    for (std::size_t i = 0; i < voxels; ++i)
      difference += std::abs(static_cast<double>(channel.values[i]) - (channel.values - voxels)[i]);
    out.push_back(log_strength(difference / static_cast<double>(voxels)));
  }
  if (version == 1) add_blocks(prepared, out);
  return out;
}

double gate_distance(const ImageGate& gate, const std::vector<double>& features) {
  const std::size_t n = features.size();
  for (const ImageGate::Component& c : gate.components)
    if (c.mean.size() != n || c.whitening.size() != n * (n + 1) / 2)
      throw Error(ErrorCode::model_invalid,
                  "model.json: the gate does not have the " + std::to_string(n) + " features of the model's images");
  return mixture_distance(gate.components, features);
}

std::string gate_refusal(const ImageGate& gate, const GateScores& scores) {
  const auto told = [](const char* format, double value, double most) {
    char text[160];
    std::snprintf(text, sizeof text, format, value, most);
    return "not the kind of image that the model was trained on: " + std::string(text);
  };
  if (!(scores.distance <= gate.max_distance))
    return told("its statistics lie %.4g from theirs, beyond %.4g", scores.distance, gate.max_distance);
  if (gate.max_energy && scores.energy && !(*scores.energy <= *gate.max_energy))
    return told("the network's energy is %.4g, above %.4g", *scores.energy, *gate.max_energy);
  return "";
}

ImageGate fit_gate(const std::vector<std::vector<double>>& training, const std::vector<std::vector<double>>& held_out,
                   const std::vector<double>& energies, double quantile) {
  if (training.size() < 2 || held_out.empty() || !(quantile > 0 && quantile < 1))
    throw Error(ErrorCode::usage, "a gate needs two training images, one held out, and a quantile between 0 and 1");
  ImageGate gate;
  gate.components = fit_mixture(training);
  std::vector<double> distances;
  distances.reserve(held_out.size());
  for (const auto& features : held_out) distances.push_back(gate_distance(gate, features));
  gate.quantile = quantile;
  gate.max_distance = threshold(std::move(distances), quantile);
  if (!energies.empty()) gate.max_energy = threshold(energies, quantile);
  return gate;
}

nlohmann::json gate_json(const ImageGate& gate) {
  nlohmann::json j{{"features", "statistics/" + std::to_string(gate.statistics)},
                   {"max_distance", gate.max_distance},
                   {"quantile", gate.quantile}};
  for (const ImageGate::Component& c : gate.components)
    j["components"].push_back({{"weight", c.weight}, {"mean", c.mean}, {"whitening", c.whitening}});
  if (gate.max_energy) j["max_energy"] = *gate.max_energy;
  return j;
}

}  // namespace oncotome::engine
