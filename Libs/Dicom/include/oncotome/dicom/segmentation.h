// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "oncotome/core/lesion.h"
#include "oncotome/core/provenance.h"
#include "oncotome/core/volume.h"
#include "oncotome/dicom/scan.h"

namespace oncotome::dicom {

/// What a result is made from; SEG and SR are both written from it.
struct ResultContext {
  /// The series that the labels lie on comes first. The others are referenced per frame only where they share its frame
  /// of reference and its planes, and are named in the SR's image library in any case.
  std::vector<const Series*> sources;
  Provenance provenance;
  std::string task;           ///< Short title for descriptions, such as "Brain tumor".
  Code region;                ///< Anatomic region, such as (12738006, SCT, "Brain").
  std::vector<Label> labels;  ///< Expected classes, each a segment even when empty.
  const LabelVolume* label_volume = nullptr;
  std::vector<Lesion>
      lesions;  ///< One more segment each, after the classes; type Neoplasm unless lesion_type says else.
  const LesionVolume* lesion_volume = nullptr;
  std::vector<std::string> corrections;  ///< What was changed about the input, for the SR.
  Code lesion_category{"49755003", "SCT", "Morphologically Altered Structure"};
  Code lesion_type{"108369006", "SCT", "Neoplasm"};
};

/// Where things went in the SEG.
struct SegmentationReceipt {
  std::string sop_instance_uid;
  std::string series_uid;
  std::map<std::uint8_t, int> segment_of_label;
  std::map<std::uint16_t, int> segment_of_lesion;
};

/// Writes a BINARY Segmentation (PS3.3 A.51) on the grid of the first source. dcmseg makes the header; the bits are
/// packed here, since dcmseg 3.6.7 corrupts frames whose size is no multiple of 8. Planes inside the source extent are
/// all kept up to 1000 frames, empty ones left out beyond that, but never all of them. Throws Error{output_unwritable,
/// dicom_bad_value, grid_mismatch}.
SegmentationReceipt write_segmentation(const std::string& path, const ResultContext& context);

/// Writes a Comprehensive 3D SR, TID 1500, one TID 1411 group per lesion that references its segment in the SEG at
/// `segmentation_path`: volume (mm3), longest axial diameter (mm) and longest 3D diameter (mm). No lesion gives a
/// report that says so. Throws Error{output_unwritable, input_unreadable}.
void write_report(const std::string& path, const ResultContext& context, const std::string& segmentation_path,
                  const SegmentationReceipt& receipt);

}  // namespace oncotome::dicom
