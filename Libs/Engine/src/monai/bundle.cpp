// SPDX-License-Identifier: Apache-2.0
#include "bundle.h"

#include <algorithm>
#include <filesystem>

#include "../class_labels.h"
#include "../package_json.h"
#include "oncotome/core/digest.h"
#include "oncotome/core/error.h"

namespace oncotome::engine::monai {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void invalid(const std::string& why) { throw Error(ErrorCode::model_invalid, "metadata.json: " + why); }
[[noreturn]] void unsupported(const std::string& why) {
  throw Error(ErrorCode::model_unsupported, "metadata.json: " + why);
}

bool is_file(const fs::path& path) {
  std::error_code ec;
  return fs::is_regular_file(path, ec);
}

/// Names of the one input's or output's channels, in order.
std::vector<std::string> channel_names(const Json& format, const char* side, std::string* modality) {
  if (!format.contains(side) || !format.at(side).is_object() || format.at(side).size() != 1)
    unsupported(std::string("the network must have one of its '") + side + "', and say what its channels are");
  const Json& j = *format.at(side).begin();
  const Json count = j.value("num_channels", Json());
  const Json named = j.value("channel_def", Json::object());
  if (!count.is_number_integer() || count < 1 || count > 255 || !named.is_object())
    invalid(std::string("'num_channels' or 'channel_def' of its '") + side + "' is not as it should be");
  if (modality != nullptr) *modality = j.value("modality", "");
  std::vector<std::string> names;
  for (int i = 0; i < count.get<int>(); ++i) {
    const auto found = named.find(std::to_string(i));
    if (found != named.end() && found->is_string())
      names.push_back(shown(found->get<std::string>()));
    else if (named.empty())
      names.push_back("channel " + std::to_string(i));
    else
      unsupported(std::string("'channel_def' of its '") + side + "' does not name channel " + std::to_string(i) +
                  ": channels that are no image are not known");
  }
  return names;
}

std::string modality_code(const std::string& name) {
  if (name == "CT" || name == "PT" || name == "MR") return name;
  if (name == "MRI") return "MR";
  if (name == "PET") return "PT";
  unsupported("the modality '" + shown(name) + "' is not known");
}

// The checkpoint that the bundle itself loads: the name stays within the folder "models".
std::string checkpoint(const Config& config) {
  if (!config.contains("checkpointloader")) return "model.pt";
  try {
    const Json loader = config.at("checkpointloader");
    const Json path = config.value(loader.is_object() ? loader.value("load_path", Json()) : Json());
    if (path.is_string()) return fs::path(path.get<std::string>()).filename().string();
  } catch (const Error& e) {
    if (e.code() != ErrorCode::model_unsupported) throw;
  }
  return "model.pt";
}

ModelPackage read(const fs::path& folder) {
  if (!is_file(folder / "configs" / "inference.json"))
    throw Error(ErrorCode::model_unsupported,
                "the MONAI bundle has no configs/inference.json; if it is written as YAML, convert it to JSON");
  const Json metadata = read_json(folder / "configs" / "metadata.json");
  const Config config(read_json(folder / "configs" / "inference.json"));
  ModelPackage p;
  p.folder = folder.string();
  std::string name = fs::absolute(folder).lexically_normal().filename().string();
  if (name.empty()) name = "bundle";
  p.name = shown(name);
  p.title = metadata.value("name", p.name);
  p.version = metadata.value("version", "");
  p.intended_use = metadata.value("intended_use", "not stated by the bundle");
  p.license = metadata.value("license", "not stated in metadata.json");
  p.origin = "MONAI bundle: " + metadata.value("authors", "unknown authors");

  const Json format = metadata.value("network_data_format", Json::object());
  std::string modality;
  const std::vector<std::string> inputs = channel_names(format, "inputs", &modality);
  const std::vector<std::string> outputs = channel_names(format, "outputs", nullptr);
  p.modality = modality_code(modality);
  p.region = {"38266002", "SCT", "Entire body"};
  for (const std::string& input : inputs) {
    ChannelSpec channel;
    channel.name = input;
    if (inputs.size() == 1) channel.aliases = {p.modality};
    p.channels.push_back(channel);
  }
  for (std::size_t i = 0; i < p.channels.size(); ++i)
    if (p.channel_index(p.channels[i].name) != i) invalid("two channels have the same name");

  MonaiInference inference;
  const auto in = static_cast<std::int64_t>(inputs.size()), out = static_cast<std::int64_t>(outputs.size());
  const fs::path script = folder / "models" / "model.ts";
  const std::string weights = checkpoint(config);
  const bool has_weights = is_file(folder / "models" / weights), has_script = is_file(script);
  // What the bundle asks for is judged before what it lacks.
  inference.network = read_network(config, in, out, has_script);
  inference.preparation = read_preparation(config, in, inference.summary);
  inference.window = read_window(config);
  inference.finish = read_finish(config, out);
  if (!has_weights && has_script) inference.network.architecture = Script{};
  const bool scripted = std::holds_alternative<Script>(inference.network.architecture);
  if (!scripted && !has_weights)
    throw Error(ErrorCode::weights_invalid, "the MONAI bundle holds neither models/" + shown(weights) +
                                                " nor models/model.ts; its large_files.yml tells where they are");
  p.weights_file = scripted ? "models/model.ts" : "models/" + weights;
  p.weights_sha256 = sha256_hex_of_file((folder / p.weights_file).string());

  std::vector<std::pair<std::uint8_t, std::string>> labels;
  const auto chosen = std::find_if(inference.finish.begin(), inference.finish.end(),
                                   [](const Finish& f) { return std::holds_alternative<Choose>(f); });
  if (chosen != inference.finish.end())
    for (const auto& [channel, value] : std::get<Choose>(*chosen).cases) labels.emplace_back(value, outputs[channel]);
  else if (outputs.size() == 1)
    labels.emplace_back(1, outputs[0]);
  else
    for (std::size_t k = 1; k < outputs.size(); ++k) labels.emplace_back(static_cast<std::uint8_t>(k), outputs[k]);
  std::sort(labels.begin(), labels.end());
  for (const auto& [value, label] : labels)
    if (value != 0 && (p.labels.empty() || p.labels.back().value != value)) p.labels.push_back(label_of(value, label));
  p.inference = std::move(inference);
  return p;
}

}  // namespace

bool is_bundle(const std::string& folder) {
  const fs::path configs = fs::path(folder) / "configs";
  return is_file(configs / "metadata.json") || is_file(configs / "inference.json") ||
         is_file(configs / "inference.yaml");
}

ModelPackage read_bundle(const std::string& folder) {
  try {
    return read(folder);
  } catch (const Json::exception& e) {
    throw Error(ErrorCode::model_invalid, std::string("the MONAI bundle's configuration: ") + e.what());
  }
}

}  // namespace oncotome::engine::monai
