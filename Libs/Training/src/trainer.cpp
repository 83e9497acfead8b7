// SPDX-License-Identifier: Apache-2.0
#include "trainer.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

#include "oncotome/core/axes.h"
#include "oncotome/core/draws.h"
#include "oncotome/core/error.h"
#include "oncotome/torch/device.h"

namespace oncotome::training {
namespace {

using at::Tensor;
using nlohmann::json;

// Moments of weights that learn no more decay to denormal numbers, which cost a hundred times as much: zeros here.
class NoDenormals {
 public:
  NoDenormals() { set(true); }
  ~NoDenormals() { set(false); }
  NoDenormals(const NoDenormals&) = delete;
  NoDenormals& operator=(const NoDenormals&) = delete;

 private:
  static void set(bool flush) {
    at::parallel_for(0, at::get_num_threads(), 1,
                     [&](std::int64_t, std::int64_t) { at::globalContext().setFlushDenormal(flush); });
  }
};

json finite(double value) { return std::isfinite(value) ? json(value) : json(nullptr); }

// What the validation is measured by: the mean of Dice and accuracy, whichever there are; equal ones by the loss.
double score(double dice, double right, double loss) {
  const double whole = !std::isfinite(dice) ? right : !std::isfinite(right) ? dice : (dice + right) / 2;
  return whole - 1e-6 * loss;
}

Tensors copied(const Tensors& values) {
  Tensors out;
  for (const auto& [name, value] : values) out[name] = value.detach().clone();
  return out;
}

Tensor labels_of(const Tensor& logits, engine::LabelDecision decision) {
  const Tensor p = at::softmax(logits, 0).cpu().contiguous();
  engine::Tensor probabilities({1, p.size(0), 1, 1, p.numel() / p.size(0)});
  std::copy_n(p.data_ptr<float>(), p.numel(), probabilities.values.begin());
  const std::vector<std::uint8_t> labels = engine::decide_labels(probabilities, decision);
  return at::tensor(at::ArrayRef<std::uint8_t>(labels), at::kLong).view(p.sizes().slice(1));
}

Answer answer_of(const Sample& sample, const std::vector<Tensor>& logits, const Targets& targets, std::int64_t n,
                 engine::LabelDecision decision) {
  Answer answer;
  answer.label = sample.label;
  answer.group = sample.group;
  if (targets.classes.defined()) {
    const Tensor row = logits.back()[n].flatten().cpu().to(at::kDouble).contiguous();
    answer.logits.assign(row.data_ptr<double>(), row.data_ptr<double>() + row.numel());
  }
  if (targets.masks.defined() && !sample.mask.empty()) {
    const Tensor truth = targets.masks[n].cpu(), found = labels_of(logits.front()[n], decision);
    for (std::int64_t k = 1; k < logits.front().size(axes::C); ++k) {
      answer.truth.push_back((truth == k).sum().item<std::int64_t>());
      answer.found.push_back((found == k).sum().item<std::int64_t>());
      answer.both.push_back(((truth == k) & (found == k)).sum().item<std::int64_t>());
    }
  }
  return answer;
}

Tensor class_weights_of(const Config& config, const Samples& samples) {
  std::vector<double> weights = config.loss.class_weights;
  const std::size_t K = samples.classes.size();
  if (config.loss.balanced) {
    weights.assign(K, 0);
    double known = 0;
    for (const std::size_t i : samples.of(Part::train))
      if (const int label = samples.all[i].label; label >= 0) ++weights[static_cast<std::size_t>(label)], ++known;
    for (double& w : weights) w = known / (static_cast<double>(K) * w);
  }
  if (weights.empty()) return {};
  if (weights.size() != K)
    throw Error(ErrorCode::usage, "the configuration's \"loss.class_weights\" must have one weight per class");
  return at::tensor(weights, at::kFloat);
}

}  // namespace

double Trainer::now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

Trainer::Trainer(const Config& config, const Samples& samples, const Images& images, const Request& request,
                 const Job& job, std::filesystem::path folder)
    : config_(config),
      samples_(samples),
      images_(images),
      request_(request),
      job_(job),
      folder_(std::move(folder)),
      compute_{torch_backend::device_of(request.device), request.precision == engine::Precision::bf16},
      class_weights_(class_weights_of(config, samples)) {
  if (class_weights_.defined()) class_weights_ = class_weights_.to(compute_.device);
  network_ = std::make_unique<Network>(engine::build_network(config.network), starting_weights(config, request.log),
                                       config.network.dimensions, config.frozen, compute_);
  if (network_->parameters().empty())
    throw Error(ErrorCode::usage, "the configuration's \"initial.frozen\" leaves nothing to learn");
  optimizer_ = std::make_unique<Optimizer>(config.optimizer, network_->parameters());
  if (config_.optimizer.average > 0) average_ = copied(network_->values());
  std::error_code ec;
  if (std::filesystem::exists(folder_ / "checkpoint.safetensors", ec)) restore();
  saved_at_ = now();
}

Trainer::Batch Trainer::load(const std::vector<std::size_t>& indices, std::optional<int> epoch) const {
  const auto count = static_cast<std::int64_t>(indices.size());
  const engine::Dhw& size = config_.network.input_size;
  const std::int64_t voxels = size[0] * size[1] * size[2], values = voxels * config_.network.in_channels;
  Batch batch;
  batch.images = at::empty({count, config_.network.in_channels, size[0], size[1], size[2]}, at::kFloat);
  if (config_.network.labels > 0)
    batch.targets.masks = at::full({count, size[0], size[1], size[2]}, kUnknown, at::kLong);
  if (config_.network.classes > 0) batch.targets.classes = at::full({count}, kUnknown, at::kLong);
  float* const to = batch.images.data_ptr<float>();
  // On the threads that compute the step: those of another pool would find them spinning on their cores.
  at::parallel_for(0, count, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t n = begin; n < end; ++n) {
      const std::size_t index = indices[static_cast<std::size_t>(n)];
      const Example example = epoch ? images_.augmented(index, *epoch) : images_.plain(index);
      std::copy(example.image.values.begin(), example.image.values.end(), to + n * values);
      if (!example.mask.empty())
        std::copy(example.mask.begin(), example.mask.end(), batch.targets.masks.data_ptr<std::int64_t>() + n * voxels);
      const int label = samples_.all[index].label;
      if (config_.network.classes > 0 && label >= 0) batch.targets.classes.data_ptr<std::int64_t>()[n] = label;
    }
  });
  for (Tensor* t : {&batch.images, &batch.targets.masks, &batch.targets.classes})
    if (t->defined()) *t = t->to(compute_.device);
  return batch;
}

Tensor Trainer::loss_of(const Batch& batch, const std::vector<Tensor>& logits) const {
  return total_loss(logits, batch.targets, config_.loss, class_weights_);
}

void Trainer::diverged(const char* what) const {
  throw Error(ErrorCode::result_not_finite,
              std::string(what) + " is not finite in epoch " + std::to_string(epoch_ + 1) + ", step " +
                  std::to_string(step_ + 1) +
                  "; lower the learning rate or set clip_norm, and go on from the last checkpoint with --resume");
}

void Trainer::train_step(const std::vector<std::size_t>& indices) {
  Batch batch = load(indices, epoch_);
  const NoDenormals flushed;
  const auto place = {static_cast<std::uint64_t>(epoch_), static_cast<std::uint64_t>(step_)};
  double share = 1;
  Targets others;
  if (config_.augmentation.mixup > 0) {
    share = Draws(config_.seed, Purpose::mixup, place).beta(config_.augmentation.mixup);
    batch.images = batch.images * share + batch.images.flip(0) * (1 - share);
    if (batch.targets.classes.defined()) others.classes = batch.targets.classes.flip(0);
    if (batch.targets.masks.defined()) others.masks = batch.targets.masks.flip(0);
  }
  const std::vector<Tensor> logits =
      network_->forward(batch.images, Draws(config_.seed, Purpose::dropout, place).next());
  Tensor loss = loss_of(batch, logits);
  if (share < 1) loss = loss * share + total_loss(logits, others, config_.loss, class_weights_) * (1 - share);
  const double value = loss.item<double>();
  if (!std::isfinite(value)) diverged("the loss");
  loss.backward();
  if (!std::isfinite(optimizer_->step(rate_))) diverged("the gradient");
  if (!average_.empty()) {
    const at::NoGradGuard guard;
    const auto steps = static_cast<double>(optimizer_->steps);
    const double decay = std::min(config_.optimizer.average, (1 + steps) / (10 + steps));
    for (auto& [name, value_of] : average_) value_of.lerp_(network_->values().at(name).detach(), 1 - decay);
  }
  const auto count = static_cast<double>(indices.size());
  loss_sum_ += value * count;
  images_seen_ += count;
}

void Trainer::train_epoch() {
  std::vector<std::size_t> part = samples_.of(Part::train);
  if (refitting()) {
    const std::vector<std::size_t> others = samples_.of(Part::validation);
    part.insert(part.end(), others.begin(), others.end());
  }
  const auto order = Draws(config_.seed, Purpose::order, {static_cast<std::uint64_t>(epoch_)}).order(part.size());
  const std::size_t batches =
      (part.size() + static_cast<std::size_t>(config_.batch_size) - 1) / static_cast<std::size_t>(config_.batch_size);
  while (step_ < static_cast<std::int64_t>(batches)) {
    const auto b = static_cast<std::size_t>(step_);
    const double fraction = static_cast<double>(b) / static_cast<double>(batches);
    try {
      job_.report("training", (epoch_ + fraction) / (config_.epochs + config_.refit_epochs));
    } catch (const Error&) {
      save(true);
      throw;
    }
    rate_ = config_.optimizer.learning_rate *
            (refitting() ? schedule(config_.schedule, epoch_ - refit_from_ + fraction, config_.refit_epochs)
                         : schedule(config_.schedule, epoch_ + fraction, config_.epochs));
    std::vector<std::size_t> indices;
    for (std::size_t i = b * part.size() / batches; i < (b + 1) * part.size() / batches; ++i)
      indices.push_back(part[order[i]]);
    const double begin = now();
    train_step(indices);
    seconds_ += now() - begin;
    ++step_;
    save(false);
  }
}

std::vector<Answer> Trainer::judge(const std::vector<std::size_t>& indices, double& loss) {
  const engine::LabelDecision decision = engine::read_label_decision(config_.label_decision);
  std::vector<Answer> out;
  loss = 0;
  const auto at_once = static_cast<std::size_t>(config_.batch_size);
  for (std::size_t begin = 0; begin < indices.size(); begin += at_once) {
    job_.check();
    const std::vector<std::size_t> some(
        indices.begin() + static_cast<std::ptrdiff_t>(begin),
        indices.begin() + static_cast<std::ptrdiff_t>(std::min(indices.size(), begin + at_once)));
    const Batch batch = load(some, std::nullopt);
    const NoDenormals flushed;
    const at::NoGradGuard guard;
    const std::vector<Tensor> logits = network_->forward(batch.images, std::nullopt);
    loss += loss_of(batch, logits).item<double>() * static_cast<double>(some.size());
    for (std::size_t n = 0; n < some.size(); ++n)
      out.push_back(answer_of(samples_.all[some[n]], logits, batch.targets, static_cast<std::int64_t>(n), decision));
  }
  loss /= static_cast<double>(indices.size());
  return out;
}

std::vector<Answer> Trainer::answers(Part part) {
  double loss = 0;
  return judge(samples_.of(part), loss);
}

// Exchanges the network's values and their average; twice is none.
void Trainer::swap_in_average() {
  if (average_.empty()) return;
  const Tensors current = copied(network_->values());
  copy_into(average_, network_->values());
  average_ = current;
}

void Trainer::finish_epoch() {
  constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();
  double loss = kNothing, dice = kNothing, right = kNothing;
  Answers all;
  std::vector<Answer> found;
  if (!refitting()) {
    swap_in_average();
    found = judge(samples_.of(Part::validation), loss);
    for (const Answer& a : found) all.push_back(&a);
    if (!std::isfinite(loss)) diverged("the validation's loss");
    dice = mean_dice(all);
    right = accuracy(all);
    const double reached = score(dice, right, loss);
    if (best_epoch_ == 0 || reached > best_score_) {
      best_epoch_ = epoch_ + 1;
      best_score_ = reached;
      best_ = copied(network_->values());
    }
    swap_in_average();
  }
  ++epoch_;
  const double speed = images_seen_ / std::max(1e-9, seconds_);
  history_.push_back({{"epoch", epoch_},
                      {"learning_rate", rate_},
                      {"train_loss", loss_sum_ / images_seen_},
                      {"validation_loss", finite(loss)},
                      {"accuracy", finite(right)},
                      {"auc", finite(auc(all))},
                      {"dice", finite(dice)},
                      {"images_per_second", speed}});
  if (request_.log) {
    char line[256];
    std::snprintf(line, sizeof line, "epoch %d: training loss %.4f", epoch_, loss_sum_ / images_seen_);
    std::string text = line;
    for (const auto& [name, value] :
         {std::pair{"validation loss", loss}, std::pair{"accuracy", right}, std::pair{"Dice", dice}})
      if (std::isfinite(value)) std::snprintf(line, sizeof line, ", %s %.4f", name, value), text += line;
    std::snprintf(line, sizeof line, ", %.1f images/s%s", speed,
                  !refitting() && best_epoch_ == epoch_ ? ", the best so far" : "");
    request_.log(text + line);
  }
  step_ = 0;
  loss_sum_ = images_seen_ = seconds_ = 0;
  save(true);
}

void Trainer::run() {
  while (!refitting() && epoch_ < config_.epochs &&
         (config_.patience == 0 || epoch_ - best_epoch_ < config_.patience)) {
    train_epoch();
    finish_epoch();
  }
  if (!refitting() && epoch_ < config_.epochs && request_.log)
    request_.log("no better epoch in " + std::to_string(config_.patience) + "; ended after " + std::to_string(epoch_));
  if (refitting()) refitted_ = copied(network_->values());
  copy_into(best_, network_->values());
}

void Trainer::refit() {
  if (config_.refit_epochs == 0) return;
  if (refitting()) {
    copy_into(refitted_, network_->values());
  } else {
    refit_from_ = epoch_;
    optimizer_ = std::make_unique<Optimizer>(config_.optimizer, network_->parameters());
    if (!average_.empty()) average_ = copied(network_->values());
    if (request_.log) request_.log("learning from the validation part as well");
  }
  while (epoch_ < refit_from_ + config_.refit_epochs) {
    train_epoch();
    finish_epoch();
  }
  swap_in_average();
}

engine::Weights Trainer::weights() const {
  engine::Weights out;
  for (const auto& [name, value] : network_->values())
    if (name.rfind(engine::kDeepHeads, 0) != 0) out.emplace(name, network_->exported(name, value));
  return out;
}

std::int64_t Trainer::parameter_count() const {
  std::int64_t count = 0;
  for (const auto& [name, value] : weights())
    if (name.find(".running_") == std::string::npos) count += static_cast<std::int64_t>(value.values.size());
  return count;
}

}  // namespace oncotome::training
