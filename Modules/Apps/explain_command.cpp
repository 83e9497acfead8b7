// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <iostream>
#include <memory>

#include "commands.h"
#include "explain.h"
#include "oncotome/core/process.h"
#include "report_json.h"
#include "terminal.h"

namespace oncotome::apps {
namespace {

struct Options {
  workflow::ExplainRequest request;
  std::string device = "auto";
};

void run(Options& options, const Common& common) {
  options.request.device = engine::parse_device(options.device);
  keep_freed_memory();
  nlohmann::json report;
  {
    const Terminal terminal(common.quiet);
    report = workflow::explain_image(options.request, terminal.job());
  }
  if (common.json) {
    std::cout << workflow::json_text(report);
    return;
  }
  std::printf("%s, probability %.3f, at layer %s\n", report["class"].get<std::string>().c_str(),
              report["probability"].get<double>(), report["layer"].get<std::string>().c_str());
  if (report.contains("refused")) std::printf("  note: %s\n", report["refused"].get<std::string>().c_str());
  std::printf("Results: %s\n", options.request.output_folder.c_str());
  std::fflush(stdout);
}

}  // namespace

void add_explain(CLI::App& app, Common& common) {
  const auto options = std::make_shared<Options>();
  workflow::ExplainRequest& request = options->request;
  CLI::App* command =
      app.add_subcommand("explain", "Show where a model looks in an image, and what its layers make of it");
  command
      ->add_option("IMAGE", request.image,
                   "A PNG, JPEG or DICOM image; for a model of volumes a NIfTI, an NRRD or a DICOM series")
      ->required();
  command->add_option("-m,--model", request.model, "Model package for images, with classes")->required();
  command
      ->add_option("-o,--output", request.output_folder,
                   "Folder for gradcam.png, features_<layer>.png, filters.png and explanation.json; appears whole or "
                   "not at all")
      ->required();
  command->add_option("--layer", request.layer,
                      "Layer, as models show has it, or module of layers (default: the last before the head)");
  command->add_option("--class", request.class_name, "Class that is explained (default: the most probable)");
  command->add_option("-d,--device", options->device, "auto, cpu or cuda")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}));
  command->add_option("-t,--threads", request.threads, "Threads; 0 is one per core")->check(CLI::Range(0, 4096));
  command->add_flag("--overwrite", request.replace, "Replace the output folder if it exists");
  command->add_flag("-q,--quiet", common.quiet, "No progress");
  command->add_flag("--json", common.json, "Print explanation.json's content on stdout");
  command->callback([options, &common] { run(*options, common); });
}

}  // namespace oncotome::apps
