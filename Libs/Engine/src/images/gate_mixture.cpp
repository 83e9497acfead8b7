// SPDX-License-Identifier: Apache-2.0
#include "gate_mixture.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "oncotome/core/draws.h"
#include "oncotome/core/parallel.h"

namespace oncotome::engine {
namespace {

using Component = ImageGate::Component;
using Row = std::vector<double>;

constexpr std::size_t kMostComponents = 4, kRowsPerFeature = 8;
constexpr std::size_t kMostRows = 20000;  // more say little that these do not
constexpr int kMeansRounds = 15, kMostRounds = 40;
constexpr double kLeastDeviation = 1e-2;  // of a feature; prepared values have a deviation of about 1
constexpr double kLeastVariance = 1e-2;   // of a feature within a component, of its variance in all

// The inverse of the lower triangle whose product with its transpose is `covariance`.
Row inverse_root(Row covariance, std::size_t n) {
  Row& root = covariance;
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j <= i; ++j) {
      double sum = root[i * n + j];
      for (std::size_t k = 0; k < j; ++k) sum -= root[i * n + k] * root[j * n + k];
      root[i * n + j] = i == j ? std::sqrt(sum) : sum / root[j * n + j];
    }
  Row out;
  Row inverse(n * n);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j <= i; ++j) {
      double sum = i == j ? 1 : 0;
      for (std::size_t k = j; k < i; ++k) sum -= root[i * n + k] * inverse[k * n + j];
      out.push_back(inverse[i * n + j] = sum / root[i * n + i]);
    }
  return out;
}

double squared_distance(const Component& component, const Row& features) {
  double squares = 0;
  const double* weight = component.whitening.data();
  for (std::size_t i = 0; i < features.size(); ++i) {
    double sum = 0;
    for (std::size_t j = 0; j <= i; ++j) sum += *weight++ * (features[j] - component.mean[j]);
    squares += sum * sum;
  }
  return squares;
}

// Logarithm of the density at its mean, but for what is the same of all.
double log_peak(const Component& component) {
  double sum = std::log(component.weight);
  for (std::size_t i = 0; i < component.mean.size(); ++i)
    sum += std::log(std::abs(component.whitening[i * (i + 3) / 2]));
  return sum;
}

double log_sum(const Row& logs) {
  const double greatest = *std::max_element(logs.begin(), logs.end());
  if (!std::isfinite(greatest)) return greatest;
  double sum = 0;
  for (const double log : logs) sum += std::exp(log - greatest);
  return greatest + std::log(sum);
}

double squared_between(const Row& a, const Row& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum;
}

/// Rows that have a mean of 0 and a deviation of 1, and what they had.
struct Standardized {
  std::vector<Row> rows;
  Row mean, deviation;

  explicit Standardized(const std::vector<Row>& all) {
    const std::size_t step = (all.size() + kMostRows - 1) / kMostRows;
    for (std::size_t i = 0; i < all.size(); i += step) rows.push_back(all[i]);
    const std::size_t p = rows[0].size();
    const auto n = static_cast<double>(rows.size());
    mean.assign(p, 0);
    deviation.assign(p, 0);
    for (const Row& row : rows)
      for (std::size_t i = 0; i < p; ++i) mean[i] += row[i] / n;
    for (const Row& row : rows)
      for (std::size_t i = 0; i < p; ++i) deviation[i] += (row[i] - mean[i]) * (row[i] - mean[i]) / (n - 1);
    for (double& d : deviation) d = std::sqrt(d + kLeastDeviation * kLeastDeviation);
    for (Row& row : rows)
      for (std::size_t i = 0; i < p; ++i) row[i] = (row[i] - mean[i]) / deviation[i];
  }
};

// The component of each row that k-means gives it, begun as k-means++ does (doi 10.5555/1283383.1283494).
std::vector<std::size_t> clustered(const std::vector<Row>& rows, std::size_t count) {
  Draws draws(1, Purpose::mixture, {});
  std::vector<Row> centers{rows[draws.index(rows.size())]};
  Row nearest(rows.size(), std::numeric_limits<double>::infinity());
  while (centers.size() < count) {
    double total = 0;
    for (std::size_t i = 0; i < rows.size(); ++i)
      total += nearest[i] = std::min(nearest[i], squared_between(rows[i], centers.back()));
    double left = draws.uniform() * total;
    std::size_t chosen = 0;
    while (chosen + 1 < rows.size() && (left -= nearest[chosen]) > 0) ++chosen;
    centers.push_back(rows[chosen]);
  }
  std::vector<std::size_t> of(rows.size(), 0);
  for (int round = 0; round < kMeansRounds && count > 1; ++round) {
    parallel_for(0, static_cast<std::int64_t>(rows.size()), [&](std::int64_t i) {
      const Row& row = rows[static_cast<std::size_t>(i)];
      std::size_t best = 0;
      for (std::size_t k = 1; k < count; ++k)
        if (squared_between(row, centers[k]) < squared_between(row, centers[best])) best = k;
      of[static_cast<std::size_t>(i)] = best;
    });
    for (std::size_t k = 0; k < count; ++k) {
      const auto members = static_cast<double>(std::count(of.begin(), of.end(), k));
      if (members == 0) continue;
      std::fill(centers[k].begin(), centers[k].end(), 0.0);
      for (std::size_t i = 0; i < rows.size(); ++i)
        for (std::size_t f = 0; of[i] == k && f < rows[i].size(); ++f) centers[k][f] += rows[i][f] / members;
    }
  }
  return of;
}

// Few rows say little of how features go together: what they say shrinks toward the features' own variances.
Component component_of(const std::vector<Row>& rows, const Row& shares) {
  const std::size_t p = rows[0].size();
  double count = 1e-9;
  for (const double share : shares) count += share;
  Component c;
  c.weight = count / static_cast<double>(rows.size());
  c.mean.assign(p, 0);
  for (std::size_t i = 0; i < rows.size(); ++i)
    for (std::size_t f = 0; f < p; ++f) c.mean[f] += shares[i] / count * rows[i][f];
  Row covariance(p * p), off(p);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (shares[i] < 1e-9) continue;
    for (std::size_t f = 0; f < p; ++f) off[f] = rows[i][f] - c.mean[f];
    for (std::size_t f = 0; f < p; ++f)
      for (std::size_t g = 0; g <= f; ++g) covariance[f * p + g] += shares[i] * off[f] * off[g];
  }
  for (double& sum : covariance) sum /= std::max(1.0, count - 1);
  const double kept = count / (count + static_cast<double>(p));
  for (std::size_t f = 0; f < p; ++f)
    for (std::size_t g = 0; g < f; ++g) covariance[g * p + f] = covariance[f * p + g] *= kept;
  for (std::size_t f = 0; f < p; ++f) covariance[f * p + f] += kLeastVariance;
  c.whitening = inverse_root(std::move(covariance), p);
  return c;
}

// Logarithms of each component's density at a row, but for what is the same of all.
Row log_densities(const std::vector<Component>& components, Row peaks, const Row& row) {
  for (std::size_t k = 0; k < peaks.size(); ++k) peaks[k] -= squared_distance(components[k], row) / 2;
  return peaks;
}

Row log_peaks(const std::vector<Component>& components) {
  Row peaks;
  for (const Component& c : components) peaks.push_back(log_peak(c));
  return peaks;
}

}  // namespace

std::vector<Component> fit_mixture(const std::vector<Row>& all) {
  Standardized data(all);
  const std::vector<Row>& rows = data.rows;
  const std::size_t p = rows[0].size();
  const std::size_t count = std::clamp<std::size_t>(rows.size() / (kRowsPerFeature * p), 1, kMostComponents);
  std::vector<Row> shares(count, Row(rows.size(), 0));  // [component][row]
  const std::vector<std::size_t> of = clustered(rows, count);
  for (std::size_t i = 0; i < rows.size(); ++i) shares[of[i]][i] = 1;
  std::vector<Component> components(count);
  double before = -std::numeric_limits<double>::infinity();
  for (int round = 0; round < (count > 1 ? kMostRounds : 1); ++round) {
    parallel_for(0, static_cast<std::int64_t>(count), [&](std::int64_t k) {
      components[static_cast<std::size_t>(k)] = component_of(rows, shares[static_cast<std::size_t>(k)]);
    });
    Row likelihoods(rows.size());
    const Row peaks = log_peaks(components);
    parallel_for(0, static_cast<std::int64_t>(rows.size()), [&](std::int64_t i) {
      const auto at = static_cast<std::size_t>(i);
      const Row logs = log_densities(components, peaks, rows[at]);
      likelihoods[at] = log_sum(logs);
      for (std::size_t k = 0; k < count; ++k) shares[k][at] = std::exp(logs[k] - likelihoods[at]);
    });
    double now = 0;
    for (const double likelihood : likelihoods) now += likelihood / static_cast<double>(rows.size());
    if (now - before < 1e-4) break;
    before = now;
  }
  for (Component& c : components) {
    for (std::size_t i = 0, at = 0; i < p; ++i)
      for (std::size_t j = 0; j <= i; ++j) c.whitening[at++] /= data.deviation[j];
    for (std::size_t i = 0; i < p; ++i) c.mean[i] = data.mean[i] + data.deviation[i] * c.mean[i];
  }
  return components;
}

double mixture_distance(const std::vector<Component>& components, const Row& features) {
  if (components.size() == 1) return std::sqrt(squared_distance(components[0], features));
  const Row peaks = log_peaks(components);
  return std::sqrt(std::max(0.0, 2 * (log_sum(peaks) - log_sum(log_densities(components, peaks, features)))));
}

}  // namespace oncotome::engine
