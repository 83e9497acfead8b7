// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <string>
#include <vector>

#include "config.h"
#include "oncotome/core/job.h"

namespace oncotome::training {

enum class Part { train, validation, test };
constexpr std::array<const char*, 3> kParts = {"train", "validation", "test"};

struct Sample {
  std::string path, mask;  ///< The mask's is empty where there is none.
  int label = -1;          ///< Index of its class, -1 where that is not known.
  std::string group;       ///< Such as a patient; never in two parts.
  Part part = Part::train;
  std::string place;  ///< "line 12 of the manifest", for messages: a path may hold a name.
};

struct Samples {
  std::vector<Sample> all;
  std::vector<std::string> classes;  ///< Empty without a classification head.
  std::string digest;                ///< SHA-256 over the files, classes, and parts.

  std::vector<std::size_t> of(Part part) const;
};

/// Reads the manifest (columns path, class, mask, group, part) or the folder of class folders, and splits.
/// Throws Error{input_not_found, input_unreadable, input_no_images, input_ambiguous, precondition_unmet}: a class
/// without training images, less than two of them, the same group or file content in two parts.
Samples read_samples(const Config& config, const Job& job);

}  // namespace oncotome::training
