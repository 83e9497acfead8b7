// SPDX-License-Identifier: Apache-2.0
#include "package.h"

#include <array>
#include <fstream>
#include <limits>

#include "oncotome/core/digest.h"
#include "oncotome/core/error.h"
#include "oncotome/engine/model_package.h"
#include "oncotome/engine/safetensors.h"

namespace oncotome::training {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

json default_input(const Config& config) {
  json channels = json::array();
  for (std::int64_t c = 0; c < config.network.in_channels; ++c)
    channels.push_back({{"name", config.network.in_channels == 1 ? "image" : "channel " + std::to_string(c + 1)}});
  if (config.network.in_channels == 3)
    for (std::size_t c = 0; c < 3; ++c) channels[c]["name"] = std::array<const char*, 3>{"red", "green", "blue"}[c];
  return {{"modality", "OT"},
          {"region", {{"value", "38266002"}, {"scheme", "SCT"}, {"meaning", "Entire body"}}},
          {"channels", channels}};
}

ordered_json model_json(const Config& config, const Samples& samples, const Outcome& outcome,
                        const std::string& digest) {
  ordered_json j;
  j["schema"] = "oncotome.model/1";
  j["name"] = config.name;
  j["title"] = config.title;
  j["version"] = config.version;
  j["intended_use"] = config.intended_use;
  j["license"] = config.license;
  j["origin"] = config.origin;
  j["weights"] = {{"file", "weights.safetensors"}, {"sha256", digest}};
  j["input"] = config.input.is_null() ? default_input(config) : config.input;
  const engine::NetworkConfig& n = config.network;
  j["network"] = {{"architecture", n.architecture}, {"dimensions", n.dimensions}, {"in_channels", n.in_channels},
                  {"classes", n.classes},           {"labels", n.labels},         {"input_size", n.input_size}};
  if (!n.features.empty()) j["network"]["features"] = n.features;
  if (n.lesion_pooling) j["network"]["lesion_pooling"] = true;
  if (n.labels > 0) j["network"]["class_labels"] = config.class_labels;
  j["image"] = config.image_json;
  if (n.classes > 0) {
    if (config.classes.is_array())
      j["classes"] = config.classes;
    else
      for (const std::string& name : samples.classes) j["classes"].push_back({{"name", name}});
    j["calibration"] = {{"temperature", outcome.temperature}};
  }
  if (!config.mirrors.empty()) j["mirrors"] = config.mirrors;
  if (!outcome.gate.is_null()) j["gate"] = outcome.gate;
  if (n.labels > 0) {
    j["labels"] = config.labels;
    j["lesion"] = {{"min_volume_mm3", config.min_lesion_mm3}, {"decision", config.label_decision}};
  }
  return j;
}

std::vector<Curve> curves_of(const std::vector<json>& history) {
  std::vector<Curve> curves;
  const auto add = [&](const char* figure, const char* name, const char* key) {
    Curve curve{figure, name, {}};
    bool any = false;
    for (const json& line : history) {
      const bool there = line.at(key).is_number();
      curve.values.push_back(there ? line.at(key).get<double>() : std::numeric_limits<double>::quiet_NaN());
      any = any || there;
    }
    if (any) curves.push_back(std::move(curve));
  };
  add("Loss", "training", "train_loss");
  add("Loss", "validation", "validation_loss");
  add("Validation", "accuracy", "accuracy");
  add("Validation", "AUC", "auc");
  add("Validation", "Dice", "dice");
  add("Learning rate", "learning rate", "learning_rate");
  return curves;
}

}  // namespace

void write_text(const std::filesystem::path& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  if (!file) throw Error(ErrorCode::output_unwritable, "cannot write a result; check the free space");
}

void write_package(const std::filesystem::path& folder, const Config& config, const Samples& samples,
                   const Outcome& outcome, const Request& request) {
  const std::filesystem::path weights = folder / "weights.safetensors";
  engine::write_safetensors(weights.string(), outcome.weights, {});
  const std::string text = model_json(config, samples, outcome, sha256_hex_of_file(weights.string())).dump(2) + "\n";
  engine::parse_model_package(text, folder.string());
  write_text(folder / "model.json", text);
  std::string lines;
  for (const json& line : outcome.history) lines += line.dump() + "\n";
  write_text(folder / "metrics.jsonl", lines);
  write_text(folder / "training.json", config.json.dump(2) + "\n");
  write_text(folder / "README.md", model_card(config, samples, outcome));
  if (request.draw_curves) request.draw_curves((folder / "curves.png").string(), curves_of(outcome.history));
  if (request.draw_reliability && !outcome.diagrams.empty())
    request.draw_reliability((folder / "reliability.png").string(), outcome.diagrams);
}

}  // namespace oncotome::training
