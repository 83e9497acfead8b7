// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <map>

#include "commands.h"

namespace oncotome::apps {

void print_geometry(const nlohmann::json& g) {
  const auto& n = g.at("size");
  const auto& s = g.at("spacing_mm");
  std::printf("      %d x %d x %d voxels of %.4g x %.4g x %.4g mm\n", n[0].get<int>(), n[1].get<int>(), n[2].get<int>(),
              s[0].get<double>(), s[1].get<double>(), s[2].get<double>());
}

std::pair<std::string, std::string> channel_and_path(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == 0 || equals == std::string::npos || equals + 1 == text.size())
    throw Error(ErrorCode::usage, "--input takes CHANNEL=PATH, such as FLAIR=flair.nii.gz");
  return {text.substr(0, equals), text.substr(equals + 1)};
}

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

void add_model_options(CLI::App& command, engine::ModelOptions& options) {
  command.add_option("--folds", options.folds, "Folds of an nnU-Net, such as 0,1 or all (default: every one)")
      ->delimiter(',')
      ->allow_extra_args(false);
  command.add_option("--checkpoint", options.checkpoint, "Its file in each fold (default: checkpoint_final.pth)");
  command.add_option(
      "--configuration", options.configuration,
      "Where its folder holds several, such as 3d_fullres, or TotalSegmentator's task, such as total_fast");
  command.add_option("--step", options.step,
                     "From one tile to the next, in tiles (default: 0.5, or TotalSegmentator's)");
  command.add_flag("!--no-mirroring", options.mirroring, "Do not predict mirrored images too: faster, less accurate");
  command
      .add_option("--remove-small", options.min_volume_mm3,
                  "Of TotalSegmentator: remove pieces of a label that are not larger than this, mm3 (it takes 200)")
      ->check(CLI::NonNegativeNumber);
  command.add_option("--postprocessing", options.postprocessing, "Its postprocessing.json");
  command.add_flag_callback(
      "--float32", [&options] { options.half_accumulators = false; },
      "Sum tiles in float32: finer than nnU-Net's half precision");
}

void add_device_options(CLI::App& command, std::string& device, int& threads, std::string& precision) {
  command.add_option("-d,--device", device, "auto, cpu or cuda")->check(CLI::IsMember({"auto", "cpu", "cuda"}));
  command.add_option("-t,--threads", threads, "Threads; 0 is one per core")->check(CLI::Range(0, 4096));
  command
      .add_option("--precision", precision,
                  "f32; strict: float32 in sums of one order; bf16 and int8: coarser and faster, on the CPU")
      ->check(CLI::IsMember({"strict", "f32", "bf16", "int8"}));
}

void add_dropout_options(CLI::App& command, engine::ImageOptions& options) {
  command
      .add_option("--dropout-samples", options.dropout_samples,
                  "Of single images: average so many answers with random dropouts, and tell how far they disagree; "
                  "only of networks that have dropouts")
      ->check(CLI::Range(1, 10000));
  command.add_option("--dropout-seed", options.seed, "Of these (1)");
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

}  // namespace oncotome::apps
