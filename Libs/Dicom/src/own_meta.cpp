// SPDX-License-Identifier: Apache-2.0
#include "own_meta.h"

#include "oncotome/core/digest.h"
#include "quiet_dcmtk.h"

namespace oncotome::dicom {

OFCondition save_as_own(DcmFileFormat& file, const std::string& path, E_TransferSyntax syntax) {
  const QuietDcmtk quiet;  // it warns of the very thing that is wanted
  static const std::string implementation = make_uid("oncotome implementation class");
  DcmMetaInfo& meta = *file.getMetaInfo();
  OFCondition done = file.validateMetaInfo(syntax, EWM_createNewMeta);
  if (done.good()) done = meta.putAndInsertString(DCM_ImplementationClassUID, implementation.c_str());
  if (done.good()) done = meta.putAndInsertString(DCM_ImplementationVersionName, "ONCOTOME_0_1");
  if (done.good())
    done = meta.computeGroupLengthAndPadding(EGL_withGL, EPD_noChange, META_HEADER_DEFAULT_TRANSFERSYNTAX,
                                             EET_UndefinedLength);
  if (done.bad()) return done;
  return file.saveFile(path.c_str(), syntax, EET_ExplicitLength, EGL_recalcGL, EPD_noChange, 0, 0, EWM_dontUpdateMeta);
}

}  // namespace oncotome::dicom
