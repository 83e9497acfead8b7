// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace oncotome::dicom {

/// While one lives, DCMTK logs nothing: what goes wrong comes back as an Error. Any thread may hold one.
class QuietDcmtk {
 public:
  QuietDcmtk();
  ~QuietDcmtk();
  QuietDcmtk(const QuietDcmtk&) = delete;
  QuietDcmtk& operator=(const QuietDcmtk&) = delete;
};

}  // namespace oncotome::dicom
