// SPDX-License-Identifier: Apache-2.0
#include "pixels.h"

#include <dcmtk/dcmdata/dccodec.h>
#include <dcmtk/dcmdata/dcpixel.h>
#include <dcmtk/dcmdata/dcpixseq.h>
#include <dcmtk/dcmdata/dcpxitem.h>
#include <dcmtk/dcmdata/dcrledrg.h>
#include <dcmtk/dcmjpeg/djdecode.h>
#include <dcmtk/dcmjpls/djdecode.h>

#include <algorithm>
#include <mutex>

#include "header.h"
#include "jpeg2000.h"
#include "values.h"

namespace oncotome::dicom {
namespace {

bool is_jpeg2000(E_TransferSyntax syntax) { return syntax == EXS_JPEG2000LosslessOnly || syntax == EXS_JPEG2000; }

void register_decoders() {
  static std::once_flag once;
  std::call_once(once, [] {
    DcmRLEDecoderRegistration::registerCodecs();
    // Color is ours to convert: a decoder's guess depends on its settings, not on the stream alone.
    DJDecoderRegistration::registerCodecs(EDC_never, EUC_never, EPC_colorByPixel);
    DJLSDecoderRegistration::registerCodecs(EJLSUC_never, EJLSPC_colorByPixel);
  });
}

void put(DcmItem& item, const DcmTagKey& tag, std::int64_t value) {
  item.putAndInsertUint16(tag, static_cast<Uint16>(value));
}

/// The image as its codestream has it, for DCMTK's decoders, which believe the data set.
void describe(DcmItem& item, const PixelModule& module, const PixelFormat& cells) {
  put(item, DCM_Rows, module.rows);
  put(item, DCM_Columns, module.columns);
  put(item, DCM_SamplesPerPixel, module.samples);
  put(item, DCM_BitsAllocated, cells.bits_allocated);
  put(item, DCM_BitsStored, cells.bits_stored);
  put(item, DCM_HighBit, cells.high_bit);
  put(item, DCM_PixelRepresentation, cells.is_signed ? 1 : 0);
  item.putAndInsertString(DCM_PhotometricInterpretation, module.samples == 1 ? "MONOCHROME2" : "RGB");
  if (module.samples > 1) put(item, DCM_PlanarConfiguration, 0);
}

void insert_fragment(DcmPixelSequence& sequence, const Bytes& bytes) {
  auto* item = new DcmPixelItem(DcmTag(DCM_Item, EVR_OB));
  sequence.insert(item);
  if (!bytes.empty() && item->putUint8Array(bytes.data(), static_cast<unsigned long>(bytes.size())).bad())
    throw std::bad_alloc();
}

/// A stream of p bits fills cells of 8 or 16 bits from below, PS3.5 section 8.2.
PixelFormat cells_of(PixelFormat stated, int precision) {
  if (precision <= stated.high_bit) {
    stated.bits_stored = precision;
    stated.high_bit = precision - 1;
  }
  stated.bits_allocated = precision <= 8 ? 8 : 16;
  return stated;
}

Bytes by_pixel(const Bytes& planes, std::size_t samples, std::size_t cell) {
  Bytes out(planes.size());
  const std::size_t pixels = planes.size() / samples / cell;
  for (std::size_t s = 0; s < samples; ++s)
    for (std::size_t i = 0; i < pixels; ++i)
      std::memcpy(out.data() + (i * samples + s) * cell, planes.data() + (s * pixels + i) * cell, cell);
  return out;
}

/// Y Y Cb Cr for two pixels, PS3.3 C.7.6.3.1.2.
Bytes full_chroma(const Bytes& half) {
  Bytes out;
  out.reserve(half.size() / 2 * 3);
  for (std::size_t i = 0; i + 3 < half.size(); i += 4)
    out.insert(out.end(), {half[i], half[i + 2], half[i + 3], half[i + 1], half[i + 2], half[i + 3]});
  return out;
}

bool is_half_chroma(const PixelModule& module) { return module.photometric == "YBR_FULL_422"; }

std::size_t native_bytes(const PixelModule& module) {
  const std::size_t samples = module.pixels() * static_cast<std::size_t>(module.samples);
  return (is_half_chroma(module) ? samples / 3 * 2 : samples) *
         static_cast<std::size_t>(module.format.bits_allocated / 8);
}

}  // namespace

PixelSource::PixelSource(DcmFileFormat& file, std::string what) : what_(std::move(what)) {
  register_decoders();
  DcmDataset& item = *file.getDataset();
  module_ = read_pixel_module(item);
  DcmElement* element = nullptr;
  if (item.findAndGetElement(DCM_PixelData, element).bad()) unreadable("has no pixel data");
  data_ = dynamic_cast<DcmPixelData*>(element);
  if (!data_) unreadable("has no pixel data");
  const DcmRepresentationParameter* parameter = nullptr;
  data_->getOriginalRepresentationKey(syntax_, parameter);
  const bool is_compressed = DcmXfer(syntax_).isEncapsulated();
  if (is_compressed != static_cast<bool>(DcmXfer(item.getOriginalXfer()).isEncapsulated()))
    unreadable("names a transfer syntax that its pixel data do not have");
  if (!is_compressed) {
    find_native();
    return;
  }
  if (!is_readable_syntax(DcmXfer(syntax_).getXferID()))
    throw Error(ErrorCode::dicom_syntax_unsupported,
                what_ + " has a transfer syntax that is not supported: send it uncompressed");
  DcmPixelSequence* sequence = nullptr;
  if (data_->getEncapsulatedRepresentation(syntax_, parameter, sequence).bad() || !sequence)
    unreadable("has no compressed pixels");
  find_fragments(*sequence);
}

void PixelSource::unreadable(const std::string& what) const {
  throw Error(ErrorCode::input_unreadable, what_ + " " + what);
}

Frame PixelSource::frame(std::int64_t index) {
  if (index < 0 || index >= module_.frames) unreadable("has no frame " + std::to_string(index + 1));
  if (fragments_.empty()) return native_frame(index);
  try {
    return compressed_frame(index);
  } catch (const Error& error) {
    const std::string where = module_.frames > 1 ? ", frame " + std::to_string(index + 1) : "";
    throw Error(error.code(), what_ + where + ": " + error.what());
  }
}

void PixelSource::find_native() {
  const std::uint64_t bytes = native_bytes(module_), length = data_->getLength();
  const auto frames = static_cast<std::uint64_t>(module_.frames);
  if (is_half_chroma(module_) && module_.columns % 2 != 0) unreadable("is YBR_FULL_422 with an odd number of columns");
  if (length / bytes < frames) unreadable("is cut short: it does not hold its pixels");
  if (length / bytes > frames)
    unreadable(frames == 1 ? "holds more pixels than one image has" : "holds more pixels than its frames have");
  surplus_ = length - frames * bytes - frames * bytes % 2;
}

Frame PixelSource::native_frame(std::int64_t index) {
  Frame frame;
  frame.format = module_.format;
  frame.samples = module_.samples;
  frame.is_ycc = module_.photometric == "YBR_FULL" || is_half_chroma(module_);
  frame.cells.resize(native_bytes(module_));
  const OFCondition got = data_->getPartialValue(
      frame.cells.data(), static_cast<Uint32>(static_cast<std::size_t>(index) * frame.cells.size()),
      static_cast<Uint32>(frame.cells.size()), &cache_, gLocalByteOrder);
  if (got.bad()) unreadable(std::string("cannot be read to its end: ") + got.text());
  if (is_half_chroma(module_))
    frame.cells = full_chroma(frame.cells);
  else if (module_.samples > 1 && module_.by_plane)
    frame.cells = by_pixel(frame.cells, static_cast<std::size_t>(module_.samples),
                           static_cast<std::size_t>(module_.format.bits_allocated / 8));
  return frame;
}

void PixelSource::find_fragments(DcmPixelSequence& sequence) {
  // getItem() counts from the first one each time.
  for (DcmObject* item = sequence.nextInContainer(nullptr); item; item = sequence.nextInContainer(item))
    fragments_.push_back(static_cast<DcmPixelItem*>(item));
  const std::size_t count = fragments_.size(), frames = static_cast<std::size_t>(module_.frames);
  if (count < frames + 1) unreadable("is cut short: it has fewer compressed fragments than frames");
  if (frames == 1 || count == frames + 1) {
    for (std::size_t f = 0; f < frames; ++f) first_fragment_.push_back(f + 1);
    first_fragment_.push_back(count);
    return;
  }
  if (syntax_ == EXS_RLELossless) unreadable("has more fragments than frames, which RLE does not allow");
  if (fragments_[0]->getLength() > 0)
    split_by_table();
  else
    split_by_marker();
  first_fragment_.push_back(count);
}

void PixelSource::split_by_table() {
  std::vector<std::size_t> starts;  // Of the fragments, as an offset table gives them.
  std::size_t at = 0;
  for (std::size_t i = 1; i < fragments_.size(); ++i) {
    starts.push_back(at);
    at += 8 + std::size_t{fragments_[i]->getLength()};
  }
  Uint8* bytes = nullptr;
  if (fragments_[0]->getUint8Array(bytes).bad() || !bytes ||
      fragments_[0]->getLength() != 4 * static_cast<std::size_t>(module_.frames))
    unreadable("has an offset table that does not fit its frames");
  for (std::int64_t f = 0; f < module_.frames; ++f) {
    const Uint8* b = bytes + 4 * f;
    const std::size_t offset = b[0] | std::size_t{b[1]} << 8 | std::size_t{b[2]} << 16 | std::size_t{b[3]} << 24;
    const auto found = std::lower_bound(starts.begin(), starts.end(), offset);
    const auto fragment = static_cast<std::size_t>(found - starts.begin()) + 1;
    if (found == starts.end() || *found != offset || (f == 0 ? fragment != 1 : fragment <= first_fragment_.back()))
      unreadable("has an offset table that contradicts its fragments");
    first_fragment_.push_back(fragment);
  }
}

void PixelSource::split_by_marker() {
  for (std::size_t i = 1; i < fragments_.size(); ++i) {
    Uint8* bytes = nullptr;
    if (fragments_[i]->getUint8Array(bytes).bad()) unreadable("cannot be read to its end");
    if (i == 1 || starts_codestream(bytes, bytes ? fragments_[i]->getLength() : 0)) first_fragment_.push_back(i);
  }
  if (first_fragment_.size() != static_cast<std::size_t>(module_.frames))
    unreadable("has no offset table, and its fragments do not show where " + std::to_string(module_.frames) +
               " frames start");
}

Bytes PixelSource::codestream(std::int64_t index) {
  Bytes stream;
  const auto f = static_cast<std::size_t>(index);
  for (std::size_t i = first_fragment_[f]; i < first_fragment_[f + 1]; ++i) {
    Uint8* bytes = nullptr;
    if (fragments_[i]->getUint8Array(bytes).bad())
      throw Error(ErrorCode::input_unreadable, "cannot be read to its end");
    if (bytes) stream.insert(stream.end(), bytes, bytes + fragments_[i]->getLength());
  }
  return stream;
}

Codestream PixelSource::checked_header(const Bytes& stream) const {
  Codestream header;
  if (syntax_ == EXS_RLELossless) {
    const auto segments = static_cast<std::uint32_t>(module_.samples * module_.format.bits_allocated / 8);
    check_rle(stream, segments, module_.pixels());
    return {module_.columns,          module_.rows, module_.samples, module_.format.bits_allocated,
            module_.format.is_signed, std::nullopt};
  }
  header = is_jpeg2000(syntax_) ? read_jpeg2000_header(stream) : read_jpeg_header(stream);
  if (header.width != module_.columns || header.height != module_.rows || header.samples != module_.samples)
    throw Error(ErrorCode::input_unreadable,
                "the compressed image is " + std::to_string(header.width) + " x " + std::to_string(header.height) +
                    " x " + std::to_string(header.samples) + ", but the file says " + std::to_string(module_.columns) +
                    " x " + std::to_string(module_.rows) + " x " + std::to_string(module_.samples));
  if (header.precision < 1 || header.precision > std::min(16, module_.format.bits_allocated))
    throw Error(header.precision > 16 ? ErrorCode::input_unsupported : ErrorCode::input_unreadable,
                "the compressed image has " + std::to_string(header.precision) +
                    " bits per sample, the file allocates " + std::to_string(module_.format.bits_allocated));
  return header;
}

Frame PixelSource::compressed_frame(std::int64_t index) {
  const Bytes stream = codestream(index);
  const Codestream header = checked_header(stream);
  Frame frame;
  frame.samples = module_.samples;
  frame.format = syntax_ == EXS_RLELossless ? module_.format : cells_of(module_.format, header.precision);
  frame.is_ycc =
      module_.samples == 3 && header.is_ycc.value_or(module_.photometric == "YBR_FULL" || is_half_chroma(module_));
  if (is_jpeg2000(syntax_)) {
    frame.format.is_signed = header.is_signed;  // Where PixelRepresentation says else, it is wrong.
    frame.cells = decode_jpeg2000(stream, header);
    return frame;
  }
  frame.cells.resize(module_.pixels() * static_cast<std::size_t>(module_.samples * frame.format.bits_allocated / 8));
  DcmDataset description;
  describe(description, module_, frame.format);
  DcmPixelSequence sequence(DcmTag(DCM_PixelData, EVR_OB));
  insert_fragment(sequence, {});
  insert_fragment(sequence, stream);
  Uint32 fragment = 1;
  OFString color;
  const OFCondition decoded =
      DcmCodecList::decodeFrame(DcmXfer(syntax_), nullptr, &sequence, &description, 0, fragment, frame.cells.data(),
                                static_cast<Uint32>(frame.cells.size()), color);
  if (decoded.bad())
    throw Error(ErrorCode::input_unreadable, std::string("the compressed image cannot be decoded: ") + decoded.text());
  return frame;
}

}  // namespace oncotome::dicom
