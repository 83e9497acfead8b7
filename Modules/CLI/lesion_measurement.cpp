// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "module.h"
#include "parameters.h"
#include "tables.h"
#include "volumes.h"

namespace {

using namespace oncotome;
using sem::Kind;
using sem::Parameter;

sem::Module description() {
  sem::Module module = cli::new_module("LesionMeasurement", "Lesion measurement",
                                       "Splits a label image into lesions and measures each: volume, surface, "
                                       "diameters as PyRadiomics and IBSI define them, and intensities in a scan.");
  const Parameter table = Parameter(Kind::table, "outputMeasurements", "Measurements", "One row a lesion.")
                              .out("inputLesions", ".csv,.tsv")
                              .at(1);
  module.groups = {{"Input and output",
                    "What is measured, and where the table goes.",
                    false,
                    {cli::lesions_parameter().at(0),
                     Parameter(Kind::image, "inputVolume", "Scan", "The scan that intensities are taken from.")
                         .of_type("scalar")
                         .in(),
                     table}},
                   {"Lesions", "What is a lesion.", false, cli::lesion_parameters()},
                   {"Results",
                    "What was found.",
                    false,
                    {Parameter(Kind::integer, "lesionCount", "Lesions", "How many lesions there are.").out(),
                     Parameter(Kind::real, "lesionVolumeMl", "Volume", "Of all lesions, ml.").out(),
                     Parameter(Kind::real, "longestDiameterMm", "Longest diameter", "Of all lesions, mm.").out()}}};
  return module;
}

void measure(const sem::Module& module, cli::Run& run) {
  cli::check_output(module, run.values, "outputMeasurements");
  LabelVolume labels = cli::read_labels(run.values, "inputLesions");
  Volume<float> scan;
  if (!run.values.text("inputVolume").empty()) {
    scan = cli::read_volume(run.values, "inputVolume");
    labels = cli::on_scan(std::move(labels), scan.geometry);
  }
  const engine::LesionSet found = cli::lesions_of(labels, run.values, run.part(0.1, 0.95));
  double volume_mm3 = 0, longest_mm = 0;
  for (const Lesion& lesion : found.lesions) {
    volume_mm3 += lesion.volume_mm3;
    longest_mm = std::max(longest_mm, lesion.longest_diameter_mm);
  }
  cli::write_table(run.values.text("outputMeasurements"),
                   cli::measurement_table(found.lesions, found.ids, scan.voxels.empty() ? nullptr : &scan,
                                          cli::labels_of(found.lesions)));
  run.give("lesionCount", std::to_string(found.lesions.size()));
  run.give("lesionVolumeMl", cli::number_text(volume_mm3 / 1000));
  run.give("longestDiameterMm", cli::number_text(longest_mm));
}

}  // namespace

int main(int argc, char** argv) {
  const sem::Module module = description();
  return cli::run_module(
      module, [&](cli::Run& run) { measure(module, run); }, argc, argv);
}
