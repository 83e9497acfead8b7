// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "oncotome/core/lesion.h"
#include "oncotome/engine/classification.h"
#include "oncotome/engine/monai.h"
#include "oncotome/engine/networks.h"
#include "oncotome/engine/nnunet.h"

namespace oncotome::engine {

/// What a series tells of itself; decides which channel of a model it can be.
struct SeriesTraits {
  std::string modality;
  std::string description;
  bool contrast = false;
  std::optional<double> repetition_time_ms, echo_time_ms, inversion_time_ms;
};

/// All given conditions must hold. Descriptions are ECMAScript regular expressions that ignore case and match anywhere.
struct ChannelRule {
  using Range = std::pair<double, double>;
  std::string description, not_description;
  std::optional<bool> contrast;
  std::optional<Range> repetition_time_ms, echo_time_ms, inversion_time_ms;
  bool without_inversion_time = false;

  bool matches(const SeriesTraits& traits) const;
  /// The conditions in words, for the report.
  std::string text() const;
};

/// An input channel: its name, and how to find it; rules are tried in order.
struct ChannelSpec {
  std::string name;
  std::vector<std::string> aliases;
  std::vector<ChannelRule> rules;

  /// Compares name and aliases, ignoring case.
  bool is_called(const std::string& other) const;
};

/// What is done to the channels before the network, in this order. prepare() does it from `conform` on; what is before
/// moves or masks whole channels and is the caller's.
struct Preparation {
  /// A cube of the patient's axes round the volume's center, as FreeSurfer conforms: x to anterior, y to inferior, z to
  /// left.
  struct Conform {
    std::int64_t size = 256;
    double spacing_mm = 1;
  };
  /// Values to 0..1 between two quantiles of the channel.
  struct Rescale {
    double low = 0, high = 1;
    bool clip = false;
  };
  /// By another package, when what is above zero has not the volume that the foreground must have.
  struct ExtractBrain {
    std::string model;        ///< Name of the package.
    std::size_t channel = 0;  ///< That the brain is found in.
  };
  std::optional<double> register_tolerance_mm;  ///< Channels that lie further from the reference channel are moved.
  bool bias_field = false;                      ///< N4 (doi 10.1109/TMI.2010.2046908).
  std::optional<ExtractBrain> extract_brain;
  std::optional<Conform> conform;
  bool orient = false;                      ///< To index axes along L, P, S.
  std::optional<Vec3> resample_spacing_mm;  ///< Linear; labels come back by nearest neighbor.
  std::optional<std::size_t> foreground;    ///< Channel whose voxels > 0 are the foreground, unless a mask is given.
  std::optional<std::pair<double, double>> foreground_volume_ml;  ///< Outside of it the input is refused.
  std::optional<std::int64_t> crop_margin;                        ///< Voxels round the foreground's bounding box.
  enum class Statistics {
    none,
    foreground,
    channel
  } zscore = Statistics::none;  ///< Voxels that mean and deviation are taken over.
  std::optional<Rescale> rescale;
  bool noise_background = false;  ///< Background gets N(0,1) noise, seeded, instead of zeros.
};

struct TiledInference {
  Dhw patch_size{};
  double overlap = 0.5;  ///< Of neighboring patches, 0 to 0.9.
  std::vector<std::uint8_t> class_labels;
};

struct UNetInference : TiledInference {
  UNetConfig network;
};

/// A TorchScript module, the package's weights file: [1,C,D,H,W] to logits [1,K,D,H,W].
struct ScriptInference : TiledInference {};

/// Whole tumor, tumor core, enhancing core, each averaged over three planes (arXiv:1709.00382).
struct MsnetCascadeInference {
  std::int64_t slab_depth = 19;
  std::int64_t batch_size = 5;  ///< Slabs that share their normalization statistics, as in the authors' inference.
  std::int64_t min_component_voxels = 2000;
  std::int64_t box_margin = 5;
};

/// One pass over the box round the head.
struct MeshNetInference {
  MeshNetConfig network;
  std::vector<std::uint8_t> class_labels;
  double crop_above = 0;           ///< The box holds every prepared value above this,
  std::int64_t crop_margin = 0;    ///< and this many voxels round them.
  bool largest_component = false;  ///< Only the largest component of all labels is kept.
};

/// One trained configuration of an nnU-Net results folder.
struct NnUnetStage {
  nnunet::Plans plans;
  nnunet::Configuration configuration;
  std::vector<std::string> checkpoints;  ///< Paths, one per fold; their logits are averaged.
  std::vector<int> mirror_axes;          ///< Of the patch's axes D, H, W; empty: predicts once.
  std::vector<NnUnetStage> previous;     ///< None, or the one whose labels go in too, unless these are given.
};

struct NnUnetInference {
  std::vector<NnUnetStage> ensemble;  ///< Of several, the probabilities are averaged.
  double step = 0.5;                  ///< Of the patch, from one tile to the next.
  std::vector<nnunet::KeepLargest> postprocessing;
  bool half_accumulators = true;  ///< Tiles are summed as halves, as nnU-Net does.
};

/// A task of TotalSegmentator v2 (doi 10.1148/ryai.230024): nnU-Nets on one coarse grid along R, A, S.
struct TotalSegmentatorInference {
  struct Part {
    NnUnetInference model;
    std::vector<std::uint8_t> labels;  ///< The task's, by the part's own; what is not listed is background.
  };
  std::string task;
  std::vector<Part> parts;                        ///< Where several find something, the last one is right.
  std::optional<Vec3> spacing_mm;                 ///< Of the coarse grid; the image's own without.
  std::int64_t slab_voxels = 512 * 512 * 900;     ///< Larger grids are run as three slabs, where there are parts.
  std::vector<std::uint8_t> largest_only;         ///< Labels that are one piece.
  std::map<std::uint8_t, double> min_volume_mm3;  ///< What of a label is not larger is removed.
  bool coarse_statistics = false;                 ///< Statistics are of the coarse grid, not of the image's.
  std::vector<TotalSegmentatorInference> crop;    ///< None, or the one that finds what the task is run round.
  std::vector<std::uint8_t> crop_labels;          ///< Of `crop`.
  Vec3 crop_margin_mm{};
};

/// A union of labels that has a name of its own, such as the tumor core; Dice is told for it.
struct Region {
  std::string name;
  std::vector<std::uint8_t> labels;
};

/// A model: a folder with model.json (schema oncotome.model/1) and a safetensors file, a results folder of nnU-Net v2,
/// TotalSegmentator's folder of such, or a MONAI bundle.
struct ModelPackage {
  std::string folder;
  std::string name, title, version, intended_use, license, origin;
  std::string weights_file;
  std::string weights_sha256;  ///< Of the file; of an nnU-Net, of the tensors of its networks, once they are loaded.
  std::string modality;
  Code region;
  std::size_t reference_channel = 0;  ///< Results lie on its grid.
  std::size_t display_channel = 0;    ///< Pictures show it.
  std::vector<ChannelSpec> channels;
  Preparation preparation;
  std::variant<UNetInference, MsnetCascadeInference, MeshNetInference, ScriptInference, MonaiInference, NnUnetInference,
               TotalSegmentatorInference, ImageInference>
      inference;
  std::vector<std::string> doubts;  ///< About the package itself, for the report.
  std::vector<Label> labels;
  std::vector<Region> regions;
  double lesion_min_volume_mm3 = 0;

  /// Of what runs by sliding window; null where it does not.
  const TiledInference* tiled() const;
  /// Position of the channel with this name or alias; throws Error{usage} that lists the names.
  std::size_t channel_index(const std::string& name) const;
};

/// What its user may ask of an nnU-Net, or of several as TotalSegmentator has them.
struct ModelOptions {
  std::vector<std::string> folds;  ///< Such as "0" or "all"; empty: every one that is there.
  std::string checkpoint = "checkpoint_final.pth";
  std::string configuration;  ///< Where the folder holds several, such as "3d_fullres"; a task of TotalSegmentator.
  bool mirroring = true;
  std::optional<double> step;  ///< Of the patch, 0.01 to 1; else 0.5, or what TotalSegmentator takes for its task.
  bool half_accumulators = true;
  double min_volume_mm3 = 0;           ///< Of TotalSegmentator: what is not larger is removed.
  std::string postprocessing;          ///< Path of nnU-Net's postprocessing.json; empty: none.
  bool previous_labels_given = false;  ///< Of a cascade: its first stage is not run.

  bool is_default() const;
};

/// Of a package for images; throws Error{usage} for others.
const ImageInference& image_inference(const ModelPackage& package);

/// Reads and checks what a model says of itself, not the weights. Throws Error{model_not_found, model_invalid,
/// model_unsupported, usage}.
ModelPackage read_model_package(const std::string& folder, const ModelOptions& options = {});

/// Several nnU-Nets of the same channels and labels as one, whose probabilities are averaged. Throws the same.
ModelPackage read_model_ensemble(const std::vector<std::string>& folders, const ModelOptions& options);

/// A package from the text of a model.json that lies in `folder`.
ModelPackage parse_model_package(const std::string& text, const std::string& folder);

/// Reads the weights and checks their SHA-256. Throws Error{weights_invalid, weights_checksum, input_unreadable}.
Weights read_package_weights(const ModelPackage& package);

/// Path of a weights file that others read; its SHA-256 is checked. Throws the same.
std::string checked_weights_path(const ModelPackage& package);

}  // namespace oncotome::engine
