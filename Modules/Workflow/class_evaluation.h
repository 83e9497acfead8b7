// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "oncotome/core/json.h"

namespace oncotome::workflow {

/// A file of predictions as `classify` writes it.
struct Predictions {
  struct Row {
    std::string path;
    std::vector<double> probabilities;  ///< Empty where the image was refused.
  };
  std::vector<std::string> classes;
  std::vector<Row> rows;
};

/// Columns path, p_<class>... and, optional, refused; others are passed over. Throws Error{input_not_found,
/// input_unreadable} that names the line.
Predictions read_predictions(const std::string& path);

/// What is known of an image.
struct ImageTruth {
  std::string path, class_name, group, part, place;
};

/// Columns path, class and, optional, group and part; others are passed over, and so are lines without a class. Throws
/// the same.
std::vector<ImageTruth> read_image_truth(const std::string& path);

struct ClassEvaluationRequest {
  std::string predictions, truth;  ///< CSV files.
  std::string part;                ///< Of the truth that is compared, such as "test"; empty: all of it.
  std::uint64_t seed = 1;          ///< Of the bootstrap.
};

/// Compares predictions of classes with the truth. Paths are of one image where they are equal, or one of them ends
/// with the other; the truth's may have folders more. Returns the content of the JSON (schema
/// oncotome.classification/1). Throws Error{usage, input_not_found, input_unreadable}.
nlohmann::json evaluate_classes(const ClassEvaluationRequest& request);

/// A line per class, with a header.
std::string class_evaluation_csv(const nlohmann::json& evaluation);

}  // namespace oncotome::workflow
