// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "oncotome/core/job.h"
#include "oncotome/core/lesion.h"
#include "oncotome/engine/graph.h"
#include "oncotome/engine/image_gate.h"
#include "oncotome/engine/networks.h"

namespace oncotome::engine {

class Model;
struct ModelPackage;

/// How an image becomes a network's input; training and inference do the same, in the order of the fields.
struct ImagePreparation {
  using Range = std::pair<double, double>;
  enum class Resize {
    squash,  ///< To the input's size, whatever that does to the aspect.
    pad,     ///< As large as fits with its aspect, centered; round it the outermost values go on.
  };
  std::optional<Range> rescale;      ///< Values that become 0 and 1; those beyond are clipped.
  std::optional<Range> percentiles;  ///< The same by quantiles, 0 to 1, of the image's own values.
  /// Margins are cut off: rows (columns, slices) from an edge on while less than 2 % of each lies above this value.
  std::optional<double> crop_above;
  Resize resize = Resize::squash;
  /// Share of a value's rank, 0 to 1, among those of its channel above 0.05; the rest is the value as it was. Faint
  /// contrasts between many voxels grow, whatever the scanner's scale.
  double equalize = 0;
  std::vector<double> mean, std;  ///< Per channel: (value - mean) / std.
};

/// model.json's "image", which a training configuration has too. Throws Error{model_invalid, model_unsupported}.
ImagePreparation read_image_preparation(const nlohmann::json& image, std::int64_t channels);

struct ImageBox {
  Dhw begin{}, size{};
};
/// Of [1,C,D,H,W].
Tensor cut(const Tensor& image, const ImageBox& box);
/// Where an image of `size` lies in the network's input.
ImageBox image_box(ImagePreparation::Resize resize, const Dhw& input_size, const Dhw& size);
/// What of a raw image [1,C,D,H,W] the network sees. Throws as prepare_image().
ImageBox image_window(const ImagePreparation& preparation, const Tensor& raw);

/// [1,C,D,H,W] on another grid over the same extent: linear between voxel centers, and where an axis shrinks, weighted
/// by a triangle of twice the step, which is the antialiasing of PIL and torchvision.
Tensor resize_image(const Tensor& image, const Dhw& size);

/// Raw values [1,C,D,H,W] to the network's input [1,C,`input_size`]. Throws Error{precondition_unmet} when the channels
/// are not those of the preparation or a value is not finite.
Tensor prepare_image(const ImagePreparation& preparation, const Dhw& input_size, const Tensor& raw);

/// How voxels get their labels.
enum class LabelDecision {
  most_probable,
  /// Lesion, whichever it is, where that lets Dice expect most (2 sum p / (voxels of the mask + sum of all p),
  /// arXiv:1402.1892) and its probability is 0.1 or more; then the most probable of the other labels. For
  /// images that show a lesion: of an unsure one more is outlined.
  expected_dice,
};

/// As model.json and training configurations spell it; throws Error{model_unsupported}.
LabelDecision read_label_decision(const std::string& name);

/// The output [D,H,W] that each voxel gets, of outputs' probabilities, or sums of them, [1,K,D,H,W]; 0 is background.
std::vector<std::uint8_t> decide_labels(const Tensor& sums, LabelDecision decision);

struct ClassLabel {
  std::string name;
  std::optional<Code> code;
};

/// A network that sees an image as a whole: a class of it, the label of each of its voxels, or both.
struct ImageInference {
  NetworkConfig network;
  ImagePreparation image;
  std::optional<ImagePreparation::Range> picture_range;  ///< Values of DICOM that a picture shows as 0 and 255.
  std::optional<double> crop_margin_mm;                  ///< Round a lesion; a 2-D network sees the slice without.
  std::vector<ClassLabel> classes;
  double temperature = 1;         ///< That logits are divided by (arXiv:1706.04599).
  std::vector<int> mirror_axes;   ///< Of D, H, W; every combination is averaged.
  std::optional<ImageGate> gate;  ///< Without: every image is answered.
  std::vector<std::uint8_t> class_labels;
  LabelDecision decision = LabelDecision::most_probable;
};

/// Values [1,C,D,H,W] in the network's input, back on the raw image's grid; where the network has not seen it, a value
/// per channel.
Tensor on_image_grid(const ImageInference& inference, const Tensor& in_network, const Tensor& raw,
                     const std::vector<float>& unseen);

struct Classification {
  std::vector<double> probabilities;  ///< Of the classes: the mean over members, their dropout samples and mirrored
                                      ///< images of softmax(logits / temperature).
  double entropy = 0;                 ///< Of these, in nats.
  std::optional<double> mutual_information;  ///< Of several members or samples: the entropy less the mean of theirs
                                             ///< (arXiv:1112.5745), in nats; 0 where all say the same.
  std::optional<double> mirror_spread;  ///< Of the most probable class's probability over mirrored images: standard
                                        ///< deviation, of several members the root of the mean square.
  std::optional<GateScores> scores;     ///< Of a model with a gate.
  std::string refusal;  ///< Why there is no answer: the image is not of the kind that the model knows. Else empty.

  /// The most probable class; none when refused, or where there are no classes.
  std::optional<std::size_t> best() const;
};

/// What networks say of one image.
struct ImageResult {
  Classification classification;
  std::vector<std::uint8_t> labels;    ///< [D,H,W] of the raw image; empty without a segmentation head.
  std::vector<float> label_entropies;  ///< Of the labels' mean probabilities, in nats, where they were asked for.
};

struct ImageOptions {
  int dropout_samples = 0;       ///< Above 0: so many answers with random dropouts are averaged (arXiv:1506.02142).
  std::uint64_t seed = 1;        ///< Of the dropouts, which are the same for every image.
  bool label_entropies = false;  ///< Of models that label voxels.
};

/// Models whose answers are averaged: they take the same raw images and know the same classes and labels.
using ImageEnsemble = std::vector<std::shared_ptr<const Model>>;

/// Throws Error{usage} for packages that cannot be an ensemble, for labels' entropies of those without labels, and for
/// dropout samples of networks without dropouts; the message says why.
void check_image_ensemble(const std::vector<const ModelPackage*>& packages, const ImageOptions& options);

/// Runs images [1,C,D,H,W] of any size, all in one batch, through models of ImageInference, which must have been loaded
/// as the options need. Labels come from the mean probability over members and mirrored images, brought back to each
/// image's size, as the first member decides; an image that any member's gate refuses is refused. Throws
/// Error{precondition_unmet, weights_invalid, backend_failed, out_of_memory, result_not_finite, cancelled}.
std::vector<ImageResult> run_images(const ImageEnsemble& models, const std::vector<Tensor>& raw,
                                    const ImageOptions& options, const Job& job);

/// The same of one model.
std::vector<ImageResult> run_images(const Model& model, const std::vector<Tensor>& raw, const Job& job);

/// The class of one image; throws the same.
Classification classify(const Model& model, const Tensor& raw, const Job& job);

/// Values of DICOM as a picture shows them, 0 to 255; unchanged without a range.
void show_as_picture(const std::optional<ImagePreparation::Range>& range, Tensor& raw);

}  // namespace oncotome::engine
