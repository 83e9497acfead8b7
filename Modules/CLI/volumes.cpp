// SPDX-License-Identifier: Apache-2.0
#include "volumes.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>
#include <sstream>

#include "oncotome/core/error.h"
#include "volume_io.h"

namespace oncotome::cli {
namespace {

constexpr const char* kVolumes[] = {"inputVolume", "inputVolume2", "inputVolume3", "inputVolume4"};

template <class Reader>
auto read(const std::string& parameter, const std::string& path, Reader reader) {
  try {
    return reader(path);
  } catch (const Error& e) {
    throw Error(e.code(), parameter + ": " + e.what());
  }
}

std::string names_of(const engine::ModelPackage& package) {
  std::string names;
  for (const engine::ChannelSpec& channel : package.channels) names += (names.empty() ? "" : ", ") + channel.name;
  return names;
}

// Which of the package's channels each volume is.
std::vector<std::size_t> places_of(const engine::ModelPackage& package, const std::vector<std::string>& names,
                                   std::size_t volumes) {
  const std::size_t count = package.channels.size();
  if (volumes != count)
    throw Error(ErrorCode::channel_missing, "the model takes " + std::to_string(count) +
                                                (count == 1 ? " volume: " : " volumes: ") + names_of(package) + "; " +
                                                std::to_string(volumes) + " given");
  if (!names.empty() && names.size() != count)
    throw Error(ErrorCode::usage, "channels must name each volume; the model has " + names_of(package));
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < count; ++i) {
    places.push_back(names.empty() ? i : package.channel_index(names.at(i)));
    if (std::count(places.begin(), places.end(), places.back()) > 1)
      throw Error(ErrorCode::usage, "channels names " + package.channels[places.back()].name + " twice");
  }
  return places;
}

}  // namespace

Volume<float> read_volume(const sem::Values& values, const std::string& parameter) {
  return read(parameter, values.text(parameter), workflow::read_volume_file);
}

LabelVolume read_labels(const sem::Values& values, const std::string& parameter) {
  return read(parameter, values.text(parameter), workflow::read_label_file);
}

workflow::StudyInputs read_channels(const engine::ModelPackage& package, const sem::Values& values, const Job& job) {
  std::vector<const char*> given;
  for (const char* parameter : kVolumes)
    if (!values.text(parameter).empty()) given.push_back(parameter);
  const std::vector<std::size_t> places = places_of(package, values.texts("channels"), given.size());
  workflow::StudyInputs inputs;
  inputs.channels.resize(given.size());
  for (std::size_t i = 0; i < given.size(); ++i) {
    job.report("read", static_cast<double>(i) / static_cast<double>(given.size()));
    workflow::ChannelInput& channel = inputs.channels[places[i]];
    channel.name = package.channels[places[i]].name;
    channel.volume = read_volume(values, given[i]);
  }
  const Geometry& reference = inputs.channels[package.reference_channel].volume.geometry;
  for (const workflow::ChannelInput& channel : inputs.channels)
    if (!same_grid(channel.volume.geometry, reference))
      inputs.doubts.push_back("channel " + channel.name +
                              " lies on another grid than the reference channel; their coordinates were trusted");
  return inputs;
}

std::vector<engine::ChannelView> views_of(const workflow::StudyInputs& inputs) {
  std::vector<engine::ChannelView> views;
  for (const workflow::ChannelInput& channel : inputs.channels)
    views.push_back({channel.volume.geometry, channel.volume.voxels.data()});
  return views;
}

LabelVolume on_scan(LabelVolume labels, const Geometry& scan) {
  const Geometry& grid = labels.geometry;
  if (same_grid(grid, scan)) return labels;
  if (engine::count_outside(scan, grid, {}) == labels.voxels.size())
    throw Error(ErrorCode::grid_mismatch, "the lesions and the scan do not meet in space");
  Geometry snapped = scan;
  snapped.size = grid.size;
  Vec3 first = scan.index_of(grid.origin_mm);
  for (double& index : first) index = std::round(index);
  snapped.origin_mm = scan.position_mm(first);
  if (!same_grid(snapped, grid) || engine::count_outside(scan, grid, labels.voxels) > 0) return labels;
  return engine::resample_nearest(labels, scan);
}

engine::LesionSet lesions_of(const LabelVolume& labels, const sem::Values& values, const Job& job) {
  std::vector<int> wanted = values.integers("labels");
  if (wanted.empty())
    for (int value = 1; value < 256; ++value) wanted.push_back(value);
  std::vector<Label> table;
  for (const int value : wanted) {
    table.emplace_back();
    table.back().value = static_cast<std::uint8_t>(value);
    table.back().lesion = true;
  }
  return engine::find_lesions(labels, table, values.real("minimumVolume"), job);
}

std::vector<Label> labels_of(const std::vector<Lesion>& lesions) {
  std::set<std::uint8_t> values;
  for (const Lesion& lesion : lesions)
    for (const auto& [value, volume_mm3] : lesion.volume_by_label_mm3) values.insert(value);
  std::vector<Label> table;
  for (const std::uint8_t value : values) {
    table.emplace_back();
    table.back().value = value;
    table.back().name = "label " + std::to_string(value);
    table.back().lesion = true;
  }
  return table;
}

void check_output(const sem::Module& module, const sem::Values& values, const std::string& parameter) {
  const std::string& path = values.text(parameter);
  if (path.empty()) return;
  bool ends_well = false;
  std::istringstream endings(module.find(parameter)->file_extensions);
  for (std::string ending; std::getline(endings, ending, ',');)
    ends_well = ends_well || workflow::ends_with(path, ending);
  if (!ends_well)
    throw Error(ErrorCode::usage, parameter + " must end in one of " + module.find(parameter)->file_extensions);
  std::error_code ignored;
  if (!std::filesystem::is_directory(std::filesystem::absolute(path, ignored).parent_path(), ignored))
    throw Error(ErrorCode::output_unwritable, parameter + ": its folder does not exist");
}

}  // namespace oncotome::cli
