// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <map>
#include <set>

#include "package.h"

namespace oncotome::training {
namespace {

using nlohmann::json;

std::string number(const json& value, int digits = 3) {
  if (!value.is_number()) return "-";
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value.get<double>());
  return text;
}

std::string with_interval(const json& figure) {
  return number(figure.at("value")) + " (" + number(figure.at("ci95")[0]) + " to " + number(figure.at("ci95")[1]) + ")";
}

std::string split_text(const Config& config) {
  using Split = DataConfig::Split;
  if (config.data.split == Split::part) return "as the manifest's column `part` says";
  const std::string shares = number(100 * config.data.validation, 0) + " % validation, " +
                             number(100 * config.data.test, 0) + " % test, drawn by the seed within each class";
  return config.data.split == Split::group ? "by group (such as patient), " + shares : "by image, " + shares;
}

std::string data_table(const Samples& samples) {
  std::string text = "| part | images | groups |";
  for (const std::string& name : samples.classes) text += " " + name + " |";
  text += "\n|---|---|---|";
  for (std::size_t k = 0; k < samples.classes.size(); ++k) text += "---|";
  for (const Part part : {Part::train, Part::validation, Part::test}) {
    std::set<std::string> groups;
    std::map<int, int> classes;
    const std::vector<std::size_t> indices = samples.of(part);
    for (const std::size_t i : indices) {
      if (!samples.all[i].group.empty()) groups.insert(samples.all[i].group);
      ++classes[samples.all[i].label];
    }
    text += "\n| " + std::string(kParts[static_cast<std::size_t>(part)]) + " | " + std::to_string(indices.size()) +
            " | " + (groups.empty() ? "-" : std::to_string(groups.size())) + " |";
    for (int k = 0; k < static_cast<int>(samples.classes.size()); ++k) text += " " + std::to_string(classes[k]) + " |";
  }
  return text + "\n";
}

std::string part_text(const std::string& part, const json& m) {
  std::string text = "### " + part + ", " + std::to_string(m.at("images").get<int>()) + " images\n\n";
  text += "| figure | value (95 % interval) |\n|---|---|\n";
  if (m.contains("dice")) text += "| Dice, mean over images and labels | " + with_interval(m["dice"]) + " |\n";
  if (!m.contains("accuracy")) return text + "\n";
  text += "| accuracy | " + with_interval(m["accuracy"]) + " |\n";
  text += "| mean recall of the classes | " + with_interval(m["mean_recall"]) + " |\n";
  text += "| ROC AUC" + std::string(m["classes"].size() > 2 ? ", mean of each class against the rest" : "") + " | " +
          with_interval(m["auc"]) + " |\n";
  text += "| expected calibration error | " + with_interval(m["ece"]) + " |\n";
  text += "| the same before calibration | " + number(m["ece_uncalibrated"]) + " |\n";
  text += "| negative log likelihood | " + number(m["nll"]) + " |\n\n";
  text += "| class | images | recall | precision | ROC AUC |\n|---|---|---|---|---|\n";
  for (const json& c : m["classes"])
    text += "| " + c["name"].get<std::string>() + " | " + std::to_string(c["images"].get<int>()) + " | " +
            with_interval(c["recall"]) + " | " + with_interval(c["precision"]) + " | " + with_interval(c["auc"]) +
            " |\n";
  text += "\nConfusion matrix, a row per true class:\n\n| true |";
  std::string rule = "\n|---|";
  for (const json& c : m["classes"]) {
    text += " " + c["name"].get<std::string>() + " |";
    rule += "---|";
  }
  text += rule;
  for (std::size_t k = 0; k < m["classes"].size(); ++k) {
    text += "\n| " + m["classes"][k]["name"].get<std::string>() + " |";
    for (const json& count : m["confusion"][k]) text += " " + std::to_string(count.get<int>()) + " |";
  }
  return text + "\n\n";
}

}  // namespace

std::string model_card(const Config& config, const Samples& samples, const Outcome& outcome) {
  const auto& size = config.network.input_size;
  std::string text = "# " + config.title + "\n\n" + config.intended_use + "\n\n";
  if (!config.origin.empty()) text += "Data: " + config.origin + "\n\n";
  text += "License: " + config.license + "\n\n## Network\n\n" + config.network.architecture + ", " +
          std::to_string(config.network.dimensions) + "-D, input " + std::to_string(config.network.in_channels) +
          " x " + (config.network.dimensions == 3 ? std::to_string(size[0]) + " x " : "") + std::to_string(size[1]) +
          " x " + std::to_string(size[2]) + ", " + std::to_string(outcome.parameters) +
          " parameters.\n\n## Data\n\nSplit " + split_text(config) +
          ". No group and no file content is in two parts (checked). SHA-256 over files, classes and parts: `" +
          samples.digest + "`.\n\n" + data_table(samples);
  text += "\n## Training\n\n`oncotome train training.json`, seed " + std::to_string(config.seed) + ", " +
          std::to_string(outcome.history.size() - static_cast<std::size_t>(config.refit_epochs)) +
          " epochs; the weights are those of epoch " + std::to_string(outcome.best_epoch) +
          ", the best by the validation part.";
  if (config.refit_epochs > 0)
    text += " From there they learned " + std::to_string(config.refit_epochs) +
            " epochs more with the images of the validation part as well. The figures below, the temperature and the "
            "gate are of the weights before that.";
  if (!config.initial_weights.empty()) text += " It began with the weights of another training.";
  text += " Curves: `curves.png`, `metrics.jsonl`.\n";
  if (config.network.classes > 0)
    text +=
        "\nLogits are divided by the temperature " + number(outcome.temperature) +
        ", fitted on the validation part (arXiv:1706.04599); `reliability.png` shows its answers before and after.\n";
  text += "\n## Measured\n\n";
  if (!outcome.measured.contains("test"))
    text +=
        "There was no test part. The epoch and the temperature were chosen on the validation part, so its figures "
        "are somewhat better than those of new images.\n\n";
  else
    text +=
        "The test part was not used for any choice; the epoch and the temperature were chosen on the validation "
        "part.\n\n";
  for (const char* part : {"test", "validation"})
    if (outcome.measured.contains(part)) text += part_text(part, outcome.measured[part]);
  return text +
         "Intervals: Wilson's of shares of images without groups; of other figures the bootstrap over groups (images "
         "where there are none), 1000 draws. One image at a time, without mirrored images.\n";
}

}  // namespace oncotome::training
