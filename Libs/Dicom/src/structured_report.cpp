// SPDX-License-Identifier: Apache-2.0
#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmsr/cmr/tid1500.h>
#include <dcmtk/dcmsr/codes/dcm.h>
#include <dcmtk/dcmsr/dsrdoc.h>

#include "oncotome/core/digest.h"
#include "oncotome/dicom/decimal_string.h"
#include "oncotome/dicom/segmentation.h"
#include "quiet_dcmtk.h"
#include "result_header.h"
#include "source_planes.h"

namespace oncotome::dicom {
namespace {

using Group = TID1500_MeasurementReport::TID1411_Measurements;
using ImageLibrary = TID1600_ImageLibrary;

DSRCodedEntryValue entry(const Code& code) {
  return DSRCodedEntryValue(text(own_text(code.value)), text(own_text(code.scheme, 16)), text(own_text(code.meaning)));
}

const Code kComment{"121106", "DCM", "Comment"};
const Code kFinding{"121071", "DCM", "Finding"};
const Code kImpression{"121073", "DCM", "Impression"};

Code procedure_of(const std::string& modality) {
  if (modality == "MR") return {"113091000", "SCT", "Magnetic resonance imaging"};
  if (modality == "CT") return {"77477000", "SCT", "Computed tomography"};
  if (modality == "PT") return {"82918005", "SCT", "Positron emission tomography"};
  return {"363679005", "SCT", "Imaging"};
}

void add_context(TID1500_MeasurementReport& report, const ResultContext& context) {
  const Provenance& p = context.provenance;
  require(report.setLanguage(CID5000_Languages::English_US), "the language");
  const std::string device = make_uid("device/" + p.product + "/" + p.version + "/" + p.model_sha256);
  require(report.getObservationContext().addDeviceObserver(
              text(device), text(own_text(p.product)), text(own_text(p.product)), text(own_text(algorithm_name(p))),
              text(p.model_sha256.empty() ? "0" : p.model_sha256.substr(0, 16))),
          "the observer");
  std::string last;
  for (const Series* series : context.sources) {
    if (series->modality == last) continue;
    last = series->modality;
    require(report.addProcedureReported(entry(procedure_of(last))), "the procedure");
  }
}

ImageLibrary::ConceptNameList positions() {
  ImageLibrary::ConceptNameList list;
  for (const DSRBasicCodedEntry& concept_name :
       {CODE_DCM_ImagePosition_Patient_X, CODE_DCM_ImagePosition_Patient_Y, CODE_DCM_ImagePosition_Patient_Z})
    list.push_back(concept_name);
  return list;
}

ImageLibrary::ConceptNameList common_descriptors() {
  ImageLibrary::ConceptNameList list;
  for (const DSRBasicCodedEntry& concept_name :
       {CODE_DCM_Modality, CODE_DCM_StudyDate, CODE_DCM_FrameOfReferenceUID, CODE_DCM_PixelDataRows,
        CODE_DCM_PixelDataColumns, CODE_DCM_HorizontalPixelSpacing, CODE_DCM_VerticalPixelSpacing,
        CODE_DCM_ImageOrientation_Patient_RowX, CODE_DCM_ImageOrientation_Patient_RowY,
        CODE_DCM_ImageOrientation_Patient_RowZ, CODE_DCM_ImageOrientation_Patient_ColumnX,
        CODE_DCM_ImageOrientation_Patient_ColumnY, CODE_DCM_ImageOrientation_Patient_ColumnZ})
    list.push_back(concept_name);
  return list;
}

// What the descriptors are taken from; a multi-frame image has them in its groups.
void put_plane(DcmItem& image, SourcePlanes& planes) {
  const auto joined = [](const std::vector<std::string>& texts) {
    std::string all;
    for (const std::string& t : texts) all += (all.empty() ? "" : "\\") + t;
    return all;
  };
  require(image.putAndInsertString(DCM_PixelSpacing, joined(planes.pixel_spacing(0)).c_str()), "the pixel spacing");
  require(image.putAndInsertString(DCM_ImageOrientationPatient, joined(planes.orientation(0)).c_str()),
          "the orientation");
}

void add_image(ImageLibrary& library, DcmItem& image, const std::vector<int>& frames, int frames_of_image) {
  const auto mode = frames.empty() ? ImageLibrary::withSelectedDescriptors : ImageLibrary::withoutDescriptors;
  require(library.addImageEntry(image, mode, positions(), OFFalse), "an image");
  if (static_cast<int>(frames.size()) == frames_of_image) return;
  library.gotoLast();
  while (library.getCurrentContentItem().getValueType() != DSRTypes::VT_Image)
    if (library.gotoParent() == 0) require(EC_IllegalParameter, "an image's frames");
  DSRImageFrameList& list = library.getCurrentContentItem().getImageReferencePtr()->getFrameList();
  for (const int frame : frames) list.addItem(frame);
}

// One group per source series. Its descriptors are put here by hand: moveCommonImageDescriptorsToImageGroups of DCMTK
// 3.6.7 lifts a position that only the first images of several groups share.
void add_images(TID1500_MeasurementReport& report, DSRSOPInstanceReferenceList& evidence,
                const ResultContext& context) {
  ImageLibrary& library = report.getImageLibrary();
  require(library.createNewImageLibrary(), "the image library");
  for (const Series* series : context.sources) {
    require(library.addImageGroup(), "an image group");
    SourcePlanes planes(*series);
    DcmDataset group(static_cast<DcmDataset&>(planes.dataset(0)));
    put_plane(group, planes);
    require(
        library.addImageGroupDescriptors(group, ImageLibrary::withSelectedDescriptors, common_descriptors(), OFFalse),
        "an image group");
    for (const auto& [instance, frames, first] : referenced_instances(*series)) {
      DcmItem& image = planes.dataset(first);
      add_image(library, image, frames, planes.frames(first));
      require(evidence.addItem(text(series->study_uid), text(series->series_uid), text(instance->sop_class_uid),
                               text(instance->sop_instance_uid)),
              "the evidence");
    }
  }
}

void add_number(Group& group, const Provenance& p, const Code& concept_name, const Code& unit, double value,
                const Code* method, bool maximum = false) {
  const Group::MeasurementValue number(text(decimal_string(value)),
                                       CID7181_AbstractMultiDimensionalImageModelComponentUnits(entry(unit)));
  require(group.addMeasurement(CID7469_GenericIntensityAndSizeMeasurements(entry(concept_name)), number),
          "a measurement");
  auto& measurement = group.getMeasurement();
  if (method) require(measurement.setMeasurementMethod(CID6147_ResponseCriteria(entry(*method))), "a method");
  if (maximum)
    require(measurement.setDerivation(CID7464_GeneralRegionOfInterestMeasurementModifiers::Maximum), "a derivation");
  require(measurement.setAlgorithmIdentification(text(own_text(p.product + " " + algorithm_name(p))),
                                                 text(own_text(p.version + ", " + algorithm_version(p)))),
          "an algorithm");
}

void add_class(Group& group, const Provenance& classifier, const LesionClass& found) {
  if (!found.refusal.empty()) {
    require(group.addQualitativeEvaluation(entry(kComment), text(own_text("Not classified: " + found.refusal, 1024))),
            "a comment");
    return;
  }
  add_number(group, classifier, {"111013", "DCM", "Certainty of Impression"}, {"%", "UCUM", "%"},
             100 * found.probability, nullptr);
  require(group.addQualitativeEvaluation(entry(kImpression), entry(found.code)), "an impression");
}

void add_lesion(TID1500_MeasurementReport& report, const ResultContext& context, const Lesion& lesion,
                DcmItem& segmentation, int segment) {
  static const Code mm{"mm", "UCUM", "mm"}, mm2{"mm2", "UCUM", "mm2"}, mm3{"mm3", "UCUM", "mm3"},
      one{"1", "UCUM", "no units"};
  static const Code volume_method{"YEKZ", "IBSI", "Volume from Voxel Summation"};
  require(report.addVolumetricROIMeasurements(), "a measurement group");
  Group& group = report.getVolumetricROIMeasurements();
  require(group.setReferencedSegment(segmentation, static_cast<Uint16>(segment)), "a referenced segment");
  require(group.setTrackingIdentifier(text("Lesion " + std::to_string(lesion.id))), "a tracking identifier");
  require(group.setTrackingUniqueIdentifier(text(lesion.tracking_uid)), "a tracking UID");
  require(group.setFinding(entry(context.lesion_type)), "a finding");
  require(group.setSourceSeriesForSegmentation(text(context.sources.front()->series_uid)), "a source series");
  if (!context.region.value.empty()) require(group.addFindingSite(entry(context.region)), "a finding site");
  add_number(group, context.provenance, {"118565006", "SCT", "Volume"}, mm3, lesion.volume_mm3, &volume_method);
  add_number(group, context.provenance, {"103339001", "SCT", "Long Axis"}, mm, lesion.longest_axial_diameter_mm,
             nullptr, true);
  add_number(group, context.provenance, {"L0JK", "IBSI", "Maximum 3D Diameter"}, mm, lesion.longest_diameter_mm,
             nullptr, true);
  add_number(group, context.provenance, {"RNU0", "IBSI", "Volume of Mesh"}, mm3, lesion.mesh_volume_mm3, nullptr);
  add_number(group, context.provenance, {"C0JK", "IBSI", "Surface Area of Mesh"}, mm2, lesion.surface_area_mm2,
             nullptr);
  add_number(group, context.provenance, {"QCFX", "IBSI", "Sphericity"}, one, lesion.sphericity, nullptr);
  if (const auto found = context.classes.find(lesion.id); found != context.classes.end())
    add_class(group, context.classifier, found->second);
  if (lesion.touches_border)
    require(group.addQualitativeEvaluation(
                entry(kComment), "The lesion reaches the border of the images: its measurements are lower bounds."),
            "a comment");
  if (lesion.touches_unmeasured)
    require(group.addQualitativeEvaluation(entry(kComment),
                                           "The lesion reaches interpolated or missing parts of the images: its "
                                           "measurements are uncertain, and may be lower bounds."),
            "a comment");
}

}  // namespace

void write_report(const std::string& path, const ResultContext& context, const std::string& segmentation_path,
                  const SegmentationReceipt& receipt) {
  const QuietDcmtk quiet;
  const auto segmentation = read_attributes(segmentation_path);
  const auto source = read_attributes(context.sources.front()->instances.front().path);
  DSRDocument document;
  require(document.createNewDocument(DSRTypes::DT_Comprehensive3DSR), "the report");

  TID1500_MeasurementReport report(CID7021_MeasurementReportDocumentTitles::ImagingMeasurementReport);
  add_context(report, context);
  DSRSOPInstanceReferenceList& evidence = document.getCurrentRequestedProcedureEvidence();
  add_images(report, evidence, context);
  for (const Lesion& lesion : context.lesions)
    add_lesion(report, context, lesion, *segmentation->getDataset(), receipt.segment_of_lesion.at(lesion.id));
  if (context.lesions.empty())
    require(report.addQualitativeEvaluation(
                entry(kFinding), text("No lesion was found by " + own_text(algorithm_name(context.provenance)) + ".")),
            "the finding");
  require(report.addQualitativeEvaluation(entry(kComment), "Output of an algorithm, not verified by a person."),
          "a comment");
  for (const Series* series : context.sources)
    if (series->lossy)
      require(report.addQualitativeEvaluation(entry(kComment),
                                              text("The images of series " + series->id() +
                                                   " were compressed with loss: measurements may be less exact.")),
              "a comment");
  for (const std::string& correction : context.corrections)
    require(report.addQualitativeEvaluation(entry(kComment), text(own_text("Corrected: " + correction, 1024))),
            "a comment");
  require(evidence.addItem(*segmentation->getDataset()), "the evidence");
  require(document.setTreeFromRootTemplate(report, OFTrue), "the report's tree");
  // The template always makes this container.
  if (context.lesions.empty() && document.getTree().gotoNamedNode(CODE_DCM_ImagingMeasurements) > 0)
    document.getTree().removeCurrentContentItem();
  // The template has just made it an Enhanced SR.
  require(document.changeDocumentType(DSRTypes::DT_Comprehensive3DSR), "the report's class");
  require(document.createNewSeriesInStudy(text(context.sources.front()->study_uid)), "the report's series");
  require(document.completeDocument(), "the report's completion");

  DcmFileFormat file;
  DcmDataset& dataset = *file.getDataset();
  require(document.write(dataset), "the report");
  put_result_header(dataset, *source->getDataset(), context,
                    {"SR", make_uid(receipt.sop_instance_uid + "/report"), make_uid(receipt.series_uid + "/report"),
                     9001, "Oncotome " + context.task + " measurements"});
  save_whole(file, path);
}

}  // namespace oncotome::dicom
