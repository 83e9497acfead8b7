// SPDX-License-Identifier: Apache-2.0
// Writes made-up brain MR studies with their exact truth.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>

#include "oncotome/core/error.h"
#include "phantom_files.h"

namespace fs = std::filesystem;
using namespace oncotome::testing;

namespace {

struct Arguments {
  PhantomOptions phantom;
  std::string output, format = "dicom";
  int count = 1;
};

void write_all(const Arguments& arguments) {
  for (int i = 0; i < arguments.count; ++i) {
    PhantomOptions options = arguments.phantom;
    options.seed += static_cast<std::uint64_t>(i);
    const Phantom phantom = make_phantom(options);
    const std::string seed = std::to_string(options.seed);
    fs::path folder = arguments.output;
    if (arguments.format == "raw") {
      fs::create_directories(folder);
      write_raw(phantom, (folder / ("phantom-" + seed + ".raw")).string());
      continue;
    }
    if (arguments.count > 1) folder /= seed;
    fs::create_directories(folder);
    if (arguments.format == "dicom") {
      write_dicom(phantom, options.seed, (folder / "study").string());
    } else {
      write_channels_nrrd(phantom, folder.string());
    }
    write_truth_nrrd(phantom, (folder / "truth.nrrd").string());
  }
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app("Writes brain tumor phantoms: four MR weightings and the exact truth");
  app.add_option("--output", arguments.output, "Folder: study/ and truth.nrrd; with --count, one folder per seed")
      ->required();
  app.add_option("--seed", arguments.phantom.seed, "The first seed; the next phantoms take the next seeds");
  app.add_option("--count", arguments.count, "How many phantoms")->check(CLI::Range(1, 100000));
  app.add_option("--tumors", arguments.phantom.tumors, "0 to 3; without it the seed chooses 1 to 3")
      ->check(CLI::Range(0, 3));
  app.add_option("--spacing", arguments.phantom.spacing_mm, "Voxel edge in mm")->check(CLI::Range(0.5, 4.0));
  app.add_option("--format", arguments.format, "dicom, nrrd or raw (one file for training)")
      ->check(CLI::IsMember({"dicom", "nrrd", "raw"}));
  CLI11_PARSE(app, argc, argv);
  try {
    write_all(arguments);
  } catch (const oncotome::Error& error) {
    std::fprintf(stderr, "oncotome-phantom: %s: %s\n", error.name(), error.what());
    return error.exit_code();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "oncotome-phantom: %s\n", error.what());
    return 1;
  }
  return 0;
}
