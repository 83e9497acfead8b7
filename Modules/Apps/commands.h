// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>

#include "oncotome/core/json.h"
#include "oncotome/dicom/scan.h"
#include "oncotome/engine/model_package.h"
#include "picture_processor.h"

namespace oncotome::apps {

/// What every subcommand understands.
struct Common {
  bool quiet = false;
  bool json = false;  ///< One JSON document on stdout instead of text.
};

/// --geometry, the same on every command that reads a series.
/// Of --input CHANNEL=PATH. Throws Error{usage}.
std::pair<std::string, std::string> channel_and_path(const std::string& text);
void add_geometry_option(CLI::App& command, dicom::GeometryPolicy& policy);

/// What can be chosen of an nnU-Net: --folds, --checkpoint, --configuration, --no-mirroring, --step and more.
void add_model_options(CLI::App& command, engine::ModelOptions& options);

/// --device, --threads and --precision.
void add_device_options(CLI::App& command, std::string& device, int& threads, std::string& precision);

/// --dropout-samples and --dropout-seed.
void add_dropout_options(CLI::App& command, engine::ImageOptions& options);

/// --json [FILE]: JSON goes to the file, or to stdout where there is none or it is "-" (then `file` is empty).
void add_json_option(CLI::App& command, std::string& file, bool& to_stdout);

/// Size and spacing of a grid, as geometry_json() has it, on a line of its own.
void print_geometry(const nlohmann::json& geometry);

/// Does the job and tells of it.
void run_pictures(const workflow::PicturesRequest& request, const Common& common);

/// Each adds its subcommand; it runs when it was chosen, and throws Error.
void add_segment(CLI::App& app, Common& common);
void add_classify(CLI::App& app, Common& common);
void add_explain(CLI::App& app, Common& common);
void add_predict(CLI::App& app, Common& common);
void add_inspect(CLI::App& app, Common& common);
void add_convert(CLI::App& app, Common& common);
void add_evaluate(CLI::App& app, Common& common);
void add_deidentify(CLI::App& app, Common& common);
void add_models(CLI::App& app, Common& common);
void add_doctor(CLI::App& app, Common& common);
void add_train(CLI::App& app, Common& common);
void add_bench(CLI::App& app, Common& common);

/// nnU-Net spells long options of predict with one dash: "-chk" becomes "--chk".
void accept_nnunet_spelling(std::vector<std::string>& arguments);

}  // namespace oncotome::apps
