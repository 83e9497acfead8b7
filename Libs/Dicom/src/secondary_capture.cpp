// SPDX-License-Identifier: Apache-2.0
#include "oncotome/core/digest.h"
#include "oncotome/dicom/segmentation.h"
#include "quiet_dcmtk.h"
#include "result_header.h"
#include "segmentation_plan.h"

namespace oncotome::dicom {
namespace {

void put(DcmItem& item, const DcmTagKey& tag, const std::string& value) {
  require(item.putAndInsertString(tag, value.c_str()), "an attribute of the picture");
}

void put(DcmItem& item, const DcmTagKey& tag, int value) {
  require(item.putAndInsertUint16(tag, static_cast<Uint16>(value)), "an attribute of the picture");
}

DcmItem& add_item(DcmItem& item, const DcmTagKey& sequence) {
  DcmItem* added = nullptr;
  require(item.findOrCreateSequenceItem(sequence, added, -2), "an item of the picture");
  return *added;
}

}  // namespace

void write_secondary_capture(const std::string& path, const ResultContext& context, int width, int height,
                             const std::vector<std::uint8_t>& rgb) {
  const QuietDcmtk quiet;
  if (width < 1 || height < 1 || width > 65535 || height > 65535 ||
      rgb.size() != std::size_t{3} * static_cast<std::size_t>(width) * static_cast<std::size_t>(height))
    throw Error(ErrorCode::dicom_bad_value, "the picture has another size than it should");
  const Series& series = *context.sources.front();
  const auto source = read_attributes(series.instances.front().path);
  const std::string seed = seed_of(context) + "summary ";
  DcmFileFormat file;
  DcmDataset& dataset = *file.getDataset();
  put(dataset, DCM_SOPClassUID, UID_SecondaryCaptureImageStorage);
  put_result_header(
      dataset, *source->getDataset(), context,
      {"OT", make_uid(seed + "instance"), make_uid(seed + "series"), 9004, "Oncotome " + context.task + " summary"});
  put(dataset, DCM_ImageType, "DERIVED\\SECONDARY");
  put(dataset, DCM_ConversionType, "WSD");
  // With a body part, empty too, Laterality is not asked for.
  copy_element(*source->getDataset(), dataset, DCM_BodyPartExamined);
  if (!dataset.tagExistsWithValue(DCM_BodyPartExamined)) put(dataset, DCM_Laterality, "");
  put(dataset, DCM_PatientOrientation, "");
  put(dataset, DCM_BurnedInAnnotation, "YES");  // numbers, letters and measurements; no identity
  put(dataset, DCM_DerivationDescription, "Overview and key slices with outlines and measurements");
  for (const Instance& instance : series.instances) {
    DcmItem& image = add_item(dataset, DCM_SourceImageSequence);
    put(image, DCM_ReferencedSOPClassUID, instance.sop_class_uid);
    put(image, DCM_ReferencedSOPInstanceUID, instance.sop_instance_uid);
    if (instance.frame > 0) put(image, DCM_ReferencedFrameNumber, std::to_string(instance.frame));
  }
  put(dataset, DCM_SamplesPerPixel, 3);
  put(dataset, DCM_PhotometricInterpretation, "RGB");
  put(dataset, DCM_PlanarConfiguration, 0);
  put(dataset, DCM_Rows, height);
  put(dataset, DCM_Columns, width);
  put(dataset, DCM_BitsAllocated, 8);
  put(dataset, DCM_BitsStored, 8);
  put(dataset, DCM_HighBit, 7);
  put(dataset, DCM_PixelRepresentation, 0);
  put(dataset, DCM_LossyImageCompression, series.lossy ? "01" : "00");
  std::vector<std::uint8_t> bytes = rgb;
  if (bytes.size() % 2 != 0) bytes.push_back(0);
  require(dataset.putAndInsertUint8Array(DCM_PixelData, bytes.data(), static_cast<unsigned long>(bytes.size())),
          "the picture's pixels");
  save_whole(file, path);
}

}  // namespace oncotome::dicom
