// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <iostream>
#include <memory>

#include "commands.h"
#include "oncotome/core/error.h"
#include "oncotome/core/process.h"
#include "report_json.h"
#include "study_processor.h"
#include "terminal.h"

namespace oncotome::apps {
namespace {

struct Options {
  workflow::StudyRequest request;
  std::vector<std::string> channels;
  std::vector<std::string> formats;
  std::string device = "auto", precision = "f32";
  engine::ImageOptions image_options;
};

std::string class_text(const nlohmann::json& lesion) {
  if (!lesion.contains("classification")) return "";
  const nlohmann::json& found = lesion["classification"];
  if (!found.contains("class")) return ", not classified";
  char percent[32];
  const auto name = found["class"].get<std::string>();
  std::snprintf(percent, sizeof percent, " (%.0f %%)", 100 * found["probabilities"][name].get<double>());
  return ", " + name + percent;
}

// Of a .zip only a study can be made.
bool are_pictures(const workflow::StudyRequest& request) {
  std::error_code ignored;
  return request.input.by_hand.empty() && std::filesystem::is_directory(request.models.front(), ignored) &&
         workflow::are_single_images(request.input.paths,
                                     engine::read_model_package(request.models.front(), request.model_options));
}

void run(Options& options, const Common& common) {
  workflow::StudyRequest& request = options.request;
  for (const std::string& text : options.channels) request.input.by_hand.push_back(channel_and_path(text));
  if (request.input.paths.empty() && request.input.by_hand.empty())
    throw Error(ErrorCode::usage, "give a study (a folder or files), or each channel with --input CHANNEL=PATH");
  request.formats = {options.formats.begin(), options.formats.end()};
  request.device = engine::parse_device(options.device);
  request.precision = engine::parse_precision(options.precision);
  if (are_pictures(request)) {
    workflow::PicturesRequest pictures;
    pictures.paths = request.input.paths;
    pictures.models = request.models;
    pictures.options = options.image_options;
    pictures.output_folder = request.output_folder;
    pictures.masks = true;
    pictures.device = request.device;
    pictures.threads = request.threads;
    pictures.precision = request.precision;
    pictures.replace = request.replace;
    run_pictures(pictures, common);
    return;
  }
  if (options.image_options.dropout_samples > 0)
    throw Error(ErrorCode::usage, "--dropout-samples is for single images");
  request.entropy = options.image_options.label_entropies;
  keep_freed_memory();
  nlohmann::json report;
  {
    const Terminal terminal(common.quiet);
    report = workflow::process_study(request, terminal.job());
  }
  if (common.json) {
    std::cout << workflow::json_text(report);
    return;
  }
  std::cout << report["finding"].get<std::string>() << '\n';
  for (const auto& lesion : report["lesions"])
    std::printf("  lesion %d: %.2f ml, longest axial diameter %.1f mm, longest diameter %.1f mm%s\n",
                lesion["id"].get<int>(), lesion["volume_mm3"].get<double>() / 1000,
                lesion["longest_axial_diameter_mm"].get<double>(), lesion["longest_diameter_mm"].get<double>(),
                class_text(lesion).c_str());
  if (report.contains("evaluation"))
    for (const auto& row : report["evaluation"]["regions"])
      if (!row["dice"].is_null())
        std::printf("  Dice %.4f  %s\n", row["dice"].get<double>(), row["name"].get<std::string>().c_str());
  for (const char* kind : {"corrections", "doubts"})
    for (const auto& text : report[kind]) std::printf("  note: %s\n", text.get<std::string>().c_str());
  std::printf("Results: %s\n", request.output_folder.c_str());
  std::fflush(stdout);
}

}  // namespace

void add_segment(CLI::App& app, Common& common) {
  const auto options = std::make_shared<Options>();
  workflow::StudyRequest& request = options->request;
  CLI::App* command = app.add_subcommand("segment", "Segment and measure the tumors of one study");
  command->add_option(
      "INPUT", request.input.paths,
      "DICOM folders or files (a study); NIfTI/NRRD volumes; or a folder of pictures, for a model of such");
  command
      ->add_option(
          "-m,--model", request.models,
          "Model: a package (a folder with model.json), or a results folder of nnU-Net v2 or its .zip; several "
          "of these are an ensemble")
      ->required()
      ->allow_extra_args(false);
  add_model_options(*command, request.model_options);
  command->add_option("-o,--output", request.output_folder, "Folder for the results; appears whole or not at all")
      ->required();
  command
      ->add_option("--input", options->channels,
                   "CHANNEL=PATH: a channel by hand, such as FLAIR=flair.nii.gz; may be repeated")
      ->allow_extra_args(false);
  command->add_option("--study", request.input.study_uid, "Study Instance UID, when the input holds several studies");
  add_geometry_option(*command, request.input.geometry);
  command->add_option("--brain-model", request.brain_model_folder,
                      "Model package that finds the brain, when the model needs one without skull (default: the one "
                      "beside the model)");
  command->add_option("--classify", request.classifier_folder,
                      "Model package that says what each lesion is (default: the model itself, where it can)");
  command->add_option("--mask", request.mask_file, "Brain mask (NIfTI or NRRD), where zero is not background");
  command->add_option("--truth", request.truth_file, "Label volume to compare with; adds an evaluation to the report");
  command
      ->add_option("--formats", options->formats,
                   "Of seg, seg-fractional, labelmap, sr, rtstruct, sc, nrrd, nifti, png, html, json, separated by "
                   "commas; report.json "
                   "always comes (default: seg,sr,nrrd,png,html)")
      ->delimiter(',')
      ->check(CLI::IsMember(
          {"seg", "seg-fractional", "labelmap", "sr", "rtstruct", "sc", "nrrd", "nifti", "png", "html", "json"}));
  command->add_flag("--regions", request.regions,
                    "The model's regions (unions of classes) as further segments of SEG and RTSTRUCT");
  command->add_option("--empty-frames", request.empty_frames, "Frames of the SEG without a voxel: auto, always, never")
      ->transform(
          CLI::CheckedTransformer(std::map<std::string, dicom::EmptyFrames>{{"auto", dicom::EmptyFrames::automatic},
                                                                            {"always", dicom::EmptyFrames::always},
                                                                            {"never", dicom::EmptyFrames::never}},
                                  CLI::ignore_case)
              .description(""));
  command->add_flag(
      "--entropy", options->image_options.label_entropies,
      "entropy.nii.gz besides, or of pictures entropy/<path>.png: the entropy of the labels at each voxel");
  add_dropout_options(*command, options->image_options);
  add_device_options(*command, options->device, request.threads, options->precision);
  command->add_option("--seed", request.seed, "Seed of the noise that some models want outside the brain");
  command->add_flag("--overwrite", request.replace, "Replace the output folder if it exists");
  command->add_flag("-q,--quiet", common.quiet, "No progress");
  command->add_flag("--json", common.json, "Print report.json's content on stdout");
  command->callback([options, &common] { run(*options, common); });
}

}  // namespace oncotome::apps
