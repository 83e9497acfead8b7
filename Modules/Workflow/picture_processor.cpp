// SPDX-License-Identifier: Apache-2.0
#include "picture_processor.h"

#include <array>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <map>
#include <set>

#include "image_io.h"
#include "lesion_classes.h"
#include "oncotome/core/atomic_directory.h"
#include "oncotome/core/csv.h"
#include "oncotome/core/process.h"
#include "oncotome/engine/session.h"
#include "picture_inputs.h"
#include "report_json.h"
#include "timings.h"
#include "unpacked_input.h"

namespace oncotome::workflow {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

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
        models_({request.model}, job, ArchiveNames::kept),
        package_(engine::read_model_package(models_.paths().front())),
        inference_(engine::image_inference(package_)) {
    if (inference_.network.dimensions != 2)
      throw Error(ErrorCode::model_unsupported, "this model takes volumes; single images have no depth");
    if (request.masks && inference_.class_labels.empty())
      throw Error(ErrorCode::usage, "this model gives images a class and labels no pixels: use classify");
    if (!request.masks && inference_.classes.empty())
      throw Error(ErrorCode::usage, "this model labels pixels and knows no classes: use segment");
  }

  json run() {
    for (const std::string& path : request_.paths)
      if (lies_in(path, request_.output_folder))
        throw Error(ErrorCode::usage, "the output folder is or holds an input; choose another");
    AtomicDirectory folder(request_.output_folder, request_.replace ? "report.json" : "");
    folder_ = folder.path();
    const Job scanning([this](std::string_view s, double f) { job_.report(s, 0.05 * f); });
    PictureInputs inputs = find_pictures(request_.paths, request_.output_folder, scanning);
    for (RejectedPicture& r : inputs.rejected) reject(std::move(r.name), r.code, r.reason);
    timings_.lap("scan");
    if (inputs.pictures.empty()) refuse_all("no picture and no DICOM image was found");
    const auto model = engine::Model::load(package_, request_.device, request_.threads, request_.precision);
    timings_.lap("load model");
    const auto count = static_cast<std::size_t>(request_.batch);
    for (std::size_t first = 0; first < inputs.pictures.size(); first += count) {
      job_.report("classify", 0.05 + 0.95 * static_cast<double>(first) / static_cast<double>(inputs.pictures.size()));
      run_batch(*model, inputs.pictures, first, std::min(inputs.pictures.size(), first + count));
    }
    if (images_.empty()) refuse_all("none of the input's images can be used");
    finish(*model);
    job_.check();
    folder.commit();
    return report_;
  }

 private:
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

  void run_batch(const engine::Model& model, const std::vector<PictureInput>& inputs, std::size_t first,
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
    const std::vector<engine::ImageResult> results = engine::run_images(model, raw, job_);
    for (std::size_t i = 0; i < results.size(); ++i) add(read[i]->name, raw[i], results[i]);
  }

  void add(const std::string& name, const engine::Tensor& raw, const engine::ImageResult& result) {
    const engine::Classification& c = result.classification;
    json image = classification_json(c, inference_.classes);
    image["path"] = name;
    std::string line = csv_quoted(name) + ",";
    if (const auto best = c.best()) {
      line += csv_quoted(inference_.classes[*best].name);
      ++counts_[inference_.classes[*best].name];
    }
    for (std::size_t k = 0; k < c.probabilities.size(); ++k) {
      line += "," + (c.refusal.empty() ? number(c.probabilities[k]) : "");
    }
    line += "," + (c.refusal.empty() ? number(c.entropy) : "") + "," + csv_quoted(c.refusal) + "\n";
    refused_ += !c.refusal.empty();
    csv_ += line;
    if (request_.masks && c.refusal.empty()) write_mask(name, raw, result.labels, image);
    images_.push_back(std::move(image));
  }

  void write_mask(const std::string& name, const engine::Tensor& raw, const std::vector<std::uint8_t>& labels,
                  json& image) {
    // Two pictures of one name but for the ending have two masks.
    std::string place = "masks/" + fs::path(name).replace_extension(".png").generic_string();
    if (!masks_.insert(place).second) masks_.insert(place = "masks/" + name + ".png");
    std::error_code error;
    fs::create_directories((folder_ / place).parent_path(), error);
    if (error) throw Error(ErrorCode::output_unwritable, "a folder of masks cannot be made: " + error.message());
    write_mask_png((folder_ / place).string(), raw.shape[4], raw.shape[3], labels);
    image["mask"] = place;
    std::array<std::int64_t, 256> count{};
    for (const std::uint8_t label : labels) ++count[label];
    image["pixels"] = json::object();
    for (const Label& label : package_.labels) image["pixels"][label.name] = count[label.value];
  }

  void finish(const engine::Model& model) {
    json& r = report_;
    r = {{"schema", "oncotome.pictures/1"},
         {"software", {{"name", "Oncotome"}, {"version", ONCOTOME_VERSION}}},
         {"model", model_json(package_)},
         {"classes", classes_json(inference_.classes)},
         {"labels", json::array()},
         {"temperature", inference_.temperature},
         {"images", images_},
         {"rejected", rejected_},
         {"counts",
          {{"images", images_.size()}, {"refused", refused_}, {"rejected", rejected_.size()}, {"classes", counts_}}}};
    for (const Label& label : package_.labels)
      if (request_.masks) r["labels"].push_back({{"value", label.value}, {"name", label.name}});
    json& definitions = r["definitions"];
    definitions["probabilities"] = "softmax of logits / temperature, mean over mirrored images";
    definitions["entropy"] = "of the probabilities, in nats";
    definitions["refused"] = "the image is not of the kind that the model was trained on: it has no class";
    const engine::ExecutionNotes notes = model.notes();
    timings_.lap("read and run");
    r["run"] = {{"device", model.backend().device()},
                {"backend", model.backend().name()},
                {"precision", engine::precision_name(request_.precision)},
                {"threads", request_.threads > 0 ? request_.threads : available_cores()},
                {"batch", request_.batch},
                {"started", utc_text(started_, "%Y-%m-%dT%H:%M:%SZ")},
                {"peak_memory_mib", peak_memory_mib()},
                {"libtorch_nodes", notes.torch_nodes},
                {"timings_ms", timings_.to_json()}};
    r["files"] = json::array({"report.json"});
    if (!inference_.classes.empty()) {
      r["files"].push_back("predictions.csv");
      std::string header = "path,class";
      for (const engine::ClassLabel& c : inference_.classes) header += "," + csv_quoted("p_" + c.name);
      write_text(folder_ / "predictions.csv", header + ",entropy,refused\n" + csv_);
    }
    for (const std::string& mask : masks_) r["files"].push_back(mask);
    write_text(folder_ / "report.json", json_text(r));
  }

  const PicturesRequest& request_;
  const Job& job_;
  const UnpackedInput models_;
  const engine::ModelPackage package_;
  const engine::ImageInference& inference_;
  const std::time_t started_ = std::time(nullptr);
  fs::path folder_;
  json images_ = json::array(), rejected_ = json::array(), report_;
  std::map<std::string, std::size_t> counts_;
  ErrorCode first_rejection_ = ErrorCode::input_no_images;
  std::size_t refused_ = 0;
  std::string csv_;
  std::set<std::string> masks_;
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
