// SPDX-License-Identifier: Apache-2.0
#include "lesion_classes.h"

#include <algorithm>
#include <variant>

namespace oncotome::workflow {

using nlohmann::json;

bool has_classes(const engine::ModelPackage& package) {
  const auto* inference = std::get_if<engine::ImageInference>(&package.inference);
  return inference != nullptr && !inference->classes.empty();
}

std::vector<std::size_t> classifier_channels(const engine::ModelPackage& classifier,
                                             const engine::ModelPackage& package) {
  if (!has_classes(classifier)) throw Error(ErrorCode::usage, "the model for --classify knows no classes of lesions");
  if (classifier.modality != package.modality)
    throw Error(ErrorCode::precondition_unmet, "the model for --classify takes " + classifier.modality +
                                                   " images, and the study is of " + package.modality);
  std::vector<std::size_t> out;
  for (const engine::ChannelSpec& wanted : classifier.channels) {
    const auto is_it = [&](const engine::ChannelSpec& channel) {
      return channel.is_called(wanted.name) || std::any_of(wanted.aliases.begin(), wanted.aliases.end(),
                                                           [&](const std::string& a) { return channel.is_called(a); });
    };
    const auto found = std::find_if(package.channels.begin(), package.channels.end(), is_it);
    if (found == package.channels.end())
      throw Error(ErrorCode::channel_missing, "the model for --classify needs channel " + wanted.name +
                                                  ", which is none of the channels that the segmentation takes");
    out.push_back(static_cast<std::size_t>(found - package.channels.begin()));
  }
  return out;
}

json classes_json(const std::vector<engine::ClassLabel>& classes) {
  json out = json::array();
  for (const engine::ClassLabel& c : classes) {
    out.push_back({{"name", c.name}});
    if (c.code)
      out.back()["code"] = {{"value", c.code->value}, {"scheme", c.code->scheme}, {"meaning", c.code->meaning}};
  }
  return out;
}

json classification_json(const engine::Classification& found, const std::vector<engine::ClassLabel>& classes) {
  json out = json::object();
  if (const auto best = found.best()) {
    out["class"] = classes[*best].name;
    out["entropy"] = found.entropy;
    if (found.mutual_information) out["mutual_information"] = *found.mutual_information;
    if (found.mirror_spread) out["mirror_spread"] = *found.mirror_spread;
    for (std::size_t k = 0; k < classes.size(); ++k) out["probabilities"][classes[k].name] = found.probabilities[k];
  }
  if (!found.refusal.empty()) out["refused"] = found.refusal;
  if (found.scores) out["distance"] = found.scores->distance;
  if (found.scores && found.scores->energy) out["energy"] = *found.scores->energy;
  return out;
}

dicom::LesionClass lesion_class(const engine::Classification& found, const std::vector<engine::ClassLabel>& classes) {
  dicom::LesionClass out;
  out.refusal = found.refusal;
  if (const auto best = found.best()) {
    const engine::ClassLabel& c = classes[*best];
    out.code = c.code ? *c.code : Code{std::to_string(*best + 1), "99MODEL", c.name};
    out.probability = found.probabilities[*best];
  }
  return out;
}

}  // namespace oncotome::workflow
