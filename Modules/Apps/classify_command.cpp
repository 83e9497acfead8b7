// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <iostream>
#include <memory>
#include <utility>

#include "commands.h"
#include "oncotome/core/process.h"
#include "picture_processor.h"
#include "report_json.h"
#include "terminal.h"

namespace oncotome::apps {
namespace {

struct Options {
  workflow::PicturesRequest request;
  std::vector<std::string> channels;
  std::string device = "auto", precision = "f32";
};

void run(Options& options, const Common& common) {
  workflow::PicturesRequest& request = options.request;
  for (const std::string& text : options.channels) request.study.by_hand.push_back(channel_and_path(text));
  if (request.lesions.empty() && (!request.study.by_hand.empty() || !request.study.study_uid.empty()))
    throw Error(ErrorCode::usage, "--input and --study name a study, whose lesions --lesions outlines");
  if (request.paths.empty() && request.study.by_hand.empty())
    throw Error(ErrorCode::usage, "give pictures, DICOM images or folders of them");
  if (!request.lesions.empty()) request.study.paths = std::exchange(request.paths, {});
  request.device = engine::parse_device(options.device);
  request.precision = engine::parse_precision(options.precision);
  run_pictures(request, common);
}

}  // namespace

void run_pictures(const workflow::PicturesRequest& request, const Common& common) {
  keep_freed_memory();
  nlohmann::json report;
  {
    const Terminal terminal(common.quiet);
    report = workflow::process_pictures(request, terminal.job());
  }
  if (common.json) {
    std::cout << workflow::json_text(report);
    return;
  }
  const nlohmann::json& counts = report["counts"];
  std::printf("%d images\n", counts["images"].get<int>());
  for (const auto& [name, count] : counts["classes"].items())
    std::printf("  %6d  %s\n", count.get<int>(), name.c_str());
  if (counts["refused"] > 0)
    std::printf("  %d are not the kind of image that the model was trained on, and got no answer\n",
                counts["refused"].get<int>());
  if (counts["rejected"] > 0)
    std::printf("  %d cannot be used: see \"rejected\" in report.json\n", counts["rejected"].get<int>());
  std::printf("Results: %s\n", request.output_folder.c_str());
  std::fflush(stdout);
}

void add_classify(CLI::App& app, Common& common) {
  const auto options = std::make_shared<Options>();
  workflow::PicturesRequest& request = options->request;
  CLI::App* command =
      app.add_subcommand("classify", "Give single images, or outlined lesions, a class with its probability");
  command->add_option(
      "INPUT", request.paths,
      "PNG or JPEG pictures, DICOM images, or folders of them with their subfolders; with --lesions a study");
  command->add_option("--lesions", request.lesions,
                      "INPUT is a study: classify the lesions that this NIfTI, NRRD, SEG or RT Structure Set outlines");
  command
      ->add_option("--input", options->channels,
                   "With --lesions CHANNEL=PATH: a channel by hand, such as CT=ct.nii.gz; may be repeated")
      ->allow_extra_args(false);
  command->add_option("--study", request.study.study_uid,
                      "With --lesions the Study Instance UID, when the input holds several studies");
  command
      ->add_option("-m,--model", request.models,
                   "Model package for images (a folder with model.json); several are an ensemble, whose probabilities "
                   "are averaged")
      ->required()
      ->allow_extra_args(false);
  command
      ->add_option("-o,--output", request.output_folder,
                   "Folder for predictions.csv and report.json; appears whole or not at all")
      ->required();
  command->add_option("--batch", request.batch, "Images that go through the network together (16)")
      ->check(CLI::Range(1, 4096));
  add_dropout_options(*command, request.options);
  command
      ->add_option("--heat", request.heat_maps,
                   "Show in report.html where the classes of the first so many images come from (Grad-CAM)")
      ->check(CLI::Range(0, 10000));
  add_device_options(*command, options->device, request.threads, options->precision);
  command->add_flag("--overwrite", request.replace, "Replace the output folder if it exists");
  command->add_flag("-q,--quiet", common.quiet, "No progress");
  command->add_flag("--json", common.json, "Print report.json's content on stdout");
  command->callback([options, &common] { run(*options, common); });
}

}  // namespace oncotome::apps
