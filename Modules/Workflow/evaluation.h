// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "oncotome/core/job.h"
#include "oncotome/core/json.h"
#include "oncotome/core/volume.h"
#include "oncotome/engine/model_package.h"
#include "oncotome/engine/overlap.h"

namespace oncotome::workflow {

struct EvaluationPair {
  std::string name;
  std::string result, truth;  ///< Each a NIfTI or NRRD label volume, a DICOM SEG or an RT Structure Set.
  std::string reference;      ///< Where its series lies, on whose grid a structure set is put; else the other side's.
};

struct EvaluationRequest {
  std::vector<EvaluationPair> pairs;
  /// NAME=PARTS or NAME=PARTS:TRUTH_PARTS, parts joined by +: label values, segment or ROI numbers, or names. Empty:
  /// every label value of two label volumes, else the parts with one name, and in any case the union of all.
  std::vector<std::string> regions;
  engine::OverlapOptions options;
};

/// Compares each result with its truth, which is resampled to the result's grid where they differ. Returns the content
/// of evaluation.json (schema oncotome.evaluation/1). Throws Error{usage, input_*, dicom_*, grid_mismatch, cancelled}.
nlohmann::json evaluate(const EvaluationRequest& request, const Job& job);

/// One line per pair and region, with a header.
std::string evaluation_csv(const nlohmann::json& evaluation);

/// Pairs of a CSV list with the columns result, truth and, optional, reference and name; relative paths start at the
/// list. Throws Error{input_not_found, input_unreadable}.
std::vector<EvaluationPair> read_pairs(const std::string& path);

/// The part of report.json that compares labels with the truth on their grid: regions and labels of the package.
nlohmann::json evaluate_labels(const LabelVolume& labels, const LabelVolume& truth, const engine::ModelPackage& package,
                               const Job& job);

/// The truth on the grid of the result, by nearest voxels; what was done is added to `notes`. Throws
/// Error{grid_mismatch} when the two do not meet.
LabelVolume truth_on_grid(LabelVolume truth, const Geometry& grid, std::vector<std::string>& notes);

}  // namespace oncotome::workflow
