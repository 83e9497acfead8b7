// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "evaluation.h"
#include "oncotome/core/job.h"
#include "oncotome/core/volume.h"
#include "oncotome/dicom/masks.h"
#include "oncotome/engine/components.h"

namespace oncotome::workflow {

/// The voxels with one of the values.
engine::Mask mask_of(const LabelVolume& labels, const std::set<int>& values);

/// One side of a comparison: a label volume, or the masks of a DICOM object, which may overlap.
class EvaluationSide {
 public:
  explicit EvaluationSide(LabelVolume labels);
  explicit EvaluationSide(std::vector<dicom::Mask> masks);  ///< At least one.

  const Geometry& grid() const;
  bool has_names() const { return !masks_.empty(); }
  /// Number and name of each part; a label value has no name.
  std::vector<std::pair<int, std::string>> parts() const;
  engine::Mask mask(const std::set<int>& numbers) const;
  /// See truth_on_grid().
  void move_to(const Geometry& grid, std::vector<std::string>& notes);

 private:
  LabelVolume labels_;
  std::vector<dicom::Mask> masks_;
};

/// Parts of the result and of the truth that are compared with each other.
struct RegionPair {
  std::string name;
  std::set<int> result, truth;
};

/// See EvaluationRequest::regions. Throws Error{usage}.
std::vector<RegionPair> choose_regions(const std::vector<std::string>& asked, const EvaluationSide& result,
                                       const EvaluationSide& truth);

/// A NIfTI or NRRD label volume, a SEG or a structure set, which is drawn on `grid`; of a folder, the one SEG or
/// structure set in it. `notes` tells what is not in the voxels. Throws Error{input_*, dicom_*, cancelled}, which begin
/// with `what`.
EvaluationSide read_side(const std::string& path, const std::string& what, const Geometry& grid,
                         std::vector<std::string>& notes, const Job& job);

/// Reads both sides of a pair, of which each may be a folder or .zip with one SEG or structure set. `notes` tells what
/// is not in the voxels. Throws Error{usage, input_*, dicom_*, grid_mismatch, cancelled}.
std::pair<EvaluationSide, EvaluationSide> read_sides(const EvaluationPair& pair, std::vector<std::string>& notes,
                                                     const Job& job);

}  // namespace oncotome::workflow
