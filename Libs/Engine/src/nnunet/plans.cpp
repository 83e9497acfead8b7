// SPDX-License-Identifier: Apache-2.0
#include "plans.h"

#include <algorithm>
#include <set>

#include "json_entry.h"

namespace oncotome::engine::nnunet {
namespace {

using nlohmann::ordered_json;

constexpr std::size_t kMostEntries = 1024;

// Copies and dumps recurse.
void limit_depth(const ordered_json& json, const JsonEntry& file, int depth = 32) {
  if (depth == 0) file.refuse("nests its values too deeply");
  if (json.is_structured())
    for (const auto& child : json) limit_depth(child, file, depth - 1);
}

/// Whether the reader turns images to R, A, S.
bool read_reader(const JsonEntry& entry) {
  const std::string name = entry.last_name();
  for (const char* known : {"SimpleITKIO", "NibabelIO", "NaturalImage2DIO", "Tiff3DIO"})
    if (name == known) return false;
  if (name != "SimpleITKIOWithReorient" && name != "NibabelIOWithReorient") entry.refuse_unknown();
  return true;
}

std::array<std::size_t, 3> read_axes(const JsonEntry& entry) {
  std::array<std::size_t, 3> axes{};
  std::size_t a = 0;
  std::set<std::size_t> distinct;
  for (const JsonEntry& axis : entry.items(3, 3)) {
    axes[a] = static_cast<std::size_t>(axis.whole(0, 2));
    distinct.insert(axes[a++]);
  }
  if (distinct.size() != 3) entry.refuse("must name each axis once");
  return axes;
}

std::vector<std::string> read_channel_names(const JsonEntry& dataset) {
  const auto legacy = dataset.find("modality");
  const JsonEntry names = legacy ? *legacy : dataset.at("channel_names");
  if (!names.value().is_object() || names.value().empty() || names.value().size() > 256)
    names.refuse("must name 1 to 256 channels");
  std::vector<std::string> channels;
  for (std::size_t c = 0; c < names.value().size(); ++c) channels.push_back(names.at(std::to_string(c)).text());
  return channels;
}

int read_label(const JsonEntry& entry) {
  if (entry.value().is_number() && entry.value().get<double>() > 255)
    throw Error(ErrorCode::model_unsupported, "dataset.json has labels above 255, which results cannot hold");
  return static_cast<int>(entry.whole(0, 255));
}

Labels read_labels(const JsonEntry& dataset) {
  const JsonEntry names = dataset.at("labels");
  if (!names.value().is_object() || names.value().size() > kMostEntries) names.refuse("must be an object of labels");
  Labels labels;
  std::size_t regions = 0;
  bool has_regions = false;
  std::set<int> values;
  for (const auto& [name, value] : names.value().items()) {
    const JsonEntry entry = names.at(name);
    LabelEntry label{name, {}};
    if (value.is_array())
      for (const JsonEntry& item : entry.items(1, kMostEntries)) label.values.push_back(read_label(item));
    else
      label.values = {read_label(entry)};
    if (name == "background" && (value.is_array() || label.values[0] != 0)) entry.refuse("must be 0");
    if (name == "ignore") {
      if (value.is_array()) entry.refuse("must be one number");
      labels.ignore = label.values[0];
    } else {
      has_regions = has_regions || label.values.size() > 1;
      regions += std::any_of(label.values.begin(), label.values.end(), [](int v) { return v != 0; }) ? 1 : 0;
      values.insert(label.values.begin(), label.values.end());
    }
    labels.entries.push_back(std::move(label));
  }
  names.at("background");
  if (labels.ignore && *labels.ignore != *values.rbegin() + 1)
    names.at("ignore").refuse("must be the label after the highest");
  if (has_regions) {
    const JsonEntry order = dataset.at("regions_class_order");
    for (const JsonEntry& entry : order.items(regions, regions))
      labels.regions_class_order.push_back(read_label(entry));
  } else if (*values.rbegin() + 1 != static_cast<int>(values.size())) {
    names.refuse("must be 0, 1, 2 and so on, without a gap");
  }
  return labels;
}

std::vector<Intensities> read_intensities(const JsonEntry& plans, std::size_t channels) {
  std::vector<Intensities> all(channels);
  auto properties = plans.find("foreground_intensity_properties_per_channel");
  if (!properties) properties = plans.find("foreground_intensity_properties_by_modality");
  for (std::size_t c = 0; properties && c < channels; ++c)
    if (const auto entry = properties->find(std::to_string(c))) {
      const auto get = [&](const char* key, double least) { return entry->at(key).number(least, 1e30); };
      all[c] = {get("mean", -1e30), get("std", 0), get("percentile_00_5", -1e30), get("percentile_99_5", -1e30)};
      if (all[c].percentile_00_5 > all[c].percentile_99_5) entry->refuse("has its percentiles the wrong way round");
    }
  return all;
}

}  // namespace

std::vector<LabelEntry> Labels::regions() const {
  std::vector<LabelEntry> regions;
  for (const LabelEntry& entry : entries)
    if (entry.name != "ignore" && entry.values != std::vector<int>{0}) regions.push_back(entry);
  return regions;
}

std::vector<int> Labels::foreground() const {
  std::set<int> values;
  for (const LabelEntry& entry : entries)
    if (entry.name != "ignore") values.insert(entry.values.begin(), entry.values.end());
  values.erase(0);
  return {values.begin(), values.end()};
}

std::vector<std::uint8_t> Labels::classes() const {
  std::vector<std::uint8_t> classes;
  if (!has_regions()) classes.push_back(0);
  for (int value : has_regions() ? regions_class_order : foreground())
    classes.push_back(static_cast<std::uint8_t>(value));
  return classes;
}

Plans read_plans(const ordered_json& plans_json, const ordered_json& dataset_json) {
  const JsonEntry plans(plans_json, "plans.json:"), dataset(dataset_json, "dataset.json:");
  limit_depth(plans_json, plans);
  limit_depth(dataset_json, dataset);
  Plans result;
  if (const auto name = plans.find("dataset_name")) result.dataset_name = name->text();
  result.reorients = read_reader(plans.at("image_reader_writer"));
  result.transpose_forward = read_axes(plans.at("transpose_forward"));
  const JsonEntry backward = plans.at("transpose_backward");
  result.transpose_backward = read_axes(backward);
  for (std::size_t a = 0; a < 3; ++a)
    if (result.transpose_backward[result.transpose_forward[a]] != a) backward.refuse("does not undo transpose_forward");
  if (const auto manager = plans.find("label_manager"); manager && manager->last_name() != "LabelManager")
    manager->refuse_unknown();
  const JsonEntry configurations = plans.at("configurations");
  if (!configurations.value().is_object() || configurations.value().empty() ||
      configurations.value().size() > kMostEntries)
    configurations.refuse("must name 1 to 1024 configurations");
  const JsonEntry ending = dataset.at("file_ending");
  result.file_ending = ending.text();
  if (result.file_ending.empty() || result.file_ending.size() > 16 ||
      result.file_ending.find_first_of("/\\") != std::string::npos)
    ending.refuse("must be the end of a file's name");
  result.channel_names = read_channel_names(dataset);
  result.labels = read_labels(dataset);
  result.intensities = read_intensities(plans, result.channel_names.size());
  return result;
}

}  // namespace oncotome::engine::nnunet
