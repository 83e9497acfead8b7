// SPDX-License-Identifier: Apache-2.0
#include "lookup_table.h"

#include <algorithm>
#include <string>

#include "oncotome/core/error.h"
#include "values.h"

namespace oncotome::dicom {

LookupTable read_lookup_table(DcmItem& item, const DcmTagKey& descriptor, const DcmTagKey& data, bool is_signed) {
  const auto bad = [&](const char* why) {
    throw Error(ErrorCode::dicom_bad_value, std::string(DcmTag(descriptor).getTagName()) + " " + why);
  };
  const std::vector<double> shape = numbers(item, descriptor);
  const auto is_word = [](double value) { return value >= -32768 && value <= 65535; };
  if (shape.size() != 3 || !std::all_of(shape.begin(), shape.end(), is_word))
    bad("does not have three values of 16 bits");
  const auto word = [&](std::size_t i) { return static_cast<std::int64_t>(shape[i]) & 0xffff; };
  LookupTable table;
  const auto count = static_cast<std::size_t>(word(0) == 0 ? 65536 : word(0));
  table.first = is_signed && word(1) > 32767 ? word(1) - 65536 : word(1);
  table.bits = static_cast<int>(word(2));
  if (table.bits < 8 || table.bits > 16) bad("has entries of neither 8 to 16 bits");
  const Uint16* words = nullptr;
  unsigned long length = 0;
  if (item.findAndGetUint16Array(data, words, &length).bad() || !words) bad("has no table");
  if (length >= count) {
    table.entries.assign(words, words + count);
  } else if (table.bits == 8 && 2 * length >= count) {
    for (std::size_t i = 0; i < count; ++i) table.entries.push_back(words[i / 2] >> (8 * (i % 2)) & 0xff);
  } else {
    bad("names more entries than its table has");
  }
  return table;
}

}  // namespace oncotome::dicom
