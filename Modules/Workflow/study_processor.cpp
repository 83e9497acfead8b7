// SPDX-License-Identifier: Apache-2.0
#include "study_processor.h"

#include <cstdlib>
#include <ctime>
#include <fstream>

#include "conditioning.h"
#include "evaluation.h"
#include "guarded.h"
#include "html_report.h"
#include "itkCommand.h"
#include "itkLesionMeasurementFilter.h"
#include "itkOncotomeBridge.h"
#include "itkTumorSegmentationImageFilter.h"
#include "lesion_classes.h"
#include "oncotome/core/atomic_directory.h"
#include "oncotome/core/digest.h"
#include "oncotome/core/process.h"
#include "report_json.h"
#include "result_objects.h"
#include "seg_nrrd.h"
#include "study_pictures.h"
#include "volume_io.h"

namespace oncotome::workflow {
namespace {

namespace fs = std::filesystem;
using engine::ModelPackage;
using nlohmann::json;

using LabelImage = itk::Image<std::uint8_t, 3>;
using SegmentationFilter = itk::TumorSegmentationImageFilter<itk::Image<float, 3>, LabelImage>;

// SOURCE_DATE_EPOCH, where it is set, makes a run repeat byte for byte (reproducible-builds.org).
std::time_t job_time() {
  const char* epoch = std::getenv("SOURCE_DATE_EPOCH");
  return epoch != nullptr ? static_cast<std::time_t>(std::atoll(epoch)) : std::time(nullptr);
}

LabelVolume read_labels(const std::string& path, const std::string& what) {
  try {
    return read_label_file(path);
  } catch (const Error& e) {
    throw Error(e.code(), what + ": " + e.what());
  }
}

/// One study on its way through: what is known so far, and the folder that it goes to.
class Processor {
 public:
  Processor(const StudyRequest& request, const Job& job)
      : request_(request),
        job_(job),
        models_(request.models, job, ArchiveNames::kept),
        package_(engine::read_model_ensemble(models_.paths(), request.model_options)),
        time_(job_time()) {}

  json run() {
    check_output();
    if (request_.formats.count("seg-fractional") > 0 &&
        (std::holds_alternative<engine::MeshNetInference>(package_.inference) ||
         std::holds_alternative<engine::MonaiInference>(package_.inference) ||
         std::holds_alternative<engine::TotalSegmentatorInference>(package_.inference)))
      throw Error(ErrorCode::usage, "this model gives no probabilities; leave seg-fractional out of --formats");
    if (request_.entropy && !engine::gives_entropy(package_))
      throw Error(ErrorCode::usage, "this model does not tell the entropy of its labels; leave --entropy out");
    if (!request_.classifier_folder.empty()) {
      classifier_ = engine::read_model_package(request_.classifier_folder);
      classifier_channels_ = classifier_channels(*classifier_, package_);
    } else if (has_classes(package_)) {
      classifier_ = package_;
      classifier_channels_ = classifier_channels(package_, package_);
    }
    AtomicDirectory folder(request_.output_folder, request_.replace ? "report.json" : "");
    folder_ = folder.path();
    const Job reading([this](std::string_view s, double f) { tell(s, f); });
    InputRequest input = request_.input;
    const UnpackedInput unpacked = unpack(input, reading);
    inputs_ = read_inputs(package_, input, reading);
    for (const char* format : {"seg", "seg-fractional", "sr", "labelmap", "rtstruct", "sc"})
      if (!reference().series && request_.formats.count(format) > 0)
        throw Error(ErrorCode::usage, std::string(format) + " needs DICOM input; leave it out of --formats");
    if (!request_.mask_file.empty()) mask_ = read_labels(request_.mask_file, "the mask");
    if (!request_.truth_file.empty()) truth_ = read_labels(request_.truth_file, "the truth");
    timings_.lap("read");
    condition_channels();
    segment();
    measure();
    classify();
    describe();
    if (wants("nrrd")) {
      write_volume_file(file("segmentation.seg.nrrd"), labels_,
                        slicer_segmentation_fields(labels_, package_.labels, package_.region));
      timings_.lap("write NRRD");
    }
    if (wants("nifti")) write_volume_file(file("segmentation.nii.gz"), labels_);
    write_dicom();
    if (wants("png") || wants("sc")) draw();
    finish();
    job_.check();
    folder.commit();
    return report_;
  }

 private:
  // A result folder must not take the place of what it is made from.
  void check_output() const {
    std::vector<std::string> inputs = request_.input.paths;
    for (const auto& [name, path] : request_.input.by_hand) inputs.push_back(path);
    for (const std::string& path : inputs)
      if (lies_in(path, request_.output_folder))
        throw Error(ErrorCode::usage, "the output folder is or holds an input; choose another");
  }

  // Every stage has its span of the whole, so that the job's progress only rises.
  void tell(std::string_view stage, double fraction) const {
    struct Span {
      std::string_view stage;
      double begin, end;
    };
    static constexpr Span kSpans[] = {
        {"scan", 0, 0.03},           {"read", 0.03, 0.08},         {"register", 0.08, 0.4},
        {"bias field", 0.08, 0.4},   {"extract brain", 0.08, 0.4}, {"load model", 0.4, 0.41},
        {"segment", 0.41, 0.9},      {"measure", 0.9, 0.92},       {"classify", 0.92, 0.93},
        {"write DICOM", 0.93, 0.95}, {"draw pictures", 0.95, 1}};
    for (const Span& span : kSpans)
      if (span.stage == stage) job_.report(stage, span.begin + (span.end - span.begin) * fraction);
  }

  bool wants(const std::string& format) const {
    static const std::set<std::string> kDefault{"seg", "sr", "nrrd", "png", "html"};
    return (request_.formats.empty() ? kDefault : request_.formats).count(format) > 0;
  }

  std::string file(const std::string& name) {
    report_["files"].push_back(name);
    return (folder_ / name).string();
  }

  const ChannelInput& reference() const { return inputs_.channels[package_.reference_channel]; }

  // Update with progress to the job and its cancel to the filter.
  void run_filter(itk::ProcessObject* filter, const char* stage) {
    filter->AddObserver(itk::ProgressEvent(), [this, filter, stage](const itk::EventObject&) {
      try {
        tell(stage, filter->GetProgress());
      } catch (const Error&) {
        filter->AbortGenerateDataOn();
      }
    });
    filter->Update();
  }

  void condition_channels() {
    const ConditioningRequest request{request_.brain_model_folder, request_.device, request_.threads,
                                      request_.precision, !mask_.voxels.empty()};
    Conditioning done =
        condition(package_, inputs_, request, Job([this](std::string_view s, double f) { tell(s, f); }));
    for (const auto& [step, note] : done.steps) report_["preparation"].push_back({{"step", step}, {"note", note}});
    report_["corrections"] = inputs_.corrections;
    for (const std::string& text : done.corrections) report_["corrections"].push_back(text);
    inputs_.doubts.insert(inputs_.doubts.end(), done.doubts.begin(), done.doubts.end());
    brain_ = std::move(done.brain);
    timings_.lap("condition");
  }

  void segment() {
    tell("load model", 0.0);
    const auto model = engine::Model::load(package_, request_.device, request_.threads, request_.precision);
    if (request_.classifier_folder.empty() && classifier_) classifier_model_ = model;
    package_ = model->package();
    backend_ = model->backend().name();
    device_ = model->backend().device();
    timings_.lap("load model");

    const auto filter = SegmentationFilter::New();
    filter->SetModel(model);
    filter->SetSeed(request_.seed);
    filter->SetFromDicom(inputs_.from_dicom);
    filter->SetWithProbabilities(wants("seg-fractional"));
    filter->SetWithEntropy(request_.entropy);
    for (unsigned int i = 0; i < inputs_.channels.size(); ++i)
      filter->SetInput(i, itk::OncotomeBridge::ViewOf(inputs_.channels[i].volume));
    const LabelVolume& mask = mask_.voxels.empty() ? brain_ : mask_;
    if (!mask.voxels.empty()) filter->SetMaskImage(itk::OncotomeBridge::ViewOf(mask));
    run_filter(filter, "segment");
    notes_ = model->notes();
    labels_ = itk::OncotomeBridge::VolumeOf<std::uint8_t>(filter->GetOutput());
    labels_.geometry = reference().volume.geometry;
    for (const auto& [stage, ms] : filter->GetSegmentation().timings_ms) timings_.add(stage, ms);
    probabilities_ = filter->GetSegmentation().probabilities;
    if (request_.entropy) write_volume_file(file("entropy.nii.gz"), filter->GetSegmentation().entropy);
    if (const auto& statistics = filter->GetSegmentation().statistics; !statistics.empty())
      report_["statistics"] = statistics_json(statistics, package_.labels);
    timings_.skip();
    for (const auto& [step, note] : filter->GetSegmentation().steps)
      report_["preparation"].push_back({{"step", step}, {"note", note}});
    for (const std::string& text : filter->GetSegmentation().corrections) report_["corrections"].push_back(text);
    if (is_resampled(reference()))
      report_["corrections"].push_back(
          "measurements, pictures, NRRD and NIfTI lie on the regular grid; the DICOM segmentation lies on the slices");
    for (const std::string& doubt : filter->GetSegmentation().doubts) inputs_.doubts.push_back(doubt);
  }

  void measure() {
    tell("measure", 0.0);
    const auto filter = itk::LesionMeasurementFilter<LabelImage>::New();
    filter->SetInput(itk::OncotomeBridge::ViewOf(labels_));
    filter->SetLabels(package_.labels);
    filter->SetMinimumVolume(package_.lesion_min_volume_mm3);
    run_filter(filter, "measure");
    lesions_ = filter->GetLesions();
    lesion_ids_ = itk::OncotomeBridge::VolumeOf<std::uint16_t>(filter->GetOutput());
    lesion_ids_.geometry = labels_.geometry;
    labels_digest_ = sha256_hex({reinterpret_cast<const char*>(labels_.voxels.data()), labels_.voxels.size()});
    const std::string source = reference().series ? reference().series->series_uid : labels_digest_;
    for (Lesion& lesion : lesions_)
      lesion.tracking_uid = make_uid("lesion " + std::to_string(lesion.id) + " of " + source + " by " +
                                     package_.weights_sha256 + " labels " + labels_digest_);
    if (is_resampled(reference())) mark_unmeasured(*reference().series, lesion_ids_, lesions_);
    timings_.lap("measure");
  }

  void classify() {
    if (!classifier_) return;
    if (!classifier_model_)
      classifier_model_ = engine::Model::load(*classifier_, request_.device, request_.threads, request_.precision);
    const Job part([this](std::string_view s, double f) { tell(s, f); });
    findings_ = classify_study(classifier_model_, classifier_channels_, inputs_, lesion_ids_, part);
    timings_.lap("classify");
  }

  void describe() {
    report_["schema"] = "oncotome.report/1";
    report_["software"] = {{"name", "Oncotome"}, {"version", ONCOTOME_VERSION}};
    report_["model"] = model_json(package_);
    json& input = report_["input"];
    input["kind"] = inputs_.from_dicom ? "dicom" : "files";
    if (reference().series) {
      input["study_uid"] = reference().series->study_uid;
      input["frame_of_reference_uid"] = reference().series->frame_of_reference_uid;
    }
    input["mask"] = !mask_.voxels.empty();
    for (const ChannelInput& channel : inputs_.channels) input["channels"].push_back(channel_json(channel));
    input["geometry"] = geometry_json(labels_.geometry);
    report_["doubts"] = inputs_.doubts;
    if (std::abs(labels_.geometry.axis[2][2]) < 0.7)
      report_["doubts"].push_back(
          "the slices are not axial: longest axial diameters were taken in the plane of the slices");
    report_["labels"] = labels_json(labels_, package_.labels);
    report_["lesions"] = json::array();
    for (const Lesion& lesion : lesions_) {
      report_["lesions"].push_back(lesion_json(lesion, package_.labels));
      if (lesion.touches_border)
        report_["doubts"].push_back("lesion " + std::to_string(lesion.id) +
                                    " touches the border of the volume: its volume is a lower bound");
      if (lesion.touches_unmeasured)
        report_["doubts"].push_back("lesion " + std::to_string(lesion.id) +
                                    " reaches interpolated or missing parts of the images: its measurements are "
                                    "uncertain, and may be lower bounds");
    }
    report_["finding"] = finding_text(lesions_);
    report_["definitions"] = definitions_json();
    if (request_.entropy)
      report_["definitions"]["entropy"] = "of the labels' probabilities at each voxel of entropy.nii.gz, in nats";
    if (classifier_) {
      const auto& classes = engine::image_inference(*classifier_).classes;
      report_["classifier"] = model_json(*classifier_);
      report_["classifier"]["classes"] = classes_json(classes);
      report_["definitions"]["classification"] =
          "probabilities of the classifier's classes: softmax of logits / temperature, mean over mirrored images";
      for (std::size_t i = 0; i < findings_.size(); ++i)
        report_["lesions"][i]["classification"] = classification_json(findings_[i].classification, classes);
    }
    if (!truth_.voxels.empty()) {
      std::vector<std::string> notes;
      truth_ = truth_on_grid(std::move(truth_), labels_.geometry, notes);
      for (const std::string& note : notes) report_["corrections"].push_back(note);
      report_["evaluation"] = evaluate_labels(labels_, truth_, package_, job_);
    }
    timings_.lap("describe");
  }

  dicom::ResultContext context() const {
    dicom::ResultContext context = result_context(request_, package_, inputs_, labels_digest_, time_);
    context.label_volume = &labels_;
    context.lesions = lesions_;
    context.lesion_volume = &lesion_ids_;
    if (!classifier_) return context;
    context.classifier = context.provenance;
    context.classifier.model_name = classifier_->name;
    context.classifier.model_version = classifier_->version;
    context.classifier.model_sha256 = classifier_->weights_sha256;
    for (const engine::LesionFinding& finding : findings_)
      context.classes[finding.lesion_id] =
          lesion_class(finding.classification, engine::image_inference(*classifier_).classes);
    return context;
  }

  void write_dicom() {
    if (!reference().series) return;
    const dicom::ResultContext context = this->context();
    if (wants("seg-fractional"))
      dicom::write_probabilities(file("probabilities.dcm"), context,
                                 fractional_segments(probabilities_, package_, context));
    if (wants("labelmap")) dicom::write_label_map(file("labelmap.dcm"), context);
    if (wants("rtstruct")) dicom::write_structure_set(file("structures.dcm"), context);
    if (!wants("seg") && !wants("sr")) return;
    tell("write DICOM", 0.0);
    const std::string path = file("segmentation.dcm");
    const dicom::SegmentationReceipt receipt = dicom::write_segmentation(path, context);
    for (std::size_t i = 0; i < lesions_.size(); ++i)
      report_["lesions"][i]["segment_number"] = receipt.segment_of_lesion.at(lesions_[i].id);
    timings_.lap("write SEG");
    if (wants("sr")) {
      dicom::write_report(file("report.dcm"), context, path, receipt);
      timings_.lap("write SR");
    }
  }

  void draw() {
    tell("draw pictures", 0.0);
    const ChannelInput& shown = inputs_.channels[package_.display_channel];
    Volume<float> image;
    const bool same = same_grid(shown.volume.geometry, labels_.geometry);
    if (!same) image = engine::resample_linear({shown.volume.geometry, shown.volume.voxels.data()}, labels_.geometry);
    render::Scene scene;
    scene.image = same ? &shown.volume : &image;
    scene.labels = &labels_;
    scene.lesion_ids = &lesion_ids_;
    scene.label_table = package_.labels;
    scene.lesions = lesions_;
    scene.modality = package_.modality;
    scene.image_name = shown.name;
    draw_study(scene, folder_, report_, timings_, [this](double fraction) { tell("draw pictures", fraction); });
    if (wants("sc")) {
      const render::Picture sheet = summary_sheet(report_, folder_);
      dicom::write_secondary_capture(file("summary.dcm"), context(), sheet.width, sheet.height, sheet.rgb);
      timings_.lap("write summary");
    }
  }

  void finish() {
    json& run = report_["run"];
    run = {{"device", device_},
           {"backend", backend_},
           {"precision", engine::precision_name(request_.precision)},
           {"threads", request_.threads > 0 ? request_.threads : available_cores()},
           {"seed", request_.seed},
           {"started", utc_text(time_, "%Y-%m-%dT%H:%M:%SZ")},
           {"peak_memory_mib", peak_memory_mib()},
           {"timings_ms", timings_.to_json()}};
    if (!notes_.kernels.empty()) run["kernels"] = notes_.kernels;
    run["libtorch_nodes"] = notes_.torch_nodes;
    const std::string path = file("report.json");
    if (wants("html")) {
      const std::string html = file("report.html");
      write_text(html, html_report(report_, folder_));
    }
    write_text(path, json_text(report_));
  }

  const StudyRequest& request_;
  const Job& job_;
  const UnpackedInput models_;
  ModelPackage package_;
  const std::time_t time_;
  fs::path folder_;
  StudyInputs inputs_;
  LabelVolume mask_, brain_, truth_, labels_;
  std::vector<engine::ProbabilityMap> probabilities_;
  std::vector<Lesion> lesions_;
  LesionVolume lesion_ids_;
  std::optional<ModelPackage> classifier_;
  std::vector<std::size_t> classifier_channels_;
  std::shared_ptr<const engine::Model> classifier_model_;
  std::vector<engine::LesionFinding> findings_;
  std::string labels_digest_, backend_, device_;
  engine::ExecutionNotes notes_;
  Timings timings_;
  json report_ = {{"files", json::array()},
                  {"preparation", json::array()},
                  {"corrections", json::array()},
                  {"doubts", json::array()},
                  {"pictures", json::object()}};
};

}  // namespace

json process_study(const StudyRequest& request, const Job& job) {
  return guarded(ErrorCode::output_unwritable, [&] { return Processor(request, job).run(); });
}

}  // namespace oncotome::workflow
