// SPDX-License-Identifier: Apache-2.0
#include "predict.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>

#include "npz.h"
#include "oncotome/core/atomic_directory.h"
#include "oncotome/core/error.h"
#include "oncotome/engine/session.h"
#include "report_json.h"
#include "unpacked_input.h"
#include "volume_io.h"

namespace oncotome::workflow {
namespace {

namespace fs = std::filesystem;
using engine::NnUnetInference;
using nlohmann::json;

class Predictor {
 public:
  Predictor(const PredictRequest& request, const Job& job)
      : request_(request),
        job_(job),
        models_(request.models, job, ArchiveNames::kept),
        package_(engine::read_model_ensemble(models_.paths(), options())) {
    const auto* nnunet = std::get_if<NnUnetInference>(&package_.inference);
    if (nnunet == nullptr)
      throw Error(ErrorCode::usage, "predict takes results folders of nnU-Net; this is another model: use segment");
    ending_ = nnunet->ensemble.front().plans.file_ending;
    if (!is_volume_file("case" + ending_))
      throw Error(ErrorCode::model_unsupported, "dataset.json: files that end in '" + ending_ + "' cannot be read");
  }

  json run() {
    find_cases();
    prepare_output();
    const auto model = engine::Model::load(package_, request_.device, request_.threads, request_.precision);
    std::size_t number = 0, done = 0, skipped = 0;
    for (const std::string& name : cases_) {
      ++number;
      std::error_code ignored;
      if (request_.skip_existing && fs::exists(output(name + ending_), ignored)) {
        ++skipped;
        continue;
      }
      try {
        predict(*model, name, number);
      } catch (const Error& e) {
        if (e.code() == ErrorCode::cancelled) throw;
        throw Error(e.code(),
                    "case " + std::to_string(number) + " of " + std::to_string(cases_.size()) + ": " + e.what());
      }
      ++done;
    }
    return {{"cases", cases_.size()}, {"done", done}, {"skipped", skipped}, {"output", request_.output_folder}};
  }

 private:
  engine::ModelOptions options() const {
    engine::ModelOptions options = request_.options;
    options.previous_labels_given = !request_.previous_folder.empty();
    return options;
  }

  fs::path output(const std::string& name) const { return fs::path(request_.output_folder) / name; }

  fs::path channel_file(const std::string& name, std::size_t channel) const {
    char number[24];
    std::snprintf(number, sizeof number, "_%04u", static_cast<unsigned>(channel));
    return fs::path(request_.input_folder) / (name + number + ending_);
  }

  // Every file that will be read is looked for before the first case is begun.
  void find_cases() {
    std::error_code error;
    if (!fs::is_directory(request_.input_folder, error))
      throw Error(ErrorCode::input_not_found,
                  "the input is no folder; it must hold case_0000" + ending_ + " and so on");
    std::set<std::string> names;
    for (fs::directory_iterator i(request_.input_folder, error), end; !error && i != end; i.increment(error)) {
      const std::string file = i->path().filename().string();
      if (ends_with(file, ending_) && file.size() > ending_.size() + 5 && file[file.size() - ending_.size() - 5] == '_')
        names.insert(file.substr(0, file.size() - ending_.size() - 5));
    }
    if (names.empty())
      throw Error(ErrorCode::input_no_images, "the input folder holds no file named like case_0000" + ending_);
    std::size_t n = 0;
    for (const std::string& name : names)
      if (static_cast<int>(n++ % static_cast<std::size_t>(request_.parts)) == request_.part) cases_.push_back(name);
    n = 0;
    for (const std::string& name : cases_) {
      ++n;
      const std::string which = "case " + std::to_string(n) + " of " + std::to_string(cases_.size());
      for (std::size_t c = 0; c < package_.channels.size(); ++c)
        if (!fs::is_regular_file(channel_file(name, c), error))
          throw Error(ErrorCode::channel_missing, which + " lacks channel " + package_.channels[c].name +
                                                      ": its file must end in " +
                                                      channel_file("", c).filename().string());
      if (!request_.previous_folder.empty() &&
          !fs::is_regular_file(fs::path(request_.previous_folder) / (name + ending_), error))
        throw Error(ErrorCode::input_not_found, which + " has no labels in the folder of the previous stage");
    }
  }

  // What nnU-Net leaves beside its results, for its own tools.
  void prepare_output() {
    std::error_code error;
    fs::create_directories(request_.output_folder, error);
    if (error) throw Error(ErrorCode::output_unwritable, "the output folder cannot be made: " + error.message());
    for (const char* name : {"dataset.json", "plans.json"})
      if (fs::exists(fs::path(package_.folder) / name, error))
        fs::copy_file(fs::path(package_.folder) / name, output(name), fs::copy_options::overwrite_existing, error);
    const json arguments{{"folds", request_.options.folds},
                         {"tile_step_size", request_.options.step.value_or(0.5)},
                         {"use_mirroring", request_.options.mirroring},
                         {"checkpoint_name", request_.options.checkpoint},
                         {"save_probabilities", request_.probabilities},
                         {"software", std::string("oncotome ") + ONCOTOME_VERSION}};
    write_file_atomically(output("predict_from_raw_data_args.json"), true,
                          [&](const fs::path& temporary) { write_text(temporary, json_text(arguments)); });
  }

  static Volume<float> read(const fs::path& file, const std::string& what) {
    try {
      return read_volume_file(file.string());
    } catch (const Error& e) {
      throw Error(e.code(), what + ": " + e.what());
    }
  }

  void predict(const engine::Model& model, const std::string& name, std::size_t number) {
    std::vector<Volume<float>> volumes;
    std::vector<engine::ChannelView> views;
    volumes.reserve(package_.channels.size());
    for (std::size_t c = 0; c < package_.channels.size(); ++c) {
      volumes.push_back(read(channel_file(name, c), "channel " + package_.channels[c].name));
      // As nnU-Net does: sizes and spacings must be equal, and the first channel says where they lie.
      Geometry& grid = volumes.back().geometry;
      const Geometry& first = volumes.front().geometry;
      for (std::size_t a = 0; a < 3; ++a)
        if (grid.size[a] != first.size[a] ||
            std::abs(grid.spacing_mm[a] - first.spacing_mm[a]) > 1e-4 * first.spacing_mm[a])
          throw Error(ErrorCode::grid_mismatch, "channel " + package_.channels[c].name +
                                                    " has not the size and spacing of the first; resample it");
      grid = first;
      views.push_back({first, volumes.back().voxels.data()});
    }
    LabelVolume previous;
    engine::SegmentRequest wanted;
    if (!request_.previous_folder.empty()) {
      previous = read_label_file((fs::path(request_.previous_folder) / (name + ending_)).string());
      if (previous.geometry.size != volumes.front().geometry.size)
        throw Error(ErrorCode::grid_mismatch, "the labels of the previous stage have not the images' size");
      previous.geometry = volumes.front().geometry;
      wanted.previous = &previous;
    }
    wanted.class_probabilities = request_.probabilities;
    const Job part([&](std::string_view stage, double fraction) {
      job_.report(stage, (static_cast<double>(number - 1) + fraction) / static_cast<double>(cases_.size()));
    });
    const engine::Segmentation result = engine::segment(model, views, wanted, part);
    if (request_.probabilities) {
      const Index3& n = result.labels.geometry.size;
      const auto count = static_cast<std::int64_t>(result.class_probabilities.size() / result.labels.voxels.size());
      write_file_atomically(output(name + ".npz"), true, [&](const fs::path& temporary) {
        write_npz(temporary.string(), "probabilities", {count, n[2], n[1], n[0]}, result.class_probabilities);
      });
    }
    write_file_atomically(output(name + ending_), true,
                          [&](const fs::path& temporary) { write_volume_file(temporary.string(), result.labels); });
  }

  const PredictRequest& request_;
  const Job& job_;
  const UnpackedInput models_;
  const engine::ModelPackage package_;
  std::string ending_;
  std::vector<std::string> cases_;
};

}  // namespace

json predict_folder(const PredictRequest& request, const Job& job) { return Predictor(request, job).run(); }

}  // namespace oncotome::workflow
