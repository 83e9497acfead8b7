// SPDX-License-Identifier: Apache-2.0
#include "oncotome/engine/effective_field.h"

#include <cmath>
#include <numeric>

#include "oncotome/engine/backend.h"
#include "oncotome/engine/layer_names.h"
#include "oncotome/engine/noise.h"

namespace oncotome::engine {
namespace {

constexpr std::int64_t kImages = 4;
constexpr double kCut = 0.02275;

/// How far from the first of `shares` on the cut goes.
template <class Iterator>
double reach_of(Iterator first, Iterator last, double cut) {
  double voxels = 0;
  for (; first != last && *first <= cut; ++first, ++voxels) cut -= *first;
  return first == last ? voxels : voxels + cut / *first;
}

double middle_part(const std::vector<double>& shares) {
  const double total = std::accumulate(shares.begin(), shares.end(), 0.0);
  if (total == 0) return 0;
  return static_cast<double>(shares.size()) - reach_of(shares.begin(), shares.end(), kCut * total) -
         reach_of(shares.rbegin(), shares.rend(), kCut * total);
}

FieldExtent extent_of(const Tensor& gradient) {
  const std::vector<std::int64_t>& shape = gradient.shape;
  std::array<std::vector<double>, 3> shares;
  for (std::size_t a = 0; a < 3; ++a) shares[a].assign(static_cast<std::size_t>(shape[a + 2]), 0.0);
  const float* value = gradient.values.data();
  for (std::int64_t image = 0; image < shape[0] * shape[1]; ++image)
    for (double& along_d : shares[0])
      for (double& along_h : shares[1])
        for (double& along_w : shares[2]) {
          const double share = std::abs(static_cast<double>(*value++));
          along_d += share;
          along_h += share;
          along_w += share;
        }
  return {middle_part(shares[0]), middle_part(shares[1]), middle_part(shares[2])};
}

/// 1 in every channel of the middle voxel.
Tensor middle_of(const NodeShape& shape) {
  const Dhw& n = shape.extent;
  Tensor out({kImages, shape.channels, n[0], n[1], n[2]});
  const std::int64_t voxels = n[0] * n[1] * n[2], middle = (n[0] / 2 * n[1] + n[1] / 2) * n[2] + n[2] / 2;
  for (std::int64_t c = 0; c < kImages * shape.channels; ++c)
    out.values[static_cast<std::size_t>(c * voxels + middle)] = 1;
  return out;
}

}  // namespace

std::map<std::string, FieldExtent> effective_fields(const Graph& graph, const Weights& weights, const NodeShape& input,
                                                    int threads, const Job& job) {
  const std::vector<NodeShape> shapes = node_shapes(graph, input);
  const std::vector<std::string> names = layer_names(graph);
  Tensor noise({kImages, input.channels, input.extent[0], input.extent[1], input.extent[2]});
  const Noise normal(0, 0);
  for (std::size_t i = 0; i < noise.values.size(); ++i) noise.values[i] = normal(i);
  Differentiation wanted{0, std::vector<int>(graph.nodes.size()), true};
  std::iota(wanted.of.begin(), wanted.of.end(), 0);

  const auto backend = load_torch_backend(Device::cpu, threads);
  const auto network = backend->compile(graph, weights);
  const auto derivative = network->differentiate(noise, wanted, job);
  std::map<std::string, FieldExtent> fields;
  for (std::size_t i = 0; i < names.size(); ++i) {
    job.report("effective fields", static_cast<double>(i) / static_cast<double>(names.size()));
    fields[names[i]] = extent_of(derivative->gradient(static_cast<int>(i), middle_of(shapes[i])));
  }
  return fields;
}

}  // namespace oncotome::engine
