// SPDX-License-Identifier: Apache-2.0
#include "session.h"

#include <algorithm>
#include <cmath>

#include "oncotome/core/stopwatch.h"
#include "oncotome/engine/calibration.h"
#include "oncotome/engine/weight_file.h"
#include "postprocess.h"
#include "predict.h"

namespace oncotome::engine::nnunet {
namespace {

std::string stage_name(std::size_t member, std::size_t depth) {
  return std::to_string(member) + "." + std::to_string(depth);
}

void load_stage(const NnUnetStage& stage, const std::string& name, const Backend& backend, Sha256& digest,
                std::map<std::string, std::unique_ptr<Executable>>& networks) {
  const Graph graph = build_conv_unet(stage.configuration.network);
  for (std::size_t fold = 0; fold < stage.checkpoints.size(); ++fold) {
    Weights weights = WeightFile::open(stage.checkpoints[fold])->read_all("network_weights");
    fit_conv_unet_weights(stage.configuration.network, weights);
    check_weights(graph, weights, stage.configuration.network.in_channels);
    for (const auto& [key, tensor] : weights) {
      digest.update(key.data(), key.size());
      digest.update(tensor.values.data(), tensor.values.size() * sizeof(float));
    }
    networks[name + "/" + std::to_string(fold)] = backend.compile(graph, weights);
  }
}

/// One study on its way through the networks.
class Run {
 public:
  Run(const Model& model, const NnUnetInference& inference, const std::vector<ChannelView>& channels,
      const SegmentRequest& request, const Job& job, const std::string& prefix)
      : model_(model), inference_(inference), channels_(channels), request_(request), job_(job), prefix_(prefix) {}

  Segmentation run() {
    Stopwatch watch;
    const ModelPackage& package = model_.package();
    const std::size_t members = inference_.ensemble.size();
    check_inputs(package, channels_);
    Segmentation out;
    out.doubts = package.doubts;
    std::vector<float> sum;
    for (std::size_t m = 0; m < members; ++m) {
      first_ = static_cast<double>(m) / static_cast<double>(members);
      last_ = static_cast<double>(m + 1) / static_cast<double>(members);
      const bool wants = request_.probabilities || request_.class_probabilities || request_.entropy || members > 1;
      std::vector<float> probabilities;
      out.labels = stage(inference_.ensemble[m], m, 0, wants ? &probabilities : nullptr, out);
      if (sum.empty())
        sum = std::move(probabilities);
      else
        for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += probabilities[i];
    }
    if (members > 1) {
      for (float& value : sum) value /= static_cast<float>(members);
      out.labels.voxels = labels_of(sum, out.labels.voxels.size());
    }
    if (!inference_.postprocessing.empty()) {
      const Index3& n = out.labels.geometry.size;
      postprocess(inference_.postprocessing, {n[2], n[1], n[0]}, out.labels.voxels);
      out.steps.push_back({"post-process", "only the largest components are kept"});
    }
    if (request_.probabilities) keep_probabilities(sum, out);
    if (request_.entropy) {
      out.entropy.geometry = out.labels.geometry;
      out.entropy.voxels = label_entropies(sum, out.labels.voxels.size());
    }
    if (request_.class_probabilities) out.class_probabilities = std::move(sum);
    out.timings_ms.emplace_back("network", watch.lap_ms());
    return out;
  }

 private:
  // Arrays lie as the training's reader laid them.
  Geometry grid_of(const NnUnetStage& stage) const {
    const Geometry& given = channels_[model_.package().reference_channel].geometry;
    if (stage.plans.reorients) return oriented(given, {true, true, false});
    return request_.from_dicom ? oriented(given) : given;
  }

  LabelVolume stage(const NnUnetStage& stage, std::size_t member, std::size_t depth, std::vector<float>* probabilities,
                    Segmentation& out) {
    const Geometry& reference = channels_[model_.package().reference_channel].geometry;
    const double begin = first_, end = last_;
    LabelVolume previous;
    if (!stage.previous.empty()) {
      last_ = begin + 0.4 * (end - begin);
      previous = this->stage(stage.previous[0], member, depth + 1, nullptr, out);
      first_ = last_;
      last_ = end;
    } else if (!stage.configuration.previous_stage.empty()) {
      if (request_.previous == nullptr)
        throw Error(ErrorCode::usage, "the model takes the labels of the stage before it, which were not given");
      previous = *request_.previous;
    }
    const Geometry grid = grid_of(stage);
    if (!previous.voxels.empty()) previous = resample_nearest(previous, grid);
    Case input;
    {
      const Job preparing([this](std::string_view, double f) { tell(0.05 * f); });
      const Vec3& mm = grid.spacing_mm;
      input = preprocess(stage.plans, stage.configuration, image_on(grid, out), {mm[2], mm[1], mm[0]},
                         previous.voxels.empty() ? nullptr : &previous.voxels, preparing);
    }
    describe(stage, input, out);
    Prediction prediction;
    for (std::size_t fold = 0; fold < stage.checkpoints.size(); ++fold)
      prediction.folds.push_back(&model_.network(prefix_ + stage_name(member, depth) + "/" + std::to_string(fold)));
    prediction.mirror_axes = stage.mirror_axes;
    prediction.step = inference_.step;
    prediction.accumulators = inference_.half_accumulators ? Accumulators::reference : Accumulators::float32;
    const Job predicting([this](std::string_view, double f) { tell(0.05 + 0.95 * f); });
    const bool turned = !same_grid(grid, reference);
    LabelVolume labels(grid);
    labels.voxels =
        untransposed(stage.plans, input.shape,
                     predict_labels(prediction, stage.plans, stage.configuration, input, predicting, probabilities));
    if (probabilities != nullptr) {
      const std::size_t count = labels.voxels.size();
      for (std::size_t k = 0; k < probabilities->size() / count; ++k) {
        const auto from = probabilities->begin() + static_cast<std::ptrdiff_t>(k * count);
        Volume<float> map;
        map.geometry = grid;
        map.voxels =
            untransposed(stage.plans, input.shape, std::vector<float>(from, from + static_cast<std::ptrdiff_t>(count)));
        if (turned) map = resample_linear({grid, map.voxels.data()}, reference);
        std::copy(map.voxels.begin(), map.voxels.end(), from);
      }
    }
    return turned ? resample_nearest(labels, reference) : std::move(labels);
  }

  void tell(double fraction) const { job_.report("segment", first_ + (last_ - first_) * fraction); }

  // [C,z,y,x]; channels of another grid come to the reference channel's.
  Tensor image_on(const Geometry& grid, Segmentation& out) {
    const Geometry& reference = channels_[model_.package().reference_channel].geometry;
    Tensor image({static_cast<std::int64_t>(channels_.size()), grid.size[2], grid.size[1], grid.size[0]});
    auto to = image.values.begin();
    for (std::size_t c = 0; c < channels_.size(); ++c) {
      const ChannelView& channel = channels_[c];
      const std::string text = resampled_note(model_.package(), c);
      if (!same_grid(channel.geometry, reference) &&
          std::find(out.corrections.begin(), out.corrections.end(), text) == out.corrections.end())
        out.corrections.push_back(text);
      if (same_grid(channel.geometry, grid)) {
        to = std::copy_n(channel.voxels, grid.voxel_count(), to);
      } else {
        const Volume<float> turned = resample_cubic(channel, grid);
        to = std::copy(turned.voxels.begin(), turned.voxels.end(), to);
      }
    }
    return image;
  }

  static void describe(const NnUnetStage& stage, const Case& input, Segmentation& out) {
    const auto triple = [](const auto& v) {
      std::string text;
      for (const auto& x : v) {
        char part[32];
        std::snprintf(part, sizeof part, "%s%.5g", text.empty() ? "" : " x ", static_cast<double>(x));
        text += part;
      }
      return text;
    };
    const auto& shape = input.data.shape;
    out.steps.push_back({"crop", "to " + triple(input.crop_size) + " of " + triple(input.shape) + " voxels"});
    out.steps.push_back({"resample", "to " + triple(Dhw{shape[1], shape[2], shape[3]}) + " voxels of " +
                                         triple(input.target_spacing_mm) + " mm, normalized, for " +
                                         stage.configuration.name + ", " + std::to_string(stage.checkpoints.size()) +
                                         (stage.checkpoints.size() == 1 ? " fold" : " folds") +
                                         (stage.mirror_axes.empty() ? "" : ", mirrored")});
  }

  // From array order after transpose_forward to the image's.
  template <class T>
  static std::vector<T> untransposed(const Plans& plans, const Dhw& shape, std::vector<T> in) {
    if (plans.transpose_backward == std::array<std::size_t, 3>{0, 1, 2}) return in;
    const Dhw stride{shape[1] * shape[2], shape[2], 1};
    const auto& back = plans.transpose_backward;
    std::vector<T> out;
    out.reserve(in.size());
    for (std::int64_t z = 0; z < shape[back[0]]; ++z)
      for (std::int64_t y = 0; y < shape[back[1]]; ++y)
        for (std::int64_t x = 0; x < shape[back[2]]; ++x)
          out.push_back(in[static_cast<std::size_t>(z * stride[back[0]] + y * stride[back[1]] + x * stride[back[2]])]);
    return out;
  }

  const Labels& table() const { return inference_.ensemble.front().plans.labels; }

  // Greatest probability, or for regions what the last one above one half sets.
  std::vector<std::uint8_t> labels_of(const std::vector<float>& probabilities, std::size_t count) const {
    const std::vector<std::uint8_t> classes = table().classes();
    std::vector<std::uint8_t> out(count);
    for (std::size_t i = 0; i < count; ++i) {
      std::size_t best = 0;
      for (std::size_t k = 0; k < classes.size(); ++k) {
        const float p = probabilities[k * count + i];
        if (table().has_regions()) {
          if (p > 0.5F) out[i] = classes[k];
        } else if (p > probabilities[best * count + i]) {
          best = k;
        }
      }
      if (!table().has_regions()) out[i] = classes[best];
    }
    return out;
  }

  void keep_probabilities(const std::vector<float>& probabilities, Segmentation& out) const {
    const std::size_t count = out.labels.voxels.size();
    const std::vector<std::uint8_t> classes = table().classes();
    const std::vector<LabelEntry> regions = table().has_regions() ? table().regions() : std::vector<LabelEntry>{};
    for (std::size_t k = 0; k < classes.size(); ++k) {
      if (classes[k] == 0) continue;
      // A region holds its own class and those drawn over it.
      std::vector<std::uint8_t> held;
      if (regions.empty())
        held.push_back(classes[k]);
      else
        for (const int value : regions.at(k).values) held.push_back(static_cast<std::uint8_t>(value));
      ProbabilityMap map{held, LabelVolume(out.labels.geometry)};
      for (std::size_t i = 0; i < count; ++i)
        map.values.voxels[i] =
            static_cast<std::uint8_t>(std::lround(255 * std::clamp(probabilities[k * count + i], 0.0F, 1.0F)));
      out.probabilities.push_back(std::move(map));
    }
  }

  const Model& model_;
  const NnUnetInference& inference_;
  const std::vector<ChannelView>& channels_;
  const SegmentRequest& request_;
  const Job& job_;
  const std::string& prefix_;
  double first_ = 0, last_ = 1;
};

}  // namespace

std::map<std::string, std::unique_ptr<Executable>> load_networks(const NnUnetInference& inference,
                                                                 const Backend& backend, Sha256& digest,
                                                                 const std::string& prefix) {
  std::map<std::string, std::unique_ptr<Executable>> networks;
  for (std::size_t m = 0; m < inference.ensemble.size(); ++m) {
    std::size_t depth = 0;
    for (const NnUnetStage* stage = &inference.ensemble[m]; stage != nullptr;
         stage = stage->previous.empty() ? nullptr : &stage->previous[0])
      load_stage(*stage, prefix + stage_name(m, depth++), backend, digest, networks);
  }
  return networks;
}

Segmentation segment(const Model& model, const NnUnetInference& inference, const std::vector<ChannelView>& channels,
                     const SegmentRequest& request, const Job& job, const std::string& prefix) {
  return Run(model, inference, channels, request, job, prefix).run();
}

}  // namespace oncotome::engine::nnunet
