// SPDX-License-Identifier: Apache-2.0
#include "oncotome/engine/explanation.h"

#include <algorithm>

#include "oncotome/core/error.h"
#include "oncotome/engine/layer_names.h"

namespace oncotome::engine {
namespace {

/// From the least to the greatest value becomes 0 to 1.
void stretch(std::vector<float>& values) {
  const auto [least, greatest] = std::minmax_element(values.begin(), values.end());
  const float low = *least;
  const double width = 1e-7 + static_cast<double>(*greatest - low);
  for (float& value : values) value = static_cast<float>((value - low) / width);
}

}  // namespace

Tensor grad_cam(const Derivative& derivative, int from, int logits, std::size_t k) {
  Tensor wanted(derivative.value(logits).shape);
  wanted.values[k] = 1;
  const Tensor features = derivative.value(from), slopes = derivative.gradient(logits, wanted);
  const std::vector<std::int64_t>& shape = features.shape;
  Tensor cam({1, 1, shape[2], shape[3], shape[4]});
  const std::size_t voxels = cam.values.size();
  std::vector<double> sums(voxels, 0.0);
  for (std::size_t first = 0; first < features.values.size(); first += voxels) {
    double weight = 0;
    for (std::size_t i = 0; i < voxels; ++i) weight += slopes.values[first + i];
    weight /= static_cast<double>(voxels);
    for (std::size_t i = 0; i < voxels; ++i) sums[i] += weight * features.values[first + i];
  }
  for (std::size_t i = 0; i < voxels; ++i) cam.values[i] = static_cast<float>(std::max(0.0, sums[i]));
  return cam;
}

Tensor heat_map(const Tensor& cam, const Dhw& size) {
  Tensor map = cam;
  stretch(map.values);
  map = resize_image(map, size);
  stretch(map.values);
  return map;
}

Explainer::Explainer(const ModelPackage& package, const std::string& layer, Device device, int threads)
    : inference_(image_inference(package)) {
  if (inference_.classes.empty())
    throw Error(ErrorCode::usage, "this model labels voxels and knows no classes, so there is none to explain");
  const NetworkConfig& config = inference_.network;
  Weights weights = read_package_weights(package);
  fit_network_weights(config, weights);
  const Graph graph = inference_graph(build_network(config), weights);
  check_weights(graph, weights, config.in_channels);

  const NodeShape input{config.in_channels, config.input_size};
  const std::vector<std::string> names = layer_names(graph);
  logits_ = graph.output_nodes().back();
  const int last = layer_before_head(graph, input, logits_);
  layer_ = layer.empty() ? last : find_layer(names, layer);
  name_ = names[static_cast<std::size_t>(layer_)];
  if (layer_ > last)
    throw Error(ErrorCode::usage, "layer '" + name_ + "' does not lie before the head; the last that does is '" +
                                      names[static_cast<std::size_t>(last)] + "'");
  const auto first =
      std::find_if(graph.nodes.begin(), graph.nodes.end(), [](const Node& n) { return n.op == Op::conv; });
  filters_ = weights.at(first->weight);
  backend_ = load_torch_backend(device, threads);
  network_ = backend_->compile(graph, weights);
}

Explainer::Explanation Explainer::explain(const Tensor& raw, std::size_t k, const Job& job) const {
  const Dhw& size = inference_.network.input_size;
  const Tensor input = prepare_image(inference_.image, size, raw);
  const auto derivative = network_->differentiate(input, {layer_, {logits_}}, job);
  const Tensor heat = heat_map(grad_cam(*derivative, layer_, logits_, k), size);
  return {derivative->value(layer_), on_image_grid(inference_, heat, raw, {0})};
}

}  // namespace oncotome::engine
