// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "find_tumors.h"
#include "models.h"
#include "module.h"
#include "oncotome/core/atomic_directory.h"
#include "oncotome/engine/session.h"
#include "parameters.h"
#include "seg_nrrd.h"
#include "tables.h"
#include "volume_io.h"
#include "volumes.h"

namespace {

using namespace oncotome;
using sem::Kind;
using sem::Parameter;

sem::Module description() {
  sem::Module module =
      cli::new_module("TumorSegmentation", "Tumor segmentation",
                      "Outlines tumors in one scan, or in several of one patient that are a model's channels.");
  const Parameter labels = Parameter(Kind::image, "outputSegmentation", "Segmentation",
                                     "Segments with names, colors and terminology, on the grid of the model's "
                                     "reference channel.")
                               .of_type("label")
                               .out("inputVolume", ".seg.nrrd,.nrrd,.nii.gz")
                               .at(1);
  const Parameter table = Parameter(Kind::table, "outputMeasurements", "Measurements",
                                    "One row a lesion: volume, surface, diameters, center, intensities.")
                              .out("inputVolume", ".csv,.tsv");
  module.groups = {
      {"Input and output", "The scan and what is made of it.", false,
       cli::together({{cli::scan_parameter().at(0)}, cli::further_volumes(), {labels, table}})},
      {"Model", "What finds the tumors.", false, cli::model_parameters()},
      {"Advanced", "How the model is run.", true,
       cli::together(
           {{Parameter(Kind::image, "inputMask", "Body part mask",
                       "Mask of the body part, such as the brain, for scans whose background is not 0.")
                 .of_type("label")
                 .in(),
             Parameter(Kind::text, "brainModel", "Brain model",
                       "Name or path of the model that finds the brain, for models that need it without the skull."),
             Parameter(Kind::text, "configuration", "Configuration",
                       "Of an nnU-Net whose folder holds several, such as 3d_fullres, or TotalSegmentator's task."),
             Parameter(Kind::text_list, "folds", "Folds", "Folds of an nnU-Net, such as 0,1. Empty: every one."),
             Parameter(Kind::boolean, "skipMirroring", "Skip mirroring",
                       "Do not predict mirrored images too: faster, less accurate.")
                 .by_default("false"),
             Parameter(Kind::boolean, "fromDicom", "From DICOM",
                       "The volumes were read from DICOM: their axes are turned to left, posterior, superior before an "
                       "nnU-Net sees them.")
                 .by_default("false")},
            cli::device_parameters()})},
      {"Results",
       "What was found.",
       false,
       {Parameter(Kind::integer, "lesionCount", "Lesions", "How many lesions there are.").out(),
        Parameter(Kind::real, "lesionVolumeMl", "Volume", "Of all lesions, ml.").out(),
        Parameter(Kind::text, "modelTitle", "Model", "Title and version of the model that was run.").out()}}};
  return module;
}

class Segmentation {
 public:
  Segmentation(const sem::Module& module, cli::Run& run) : module_(module), run_(run), values_(run.values) {}

  void operator()() {
    for (const char* output : {"outputSegmentation", "outputMeasurements"}) cli::check_output(module_, values_, output);
    package_ =
        engine::read_model_package(cli::find_model(values_.text("model"), values_.text("modelFolder")), options());
    inputs_ = cli::read_channels(package_, values_, run_.part(0, 0.04));
    inputs_.from_dicom = values_.flag("fromDicom");
    find(values_.text("inputMask").empty() ? LabelVolume() : cli::read_labels(values_, "inputMask"));
    write();
  }

 private:
  engine::ModelOptions options() const {
    engine::ModelOptions options;
    options.configuration = values_.text("configuration");
    options.folds = values_.texts("folds");
    options.mirroring = !values_.flag("skipMirroring");
    return options;
  }

  void find(LabelVolume mask) {
    workflow::TumorRequest request;
    request.mask = std::move(mask);
    const std::string& brain_model = values_.text("brainModel");
    if (!brain_model.empty()) request.brain_model_folder = cli::find_model(brain_model, values_.text("modelFolder"));
    request.device = engine::parse_device(values_.text("device"));
    request.precision = engine::parse_precision(values_.text("precision"));
    request.threads = values_.integer("threads");
    const Job job = run_.part(0.04, 0.98);
    job.report("load model", 0);
    const auto model = engine::Model::load(package_, request.device, request.threads, request.precision);
    found_ = workflow::find_tumors(*model, inputs_, std::move(request), job);
    for (const auto* texts : {&found_.segmentation.corrections, &found_.segmentation.doubts})
      for (const std::string& text : *texts) run_.note(text);
    double volume_mm3 = 0;
    for (const Lesion& lesion : found_.lesions.lesions) volume_mm3 += lesion.volume_mm3;
    const engine::ModelPackage& package = found_.package;
    run_.give("lesionCount", std::to_string(found_.lesions.lesions.size()));
    run_.give("lesionVolumeMl", cli::number_text(volume_mm3 / 1000));
    run_.give("modelTitle", package.title + (package.version.empty() ? "" : " " + package.version));
  }

  void write() const {
    const std::string& table = values_.text("outputMeasurements");
    const Volume<float>& first = inputs_.channels[first_channel()].volume;
    if (!table.empty())
      cli::write_table(table,
                       cli::measurement_table(found_.lesions.lesions, found_.lesions.ids, &first, package_.labels));
    const std::string& path = values_.text("outputSegmentation");
    const auto fields =
        workflow::slicer_segmentation_fields(found_.segmentation.labels, package_.labels, package_.region);
    write_file_atomically(path, true, [&](const std::filesystem::path& temporary) {
      workflow::write_volume_file(temporary.string(), found_.segmentation.labels, fields);
    });
  }

  // The channel that inputVolume is.
  std::size_t first_channel() const {
    const std::vector<std::string> names = values_.texts("channels");
    return names.empty() ? 0 : package_.channel_index(names.front());
  }

  const sem::Module& module_;
  cli::Run& run_;
  const sem::Values& values_;
  engine::ModelPackage package_;
  workflow::StudyInputs inputs_;
  workflow::Tumors found_;
};

}  // namespace

int main(int argc, char** argv) {
  const sem::Module module = description();
  return cli::run_module(
      module, [&](cli::Run& run) { Segmentation(module, run)(); }, argc, argv);
}
