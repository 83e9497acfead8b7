// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <string>
#include <vector>

#include "functional_groups.h"

namespace oncotome::dicom {

/// What may tell apart images that lie at one place, in the order in which it is tried.
enum MarkIndex : std::size_t {
  kStackId,
  kImageType,
  kAcquisitionNumber,
  kTemporalPosition,
  kEchoNumber,
  kEchoTime,
  kInversionTime,
  kBValue,
  kGradient,
  kTriggerTime,
  kFrameReferenceTime,
  kAcquisitionDateTime,
  kAcquisitionTime,
  kContentTime,
  kDimensions,
  kMarkCount
};

constexpr std::array<const char*, kMarkCount> kMarkNames{"StackID",
                                                         "ImageType",
                                                         "AcquisitionNumber",
                                                         "TemporalPosition",
                                                         "EchoNumber",
                                                         "EchoTime",
                                                         "InversionTime",
                                                         "b-value",
                                                         "gradient direction",
                                                         "TriggerTime",
                                                         "FrameReferenceTime",
                                                         "AcquisitionDateTime",
                                                         "AcquisitionTime",
                                                         "ContentTime",
                                                         "DimensionIndexValues"};

/// The value of each mark; "" where the image does not say.
std::vector<std::string> read_marks(FunctionalGroups& groups, int frame);

}  // namespace oncotome::dicom
