// SPDX-License-Identifier: Apache-2.0
#include "class_evaluation.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <map>
#include <optional>
#include <set>

#include "oncotome/core/csv.h"
#include "oncotome/core/error.h"
#include "oncotome/engine/class_metrics.h"

namespace oncotome::workflow {
namespace {

using nlohmann::json;

[[noreturn]] void unreadable(const std::string& what) { throw Error(ErrorCode::input_unreadable, what); }

std::vector<double> probabilities_of(const CsvTable& table, const std::vector<std::string>& classes) {
  constexpr double kRounding = 1e-3;
  std::vector<double> out;
  double sum = 0;
  for (const std::string& name : classes) {
    const std::string cell = table.cell("p_" + name);
    char* end = nullptr;
    out.push_back(std::strtod(cell.c_str(), &end));
    if (cell.empty() || *end != '\0' || !(out.back() >= 0 && out.back() <= 1))
      unreadable(table.place() + ": a probability is no number from 0 to 1");
    sum += out.back();
  }
  if (std::abs(sum - 1) > kRounding) unreadable(table.place() + ": the probabilities do not add up to 1");
  return out;
}

// Whether the paths are equal, or the longer one has folders more.
bool may_be_one(const std::string& a, const std::string& b) {
  const std::string &longer = a.size() >= b.size() ? a : b, &shorter = a.size() >= b.size() ? b : a;
  const std::size_t more = longer.size() - shorter.size();
  return longer.compare(more, std::string::npos, shorter) == 0 && (more == 0 || longer[more - 1] == '/');
}

std::string file_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

/// Finds predictions by the path of their image.
class Finder {
 public:
  explicit Finder(const std::vector<Predictions::Row>& rows) : rows_(rows), taken_(rows.size()) {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (!exact_.emplace(rows[i].path, i).second) unreadable("the list of predictions has a path twice");
      by_name_[file_name(rows[i].path)].push_back(i);
    }
  }

  const Predictions::Row* take(const ImageTruth& truth) {
    std::optional<std::size_t> found;
    if (const auto same = exact_.find(truth.path); same != exact_.end()) {
      found = same->second;
    } else if (const auto named = by_name_.find(file_name(truth.path)); named != by_name_.end()) {
      for (const std::size_t i : named->second) {
        if (!may_be_one(rows_[i].path, truth.path)) continue;
        if (found) unreadable(truth.place + ": several predictions may be of its image");
        found = i;
      }
    }
    if (!found) return nullptr;
    if (taken_[*found]) unreadable(truth.place + ": another line is of the same image");
    taken_[*found] = true;
    return &rows_[*found];
  }

  std::int64_t left() const { return std::count(taken_.begin(), taken_.end(), false); }

 private:
  const std::vector<Predictions::Row>& rows_;
  std::vector<bool> taken_;
  std::map<std::string, std::size_t> exact_;
  std::map<std::string, std::vector<std::size_t>> by_name_;
};

json definitions(bool is_grouped) {
  const std::string drawn = is_grouped ? "groups" : "images";
  return {{"images", "of the truth, with a class; figures are of those that were answered"},
          {"refused", "images that the model's gate gave no answer"},
          {"missing", "images of the truth without a prediction"},
          {"unexpected", "predictions without a truth, which count for nothing"},
          {"accuracy", "share of images whose most probable class is the true one"},
          {"mean_recall", "mean of the recalls of the classes that there are"},
          {"auc",
           "area under the ROC curve of the class against the rest, ties count half; of all classes their mean, of two "
           "the second's; null where a class has no image"},
          {"ece",
           "expected calibration error of the greatest probability, 15 bins of equal width, low end excluded "
           "(arXiv:1706.04599)"},
          {"nll", "mean negative logarithm of the true class's probability"},
          {"confusion", "images by true class (row) and most probable class (column), in the order of the classes"},
          {"ci95", "95 % percentiles of 1000 draws of " + drawn + " with replacement" +
                       (is_grouped ? "" : "; of accuracy, recall and precision Wilson's interval")}};
}

}  // namespace

Predictions read_predictions(const std::string& path) {
  CsvTable table(path, "the list of predictions");
  table.need("path");
  Predictions out;
  for (const std::string& column : table.columns())
    if (column.rfind("p_", 0) == 0) out.classes.push_back(column.substr(2));
  if (out.classes.size() < 2) unreadable("the list of predictions has not two columns p_<class>");
  while (table.next()) {
    Predictions::Row row{table.cell("path"), {}};
    if (row.path.empty()) unreadable(table.place() + " has no path");
    if (table.cell("refused").empty()) row.probabilities = probabilities_of(table, out.classes);
    out.rows.push_back(std::move(row));
  }
  return out;
}

std::vector<ImageTruth> read_image_truth(const std::string& path) {
  CsvTable table(path, "the list of true classes");
  table.need("path");
  table.need("class");
  std::vector<ImageTruth> out;
  while (table.next()) {
    ImageTruth row{table.cell("path"), table.cell("class"), table.cell("group"), table.cell("part"), table.place()};
    if (row.path.empty()) unreadable(row.place + " has no path");
    if (!row.class_name.empty()) out.push_back(std::move(row));
  }
  return out;
}

json evaluate_classes(const ClassEvaluationRequest& request) {
  const Predictions predictions = read_predictions(request.predictions);
  const std::vector<std::string>& classes = predictions.classes;
  engine::ClassAnswers answers;
  std::vector<std::int64_t> refused_of(classes.size(), 0);
  std::int64_t images = 0, refused = 0, missing = 0;
  std::set<std::string> groups;
  Finder finder(predictions.rows);
  for (const ImageTruth& truth : read_image_truth(request.truth)) {
    if (!request.part.empty() && truth.part != request.part) continue;
    const auto known = std::find(classes.begin(), classes.end(), truth.class_name);
    if (known == classes.end())
      unreadable(truth.place + ": the predictions have no column 'p_" + truth.class_name + "'");
    const auto label = static_cast<std::size_t>(known - classes.begin());
    ++images;
    const Predictions::Row* found = finder.take(truth);
    if (found == nullptr) {
      ++missing;
    } else if (found->probabilities.empty()) {
      ++refused;
      ++refused_of[label];
    } else {
      answers.probabilities.push_back(found->probabilities);
      answers.truth.push_back(label);
      answers.groups.push_back(truth.group);
      if (!truth.group.empty()) groups.insert(truth.group);
    }
  }
  if (images == 0)
    unreadable("the list of true classes has no image" + std::string(request.part.empty() ? "" : " of this part"));
  if (answers.truth.empty())
    throw Error(ErrorCode::usage, "no image of the list of true classes was answered in the list of predictions");
  json out = engine::class_metrics(answers, classes, request.seed);
  for (std::size_t k = 0; k < classes.size(); ++k) out["classes"][k]["refused"] = refused_of[k];
  out["schema"] = "oncotome.classification/1";
  out["images"] = images;
  out["answered"] = answers.truth.size();
  out["refused"] = refused;
  out["missing"] = missing;
  out["unexpected"] = finder.left();
  out["groups"] = groups.size();
  out["definitions"] = definitions(!groups.empty());
  return out;
}

std::string class_evaluation_csv(const json& evaluation) {
  std::string out = "class,images,refused";
  const std::vector<std::string> figures{"recall", "precision", "auc"};
  for (const std::string& figure : figures) out += "," + figure + "," + figure + "_low," + figure + "_high";
  out += "\n";
  for (const json& row : evaluation["classes"]) {
    out += csv_quoted(row["name"]) + "," + row["images"].dump() + "," + row["refused"].dump();
    for (const std::string& figure : figures)
      for (const json& value : {row[figure]["value"], row[figure]["ci95"][0], row[figure]["ci95"][1]})
        out += "," + (value.is_null() ? std::string() : value.dump());
    out += "\n";
  }
  return out;
}

}  // namespace oncotome::workflow
