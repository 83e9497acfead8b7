// SPDX-License-Identifier: Apache-2.0
#include "postprocess.h"

#include <algorithm>

#include "oncotome/core/error.h"
#include "oncotome/engine/components.h"

namespace oncotome::engine::nnunet {
namespace {

[[noreturn]] void refuse(const std::string& what) {
  throw Error(ErrorCode::model_invalid, "postprocessing.json: " + what);
}

std::uint8_t read_label(const nlohmann::ordered_json& value) {
  if (!value.is_number_integer() || value < 0 || value > 255) refuse("a label must be a number of 0 to 255");
  return value.get<std::uint8_t>();
}

// A label, a region or a list of these: their union is what counts.
void read_labels(const nlohmann::ordered_json& value, int depth, std::vector<int>& labels) {
  if (!value.is_array()) return labels.push_back(read_label(value));
  if (depth == 2) refuse("labels_or_regions is nested too deeply");
  for (const auto& item : value) read_labels(item, depth + 1, labels);
}

}  // namespace

std::vector<KeepLargest> read_postprocessing(const nlohmann::ordered_json& file) {
  if (!file.is_object() || !file.contains("postprocessing_fns") || !file.contains("postprocessing_kwargs"))
    refuse("it lacks postprocessing_fns or postprocessing_kwargs");
  const auto &functions = file["postprocessing_fns"], &arguments = file["postprocessing_kwargs"];
  if (!functions.is_array() || !arguments.is_array() || functions.size() != arguments.size())
    refuse("postprocessing_fns and postprocessing_kwargs must be lists of one length");
  std::vector<KeepLargest> steps;
  for (std::size_t i = 0; i < functions.size(); ++i) {
    if (functions[i] != "remove_all_but_largest_component_from_segmentation")
      throw Error(ErrorCode::model_unsupported,
                  "postprocessing.json: only remove_all_but_largest_component_from_segmentation is supported");
    KeepLargest step;
    if (!arguments[i].is_object() || !arguments[i].contains("labels_or_regions"))
      refuse("labels_or_regions is missing");
    for (const auto& [key, value] : arguments[i].items()) {
      if (key == "labels_or_regions")
        read_labels(value, 0, step.labels);
      else if (key == "background_label")
        step.background = read_label(value);
      else
        throw Error(ErrorCode::model_unsupported, "postprocessing.json: an argument of a step is not known");
    }
    steps.push_back(std::move(step));
  }
  return steps;
}

void postprocess(const std::vector<KeepLargest>& steps, const Dhw& size, std::vector<std::uint8_t>& labels) {
  for (const KeepLargest& step : steps) {
    std::array<std::uint8_t, 256> is_chosen{};
    for (const int label : step.labels) is_chosen[static_cast<std::uint8_t>(label)] = 1;
    Mask mask(labels.size());
    std::transform(labels.begin(), labels.end(), mask.begin(), [&](std::uint8_t l) { return is_chosen[l]; });
    const Components components = connected_components(mask, {size[2], size[1], size[0]}, Connectivity::corners26);
    if (components.voxel_counts.size() < 2) continue;
    const std::int64_t most = *std::max_element(components.voxel_counts.begin(), components.voxel_counts.end());
    for (std::size_t i = 0; i < labels.size(); ++i)
      if (mask[i] && components.voxel_counts[static_cast<std::size_t>(components.labels[i] - 1)] < most)
        labels[i] = step.background;
  }
}

}  // namespace oncotome::engine::nnunet
