// SPDX-License-Identifier: Apache-2.0
#include "models.h"
#include "module.h"
#include "oncotome/engine/lesion_classes.h"
#include "oncotome/engine/session.h"
#include "parameters.h"
#include "tables.h"
#include "volumes.h"

namespace {

using namespace oncotome;
using sem::Kind;
using sem::Parameter;

sem::Module description() {
  sem::Module module = cli::new_module("LesionClassification", "Lesion classification",
                                       "Says what each lesion of a label image is, with a probability for each class "
                                       "that the model knows, or why it does not answer.");
  const Parameter table =
      Parameter(Kind::table, "outputClasses", "Classes", "One row a lesion.").out("inputVolume", ".csv,.tsv").at(2);
  module.groups = {
      {"Input and output", "The scan, its lesions, and where the table goes.", false,
       cli::together({{cli::scan_parameter().at(0)}, cli::further_volumes(), {cli::lesions_parameter().at(1), table}})},
      {"Model", "What knows the classes.", false, cli::model_parameters()},
      {"Lesions", "What is a lesion.", false, cli::lesion_parameters()},
      {"Advanced", "How the model is run.", true, cli::device_parameters()},
      {"Results",
       "What was found.",
       false,
       {Parameter(Kind::integer, "lesionCount", "Lesions", "How many lesions there are.").out(),
        Parameter(Kind::integer, "refusedCount", "Refused",
                  "Of how many lesions the model says that they are not of the kind it knows.")
            .out(),
        Parameter(Kind::text, "modelTitle", "Model", "Title and version of the model that was run.").out()}}};
  return module;
}

void classify(const sem::Module& module, cli::Run& run) {
  const sem::Values& values = run.values;
  cli::check_output(module, values, "outputClasses");
  const engine::Device device = engine::parse_device(values.text("device"));
  const engine::Precision precision = engine::parse_precision(values.text("precision"));
  const engine::ModelPackage package =
      engine::read_model_package(cli::find_model(values.text("model"), values.text("modelFolder")));
  const auto& classes = engine::image_inference(package).classes;
  const workflow::StudyInputs inputs = cli::read_channels(package, values, run.part(0, 0.1));
  const Geometry& scan = inputs.channels[package.reference_channel].volume.geometry;
  const LabelVolume labels = cli::on_scan(cli::read_labels(values, "inputLesions"), scan);
  const engine::LesionSet found = cli::lesions_of(labels, values, run.part(0.1, 0.3));
  const auto model = engine::Model::load(package, device, values.integer("threads"), precision);
  const auto findings = engine::classify_lesions(*model, cli::views_of(inputs), found.ids.geometry,
                                                 engine::lesion_boxes(found.ids), run.part(0.4, 0.98));
  std::size_t refused = 0;
  for (const engine::LesionFinding& finding : findings) refused += !finding.classification.refusal.empty();
  for (const std::string& doubt : inputs.doubts) run.note(doubt);
  cli::write_table(values.text("outputClasses"), cli::class_table(findings, classes));
  run.give("lesionCount", std::to_string(found.lesions.size()));
  run.give("refusedCount", std::to_string(refused));
  run.give("modelTitle", package.title + (package.version.empty() ? "" : " " + package.version));
}

}  // namespace

int main(int argc, char** argv) {
  const sem::Module module = description();
  return cli::run_module(
      module, [&](cli::Run& run) { classify(module, run); }, argc, argv);
}
