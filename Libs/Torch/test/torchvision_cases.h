// SPDX-License-Identifier: Apache-2.0
// Networks as Testing/Golden/make_torchvision_fixtures.py describes them, and its formula of their weights.
#pragma once

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>

#include "oncotome/core/json.h"
#include "oncotome/core/parallel.h"
#include "oncotome/engine/networks.h"
#include "oncotome/engine/noise.h"

namespace oncotome::engine {

/// A network of torchvision's and what else the fixture says of it.
struct Case {
  std::string name;
  NetworkConfig config;
  std::int64_t batch = 1;
  std::vector<std::pair<std::string, std::vector<std::int64_t>>> weights{};  ///< As torchvision has them.
  std::string layer{};                                                       ///< Of Grad-CAM.
  std::size_t target = 0;                                                    ///< The class that it is of.
};

inline std::vector<Case> read_cases(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::uint64_t size = 0;
  file.read(reinterpret_cast<char*>(&size), 8);
  std::string header(size, ' ');
  file.read(header.data(), static_cast<std::streamsize>(size));
  const auto text = nlohmann::json::parse(header).at("__metadata__").at("cases").get<std::string>();
  std::vector<Case> cases;
  for (const auto& j : nlohmann::json::parse(text)) {
    Case c;
    j.at("name").get_to(c.name);
    j.at("architecture").get_to(c.config.architecture);
    j.at("dimensions").get_to(c.config.dimensions);
    j.at("in_channels").get_to(c.config.in_channels);
    j.at("classes").get_to(c.config.classes);
    j.at("labels").get_to(c.config.labels);
    j.at("input_size").get_to(c.config.input_size);
    j.at("features").get_to(c.config.features);
    c.config.lesion_pooling = j.value("lesion_pooling", false);
    c.batch = j.value("batch", c.batch);
    c.layer = j.value("layer", c.layer);
    c.target = j.value("target", c.target);
    std::istringstream words(j.at("weights").get<std::string>());
    for (std::string word; words >> word;) {
      std::istringstream extents(word.substr(word.find(':') + 1));
      std::vector<std::int64_t> shape;
      for (std::string extent; std::getline(extents, extent, ',');) shape.push_back(std::stoll(extent));
      c.weights.emplace_back(word.substr(0, word.find(':')), shape);
    }
    cases.push_back(std::move(c));
  }
  return cases;
}

inline bool ends_with(const std::string& text, const std::string& tail) {
  return text.size() >= tail.size() && text.compare(text.size() - tail.size(), tail.size(), tail) == 0;
}

/// The values of the tensor of that name, which are not stored.
inline Tensor formula(const std::string& name, const std::vector<std::int64_t>& shape) {
  std::uint64_t stream = 0xCBF29CE484222325;
  for (const char c : name) stream = (stream ^ static_cast<unsigned char>(c)) * 0x100000001B3;
  const Noise noise(0, stream);
  Tensor t(shape);
  if (ends_with(name, ".num_batches_tracked")) return t;
  double middle = 0, range = 0.2;
  if (name == "input")
    range = 4;
  else if (shape.size() > 1)
    range = std::sqrt(24 / (static_cast<double>(t.values.size()) / static_cast<double>(shape[0])));
  else if (ends_with(name, ".running_var") || ends_with(name, ".weight"))
    middle = 1, range = 0.5;
  constexpr std::int64_t kRun = 1 << 16;
  const auto count = static_cast<std::int64_t>(t.values.size());
  oncotome::parallel_for(0, (count + kRun - 1) / kRun, [&](std::int64_t run) {
    for (std::int64_t i = run * kRun; i < std::min(count, (run + 1) * kRun); ++i)
      t.values[static_cast<std::size_t>(i)] =
          static_cast<float>(middle + range * (noise.even(static_cast<std::uint64_t>(i)) - 0.5));
  });
  return t;
}

inline Weights torchvision_weights(const Case& c) {
  Weights weights;
  for (const auto& [name, shape] : c.weights) weights.emplace(name, formula(name, shape));
  return weights;
}

/// What `c` takes, by the formula.
inline Tensor torchvision_input(const Case& c) {
  const Dhw& size = c.config.input_size;
  return formula("input", {c.batch, c.config.in_channels, size[0], size[1], size[2]});
}

}  // namespace oncotome::engine
