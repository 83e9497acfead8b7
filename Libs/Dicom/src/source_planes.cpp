// SPDX-License-Identifier: Apache-2.0
#include "source_planes.h"

#include <map>

#include "oncotome/dicom/decimal_string.h"
#include "result_header.h"
#include "values.h"

namespace oncotome::dicom {

SourcePlanes::SourcePlanes(const Series& series) {
  std::map<std::string, std::size_t> known;
  for (const Instance& instance : series.instances) {
    const auto [place, is_new] = known.emplace(instance.path, files_.size());
    if (is_new) {
      files_.push_back(read_attributes(instance.path));
      groups_.push_back(std::make_unique<FunctionalGroups>(*files_.back()->getDataset()));
    }
    FunctionalGroups& groups = *groups_[place->second];
    if (instance.frame > groups.frames())
      throw Error(ErrorCode::input_unreadable, "a source image has changed since it was read");
    planes_.push_back({files_[place->second].get(), &groups, instance.frame});
  }
}

std::vector<std::string> SourcePlanes::position(std::size_t k) {
  return texts(k, DCM_PlanePositionSequence, DCM_ImagePositionPatient, 3);
}

std::vector<std::string> SourcePlanes::orientation(std::size_t k) {
  return texts(k, DCM_PlaneOrientationSequence, DCM_ImageOrientationPatient, 6);
}

std::vector<std::string> SourcePlanes::pixel_spacing(std::size_t k) {
  return texts(k, DCM_PixelMeasuresSequence, DCM_PixelSpacing, 2);
}

std::vector<std::string> SourcePlanes::texts(std::size_t k, const DcmTagKey& macro, const DcmTagKey& tag,
                                             std::size_t count) {
  DcmItem& item = planes_[k].groups->macro(planes_[k].frame, macro);
  const std::vector<double> values = numbers(item, tag);
  std::vector<std::string> texts = split_values(raw_text(item, tag));
  if (values.size() != count || texts.size() != count)
    throw Error(ErrorCode::dicom_bad_value, "a source image does not give its position, orientation or pixel spacing");
  for (std::size_t i = 0; i < count; ++i)
    if (texts[i].size() > 16) texts[i] = decimal_string(values[i]);
  return texts;
}

std::vector<ReferencedInstance> referenced_instances(const Series& series) {
  std::vector<ReferencedInstance> all;
  std::map<std::string, std::size_t> known;
  for (std::size_t k = 0; k < series.instances.size(); ++k) {
    const Instance& instance = series.instances[k];
    const auto [place, is_new] = known.emplace(instance.sop_instance_uid, all.size());
    if (is_new) all.push_back({&instance, {}, k});
    if (instance.frame > 0) all[place->second].frames.push_back(instance.frame);
  }
  return all;
}

}  // namespace oncotome::dicom
