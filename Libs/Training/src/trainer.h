// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "checkpoint.h"
#include "images.h"
#include "losses.h"
#include "metrics.h"
#include "oncotome/core/json.h"
#include "optimizer.h"

namespace oncotome::training {

/// Trains a network epoch by epoch, keeps the best weights by the validation part, and a checkpoint in a folder.
class Trainer {
 public:
  /// Throws Error{weights_invalid} for a checkpoint that is damaged or of another network, Error{usage} for one of
  /// other data.
  Trainer(const Config& config, const Samples& samples, const Images& images, const Request& request, const Job& job,
          std::filesystem::path folder);

  /// Until the last epoch, or until no epoch of `patience` was better; the network has the best weights then.
  /// Throws Error{result_not_finite, cancelled}, after which the last checkpoint stays.
  void run();

  /// After run(): `refit_epochs` more from the best weights on, with the images of the validation part as well and the
  /// learning rate's schedule anew. The network has the last weights then (or their average).
  void refit();

  /// What the network says of a part's images.
  std::vector<Answer> answers(Part part);
  /// Values by name, as model packages have them: without the heads of deep supervision.
  engine::Weights weights() const;
  /// One line per epoch, and the number of the best one, from 1.
  const std::vector<nlohmann::json>& history() const { return history_; }
  int best_epoch() const { return best_epoch_; }
  std::int64_t parameter_count() const;

 private:
  struct Batch {
    at::Tensor images;  ///< [N,C,D,H,W]
    Targets targets;
  };
  Batch load(const std::vector<std::size_t>& indices, std::optional<int> augmented_for_epoch) const;
  at::Tensor loss_of(const Batch& batch, const std::vector<at::Tensor>& logits) const;
  bool refitting() const { return refit_from_ > 0; }
  void train_epoch();
  void train_step(const std::vector<std::size_t>& indices);
  void finish_epoch();
  std::vector<Answer> judge(const std::vector<std::size_t>& indices, double& loss);
  void swap_in_average();
  static double now();  ///< Seconds since some moment.
  void save(bool always);
  void restore();
  void restore(const Checkpoint& c);
  [[noreturn]] void diverged(const char* what) const;

  const Config& config_;
  const Samples& samples_;
  const Images& images_;
  const Request& request_;
  const Job& job_;
  const std::filesystem::path folder_;
  std::unique_ptr<Network> network_;
  std::unique_ptr<Optimizer> optimizer_;
  const Compute compute_;
  at::Tensor class_weights_;
  Tensors average_, best_;
  Tensors refitted_;  ///< Of a refit that goes on from a checkpoint.
  std::vector<nlohmann::json> history_;
  int epoch_ = 0, best_epoch_ = 0;  ///< Done; and the best, from 1.
  std::int64_t step_ = 0;           ///< Of the epoch.
  int refit_from_ = 0;              ///< Epochs that were done before the refit; 0: it has not begun.
  double best_score_ = 0, loss_sum_ = 0, images_seen_ = 0, seconds_ = 0, rate_ = 0;
  double saved_at_ = 0;
};

/// Weights to begin with: initial ones, and those of a file where names and shapes fit; what does not (a head of
/// another size) is told to `log`. Throws Error{weights_invalid} where nothing fits, and what WeightFile throws.
engine::Weights starting_weights(const Config& config, const std::function<void(const std::string&)>& log);

}  // namespace oncotome::training
