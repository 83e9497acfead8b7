// SPDX-License-Identifier: Apache-2.0
#include "package.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "../nnunet/package.h"
#include "../package_json.h"
#include "oncotome/core/error.h"
#include "oncotome/core/json.h"
#include "total_segmentator_tables.h"

namespace oncotome::engine::total_segmentator {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

const json& tables() {
  static const json parsed = json::parse(kTotalSegmentatorTables);
  return parsed;
}

const json* find_task(const std::string& name) {
  for (const json& task : tables().at("tasks"))
    if (task.at("name") == name) return &task;
  return nullptr;
}

// By label, from 1; variants of a task share its names.
const json& names_of(const json& task) {
  const json& labels = task.at("labels");
  return labels.is_array() ? labels : find_task(labels.get<std::string>())->at("labels");
}

std::uint8_t value_of(const json& task, const std::string& label) {
  const json& names = names_of(task);
  return static_cast<std::uint8_t>(std::find(names.begin(), names.end(), label) - names.begin() + 1);
}

// A dataset's folder may tell behind its name how many subjects it had.
bool is_dataset(const fs::path& folder, const json& part) {
  const std::string name = folder.filename().string(), stem = part.at("dataset").get<std::string>();
  return name.rfind(stem, 0) == 0 && (name.size() == stem.size() || name[stem.size()] == '_');
}

/// The folder that holds datasets, and their paths.
struct Results {
  std::vector<fs::path> datasets;

  explicit Results(const fs::path& root) {
    std::error_code ignored;
    for (fs::directory_iterator i(root, ignored), end; i != end; i.increment(ignored))
      if (i->is_directory(ignored) && i->path().filename().string().rfind("Dataset", 0) == 0)
        datasets.push_back(i->path());
    std::sort(datasets.begin(), datasets.end());
  }
  const fs::path* find(const json& part) const {
    const auto found =
        std::find_if(datasets.begin(), datasets.end(), [&](const fs::path& d) { return is_dataset(d, part); });
    return found == datasets.end() ? nullptr : &*found;
  }
  std::size_t count(const json& task) const {
    const json& parts = task.at("parts");
    return static_cast<std::size_t>(
        std::count_if(parts.begin(), parts.end(), [&](const json& part) { return find(part) != nullptr; }));
  }
};

/// A task, and the only part of it that is wanted, if so.
struct Choice {
  const json* task = nullptr;
  const json* only = nullptr;
};

[[noreturn]] void lacks(const json& task, const json& part) {
  throw Error(ErrorCode::model_not_found, "TotalSegmentator's task " + task.at("name").get<std::string>() + " needs " +
                                              part.at("dataset").get<std::string>() +
                                              ", which is not among the results; download it");
}

Choice chosen_task(const Results& results, const std::string& configuration) {
  if (!configuration.empty()) {
    const json* task = find_task(configuration);
    const bool known = std::any_of(tables().at("tasks").begin(), tables().at("tasks").end(),
                                   [&](const json& t) { return results.count(t) > 0; });
    return {known ? task : nullptr, nullptr};
  }
  const json *whole = nullptr, *begun = nullptr;
  std::string list;
  std::size_t number = 0;
  for (const json& task : tables().at("tasks")) {
    const std::size_t count = results.count(task);
    if (count == 0) continue;
    if (count < task.at("parts").size()) {
      begun = &task;
      continue;
    }
    whole = &task;
    ++number;
    list += (list.empty() ? "" : ", ") + task.at("name").get<std::string>();
  }
  if (number > 1)
    throw Error(ErrorCode::usage,
                "the folder holds several tasks of TotalSegmentator; name one with --configuration: " + list);
  return {number == 1 ? whole : begun, nullptr};
}

// Where dataset.json has other names than the task, it was trained for something else.
void compare_names(const NnUnetStage& stage, const json& task, const std::vector<std::uint8_t>& labels,
                   ModelPackage& package) {
  for (const nnunet::LabelEntry& entry : stage.plans.labels.entries) {
    const auto value = static_cast<std::size_t>(entry.values.front());
    if (value == 0) continue;
    const std::uint8_t label = value < labels.size() ? labels[value] : 0;
    if (label != 0 && names_of(task).at(label - 1U) == entry.name) continue;
    if (label == 0 && task.contains("dropped")) continue;
    package.doubts.push_back(stage.plans.dataset_name + " calls label " + std::to_string(value) + " '" + entry.name +
                             "'; TotalSegmentator's task " + task.at("name").get<std::string>() +
                             (label == 0 ? " has no such label, and it is left out"
                                         : " means " + names_of(task).at(label - 1U).get<std::string>()));
    return;
  }
}

TotalSegmentatorInference read_inference(const Choice& choice, const Results& results, const ModelOptions& options,
                                         ModelPackage& package) {
  const json& task = *choice.task;
  TotalSegmentatorInference out;
  out.task = task.at("name").get<std::string>();
  if (task.contains("spacing_mm")) out.spacing_mm = task.at("spacing_mm").get<Vec3>();
  out.coarse_statistics = task.value("coarse_statistics", false);
  out.largest_only = task.value("largest_only", std::vector<std::uint8_t>{});
  const json volumes = task.value("min_volume_mm3", json::object());
  for (const auto& [label, volume] : volumes.items())
    out.min_volume_mm3[static_cast<std::uint8_t>(std::stoi(label))] = volume.get<double>();
  ModelOptions of_part = options;
  of_part.configuration.clear();
  of_part.mirroring = false;
  of_part.step = options.step.value_or(task.value("step", 0.5));
  if (of_part.folds.empty() && !task.value("all_folds", false)) of_part.folds = {"0"};
  out.slab_voxels = 0;
  for (const json& part : task.at("parts")) {
    if (part.contains("labels")) out.slab_voxels = TotalSegmentatorInference{}.slab_voxels;
    if (choice.only != nullptr && choice.only != &part) continue;
    const fs::path* dataset = results.find(part);
    if (dataset == nullptr) lacks(task, part);
    const fs::path trained = *dataset / part.at("folder").get<std::string>();
    std::error_code ignored;
    ModelPackage read = nnunet::read_package({(fs::exists(trained, ignored) ? trained : *dataset).string()}, of_part);
    if (read.channels.size() != 1)
      throw Error(ErrorCode::model_unsupported, part.at("dataset").get<std::string>() +
                                                    " takes several channels; TotalSegmentator's models take one");
    TotalSegmentatorInference::Part made;
    made.model = std::get<NnUnetInference>(std::move(read.inference));
    if (part.contains("labels")) {
      made.labels = part.at("labels").get<std::vector<std::uint8_t>>();
    } else {
      for (std::size_t i = 0; i <= names_of(task).size(); ++i) made.labels.push_back(static_cast<std::uint8_t>(i));
    }
    compare_names(made.model.ensemble.front(), task, made.labels, package);
    package.doubts.insert(package.doubts.end(), read.doubts.begin(), read.doubts.end());
    out.parts.push_back(std::move(made));
  }
  if (task.contains("crop")) {
    const json& crop = task.at("crop");
    const json* finder = find_task(crop.at("task").get<std::string>());
    ModelOptions of_crop;
    of_crop.half_accumulators = options.half_accumulators;
    out.crop.push_back(read_inference({finder, nullptr}, results, of_crop, package));
    for (const json& label : crop.at("labels")) out.crop_labels.push_back(value_of(*finder, label));
    out.crop_margin_mm = crop.at("margin_mm").get<Vec3>();
  }
  return out;
}

json code(const json& entry) { return {{"value", entry.at(0)}, {"scheme", "SCT"}, {"meaning", entry.at(1)}}; }

json describe(const json& task, const TotalSegmentatorInference& inference) {
  std::set<std::uint8_t> given;
  std::string datasets;
  for (const TotalSegmentatorInference::Part& part : inference.parts) {
    given.insert(part.labels.begin(), part.labels.end());
    datasets += (datasets.empty() ? "" : ", ") + part.model.ensemble.front().plans.dataset_name;
  }
  json labels = json::array();
  for (std::size_t i = 0; i < names_of(task).size(); ++i) {
    const auto value = static_cast<std::uint8_t>(i + 1);
    if (given.count(value) == 0) continue;
    const std::string name = names_of(task).at(i);
    json label = nnunet::describe_label(value, name);
    if (const auto term = tables().at("terms").find(name); term != tables().at("terms").end()) {
      label["category"] = code(term->at(0));
      label["type"] = code(term->at(1));
      label["color"] = term->at(2);
      label["lesion"] = label.at("lesion").get<bool>() && term->at(0).at(0) != "123037004";
    }
    labels.push_back(std::move(label));
  }
  const std::string modality = task.at("modality");
  return {{"name", "TotalSegmentator_" + inference.task},
          {"title", "TotalSegmentator, task " + inference.task},
          {"version", "2"},
          {"intended_use", "Research; not a medical device."},
          {"license", "its makers': Apache-2.0 for the open tasks"},
          {"origin", "TotalSegmentator (doi 10.1148/ryai.230024): " + datasets},
          {"input",
           {{"modality", modality},
            {"region", code(json::array({"123037004", "Anatomical Structure"}))},
            {"channels", json::array({{{"name", modality}, {"find", json::array({json::object()})}}})}}},
          {"labels", labels},
          {"lesion", {{"min_volume_mm3", 0}}}};
}

}  // namespace

std::optional<ModelPackage> read_package(const std::string& folder, const ModelOptions& options) {
  std::error_code ignored;
  fs::path root = fs::absolute(folder, ignored).lexically_normal();
  if (root.filename().empty()) root = root.parent_path();
  Choice choice;
  for (const json& task : tables().at("tasks"))
    for (const json& part : task.at("parts"))
      if (is_dataset(root, part)) choice = {&task, &part};
  if (choice.task != nullptr) {
    if (!options.configuration.empty() && choice.task->at("name") != options.configuration) return std::nullopt;
    root = root.parent_path();
  } else if (fs::is_directory(root / "nnunet" / "results", ignored)) {
    root = root / "nnunet" / "results";
  }
  const Results results(root);
  if (choice.task == nullptr) choice = chosen_task(results, options.configuration);
  if (choice.task == nullptr) return std::nullopt;

  if (!options.postprocessing.empty())
    throw Error(ErrorCode::usage, "TotalSegmentator's tasks have a post-processing of their own; leave nnU-Net's out");
  ModelPackage notes;
  TotalSegmentatorInference inference = read_inference(choice, results, options, notes);
  ModelPackage package = read_description(describe(*choice.task, inference));
  if (options.min_volume_mm3 > 0)
    for (const Label& label : package.labels) {
      double& least = inference.min_volume_mm3[label.value];
      least = std::max(least, options.min_volume_mm3);
    }
  package.folder = root.string();
  package.doubts = std::move(notes.doubts);
  package.inference = std::move(inference);
  return package;
}

}  // namespace oncotome::engine::total_segmentator
