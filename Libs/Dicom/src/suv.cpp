// SPDX-License-Identifier: Apache-2.0
#include "oncotome/dicom/suv.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "date_time.h"
#include "guarded_load.h"
#include "header.h"
#include "oncotome/dicom/stack_resampling.h"
#include "quiet_dcmtk.h"
#include "sequences.h"
#include "values.h"

namespace oncotome::dicom {
namespace {

/// Why there is no SUV.
struct Unavailable {
  std::string reason;
};

// A coded string, cut short: what a file holds may be anything.
std::string own_value(const std::string& text) {
  std::string out;
  for (const char c : text.substr(0, 16)) out += c >= 0x20 && c < 0x7f ? c : '?';
  return out;
}

[[noreturn]] void unavailable(const std::string& reason) { throw Unavailable{reason}; }

/// What an image says of its activity and of the patient's dose.
struct Facts {
  std::string units, suv_type, decay_correction;
  bool attenuation_corrected = false, decay_corrected = false, is_part = false;
  std::optional<double> weight_kg, dose_bq, half_life_s, frame_s, reference_s;
  std::optional<double> series_start, acquisition_start, ge_start, injection;
  std::optional<double> injection_time;  ///< Seconds since midnight, where the date is not told.
  std::optional<double> philips_suv, philips_activity;
};

/// The element (group, xx`low`) of the private block with this creator, PS3.5 section 7.8.1.
std::optional<DcmTagKey> in_private_block(DcmItem& item, Uint16 group, const char* creator, Uint16 low) {
  for (Uint16 block = 0x10; block <= 0xff; ++block)
    if (raw_text(item, DcmTagKey(group, block)) == creator)
      return DcmTagKey(group, static_cast<Uint16>(block << 8 | low));
  return std::nullopt;
}

// Implicit VR tells no VR of a private element, so its value comes as bytes.
std::string private_text(DcmItem& item, const DcmTagKey& tag) {
  DcmElement* element = nullptr;
  if (item.findAndGetElement(tag, element).bad() || !element) return {};
  if (element->isaString()) return raw_text(item, tag);
  Uint8* bytes = nullptr;
  if (element->getUint8Array(bytes).bad() || !bytes) return {};
  const std::string text(reinterpret_cast<const char*>(bytes), std::min<std::size_t>(element->getLength(), 64));
  const std::vector<std::string> parts = split_values(text);
  return parts.size() == 1 ? parts[0] : std::string();
}

std::optional<double> private_number(DcmItem& item, Uint16 group, const char* creator, Uint16 low) {
  const auto tag = in_private_block(item, group, creator, low);
  if (!tag) return std::nullopt;
  const std::string text = private_text(item, *tag);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool good = error == std::errc{} && end == text.data() + text.size() && std::isfinite(value);
  return good ? std::optional<double>(value) : std::nullopt;
}

Facts read_facts(DcmItem& item) {
  Facts f;
  f.units = raw_text(item, DCM_Units);
  f.suv_type = raw_text(item, DCM_SUVType);
  f.decay_correction = raw_text(item, DCM_DecayCorrection);
  const std::vector<std::string> corrected = split_values(raw_text(item, DCM_CorrectedImage));
  const auto has = [&](const char* what) {
    return std::find(corrected.begin(), corrected.end(), what) != corrected.end();
  };
  f.attenuation_corrected = has("ATTN");
  f.decay_corrected = has("DECY");
  f.weight_kg = number(item, DCM_PatientWeight);
  const auto ms = [&](const DcmTagKey& tag) {
    std::optional<double> value = number_if_good(item, tag);
    if (value) *value /= 1000;
    return value;
  };
  f.frame_s = ms(DCM_ActualFrameDuration);
  f.reference_s = ms(DCM_FrameReferenceTime);
  f.series_start = moment(raw_text(item, DCM_SeriesDate), raw_text(item, DCM_SeriesTime));
  f.acquisition_start = moment(raw_text(item, DCM_AcquisitionDate), raw_text(item, DCM_AcquisitionTime));
  const std::string zone = raw_text(item, DCM_TimezoneOffsetFromUTC);
  if (const auto tag = in_private_block(item, 0x0009, "GEMS_PETD_01", 0x0d))
    f.ge_start = moment_of_datetime(private_text(item, *tag), zone);
  f.philips_suv = private_number(item, 0x7053, "Philips PET Private Group", 0x00);
  f.philips_activity = private_number(item, 0x7053, "Philips PET Private Group", 0x09);
  const std::vector<DcmItem*> drugs = items_of(item, DCM_RadiopharmaceuticalInformationSequence);
  if (drugs.size() > 1) unavailable("more than one radiopharmaceutical was given");
  if (drugs.empty()) return f;
  DcmItem& drug = *drugs[0];
  f.dose_bq = number(drug, DCM_RadionuclideTotalDose);
  f.half_life_s = number(drug, DCM_RadionuclideHalfLife);
  f.injection = moment_of_datetime(raw_text(drug, DCM_RadiopharmaceuticalStartDateTime), zone);
  if (!f.injection) f.injection_time = seconds_of(raw_text(drug, DCM_RadiopharmaceuticalStartTime));
  return f;
}

double needed(const std::optional<double>& value, const char* name, double low, double high, const char* range) {
  if (!value) unavailable(std::string(name) + " is missing");
  if (!(*value >= low && *value <= high))
    unavailable(std::string(name) + " is " + brief(*value) + ", which is not " + range);
  return *value;
}

std::optional<double> earliest_acquisition(const std::vector<Facts>& facts) {
  std::optional<double> first;
  for (const Facts& f : facts) {
    if (!f.acquisition_start) return std::nullopt;
    first = std::min(first.value_or(*f.acquisition_start), *f.acquisition_start);
  }
  return first;
}

// A series made later has a later SeriesTime, so it counts only when no acquisition is before it.
std::optional<double> scan_start(const std::vector<Facts>& facts) {
  const std::optional<double> first = earliest_acquisition(facts);
  const Facts& f = facts.front();
  if (f.series_start && first && *f.series_start <= *first) return f.series_start;
  if (f.ge_start) return f.ge_start;
  if (f.is_part)
    unavailable(
        "the series holds several volumes, and its SeriesTime is later than the scan: its start cannot be told");
  return first;
}

std::optional<double> injection(const Facts& f, const std::optional<double>& scan) {
  if (f.injection || !f.injection_time || !scan) return f.injection;
  const double midnight = std::floor(*scan / 86400) * 86400;
  const double same_day = midnight + *f.injection_time;
  return same_day > *scan ? same_day - 86400 : same_day;
}

double elapsed_s(double from, double to, double half_life) {
  if (to < from) unavailable("the injection is later than the scan");
  if (to - from > 10 * half_life) unavailable("the injection is more than ten half-lives before the scan");
  return to - from;
}

void check_equal(const std::vector<Facts>& facts) {
  const Facts& a = facts.front();
  for (const Facts& b : facts)
    if (b.units != a.units || b.decay_correction != a.decay_correction || b.weight_kg != a.weight_kg ||
        b.dose_bq != a.dose_bq || b.half_life_s != a.half_life_s || b.injection != a.injection ||
        b.injection_time != a.injection_time || b.series_start != a.series_start)
      unavailable("its images disagree on units, weight, dose or times");
}

// FrameReferenceTime tells the start of the scan a second time, PS3.3 section C.8.9.4.1.5.
void check_reference_time(const std::vector<Facts>& facts, double start, double lambda, Suv& suv) {
  for (const Facts& f : facts) {
    if (!f.acquisition_start || !f.reference_s || !f.frame_s || !(*f.frame_s > 0)) continue;
    const double x = lambda * *f.frame_s, average = std::log(x / -std::expm1(-x)) / lambda;
    const double other = *f.acquisition_start + average - *f.reference_s;
    if (std::abs(other - start) <= 60) continue;
    suv.doubts.push_back("FrameReferenceTime puts the start of the scan " + brief(std::abs(other - start)) +
                         " s from where its dates put it");
    return;
  }
}

void from_activity(const std::vector<Facts>& facts, Suv& suv) {
  check_equal(facts);
  const Facts& first = facts.front();
  const double grams = 1000 * needed(first.weight_kg, "PatientWeight", 1, 400, "1 to 400 kg");
  const double dose = needed(first.dose_bq, "RadionuclideTotalDose", 1e5, 1e12, "a dose in Bq");
  const double half_life = needed(first.half_life_s, "RadionuclideHalfLife", 1, 1e9, "a half-life in s");
  const double lambda = std::log(2) / half_life;
  const std::string& mode = first.decay_correction;
  for (const Facts& f : facts) {
    if (mode != "NONE" && !f.decay_corrected)
      unavailable("CorrectedImage does not say DECY, but DecayCorrection is " + own_value(mode));
    if (mode == "NONE" && f.decay_corrected) unavailable("CorrectedImage says DECY, but DecayCorrection is NONE");
  }
  if (mode == "ADMIN") {
    const auto scan = scan_start(facts);
    if (const auto given = injection(first, scan); given && scan) elapsed_s(*given, *scan, half_life);
    suv.factors.assign(facts.size(), grams / dose);
    return;
  }
  if (mode != "START" && mode != "NONE")
    unavailable(mode.empty() ? "DecayCorrection is missing" : "DecayCorrection " + own_value(mode) + " is not known");
  const auto scan = mode == "START" ? scan_start(facts) : earliest_acquisition(facts);
  if (!scan) unavailable("the date or time of the scan is missing or no date");
  const auto given = injection(first, scan);
  if (!given) unavailable("the date or time of the injection is missing or no date");
  elapsed_s(*given, *scan, half_life);
  if (mode == "START") {
    suv.factors.assign(facts.size(), grams / (dose * std::exp(-lambda * (*scan - *given))));
    check_reference_time(facts, *scan, lambda, suv);
    return;
  }
  for (const Facts& f : facts) {
    const double x = lambda * needed(f.frame_s, "ActualFrameDuration", 1e-3, 1e6, "a time in ms");
    const double left = dose * std::exp(-lambda * elapsed_s(*given, *f.acquisition_start, half_life));
    suv.factors.push_back(grams / left * x / -std::expm1(-x));
  }
}

bool all_positive(const std::vector<Facts>& facts, std::optional<double> Facts::*member) {
  return std::all_of(facts.begin(), facts.end(), [&](const Facts& f) { return f.*member && *(f.*member) > 0; });
}

void need_attenuation_correction(const std::vector<Facts>& facts) {
  for (const Facts& f : facts)
    if (!f.attenuation_corrected) unavailable("CorrectedImage does not say ATTN: attenuation is not corrected");
}

void find_factors(const std::vector<Facts>& facts, Suv& suv) {
  const std::string& units = facts.front().units;
  for (const Facts& f : facts)
    if (f.units != units) unavailable("its images have different Units");
  if (units == "BQML" || units == "CNTS") need_attenuation_correction(facts);
  if (units == "GML") {
    for (const Facts& f : facts)
      if (!f.suv_type.empty() && f.suv_type != "BW")
        unavailable("its values are SUV of another kind (SUVType " + own_value(f.suv_type) + "), not by body weight");
    suv.factors.assign(facts.size(), 1);
  } else if (units == "BQML") {
    from_activity(facts, suv);
  } else if (units == "CNTS" && all_positive(facts, &Facts::philips_suv)) {
    for (const Facts& f : facts) suv.factors.push_back(*f.philips_suv);
  } else if (units == "CNTS" && all_positive(facts, &Facts::philips_activity)) {
    from_activity(facts, suv);
    for (std::size_t i = 0; i < facts.size(); ++i) suv.factors[i] *= *facts[i].philips_activity;
  } else if (units == "CNTS") {
    unavailable("Units are CNTS, and Philips' factors (7053,xx00) or (7053,xx09) are missing or 0");
  } else {
    unavailable(units.empty() ? "Units are missing" : "Units " + own_value(units) + " are not BQML, CNTS or GML");
  }
}

}  // namespace

Suv find_suv(const Series& series, const Job& job) {
  const QuietDcmtk quiet;
  Suv suv;
  try {
    if (series.modality != "PT") unavailable("it is no PET series");
    std::vector<Facts> facts;
    for (const Instance& instance : series.instances) {
      job.check();
      if (instance.sop_class_uid != UID_PositronEmissionTomographyImageStorage)
        unavailable("SUV of multi-frame PET is not supported: send single-frame images");
      DcmFileFormat file;
      const OFCondition loaded = guarded_load(file, instance.path, DCM_PixelData);
      if (loaded.bad())
        throw Error(ErrorCode::input_unreadable, "instance " + instance.sop_instance_uid + " cannot be read again");
      try {
        facts.push_back(read_facts(*file.getDataset()));
        facts.back().is_part = series.part > 0;
      } catch (const Error& e) {
        unavailable(e.what());
      }
    }
    if (facts.empty()) unavailable("it has no images");
    find_factors(facts, suv);
  } catch (const Unavailable& none) {
    suv.factors.clear();
    suv.unavailable = none.reason;
  }
  return suv;
}

void scale_to_suv(Volume<float>& volume, const Series& series, const Suv& suv) {
  if (!suv.unavailable.empty()) throw Error(ErrorCode::precondition_unmet, "SUV is not available: " + suv.unavailable);
  const bool one = std::all_of(suv.factors.begin(), suv.factors.end(), [&](double f) { return f == suv.factors[0]; });
  if (!one && is_resampled(series))
    throw Error(ErrorCode::precondition_unmet,
                "SUV is not available: its factor differs from slice to slice, and the slices make no regular grid");
  const std::size_t slice = volume.voxels.size() / static_cast<std::size_t>(volume.geometry.size[2]);
  for (std::size_t i = 0; i < volume.voxels.size(); ++i)
    volume.voxels[i] = static_cast<float>(volume.voxels[i] * (one ? suv.factors[0] : suv.factors[i / slice]));
}

}  // namespace oncotome::dicom
