// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "oncotome/core/lesion.h"
#include "oncotome/core/volume.h"
#include "oncotome/engine/lesion_classes.h"

namespace oncotome::cli {

/// Rows of cells, the first of them the columns' names.
using Table = std::vector<std::vector<std::string>>;

/// One row a lesion: what report.json has of it, its intensities in `scan` (null: empty cells; elsewhere than on the
/// lesions' grid it is resampled) and its volume of each label in `names` that makes lesions.
Table measurement_table(const std::vector<Lesion>& lesions, const LesionVolume& ids, const Volume<float>* scan,
                        const std::vector<Label>& names);

/// One row a lesion: its most probable class, the probability of each, their entropy in nats, or why there is none.
Table class_table(const std::vector<engine::LesionFinding>& findings, const std::vector<engine::ClassLabel>& classes);

/// Whole or not at all; tabs for .tsv, else commas. Throws Error{output_unwritable, output_exists}.
void write_table(const std::string& path, const Table& table);

/// Shortest text for nine digits.
std::string number_text(double value);

}  // namespace oncotome::cli
