// SPDX-License-Identifier: Apache-2.0
#include <dcmtk/config/osconfig.h>
#include <dcmtk/oflog/oflog.h>

#include <mutex>

#include "quiet_dcmtk.h"

namespace oncotome::dicom {
namespace {

std::mutex mutex;
int holders = 0;
int level_before = 0;

}  // namespace

QuietDcmtk::QuietDcmtk() {
  const std::lock_guard<std::mutex> lock(mutex);
  if (holders++ > 0) return;
  OFLogger logger = OFLog::getLogger("dcmtk");
  level_before = logger.getLogLevel();
  logger.setLogLevel(OFLogger::OFF_LOG_LEVEL);
}

QuietDcmtk::~QuietDcmtk() {
  const std::lock_guard<std::mutex> lock(mutex);
  if (--holders == 0) OFLog::getLogger("dcmtk").setLogLevel(level_before);
}

}  // namespace oncotome::dicom
