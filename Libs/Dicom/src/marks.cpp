// SPDX-License-Identifier: Apache-2.0
#include "marks.h"

#include <charconv>
#include <cmath>

#include "values.h"

namespace oncotome::dicom {
namespace {

/// Where a mark is written.
struct Place {
  MarkIndex mark;
  DcmTagKey macro;  ///< Of a frame; the null tag: as in a single image.
  DcmTagKey tag;
};

const DcmTagKey kNone{0, 0};

const Place kPlaces[] = {{kStackId, DCM_FrameContentSequence, DCM_StackID},
                         {kImageType, DCM_CTImageFrameTypeSequence, DCM_FrameType},
                         {kImageType, DCM_MRImageFrameTypeSequence, DCM_FrameType},
                         {kImageType, DCM_PETFrameTypeSequence, DCM_FrameType},
                         {kImageType, kNone, DCM_ImageType},
                         {kAcquisitionNumber, DCM_FrameContentSequence, DCM_FrameAcquisitionNumber},
                         {kAcquisitionNumber, kNone, DCM_AcquisitionNumber},
                         {kTemporalPosition, DCM_FrameContentSequence, DCM_TemporalPositionIndex},
                         {kTemporalPosition, kNone, DCM_TemporalPositionIdentifier},
                         {kEchoNumber, kNone, DCM_EchoNumbers},
                         {kEchoTime, DCM_MREchoSequence, DCM_EffectiveEchoTime},
                         {kEchoTime, kNone, DCM_EchoTime},
                         {kInversionTime, DCM_MRModifierSequence, DCM_InversionTimes},
                         {kInversionTime, kNone, DCM_InversionTime},
                         {kBValue, DCM_MRDiffusionSequence, DCM_DiffusionBValue},
                         {kBValue, kNone, DCM_DiffusionBValue},
                         {kGradient, kNone, DCM_DiffusionGradientOrientation},
                         {kTriggerTime, DCM_CardiacSynchronizationSequence, DCM_NominalCardiacTriggerDelayTime},
                         {kTriggerTime, kNone, DCM_TriggerTime},
                         {kFrameReferenceTime, kNone, DCM_FrameReferenceTime},
                         {kAcquisitionDateTime, DCM_FrameContentSequence, DCM_FrameAcquisitionDateTime},
                         {kAcquisitionDateTime, kNone, DCM_AcquisitionDateTime},
                         {kAcquisitionTime, kNone, DCM_AcquisitionTime},
                         {kContentTime, kNone, DCM_ContentTime}};

/// "9.0" and "9" are one value.
std::string plain_number(std::string text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size() || !std::isfinite(value)) return text;
  char buffer[32];
  return {buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr};
}

std::string direction_of(FunctionalGroups& groups, int frame) {
  DcmItem* direction = nullptr;
  if (groups.macro(frame, DCM_MRDiffusionSequence)
          .findAndGetSequenceItem(DCM_DiffusionGradientDirectionSequence, direction)
          .bad())
    return {};
  return display_text(*direction, DCM_DiffusionGradientOrientation);
}

/// DimensionIndexValues but those that count places.
std::string dimensions_of(FunctionalGroups& groups, int frame, DcmItem& dataset) {
  const std::vector<std::string> indices =
      split_values(raw_text(groups.macro(frame, DCM_FrameContentSequence), DCM_DimensionIndexValues));
  std::string kept;
  for (std::size_t i = 0; i < indices.size(); ++i) {
    DcmItem* dimension = nullptr;
    DcmTagKey pointer;
    if (dataset.findAndGetSequenceItem(DCM_DimensionIndexSequence, dimension, static_cast<long>(i)).bad()) return {};
    DcmElement* element = nullptr;
    if (dimension->findAndGetElement(DCM_DimensionIndexPointer, element).bad() || element->getTagVal(pointer).bad())
      return {};
    if (pointer == DCM_ImagePositionPatient || pointer == DCM_InStackPositionNumber || pointer == DCM_StackID ||
        pointer == DCM_ImagePositionVolume)
      continue;
    kept += (kept.empty() ? "" : "\\") + indices[i];
  }
  return kept;
}

}  // namespace

std::vector<std::string> read_marks(FunctionalGroups& groups, int frame) {
  std::vector<std::string> marks(kMarkCount);
  for (const Place& place : kPlaces) {
    if (!marks[place.mark].empty() || (frame == 0 && place.macro != kNone)) continue;
    DcmItem& item = place.macro == kNone ? groups.holder(frame, place.tag) : groups.macro(frame, place.macro);
    marks[place.mark] = plain_number(display_text(item, place.tag));
  }
  if (frame == 0) return marks;
  if (std::string direction = direction_of(groups, frame); !direction.empty()) marks[kGradient] = std::move(direction);
  marks[kDimensions] = dimensions_of(groups, frame, groups.dataset());
  return marks;
}

}  // namespace oncotome::dicom
