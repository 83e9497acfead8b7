// SPDX-License-Identifier: Apache-2.0
#include "picture_output.h"

#include <filesystem>

#include "oncotome/core/atomic_directory.h"
#include "oncotome/dicom/picture.h"
#include "oncotome/render/pictures.h"
#include "volume_io.h"

namespace oncotome::apps {
namespace {

void write_png(const std::string& path, const dicom::Picture& picture) {
  std::vector<std::uint8_t> rgb;
  for (const std::uint8_t byte : dicom::display_bytes(picture))
    rgb.insert(rgb.end(), picture.channels == 1 ? 3 : 1, byte);
  render::write_png(path, static_cast<int>(picture.width), static_cast<int>(picture.height), rgb);
}

}  // namespace

Geometry write_picture(const dicom::Series& series, const std::string& output, bool replace, dicom::LoadNotes& notes,
                       const Job& job) {
  if (series.instances.size() != 1)
    throw Error(ErrorCode::input_ambiguous,
                "the series holds " + std::to_string(series.instances.size()) + " single images; give one file");
  const dicom::Picture picture = dicom::load_picture(series, 0, job);
  if (picture.at_detector) notes.doubts.emplace_back("the pixel spacing is that at the detector, not in the body");
  if (picture.is_inverted) notes.corrections.emplace_back("MONOCHROME1 was turned: more is brighter");
  notes.doubts.insert(notes.doubts.end(), series.doubts.begin(), series.doubts.end());
  const bool is_png = std::filesystem::path(output).extension() == ".png";
  if (!is_png && picture.channels != 1)
    throw Error(ErrorCode::usage, "a color picture is written as .png: let --output end in .png");
  Volume<float> volume;
  volume.geometry.size = {picture.width, picture.height, 1};
  if (picture.spacing_mm) volume.geometry.spacing_mm = {(*picture.spacing_mm)[0], (*picture.spacing_mm)[1], 1};
  volume.voxels = picture.values;
  write_file_atomically(output, replace, [&](const std::filesystem::path& temporary) {
    if (is_png)
      write_png(temporary.string(), picture);
    else
      workflow::write_volume_file(temporary.string(), volume);
    job.check();
  });
  return volume.geometry;
}

}  // namespace oncotome::apps
