// SPDX-License-Identifier: Apache-2.0
#include "oncotome/engine/calibration.h"

#include <algorithm>
#include <cmath>

#include "oncotome/core/error.h"

namespace oncotome::engine {
namespace {

void check_truth(const std::vector<std::vector<double>>& rows, const std::vector<std::size_t>& truth) {
  bool fits = !rows.empty() && rows.size() == truth.size();
  for (std::size_t i = 0; fits && i < rows.size(); ++i) fits = truth[i] < rows[i].size();
  if (!fits) throw Error(ErrorCode::usage, "calibration needs a true class for each image, and one image at least");
}

}  // namespace

std::vector<double> softmax(const std::vector<double>& logits, double temperature) {
  const double greatest = *std::max_element(logits.begin(), logits.end());
  std::vector<double> out;
  double total = 0;
  for (const double logit : logits) total += out.emplace_back(std::exp((logit - greatest) / temperature));
  for (double& p : out) p /= total;
  return out;
}

double entropy(const std::vector<double>& probabilities) {
  double sum = 0;
  for (const double p : probabilities)
    if (p > 0) sum -= p * std::log(p);
  return sum;
}

std::vector<float> label_entropies(const std::vector<float>& sums, std::size_t voxels) {
  std::vector<float> out(voxels);
  std::vector<double> p(sums.size() / voxels);
  for (std::size_t i = 0; i < voxels; ++i) {
    double total = 0;
    for (std::size_t k = 0; k < p.size(); ++k) total += p[k] = std::max(0.0, static_cast<double>(sums[k * voxels + i]));
    for (double& share : p) share /= total;
    out[i] = total > 0 ? static_cast<float>(entropy(p)) : 0.0F;
  }
  return out;
}

double energy(const std::vector<double>& logits) {
  const double greatest = *std::max_element(logits.begin(), logits.end());
  double total = 0;
  for (const double logit : logits) total += std::exp(logit - greatest);
  return -greatest - std::log(total);
}

double fit_temperature(const std::vector<std::vector<double>>& logits, const std::vector<std::size_t>& truth) {
  check_truth(logits, truth);
  // The likelihood is concave in 1 / temperature; its slope is the true logits less their expectation.
  const auto slope = [&](double temperature) {
    double sum = 0;
    for (std::size_t i = 0; i < logits.size(); ++i) {
      const std::vector<double> p = softmax(logits[i], temperature);
      sum += logits[i][truth[i]];
      for (std::size_t k = 0; k < p.size(); ++k) sum -= p[k] * logits[i][k];
    }
    return sum;
  };
  double low = 0.05, high = 20;
  for (int step = 0; step < 60; ++step) {
    const double middle = std::sqrt(low * high);
    (slope(middle) >= 0 ? high : low) = middle;
  }
  return std::sqrt(low * high);
}

Reliability reliability(const std::vector<double>& confidences, const std::vector<bool>& right,
                        const std::vector<double>& weights, std::size_t bins) {
  Reliability out;
  const auto count = static_cast<double>(bins);
  for (std::size_t b = 0; b < bins; ++b)
    out.bins.push_back({static_cast<double>(b) / count, static_cast<double>(b + 1) / count});
  std::vector<double> in_bin(bins);
  double all = 0;
  for (std::size_t i = 0; i < confidences.size(); ++i) {
    const double place = std::ceil(confidences[i] * count) - 1;
    const auto b = static_cast<std::size_t>(std::clamp(place, 0.0, count - 1));
    in_bin[b] += weights[i];
    all += weights[i];
    out.bins[b].confidence += weights[i] * confidences[i];
    out.bins[b].accuracy += right[i] ? weights[i] : 0;
  }
  for (std::size_t b = 0; b < bins; ++b) {
    if (in_bin[b] == 0) continue;
    ReliabilityBin& bin = out.bins[b];
    bin.count = static_cast<std::size_t>(std::llround(in_bin[b]));
    bin.confidence /= in_bin[b];
    bin.accuracy /= in_bin[b];
    const double error = std::abs(bin.accuracy - bin.confidence);
    out.expected_error += error * in_bin[b] / all;
    out.maximum_error = std::max(out.maximum_error, error);
  }
  return out;
}

Reliability reliability(const std::vector<std::vector<double>>& probabilities, const std::vector<std::size_t>& truth,
                        std::size_t bins) {
  check_truth(probabilities, truth);
  std::vector<double> confidences;
  std::vector<bool> right;
  for (std::size_t i = 0; i < truth.size(); ++i) {
    const auto best = std::max_element(probabilities[i].begin(), probabilities[i].end());
    confidences.push_back(*best);
    right.push_back(best - probabilities[i].begin() == static_cast<std::ptrdiff_t>(truth[i]));
  }
  return reliability(confidences, right, std::vector<double>(truth.size(), 1), bins);
}

}  // namespace oncotome::engine
