// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "oncotome/dicom/scan.h"

namespace oncotome::dicom {

/// An image that is no slice of a volume: an X-ray projection, a photograph, an ultrasound image, a screen shot.
struct Picture {
  std::int64_t width = 0, height = 0;
  int channels = 1;                                 ///< 1 gray, 3 RGB.
  int bits = 8;                                     ///< Of a color sample, whose greatest value is 2^bits - 1.
  std::optional<std::array<double, 2>> spacing_mm;  ///< Between columns, between rows.
  bool at_detector = false;                         ///< The spacing is that of ImagerPixelSpacing: the body is nearer.
  bool is_inverted = false;                         ///< Was MONOCHROME1 and is turned: here more is brighter.
  std::array<double, 2> window{0, 1};               ///< Gray values to show as black and white.
  /// Row by row from the top, color by pixel. Gray after the modality transform, PS3.3 C.11.1.
  std::vector<float> values;
};

/// One image of a series of SeriesKind::pictures. Throws the series' fault or Error{dicom_*, input_*}.
Picture load_picture(const Series& series, std::size_t index, const Job& job);

/// One slice of a series of SeriesKind::volume, alone: its values as load_volume() has them. Whether the slices make a
/// volume does not matter. Throws Error{dicom_*, input_unreadable, out_of_memory, cancelled}, and
/// Error{precondition_unmet} where the values of a CT are no Hounsfield units.
Picture load_slice(const Series& series, std::size_t index, const Job& job);

/// Eight bits a channel, for the eye: color as it is, gray through its window (PS3.3 C.11.2.1.2).
std::vector<std::uint8_t> display_bytes(const Picture& picture);

}  // namespace oncotome::dicom
