// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <iostream>
#include <memory>

#include "commands.h"
#include "oncotome/core/error.h"
#include "oncotome/core/process.h"
#include "predict.h"
#include "report_json.h"
#include "terminal.h"

namespace oncotome::apps {
namespace {

struct Options {
  workflow::PredictRequest request;
  std::string device = "auto", precision = "f32";
  std::string ignored;
  bool ignored_flag = false;
};

void run(Options& options, const Common& common) {
  workflow::PredictRequest& request = options.request;
  if (request.part >= request.parts) throw Error(ErrorCode::usage, "part_id must be below num_parts");
  request.device = engine::parse_device(options.device);
  request.precision = engine::parse_precision(options.precision);
  keep_freed_memory();
  nlohmann::json done;
  {
    const Terminal terminal(common.quiet);
    done = workflow::predict_folder(request, terminal.job());
  }
  if (common.json)
    std::cout << workflow::json_text(done);
  else
    std::printf("%d of %d cases predicted, %d skipped\nResults: %s\n", done["done"].get<int>(),
                done["cases"].get<int>(), done["skipped"].get<int>(), request.output_folder.c_str());
  std::fflush(stdout);
}

}  // namespace

void accept_nnunet_spelling(std::vector<std::string>& arguments) {
  if (arguments.empty() || arguments[0] != "predict") return;
  for (std::string& argument : arguments)
    for (const char* name :
         {"step_size", "chk", "npp", "nps", "prev_stage_predictions", "device", "num_parts", "part_id"})
      if (argument == std::string("-") + name) argument.insert(0, "-");
}

void add_predict(CLI::App& app, Common& common) {
  const auto options = std::make_shared<Options>();
  workflow::PredictRequest& request = options->request;
  CLI::App* command = app.add_subcommand(
      "predict", "Predict a folder of NIfTI cases by nnU-Net's conventions, as nnUNetv2_predict_from_modelfolder does");
  command->add_option("-i", request.input_folder, "Folder of case_0000.nii.gz, case_0001.nii.gz, ...")->required();
  command->add_option("-o", request.output_folder, "Folder for case.nii.gz; made if absent")->required();
  command->add_option("-m", request.models, "Results folder of nnU-Net v2 or its .zip; several are an ensemble")
      ->required();
  command->add_option("-f", request.options.folds, "Folds, such as 0 1 2 or all (default: every one)");
  command->add_option("--step_size", request.options.step, "From one tile to the next, in tiles (default: 0.5)");
  command->add_flag("!--disable_tta", request.options.mirroring, "No mirroring");
  command->add_option("--chk", request.options.checkpoint, "Checkpoint's name (default: checkpoint_final.pth)");
  command->add_option("--configuration", request.options.configuration, "Where the folder holds several");
  command->add_option("--prev_stage_predictions", request.previous_folder,
                      "Labels of a cascade's first stage (default: its model, beside this one, is run)");
  command->add_option("--postprocessing", request.options.postprocessing, "postprocessing.json to apply");
  command->add_flag("--save_probabilities", request.probabilities, "case.npz besides");
  command->add_flag("--continue_prediction,--c", request.skip_existing, "Leave out cases whose result is there");
  command->add_option("--num_parts", request.parts, "Of the cases, every so-manieth")->check(CLI::PositiveNumber);
  command->add_option("--part_id", request.part, "from this one on")->check(CLI::NonNegativeNumber);
  command->add_flag_callback(
      "--float32", [&request] { request.options.half_accumulators = false; },
      "Sum tiles in float32: finer than nnU-Net's half precision");
  add_device_options(*command, options->device, request.threads, options->precision);
  for (const char* name : {"--npp", "--nps"}) command->add_option(name, options->ignored)->group("");
  for (const char* name : {"--verbose", "--disable_progress_bar", "--not_on_device"})
    command->add_flag(name, options->ignored_flag)->group("");
  command->add_flag("--json", common.json, "The outcome as JSON on stdout");
  command->callback([options, &common] { run(*options, common); });
}

}  // namespace oncotome::apps
