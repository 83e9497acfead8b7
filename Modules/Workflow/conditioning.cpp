// SPDX-License-Identifier: Apache-2.0
#include "conditioning.h"

#include <cstdio>
#include <filesystem>

#include "channel_filters.h"

namespace oncotome::workflow {
namespace {

namespace fs = std::filesystem;
using engine::ModelPackage;
using engine::Preparation;

// Chosen values, not measured ones.
constexpr double kMostTurnDeg = 45;         // A head in a coil turns less.
constexpr double kMostShiftMm = 60;         // Within one frame of reference; between frames there is no limit.
constexpr double kLeastInformation = 0.08;  // Two scans of one head share several times as much.

std::string number(const char* format, double value) {
  char text[48];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

class Conditioner {
 public:
  Conditioner(const ModelPackage& package, StudyInputs& inputs, const ConditioningRequest& request, const Job& job)
      : package_(package), wanted_(package.preparation), inputs_(inputs), request_(request), job_(job) {}

  Conditioning run() {
    const bool brain_wanted = wanted_.extract_brain && !request_.has_mask;
    const bool brain_needed = brain_wanted && !is_stripped();
    // What cannot be done is told before the minutes are spent.
    const std::string folder = brain_needed ? brain_model_folder() : "";
    if (wanted_.register_tolerance_mm) register_channels();
    if (wanted_.bias_field) correct_bias_fields();
    if (brain_needed)
      extract_brain(folder);
    else if (brain_wanted)
      note("extract_brain", "not needed: the channels hold a brain alone");
    return std::move(out_);
  }

 private:
  const ChannelInput& reference() const { return inputs_.channels[package_.reference_channel]; }

  void note(const char* step, const std::string& text) { out_.steps.push_back({step, text}); }

  // The three steps' shares of the progress.
  Job part(const char* stage, double begin, double end) const {
    return Job(
        [this, stage, begin, end](std::string_view, double f) { job_.report(stage, begin + (end - begin) * f); });
  }

  void register_channels() {
    const auto count = static_cast<double>(inputs_.channels.size());
    for (std::size_t i = 0; i < inputs_.channels.size(); ++i) {
      ChannelInput& channel = inputs_.channels[i];
      if (&channel == &reference()) continue;
      const Job job = part("register", 0.5 * static_cast<double>(i) / count, 0.5 * static_cast<double>(i + 1) / count);
      const RigidMove move = register_channel(reference().volume, channel.volume, channel.other_frame,
                                              *wanted_.register_tolerance_mm, job);
      judge(channel, move);
    }
  }

  void judge(ChannelInput& channel, const RigidMove& move) {
    const std::string what = channel.name + " to " + reference().name + ": " + number("%.1f mm", move.displacement_mm) +
                             number(" and %.1f degrees", move.rotation_deg) +
                             number(", mutual information %.3f", move.information_before) +
                             number(" to %.3f", move.information_after);
    const bool better = move.information_after > move.information_before;
    if (!channel.other_frame && (!better || move.displacement_mm <= *wanted_.register_tolerance_mm)) {
      note("register", what + "; lies within " + number("%.1f mm", *wanted_.register_tolerance_mm) + ", left as it is");
      return;
    }
    const bool near = channel.other_frame || move.displacement_mm <= kMostShiftMm;
    if (!near || move.rotation_deg > kMostTurnDeg || move.information_after < kLeastInformation ||
        move.information_after < 0.98 * move.information_before)
      throw Error(ErrorCode::grid_mismatch,
                  "the registration of channel " + what +
                      ", cannot be believed; register the channels first and give them in one frame of reference");
    channel.volume.geometry = move.geometry;
    note("register", what + "; moved");
    out_.corrections.push_back("channel " + channel.name + " was registered to channel " + reference().name +
                               ": moved " + number("%.1f mm", move.displacement_mm) +
                               number(", turned %.1f degrees", move.rotation_deg));
    if (!channel.other_frame)
      out_.doubts.push_back("channel " + channel.name + " lay " + number("%.1f mm", move.displacement_mm) +
                            " off channel " + reference().name +
                            " though they name one frame of reference: the patient may have moved");
  }

  void correct_bias_fields() {
    const auto count = static_cast<double>(inputs_.channels.size());
    for (std::size_t i = 0; i < inputs_.channels.size(); ++i) {
      const Job job = part("bias field", 0.5 + 0.2 * static_cast<double>(i) / count,
                           0.5 + 0.2 * static_cast<double>(i + 1) / count);
      const double variation = correct_bias_field(inputs_.channels[i].volume, job);
      note("bias_field", inputs_.channels[i].name + number(": field varied by %.1f %%", 100 * variation));
    }
  }

  // Zeros all round something of a brain's size.
  bool is_stripped() const {
    const Volume<float>& volume = inputs_.channels[*wanted_.foreground].volume;
    std::size_t positive = 0, border = 0, border_positive = 0;
    const Index3& n = volume.geometry.size;
    for (std::int64_t z = 0; z < n[2]; ++z)
      for (std::int64_t y = 0; y < n[1]; ++y)
        for (std::int64_t x = 0; x < n[0]; ++x) {
          const bool is_positive = volume.at(x, y, z) > 0;
          positive += is_positive;
          if (x > 0 && y > 0 && x + 1 < n[0] && y + 1 < n[1]) continue;
          ++border;
          border_positive += is_positive;
        }
    const double ml = static_cast<double>(positive) * volume.geometry.voxel_volume_mm3() / 1000;
    return ml >= wanted_.foreground_volume_ml->first && ml <= wanted_.foreground_volume_ml->second &&
           border_positive * 50 <= border;
  }

  std::string brain_model_folder() const {
    if (!request_.brain_model_folder.empty()) return request_.brain_model_folder;
    const std::string& name = wanted_.extract_brain->model;
    std::error_code ec;
    const fs::path beside = fs::absolute(package_.folder, ec).lexically_normal() / ".." / name;
    if (fs::exists(beside / "model.json", ec)) return beside.lexically_normal().string();
    throw Error(ErrorCode::precondition_unmet,
                "the input is not skull-stripped, as the model needs it, and there is no package " + name +
                    " beside the model to do it: give a brain model, or a brain mask");
  }

  void extract_brain(const std::string& folder) {
    const engine::ModelPackage package = engine::read_model_package(folder);
    if (package.channels.size() != 1)
      throw Error(ErrorCode::model_unsupported, "the brain model takes more than one channel");
    const ChannelInput& channel = inputs_.channels[wanted_.extract_brain->channel];
    const Job job = part("extract brain", 0.7, 1);
    const auto model = engine::Model::load(package, request_.device, request_.threads, request_.precision);
    engine::Segmentation found =
        engine::segment(*model, {{channel.volume.geometry, channel.volume.voxels.data()}}, {}, job);
    std::size_t count = 0;
    for (std::uint8_t v : found.labels.voxels) count += v != 0;
    std::string text = channel.name + " by " + package.name + ": " +
                       number("%.0f ml", static_cast<double>(count) * found.labels.geometry.voxel_volume_mm3() / 1000) +
                       number(", %.1f %% of the volume",
                              100 * static_cast<double>(count) / static_cast<double>(found.labels.voxels.size()));
    for (const engine::StepNote& step : found.steps)
      if (step.step == "components") text += ", " + step.note;
    note("extract_brain", text);
    out_.corrections.push_back("skull and scalp were removed: brain found in channel " + text);
    out_.brain = std::move(found.labels);
  }

  const ModelPackage& package_;
  const Preparation& wanted_;
  StudyInputs& inputs_;
  const ConditioningRequest& request_;
  const Job& job_;
  Conditioning out_;
};

}  // namespace

Conditioning condition(const ModelPackage& package, StudyInputs& inputs, const ConditioningRequest& request,
                       const Job& job) {
  return Conditioner(package, inputs, request, job).run();
}

}  // namespace oncotome::workflow
