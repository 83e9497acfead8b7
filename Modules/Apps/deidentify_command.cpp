// SPDX-License-Identifier: Apache-2.0
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <random>

#include "commands.h"
#include "oncotome/core/atomic_directory.h"
#include "oncotome/core/error.h"
#include "oncotome/dicom/deidentify.h"
#include "report_json.h"
#include "terminal.h"
#include "unpacked_input.h"

namespace oncotome::apps {
namespace {

using nlohmann::json;

struct Options {
  std::vector<std::string> paths, retain;
  std::string output, key_file;
  bool replace = false;
};

std::string read_key(const std::string& path) {
  if (path.empty()) {
    std::random_device device;
    std::string key;
    for (int i = 0; i < 16; ++i) key += std::to_string(device()) + '.';
    return key;
  }
  std::ifstream file(path, std::ios::binary);
  constexpr std::size_t kMost = 65536;
  std::string key(kMost, '\0');
  if (file) file.read(key.data(), static_cast<std::streamsize>(key.size()));
  key.resize(static_cast<std::size_t>(file.gcount()));
  if (file.bad() || !file.is_open()) throw Error(ErrorCode::input_not_found, "the key file cannot be read");
  if (key.size() < 16)
    throw Error(ErrorCode::usage, "the key file holds less than 16 bytes: make one by head -c 32 /dev/urandom > FILE");
  return key;
}

void check_places(const Options& options) {
  for (const std::string& path : options.paths)
    if (lies_in(path, options.output) || lies_in(options.output, path))
      throw Error(ErrorCode::usage, "input and output lie within each other; choose another output folder");
}

json report_json(const dicom::DeidentifyReport& r, const std::vector<std::string>& retain) {
  return {{"schema", "oncotome.deidentification/1"},
          {"profile", "DICOM PS3.15 annex E, Basic Application Level Confidentiality Profile"},
          {"retained", retain},
          {"written", r.written},
          {"not_dicom", r.not_dicom},
          {"left_out", r.left_out},
          {"elements",
           {{"removed", r.removed},
            {"emptied", r.emptied},
            {"replaced", r.replaced},
            {"replaced_for_what_they_held", r.found_by_value},
            {"uids_replaced", r.uids},
            {"dates_shifted", r.dates_shifted},
            {"private_removed", r.private_removed},
            {"private_kept", r.private_kept}}},
          {"notes",
           {"pixels were not looked at: text or a face in them stays",
            "the names and ids of a file were looked for in the texts of that file alone"}}};
}

void run(const Options& options, const Common& common) {
  dicom::DeidentifyOptions o;
  for (const std::string& what : options.retain) {
    o.dates |= what == "dates";
    o.shifted_dates |= what == "shifted-dates";
    o.characteristics |= what == "characteristics";
    o.device |= what == "device";
    o.uids |= what == "uids";
    o.safe_private |= what == "safe-private";
    o.institution |= what == "institution";
  }
  if (o.dates && o.shifted_dates) throw Error(ErrorCode::usage, "retain either dates or shifted-dates");
  check_places(options);
  o.key = read_key(options.key_file);
  json report;
  {
    const Terminal terminal(common.quiet);
    AtomicDirectory folder(options.output, options.replace ? "deidentification.json" : "");
    const workflow::UnpackedInput input(options.paths, terminal.job());
    report = report_json(dicom::deidentify(input.paths(), folder.path().string(), o, terminal.job()), options.retain);
    workflow::write_text(folder.path() / "deidentification.json", workflow::json_text(report));
    terminal.job().check();
    folder.commit();
  }
  if (common.json) {
    std::cout << workflow::json_text(report);
    return;
  }
  std::cout << report["written"] << " files written to " << options.output << '\n';
  for (const auto& [reason, count] : report["left_out"].items())
    std::cout << "  left out: " << count << " (" << reason << ")\n";
  if (report["not_dicom"] > 0) std::cout << "  passed over: " << report["not_dicom"] << " that are no DICOM objects\n";
  for (const json& note : report["notes"]) std::cout << "  note: " << note.get<std::string>() << '\n';
}

}  // namespace

void add_deidentify(CLI::App& app, Common& common) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("deidentify", "Write DICOM files without what identifies the patient");
  command->add_option("INPUT", options->paths, "Folders or files (a .zip too)")->required();
  command->add_option("-o,--output", options->output, "Folder; appears whole or not at all")->required();
  command
      ->add_option("--retain", options->retain,
                   "Of dates, shifted-dates, characteristics (sex, age, weight), device, institution, uids, "
                   "safe-private (PET factors), separated by commas")
      ->delimiter(',')
      ->check(CLI::IsMember(
          {"dates", "shifted-dates", "characteristics", "device", "institution", "uids", "safe-private"}));
  command->add_option("--key", options->key_file,
                      "File with a secret: the same one gives the same UIDs, pseudonyms and shifts in another run");
  command->add_flag("--overwrite", options->replace, "Replace the output folder if it is such a one");
  command->add_flag("-q,--quiet", common.quiet, "No progress");
  command->add_flag("--json", common.json, "Print the report as JSON on stdout");
  command->callback([options, &common] { run(*options, common); });
}

}  // namespace oncotome::apps
