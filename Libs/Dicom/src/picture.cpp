// SPDX-License-Identifier: Apache-2.0
#include "picture.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "guarded_load.h"
#include "lookup_table.h"
#include "oncotome/dicom/picture.h"
#include "pixels.h"
#include "quiet_dcmtk.h"
#include "values.h"

namespace oncotome::dicom {
namespace {

const std::array<const char*, 12> kClasses{
    UID_ComputedRadiographyImageStorage,
    UID_DigitalXRayImageStorageForPresentation,
    UID_DigitalXRayImageStorageForProcessing,
    UID_DigitalMammographyXRayImageStorageForPresentation,
    UID_DigitalMammographyXRayImageStorageForProcessing,
    UID_SecondaryCaptureImageStorage,
    UID_UltrasoundImageStorage,
    UID_VLPhotographicImageStorage,
    UID_VLEndoscopicImageStorage,
    UID_VLMicroscopicImageStorage,
    UID_VLSlideCoordinatesMicroscopicImageStorage,
    "1.2.840.10008.5.1.4.1.1.77.1.7",  // Dermoscopic Photography
};

/// No value of a picture lies further away.
constexpr double kMostWindow = 1e22;

std::optional<std::array<double, 2>> spacing(DcmItem& item, const DcmTagKey& tag) {
  const std::vector<double> values = numbers(item, tag);
  if (values.empty()) return std::nullopt;
  if (values.size() != 2 || values[0] <= 0 || values[1] <= 0)
    throw Error(ErrorCode::dicom_bad_value, std::string(DcmTag(tag).getTagName()) + " is not two numbers above 0");
  return {{values[1], values[0]}};
}

void read_spacing(DcmItem& item, Picture& picture) {
  picture.spacing_mm = spacing(item, DCM_PixelSpacing);
  if (!picture.spacing_mm) picture.spacing_mm = spacing(item, DCM_NominalScannedPixelSpacing);
  if (picture.spacing_mm) return;
  picture.spacing_mm = spacing(item, DCM_ImagerPixelSpacing);
  picture.at_detector = picture.spacing_mm.has_value();
}

/// The modality transform.
class Modality {
 public:
  Modality(DcmItem& item, bool is_signed) {
    DcmSequenceOfItems* tables = nullptr;
    if (item.findAndGetSequence(DCM_ModalityLUTSequence, tables).good() && tables && tables->card() > 0) {
      if (tables->card() > 1)
        throw Error(ErrorCode::input_unsupported, "more than one modality table is not supported");
      table_ = read_lookup_table(*tables->getItem(0), DCM_LUTDescriptor, DCM_LUTData, is_signed);
      return;
    }
    slope_ = number(item, DCM_RescaleSlope).value_or(1);
    intercept_ = number(item, DCM_RescaleIntercept).value_or(0);
    if (slope_ == 0) bad_value("RescaleSlope is 0");
    if (!is_rescale(slope_, intercept_)) bad_value("RescaleSlope or RescaleIntercept is beyond all sense");
  }

  double operator()(std::int64_t stored) const {
    return table_ ? table_->at(stored) : slope_ * static_cast<double>(stored) + intercept_;
  }
  /// Sum of the values at both ends; a turned value is this less the value.
  double ends(std::int64_t low, std::int64_t high) const {
    return table_ ? (1 << table_->bits) - 1 : (*this)(low) + (*this)(high);
  }

 private:
  double slope_ = 1, intercept_ = 0;
  std::optional<LookupTable> table_;
};

void fill_gray(DcmItem& item, const PixelModule& module, const Frame& frame, Picture& picture) {
  const Modality modality(item, frame.format.is_signed);
  picture.is_inverted = module.photometric == "MONOCHROME1";
  const std::int64_t low = frame.format.is_signed ? -(std::int64_t{1} << (frame.format.bits_stored - 1)) : 0;
  const double both = modality.ends(low, low + (std::int64_t{1} << frame.format.bits_stored) - 1);
  for_each_value(frame, [&](std::size_t i, std::int64_t stored) {
    const double value = modality(stored);
    picture.values[i] = static_cast<float>(picture.is_inverted ? both - value : value);
  });
  const auto [least, most] = std::minmax_element(picture.values.begin(), picture.values.end());
  picture.window = {*least, *most};
  const std::vector<double> centers = numbers(item, DCM_WindowCenter), widths = numbers(item, DCM_WindowWidth);
  if (centers.empty() || widths.empty() || widths[0] < 1) return;
  if (widths[0] > kMostWindow || std::abs(centers[0]) > kMostWindow) return;
  const double half = (widths[0] - 1) / 2;
  picture.window = {centers[0] - 0.5 - half, centers[0] - 0.5 + half};
  // What was shown black at one end is now shown black at the other.
  if (picture.is_inverted) picture.window = {both - picture.window[1], both - picture.window[0]};
}

void fill_palette(DcmItem& item, const Frame& frame, Picture& picture) {
  if (item.tagExists(DCM_SegmentedRedPaletteColorLookupTableData))
    throw Error(ErrorCode::input_unsupported, "segmented palettes are not supported: send the image as RGB");
  const auto table = [&](const DcmTagKey& descriptor, const DcmTagKey& data) {
    return read_lookup_table(item, descriptor, data, frame.format.is_signed);
  };
  const std::array<LookupTable, 3> tables{
      table(DCM_RedPaletteColorLookupTableDescriptor, DCM_RedPaletteColorLookupTableData),
      table(DCM_GreenPaletteColorLookupTableDescriptor, DCM_GreenPaletteColorLookupTableData),
      table(DCM_BluePaletteColorLookupTableDescriptor, DCM_BluePaletteColorLookupTableData)};
  picture.bits = tables[0].bits;
  for_each_value(frame, [&](std::size_t i, std::int64_t stored) {
    for (std::size_t c = 0; c < 3; ++c) picture.values[3 * i + c] = tables[c].at(stored);
  });
}

/// ITU-T T.871 with a full range, PS3.3 C.7.6.3.1.2.
void to_rgb(Picture& picture) {
  const auto middle = static_cast<float>(1 << (picture.bits - 1));
  const auto top = static_cast<float>((1 << picture.bits) - 1);
  const auto clip = [top](float value) { return std::clamp(std::round(value), 0.0F, top); };
  for (std::size_t i = 0; i < picture.values.size(); i += 3) {
    const float y = picture.values[i], cb = picture.values[i + 1] - middle, cr = picture.values[i + 2] - middle;
    picture.values[i] = clip(y + 1.402F * cr);
    picture.values[i + 1] = clip(y - 0.344136F * cb - 0.714136F * cr);
    picture.values[i + 2] = clip(y + 1.772F * cb);
  }
}

}  // namespace

bool is_picture_class(const std::string& uid) {
  return std::any_of(kClasses.begin(), kClasses.end(), [&](const char* known) { return uid == known; });
}

Header read_picture_header(DcmFileFormat& file, const std::string& path) {
  DcmDataset& item = *file.getDataset();
  Header h = read_identity(file, path);
  h.is_picture = true;
  h.instance_number = number_if_good(item, DCM_InstanceNumber);
  try {
    check_syntax(h);
    h.pixels = read_pixel_module(item);
    h.rows = h.pixels.rows;
    h.columns = h.pixels.columns;
    if (h.pixels.frames != 1) throw Error(ErrorCode::input_unsupported, "it has several frames: send single images");
  } catch (const Error& error) {
    h.fault = Fault{error.code(), error.what()};
  }
  return h;
}

Series make_pictures(std::vector<Header> headers) {
  std::stable_sort(headers.begin(), headers.end(), [](const Header& a, const Header& b) {
    return a.instance_number.value_or(0) < b.instance_number.value_or(0);
  });
  Series series = headers.front().series;
  series.kind = SeriesKind::pictures;
  series.rows = headers.front().rows;
  series.columns = headers.front().columns;
  std::set<std::string> doubts;
  for (Header& h : headers) {
    if (h.fault && !series.fault)
      series.fault = Fault{h.fault->code, "instance " + h.instance.sop_instance_uid + ": " + h.fault->reason};
    series.lossy = series.lossy || h.series.lossy;
    doubts.insert(h.doubts.begin(), h.doubts.end());
    series.instances.push_back(std::move(h.instance));
  }
  series.doubts.assign(doubts.begin(), doubts.end());
  return series;
}

Picture load_picture(const Series& series, std::size_t index, const Job& job) {
  if (series.fault) throw Error(series.fault->code, series.fault->reason);
  if (series.kind != SeriesKind::pictures || index >= series.instances.size())
    throw Error(ErrorCode::input_unsupported, "series " + series.id() + " has no such picture");
  const QuietDcmtk quiet;
  job.report("load", 0);
  const std::string& path = series.instances[index].path;
  DcmFileFormat file;
  const OFCondition loaded = guarded_load(file, path, kAfterPixelData);
  if (loaded.bad())
    throw Error(ErrorCode::input_unreadable, std::string("the picture cannot be read: ") + loaded.text());
  DcmDataset& item = *file.getDataset();
  PixelSource source(file, "the picture");
  const Frame frame = source.frame(0);
  const bool is_palette = source.module().photometric == "PALETTE COLOR";
  Picture picture;
  picture.width = source.module().columns;
  picture.height = source.module().rows;
  picture.channels = is_palette ? 3 : frame.samples;
  picture.bits = frame.format.bits_stored;
  picture.values.resize(source.module().pixels() * static_cast<std::size_t>(picture.channels));
  read_spacing(item, picture);
  if (is_palette) {
    fill_palette(item, frame, picture);
  } else if (picture.channels == 1) {
    fill_gray(item, source.module(), frame, picture);
  } else {
    for_each_value(frame, [&](std::size_t i, std::int64_t stored) { picture.values[i] = static_cast<float>(stored); });
    if (frame.is_ycc) to_rgb(picture);
  }
  job.report("load", 1);
  return picture;
}

std::vector<std::uint8_t> display_bytes(const Picture& picture) {
  std::vector<std::uint8_t> bytes(picture.values.size());
  if (picture.channels == 3) {
    const float scale = picture.bits <= 8 ? 255.0F / static_cast<float>((1 << picture.bits) - 1)
                                          : 1.0F / static_cast<float>(1 << (picture.bits - 8));
    for (std::size_t i = 0; i < bytes.size(); ++i)
      bytes[i] = static_cast<std::uint8_t>(std::clamp(picture.values[i] * scale, 0.0F, 255.0F));
    return bytes;
  }
  const double low = picture.window[0], width = std::max(picture.window[1] - low, 1e-6);
  for (std::size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<std::uint8_t>(std::clamp((picture.values[i] - low) / width * 255 + 0.5, 0.0, 255.0));
  return bytes;
}

}  // namespace oncotome::dicom
