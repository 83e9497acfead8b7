// SPDX-License-Identifier: Apache-2.0
#include "class_labels.h"

#include <algorithm>
#include <cctype>
#include <cmath>

namespace oncotome::engine {

Label label_of(std::uint8_t value, const std::string& name) {
  std::string lower = name;
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  const char* const words[] = {"tumor",  "tumour", "lesion", "nodule",   "cancer",
                               "carcin", "glioma", "metast", "neoplasm", "malignan"};
  Label label;
  label.value = value;
  label.name = name;
  label.lesion = std::any_of(std::begin(words), std::end(words),
                             [&](const char* word) { return lower.find(word) != std::string::npos; });
  if (label.lesion) {
    label.category = {"49755003", "SCT", "Morphologically Altered Structure"};
    label.type = {"108369006", "SCT", "Neoplasm"};
  } else {
    label.category = {"123037004", "SCT", "Anatomical Structure"};
    label.type = {std::to_string(value), "99MODEL", name};
  }
  // Hues a golden angle apart, so that neighbors differ.
  for (std::size_t i = 0; i < 3; ++i) {
    const double phase = 2.399963 * value + 2.094395 * static_cast<double>(i);
    label.color_rgb[i] = static_cast<std::uint8_t>(std::lround(150 + 90 * std::cos(phase)));
  }
  return label;
}

}  // namespace oncotome::engine
