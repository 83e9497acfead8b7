// SPDX-License-Identifier: Apache-2.0
#include "oncotome/dicom/segmentation.h"

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmfg/fgderimg.h>
#include <dcmtk/dcmfg/fgfracon.h>
#include <dcmtk/dcmfg/fgpixmsr.h>
#include <dcmtk/dcmfg/fgplanor.h>
#include <dcmtk/dcmfg/fgplanpo.h>
#include <dcmtk/dcmfg/fgseg.h>
#include <dcmtk/dcmseg/segdoc.h>
#include <dcmtk/dcmseg/segment.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <set>

#include "geometry.h"
#include "mask_file.h"
#include "oncotome/core/digest.h"
#include "oncotome/dicom/decimal_string.h"
#include "pixel_module.h"
#include "quiet_dcmtk.h"
#include "result_header.h"
#include "segmentation_plan.h"
#include "source_planes.h"
#include "values.h"

namespace oncotome::dicom {
namespace {

CodeSequenceMacro code_of(const Code& code) {
  return CodeSequenceMacro(text(own_text(code.value)), text(own_text(code.scheme, 16)), text(own_text(code.meaning)));
}

bool same_planes(const Series& a, const Series& b) {
  if (a.columns != b.columns || a.rows != b.rows || a.instances.size() != b.instances.size()) return false;
  Geometry plane_a = a.geometry, plane_b = b.geometry;
  plane_a.size = plane_b.size = {a.columns, a.rows, 1};
  for (std::size_t k = 0; k < a.instances.size(); ++k) {
    plane_a.origin_mm = a.positions_mm[k];
    plane_b.origin_mm = b.positions_mm[k];
    if (!same_grid(plane_a, plane_b)) return false;
  }
  return true;
}

// The series whose slices are those of the grid's, grid first.
std::vector<const Series*> sources_on_grid(const ResultContext& context) {
  const Series& grid = *context.sources.front();
  std::vector<const Series*> shared{&grid};
  for (const Series* series : context.sources)
    if (series->id() != grid.id() && series->is_readable(GeometryPolicy::fill) &&
        !grid.frame_of_reference_uid.empty() && series->frame_of_reference_uid == grid.frame_of_reference_uid &&
        same_planes(*series, grid))
      shared.push_back(series);
  return shared;
}

bool is_even(const Series& series) {
  const double step = series.geometry.spacing_mm[2];
  for (std::size_t k = 1; k < series.positions_mm.size(); ++k)
    if (std::abs(dot(series.positions_mm[k] - series.positions_mm[k - 1], series.geometry.axis[2]) - step) >
        step_tolerance_mm(step))
      return false;
  return true;
}

void add_segment(DcmSegmentation& seg, const ResultContext& context, const PlannedSegment& planned,
                 SegmentationReceipt& receipt) {
  const Provenance& p = context.provenance;
  const std::string name = planned.name();
  DcmSegment* made = nullptr;
  require(DcmSegment::create(made, text(own_text(name)),
                             code_of(planned.label ? planned.label->category : context.lesion_category),
                             code_of(planned.label ? planned.label->type : context.lesion_type),
                             DcmSegTypes::SAT_AUTOMATIC, text(own_text(algorithm_name(p)))),
          "a segment");
  std::unique_ptr<DcmSegment> segment(made);
  const auto color = cielab(planned.color());
  require(segment->setRecommendedDisplayCIELabValue(color[0], color[1], color[2]), "a segment's color");
  if (planned.lesion) {
    require(segment->setTrackingID(text(name)), "a tracking id");
    require(segment->setTrackingUID(text(planned.lesion->tracking_uid)), "a tracking UID");
  }
  AlgorithmIdentificationMacro& algorithm = segment->getSegmentationAlgorithmIdentification();
  require(algorithm.getAlgorithmFamilyCode().set("123110", "DCM", "Artificial Intelligence"), "the algorithm's family");
  require(algorithm.setAlgorithmName(text(own_text(algorithm_name(p)))), "the algorithm's name");
  require(algorithm.setAlgorithmVersion(text(own_text(algorithm_version(p)))), "the algorithm's version");
  require(algorithm.setAlgorithmSource(text(own_text(p.product + " " + p.version))), "the algorithm's source");
  if (!p.parameters.empty())
    require(algorithm.setAlgorithmParameters(text(own_text(p.parameters, 10240))), "the algorithm's parameters");
  if (!context.region.value.empty()) segment->getGeneralAnatomyCode().getAnatomicRegion() = code_of(context.region);
  Uint16 number = 0;
  require(seg.addSegment(segment.get(), number), "a segment");
  (void)segment.release();
  if (planned.label) receipt.segment_of_label[planned.label->value] = number;
  if (planned.lesion) receipt.segment_of_lesion[planned.lesion->id] = number;
}

void add_shared_groups(DcmSegmentation& seg, SourcePlanes& planes, const Series& grid) {
  const std::vector<std::string> spacing = planes.pixel_spacing(0);
  const std::string step = decimal_string(grid.geometry.spacing_mm[2]);
  FGPixelMeasures measures;
  require(measures.setPixelSpacing(text(spacing[0] + "\\" + spacing[1])), "the pixel spacing");
  require(measures.setSliceThickness(text(step)), "the slice thickness");
  if (is_even(grid)) require(measures.setSpacingBetweenSlices(text(step)), "the slice spacing");
  require(seg.addForAllFrames(measures), "the pixel measures");
  const std::vector<std::string> o = planes.orientation(0);
  const std::unique_ptr<FGPlaneOrientationPatient> orientation(
      FGPlaneOrientationPatient::createMinimal(text(o[0]), text(o[1]), text(o[2]), text(o[3]), text(o[4]), text(o[5])));
  require(orientation ? seg.addForAllFrames(*orientation) : EC_IllegalParameter, "the plane orientation");
}

void add_frames(DcmSegmentation& seg, const SegmentationPlan& plan, const std::vector<const Series*>& sources,
                SourcePlanes& planes, std::vector<Uint8>& blank) {
  const CodeSequenceMacro derivation("113076", "DCM", "Segmentation");
  const CodeSequenceMacro purpose("121322", "DCM", "Source image for image processing operation");
  for (const PlannedFrame& frame : plan.frames) {
    const auto k = static_cast<std::size_t>(frame.plane);
    const auto number = static_cast<Uint16>(frame.segment + 1);
    const std::vector<std::string> p = planes.position(k);
    const std::unique_ptr<FGPlanePosPatient> position(
        FGPlanePosPatient::createMinimal(text(p[0]), text(p[1]), text(p[2])));
    FGFrameContent content;
    require(content.setDimensionIndexValues(number, 0), "a dimension index");
    require(content.setDimensionIndexValues(plan.rank_of_plane[k], 1), "a dimension index");
    FGSegmentation identification;
    require(identification.setReferencedSegmentNumber(number), "a segment number");
    OFVector<ImageSOPInstanceReferenceMacro> images;
    for (const Series* series : sources) {
      const Instance& instance = series->instances[k];
      ImageSOPInstanceReferenceMacro image;
      require(image.setReferencedSOPClassUID(text(instance.sop_class_uid)), "a source image");
      require(image.setReferencedSOPInstanceUID(text(instance.sop_instance_uid)), "a source image");
      if (instance.frame > 0)
        require(image.addReferencedFrameNumber(static_cast<Uint16>(instance.frame)), "a source frame");
      images.push_back(image);
    }
    const std::unique_ptr<FGDerivationImage> source(
        FGDerivationImage::createMinimal(images, "Segmentation of the source images", derivation, purpose));
    if (!position || !source) require(EC_IllegalParameter, "a frame's position or source");
    OFVector<FGBase*> groups;
    for (FGBase* group : std::initializer_list<FGBase*>{position.get(), &content, &identification, source.get()})
      groups.push_back(group);
    require(seg.addFrame(blank.data(), number, groups), "a frame");
  }
}

// ReferencedSeriesSequence, PS3.3 section C.12.2: exactly the instances that the frames refer to, each once.
void put_references(DcmItem& dataset, const SegmentationPlan& plan, const std::vector<const Series*>& sources) {
  dataset.findAndDeleteElement(DCM_ReferencedSeriesSequence);
  std::map<std::string, DcmItem*> items;
  std::set<std::string> put;
  for (const Series* series : sources) {
    DcmItem*& item = items[series->series_uid];
    if (!item) {
      require(dataset.findOrCreateSequenceItem(DCM_ReferencedSeriesSequence, item, -2), "a referenced series");
      require(item->putAndInsertString(DCM_SeriesInstanceUID, series->series_uid.c_str()), "a referenced series");
    }
    for (std::size_t k = 0; k < plan.rank_of_plane.size(); ++k) {
      const Instance& instance = series->instances[k];
      if (plan.rank_of_plane[k] == 0 || !put.insert(instance.sop_instance_uid).second) continue;
      DcmItem* image = nullptr;
      require(item->findOrCreateSequenceItem(DCM_ReferencedInstanceSequence, image, -2), "a referenced image");
      require(image->putAndInsertString(DCM_ReferencedSOPClassUID, instance.sop_class_uid.c_str()), "an image");
      require(image->putAndInsertString(DCM_ReferencedSOPInstanceUID, instance.sop_instance_uid.c_str()), "an image");
    }
  }
}

// Frames lie on the planes of their sources voxel by voxel, PS3.3 section C.7.6.16.2.6; dcmfg has no field for it.
void put_locations_preserved(DcmItem& dataset, std::size_t sources) {
  DcmSequenceOfItems* frames = nullptr;
  require(dataset.findAndGetSequence(DCM_PerFrameFunctionalGroupsSequence, frames), "the frames");
  for (DcmObject* frame = frames->nextInContainer(nullptr); frame; frame = frames->nextInContainer(frame)) {
    DcmItem *derivation = nullptr, *source = nullptr;
    require(static_cast<DcmItem*>(frame)->findAndGetSequenceItem(DCM_DerivationImageSequence, derivation), "a source");
    for (std::size_t i = 0; i < sources; ++i) {
      require(derivation->findAndGetSequenceItem(DCM_SourceImageSequence, source, static_cast<long>(i)), "a source");
      require(source->putAndInsertString(DCM_SpatialLocationsPreserved, "YES"), "a source");
    }
  }
}

// A result made from lossy images says so too, PS3.3 section C.7.6.1.1.5.
void put_lossy(DcmItem& dataset, DcmFileFormat& source, const std::string& path) {
  if (!is_lossy(source)) return;
  const Loss loss = read_loss(source, path);
  require(dataset.putAndInsertString(DCM_LossyImageCompression, "01"), "the loss");
  if (!loss.ratio.empty())
    require(dataset.putAndInsertString(DCM_LossyImageCompressionRatio, loss.ratio.c_str()), "the loss");
  if (!loss.method.empty())
    require(dataset.putAndInsertString(DCM_LossyImageCompressionMethod, loss.method.c_str()), "the loss");
}

void put_pixels(DcmItem& dataset, const std::vector<std::uint8_t>& bits) {
  auto pixels = std::make_unique<DcmPixelData>(DCM_PixelData);
  pixels->setVR(EVR_OB);
  require(pixels->putUint8Array(bits.data(), static_cast<unsigned long>(bits.size())), "the pixels");
  require(dataset.insert(pixels.get(), OFTrue), "the pixels");
  (void)pixels.release();
}

/// All of a SEG but its pixels.
void fill_header(DcmDataset& dataset, const ResultContext& context, const SegmentationPlan& plan,
                 const ResultObject& object, SegmentationReceipt& receipt) {
  const Series& grid = *context.sources.front();
  SourcePlanes planes(grid);
  DcmItem& first = planes.dataset(0);
  const std::string organization = make_uid(object.sop_instance_uid + "/dimensions");
  const IODGeneralEquipmentModule::EquipmentInfo equipment("Oncotome", "Oncotome", "0", "0");
  const ContentIdentificationMacro content("1", "SEGMENTATION", text(own_text(context.task)), "Oncotome^AI");
  const auto rows = static_cast<Uint16>(grid.rows), columns = static_cast<Uint16>(grid.columns);
  DcmSegmentation* made = nullptr;
  require(DcmSegmentation::createBinarySegmentation(made, rows, columns, equipment, content), "the segmentation");
  const std::unique_ptr<DcmSegmentation> seg(made);
  require(seg->importHierarchy(first, OFTrue, OFTrue, OFTrue), "patient and study");
  // A series without a frame of reference gets one that it shares with nothing.
  if (grid.frame_of_reference_uid.empty())
    require(seg->getFrameOfReference().setFrameOfReferenceUID(text(frame_of_reference_of(grid))),
            "the frame of reference");
  require(seg->getSeries().setSeriesNumber(text(std::to_string(object.series_number))), "the series number");
  IODMultiframeDimensionModule& dimensions = seg->getDimensions();
  require(dimensions.addDimensionIndex(DCM_ReferencedSegmentNumber, text(organization),
                                       DCM_SegmentIdentificationSequence, "Segment"),
          "a dimension");
  require(
      dimensions.addDimensionIndex(DCM_ImagePositionPatient, text(organization), DCM_PlanePositionSequence, "Position"),
      "a dimension");
  for (const PlannedSegment& planned : plan.segments) add_segment(*seg, context, planned, receipt);
  add_shared_groups(*seg, planes, grid);
  const std::vector<const Series*> sources = sources_on_grid(context);
  std::vector<Uint8> blank(std::size_t{rows} * columns, 0);
  add_frames(*seg, plan, sources, planes, blank);

  require(seg->writeDataset(dataset), "the segmentation");
  put_result_header(dataset, first, context, object);
  copy_element(first, dataset, DCM_BodyPartExamined);
  require(
      dataset.putAndInsertString(DCM_SegmentsOverlap, context.lesions.empty() && context.unions.empty() ? "NO" : "YES"),
      "the overlap");
  put_references(dataset, plan, sources);
  put_locations_preserved(dataset, sources.size());
  for (std::size_t k = 0; k < planes.size(); ++k) put_lossy(dataset, planes.file(k), grid.instances[k].path);
  for (std::size_t s = 1; s < sources.size(); ++s) {
    const std::string& source = sources[s]->instances.front().path;
    put_lossy(dataset, *read_attributes(source), source);
  }
}

void put16(DcmItem& item, const DcmTagKey& tag, std::uint16_t value) {
  require(item.putAndInsertUint16(tag, value), "an attribute of the label map");
}

void put_eight_bits(DcmItem& dataset) {
  put16(dataset, DCM_BitsAllocated, 8);
  put16(dataset, DCM_BitsStored, 8);
  put16(dataset, DCM_HighBit, 7);
}

void set_code(DcmItem& segment, const DcmTagKey& sequence, const Code& code) {
  DcmItem* item = nullptr;
  require(segment.findOrCreateSequenceItem(sequence, item, 0), "a code");
  require(item->putAndInsertString(DCM_CodeValue, code.value.c_str()), "a code");
  require(item->putAndInsertString(DCM_CodingSchemeDesignator, code.scheme.c_str()), "a code");
  require(item->putAndInsertString(DCM_CodeMeaning, code.meaning.c_str()), "a code");
}

// Segment numbers become pixel values, and 0 is described too, PS3.3 section C.8.20.2.
void number_by_value(DcmItem& dataset, const std::vector<Label>& labels) {
  DcmSequenceOfItems* segments = nullptr;
  require(dataset.findAndGetSequence(DCM_SegmentSequence, segments), "the segments");
  const Code background{"125040", "DCM", "Background"};
  auto zero = std::make_unique<DcmItem>(*segments->getItem(0));
  put16(*zero, DCM_SegmentNumber, 0);
  require(zero->putAndInsertString(DCM_SegmentLabel, "Background"), "the background");
  zero->findAndDeleteElement(DCM_AnatomicRegionSequence);
  zero->findAndDeleteElement(DCM_RecommendedDisplayCIELabValue);
  set_code(*zero, DCM_SegmentedPropertyCategoryCodeSequence, background);
  set_code(*zero, DCM_SegmentedPropertyTypeCodeSequence, background);
  for (std::size_t s = 0; s < labels.size(); ++s)
    put16(*segments->getItem(static_cast<unsigned long>(s)), DCM_SegmentNumber, labels[s].value);
  require(segments->prepend(zero.get()), "the background");
  (void)zero.release();
}

// The header of a BINARY SEG whose frames are all planes of its first segment, as that of a label map.
void make_label_map(DcmItem& dataset, const ResultContext& context, const SegmentationPlan& plan) {
  require(dataset.putAndInsertString(DCM_SOPClassUID, kLabelMapClass), "the class");
  require(dataset.putAndInsertString(DCM_SegmentationType, "LABELMAP"), "the type");
  put_eight_bits(dataset);
  put16(dataset, DCM_PixelPaddingValue, 0);
  number_by_value(dataset, context.labels);
  DcmSequenceOfItems *indexes = nullptr, *frames = nullptr;
  require(dataset.findAndGetSequence(DCM_DimensionIndexSequence, indexes), "the dimensions");
  delete indexes->remove(0UL);
  require(dataset.findAndGetSequence(DCM_PerFrameFunctionalGroupsSequence, frames), "the frames");
  while (frames->card() > plan.frames.size()) delete frames->remove(frames->card() - 1);
  require(dataset.putAndInsertString(DCM_NumberOfFrames, std::to_string(plan.frames.size()).c_str()), "the frames");
  std::size_t f = 0;
  for (DcmObject* frame = frames->nextInContainer(nullptr); frame; frame = frames->nextInContainer(frame)) {
    auto& item = *static_cast<DcmItem*>(frame);
    item.findAndDeleteElement(DCM_SegmentIdentificationSequence);
    DcmItem* content = nullptr;
    require(item.findAndGetSequenceItem(DCM_FrameContentSequence, content), "a frame's content");
    const Uint32 rank = plan.rank_of_plane[static_cast<std::size_t>(plan.frames[f++].plane)];
    require(content->putAndInsertUint32Array(DCM_DimensionIndexValues, &rank, 1), "a dimension index");
  }
}

}  // namespace

SegmentationReceipt write_segmentation(const std::string& path, const ResultContext& context) {
  const QuietDcmtk quiet;
  const SegmentationPlan plan = plan_segmentation(context);
  const std::string seed = seed_of(context);
  SegmentationReceipt receipt;
  receipt.sop_instance_uid = make_uid(seed + "instance");
  receipt.series_uid = make_uid(seed + "series");
  DcmFileFormat file;
  fill_header(*file.getDataset(), context, plan,
              {"SEG", receipt.sop_instance_uid, receipt.series_uid, 9000, "Oncotome " + context.task + " SEG"},
              receipt);
  put_pixels(*file.getDataset(), pack_frames(context, plan));
  save_whole(file, path);
  return receipt;
}

void write_probabilities(const std::string& path, const ResultContext& context,
                         const std::vector<FractionalSegment>& segments) {
  const QuietDcmtk quiet;
  std::vector<std::uint8_t> bytes;
  const SegmentationPlan plan = plan_probabilities(context, segments, bytes);
  const std::string seed =
      seed_of(context) + "probabilities " + sha256_hex({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  DcmFileFormat file;
  DcmDataset& dataset = *file.getDataset();
  SegmentationReceipt unused;
  fill_header(dataset, context, plan,
              {"SEG", make_uid(seed + "instance"), make_uid(seed + "series"), 9005,
               "Oncotome " + context.task + " probabilities"},
              unused);
  require(dataset.putAndInsertString(DCM_SegmentationType, "FRACTIONAL"), "the type");
  require(dataset.putAndInsertString(DCM_SegmentationFractionalType, "PROBABILITY"), "the type");
  require(dataset.putAndInsertString(DCM_SegmentsOverlap, "YES"), "the overlap");
  put16(dataset, DCM_MaximumFractionalValue, 255);
  put_eight_bits(dataset);
  put_pixels(dataset, bytes);
  save_whole(file, path);
}

void write_label_map(const std::string& path, const ResultContext& context) {
  const QuietDcmtk quiet;
  ResultContext classes = context;
  classes.unions.clear();
  classes.lesions.clear();
  classes.lesion_volume = nullptr;
  SegmentationPlan plan = plan_segmentation(classes);
  const std::size_t planes = plan.rank_of_plane.size();
  // One frame per plane that has a frame of any class.
  std::vector<PlannedFrame> frames;
  for (std::size_t k = 0; k < planes; ++k)
    if (plan.rank_of_plane[k] > 0) frames.push_back({0, static_cast<std::int64_t>(k)});
  plan.frames = std::move(frames);
  const std::string seed = seed_of(context) + "label map ";
  DcmFileFormat file;
  SegmentationReceipt unused;
  // dcmseg wants a frame for each segment at least; those too many go again.
  SegmentationPlan header = plan;
  while (header.frames.size() < header.segments.size()) header.frames.push_back(plan.frames.front());
  fill_header(
      *file.getDataset(), classes, header,
      {"SEG", make_uid(seed + "instance"), make_uid(seed + "series"), 9003, "Oncotome " + context.task + " label map"},
      unused);
  make_label_map(*file.getDataset(), classes, plan);
  put_pixels(*file.getDataset(), label_frames(classes, plan));
  save_whole(file, path);
}

}  // namespace oncotome::dicom
