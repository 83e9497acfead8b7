// SPDX-License-Identifier: Apache-2.0
#include "class_labels.h"

#include <algorithm>
#include <cctype>
#include <cmath>

namespace oncotome::engine {
namespace {

struct Term {
  const char* words;  // separated by '|', any of which the name holds
  const char* code;   // of SNOMED CT
  const char* meaning;
  bool lesion;
};

// Lesions first: a "liver tumor" is a tumor.
constexpr Term kTerms[] = {{"metasta", "14799000", "Neoplasm, Secondary", true},
                           {"edema", "79654002", "Edema", true},
                           {"necro", "6574001", "Necrosis", true},
                           {"nodule", "27925004", "Nodule", true},
                           {"tumor|tumour|cancer|carcin|neoplasm|glioma|sarcoma|adenoma|lymphoma|malignan|enhancing",
                            "108369006", "Neoplasm", true},
                           {"lesion|infarct", "52988006", "Lesion", true},
                           {"liver", "10200004", "Liver", false},
                           {"spleen", "78961009", "Spleen", false},
                           {"pancreas", "15776009", "Pancreas", false},
                           {"kidney", "64033007", "Kidney", false},
                           {"prostate", "41216001", "Prostate", false},
                           {"lung", "39607008", "Lung", false},
                           {"heart", "80891009", "Heart", false},
                           {"brain", "12738006", "Brain", false},
                           {"stomach", "69695003", "Stomach", false},
                           {"colon", "71854001", "Colon", false},
                           {"aorta", "15825003", "Aorta", false}};

const Term* term_of(const std::string& name) {
  for (const Term& term : kTerms) {
    const std::string words = term.words;
    for (std::size_t at = 0; at < words.size();) {
      const std::size_t end = std::min(words.find('|', at), words.size());
      if (name.find(words.substr(at, end - at)) != std::string::npos) return &term;
      at = end + 1;
    }
  }
  return nullptr;
}

}  // namespace

Label label_of(std::uint8_t value, const std::string& name) {
  std::string lower = name;
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  const Term* term = term_of(lower);
  Label label;
  label.value = value;
  label.name = name;
  label.lesion = term != nullptr && term->lesion;
  label.category = label.lesion ? Code{"49755003", "SCT", "Morphologically Altered Structure"}
                                : Code{"123037004", "SCT", "Anatomical Structure"};
  label.type = term != nullptr ? Code{term->code, "SCT", term->meaning} : Code{std::to_string(value), "99MODEL", name};
  // Hues a golden angle apart, so that neighbors differ.
  for (std::size_t i = 0; i < 3; ++i) {
    const double phase = 2.399963 * value + 2.094395 * static_cast<double>(i);
    label.color_rgb[i] = static_cast<std::uint8_t>(std::lround(150 + 90 * std::cos(phase)));
  }
  return label;
}

}  // namespace oncotome::engine
