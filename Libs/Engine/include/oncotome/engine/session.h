// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "oncotome/engine/backend.h"
#include "oncotome/engine/preparation.h"

namespace oncotome::engine {

/// A package with its weights on a device. Immutable: any number of sessions may share one.
class Model {
 public:
  /// Throws what read_package_weights and load_backend throw. `threads` 0: one per core. `dropout`: a network of images
  /// is kept in parts, between which run_images() can drop values.
  static std::shared_ptr<const Model> load(ModelPackage package, Device device, int threads,
                                           Precision precision = Precision::f32, bool dropout = false);
  /// The same on the backend that `load_on` gives, once the weights are read.
  static std::shared_ptr<const Model> load(ModelPackage package,
                                           const std::function<std::shared_ptr<const Backend>()>& load_on,
                                           bool dropout = false);

  const ModelPackage& package() const { return package_; }
  const Backend& backend() const { return *backend_; }
  /// "tile" of a U-Net, a module or a bundle, "meshnet", "image", or "<region>.<plane>" of the cascade, such as
  /// "whole.axial".
  const Executable& network(const std::string& name) const { return *networks_.at(name); }
  /// A network of images that was loaded in parts: "image" goes on in these, each after a dropout of its probability.
  struct Part {
    double probability = 0;
    std::unique_ptr<Executable> network;
  };
  const std::vector<Part>& dropout_parts() const { return dropout_parts_; }
  /// Why a TorchScript module runs in LibTorch as it is; empty: it is none, or runs as a graph.
  const std::string& script_obstacle() const { return script_obstacle_; }
  /// How its networks were run so far, all together; memory is that of the one that needed the most.
  ExecutionNotes notes() const;

 private:
  ModelPackage package_;
  std::string script_obstacle_;
  std::shared_ptr<const Backend> backend_;
  std::map<std::string, std::unique_ptr<Executable>> networks_;
  std::vector<Part> dropout_parts_;
};

/// How probable the network holds a class, or a union of classes.
struct ProbabilityMap {
  std::vector<std::uint8_t> labels;
  LabelVolume values;  ///< On the grid of the reference channel: 0 to 255, which is certain.
};

/// A label's volume and mean intensity, as TotalSegmentator tells them: 0 for one that reaches the three outermost
/// voxels of the grid, which may not be all of it.
struct LabelStatistics {
  std::uint8_t label = 0;
  double volume_mm3 = 0, mean_intensity = 0;
  bool touches_border = false;
};

struct Segmentation {
  LabelVolume labels;                         ///< On the grid of the reference channel.
  std::vector<ProbabilityMap> probabilities;  ///< When they were asked for.
  std::vector<float> class_probabilities;     ///< [K,D,H,W] of an nnU-Net, when they were asked for.
  Volume<float> entropy;                      ///< Of the labels' probabilities, in nats, when it was asked for.
  std::vector<LabelStatistics> statistics;    ///< Of TotalSegmentator's tasks, in the order of the package's labels.
  std::vector<StepNote> steps;
  std::vector<std::string> corrections, doubts;
  std::vector<std::pair<std::string, double>> timings_ms;  ///< Per stage.
};

/// What goes into a segmentation besides the channels, and what is wanted of it.
struct SegmentRequest {
  const LabelVolume* mask = nullptr;      ///< Of the body part.
  const LabelVolume* previous = nullptr;  ///< Labels of an nnU-Net cascade's first stage.
  std::uint64_t seed = 0;                 ///< Of background noise.
  /// An nnU-Net's only: the arrays came from DICOM and are laid as ITK's reader does; else they lie as in the files
  /// that the network's training read.
  bool from_dicom = false;
  bool probabilities = false, class_probabilities = false, entropy = false;
};

/// Whether SegmentRequest::entropy may be asked of a model.
bool gives_entropy(const ModelPackage& package);

/// Segments one study: channels in the package's order. The same input, model, seed
/// and device give the same labels. Cancel takes effect within one tile. Throws Error{precondition_unmet,
/// backend_failed, out_of_memory, result_not_finite, cancelled}.
Segmentation segment(const Model& model, const std::vector<ChannelView>& channels, const SegmentRequest& request,
                     const Job& job);

}  // namespace oncotome::engine
