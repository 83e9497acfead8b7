// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <charconv>

#include "contours.h"
#include "oncotome/core/digest.h"
#include "oncotome/dicom/segmentation.h"
#include "quiet_dcmtk.h"
#include "result_header.h"
#include "segmentation_plan.h"
#include "sequences.h"

namespace oncotome::dicom {
namespace {

constexpr const char* kDetachedStudyClass = "1.2.840.10008.3.1.2.3.1";  // what readers expect, PS3.3 C.8.8.5
constexpr std::size_t kLongestExplicit = 65534;

void put(DcmItem& item, const DcmTagKey& tag, const std::string& value) {
  require(item.putAndInsertString(tag, value.c_str()), "an attribute of the structure set");
}

DcmItem& add_item(DcmItem& item, const DcmTagKey& sequence) {
  DcmItem* added = nullptr;
  require(item.findOrCreateSequenceItem(sequence, added, -2), "an item of the structure set");
  return *added;
}

void add_image(DcmItem& item, const Instance& instance) {
  DcmItem& image = add_item(item, DCM_ContourImageSequence);
  put(image, DCM_ReferencedSOPClassUID, instance.sop_class_uid);
  put(image, DCM_ReferencedSOPInstanceUID, instance.sop_instance_uid);
  if (instance.frame > 0) put(image, DCM_ReferencedFrameNumber, std::to_string(instance.frame));
}

// Micrometers, without the zeros at the end.
std::string millimeters(double value) {
  char text[64];
  std::string short_text(text, std::to_chars(text, text + sizeof text, value, std::chars_format::fixed, 3).ptr);
  short_text.erase(short_text.find_last_not_of('0') + 1);
  if (short_text.back() == '.') short_text.pop_back();
  return short_text == "-0" ? "0" : short_text;
}

/// Returns whether its data need Implicit VR: a DS of Explicit VR has a length of 16 bits.
bool add_contour(DcmItem& roi, const Contour& contour, const Series& series, std::size_t plane) {
  const Geometry& g = series.geometry;
  std::string data;
  for (const auto& [x, y] : contour) {
    const Vec3 p = series.positions_mm[plane] + (x * g.spacing_mm[0]) * g.axis[0] + (y * g.spacing_mm[1]) * g.axis[1];
    for (const double coordinate : p) data += (data.empty() ? "" : "\\") + millimeters(coordinate);
  }
  DcmItem& item = add_item(roi, DCM_ContourSequence);
  add_image(item, series.instances[plane]);
  put(item, DCM_ContourGeometricType, "CLOSED_PLANAR");
  put(item, DCM_NumberOfContourPoints, std::to_string(contour.size()));
  put(item, DCM_ContourData, data);
  return data.size() > kLongestExplicit;
}

void put_references(DcmItem& dataset, const Series& series, const std::string& frame_uid) {
  DcmItem& frame = add_item(dataset, DCM_ReferencedFrameOfReferenceSequence);
  put(frame, DCM_FrameOfReferenceUID, frame_uid);
  DcmItem& study = add_item(frame, DCM_RTReferencedStudySequence);
  put(study, DCM_ReferencedSOPClassUID, kDetachedStudyClass);
  put(study, DCM_ReferencedSOPInstanceUID, series.study_uid);
  DcmItem& referenced = add_item(study, DCM_RTReferencedSeriesSequence);
  put(referenced, DCM_SeriesInstanceUID, series.series_uid);
  for (const Instance& instance : series.instances) add_image(referenced, instance);
}

std::string color_text(const std::array<std::uint8_t, 3>& rgb) {
  return std::to_string(rgb[0]) + "\\" + std::to_string(rgb[1]) + "\\" + std::to_string(rgb[2]);
}

}  // namespace

void write_structure_set(const std::string& path, const ResultContext& context) {
  const QuietDcmtk quiet;
  const SegmentationPlan plan = plan_segmentation(context);
  const Series& series = *context.sources.front();
  const auto source = read_attributes(series.instances.front().path);
  const std::string seed = seed_of(context) + "structures ";
  const std::string frame_uid = frame_of_reference_of(series);

  DcmFileFormat file;
  DcmDataset& dataset = *file.getDataset();
  put(dataset, DCM_SOPClassUID, UID_RTStructureSetStorage);
  put_result_header(dataset, *source->getDataset(), context,
                    {"RTSTRUCT", make_uid(seed + "instance"), make_uid(seed + "series"), 9002,
                     "Oncotome " + context.task + " structures"});
  copy_element(*source->getDataset(), dataset, DCM_BodyPartExamined);
  put(dataset, DCM_OperatorsName, "");
  put(dataset, DCM_FrameOfReferenceUID, frame_uid);
  put(dataset, DCM_PositionReferenceIndicator, "");
  put(dataset, DCM_StructureSetLabel, "ONCOTOME");
  put(dataset, DCM_StructureSetDescription,
      "Contours by marching squares at 0.5, through the edges of the mask's pixels; output of an algorithm");
  OFString date, time;
  (void)dataset.findAndGetOFString(DCM_ContentDate, date);
  (void)dataset.findAndGetOFString(DCM_ContentTime, time);
  put(dataset, DCM_StructureSetDate, date.c_str());
  put(dataset, DCM_StructureSetTime, time.c_str());
  put(dataset, DCM_ApprovalStatus, "UNAPPROVED");
  put_references(dataset, series, frame_uid);

  bool is_long = false;
  std::vector<std::uint8_t> pixels(static_cast<std::size_t>(series.columns * series.rows));
  for (std::size_t s = 0; s < plan.segments.size(); ++s) {
    const PlannedSegment& segment = plan.segments[s];
    const std::string number = std::to_string(s + 1);
    DcmItem& roi = add_item(dataset, DCM_StructureSetROISequence);
    put(roi, DCM_ROINumber, number);
    put(roi, DCM_ReferencedFrameOfReferenceUID, frame_uid);
    put(roi, DCM_ROIName, own_text(segment.name()));
    put(roi, DCM_ROIGenerationAlgorithm, "AUTOMATIC");
    DcmItem& contours = add_item(dataset, DCM_ROIContourSequence);
    put(contours, DCM_ROIDisplayColor, color_text(segment.color()));
    put(contours, DCM_ReferencedROINumber, number);
    for (std::size_t k = 0; k < series.instances.size(); ++k) {
      if (!plan.present[s][k]) continue;
      fill_mask(context, plan, segment, k, pixels);
      for (const Contour& contour : contours_of(pixels, series.columns, series.rows))
        is_long = add_contour(contours, contour, series, k) || is_long;
    }
    DcmItem& observation = add_item(dataset, DCM_RTROIObservationsSequence);
    put(observation, DCM_ObservationNumber, number);
    put(observation, DCM_ReferencedROINumber, number);
    put(observation, DCM_RTROIInterpretedType, segment.lesion ? "GTV" : "");
    put(observation, DCM_ROIInterpreter, "");
  }
  save_whole(file, path, is_long ? EXS_LittleEndianImplicit : EXS_LittleEndianExplicit);
}

}  // namespace oncotome::dicom
