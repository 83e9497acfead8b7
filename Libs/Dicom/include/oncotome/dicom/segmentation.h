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

/// A union of classes with a name of its own, such as the tumor core.
struct LabelUnion {
  std::string name;
  std::vector<std::uint8_t> labels;
};

/// Whether a SEG has the frames in which a segment has no voxel.
enum class EmptyFrames {
  automatic,  ///< Up to 1000 frames, for readers that count on them.
  always,
  never,  ///< But a segment has one frame at least.
};

/// What a classifier says of a lesion.
struct LesionClass {
  Code code;
  double probability = 0;  ///< Of it, 0 to 1.
  std::string refusal;     ///< Why there is no class; else empty.
};

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
  std::vector<LabelUnion> unions;  ///< One more segment each, after the classes, which they overlap.
  EmptyFrames empty_frames = EmptyFrames::automatic;
  std::vector<Lesion>
      lesions;  ///< One more segment each, after the unions; type Neoplasm unless lesion_type says else.
  const LesionVolume* lesion_volume = nullptr;
  std::map<std::uint16_t, LesionClass> classes;  ///< By lesion, for the SR; empty where nothing classified them.
  Provenance classifier;                         ///< What did.
  std::vector<std::string> corrections;          ///< What was changed about the input, for the SR.
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
/// packed here, since dcmseg 3.6.7 corrupts frames whose size is no multiple of 8. Throws Error{output_unwritable,
/// dicom_bad_value, grid_mismatch}.
SegmentationReceipt write_segmentation(const std::string& path, const ResultContext& context);

/// Writes a LABELMAP Segmentation (PS3.3 A.51, Supplement 243) of the classes alone, whose segment numbers are their
/// label values; a frame is a plane. Throws as write_segmentation().
void write_label_map(const std::string& path, const ResultContext& context);

/// A segment whose voxels are probabilities: 0 to 255, which is certain.
struct FractionalSegment {
  Label label;
  const LabelVolume* values = nullptr;
};

/// Writes a FRACTIONAL Segmentation of probabilities, MaximumFractionalValue 255. Throws as write_segmentation().
void write_probabilities(const std::string& path, const ResultContext& context,
                         const std::vector<FractionalSegment>& segments);

/// Writes an RT Structure Set (PS3.3 A.19) on the slices of the first source: ROI n is segment n of the SEG. Contours
/// run by marching squares at 0.5 through the edges of the mask's pixels; a hole is joined to the contour round it.
/// Throws as write_segmentation().
void write_structure_set(const std::string& path, const ResultContext& context);

/// Writes an RGB picture, `width` x `height`, row 0 on top, as a Secondary Capture (PS3.3 A.8.1) that refers to the
/// slices of the first source. Throws as write_segmentation().
void write_secondary_capture(const std::string& path, const ResultContext& context, int width, int height,
                             const std::vector<std::uint8_t>& rgb);

/// Writes a Comprehensive 3D SR, TID 1500, one TID 1411 group per lesion that references its segment in the SEG at
/// `segmentation_path`: volume (mm3), longest axial and longest 3D diameter (mm), volume (mm3),
/// area (mm2) and sphericity of its mesh; a class as its Impression with the Certainty of Impression in %. No lesion
/// gives a report that says so. Throws Error{output_unwritable, input_unreadable}.
void write_report(const std::string& path, const ResultContext& context, const std::string& segmentation_path,
                  const SegmentationReceipt& receipt);

}  // namespace oncotome::dicom
