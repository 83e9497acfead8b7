// SPDX-License-Identifier: Apache-2.0
#include "study_processor.h"

#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>

#include "evaluation.h"
#include "find_tumors.h"
#include "guarded.h"
#include "html_report.h"
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

// SOURCE_DATE_EPOCH, where it is set, makes a run repeat byte for byte (reproducible-builds.org).
std::time_t job_time() {
  constexpr std::int64_t kEndOf9999 = 253402300799;
  const char* epoch = std::getenv("SOURCE_DATE_EPOCH");
  if (epoch == nullptr) return std::time(nullptr);
  const char* const end = epoch + std::strlen(epoch);
  std::int64_t seconds = 0;
  const auto [rest, error] = std::from_chars(epoch, end, seconds);
  if (error != std::errc() || rest != end || seconds < 0 || seconds > kEndOf9999)
    throw Error(ErrorCode::usage, "SOURCE_DATE_EPOCH is no number of seconds from 1970 to 9999");
  return static_cast<std::time_t>(seconds);
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
    InputRequest input = request_.input;
    const UnpackedInput unpacked = unpack(input, part_of(job_, 0, 0.02));
    inputs_ = read_inputs(package_, input, part_of(job_, 0.02, 0.08));
    for (const char* format : {"seg", "seg-fractional", "sr", "labelmap", "rtstruct", "sc"})
      if (!reference().series && request_.formats.count(format) > 0)
        throw Error(ErrorCode::usage, std::string(format) + " needs DICOM input; leave it out of --formats");
    if (!request_.mask_file.empty()) mask_ = read_labels(request_.mask_file, "the mask");
    if (!request_.truth_file.empty()) truth_ = read_labels(request_.truth_file, "the truth");
    timings_.lap("read");
    find();
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

  bool wants(const std::string& format) const {
    static const std::set<std::string> kDefault{"seg", "sr", "nrrd", "png", "html"};
    return (request_.formats.empty() ? kDefault : request_.formats).count(format) > 0;
  }

  std::string file(const std::string& name) {
    report_["files"].push_back(name);
    return (folder_ / name).string();
  }

  const ChannelInput& reference() const { return inputs_.channels[package_.reference_channel]; }

  void find() {
    job_.report("load model", 0.08);
    const auto model = engine::Model::load(package_, request_.device, request_.threads, request_.precision);
    if (request_.classifier_folder.empty() && classifier_) classifier_model_ = model;
    package_ = model->package();
    backend_ = model->backend().name();
    device_ = model->backend().device();
    timings_.lap("load model");

    TumorRequest request;
    request.mask = std::move(mask_);
    request.brain_model_folder = request_.brain_model_folder;
    request.device = request_.device;
    request.precision = request_.precision;
    request.threads = request_.threads;
    request.seed = request_.seed;
    request.probabilities = wants("seg-fractional");
    request.entropy = request_.entropy;
    Tumors found = find_tumors(*model, inputs_, std::move(request), part_of(job_, 0.09, 0.92));
    notes_ = model->notes();
    if (request_.entropy) write_volume_file(file("entropy.nii.gz"), found.segmentation.entropy);
    for (const auto& [stage, ms] : found.segmentation.timings_ms) timings_.add(stage, ms);
    timings_.skip();
    if (const auto& statistics = found.segmentation.statistics; !statistics.empty())
      report_["statistics"] = statistics_json(statistics, package_.labels);
    for (const auto& [step, note] : found.segmentation.steps)
      report_["preparation"].push_back({{"step", step}, {"note", note}});
    report_["corrections"] = found.segmentation.corrections;
    report_["doubts"] = found.segmentation.doubts;
    labels_ = std::move(found.segmentation.labels);
    probabilities_ = std::move(found.segmentation.probabilities);
    lesions_ = std::move(found.lesions);
    identify();
    if (is_resampled(reference())) {
      report_["corrections"].push_back(
          "measurements, pictures, NRRD and NIfTI lie on the regular grid; the DICOM segmentation lies on the slices");
      mark_unmeasured(*reference().series, lesions_.ids, lesions_.lesions);
    }
    timings_.lap("identify");
  }

  // The same lesion of the same images by the same weights is known again by its UID.
  void identify() {
    labels_digest_ = sha256_hex({reinterpret_cast<const char*>(labels_.voxels.data()), labels_.voxels.size()});
    const std::string source = reference().series ? reference().series->series_uid : labels_digest_;
    for (Lesion& lesion : lesions_.lesions)
      lesion.tracking_uid = make_uid("lesion " + std::to_string(lesion.id) + " of " + source + " by " +
                                     package_.weights_sha256 + " labels " + labels_digest_);
  }

  void classify() {
    if (!classifier_) return;
    if (!classifier_model_)
      classifier_model_ = engine::Model::load(*classifier_, request_.device, request_.threads, request_.precision);
    std::vector<engine::ChannelView> views;
    for (const std::size_t c : classifier_channels_) {
      const Volume<float>& volume = inputs_.channels[c].volume;
      views.push_back({volume.geometry, volume.voxels.data()});
    }
    findings_ = engine::classify_lesions(*classifier_model_, views, lesions_.ids.geometry,
                                         engine::lesion_boxes(lesions_.ids), part_of(job_, 0.92, 0.93));
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
    input["mask"] = !request_.mask_file.empty();
    for (const ChannelInput& channel : inputs_.channels) input["channels"].push_back(channel_json(channel));
    input["geometry"] = geometry_json(labels_.geometry);
    if (std::abs(labels_.geometry.axis[2][2]) < 0.7)
      report_["doubts"].push_back(
          "the slices are not axial: longest axial diameters were taken in the plane of the slices");
    report_["labels"] = labels_json(labels_, package_.labels);
    report_["lesions"] = json::array();
    for (const Lesion& lesion : lesions_.lesions) {
      report_["lesions"].push_back(lesion_json(lesion, package_.labels));
      if (lesion.touches_border)
        report_["doubts"].push_back("lesion " + std::to_string(lesion.id) +
                                    " touches the border of the volume: its volume is a lower bound");
      if (lesion.touches_unmeasured)
        report_["doubts"].push_back("lesion " + std::to_string(lesion.id) +
                                    " reaches interpolated or missing parts of the images: its measurements are "
                                    "uncertain, and may be lower bounds");
    }
    report_["finding"] = finding_text(lesions_.lesions);
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
    context.lesions = lesions_.lesions;
    context.lesion_volume = &lesions_.ids;
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
    job_.report("write DICOM", 0.93);
    const std::string path = file("segmentation.dcm");
    const dicom::SegmentationReceipt receipt = dicom::write_segmentation(path, context);
    for (std::size_t i = 0; i < lesions_.lesions.size(); ++i)
      report_["lesions"][i]["segment_number"] = receipt.segment_of_lesion.at(lesions_.lesions[i].id);
    timings_.lap("write SEG");
    if (wants("sr")) {
      dicom::write_report(file("report.dcm"), context, path, receipt);
      timings_.lap("write SR");
    }
  }

  void draw() {
    const ChannelInput& shown = inputs_.channels[package_.display_channel];
    Volume<float> image;
    const bool same = same_grid(shown.volume.geometry, labels_.geometry);
    if (!same) image = engine::resample_linear({shown.volume.geometry, shown.volume.voxels.data()}, labels_.geometry);
    render::Scene scene;
    scene.image = same ? &shown.volume : &image;
    scene.labels = &labels_;
    scene.lesion_ids = &lesions_.ids;
    scene.label_table = package_.labels;
    scene.lesions = lesions_.lesions;
    scene.modality = package_.modality;
    scene.image_name = shown.name;
    draw_study(scene, folder_, report_, timings_, part_of(job_, 0.95, 1));
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
  LabelVolume mask_, truth_, labels_;
  std::vector<engine::ProbabilityMap> probabilities_;
  engine::LesionSet lesions_;
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
