// SPDX-License-Identifier: Apache-2.0
// oncotome-dicomize: writes NIfTI or NRRD volumes as DICOM series of one study, to test both ways of input.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <numeric>
#include <random>

#include "oncotome/core/digest.h"
#include "oncotome/core/error.h"
#include "series_writer.h"
#include "volume_io.h"

namespace {

using namespace oncotome;

// Timings as usual for a brain at 1.5 T.
void describe(testing::SeriesRecipe& recipe, const std::string& name) {
  recipe.description = name;
  if (name == "FLAIR") {
    recipe.description = "Ax T2 FLAIR";
    recipe.scanning_sequence = "SE\\IR";
    recipe.repetition_time_ms = 9000;
    recipe.echo_time_ms = 120;
    recipe.inversion_time_ms = 2250;
  } else if (name == "T1") {
    recipe.description = "Ax T1";
  } else if (name == "T1ce") {
    recipe.description = "Ax T1 post Gd";
    recipe.contrast_agent = "Gadolinium";
  } else if (name == "T2") {
    recipe.description = "Ax T2";
    recipe.repetition_time_ms = 4500;
    recipe.echo_time_ms = 100;
  } else if (name == "CT" || name == "PT") {
    recipe.modality = name;
    recipe.body_part = "CHEST";
  }
}

void convert(const std::string& argument, const std::string& output, const std::string& seed, int number, bool shuffle,
             bool own_frames) {
  const std::size_t equals = argument.find('=');
  if (equals == std::string::npos || equals == 0) throw Error(ErrorCode::usage, "'" + argument + "' is not NAME=FILE");
  const std::string name = argument.substr(0, equals);
  const std::string path = argument.substr(equals + 1);
  const Volume<float> volume = workflow::read_volume_file(path);
  const auto odd = std::find_if(volume.voxels.begin(), volume.voxels.end(),
                                [](float v) { return v != std::round(v) || std::abs(v) > 32767; });
  if (odd != volume.voxels.end())
    throw Error(ErrorCode::input_unsupported, "'" + std::filesystem::path(path).filename().string() + "' holds " +
                                                  std::to_string(*odd) + ": only integers of 16 bits are written");
  testing::SeriesRecipe recipe;
  recipe.directory = (std::filesystem::path(output) / name).string();
  recipe.seed = seed;
  recipe.series_number = number;
  if (own_frames) recipe.frame_of_reference_uid = make_uid(seed + " frame of " + name);
  describe(recipe, name);
  if (shuffle) {
    recipe.order.resize(static_cast<std::size_t>(volume.geometry.size[2]));
    std::iota(recipe.order.begin(), recipe.order.end(), 0);
    std::shuffle(recipe.order.begin(), recipe.order.end(), std::mt19937(1));
  }
  testing::write_series(volume, recipe);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Writes volumes as DICOM series of one study with one frame of reference");
  std::string output, seed;
  std::vector<std::string> volumes;
  bool shuffle = false, own_frames = false;
  app.add_option("--output", output, "Folder; one folder per series is made in it")->required();
  app.add_option("--study-seed", seed, "The same text gives the same UIDs")->required();
  app.add_flag("--shuffle", shuffle, "File names and instance numbers out of order");
  app.add_flag("--own-frames", own_frames, "A frame of reference for each series");
  app.add_option("volumes", volumes, "NAME=FILE, NAME one of FLAIR, T1, T1ce, T2, CT, PT or any other (MR)")
      ->required();
  CLI11_PARSE(app, argc, argv);
  try {
    for (std::size_t i = 0; i < volumes.size(); ++i)
      convert(volumes[i], output, seed, static_cast<int>(i) + 1, shuffle, own_frames);
  } catch (const Error& error) {
    std::cerr << "oncotome-dicomize: " << error.what() << '\n';
    return error.exit_code();
  }
  return 0;
}
