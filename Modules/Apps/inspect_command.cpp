// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <iostream>
#include <map>
#include <memory>
#include <set>

#include "commands.h"
#include "inputs.h"
#include "mask_volume.h"
#include "oncotome/core/atomic_directory.h"
#include "oncotome/core/error.h"
#include "oncotome/dicom/masks.h"
#include "oncotome/dicom/suv.h"
#include "picture_output.h"
#include "report_json.h"
#include "terminal.h"
#include "unpacked_input.h"
#include "volume_io.h"

namespace oncotome::apps {
namespace {

using nlohmann::json;

json suv_json(const dicom::Series& series, const Job& job) {
  const dicom::Suv suv = dicom::find_suv(series, job);
  json j{{"available", suv.unavailable.empty()}, {"doubts", suv.doubts}};
  if (!suv.unavailable.empty()) j["reason"] = suv.unavailable;
  return j;
}

std::size_t file_count(const dicom::Series& series) {
  std::set<std::string> files;
  for (const dicom::Instance& instance : series.instances) files.insert(instance.path);
  return files.size();
}

json series_json(const dicom::Series& series, const Job& job) {
  json j{{"id", series.id()},
         {"series_uid", series.series_uid},
         {"modality", series.modality},
         {"description", series.description},
         {"instances", series.instances.size()},
         {"files", file_count(series)},
         {"frame_of_reference_uid", series.frame_of_reference_uid},
         {"unit", series.unit},
         {"contrast", series.contrast},
         {"readable", !series.fault.has_value()},
         {"kind", series.kind == dicom::SeriesKind::volume ? "volume" : "pictures"},
         {"lossy", series.lossy},
         {"doubts", series.doubts}};
  const auto optional = [&](const char* key, const std::optional<double>& value) {
    if (value) j[key] = *value;
  };
  optional("repetition_time_ms", series.repetition_time_ms);
  optional("echo_time_ms", series.echo_time_ms);
  optional("inversion_time_ms", series.inversion_time_ms);
  if (series.part > 0) {
    j["part"] = series.part;
    j["part_name"] = series.part_name;
  }
  const bool cured = series.is_readable(dicom::GeometryPolicy::fill);
  if (series.fault) j["fault"] = {{"code", error_name(series.fault->code)}, {"reason", series.fault->reason}};
  if (series.fault && cured) j["cure"] = dicom::name_of(series.cure);
  if (series.kind == dicom::SeriesKind::pictures) {
    j["columns"] = series.columns;
    j["rows"] = series.rows;
  }
  if (cured) j["geometry"] = workflow::geometry_json(series.geometry);
  if (series.modality == "PT") j["suv"] = suv_json(series, job);
  return j;
}

json index_json(const dicom::StudyIndex& index, const Job& job) {
  json studies = json::array(), rejected = json::array();
  for (const dicom::Study& study : index.studies) {
    json series = json::array();
    for (const dicom::Series& s : study.series) series.push_back(series_json(s, job));
    studies.push_back({{"study_uid", study.study_uid}, {"series", series}});
  }
  for (const dicom::Rejected& r : index.rejected)
    rejected.push_back({{"path", r.path}, {"code", error_name(r.code)}, {"reason", r.reason}});
  return {
      {"schema", "oncotome.inspect/1"}, {"files_seen", index.files_seen}, {"studies", studies}, {"rejected", rejected}};
}

// File names may carry line ends and terminal codes.
std::string printable(std::string text) {
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  return text;
}

void print_geometry(const json& g) {
  const auto& n = g.at("size");
  const auto& s = g.at("spacing_mm");
  std::printf("      %d x %d x %d voxels of %.4g x %.4g x %.4g mm\n", n[0].get<int>(), n[1].get<int>(), n[2].get<int>(),
              s[0].get<double>(), s[1].get<double>(), s[2].get<double>());
}

void print(const json& index) {
  for (const json& study : index["studies"]) {
    std::cout << "study " << study["study_uid"].get<std::string>() << '\n';
    for (const json& s : study["series"]) {
      std::cout << "  series " << s["id"].get<std::string>() << '\n'
                << "      " << s["modality"].get<std::string>() << ", " << s["instances"] << " images";
      if (s["files"] != s["instances"]) std::cout << " in " << s["files"] << " files";
      std::cout << ", \"" << s["description"].get<std::string>() << "\"\n";
      if (s.contains("part_name")) std::cout << "      part: " << s["part_name"].get<std::string>() << '\n';
      if (s.contains("geometry")) print_geometry(s["geometry"]);
      if (s.contains("rows"))
        std::cout << "      single images of " << s["columns"] << " x " << s["rows"] << " pixels\n";
      if (s.contains("fault"))
        std::cout << "      " << (s.contains("cure") ? "is no regular grid [" : "cannot be read [")
                  << s["fault"]["code"].get<std::string>() << "]: " << s["fault"]["reason"].get<std::string>() << '\n';
      if (s.contains("cure"))
        std::cout << "      is resampled to the grid above with --geometry " << s["cure"].get<std::string>() << '\n';
      if (s.contains("suv"))
        std::cout << "      SUV "
                  << (s["suv"].contains("reason") ? "is not available: " + s["suv"]["reason"].get<std::string>()
                                                  : "by body weight is available (convert --suv)")
                  << '\n';
      for (const json& doubt : s["doubts"]) std::cout << "      doubt: " << doubt.get<std::string>() << '\n';
    }
  }
  for (const json& volume : index["volumes"]) {
    std::cout << "volume " << printable(volume["file"].get<std::string>()) << '\n';
    print_geometry(volume["geometry"]);
  }
  if (!index["rejected"].empty()) std::cout << index["rejected"].size() << " files were passed over:\n";
  for (const json& r : index["rejected"])
    std::cout << "  " << printable(std::filesystem::path(r["path"].get<std::string>()).filename().string()) << " ["
              << r["code"].get<std::string>() << "]: " << printable(r["reason"].get<std::string>()) << '\n';
}

void inspect(const std::vector<std::string>& paths, const std::string& json_file, const Common& common) {
  std::vector<std::string> folders;
  json volumes = json::array();
  for (const std::string& path : paths) {
    if (!workflow::is_volume_file(path)) {
      folders.push_back(path);
      continue;
    }
    volumes.push_back({{"file", std::filesystem::path(path).filename().string()},
                       {"geometry", workflow::geometry_json(workflow::read_volume_file(path).geometry)}});
  }
  dicom::StudyIndex index;
  json out;
  {
    const Terminal terminal(common.quiet);
    const workflow::UnpackedInput input(folders, terminal.job());
    if (!folders.empty()) index = dicom::scan(input.paths(), terminal.job());
    out = index_json(index, terminal.job());
  }
  out["volumes"] = volumes;
  if (!json_file.empty()) {
    if (std::filesystem::path(json_file).extension() != ".json")
      throw Error(ErrorCode::usage,
                  "the file for --json must end in .json; inputs come first: inspect INPUT --json FILE");
    write_file_atomically(json_file, true, [&](const std::filesystem::path& temporary) {
      workflow::write_text(temporary, workflow::json_text(out));
    });
  }
  if (common.json)
    std::cout << workflow::json_text(out);
  else
    print(out);
  if (index.studies.empty() && volumes.empty())
    throw Error(ErrorCode::input_no_images,
                "no image series was found in " + std::to_string(index.files_seen) + " files");
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
    if (options.suv && (workflow::is_volume_file(path) || dicom::mask_kind(path) != dicom::MaskKind::none))
      throw Error(ErrorCode::usage, "--suv is for a PET series");
    if (workflow::is_volume_file(path))
      write(workflow::read_volume_file(path));
    else if (dicom::mask_kind(path) != dicom::MaskKind::none)
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

void add_geometry_option(CLI::App& command, dicom::GeometryPolicy& policy) {
  using dicom::GeometryPolicy;
  std::map<std::string, GeometryPolicy> names;
  for (const GeometryPolicy p : {GeometryPolicy::strict, GeometryPolicy::correct, GeometryPolicy::fill})
    names[dicom::name_of(p)] = p;
  command
      .add_option(
          "--geometry", policy,
          "Slices that make no regular grid: strict refuses them; correct (default) resamples tilted, uneven or "
          "shifted ones; fill interpolates missing ones too")
      ->transform(CLI::CheckedTransformer(names).description("strict, correct or fill"));
}

void add_json_option(CLI::App& command, std::string& file, bool& to_stdout) {
  command
      .add_option_function<std::string>(
          "--json",
          [&file, &to_stdout](const std::string& text) {
            file = text == "-" ? "" : text;
            to_stdout = file.empty();
          },
          "Write JSON to this file (- or nothing: to stdout)")
      ->expected(0, 1);
}

void add_inspect(CLI::App& app, Common& common) {
  struct Options {
    std::vector<std::string> paths;
    std::string json_file;
    bool to_stdout = false;
  };
  const auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("inspect", "List studies, series, their geometry, and what is wrong or odd");
  command->add_option("INPUT", options->paths, "Folders or files (DICOM, a DICOMDIR, a .zip, or volumes)")->required();
  command->add_flag("-q,--quiet", common.quiet, "No progress");
  add_json_option(*command, options->json_file, options->to_stdout);
  command->callback([options, &common] {
    Common chosen = common;
    chosen.json = common.json || options->to_stdout;
    inspect(options->paths, options->json_file, chosen);
  });
}

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
