// SPDX-License-Identifier: Apache-2.0
#include "hounsfield.h"

#include <algorithm>
#include <limits>

namespace oncotome::dicom {
namespace {

constexpr float kAir = -1000, kAirTolerance = 150, kLowest = -1024;
constexpr double kAirPeak = 0.01;  // of all voxels

}  // namespace

std::size_t clean_hounsfield(const Header& header, float* values, std::size_t count) {
  if (header.series.modality != "CT" || header.series.unit != "HU") return 0;
  float low = std::numeric_limits<float>::infinity(), high = -low;
  if (header.padding) {
    low = static_cast<float>(header.slope * (*header.padding)[0] + header.intercept);
    high = static_cast<float>(header.slope * (*header.padding)[1] + header.intercept);
  }
  std::size_t changed = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const bool odd = values[i] < kLowest || (values[i] >= low && values[i] <= high && values[i] != kLowest);
    if (odd) values[i] = kLowest;
    changed += odd;
  }
  return changed;
}

void check_hounsfield(const Series& series, const std::vector<float>& values, LoadNotes& notes) {
  if (series.modality != "CT" || values.empty()) return;
  const float lowest = *std::min_element(values.begin(), values.end());
  const auto air = std::count_if(values.begin(), values.end(),
                                 [](float v) { return v >= kAir - kAirTolerance && v <= kAir + kAirTolerance; });
  const bool peak = static_cast<double>(air) >= kAirPeak * static_cast<double>(values.size());
  if (series.unit == "HU" && lowest >= 0)
    notes.not_hu = "no value of the CT is below 0: they look shifted, with air near 0 instead of -1000 HU";
  else if (series.unit.empty() && !peak)
    notes.not_hu = "the CT has no RescaleIntercept, and no air near -1000 to tell that its values are HU all the same";
  else if (series.unit == "HU" && air == 0)
    notes.doubts.emplace_back("no voxel of the CT is air (-1000 HU): whether its values are HU cannot be told");
  if (!notes.not_hu.empty()) notes.doubts.push_back(notes.not_hu);
}

}  // namespace oncotome::dicom
