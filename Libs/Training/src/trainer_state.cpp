// SPDX-License-Identifier: Apache-2.0
#include <limits>

#include "checkpoint.h"
#include "oncotome/core/error.h"
#include "oncotome/core/parallel.h"
#include "trainer.h"

namespace oncotome::training {

using nlohmann::json;

namespace {

std::string text_of(const Compute& compute) { return compute.device.str() + (compute.mixed ? " bf16" : " f32"); }

[[noreturn]] void damaged() {
  throw Error(ErrorCode::weights_invalid, "the checkpoint's state is damaged; begin anew with --overwrite");
}

template <class Integer>
void read_count(const json& state, const char* key, Integer& count) {
  count = state.at(key);
  if (count < 0 || count >= std::numeric_limits<Integer>::max() / 2) damaged();
}

}  // namespace

void Trainer::save(bool always) {
  const bool due = (config_.checkpoint_steps > 0 && optimizer_->steps % config_.checkpoint_steps == 0) ||
                   (config_.checkpoint_minutes > 0 && now() - saved_at_ > config_.checkpoint_minutes * 60);
  if (!always && !due) return;
  Checkpoint c;
  c.groups = {{"values", network_->values()},
              {"first", optimizer_->first()},
              {"second", optimizer_->second()},
              {"average", average_},
              {"best", best_}};
  c.state = {{"network", config_.json.at("network")},
             {"data", samples_.digest},
             {"configuration", config_.json},
             {"threads", compute_threads()},
             {"computes", text_of(compute_)},
             {"epoch", epoch_},
             {"step", step_},
             {"refit_from", refit_from_},
             {"steps", optimizer_->steps},
             {"best_epoch", best_epoch_},
             {"best_score", best_score_},
             {"loss_sum", loss_sum_},
             {"images_seen", images_seen_},
             {"seconds", seconds_},
             {"history", history_}};
  write_checkpoint(folder_ / "checkpoint.safetensors", c, *network_);
  saved_at_ = now();
}

void Trainer::restore() {
  const Checkpoint c = read_checkpoint(folder_ / "checkpoint.safetensors", *network_);
  try {
    restore(c);
  } catch (const json::exception&) {
    damaged();
  }
}

void Trainer::restore(const Checkpoint& c) {
  if (c.state.at("network") != config_.json.at("network"))
    throw Error(ErrorCode::usage, "the checkpoint is of another network; begin anew with --overwrite");
  if (c.state.at("data") != samples_.digest)
    throw Error(ErrorCode::usage,
                "the images, classes or parts changed since the checkpoint; begin anew with --overwrite");
  const auto group = [&](const char* name) {
    const auto found = c.groups.find(name);
    return found == c.groups.end() ? Tensors() : found->second;
  };
  copy_into(group("values"), network_->values());
  // Another kind of optimizer begins anew.
  if (c.groups.count("second") == (config_.optimizer.adamw ? 1U : 0U)) {
    copy_into(group("first"), optimizer_->first());
    copy_into(group("second"), optimizer_->second());
    read_count(c.state, "steps", optimizer_->steps);
  }
  if (!average_.empty()) copy_into(group("average"), average_);
  best_ = group("best");
  read_count(c.state, "epoch", epoch_);
  read_count(c.state, "step", step_);
  if (c.state.contains("refit_from")) read_count(c.state, "refit_from", refit_from_);
  read_count(c.state, "best_epoch", best_epoch_);
  best_score_ = c.state.at("best_score");
  loss_sum_ = c.state.at("loss_sum");
  images_seen_ = c.state.at("images_seen");
  seconds_ = c.state.at("seconds");
  history_ = c.state.at("history").get<std::vector<json>>();
  if (best_epoch_ > epoch_ || refit_from_ > epoch_) damaged();
  if (!request_.log) return;
  request_.log("going on from the checkpoint: epoch " + std::to_string(epoch_ + 1) + ", step " +
               std::to_string(step_ + 1));
  if (c.state.at("configuration") != config_.json)
    request_.log("the configuration changed since: this is not the result of one run");
  if (c.state.at("threads") != compute_threads())
    request_.log("the number of threads changed since: the last bits may differ from those of one run");
  if (c.state.value("computes", text_of(Compute())) != text_of(compute_))
    request_.log("the device or the precision changed since: this is not the result of one run");
}

}  // namespace oncotome::training
