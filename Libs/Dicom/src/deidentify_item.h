// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dctk.h>

#include <cstdint>
#include <set>
#include <string>

#include "oncotome/dicom/deidentify.h"

namespace oncotome::dicom {

/// De-identifies one data set, items within items too.
class Deidentifier {
 public:
  Deidentifier(DcmDataset& dataset, const DeidentifyOptions& options, DeidentifyReport& report);

  void run();

 private:
  void collect_identifiers(DcmItem& item);
  void add_identifier(const std::string& word);
  void clean(DcmItem& item);
  void clean_element(DcmItem& item, DcmElement& element);
  void act(DcmItem& item, DcmElement& element, char action);
  void map_uids(DcmItem& item, DcmElement& element);
  void shift(DcmItem& item, DcmElement& element);
  void put(DcmItem& item, const DcmTagKey& tag, const std::string& value);
  bool is_retained(const DcmTagKey& tag, DcmEVR vr) const;
  bool is_safe_private(DcmItem& item, const DcmTagKey& tag) const;
  bool holds_identifier(const std::string& text) const;
  void state_what_was_done();

  DcmDataset& dataset_;
  const DeidentifyOptions& options_;
  DeidentifyReport& report_;
  std::set<std::string> identifiers_;  ///< Folded to lower case.
  std::string pseudonym_;
  std::int64_t shift_days_ = 0;
  bool is_report_ = false, is_pet_ = false;
};

/// Gives elements of VR UN (long text in explicit files, PS3.5 section 6.2.2) the VR that the dictionary has for them;
/// false when one that would be kept is no text. Throws Error{dicom_bad_value}.
bool settle_unknown(DcmItem& item);

/// The UID that takes the place of another; UIDs of the standard stay.
std::string new_uid(const std::string& uid, const std::string& key);

}  // namespace oncotome::dicom
