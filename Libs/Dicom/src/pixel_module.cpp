// SPDX-License-Identifier: Apache-2.0
#include "pixel_module.h"

#include <array>
#include <cmath>
#include <filesystem>
#include <optional>

#include "values.h"

namespace oncotome::dicom {
namespace {

constexpr double kMaxSide = 16384;

struct Syntax {
  const char* uid;
  enum { none, perhaps, always } loss;
  const char* method;
};

/// Of PS3.5 section 10 and annex A, what is decoded here.
constexpr std::array<Syntax, 15> kSyntaxes{{
    {UID_LittleEndianImplicitTransferSyntax, Syntax::none, ""},
    {UID_LittleEndianExplicitTransferSyntax, Syntax::none, ""},
    {UID_BigEndianExplicitTransferSyntax, Syntax::none, ""},
    {UID_DeflatedExplicitVRLittleEndianTransferSyntax, Syntax::none, ""},
    {UID_RLELosslessTransferSyntax, Syntax::none, ""},
    {UID_JPEGProcess1TransferSyntax, Syntax::always, "ISO_10918_1"},
    {UID_JPEGProcess2_4TransferSyntax, Syntax::always, "ISO_10918_1"},
    {UID_JPEGProcess6_8TransferSyntax, Syntax::always, "ISO_10918_1"},
    {UID_JPEGProcess10_12TransferSyntax, Syntax::always, "ISO_10918_1"},
    {UID_JPEGProcess14TransferSyntax, Syntax::none, ""},
    {UID_JPEGProcess14SV1TransferSyntax, Syntax::none, ""},
    {UID_JPEGLSLosslessTransferSyntax, Syntax::none, ""},
    {UID_JPEGLSLossyTransferSyntax, Syntax::perhaps, "ISO_14495_1"},
    {UID_JPEG2000LosslessOnlyTransferSyntax, Syntax::none, ""},
    {UID_JPEG2000TransferSyntax, Syntax::perhaps, "ISO_15444_1"},
}};

const Syntax* syntax_of(const std::string& uid) {
  for (const Syntax& syntax : kSyntaxes)
    if (uid == syntax.uid) return &syntax;
  return nullptr;
}

int small(DcmItem& item, const DcmTagKey& tag, int low, int high) {
  return static_cast<int>(whole(item, tag, low, high));
}

std::int64_t frame_count(DcmItem& item) {
  constexpr std::int64_t kMost = 999999999;
  return raw_text(item, DCM_NumberOfFrames).empty() ? 1 : whole(item, DCM_NumberOfFrames, 1, kMost);
}

void read_color(DcmItem& item, PixelModule& m) {
  m.photometric = raw_text(item, DCM_PhotometricInterpretation);
  m.samples = item.tagExistsWithValue(DCM_SamplesPerPixel) ? small(item, DCM_SamplesPerPixel, 1, 65535) : 1;
  const bool is_gray = m.photometric.empty() || m.photometric == "MONOCHROME1" || m.photometric == "MONOCHROME2" ||
                       m.photometric == "PALETTE COLOR";
  const bool is_color = m.photometric == "RGB" || m.photometric == "YBR_FULL" || m.photometric == "YBR_FULL_422" ||
                        m.photometric == "YBR_ICT" || m.photometric == "YBR_RCT";
  if (!is_gray && !is_color)
    throw Error(ErrorCode::input_unsupported,
                "PhotometricInterpretation " + display_text(item, DCM_PhotometricInterpretation) + " is not supported");
  if (m.samples != (is_gray ? 1 : 3))
    bad_value("SamplesPerPixel is " + std::to_string(m.samples) + " with " +
              (is_gray ? "a gray image" : m.photometric));
  if (m.samples > 1 && m.format.bits_allocated > 16) bad_value("a color image of 32 bits");
  if (m.photometric == "YBR_FULL_422" && m.format.bits_allocated != 8) bad_value("YBR_FULL_422 that is not of 8 bits");
  m.by_plane = m.samples > 1 && number(item, DCM_PlanarConfiguration).value_or(0) == 1;
}

}  // namespace

PixelModule read_pixel_module(DcmItem& item) {
  PixelModule m;
  m.frames = frame_count(item);
  m.rows = whole(item, DCM_Rows, 1, kMaxSide);
  m.columns = whole(item, DCM_Columns, 1, kMaxSide);
  PixelFormat& f = m.format;
  f.bits_allocated = small(item, DCM_BitsAllocated, 8, 32);
  if (f.bits_allocated != 8 && f.bits_allocated != 16 && f.bits_allocated != 32)
    bad_value("BitsAllocated is " + std::to_string(f.bits_allocated));
  f.bits_stored = small(item, DCM_BitsStored, 1, f.bits_allocated);
  f.high_bit = small(item, DCM_HighBit, f.bits_stored - 1, f.bits_allocated - 1);
  f.is_signed = small(item, DCM_PixelRepresentation, 0, 1) == 1;
  read_color(item, m);
  return m;
}

bool is_readable_syntax(const std::string& uid) { return syntax_of(uid) != nullptr; }

bool is_lossy(DcmFileFormat& file) {
  const std::string stated = raw_text(*file.getDataset(), DCM_LossyImageCompression);
  if (stated == "01") return true;
  const Syntax* syntax = syntax_of(raw_text(*file.getMetaInfo(), DCM_TransferSyntaxUID));
  return syntax && (syntax->loss == Syntax::always || (syntax->loss == Syntax::perhaps && stated != "00"));
}

Loss read_loss(DcmFileFormat& file, const std::string& path) {
  DcmItem& item = *file.getDataset();
  Loss loss{raw_text(item, DCM_LossyImageCompressionRatio), raw_text(item, DCM_LossyImageCompressionMethod)};
  const Syntax* syntax = syntax_of(raw_text(*file.getMetaInfo(), DCM_TransferSyntaxUID));
  if (!syntax || syntax->loss == Syntax::none) return loss;
  if (loss.method.empty()) loss.method = syntax->method;
  std::error_code error;
  const auto bytes = std::filesystem::file_size(path, error);
  if (loss.ratio.empty() && !error && bytes > 0) {
    const PixelModule m = read_pixel_module(item);
    const int bytes_stored = (m.format.bits_stored + 7) / 8;
    const double stored = static_cast<double>(m.pixels()) * static_cast<double>(m.frames) * m.samples * bytes_stored;
    loss.ratio = brief(std::max(1.0, stored / static_cast<double>(bytes)));
  }
  return loss;
}

}  // namespace oncotome::dicom
