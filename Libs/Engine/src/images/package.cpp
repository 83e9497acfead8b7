// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <set>

#include "../package_json.h"

namespace oncotome::engine {
namespace {

using nlohmann::json;
using Range = ImagePreparation::Range;

std::optional<Range> read_range(const json& j, const char* key) {
  if (!j.contains(key)) return std::nullopt;
  const auto range = j.at(key).get<Range>();
  if (!(range.first < range.second)) invalid_package(std::string(key) + " must be two rising numbers");
  return range;
}

std::optional<double> read_crop_margin(const json& image) {
  if (!image.contains("crop_margin_mm")) return std::nullopt;
  const auto margin = image.at("crop_margin_mm").get<double>();
  if (!(margin >= 0 && margin <= 1000)) invalid_package("crop_margin_mm must lie between 0 and 1000");
  return margin;
}

ImagePreparation read_image(const json& j, std::int64_t channels) {
  ImagePreparation p;
  const auto resize = j.at("resize").get<std::string>();
  if (resize != "squash" && resize != "pad")
    throw Error(ErrorCode::model_unsupported, "model.json asks for a resize that is not known: '" + resize + "'");
  p.resize = resize == "pad" ? ImagePreparation::Resize::pad : ImagePreparation::Resize::squash;
  p.rescale = read_range(j, "rescale");
  p.percentiles = read_range(j, "percentiles");
  if (p.rescale.has_value() == p.percentiles.has_value())
    invalid_package("an image is prepared by one of rescale and percentiles");
  if (p.percentiles && !(p.percentiles->first >= 0 && p.percentiles->second <= 1))
    invalid_package("percentiles must lie between 0 and 1");
  if (j.contains("crop_above")) p.crop_above = j.at("crop_above").get<double>();
  p.equalize = j.value("equalize", 0.0);
  if (!(p.equalize >= 0 && p.equalize <= 1)) invalid_package("equalize must lie between 0 and 1");
  p.mean = j.at("mean").get<std::vector<double>>();
  p.std = j.at("std").get<std::vector<double>>();
  if (static_cast<std::int64_t>(p.mean.size()) != channels || p.std.size() != p.mean.size())
    invalid_package("mean and std must have one number per channel");
  // Of values from 0 to 1; a float must hold what comes of them.
  for (std::size_t c = 0; c < p.mean.size(); ++c)
    if (!(std::abs(p.mean[c]) <= 1e6 && p.std[c] >= 1e-6))
      invalid_package("mean must lie between -1e6 and 1e6, and std be at least 1e-6");
  // A training only prepares images, and shall not learn of these at its end.
  read_crop_margin(j);
  read_range(j, "picture_range");
  return p;
}

NetworkConfig read_config(const json& j) {
  NetworkConfig c;
  c.architecture = j.at("architecture").get<std::string>();
  c.dimensions = j.at("dimensions").get<int>();
  c.in_channels = j.at("in_channels").get<std::int64_t>();
  c.classes = j.at("classes").get<std::int64_t>();
  c.labels = j.at("labels").get<std::int64_t>();
  c.input_size = j.at("input_size").get<Dhw>();
  c.features = j.value("features", std::vector<std::int64_t>{});
  c.lesion_pooling = j.value("lesion_pooling", false);
  return c;
}

std::vector<ClassLabel> read_classes(const json& j) {
  std::vector<ClassLabel> classes;
  std::set<std::string> seen;
  for (const json& item : j) {
    ClassLabel c;
    c.name = item.at("name").get<std::string>();
    if (c.name.empty() || !seen.insert(c.name).second) invalid_package("classes must have names, each its own");
    if (item.contains("code")) c.code = read_code(item.at("code"));
    classes.push_back(std::move(c));
  }
  return classes;
}

ImageGate read_gate(const json& j) {
  const auto features = j.at("features").get<std::string>();
  if (features != "statistics/1" && features != "statistics/2")
    throw Error(ErrorCode::model_unsupported, "model.json asks for a gate that is not known: '" + features + "'");
  ImageGate gate;
  gate.statistics = features == "statistics/1" ? 1 : 2;
  const auto component = [](const json& of) {
    return ImageGate::Component{of.value("weight", 1.0), of.at("mean").get<std::vector<double>>(),
                                of.at("whitening").get<std::vector<double>>()};
  };
  if (j.contains("mean")) gate.components.push_back(component(j));  // of before there were several
  for (const json& item : j.value("components", json::array())) gate.components.push_back(component(item));
  if (gate.components.empty()) invalid_package("the gate has no components");
  for (const ImageGate::Component& c : gate.components)
    if (!(c.weight > 0)) invalid_package("the weights of the gate's components must lie above 0");
  gate.max_distance = j.at("max_distance").get<double>();
  gate.quantile = j.at("quantile").get<double>();
  if (j.contains("max_energy")) gate.max_energy = j.at("max_energy").get<double>();
  return gate;
}

}  // namespace

LabelDecision read_label_decision(const std::string& name) {
  if (name == "most_probable") return LabelDecision::most_probable;
  if (name == "expected_dice") return LabelDecision::expected_dice;
  throw Error(ErrorCode::model_unsupported, "model.json asks for a decision that is not known: '" + name + "'");
}

ImagePreparation read_image_preparation(const json& image, std::int64_t channels) {
  try {
    return read_image(image, channels);
  } catch (const json::exception& e) {
    invalid_package(std::string("a field of the image is missing or has the wrong type: ") + e.what());
  }
}

ImageInference read_image_inference(const json& j, const ModelPackage& package) {
  ImageInference i;
  i.network = read_config(j.at("network"));
  if (i.network.in_channels != static_cast<std::int64_t>(package.channels.size()))
    invalid_package("in_channels differs from the number of input channels");
  build_network(i.network);
  i.image = read_image_preparation(j.at("image"), i.network.in_channels);
  i.picture_range = read_range(j.at("image"), "picture_range");
  i.crop_margin_mm = read_crop_margin(j.at("image"));
  i.classes = read_classes(j.value("classes", json::array()));
  if (static_cast<std::int64_t>(i.classes.size()) != i.network.classes)
    invalid_package("classes must name one class per output of the network");
  if (j.contains("calibration")) i.temperature = j.at("calibration").at("temperature").get<double>();
  if (!(i.temperature > 0)) invalid_package("the temperature must lie above 0");
  static const std::string kAxes = "DHW";
  for (const json& axis : j.value("mirrors", json::array())) {
    const std::size_t at = kAxes.find(axis.get<std::string>());
    if (axis.get<std::string>().size() != 1 || at == std::string::npos ||
        std::count(i.mirror_axes.begin(), i.mirror_axes.end(), static_cast<int>(at)) > 0)
      invalid_package("mirrors must be of D, H and W, each once");
    i.mirror_axes.push_back(static_cast<int>(at));
  }
  if (i.network.labels > 0) i.class_labels = read_class_labels(j.at("network"), i.network.labels);
  i.decision = read_label_decision(j.value("lesion", json::object()).value("decision", "most_probable"));
  if (j.contains("gate")) {
    i.gate = read_gate(j.at("gate"));
    // Images of every size have as many features.
    gate_distance(*i.gate, gate_features(Tensor({1, i.network.in_channels, 1, 1, 1}), i.gate->statistics));
  }
  return i;
}

}  // namespace oncotome::engine
