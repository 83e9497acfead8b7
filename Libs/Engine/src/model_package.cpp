// SPDX-License-Identifier: Apache-2.0
#include "oncotome/engine/model_package.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>

#include "monai/bundle.h"
#include "nnunet/package.h"
#include "oncotome/core/digest.h"
#include "oncotome/core/error.h"
#include "oncotome/core/json.h"
#include "oncotome/engine/safetensors.h"
#include "package_json.h"
#include "total_segmentator/package.h"

namespace oncotome::engine {
namespace {

using nlohmann::json;

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

// std::regex tries nested repetitions in exponentially many ways, recurses once per copy of what may be empty, and
// begins to look ahead anew at every character.
bool is_tame(const std::string& pattern) {
  for (const char* repeated : {")*", ")+", "){", "?{", "*{", "+{", "}{"})
    if (pattern.find(repeated) != std::string::npos) return false;
  int ahead = 0;
  for (std::size_t i = 0; i + 2 < pattern.size(); ++i)
    ahead += pattern.compare(i, 3, "(?=") == 0 || pattern.compare(i, 3, "(?!") == 0;
  return pattern.size() <= 512 && ahead <= 2 && std::count(pattern.begin(), pattern.end(), '(') <= 32 &&
         std::count(pattern.begin(), pattern.end(), '*') <= 12;
}

bool finds(const std::string& pattern, const std::string& text) {
  auto syntax = std::regex::ECMAScript | std::regex::icase;
#ifdef __GLIBCXX__
  syntax |= std::regex_constants::__polynomial;  // all ways at once, where it would try one after the other
#endif
  return std::regex_search(text.substr(0, 256), std::regex(pattern, syntax));
}

std::optional<ChannelRule::Range> read_range(const json& j, const char* key) {
  if (!j.contains(key) || j.at(key).is_null()) return std::nullopt;
  return j.at(key).get<ChannelRule::Range>();
}

ChannelRule read_rule(const json& j) {
  ChannelRule rule;
  rule.description = j.value("description", "");
  rule.not_description = j.value("not_description", "");
  if (j.contains("contrast")) rule.contrast = j.at("contrast").get<bool>();
  rule.repetition_time_ms = read_range(j, "repetition_time_ms");
  rule.echo_time_ms = read_range(j, "echo_time_ms");
  rule.inversion_time_ms = read_range(j, "inversion_time_ms");
  rule.without_inversion_time = j.contains("inversion_time_ms") && j.at("inversion_time_ms").is_null();
  for (const std::string& pattern : {rule.description, rule.not_description}) {
    if (!is_tame(pattern)) invalid_package("a pattern is too long or too deep, or repeats a group");
    try {
      finds(pattern, "");
    } catch (const std::regex_error&) {
      invalid_package("'" + pattern + "' is no regular expression");
    }
  }
  return rule;
}

std::vector<Label> read_labels(const json& j) {
  std::vector<Label> labels;
  std::set<int> seen{0};
  for (const json& item : j) {
    Label label;
    const int value = item.at("value").get<int>();
    if (value < 1 || value > 255 || !seen.insert(value).second)
      invalid_package("label values must be 1 to 255, each once");
    label.value = static_cast<std::uint8_t>(value);
    label.name = item.at("name").get<std::string>();
    label.category = read_code(item.at("category"));
    label.type = read_code(item.at("type"));
    const auto color = item.at("color").get<std::vector<std::uint8_t>>();
    if (color.size() != 3) invalid_package("a color has three values");
    std::copy(color.begin(), color.end(), label.color_rgb.begin());
    label.lesion = item.at("lesion").get<bool>();
    labels.push_back(std::move(label));
  }
  if (labels.empty()) invalid_package("it names no label");
  return labels;
}

// A class or a region of a label that has no entry would be lost on the way to the report.
void check_label_values(const ModelPackage& p) {
  std::vector<std::uint8_t> used;
  if (const auto* tiles = p.tiled())
    used.assign(tiles->class_labels.begin() + 1, tiles->class_labels.end());
  else if (const auto* meshnet = std::get_if<MeshNetInference>(&p.inference))
    used.assign(meshnet->class_labels.begin() + 1, meshnet->class_labels.end());
  else if (std::holds_alternative<MsnetCascadeInference>(p.inference))
    used = {1, 2, 4};
  else if (const auto* image = std::get_if<ImageInference>(&p.inference); image && !image->class_labels.empty())
    used.assign(image->class_labels.begin() + 1, image->class_labels.end());
  for (const Region& region : p.regions) used.insert(used.end(), region.labels.begin(), region.labels.end());
  for (std::uint8_t value : used)
    if (std::none_of(p.labels.begin(), p.labels.end(), [&](const Label& l) { return l.value == value; }))
      invalid_package("label " + std::to_string(value) + " is used but not among the labels");
}

ModelPackage parse(const json& j, const std::string& folder) {
  const auto schema = j.at("schema").get<std::string>();
  if (schema != "oncotome.model/1")
    throw Error(ErrorCode::model_unsupported,
                "model.json has schema '" + schema + "'; this version reads oncotome.model/1");
  ModelPackage p = read_description(j);
  p.folder = folder;
  p.weights_file = j.at("weights").at("file").get<std::string>();
  p.weights_sha256 = j.at("weights").at("sha256").get<std::string>();
  if (p.weights_file.empty() || std::filesystem::path(p.weights_file).filename() != p.weights_file)
    invalid_package("the weights file must lie beside it");
  if (j.contains("image")) {
    if (!j.value("preparation", json::array()).empty())
      invalid_package("a package for images has 'image' instead of a preparation");
    p.inference = read_image_inference(j, p);
  } else {
    p.preparation = read_preparation(j.at("preparation"), p);
    p.inference = read_network(j.at("network"), p);
  }
  check_label_values(p);
  return p;
}

bool within(const std::optional<double>& value, const std::optional<ChannelRule::Range>& range) {
  return !range || (value && *value >= range->first && *value <= range->second);
}

}  // namespace

ModelPackage read_description(const json& j) {
  ModelPackage p;
  p.name = j.at("name").get<std::string>();
  p.title = j.at("title").get<std::string>();
  p.version = j.at("version").get<std::string>();
  p.intended_use = j.at("intended_use").get<std::string>();
  p.license = j.at("license").get<std::string>();
  p.origin = j.at("origin").get<std::string>();
  const json& input = j.at("input");
  p.modality = input.at("modality").get<std::string>();
  p.region = read_code(input.at("region"));
  for (const json& item : input.at("channels")) {
    ChannelSpec channel;
    channel.name = item.at("name").get<std::string>();
    channel.aliases = item.value("aliases", std::vector<std::string>{});
    for (const json& rule : item.value("find", json::array())) channel.rules.push_back(read_rule(rule));
    p.channels.push_back(std::move(channel));
  }
  if (p.channels.empty()) invalid_package("it names no input channel");
  for (std::size_t i = 0; i < p.channels.size(); ++i)
    if (p.channel_index(p.channels[i].name) != i) invalid_package("two channels have the same name");
  p.reference_channel = p.channel_index(input.value("reference_channel", p.channels[0].name));
  p.display_channel = p.channel_index(input.value("display_channel", p.channels[p.reference_channel].name));
  // What gives images a class alone has neither labels nor lesions.
  const bool has_labels = !j.contains("image") || j.contains("labels");
  if (has_labels) p.labels = read_labels(j.at("labels"));
  for (const json& region : j.value("regions", json::array()))
    p.regions.push_back({region.at("name").get<std::string>(), region.at("labels").get<std::vector<std::uint8_t>>()});
  if (has_labels) p.lesion_min_volume_mm3 = j.at("lesion").at("min_volume_mm3").get<double>();
  return p;
}

Code read_code(const json& j) {
  return {j.at("value").get<std::string>(), j.at("scheme").get<std::string>(), j.at("meaning").get<std::string>()};
}

void invalid_package(const std::string& why) { throw Error(ErrorCode::model_invalid, "model.json: " + why); }

std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error(ErrorCode::model_invalid, path.filename().string() + ": it cannot be read");
  std::string text;
  char part[1 << 14];
  while (text.size() <= kLargestJson && (file.read(part, sizeof part), file.gcount() > 0))
    text.append(part, static_cast<std::size_t>(file.gcount()));
  return text;
}

nlohmann::ordered_json read_json(const std::filesystem::path& path) {
  return parse_object<nlohmann::ordered_json>(read_text(path), path.filename().string());
}

bool ChannelRule::matches(const SeriesTraits& traits) const {
  if (!description.empty() && !finds(description, traits.description)) return false;
  if (!not_description.empty() && finds(not_description, traits.description)) return false;
  if (contrast && *contrast != traits.contrast) return false;
  if (without_inversion_time && traits.inversion_time_ms.value_or(0) > 0) return false;
  return within(traits.repetition_time_ms, repetition_time_ms) && within(traits.echo_time_ms, echo_time_ms) &&
         within(traits.inversion_time_ms, inversion_time_ms);
}

std::string ChannelRule::text() const {
  std::string words;
  const auto add = [&](const std::string& phrase) { words += (words.empty() ? "" : ", ") + phrase; };
  if (!description.empty()) add("description");
  if (contrast) add(*contrast ? "contrast agent given" : "no contrast agent");
  if (repetition_time_ms) add("TR");
  if (echo_time_ms) add("TE");
  if (inversion_time_ms) add("TI");
  return words.empty() ? "the only one of its kind" : "recognized by " + words;
}

bool ChannelSpec::is_called(const std::string& other) const {
  const std::string wanted = lower(other);
  return lower(name) == wanted ||
         std::any_of(aliases.begin(), aliases.end(), [&](const std::string& a) { return lower(a) == wanted; });
}

const TiledInference* ModelPackage::tiled() const {
  if (const auto* unet = std::get_if<UNetInference>(&inference)) return unet;
  return std::get_if<ScriptInference>(&inference);
}

const ImageInference& image_inference(const ModelPackage& package) {
  const auto* inference = std::get_if<ImageInference>(&package.inference);
  if (inference == nullptr) throw Error(ErrorCode::usage, "this model takes studies, not single images: use segment");
  return *inference;
}

std::size_t ModelPackage::channel_index(const std::string& wanted) const {
  std::string names;
  for (std::size_t i = 0; i < channels.size(); ++i) {
    if (channels[i].is_called(wanted)) return i;
    names += (i ? ", " : "") + channels[i].name;
  }
  throw Error(ErrorCode::usage, "the model has no channel '" + wanted + "'; its channels are " + names);
}

bool ModelOptions::is_default() const {
  const ModelOptions d;
  return folds == d.folds && checkpoint == d.checkpoint && configuration == d.configuration &&
         mirroring == d.mirroring && step == d.step && half_accumulators == d.half_accumulators &&
         min_volume_mm3 == d.min_volume_mm3 && postprocessing.empty() && !previous_labels_given;
}

ModelPackage read_model_package(const std::string& folder, const ModelOptions& options) {
  const std::filesystem::path file = std::filesystem::path(folder) / "model.json";
  const bool described = std::ifstream(file).good(), bundle = !described && monai::is_bundle(folder);
  if (!described && !bundle) {
    if (std::optional<ModelPackage> task = total_segmentator::read_package(folder, options)) return std::move(*task);
    if (options.min_volume_mm3 > 0)
      throw Error(ErrorCode::usage, "small pieces can be removed of TotalSegmentator's tasks only");
    return nnunet::read_package({folder}, options);
  }
  if (!options.is_default())
    throw Error(ErrorCode::usage,
                "folds, checkpoint, configuration, step and mirroring can be chosen of nnU-Nets only");
  if (bundle) return monai::read_bundle(folder);
  return parse_model_package(read_text(file), folder);
}

ModelPackage read_model_ensemble(const std::vector<std::string>& folders, const ModelOptions& options) {
  return folders.size() == 1 ? read_model_package(folders[0], options) : nnunet::read_package(folders, options);
}

ModelPackage parse_model_package(const std::string& text, const std::string& folder) {
  const json j = parse_object(text, "model.json");
  try {
    return parse(j, folder);
  } catch (const json::exception& e) {
    invalid_package(std::string("a field is missing or has the wrong type: ") + e.what());
  }
}

std::string checked_weights_path(const ModelPackage& package) {
  std::string path = (std::filesystem::path(package.folder) / package.weights_file).string();
  if (std::error_code ec; !std::filesystem::is_regular_file(path, ec))
    throw Error(ErrorCode::weights_invalid, "the weights file that model.json names is not in the package");
  if (sha256_hex_of_file(path) != package.weights_sha256)
    throw Error(
        ErrorCode::weights_checksum,
        "'" + package.weights_file + "' does not have the SHA-256 that model.json states; get the package again");
  return path;
}

Weights read_package_weights(const ModelPackage& package) { return read_safetensors(checked_weights_path(package)); }

}  // namespace oncotome::engine
