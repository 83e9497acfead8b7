// SPDX-License-Identifier: Apache-2.0
#include "codestream.h"

#include "date_time.h"
#include "input_file.h"
#include "jpeg2000.h"

// What is parsed by hand within a file, without one: the first byte says what the rest is.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace oncotome::dicom;
  constexpr std::int64_t kMostPixels = 1 << 18;
  if (size < 2) return 0;
  const Bytes stream(data + 1, data + size);
  attempt([&] {
    if (data[0] == 'j') {
      read_jpeg_header(stream);
    } else if (data[0] == '2') {
      const Codestream header = read_jpeg2000_header(stream);
      if (header.width * header.height * header.samples <= kMostPixels && header.precision <= 16)
        decode_jpeg2000(stream, header);
    } else if (data[0] == 'r') {
      check_rle(stream, stream[0] % 16U, 64);
    } else {
      const std::string text(stream.begin(), stream.end());
      const std::size_t half = text.size() / 2;
      moment(text.substr(0, half), text.substr(half));
      moment_of_datetime(text, "+0100");
    }
  });
  return 0;
}
