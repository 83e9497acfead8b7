// SPDX-License-Identifier: Apache-2.0
#include "oncotome/engine/model_package.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>

#include "oncotome/core/digest.h"
#include "oncotome/core/error.h"
#include "oncotome/engine/safetensors.h"

namespace oncotome::engine {
namespace {

using nlohmann::json;

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

// std::regex tries nested repetitions in exponentially many ways, and recurses per character.
bool is_tame(const std::string& pattern) {
  for (const char* repeated : {")*", ")+", "){"})
    if (pattern.find(repeated) != std::string::npos) return false;
  return pattern.size() <= 512 && std::count(pattern.begin(), pattern.end(), '(') <= 32 &&
         std::count(pattern.begin(), pattern.end(), '*') <= 12;
}

bool finds(const std::string& pattern, const std::string& text) {
  return std::regex_search(text.substr(0, 256), std::regex(pattern, std::regex::ECMAScript | std::regex::icase));
}

[[noreturn]] void invalid(const std::string& why) { throw Error(ErrorCode::model_invalid, "model.json: " + why); }

// nlohmann-json would wrap 258 to 2.
std::vector<std::uint8_t> read_bytes(const json& j) {
  std::vector<std::uint8_t> out;
  for (const json& item : j) {
    const auto value = item.get<std::int64_t>();
    if (value < 0 || value > 255) invalid("label values and colors must be 0 to 255");
    out.push_back(static_cast<std::uint8_t>(value));
  }
  return out;
}

Code read_code(const json& j) {
  return {j.at("value").get<std::string>(), j.at("scheme").get<std::string>(), j.at("meaning").get<std::string>()};
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
    if (!is_tame(pattern)) invalid("a pattern is too long or too deep, or repeats a group");
    try {
      finds(pattern, "");
    } catch (const std::regex_error&) {
      invalid("'" + pattern + "' is no regular expression");
    }
  }
  return rule;
}

Preparation read_preparation(const json& steps, const ModelPackage& package) {
  static const std::vector<std::string> kOrder{"orient", "resample", "foreground", "crop", "normalize", "background"};
  Preparation p;
  std::ptrdiff_t last = -1;
  for (const json& step : steps) {
    const auto name = step.at("step").get<std::string>();
    const auto rank = std::find(kOrder.begin(), kOrder.end(), name) - kOrder.begin();
    if (rank == static_cast<std::ptrdiff_t>(kOrder.size()))
      throw Error(ErrorCode::model_unsupported,
                  "model.json asks for a preparation step that is not known: '" + name + "'");
    if (rank <= last)
      invalid(
          "preparation steps must come once each, in the order orient, resample, foreground, crop, normalize, "
          "background");
    last = rank;
    if (name == "orient") {
      if (step.at("axes").get<std::string>() != "LPS")
        throw Error(ErrorCode::model_unsupported, "model.json asks for axes other than LPS");
      p.orient = true;
    } else if (name == "resample") {
      p.resample_spacing_mm = step.at("spacing_mm").get<Vec3>();
      for (double s : *p.resample_spacing_mm)
        if (!(s > 0.05 && s < 100)) invalid("resample spacing_mm must lie between 0.05 and 100");
    } else if (name == "foreground") {
      p.foreground = package.channel_index(step.at("channel").get<std::string>());
      if (step.contains("volume_ml")) p.foreground_volume_ml = step.at("volume_ml").get<std::pair<double, double>>();
    } else if (name == "crop") {
      p.crop_margin = step.at("margin_voxels").get<std::int64_t>();
      if (*p.crop_margin < 0 || *p.crop_margin > 1000) invalid("crop margin_voxels must lie between 0 and 1000");
    } else if (name == "normalize") {
      const auto over = step.at("over").get<std::string>();
      if (step.at("method").get<std::string>() != "zscore" || (over != "foreground" && over != "channel"))
        throw Error(ErrorCode::model_unsupported, "model.json asks for a normalization that is not known");
      p.zscore = over == "channel" ? Preparation::Statistics::channel : Preparation::Statistics::foreground;
    } else {
      const auto fill = step.at("fill").get<std::string>();
      if (fill != "zero" && fill != "noise")
        throw Error(ErrorCode::model_unsupported, "model.json asks for a background that is not known: '" + fill + "'");
      p.noise_background = fill == "noise";
    }
  }
  if (!p.foreground && (p.crop_margin || p.zscore == Preparation::Statistics::foreground))
    invalid("crop and normalize over foreground need a foreground step");
  if (p.noise_background && p.zscore == Preparation::Statistics::none)
    invalid("a background of noise needs a normalize step");
  return p;
}

UNetInference read_unet(const json& j, const ModelPackage& package) {
  UNetInference u;
  u.network.dimensions = j.at("dimensions").get<int>();
  u.network.in_channels = j.at("in_channels").get<std::int64_t>();
  u.network.out_channels = j.at("out_channels").get<std::int64_t>();
  u.network.features = j.at("features").get<std::vector<std::int64_t>>();
  u.network.convs_per_stage = j.at("convs_per_stage").get<int>();
  u.patch_size = j.at("patch_size").get<Dhw>();
  u.overlap = j.at("overlap").get<double>();
  u.class_labels = read_bytes(j.at("class_labels"));
  build_unet(u.network);
  if (u.network.in_channels != static_cast<std::int64_t>(package.channels.size()))
    invalid("in_channels differs from the number of input channels");
  if (u.network.out_channels != static_cast<std::int64_t>(u.class_labels.size()) || u.class_labels[0] != 0)
    invalid("class_labels must name one label per class, background 0 first");
  const Dhw divisor = unet_divisor(u.network);
  for (std::size_t a = 0; a < 3; ++a)
    if (u.patch_size[a] < 1 || u.patch_size[a] > 1024 || u.patch_size[a] % divisor[a] != 0)
      invalid("patch_size must be 1 to 1024 and divisible by the network's strides");
  if (!(u.overlap >= 0 && u.overlap <= 0.9)) invalid("overlap must lie between 0 and 0.9");
  return u;
}

std::vector<Label> read_labels(const json& j) {
  std::vector<Label> labels;
  std::set<int> seen{0};
  for (const json& item : j) {
    Label label;
    const int value = item.at("value").get<int>();
    if (value < 1 || value > 255 || !seen.insert(value).second) invalid("label values must be 1 to 255, each once");
    label.value = static_cast<std::uint8_t>(value);
    label.name = item.at("name").get<std::string>();
    label.category = read_code(item.at("category"));
    label.type = read_code(item.at("type"));
    const std::vector<std::uint8_t> color = read_bytes(item.at("color"));
    if (color.size() != 3) invalid("a color has three values");
    std::copy(color.begin(), color.end(), label.color_rgb.begin());
    label.lesion = item.at("lesion").get<bool>();
    labels.push_back(std::move(label));
  }
  if (labels.empty()) invalid("it names no label");
  return labels;
}

// A class or a region of a label that has no entry would be lost on the way to the report.
void check_label_values(const ModelPackage& p) {
  std::vector<std::uint8_t> used;
  if (const auto* unet = std::get_if<UNetInference>(&p.inference))
    used.assign(unet->class_labels.begin() + 1, unet->class_labels.end());
  else
    used = {1, 2, 4};
  for (const Region& region : p.regions) used.insert(used.end(), region.labels.begin(), region.labels.end());
  for (std::uint8_t value : used)
    if (std::none_of(p.labels.begin(), p.labels.end(), [&](const Label& l) { return l.value == value; }))
      invalid("label " + std::to_string(value) + " is used but not among the labels");
}

ModelPackage parse(const json& j, const std::string& folder) {
  ModelPackage p;
  p.folder = folder;
  const auto schema = j.at("schema").get<std::string>();
  if (schema != "oncotome.model/1")
    throw Error(ErrorCode::model_unsupported,
                "model.json has schema '" + schema + "'; this version reads oncotome.model/1");
  p.name = j.at("name").get<std::string>();
  p.title = j.at("title").get<std::string>();
  p.version = j.at("version").get<std::string>();
  p.intended_use = j.at("intended_use").get<std::string>();
  p.license = j.at("license").get<std::string>();
  p.origin = j.at("origin").get<std::string>();
  p.weights_file = j.at("weights").at("file").get<std::string>();
  p.weights_sha256 = j.at("weights").at("sha256").get<std::string>();
  if (p.weights_file.empty() || std::filesystem::path(p.weights_file).filename() != p.weights_file)
    invalid("the weights file must lie beside it");
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
  if (p.channels.empty()) invalid("it names no input channel");
  for (std::size_t i = 0; i < p.channels.size(); ++i)
    if (p.channel_index(p.channels[i].name) != i) invalid("two channels have the same name");
  p.reference_channel = p.channel_index(input.value("reference_channel", p.channels[0].name));
  p.display_channel = p.channel_index(input.value("display_channel", p.channels[p.reference_channel].name));
  p.preparation = read_preparation(j.at("preparation"), p);
  const json& network = j.at("network");
  const auto architecture = network.at("architecture").get<std::string>();
  if (architecture == "unet") {
    p.inference = read_unet(network, p);
  } else if (architecture == "msnet_cascade") {
    if (p.channels.size() != 4) invalid("msnet_cascade takes four channels");
    p.inference = MsnetCascadeInference{};
  } else {
    throw Error(ErrorCode::model_unsupported,
                "model.json asks for the network '" + architecture + "', which is not known");
  }
  p.labels = read_labels(j.at("labels"));
  for (const json& region : j.value("regions", json::array()))
    p.regions.push_back({region.at("name").get<std::string>(), read_bytes(region.at("labels"))});
  check_label_values(p);
  p.lesion_min_volume_mm3 = j.at("lesion").at("min_volume_mm3").get<double>();
  return p;
}

bool within(const std::optional<double>& value, const std::optional<ChannelRule::Range>& range) {
  return !range || (value && *value >= range->first && *value <= range->second);
}

}  // namespace

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
  return "recognized by " + words;
}

bool ChannelSpec::is_called(const std::string& other) const {
  const std::string wanted = lower(other);
  return lower(name) == wanted ||
         std::any_of(aliases.begin(), aliases.end(), [&](const std::string& a) { return lower(a) == wanted; });
}

std::size_t ModelPackage::channel_index(const std::string& wanted) const {
  std::string names;
  for (std::size_t i = 0; i < channels.size(); ++i) {
    if (channels[i].is_called(wanted)) return i;
    names += (i ? ", " : "") + channels[i].name;
  }
  throw Error(ErrorCode::usage, "the model has no channel '" + wanted + "'; its channels are " + names);
}

ModelPackage read_model_package(const std::string& folder) {
  std::ifstream file(std::filesystem::path(folder) / "model.json");
  if (!file)
    throw Error(
        ErrorCode::model_not_found,
        "no model.json in '" + folder + "'; give a model package folder (make one with: oncotome models import)");
  return parse_model_package({std::istreambuf_iterator<char>(file), {}}, folder);
}

ModelPackage parse_model_package(const std::string& text, const std::string& folder) {
  const json j = json::parse(text, nullptr, false);
  if (!j.is_object()) invalid("it is no JSON object");
  try {
    return parse(j, folder);
  } catch (const json::exception& e) {
    invalid(std::string("a field is missing or has the wrong type: ") + e.what());
  }
}

Weights read_package_weights(const ModelPackage& package) {
  const std::string path = (std::filesystem::path(package.folder) / package.weights_file).string();
  if (std::error_code ec; !std::filesystem::is_regular_file(path, ec))
    throw Error(ErrorCode::weights_invalid, "the weights file that model.json names is not in the package");
  std::ifstream file(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  if (!file || bytes.empty()) throw Error(ErrorCode::input_unreadable, "cannot read the weights file");
  if (sha256_hex(bytes) != package.weights_sha256)
    throw Error(
        ErrorCode::weights_checksum,
        "'" + package.weights_file + "' does not have the SHA-256 that model.json states; get the package again");
  return parse_safetensors(bytes.data(), bytes.size());
}

}  // namespace oncotome::engine
