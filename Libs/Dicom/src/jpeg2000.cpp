// SPDX-License-Identifier: Apache-2.0
#include "jpeg2000.h"

#include <openjpeg.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "oncotome/core/error.h"

namespace oncotome::dicom {
namespace {

struct Source {
  const Bytes& bytes;
  std::size_t at = 0;
};

OPJ_SIZE_T read_some(void* buffer, OPJ_SIZE_T count, void* user) {
  auto& source = *static_cast<Source*>(user);
  const std::size_t some = std::min<std::size_t>(count, source.bytes.size() - source.at);
  if (some == 0) return static_cast<OPJ_SIZE_T>(-1);
  std::memcpy(buffer, source.bytes.data() + source.at, some);
  source.at += some;
  return some;
}

OPJ_OFF_T skip_some(OPJ_OFF_T count, void* user) {
  auto& source = *static_cast<Source*>(user);
  if (count < 0 || static_cast<std::uint64_t>(count) > source.bytes.size() - source.at) return -1;
  source.at += static_cast<std::size_t>(count);
  return count;
}

OPJ_BOOL seek_to(OPJ_OFF_T place, void* user) {
  auto& source = *static_cast<Source*>(user);
  if (place < 0 || static_cast<std::uint64_t>(place) > source.bytes.size()) return OPJ_FALSE;
  source.at = static_cast<std::size_t>(place);
  return OPJ_TRUE;
}

template <class Cell>
Bytes interleaved(const opj_image_t& image, std::size_t count) {
  Bytes out(count * image.numcomps * sizeof(Cell));
  for (std::size_t c = 0; c < image.numcomps; ++c)
    for (std::size_t i = 0; i < count; ++i) {
      const auto cell = static_cast<Cell>(image.comps[c].data[i]);
      std::memcpy(out.data() + (i * image.numcomps + c) * sizeof cell, &cell, sizeof cell);
    }
  return out;
}

}  // namespace

Bytes decode_jpeg2000(const Bytes& stream, const Codestream& known) {
  const auto fail = [] { throw Error(ErrorCode::input_unreadable, "the JPEG 2000 image is damaged"); };
  const std::unique_ptr<opj_codec_t, void (*)(opj_codec_t*)> codec(opj_create_decompress(OPJ_CODEC_J2K),
                                                                   opj_destroy_codec);
  const std::unique_ptr<opj_stream_t, void (*)(opj_stream_t*)> input(opj_stream_default_create(OPJ_TRUE),
                                                                     opj_stream_destroy);
  if (!codec || !input) throw std::bad_alloc();
  Source source{stream};
  opj_stream_set_user_data(input.get(), &source, nullptr);
  opj_stream_set_user_data_length(input.get(), stream.size());
  opj_stream_set_read_function(input.get(), read_some);
  opj_stream_set_skip_function(input.get(), skip_some);
  opj_stream_set_seek_function(input.get(), seek_to);

  opj_dparameters_t parameters;
  opj_set_default_decoder_parameters(&parameters);
  opj_image_t* made = nullptr;
  const bool is_read = opj_setup_decoder(codec.get(), &parameters) && opj_read_header(input.get(), codec.get(), &made);
  const std::unique_ptr<opj_image_t, void (*)(opj_image_t*)> image(made, opj_image_destroy);
  if (!is_read || !opj_decode(codec.get(), input.get(), made) || !opj_end_decompress(codec.get(), input.get())) fail();
  if (image->numcomps != static_cast<OPJ_UINT32>(known.samples)) fail();
  for (std::size_t c = 0; c < image->numcomps; ++c) {
    const opj_image_comp_t& part = image->comps[c];
    if (!part.data || part.w != known.width || part.h != known.height ||
        part.prec != static_cast<OPJ_UINT32>(known.precision))
      fail();
  }
  const auto count = static_cast<std::size_t>(known.width * known.height);
  return known.precision <= 8 ? interleaved<std::uint8_t>(*image, count) : interleaved<std::uint16_t>(*image, count);
}

}  // namespace oncotome::dicom
