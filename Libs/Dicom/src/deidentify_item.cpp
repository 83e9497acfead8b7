// SPDX-License-Identifier: Apache-2.0
#include "deidentify_item.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <optional>
#include <string_view>
#include <vector>

#include "confidentiality_profile.h"
#include "date_time.h"
#include "oncotome/core/digest.h"
#include "result_header.h"
#include "sequences.h"
#include "values.h"

namespace oncotome::dicom {
namespace {

constexpr const char* kRemoved = "REMOVED";
constexpr const char* kStandardRoot = "1.2.840.10008.";

std::uint32_t number_of(const DcmTagKey& tag) { return std::uint32_t{tag.getGroup()} << 16 | tag.getElement(); }

template <std::size_t N>
bool is_in(const std::uint32_t (&list)[N], std::uint32_t tag) {
  return std::find(std::begin(list), std::end(list), tag) != std::end(list);
}

bool is_date(DcmEVR vr) { return vr == EVR_DA || vr == EVR_DT || vr == EVR_TM; }

bool is_text(DcmEVR vr) {
  return vr == EVR_LO || vr == EVR_SH || vr == EVR_ST || vr == EVR_LT || vr == EVR_UT || vr == EVR_UC || vr == EVR_PN ||
         vr == EVR_AE || vr == EVR_UR;
}

// X remove, Z empty, D replace by a dummy, K keep.
char action_of(const DcmTagKey& tag, DcmEVR vr, bool is_report) {
  const std::uint32_t number = number_of(tag);
  const Uint16 group = tag.getGroup();
  if ((group & 0xff00) == 0x5000 || (group & 0xff00) == 0x6000) return 'X';  // curves and overlays can hold text
  if (vr == EVR_UN || vr == EVR_UNKNOWN || vr == EVR_UNKNOWN2B) return 'X';
  if (DcmTag(tag).error().bad()) return 'X';  // of no edition that is known here
  if (is_in(profile::kRemove, number)) return 'X';
  // Outside of reports, where some sequences are type 2, a sequence without items is not allowed.
  const bool is_listed = is_in(profile::kEmpty, number) || is_in(profile::kReplace, number);
  if (is_listed && vr == EVR_SQ) return is_report ? 'Z' : 'X';
  if (is_in(profile::kEmpty, number)) return 'Z';
  // A made-up date would be taken for a true one, so dates are emptied.
  if (is_in(profile::kReplace, number)) return is_date(vr) ? 'Z' : 'D';
  if (vr == EVR_DA || vr == EVR_DT) return 'Z';
  if (vr == EVR_PN) return 'Z';
  return 'K';
}

/// Private elements that PS3.15 table E.3.10-1 calls safe.
struct SafePrivate {
  Uint16 group;
  const char* creator;
  Uint16 low;
};

constexpr SafePrivate kSafePrivate[] = {
    {0x7053, "Philips PET Private Group", 0x00}, {0x7053, "Philips PET Private Group", 0x09},
    {0x2001, "Philips Imaging DD 001", 0x03},    {0x2005, "Philips MR Imaging DD 001", 0x0d},
    {0x2005, "Philips MR Imaging DD 001", 0x0e}, {0x0019, "SIEMENS MR HEADER", 0x0c},
    {0x0019, "SIEMENS MR HEADER", 0x0d},         {0x0019, "SIEMENS MR HEADER", 0x0e}};

std::string folded(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

bool is_letter(unsigned char c) { return c >= 0x80 || std::isalnum(c); }

bool is_birth_or_death(const DcmTagKey& tag) {
  return tag.getGroup() == 0x0010 && tag.getElement() >= 0x0030 && tag.getElement() <= 0x0035;
}

// The words of a standard code are its own: a name in them is by chance. Schemes of a site begin with 99, PS3.16 8.2.
bool is_standard_code(DcmItem& item) {
  const bool has_value =
      item.tagExists(DCM_CodeValue) || item.tagExists(DCM_LongCodeValue) || item.tagExists(DCM_URNCodeValue);
  return has_value && raw_text(item, DCM_CodingSchemeDesignator).rfind("99", 0) != 0;
}

// Few letters are found only as a word of their own: Max is in Maximum. Scripts without spaces have no such words.
bool holds_word(const std::string& text, const std::string& word) {
  const bool is_ascii = std::all_of(word.begin(), word.end(), [](unsigned char c) { return c < 0x80 && c != 0x1b; });
  const bool alone = is_ascii && word.size() < 6;
  for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
    const std::size_t end = at + word.size();
    if (!alone || ((at == 0 || !is_letter(text[at - 1])) && (end == text.size() || !is_letter(text[end])))) return true;
  }
  return false;
}

std::string value_of(DcmElement& element) {
  OFString value;
  return element.getOFStringArray(value).good() ? std::string(value.c_str(), value.size()) : std::string();
}

}  // namespace

bool settle_unknown(DcmItem& item) {
  std::vector<DcmTagKey> tags;
  for (unsigned long i = 0; i < item.card(); ++i) tags.emplace_back(item.getElement(i)->getTag());
  for (const DcmTagKey& tag : tags) {
    for (DcmItem* child : items_of(item, tag))
      if (!settle_unknown(*child)) return false;
    DcmElement* element = nullptr;
    const DcmTag known(tag);
    if (item.findAndGetElement(tag, element).bad() || !element || element->ident() != EVR_UN) continue;
    if ((tag.getGroup() & 1) || known.error().bad()) continue;
    const char action = action_of(tag, known.getEVR(), false);
    if (action == 'K' && !known.getVR().isaString()) return false;
    if (action == 'X' || !known.getVR().isaString()) continue;
    Uint8* bytes = nullptr;
    require(element->getUint8Array(bytes), "a value of unknown representation");
    std::string text(reinterpret_cast<const char*>(bytes), bytes ? element->getLength() : 0);
    text.erase(text.find_last_not_of(std::string_view(" \0", 2)) + 1);
    if (known.getEVR() == EVR_DS || known.getEVR() == EVR_IS) parse_numbers(text, tag);
    require(item.putAndInsertString(known, text.c_str(), static_cast<Uint32>(text.size())), "a value");
  }
  return true;
}

std::string new_uid(const std::string& uid, const std::string& key) {
  if (uid.empty() || uid.rfind(kStandardRoot, 0) == 0) return uid;
  return make_uid("oncotome deidentify uid\n" + key + '\n' + uid);
}

Deidentifier::Deidentifier(DcmDataset& dataset, const DeidentifyOptions& options, DeidentifyReport& report)
    : dataset_(dataset), options_(options), report_(report) {
  const std::string id = raw_text(dataset, DCM_PatientID) + '\n' + raw_text(dataset, DCM_IssuerOfPatientID) + '\n' +
                         (raw_text(dataset, DCM_PatientID).empty() ? raw_text(dataset, DCM_PatientName) : "");
  is_pet_ = raw_text(dataset, DCM_SOPClassUID) == UID_PositronEmissionTomographyImageStorage;
  is_report_ = raw_text(dataset, DCM_SOPClassUID).rfind("1.2.840.10008.5.1.4.1.1.88.", 0) == 0;
  const std::string digest = sha256_hex("oncotome deidentify patient\n" + options.key + '\n' + id);
  pseudonym_ = "P-" + digest.substr(0, 12);
  // One to ten years.
  shift_days_ = 365 + static_cast<std::int64_t>(std::strtoul(digest.substr(12, 8).c_str(), nullptr, 16) % 3285);
}

void Deidentifier::run() {
  collect_identifiers(dataset_);
  clean(dataset_);
  state_what_was_done();
}

void Deidentifier::collect_identifiers(DcmItem& item) {
  for (unsigned long i = 0; i < item.card(); ++i) {
    DcmElement& element = *item.getElement(i);
    const DcmTagKey tag = element.getTag();
    for (DcmItem* child : items_of(item, tag)) collect_identifiers(*child);
    const bool is_id = tag == DCM_PatientID || tag == DCM_RETIRED_OtherPatientIDs || tag == DCM_AccessionNumber ||
                       (tag == DCM_InstitutionName && !options_.institution) ||
                       ((tag == DCM_StationName || tag == DCM_DeviceSerialNumber) && !options_.device);
    if (element.ident() != EVR_PN && !is_id) continue;
    std::string word;
    const std::string value = folded(value_of(element)) + '\\';
    const bool escapes = value.find('\x1b') != std::string::npos;  // ISO 2022: any character may be half a letter
    for (const char c : value) {
      const bool ends = is_id ? c == '\\' : escapes ? std::strchr("\\^= ,", c) != nullptr : !is_letter(c);
      if (!ends) {
        word += c;
        continue;
      }
      add_identifier(word);
      word.clear();
    }
  }
}

void Deidentifier::add_identifier(const std::string& word) {
  const std::size_t first = word.find_first_not_of(' ');
  if (first == std::string::npos) return;
  const std::string trimmed = word.substr(first, word.find_last_not_of(' ') - first + 1);
  if (trimmed.size() > 1) identifiers_.insert(trimmed);
}

bool Deidentifier::holds_identifier(const std::string& text) const {
  const std::string in = folded(text);
  return std::any_of(identifiers_.begin(), identifiers_.end(),
                     [&](const std::string& word) { return holds_word(in, word); });
}

void Deidentifier::clean(DcmItem& item) {
  std::vector<DcmTagKey> tags, kept_private;
  for (unsigned long i = 0; i < item.card(); ++i) tags.emplace_back(item.getElement(i)->getTag());
  for (const DcmTagKey& tag : tags)
    if ((tag.getGroup() & 1) && is_safe_private(item, tag)) kept_private.push_back(tag);
  for (const DcmTagKey& tag : tags) {
    DcmElement* element = nullptr;
    if (item.findAndGetElement(tag, element).bad() || !element) continue;
    if (tag.getGroup() & 1) {
      const bool creates = std::any_of(kept_private.begin(), kept_private.end(), [&](const DcmTagKey& kept) {
        return kept.getGroup() == tag.getGroup() && kept.getElement() >> 8 == tag.getElement();
      });
      const bool kept = std::find(kept_private.begin(), kept_private.end(), tag) != kept_private.end();
      ++(kept || creates ? report_.private_kept : report_.private_removed);
      if (!kept && !creates) item.findAndDeleteElement(tag);
    } else if (tag.getElement() == 0 || DcmTag(tag).error().bad()) {  // lengths, and what the standard does not know
      item.findAndDeleteElement(tag);
    } else {
      clean_element(item, *element);
    }
  }
}

void Deidentifier::clean_element(DcmItem& item, DcmElement& element) {
  const DcmTagKey tag = element.getTag();
  const DcmEVR vr = element.ident();
  if (tag == DCM_PixelData || tag == DCM_FloatPixelData || tag == DCM_DoubleFloatPixelData) return;
  if (tag == DCM_PatientName || tag == DCM_PatientID) return put(item, tag, pseudonym_);
  if (vr == EVR_UI) return map_uids(item, element);
  // The content of a report stays as a tree of codes and numbers, its texts go.
  const bool walks = vr == EVR_SQ && (tag == DCM_ContentSequence || is_retained(tag, vr));
  char action = walks || is_retained(tag, vr) ? 'K' : action_of(tag, vr, is_report_);
  if (tag == DCM_TextValue) action = 'D';
  const bool moves = options_.shifted_dates && is_date(vr) && !is_birth_or_death(tag);
  if (moves) return shift(item, element);
  // Of PET they are type 1, PS3.3 table C.8-60; without an injection nothing can be computed from them.
  const bool needed = is_pet_ && (tag == DCM_SeriesDate || tag == DCM_SeriesTime);
  if (needed && action != 'K') {
    ++report_.replaced;
    return put(item, tag, tag == DCM_SeriesDate ? "19000101" : "000000");
  }
  if (action != 'K') return act(item, element, action);
  for (DcmItem* child : items_of(item, tag)) clean(*child);
  const bool is_code = tag == DCM_CodeValue || tag == DCM_LongCodeValue || tag == DCM_URNCodeValue ||
                       tag == DCM_CodingSchemeDesignator || (tag == DCM_CodeMeaning && is_standard_code(item));
  if (is_text(vr) && !is_code && holds_identifier(value_of(element))) {
    put(item, tag, kRemoved);
    ++report_.found_by_value;
  }
}

void Deidentifier::act(DcmItem& item, DcmElement& element, char action) {
  const DcmTagKey tag(element.getGTag(), element.getETag());  // Outlives the element.
  const DcmEVR vr = element.ident();
  if (action == 'X') {
    item.findAndDeleteElement(tag);
    ++report_.removed;
  } else if (action == 'D' && (is_text(vr) || vr == EVR_CS)) {
    put(item, tag, kRemoved);
    ++report_.replaced;
  } else if (action == 'D' && (vr == EVR_DS || vr == EVR_IS)) {
    put(item, tag, "0");
    ++report_.replaced;
  } else {
    item.findAndDeleteElement(tag);
    item.insertEmptyElement(tag);
    ++report_.emptied;
  }
}

void Deidentifier::map_uids(DcmItem& item, DcmElement& element) {
  if (options_.uids) return;
  std::string mapped;
  const std::string value = value_of(element);
  for (const std::string& uid : split_values(value)) {
    mapped += (mapped.empty() ? "" : "\\") + new_uid(uid, options_.key);
    report_.uids += !uid.empty() && uid.rfind(kStandardRoot, 0) != 0;
  }
  if (mapped != value) put(item, element.getTag(), mapped);
}

void Deidentifier::shift(DcmItem& item, DcmElement& element) {
  if (element.ident() == EVR_TM) return;
  std::string shifted;
  for (const std::string& value : split_values(value_of(element))) {
    const std::optional<std::int64_t> days = days_of(value.substr(0, element.ident() == EVR_DT ? 8 : value.size()));
    if (!shifted.empty()) shifted += '\\';
    if (days) shifted += date_of(*days - shift_days_) + (element.ident() == EVR_DT ? value.substr(8) : "");
  }
  put(item, element.getTag(), shifted);
  ++report_.dates_shifted;
}

void Deidentifier::put(DcmItem& item, const DcmTagKey& tag, const std::string& value) {
  // A text under the tag of a sequence cannot be replaced.
  if (item.putAndInsertString(tag, value.c_str()).bad()) item.findAndDeleteElement(tag);
}

bool Deidentifier::is_retained(const DcmTagKey& tag, DcmEVR vr) const {
  const std::uint32_t number = number_of(tag);
  if (options_.dates && (is_date(vr) || tag == DCM_TimezoneOffsetFromUTC)) return !is_birth_or_death(tag);
  return (options_.shifted_dates && tag == DCM_TimezoneOffsetFromUTC) ||
         (options_.device && is_in(profile::kDevice, number)) ||
         (options_.characteristics && is_in(profile::kCharacteristics, number)) ||
         (options_.institution && is_in(profile::kInstitution, number));
}

bool Deidentifier::is_safe_private(DcmItem& item, const DcmTagKey& tag) const {
  if (!options_.safe_private || tag.getElement() < 0x1000) return false;
  const std::string creator = raw_text(item, DcmTagKey(tag.getGroup(), tag.getElement() >> 8));
  return std::any_of(std::begin(kSafePrivate), std::end(kSafePrivate), [&](const SafePrivate& safe) {
    return safe.group == tag.getGroup() && safe.low == (tag.getElement() & 0xff) && safe.creator == creator;
  });
}

void Deidentifier::state_what_was_done() {
  put(dataset_, DCM_PatientIdentityRemoved, "YES");
  put(dataset_, DCM_DeidentificationMethod, "Oncotome, PS3.15 annex E");
  const char* temporal = options_.dates ? "UNMODIFIED" : options_.shifted_dates ? "MODIFIED" : "REMOVED";
  put(dataset_, DCM_LongitudinalTemporalInformationModified, temporal);
  const struct {
    bool is_set;
    const char *value, *meaning;
  } codes[] = {{true, "113100", "Basic Application Confidentiality Profile"},
               {true, "113104", "Clean Structured Content Option"},
               {options_.dates, "113106", "Retain Longitudinal Temporal Information Full Dates Option"},
               {options_.shifted_dates, "113107", "Retain Longitudinal Temporal Information Modified Dates Option"},
               {options_.characteristics, "113108", "Retain Patient Characteristics Option"},
               {options_.device, "113109", "Retain Device Identity Option"},
               {options_.uids, "113110", "Retain UIDs Option"},
               {options_.safe_private, "113111", "Retain Safe Private Option"},
               {options_.institution, "113112", "Retain Institution Identity Option"}};
  dataset_.findAndDeleteElement(DCM_DeidentificationMethodCodeSequence);
  for (const auto& code : codes) {
    if (!code.is_set) continue;
    DcmItem* item = nullptr;
    require(dataset_.findOrCreateSequenceItem(DCM_DeidentificationMethodCodeSequence, item, -2), "a code");
    put(*item, DCM_CodeValue, code.value);
    put(*item, DCM_CodingSchemeDesignator, "DCM");
    put(*item, DCM_CodeMeaning, code.meaning);
  }
}

}  // namespace oncotome::dicom
