// SPDX-License-Identifier: Apache-2.0
#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dctk.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <new>

#include "guarded_load.h"
#include "header.h"
#include "hounsfield.h"
#include "oncotome/dicom/picture.h"
#include "oncotome/dicom/scan.h"
#include "oncotome/dicom/stack_resampling.h"
#include "pixels.h"
#include "quiet_dcmtk.h"

namespace oncotome::dicom {
namespace {

// A file's name may hold a patient's.
std::string name_of(const Instance& instance) { return "instance " + instance.sop_instance_uid; }

[[noreturn]] void unreadable(const Instance& instance, const std::string& what) {
  throw Error(ErrorCode::input_unreadable, name_of(instance) + " " + what);
}

/// A file of a series, with all that is in it.
struct OpenFile {
  explicit OpenFile(const Instance& instance) {
    const OFCondition loaded = guarded_load(file, instance.path, kAfterPixelData);
    if (loaded.bad()) unreadable(instance, std::string("cannot be read: ") + loaded.text());
    headers = read_headers(file, instance.path);
    if (headers.front().fault) throw Error(headers.front().fault->code, headers.front().fault->reason);
    pixels = std::make_unique<PixelSource>(file, name_of(instance));
  }

  DcmFileFormat file;
  std::vector<Header> headers;
  std::unique_ptr<PixelSource> pixels;
};

/// The values of one image, modality transform done; returns how many of padding and the like were changed.
std::size_t fill_values(const OpenFile& file, std::size_t index, float* out) {
  const Header& header = file.headers[index];
  const Frame frame = file.pixels->frame(static_cast<std::int64_t>(index));
  for_each_value(frame, [&](std::size_t i, std::int64_t stored) {
    out[i] = static_cast<float>(header.slope * static_cast<double>(stored) + header.intercept);
  });
  return clean_hounsfield(header, out, static_cast<std::size_t>(header.rows * header.columns));
}

/// Reads slices in any order, a multi-frame file once, and counts what was odd.
class SliceReader {
 public:
  explicit SliceReader(const Series& series) : series_(series) {}

  void read(std::size_t k, float* out);
  void tell(LoadNotes& notes) const;

 private:
  void read(OpenFile& file, const Instance& instance, float* out);

  const Series& series_;
  std::map<std::string, std::unique_ptr<OpenFile>> files_;
  std::size_t cleaned_ = 0, too_long_ = 0;
};

void SliceReader::read(std::size_t k, float* out) {
  const Instance& instance = series_.instances[k];
  std::unique_ptr<OpenFile> single;
  std::unique_ptr<OpenFile>& file = instance.frame == 0 ? single : files_[instance.path];
  if (!file) file = std::make_unique<OpenFile>(instance);
  read(*file, instance, out);
}

void SliceReader::read(OpenFile& file, const Instance& instance, float* out) {
  const auto index = static_cast<std::size_t>(std::max(instance.frame - 1, 0));
  if (index >= file.headers.size()) unreadable(instance, "has changed since it was found: scan again");
  const Header& header = file.headers[index];
  if (header.fault) throw Error(header.fault->code, header.fault->reason);
  if (header.instance.sop_instance_uid != instance.sop_instance_uid || header.instance.frame != instance.frame ||
      header.series.series_uid != series_.series_uid || header.columns != series_.columns ||
      header.rows != series_.rows)
    unreadable(instance, "has changed since it was found: scan again");
  too_long_ += file.pixels->surplus() > 0;
  cleaned_ += fill_values(file, index, out);
}

void SliceReader::tell(LoadNotes& notes) const {
  if (too_long_ > 0)
    notes.doubts.push_back("series " + series_.id() + ": " + std::to_string(too_long_) +
                           " images hold more pixel data than they need; the rest was passed over");
  if (cleaned_ > 0)
    notes.corrections.push_back("series " + series_.id() + ": " + std::to_string(cleaned_) +
                                " values of padding or below -1024 HU became -1024 HU");
}

void refuse(const Series& series) {
  if (series.kind != SeriesKind::volume)
    throw Error(ErrorCode::input_unsupported, "series " + series.id() + " holds single images, which are no volume");
  std::string how = series.fault->code == ErrorCode::dicom_missing_slices ? ": fetch the whole series again" : "";
  if (series.cure != GeometryPolicy::strict)
    how += std::string("; the geometry policy '") + name_of(series.cure) + "' would read it";
  throw Error(series.fault->code, series.fault->reason + how);
}

Volume<float> load_stack(const Series& series, SliceReader& slices, const Job& job) {
  Volume<float> volume(series.geometry);
  for (std::size_t k = 0; k < series.instances.size(); ++k) {
    job.report("load", static_cast<double>(k) / static_cast<double>(series.instances.size()));
    slices.read(k, volume.voxels.data() + volume.offset(0, 0, static_cast<std::int64_t>(k)));
  }
  return volume;
}

Volume<float> load_resampled(const Series& series, SliceReader& slices, const Job& job) {
  Volume<float> volume = resample_stack(
      series, [&](std::size_t k, float* out) { slices.read(k, out); }, job);
  float lowest = 0;
  if (series.modality == "CT")
    for (const float value : volume.voxels) lowest = std::min(lowest, value);  // false for NaN
  for (float& value : volume.voxels)
    if (std::isnan(value)) value = lowest;
  return volume;
}

}  // namespace

const char* name_of(GeometryPolicy policy) noexcept {
  return policy == GeometryPolicy::strict ? "strict" : policy == GeometryPolicy::correct ? "correct" : "fill";
}

Volume<float> load_volume(const Series& series, const Job& job, GeometryPolicy policy, LoadNotes* notes) {
  if (!series.is_readable(policy)) refuse(series);
  const QuietDcmtk quiet;
  try {
    SliceReader slices(series);
    Volume<float> volume = is_resampled(series) ? load_resampled(series, slices, job) : load_stack(series, slices, job);
    if (notes) {
      slices.tell(*notes);
      check_hounsfield(series, volume.voxels, *notes);
      if (is_resampled(series)) notes->corrections.push_back(correction_text(series));
    }
    job.report("load", 1);
    return volume;
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::out_of_memory, "not enough memory for the volume of series " + series.series_uid);
  }
}

Picture load_slice(const Series& series, std::size_t index, const Job& job) {
  const QuietDcmtk quiet;
  job.report("load", 0);
  try {
    const Instance& instance = series.instances.at(index);
    const OpenFile file(instance);
    const auto frame = static_cast<std::size_t>(std::max(instance.frame - 1, 0));
    if (frame >= file.headers.size()) unreadable(instance, "has changed since it was found: scan again");
    const Header& header = file.headers[frame];
    if (header.fault) throw Error(header.fault->code, header.fault->reason);
    Picture slice;
    slice.width = header.columns;
    slice.height = header.rows;
    if (header.pixel_spacing) slice.spacing_mm = {{(*header.pixel_spacing)[1], (*header.pixel_spacing)[0]}};
    slice.values.resize(static_cast<std::size_t>(slice.width * slice.height));
    fill_values(file, frame, slice.values.data());
    LoadNotes notes;
    check_hounsfield(series, slice.values, notes);
    if (!notes.not_hu.empty()) throw Error(ErrorCode::precondition_unmet, notes.not_hu);
    const auto [least, most] = std::minmax_element(slice.values.begin(), slice.values.end());
    slice.window = {*least, *most};
    return slice;
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::out_of_memory, "not enough memory for a slice of series " + series.series_uid);
  }
}

}  // namespace oncotome::dicom
