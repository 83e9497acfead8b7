// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <iostream>
#include <memory>

#include "commands.h"
#include "inputs.h"
#include "mask_volume.h"
#include "oncotome/core/atomic_directory.h"
#include "oncotome/core/error.h"
#include "oncotome/dicom/masks.h"
#include "oncotome/dicom/picture.h"
#include "oncotome/dicom/suv.h"
#include "oncotome/render/pictures.h"
#include "report_json.h"
#include "terminal.h"
#include "unpacked_input.h"
#include "volume_io.h"

namespace oncotome::apps {
namespace {

using nlohmann::json;

void write_png(const std::string& path, const dicom::Picture& picture) {
  std::vector<std::uint8_t> rgb;
  for (const std::uint8_t byte : dicom::display_bytes(picture))
    rgb.insert(rgb.end(), picture.channels == 1 ? 3 : 1, byte);
  render::write_png(path, static_cast<int>(picture.width), static_cast<int>(picture.height), rgb);
}

/// Writes the only picture of a series as a .png for the eye or, when it is gray, its values as a volume of one slice.
/// Returns its grid.
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

struct Conversion {
  std::string path, series_uid, output, reference;
  std::optional<int> segment;
  bool replace = false, suv = false;
  dicom::GeometryPolicy geometry = dicom::GeometryPolicy::correct;
};

void convert(const Conversion& options, const Common& common) {
  const std::string& output = options.output;
  const bool is_png = std::filesystem::path(output).extension() == ".png";
  if (!is_png && (!workflow::is_volume_file(output) || std::filesystem::path(output).extension() == ".nhdr"))
    throw Error(ErrorCode::usage, "--output must end in .nrrd, .nii, .nii.gz, or .png for a single image");
  Geometry grid;
  dicom::LoadNotes notes;
  {
    const Terminal terminal(common.quiet);
    const workflow::UnpackedInput input({options.path}, terminal.job());
    const std::string& path = input.paths().front();
    const auto write = [&](const auto& volume) {
      grid = volume.geometry;
      write_file_atomically(output, options.replace, [&](const std::filesystem::path& temporary) {
        workflow::write_volume_file(temporary.string(), volume);
        terminal.job().check();
      });
    };
    const bool is_volume = workflow::is_volume_file(path);
    const bool is_mask = !is_volume && dicom::mask_kind(path) != dicom::MaskKind::none;
    if (options.suv && (is_volume || is_mask)) throw Error(ErrorCode::usage, "--suv is for a PET series");
    if (is_volume)
      write(workflow::read_volume_file(path));
    else if (is_mask)
      write(workflow::read_mask_volume(path, options.reference, options.segment, notes.doubts, terminal.job()));
    else {
      const dicom::Series series = workflow::choose_series(dicom::scan({path}, terminal.job()), options.series_uid);
      if (series.kind == dicom::SeriesKind::pictures) {
        grid = write_picture(series, output, options.replace, notes, terminal.job());
      } else {
        if (is_png) throw Error(ErrorCode::usage, "a volume is no single image: let --output end in .nrrd or .nii.gz");
        Volume<float> volume = dicom::load_volume(series, terminal.job(), options.geometry, &notes);
        notes.doubts.insert(notes.doubts.end(), series.doubts.begin(), series.doubts.end());
        if (options.suv) {
          const dicom::Suv suv = dicom::find_suv(series, terminal.job());
          dicom::scale_to_suv(volume, series, suv);
          notes.doubts.insert(notes.doubts.end(), suv.doubts.begin(), suv.doubts.end());
        }
        write(volume);
      }
    }
  }
  const json geometry = workflow::geometry_json(grid);
  if (common.json) {
    json out{{"output", output}, {"corrections", notes.corrections}, {"doubts", notes.doubts}};
    if (!is_png) out["geometry"] = geometry;
    std::cout << workflow::json_text(out);
  } else {
    std::cout << "wrote " << output << '\n';
    if (!is_png) print_geometry(geometry);
    for (const auto* texts : {&notes.corrections, &notes.doubts})
      for (const std::string& text : *texts) std::cout << "      note: " << text << '\n';
  }
}

}  // namespace

void add_convert(CLI::App& app, Common& common) {
  const auto options = std::make_shared<Conversion>();
  CLI::App* command =
      app.add_subcommand("convert", "Write one series, or the masks of a SEG or RTSTRUCT, as a volume, as understood");
  command->add_option("INPUT", options->path, "A folder or file")->required();
  command->add_option("--series", options->series_uid, "Series Instance UID, or UID#PART, when there are several");
  command->add_option("--segment", options->segment, "This segment or ROI of a SEG or RTSTRUCT alone, as 1");
  command->add_option("--reference", options->reference,
                      "Where the series lies that an RTSTRUCT was drawn on (default: its own folder)");
  command->add_option("-o,--output", options->output, "A .nrrd, .nii or .nii.gz file")->required();
  command->add_flag("--suv", options->suv, "PET: standardized uptake values by body weight, not rescaled values");
  add_geometry_option(*command, options->geometry);
  command->add_flag("--overwrite", options->replace, "Replace the file if it exists");
  command->add_flag("-q,--quiet", common.quiet, "No progress");
  command->add_flag("--json", common.json, "Print the geometry as JSON on stdout");
  command->callback([options, &common] { convert(*options, common); });
}

}  // namespace oncotome::apps
