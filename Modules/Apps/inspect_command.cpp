// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <iostream>
#include <memory>
#include <set>

#include "commands.h"
#include "inputs.h"
#include "oncotome/core/atomic_directory.h"
#include "oncotome/core/error.h"
#include "oncotome/dicom/suv.h"
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

}  // namespace

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

}  // namespace oncotome::apps
