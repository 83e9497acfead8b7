// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace oncotome {

/// Who made a result, and with what: goes into SEG, SR and report.
struct Provenance {
  std::string product = "Oncotome";
  std::string version;  ///< Of the software, such as "0.1.0".
  std::string model_name;
  std::string model_version;
  std::string model_sha256;  ///< Of the weights file, 64 hex digits.
  std::string parameters;    ///< What else decides the result (device-independent), in one line.
  std::string content_date;  ///< YYYYMMDD in UTC, fixed once per job.
  std::string content_time;  ///< HHMMSS in UTC; SEG and SR say it in the time zone of their source, or of the machine.
};

}  // namespace oncotome
