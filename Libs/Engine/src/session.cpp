// SPDX-License-Identifier: Apache-2.0
#include "oncotome/engine/session.h"
#include "oncotome/core/stopwatch.h"

#include <algorithm>
#include <cmath>

#include "images/segment_slices.h"
#include "monai/run.h"
#include "nnunet/session.h"
#include "oncotome/core/digest.h"
#include "oncotome/engine/calibration.h"
#include "oncotome/engine/inference.h"
#include "total_segmentator/session.h"

namespace oncotome::engine {
namespace {

ProbabilityMap restored(Probability probability, const Geometry& grid, const Geometry& reference) {
  const Volume<float> values = resample_linear({grid, probability.values.data()}, reference);
  ProbabilityMap out{std::move(probability.labels), LabelVolume(reference)};
  for (std::size_t i = 0; i < values.voxels.size(); ++i)
    out.values.voxels[i] = static_cast<std::uint8_t>(std::lround(255 * std::clamp(values.voxels[i], 0.0F, 1.0F)));
  return out;
}

// Of probabilities of each class but the background, which lie on another grid.
Volume<float> entropy_of(const std::vector<Probability>& classes, const Geometry& grid, const Geometry& reference) {
  std::vector<float> all(reference.voxel_count(), 1);
  for (const Probability& p : classes) {
    const Volume<float> here = resample_linear({grid, p.values.data()}, reference);
    for (std::size_t i = 0; i < here.voxels.size(); ++i) all[i] -= here.voxels[i];
    all.insert(all.end(), here.voxels.begin(), here.voxels.end());
  }
  Volume<float> out;
  out.geometry = reference;
  out.voxels = label_entropies(all, reference.voxel_count());
  return out;
}

// The graph of a TorchScript module, which takes and gives what the module does.
class LoweredModule : public Executable {
 public:
  LoweredModule(std::unique_ptr<Executable> graph, int dimensions)
      : graph_(std::move(graph)), axes_(2 + static_cast<std::size_t>(dimensions)) {}

  Tensor run(const Tensor& input, const Job& job) const override {
    if (input.shape.size() != axes_)
      throw Error(ErrorCode::backend_failed,
                  "the TorchScript module takes images of " + std::to_string(axes_ - 2) + " dimensions");
    if (axes_ == 5) return graph_->run(input, job);
    Tensor volume = input;
    volume.shape.insert(volume.shape.begin() + 2, 1);
    Tensor output = graph_->run(volume, job);
    output.shape.erase(output.shape.begin() + 2);
    return output;
  }

  ExecutionNotes notes() const override { return graph_->notes(); }

 private:
  const std::unique_ptr<Executable> graph_;
  const std::size_t axes_;
};

}  // namespace

bool gives_entropy(const ModelPackage& package) {
  if (const auto* nnunet = std::get_if<NnUnetInference>(&package.inference))
    return !nnunet->ensemble.front().plans.labels.has_regions();
  return package.tiled() != nullptr || std::holds_alternative<ImageInference>(package.inference);
}

std::shared_ptr<const Model> Model::load(ModelPackage package, Device device, int threads, Precision precision,
                                         bool dropout) {
  return load(
      std::move(package), [=] { return load_backend(device, threads, precision); }, dropout);
}

std::shared_ptr<const Model> Model::load(ModelPackage package,
                                         const std::function<std::shared_ptr<const Backend>()>& load_on, bool dropout) {
  auto model = std::make_shared<Model>();
  model->package_ = std::move(package);
  const ModelPackage& p = model->package_;
  // Weights are read and checked before the backend, which costs more, is loaded.
  const auto backend = [&]() -> const Backend& { return *(model->backend_ = load_on()); };
  const auto add = [&](const std::string& name, const Graph& graph, const Weights& weights) {
    const Backend& b = model->backend_ ? *model->backend_ : backend();
    model->networks_[name] = b.compile(graph, weights);
  };
  const auto add_script = [&] {
    const std::string path = checked_weights_path(p);
    const ScriptGraph script = backend().lower_script(path);
    auto& network = model->networks_["tile"];
    model->script_obstacle_ = script.obstacle;
    if (!script.obstacle.empty()) {
      network = model->backend_->load_script(path);
      return;
    }
    add("tile", script.graph, script.weights);
    network = std::make_unique<LoweredModule>(std::move(network), script.dimensions);
  };
  Sha256 digest;
  if (const auto* nnunet = std::get_if<NnUnetInference>(&p.inference)) {
    model->networks_ = nnunet::load_networks(*nnunet, backend(), digest);
    model->package_.weights_sha256 = hex(digest.finish());
  } else if (const auto* total = std::get_if<TotalSegmentatorInference>(&p.inference)) {
    model->networks_ = total_segmentator::load_networks(*total, backend(), digest);
    model->package_.weights_sha256 = hex(digest.finish());
  } else if (const auto* bundle = std::get_if<MonaiInference>(&p.inference)) {
    if (std::holds_alternative<monai::Script>(bundle->network.architecture)) {
      add_script();
    } else {
      Weights weights = monai::read_weights(checked_weights_path(p));
      add("tile", monai::build_network(bundle->network, weights), weights);
    }
  } else if (std::holds_alternative<ScriptInference>(p.inference)) {
    add_script();
  } else if (const auto* unet = std::get_if<UNetInference>(&p.inference)) {
    Weights weights = read_package_weights(p);
    fit_unet_weights(unet->network, weights);
    add("tile", build_unet(unet->network), weights);
  } else if (const auto* image = std::get_if<ImageInference>(&p.inference)) {
    Weights weights = read_package_weights(p);
    fit_network_weights(image->network, weights);
    const Graph network = build_network(image->network);
    std::vector<GraphPart> parts;
    if (dropout) parts = engine::dropout_parts(network, weights);
    const Graph graph = dropout ? parts[0].graph : inference_graph(network, weights);
    check_weights(graph, weights, image->network.in_channels);
    add("image", graph, weights);
    for (std::size_t part = 1; part < parts.size(); ++part)
      model->dropout_parts_.push_back({parts[part].probability, model->backend_->compile(parts[part].graph, weights)});
  } else if (const auto* meshnet = std::get_if<MeshNetInference>(&p.inference)) {
    Weights weights = read_package_weights(p);
    MeshNetConfig config = meshnet->network;
    fit_meshnet_weights(config, weights);
    add("meshnet", build_meshnet(config), weights);
  } else {
    std::map<std::string, Weights> parts;
    for (auto& [name, tensor] : read_package_weights(p)) {
      const std::size_t dot = name.find('.', name.find('.') + 1);
      if (dot == std::string::npos) throw Error(ErrorCode::weights_invalid, "'" + name + "' belongs to no network");
      parts[name.substr(0, dot)].emplace(name.substr(dot + 1), std::move(tensor));
    }
    for (const std::string_view region : {"whole", "core", "enhancing"})
      for (const char* plane : {"axial", "sagittal", "coronal"}) {
        const std::string name = std::string(region) + "." + plane;
        const Graph graph = build_msnet(region != "enhancing");
        check_weights(graph, parts[name], 4);
        add(name, graph, parts[name]);
      }
  }
  return model;
}

ExecutionNotes Model::notes() const {
  ExecutionNotes all;
  for (const auto& [name, network] : networks_) {
    const ExecutionNotes notes = network->notes();
    for (const auto& [kernel, count] : notes.kernels) all.kernels[kernel] += count;
    all.torch_nodes += notes.torch_nodes;
    if (notes.arena_bytes <= all.arena_bytes) continue;
    all.arena_bytes = notes.arena_bytes;
    all.live_bytes = notes.live_bytes;
  }
  return all;
}

Segmentation segment(const Model& model, const std::vector<ChannelView>& channels, const SegmentRequest& request,
                     const Job& job) {
  const ModelPackage& package = model.package();
  for (const ChannelView& channel : channels)
    if (channel.geometry.voxel_count() == 0) throw Error(ErrorCode::usage, "a channel has no voxels");
  if (request.entropy && !gives_entropy(package))
    throw Error(ErrorCode::usage, "this model does not tell the entropy of its labels");
  const auto* nnunet = std::get_if<NnUnetInference>(&package.inference);
  const auto* total = std::get_if<TotalSegmentatorInference>(&package.inference);
  if (nnunet != nullptr || total != nullptr) {
    if (request.mask != nullptr) throw Error(ErrorCode::usage, "this model has no use for a mask; leave it out");
    if (total != nullptr) return total_segmentator::segment(model, *total, channels, request, job);
    return nnunet::segment(model, *nnunet, channels, request, job);
  }
  if (std::holds_alternative<ImageInference>(package.inference)) {
    if (request.mask != nullptr) throw Error(ErrorCode::usage, "this model has no use for a mask; leave it out");
    return segment_slices(model, channels, request, job);
  }
  const auto add_note = [&](Segmentation& to) {
    if (const std::string& obstacle = model.script_obstacle(); !obstacle.empty())
      to.steps.push_back({"network", "the TorchScript module runs in LibTorch as it is, because of: " + obstacle});
  };
  if (std::holds_alternative<MonaiInference>(package.inference)) {
    Segmentation out = monai::run(model.network("tile"), package, channels, request, job);
    add_note(out);
    return out;
  }
  Stopwatch watch;
  Prepared prepared = prepare(package, channels, request.mask, request.seed, job);
  Segmentation out;
  out.timings_ms.emplace_back("prepare", watch.lap_ms());

  LabelVolume labels;
  std::vector<Probability> probabilities;
  labels.geometry = prepared.grid;
  if (const auto* tiles = package.tiled())
    labels.voxels = run_sliding_window(model, *tiles, prepared, job,
                                       request.probabilities || request.entropy ? &probabilities : nullptr);
  else if (const auto* meshnet = std::get_if<MeshNetInference>(&package.inference))
    labels.voxels = run_meshnet(model, *meshnet, prepared, job);
  else
    labels.voxels = run_msnet_cascade(model, std::get<MsnetCascadeInference>(package.inference), prepared, request.seed,
                                      job, request.probabilities ? &probabilities : nullptr);
  out.timings_ms.emplace_back("network", watch.lap_ms());

  out.labels = resample_nearest(labels, channels[package.reference_channel].geometry);
  if (request.entropy) out.entropy = entropy_of(probabilities, prepared.grid, out.labels.geometry);
  if (!request.probabilities) probabilities.clear();
  for (Probability& probability : probabilities)
    out.probabilities.push_back(
        restored(std::move(probability), prepared.grid, channels[package.reference_channel].geometry));
  out.steps = std::move(prepared.steps);
  add_note(out);
  out.corrections = std::move(prepared.corrections);
  out.doubts = std::move(prepared.doubts);
  out.timings_ms.emplace_back("restore", watch.lap_ms());
  return out;
}

}  // namespace oncotome::engine
