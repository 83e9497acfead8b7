// SPDX-License-Identifier: Apache-2.0
#include "picture_processor.h"

#include <array>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <map>
#include <optional>
#include <set>

#include "explanation_pictures.h"
#include "image_io.h"
#include "lesion_classes.h"
#include "oncotome/core/atomic_directory.h"
#include "oncotome/core/csv.h"
#include "oncotome/core/process.h"
#include "oncotome/engine/explanation.h"
#include "oncotome/engine/session.h"
#include "picture_inputs.h"
#include "picture_page.h"
#include "report_json.h"
#include "timings.h"
#include "unpacked_input.h"

namespace oncotome::workflow {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr double kDeep = 65535;  // in a PNG of 16 bits

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.9g", value);
  return text;
}

/// Images on their way through, a batch at a time.
class Processor {
 public:
  Processor(const PicturesRequest& request, const Job& job)
      : request_(request),
        job_(job),
        models_(request.models, job, ArchiveNames::kept),
        packages_(read_packages(models_.paths(), request.options)),
        package_(packages_.front()),
        inference_(engine::image_inference(package_)) {
    if (inference_.network.dimensions != 2)
      throw Error(ErrorCode::model_unsupported, "this model takes volumes; single images have no depth");
    if (request.masks && inference_.class_labels.empty())
      throw Error(ErrorCode::usage, "this model gives images a class and labels no pixels: use classify");
    if (!request.masks && inference_.classes.empty())
      throw Error(ErrorCode::usage, "this model labels pixels and knows no classes: use segment");
    if (!request.lesions.empty() && inference_.network.labels > 0 && !inference_.crop_margin_mm)
      throw Error(ErrorCode::usage,
                  "this model takes whole slices, of which it outlines the lesions itself: use segment");
    if (request.heat_maps > 0 && packages_.size() > 1)
      throw Error(ErrorCode::usage, "heat maps are of one model, and several were given");
  }

  json run() {
    std::vector<std::string> paths = request_.paths;
    paths.insert(paths.end(), request_.study.paths.begin(), request_.study.paths.end());
    for (const auto& [name, path] : request_.study.by_hand) paths.push_back(path);
    for (const std::string& path : paths)
      if (lies_in(path, request_.output_folder))
        throw Error(ErrorCode::usage, "the output folder is or holds an input; choose another");
    AtomicDirectory folder(request_.output_folder, request_.replace ? "report.json" : "");
    folder_ = folder.path();
    const Job scanning([this](std::string_view s, double f) { job_.report(s, 0.05 * f); });
    std::vector<std::string> notes;
    PictureInputs inputs = request_.lesions.empty()
                               ? find_pictures(request_.paths, request_.output_folder, scanning)
                               : find_lesions(request_.study, request_.lesions, package_, notes, scanning);
    if (!notes.empty()) report_["notes"] = notes;
    for (RejectedPicture& r : inputs.rejected) reject(std::move(r.name), r.code, r.reason);
    timings_.lap("scan");
    if (inputs.pictures.empty()) refuse_all("no picture and no DICOM image was found");
    engine::ImageEnsemble models;
    for (const engine::ModelPackage& package : packages_)
      models.push_back(engine::Model::load(package, request_.device, request_.threads, request_.precision,
                                           request_.options.dropout_samples > 0));
    if (request_.heat_maps > 0) explainer_.emplace(package_, "", request_.device, request_.threads);
    timings_.lap("load model");
    const auto count = static_cast<std::size_t>(request_.batch);
    for (std::size_t first = 0; first < inputs.pictures.size(); first += count) {
      job_.report("classify", 0.05 + 0.95 * static_cast<double>(first) / static_cast<double>(inputs.pictures.size()));
      run_batch(models, inputs.pictures, first, std::min(inputs.pictures.size(), first + count));
    }
    if (images_.empty()) refuse_all("none of the input's images can be used");
    finish(models);
    job_.check();
    folder.commit();
    return report_;
  }

 private:
  static std::vector<engine::ModelPackage> read_packages(const std::vector<std::string>& paths,
                                                         const engine::ImageOptions& options) {
    std::vector<engine::ModelPackage> packages;
    std::vector<const engine::ModelPackage*> pointers;
    packages.reserve(paths.size());
    pointers.reserve(paths.size());
    for (const std::string& path : paths) pointers.push_back(&packages.emplace_back(engine::read_model_package(path)));
    engine::check_image_ensemble(pointers, options);
    return packages;
  }

  void reject(std::string name, ErrorCode code, const std::string& reason) {
    if (rejected_.empty()) first_rejection_ = code;
    rejected_.push_back({{"path", std::move(name)}, {"code", error_name(code)}, {"reason", reason}});
  }

  [[noreturn]] void refuse_all(const std::string& what) const {
    if (rejected_.empty()) throw Error(ErrorCode::input_no_images, what + " in the input");
    throw Error(first_rejection_,
                what + "; " + std::to_string(rejected_.size()) +
                    " cannot be read, the first because: " + rejected_.front()["reason"].get<std::string>());
  }

  void run_batch(const engine::ImageEnsemble& models, const std::vector<PictureInput>& inputs, std::size_t first,
                 std::size_t end) {
    std::vector<engine::Tensor> raw;
    std::vector<const PictureInput*> read;
    for (std::size_t i = first; i < end; ++i) {
      try {
        raw.push_back(load_picture_input(inputs[i], package_, job_));
        read.push_back(&inputs[i]);
      } catch (const Error& e) {
        if (e.code() == ErrorCode::cancelled || e.code() == ErrorCode::model_unsupported) throw;
        reject(inputs[i].name, e.code(), e.what());
      }
    }
    if (raw.empty()) return;
    const std::vector<engine::ImageResult> results = engine::run_images(models, raw, request_.options, job_);
    for (std::size_t i = 0; i < results.size(); ++i) add(*read[i], raw[i], results[i]);
  }

  void add(const PictureInput& input, const engine::Tensor& raw, const engine::ImageResult& result) {
    const std::string& name = input.name;
    const engine::Classification& c = result.classification;
    json image = classification_json(c, inference_.classes);
    image["path"] = name;
    if (input.lesion)
      image["box"] = {{"first", input.lesion->first}, {"last", input.lesion->last}, {"slice", input.lesion->slice}};
    std::string line = csv_quoted(name) + ",";
    if (const auto best = c.best()) {
      line += csv_quoted(inference_.classes[*best].name);
      ++counts_[inference_.classes[*best].name];
    }
    for (std::size_t k = 0; k < c.probabilities.size(); ++k) {
      line += "," + (c.refusal.empty() ? number(c.probabilities[k]) : "");
    }
    const auto shown = [&](double value) { return "," + (c.refusal.empty() ? number(value) : ""); };
    line += shown(c.entropy) + "," + csv_quoted(c.refusal);
    // Of all images or of none.
    has_information_ = c.mutual_information.has_value();
    has_spread_ = c.mirror_spread.has_value();
    if (has_information_) line += shown(*c.mutual_information);
    if (has_spread_) line += shown(*c.mirror_spread);
    refused_ += !c.refusal.empty();
    csv_ += line + "\n";
    if (request_.masks && c.refusal.empty()) write_mask(name, raw, result, image);
    if (explainer_ && c.best() && static_cast<int>(heat_.size()) < request_.heat_maps) write_heat(name, raw, c, image);
    images_.push_back(std::move(image));
  }

  /// In the output folder, whose path is returned with its folders made.
  std::string new_place(const char* within, const std::string& name, std::set<std::string>& taken) const {
    // Two pictures of one name but for the ending have two places.
    std::string place = within + fs::path(name).replace_extension(".png").generic_string();
    if (!taken.insert(place).second) taken.insert(place = within + name + ".png");
    std::error_code error;
    fs::create_directories((folder_ / place).parent_path(), error);
    if (error) throw Error(ErrorCode::output_unwritable, "a folder of pictures cannot be made: " + error.message());
    return place;
  }

  void write_heat(const std::string& name, const engine::Tensor& raw, const engine::Classification& found,
                  json& image) {
    const std::size_t k = *found.best();
    const engine::Explainer::Explanation seen = explainer_->explain(raw, k, job_);
    const std::string place = new_place("heat/", name, heat_);
    draw_heat((folder_ / place).string(),
              heat_heading(inference_.classes[k].name, found.probabilities[k], explainer_->layer()), raw, seen.heat);
    image["heat"] = place;
  }

  void write_mask(const std::string& name, const engine::Tensor& raw, const engine::ImageResult& result, json& image) {
    const std::string place = new_place("masks/", name, masks_);
    write_mask_png((folder_ / place).string(), raw.shape[4], raw.shape[3], result.labels);
    image["mask"] = place;
    if (request_.options.label_entropies) {
      const std::string map = new_place("entropy/", name, entropy_maps_);
      write_deep_png((folder_ / map).string(), raw.shape[4], raw.shape[3], result.label_entropies,
                     kDeep / std::log(static_cast<double>(inference_.network.labels)));
      image["entropy_map"] = map;
    }
    std::array<std::int64_t, 256> count{};
    for (const std::uint8_t label : result.labels) ++count[label];
    image["pixels"] = json::object();
    for (const Label& label : package_.labels) image["pixels"][label.name] = count[label.value];
  }

  void finish(const engine::ImageEnsemble& models) {
    json& r = report_;
    r.update(
        {{"schema", "oncotome.pictures/1"},
         {"software", {{"name", "Oncotome"}, {"version", ONCOTOME_VERSION}}},
         {"model", model_json(package_)},
         {"classes", classes_json(inference_.classes)},
         {"labels", json::array()},
         {"temperature", inference_.temperature},
         {"images", images_},
         {"rejected", rejected_},
         {"counts",
          {{"images", images_.size()}, {"refused", refused_}, {"rejected", rejected_.size()}, {"classes", counts_}}}});
    for (const Label& label : package_.labels)
      if (request_.masks) r["labels"].push_back({{"value", label.value}, {"name", label.name}});
    json& definitions = r["definitions"];
    definitions["probabilities"] =
        "softmax of logits / temperature, mean over models, their dropout samples and mirrored images";
    definitions["entropy"] = "of the probabilities, in nats";
    if (!request_.lesions.empty())
      definitions["box"] =
          "of a lesion, a 26-connected component of the outlines: first and last voxel [x, y, z], and the slice with "
          "its largest cross-section, of which the network sees the surroundings";
    if (has_information_)
      definitions["mutual_information"] =
          "entropy less the mean of the entropies of each model (dropout sample), in nats: how far they disagree";
    if (has_spread_)
      definitions["mirror_spread"] =
          "standard deviation over mirrored images of the probability of the class, of several models the root of the "
          "mean square";
    if (request_.options.label_entropies)
      definitions["entropy_map"] =
          "of the labels' probabilities at each pixel: value of the PNG (16 bits) times entropy_map_nats";
    if (packages_.size() > 1)
      for (const engine::ModelPackage& package : packages_) r["members"].push_back(model_json(package));
    if (request_.options.label_entropies)
      r["entropy_map_nats"] = std::log(static_cast<double>(inference_.network.labels)) / kDeep;
    definitions["refused"] = "the image is not of the kind that the model was trained on: it has no class";
    int torch_nodes = 0;
    for (const auto& model : models) torch_nodes += model->notes().torch_nodes;
    timings_.lap("read and run");
    r["run"] = {{"device", models[0]->backend().device()},
                {"backend", models[0]->backend().name()},
                {"precision", engine::precision_name(request_.precision)},
                {"threads", request_.threads > 0 ? request_.threads : available_cores()},
                {"batch", request_.batch},
                {"started", utc_text(started_, "%Y-%m-%dT%H:%M:%SZ")},
                {"peak_memory_mib", peak_memory_mib()},
                {"libtorch_nodes", torch_nodes},
                {"timings_ms", timings_.to_json()}};
    if (request_.options.dropout_samples > 0) {
      r["run"]["dropout_samples"] = request_.options.dropout_samples;
      r["run"]["seed"] = request_.options.seed;
    }
    r["files"] = json::array({"report.json"});
    if (!inference_.classes.empty()) {
      r["files"].push_back("predictions.csv");
      std::string header = "path,class";
      for (const engine::ClassLabel& c : inference_.classes) header += "," + csv_quoted("p_" + c.name);
      header += ",entropy,refused";
      if (has_information_) header += ",mutual_information";
      if (has_spread_) header += ",mirror_spread";
      write_text(folder_ / "predictions.csv", header + "\n" + csv_);
    }
    for (const auto* places : {&masks_, &entropy_maps_, &heat_})
      for (const std::string& place : *places) r["files"].push_back(place);
    if (explainer_) {
      r["files"].push_back("report.html");
      definitions["heat"] =
          "Grad-CAM (doi 10.1109/ICCV.2017.74) of the class at layer " + explainer_->layer() +
          ", of the image as it is, not mirrored: what lies below zero is zero, and the greatest is 1";
      write_text(folder_ / "report.html", picture_page(r, folder_));
    }
    write_text(folder_ / "report.json", json_text(r));
  }

  const PicturesRequest& request_;
  const Job& job_;
  const UnpackedInput models_;
  const std::vector<engine::ModelPackage> packages_;
  const engine::ModelPackage& package_;  ///< The first one.
  const engine::ImageInference& inference_;
  const std::time_t started_ = std::time(nullptr);
  fs::path folder_;
  json images_ = json::array(), rejected_ = json::array(), report_;
  std::map<std::string, std::size_t> counts_;
  ErrorCode first_rejection_ = ErrorCode::input_no_images;
  std::size_t refused_ = 0;
  bool has_information_ = false, has_spread_ = false;
  std::string csv_;
  std::set<std::string> masks_, entropy_maps_, heat_;
  std::optional<engine::Explainer> explainer_;
  Timings timings_;
};

}  // namespace

bool are_single_images(const std::vector<std::string>& paths, const engine::ModelPackage& package) {
  static const std::set<std::string> kOfVolumes{"CT", "MR", "PT"};
  return std::holds_alternative<engine::ImageInference>(package.inference) &&
         (kOfVolumes.count(package.modality) == 0 || holds_pictures(paths));
}

json process_pictures(const PicturesRequest& request, const Job& job) {
  try {
    return Processor(request, job).run();
  } catch (const fs::filesystem_error& e) {
    throw Error(ErrorCode::output_unwritable, "a file operation failed: " + e.code().message());
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::out_of_memory, "not enough memory for these images: choose a smaller --batch");
  }
}

}  // namespace oncotome::workflow
