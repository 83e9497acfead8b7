// SPDX-License-Identifier: Apache-2.0
#include "package.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <filesystem>
#include <regex>

#include "../class_labels.h"
#include "../package_json.h"
#include "msnet_package.h"
#include "oncotome/core/error.h"
#include "oncotome/engine/weight_file.h"
#include "plans.h"
#include "postprocess.h"

namespace oncotome::engine::nnunet {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using nlohmann::ordered_json;

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

std::vector<fs::path> folders_in(const fs::path& folder) {
  std::vector<fs::path> out;
  std::error_code ignored;
  for (fs::directory_iterator i(folder, ignored), end; i != end; i.increment(ignored))
    if (i->is_directory(ignored)) out.push_back(i->path());
  std::sort(out.begin(), out.end());
  return out;
}

std::string name_of(const fs::path& folder) {
  std::error_code ignored;
  const fs::path whole = fs::absolute(folder, ignored).lexically_normal();
  return (whole.filename().empty() ? whole.parent_path() : whole).filename().string();
}

bool is_trained(const fs::path& folder) {
  if (is_there(folder / "plans.json")) return true;
  const std::vector<fs::path> inner = folders_in(folder);
  return std::any_of(inner.begin(), inner.end(),
                     [](const fs::path& f) { return f.filename().string().rfind("fold_", 0) == 0; });
}

// "3d_fullres" of "nnUNetTrainer__nnUNetPlans__3d_fullres".
std::string configuration_of(const fs::path& folder) {
  const std::string name = name_of(folder);
  const std::size_t at = name.rfind("__");
  return at == std::string::npos ? name : name.substr(at + 2);
}

// The trained configuration meant: the folder itself, or one below it.
fs::path trained_folder(const fs::path& folder, const std::string& configuration) {
  if (!is_there(folder)) throw Error(ErrorCode::model_not_found, "there is no model at '" + folder.string() + "'");
  if (is_trained(folder)) {
    if (!configuration.empty() && configuration != configuration_of(folder))
      throw Error(ErrorCode::usage, "the model's folder holds the configuration '" + configuration_of(folder) +
                                        "', not '" + configuration + "'");
    return folder;
  }
  std::vector<fs::path> found;
  for (const fs::path& inner : folders_in(folder)) {
    if (is_trained(inner)) found.push_back(inner);
    for (const fs::path& deeper : folders_in(inner))
      if (is_trained(deeper)) found.push_back(deeper);
  }
  if (found.empty())
    throw Error(ErrorCode::model_not_found, "no model in '" + folder.string() +
                                                "'; give a model package (model.json), or a results folder of nnU-Net "
                                                "(plans.json, dataset.json, fold_0, ...)");
  std::vector<fs::path> fits;
  std::string list;
  for (const fs::path& f : found) {
    if (configuration.empty() || configuration == configuration_of(f)) fits.push_back(f);
    list += (list.empty() ? "" : ", ") + name_of(f);
  }
  if (fits.size() == 1) return fits[0];
  throw Error(ErrorCode::usage, "the folder holds " +
                                    std::string(fits.empty() ? "no such configuration" : "several models") +
                                    "; name one with --configuration, or its folder: " + list);
}

std::vector<fs::path> checkpoints(const fs::path& folder, const ModelOptions& options) {
  if (options.checkpoint.empty() || fs::path(options.checkpoint).filename() != options.checkpoint)
    throw Error(ErrorCode::usage, "the checkpoint is the name of a file in each fold, such as checkpoint_final.pth");
  std::vector<fs::path> all, out;
  std::string list;
  for (const fs::path& inner : folders_in(folder)) {
    const std::string name = inner.filename().string();
    if (name.rfind("fold_", 0) != 0 || !is_there(inner / options.checkpoint)) continue;
    list += (list.empty() ? "" : ", ") + name;
    all.push_back(inner / options.checkpoint);
    if (name != "fold_all") out.push_back(all.back());
  }
  if (all.empty()) throw Error(ErrorCode::model_not_found, "no fold of the model holds " + options.checkpoint);
  if (options.folds.empty()) return out.empty() ? all : out;
  out.clear();
  for (const std::string& fold : options.folds) {
    const auto found = std::find(all.begin(), all.end(), folder / ("fold_" + fold) / options.checkpoint);
    if (found == all.end())
      throw Error(ErrorCode::model_not_found, "the model has no fold_" + fold + " with " + options.checkpoint +
                                                  "; it has: " + (list.empty() ? "none" : list));
    if (std::find(out.begin(), out.end(), *found) != out.end())
      throw Error(ErrorCode::usage, "fold '" + fold + "' is given twice");
    out.push_back(*found);
  }
  return out;
}

std::string text_at(const ordered_json& contents, const char* key) {
  return contents.contains(key) && contents[key].is_string() ? contents[key].get<std::string>() : "";
}

// Each axis doubles what is predicted.
std::vector<int> mirror_axes_of(const ordered_json& list, const Configuration& configuration) {
  std::vector<int> axes;
  if (!list.is_array()) return axes;
  for (const ordered_json& entry : list) {
    const double axis = entry.is_number() ? entry.get<double>() : -1;
    if (!(axis >= 0 && axis < configuration.network.dimensions) || axis != std::trunc(axis))
      throw Error(ErrorCode::model_invalid, "the checkpoint names a mirroring axis that the network does not have");
    axes.push_back(static_cast<int>(axis) + (configuration.is_2d() ? 1 : 0));
    if (std::count(axes.begin(), axes.end(), axes.back()) > 1)
      throw Error(ErrorCode::model_invalid, "the checkpoint names a mirroring axis twice");
  }
  return axes;
}

NnUnetStage read_stage(const fs::path& folder, const ModelOptions& options, ModelPackage& package, int depth = 0) {
  if (depth > 4) throw Error(ErrorCode::model_invalid, "plans.json: the previous stages make a circle");
  NnUnetStage stage;
  const std::vector<fs::path> files = checkpoints(folder, options);
  const ordered_json contents = WeightFile::open(files[0].string())->contents();
  if (!contents.is_object() || !contents.contains("network_weights"))
    throw Error(ErrorCode::weights_invalid,
                "'" + options.checkpoint + "' is no checkpoint of nnU-Net: it holds no network_weights");
  const ordered_json arguments = contents.value("init_args", ordered_json::object());
  // An export may lack the two files; the checkpoint has both.
  const auto described = [&](const char* file, const char* key) {
    if (is_there(folder / file)) return read_json(folder / file);
    if (arguments.contains(key) && arguments[key].is_object()) return arguments[key];
    throw Error(ErrorCode::model_not_found, std::string("the model lacks ") + file);
  };
  const ordered_json plans = described("plans.json", "plans");
  stage.plans = read_plans(plans, described("dataset.json", "dataset_json"));
  std::string configuration = text_at(arguments, "configuration");
  if (configuration.empty()) configuration = configuration_of(folder);
  stage.configuration = read_configuration(plans, stage.plans, configuration);
  const TrainerTraits traits = trainer_traits(text_at(contents, "trainer_name"));
  stage.configuration.network.batch_norm = stage.configuration.network.batch_norm || traits.batch_norm;
  if (!traits.doubt.empty()) package.doubts.push_back(traits.doubt);
  if (options.mirroring && contents.contains("inference_allowed_mirroring_axes"))
    stage.mirror_axes = mirror_axes_of(contents["inference_allowed_mirroring_axes"], stage.configuration);
  for (const fs::path& file : files) stage.checkpoints.push_back(file.string());
  if (const std::string& previous = stage.configuration.previous_stage;
      !previous.empty() && !options.previous_labels_given) {
    const std::string name = name_of(folder);
    const std::string stem = name.substr(0, name.size() - configuration_of(folder).size());
    const fs::path beside = folder / ".." / (stem + previous);
    if (!is_there(beside))
      throw Error(ErrorCode::usage, "the model takes the labels of the stage before it: lay the folder of '" +
                                        previous +
                                        "' beside its own, or give them (predict's -prev_stage_predictions)");
    ModelOptions same = options;
    same.configuration.clear();
    stage.previous.push_back(read_stage(beside, same, package, depth + 1));
  }
  return stage;
}

json labels_of(const Labels& labels) {
  json out = json::array();
  const std::vector<LabelEntry> regions = labels.regions();
  if (!labels.has_regions()) {
    for (const LabelEntry& entry : regions) out.push_back(describe_label(entry.values[0], entry.name));
    return out;
  }
  // Each region's class is what the regions drawn over it leave.
  for (std::size_t i = 0; i < std::min(regions.size(), labels.regions_class_order.size()); ++i) {
    const auto holds = [&](int value) {
      return std::find(regions[i].values.begin(), regions[i].values.end(), value) != regions[i].values.end();
    };
    const bool covered =
        i + 1 < regions.size() && std::all_of(regions[i + 1].values.begin(), regions[i + 1].values.end(), holds);
    out.push_back(describe_label(labels.regions_class_order[i],
                                 regions[i].name + (covered ? " without " + regions[i + 1].name : "")));
  }
  return out;
}

json regions_of(const Labels& labels) {
  json out = json::array();
  if (labels.has_regions())
    for (const LabelEntry& entry : labels.entries)
      if (entry.values.size() > 1) out.push_back({{"name", entry.name}, {"labels", entry.values}});
  return out;
}

// How a channel is found: by what is known of MR channels of its name, and by nnU-Net's file names.
json describe_channel(const std::string& name, std::size_t index, std::size_t count) {
  static const json known = json::parse(kMsnetPackage)["input"]["channels"];
  json channel{{"name", name}, {"find", json::array()}};
  char file[48];
  std::snprintf(file, sizeof file, "_%04u\\.(nii|nrrd|nhdr)", static_cast<unsigned>(index));
  if (count == 1)
    channel["find"].push_back(json::object());
  else
    channel["find"].push_back({{"description", file}});
  for (const json& other : known) {
    std::vector<std::string> names = other.value("aliases", std::vector<std::string>{});
    names.push_back(other.at("name"));
    for (const std::string& n : names)
      if (lower(n) == lower(name) && count > 1)
        for (const json& rule : other.at("find")) channel["find"].push_back(rule);
  }
  return channel;
}

std::string modality_of(const std::string& channel) {
  // As words: "fractional anisotropy" is no CT.
  const auto names = [&](const char* words) {
    return std::regex_search(channel.substr(0, 256),
                             std::regex("(^|[^a-z])(" + std::string(words) + ")($|[^a-z])", std::regex::icase));
  };
  return names("ct") ? "CT" : names("pet|suv") ? "PT" : "MR";
}

// Entries of lists are laid over those with the same value or name.
void lay_over(json& base, const json& patch) {
  for (const auto& [key, value] : patch.items()) {
    json& place = base[key];
    if (value.is_object() && place.is_object()) {
      lay_over(place, value);
    } else if (value.is_array() && place.is_array() && (key == "labels" || key == "channels")) {
      const char* id = key == "labels" ? "value" : "name";
      for (const json& item : value) {
        const auto same =
            std::find_if(place.begin(), place.end(), [&](const json& b) { return b.at(id) == item.at(id); });
        if (same == place.end()) invalid_package(std::string("oncotome.json: no entry of ") + key + " has that " + id);
        same->update(item);
      }
    } else {
      place = value;
    }
  }
}

json describe(const Plans& plans, const std::string& name) {
  json channels = json::array(), d;
  for (std::size_t i = 0; i < plans.channel_names.size(); ++i)
    channels.push_back(describe_channel(plans.channel_names[i], i, plans.channel_names.size()));
  d = {{"name", name},
       {"title", plans.dataset_name.empty() ? name : plans.dataset_name},
       {"version", "1"},
       {"intended_use", "Research; the model's makers say for what. Not a medical device."},
       {"license", "not stated"},
       {"origin", "nnU-Net v2 (doi 10.1038/s41592-020-01008-z) results folder " + name},
       {"input",
        {{"modality", modality_of(plans.channel_names.front())},
         {"region", {{"value", "123037004"}, {"scheme", "SCT"}, {"meaning", "Anatomical Structure"}}},
         {"channels", channels}}},
       {"labels", labels_of(plans.labels)},
       {"regions", regions_of(plans.labels)},
       {"lesion", {{"min_volume_mm3", 0}}}};
  return d;
}

}  // namespace

json describe_label(int value, const std::string& name) {
  const Label label = label_of(static_cast<std::uint8_t>(value), name);
  const auto code = [](const Code& c) -> json {
    return {{"value", c.value}, {"scheme", c.scheme}, {"meaning", c.meaning}};
  };
  return {{"value", value},
          {"name", name},
          {"color", label.color_rgb},
          {"lesion", label.lesion},
          {"category", code(label.category)},
          {"type", code(label.type)}};
}

ModelPackage read_package(const std::vector<std::string>& folders, const ModelOptions& options) {
  const double step = options.step.value_or(0.5);
  if (!(step >= 0.01 && step <= 1)) throw Error(ErrorCode::usage, "the step must lie between 0.01 and 1");
  ModelPackage notes;
  NnUnetInference inference;
  inference.step = step;
  inference.half_accumulators = options.half_accumulators;
  if (!options.postprocessing.empty()) {
    if (!is_there(options.postprocessing))
      throw Error(ErrorCode::usage, "there is no post-processing file at its path");
    inference.postprocessing = read_postprocessing(read_json(options.postprocessing));
  }
  fs::path first;
  for (const std::string& given : folders) {
    const fs::path folder = trained_folder(given, options.configuration);
    if (first.empty()) first = folder;
    inference.ensemble.push_back(read_stage(folder, options, notes));
    const Plans &a = inference.ensemble.front().plans, &b = inference.ensemble.back().plans;
    const auto same = [](const LabelEntry& x, const LabelEntry& y) { return x.name == y.name && x.values == y.values; };
    if (a.channel_names != b.channel_names || a.labels.regions_class_order != b.labels.regions_class_order ||
        !std::equal(a.labels.entries.begin(), a.labels.entries.end(), b.labels.entries.begin(), b.labels.entries.end(),
                    same))
      throw Error(ErrorCode::usage, "the models of an ensemble must have the same channels and labels");
  }
  try {
    json description = describe(inference.ensemble.front().plans, name_of(first));
    if (is_there(first / "oncotome.json")) lay_over(description, json(read_json(first / "oncotome.json")));
    ModelPackage package = read_description(description);
    package.folder = first.string();
    package.doubts = std::move(notes.doubts);
    package.inference = std::move(inference);
    return package;
  } catch (const json::exception& e) {
    throw Error(ErrorCode::model_invalid,
                std::string("oncotome.json: a field is missing or has the wrong type: ") + e.what());
  }
}

}  // namespace oncotome::engine::nnunet
