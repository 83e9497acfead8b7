// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <map>
#include <new>
#include <set>

#include "bit_packing.h"
#include "header.h"
#include "mask_file.h"
#include "mask_planes.h"
#include "oncotome/dicom/masks.h"
#include "oncotome/dicom/stack_resampling.h"
#include "pixels.h"
#include "quiet_dcmtk.h"
#include "sequences.h"
#include "values.h"

namespace oncotome::dicom {
namespace {

constexpr std::int64_t kMostSide = 16384;

enum class Kind { binary, fractional, label_map };

Kind kind_of(DcmItem& item) {
  const std::string uid = raw_text(item, DCM_SOPClassUID), type = raw_text(item, DCM_SegmentationType);
  if (uid == kLabelMapClass) return Kind::label_map;
  if (uid != UID_SegmentationStorage) throw Error(ErrorCode::input_unsupported, "the file is no Segmentation");
  if (type == "BINARY") return Kind::binary;
  if (type == "FRACTIONAL") return Kind::fractional;
  throw Error(ErrorCode::input_unsupported, "SegmentationType is neither BINARY nor FRACTIONAL");
}

Code code_of(DcmItem& segment) {
  DcmItem* item = first_item(segment, DCM_SegmentedPropertyTypeCodeSequence);
  if (!item) return {};
  const std::string value = raw_text(*item, DCM_CodeValue);
  return {value.empty() ? raw_text(*item, DCM_LongCodeValue) : value, raw_text(*item, DCM_CodingSchemeDesignator),
          display_text(*item, DCM_CodeMeaning)};
}

/// Pixels of all frames, and how a frame's are found in them.
struct Pixels {
  Kind kind = Kind::binary;
  std::int64_t rows = 0, columns = 0, frames = 0;
  int bits_allocated = 1;
  std::int64_t half = 1;                       ///< Twice a value of at least this is inside.
  const Uint8* bytes = nullptr;                ///< Of BINARY.
  std::uint64_t row_bits = 0, frame_bits = 0;  ///< From the start of one to the start of the next.
  std::unique_ptr<PixelSource> source;         ///< Of the others.

  /// Calls use(pixel, value) for each pixel of a frame.
  template <class Use>
  void for_each(std::uint64_t frame, Use use) {
    if (source) {
      const Frame decoded = source->frame(static_cast<std::int64_t>(frame));
      if (decoded.format.is_signed) bad_value("the pixels of the segmentation are no unsigned numbers");
      for_each_value(decoded, use);
      return;
    }
    std::size_t pixel = 0;
    for (std::uint64_t row = 0; row < static_cast<std::uint64_t>(rows); ++row)
      for (std::uint64_t at = frame * frame_bits + row * row_bits, end = at + static_cast<std::uint64_t>(columns);
           at < end; ++at)
        use(pixel++, std::int64_t{bytes[at / 8] >> at % 8 & 1});
  }
};

std::uint64_t even(std::uint64_t bytes) { return (bytes + 1) / 2 * 2; }

// Some producers pad each frame or row to whole bytes. The length tells them, unless it is also the standard's.
void find_packing(Pixels& p, std::uint64_t length) {
  const auto rows = static_cast<std::uint64_t>(p.rows), columns = static_cast<std::uint64_t>(p.columns),
             frames = static_cast<std::uint64_t>(p.frames);
  const std::uint64_t by_frame = (rows * columns + 7) / 8 * 8, by_row = (columns + 7) / 8 * 8;
  p.row_bits = columns;
  p.frame_bits = rows * columns;
  if (even(length) == packed_size(frames * rows * columns)) return;
  const bool frame_fits = even(length) == even(frames * by_frame / 8);
  const bool row_fits = even(length) == even(frames * rows * by_row / 8);
  if (frame_fits == row_fits)
    bad_value("PixelData has " + std::to_string(length) + " bytes, not " +
              std::to_string((frames * rows * columns + 7) / 8) + " as " + std::to_string(frames) + " frames of " +
              std::to_string(columns) + " x " + std::to_string(rows) + " bits");
  if (row_fits) p.row_bits = by_row;
  p.frame_bits = frame_fits ? by_frame : rows * by_row;
}

Pixels read_pixels(DcmFileFormat& file, Kind kind) {
  DcmDataset& item = *file.getDataset();
  const DcmXfer syntax(item.getOriginalXfer());
  if (kind == Kind::binary && (syntax.isEncapsulated() || syntax.isBigEndian()))
    throw Error(ErrorCode::dicom_syntax_unsupported,
                std::string("transfer syntax ") + syntax.getXferID() +
                    " of a BINARY segmentation is not supported: send it uncompressed, in little endian");
  if (kind == Kind::label_map && syntax.isLossy())
    throw Error(ErrorCode::input_unsupported,
                "the label map has a transfer syntax that loses: its numbers may mean nothing");
  Pixels p;
  p.kind = kind;
  p.rows = whole(item, DCM_Rows, 1, kMostSide);
  p.columns = whole(item, DCM_Columns, 1, kMostSide);
  p.frames = whole(item, DCM_NumberOfFrames, 1, INT32_MAX);
  p.bits_allocated = static_cast<int>(whole(item, DCM_BitsAllocated, 1, 16));
  const bool bits_fit = kind == Kind::binary       ? p.bits_allocated == 1
                        : kind == Kind::fractional ? p.bits_allocated == 8
                                                   : p.bits_allocated == 8 || p.bits_allocated == 16;
  if (!bits_fit) bad_value("BitsAllocated is " + std::to_string(p.bits_allocated));
  if (kind == Kind::fractional) p.half = whole(item, DCM_MaximumFractionalValue, 1, 255);
  const std::uint64_t count = static_cast<std::uint64_t>(p.rows * p.columns) * static_cast<std::uint64_t>(p.frames);
  if (count > kMostMaskBytes)
    throw Error(ErrorCode::input_unsupported, "the segmentation holds more than 4 GiB of pixels");
  if (kind != Kind::binary) {
    p.source = std::make_unique<PixelSource>(file, "the segmentation");
    if (p.source->module().samples != 1 || p.source->module().format.is_signed)
      bad_value("the pixels of the segmentation are no single unsigned numbers");
    return p;
  }
  DcmElement* element = nullptr;
  if (item.findAndGetElement(DCM_PixelData, element).bad() || !element)
    throw Error(ErrorCode::input_unreadable, "the segmentation has no pixel data");
  find_packing(p, element->getLength());
  Uint8* bytes = nullptr;
  if (element->getUint8Array(bytes).bad() || !bytes)
    throw Error(ErrorCode::input_unreadable, "the segmentation cannot be read to its end");
  p.bytes = bytes;
  return p;
}

int segment_of(const MaskFrame& frame, const std::set<int>& described) {
  if (DcmItem* macro = frame.macro(DCM_SegmentIdentificationSequence))
    return static_cast<int>(whole(*macro, DCM_ReferencedSegmentNumber, 0, UINT16_MAX));
  if (described.size() == 1) return *described.begin();
  bad_value("a frame does not say which segment it is of");
}

/// Of BINARY and FRACTIONAL: a frame is one plane of one segment.
void fill_segments(Pixels& p, const std::vector<MaskFrame>& frames, std::map<int, Mask>& masks,
                   const std::set<int>& described, const Job& job) {
  std::set<std::pair<int, std::int64_t>> seen;
  for (std::size_t f = 0; f < frames.size(); ++f) {
    job.report("read masks", static_cast<double>(f) / static_cast<double>(frames.size()));
    const int number = segment_of(frames[f], described);
    if (described.count(number) == 0)
      bad_value("a frame is of segment " + std::to_string(number) + ", which is not described");
    if (!seen.emplace(number, frames[f].plane).second)
      throw Error(ErrorCode::dicom_duplicate_position,
                  "segment " + std::to_string(number) + " has two frames at one position");
    const auto found = masks.find(number);
    if (found == masks.end()) continue;
    LabelVolume& mask = found->second.voxels;
    std::uint8_t* const out = mask.voxels.data() + mask.offset(0, 0, frames[f].plane);
    p.for_each(f, [&](std::size_t i, std::int64_t value) { out[i] = 2 * value >= p.half; });
  }
}

/// Of LABELMAP: a pixel is the number of its segment.
void fill_labels(Pixels& p, const std::vector<MaskFrame>& frames, std::map<int, Mask>& masks,
                 const std::set<int>& described, const Job& job) {
  std::vector<LabelVolume*> volume_of(std::size_t{1} << p.bits_allocated);
  for (auto& [number, mask] : masks)
    if (static_cast<std::size_t>(number) < volume_of.size()) volume_of[static_cast<std::size_t>(number)] = &mask.voxels;
  std::set<std::int64_t> seen;
  const auto count = static_cast<std::uint64_t>(p.rows * p.columns);
  for (std::size_t f = 0; f < frames.size(); ++f) {
    job.report("read masks", static_cast<double>(f) / static_cast<double>(frames.size()));
    if (!seen.insert(frames[f].plane).second)
      throw Error(ErrorCode::dicom_duplicate_position, "two frames of the label map lie at one position");
    p.for_each(f, [&](std::size_t i, std::int64_t value) {
      if (LabelVolume* volume = volume_of[static_cast<std::size_t>(value)])
        volume->voxels[static_cast<std::uint64_t>(frames[f].plane) * count + i] = 1;
      else if (value != 0 && described.count(static_cast<int>(value)) == 0)
        bad_value("the label map holds the value " + std::to_string(value) + ", which no segment describes");
    });
  }
}

/// From the planes to a regular grid.
void resample(Mask& mask, const Series& stack, const Job& job) {
  const LabelVolume planes = std::move(mask.voxels);
  const auto read = [&](std::size_t k, float* out) {
    const auto first =
        planes.voxels.begin() + static_cast<std::ptrdiff_t>(planes.offset(0, 0, static_cast<std::int64_t>(k)));
    std::copy_n(first, stack.rows * stack.columns, out);
  };
  const Volume<float> inside = resample_stack(stack, read, job);
  mask.voxels = LabelVolume(stack.geometry);
  for (std::size_t i = 0; i < inside.voxels.size(); ++i) mask.voxels.voxels[i] = inside.voxels[i] >= 0.5F;
  const auto& [x, y, z] = stack.geometry.spacing_mm;
  mask.note =
      "the planes of the segmentation are slanted, uneven or far apart: it was resampled to a regular grid of " +
      brief(x) + " x " + brief(y) + " x " + brief(z) + " mm";
}

}  // namespace

std::vector<Mask> read_segmentation(const std::string& path, const Job& job, std::optional<int> only) {
  const QuietDcmtk quiet;
  const auto file = load_mask_file(path);
  DcmItem& item = *file->getDataset();
  const Kind kind = kind_of(item);
  Pixels pixels = read_pixels(*file, kind);

  std::map<int, Mask> masks;
  std::set<int> described;
  for (DcmItem* segment : items_of(item, DCM_SegmentSequence)) {
    const int number = static_cast<int>(whole(*segment, DCM_SegmentNumber, 0, UINT16_MAX));
    if (!described.insert(number).second) bad_value("SegmentNumber " + std::to_string(number) + " is there twice");
    const bool background = kind == Kind::label_map && number == 0;
    if (background || (only && *only != number)) continue;
    Mask& mask = masks[number];
    mask.number = number;
    mask.name = display_text(*segment, DCM_SegmentLabel);
    mask.type = code_of(*segment);
  }
  std::vector<MaskFrame> frames = frames_of(item, pixels.frames);
  const MaskPlanes planes = place_frames(frames, pixels.rows, pixels.columns);
  check_mask_memory(masks.size(), planes.grid.voxel_count());
  if (planes.stack) check_mask_memory(masks.size(), planes.stack->geometry.voxel_count());
  std::vector<Mask> out;
  try {
    for (auto& [number, mask] : masks) mask.voxels = LabelVolume(planes.grid);
    (kind == Kind::label_map ? fill_labels : fill_segments)(pixels, frames, masks, described, job);
    for (auto& [number, mask] : masks) {
      if (planes.stack) resample(mask, *planes.stack, job);
      out.push_back(std::move(mask));
    }
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::out_of_memory, "not enough memory for the masks of the segmentation");
  }
  return out;
}

}  // namespace oncotome::dicom
