// SPDX-License-Identifier: Apache-2.0
#include <ATen/Context.h>
#include <ATen/Parallel.h>

#include <cstdio>

#include "oncotome/core/atomic_directory.h"
#include "oncotome/core/error.h"
#include "oncotome/core/parallel.h"
#include "oncotome/engine/calibration.h"
#include "oncotome/engine/image_gate.h"
#include "oncotome/torch/errors.h"
#include "package.h"
#include "trainer.h"

// Where LibTorch's BLAS is OpenBLAS.
extern "C" [[gnu::weak]] void openblas_set_num_threads(int threads);

namespace oncotome::training {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

Answers pointers(const std::vector<Answer>& answers) {
  Answers out;
  for (const Answer& a : answers) out.push_back(&a);
  return out;
}

// Knows the images of the training part, and lets nearly all of the validation part through.
json fitted_gate(const Samples& samples, const Images& images, const std::vector<Answer>& validation, const Job& job) {
  constexpr double kQuantile = 0.995;
  const auto features = [&](Part part) {
    const std::vector<std::size_t> indices = samples.of(part);
    std::vector<std::vector<double>> out(indices.size());
    parallel_for(0, static_cast<std::int64_t>(indices.size()), [&](std::int64_t i) {
      job.check();
      const auto at = static_cast<std::size_t>(i);
      out[at] = engine::gate_features(images.plain(indices[at]).image);
    });
    return out;
  };
  std::vector<double> energies;
  for (const Answer& a : validation)
    if (!a.logits.empty()) energies.push_back(engine::energy(a.logits));
  return gate_json(engine::fit_gate(features(Part::train), features(Part::validation), energies, kQuantile));
}

// Of the validation part, which the temperature was fitted on.
std::vector<Diagram> diagrams_of(const Answers& validation, double temperature) {
  std::vector<Diagram> diagrams;
  for (const double t : {1.0, temperature}) {
    const engine::ClassAnswers answers = class_answers(validation, t);
    if (answers.truth.empty()) break;
    char title[64];
    std::snprintf(title, sizeof title, "Validation, %s (temperature %.3g)", diagrams.empty() ? "before" : "calibrated",
                  t);
    diagrams.push_back({title, engine::reliability(answers.probabilities, answers.truth)});
  }
  return diagrams;
}

/// Beside the output, removed when that is whole.
class Workplace {
 public:
  Workplace(const fs::path& output, bool resume, bool overwrite) : folder_(output.string() + ".training") {
    std::error_code ec;
    if (overwrite && !resume) fs::remove_all(folder_, ec);
    if (!resume && fs::exists(folder_ / "checkpoint.safetensors", ec))
      throw Error(ErrorCode::output_exists,
                  "a training of this output was ended before; --resume goes on with it, --overwrite begins anew");
    fs::create_directories(folder_, ec);
    if (ec) throw Error(ErrorCode::output_unwritable, "cannot make the folder for the checkpoint beside the output");
  }
  ~Workplace() {
    std::error_code ec;
    if (done_ || fs::is_empty(folder_, ec)) fs::remove_all(folder_, ec);
  }
  Workplace(const Workplace&) = delete;
  Workplace& operator=(const Workplace&) = delete;

  const fs::path& folder() const { return folder_; }
  void done() { done_ = true; }

 private:
  const fs::path folder_;
  bool done_ = false;
};

std::string train(const Request& request, const Job& job) {
  set_compute_threads(request.threads);
  at::set_num_threads(compute_threads());
  at::globalContext().setDeterministicCuDNN(true);
  // Its threads would spin on the cores of OpenMP's, which wait for the next loop.
  if (openblas_set_num_threads != nullptr) openblas_set_num_threads(1);
  Config config = read_config(request.configuration);
  if (!request.output.empty()) config.output = request.output;
  AtomicDirectory output(config.output, request.overwrite ? "model.json" : "");
  Workplace workplace(config.output.lexically_normal(), request.resume, request.overwrite);
  const Samples samples = read_samples(config, job);
  if (config.network.classes != 0) config.network.classes = static_cast<std::int64_t>(samples.classes.size());
  engine::build_network(config.network);
  const Images images(config, samples, request, job);
  Trainer trainer(config, samples, images, request, job, workplace.folder());
  trainer.run();

  job.report("measuring", 0);
  Outcome outcome;
  const std::vector<Answer> validation = trainer.answers(Part::validation);
  outcome.temperature = best_temperature(pointers(validation));
  outcome.diagrams = diagrams_of(pointers(validation), outcome.temperature);
  for (const Part part : {Part::validation, Part::test}) {
    if (samples.of(part).empty()) continue;
    const std::vector<Answer> found = part == Part::validation ? validation : trainer.answers(part);
    outcome.measured[kParts[static_cast<std::size_t>(part)]] =
        measured(pointers(found), samples.classes, outcome.temperature, config.seed);
  }
  outcome.gate = fitted_gate(samples, images, validation, job);
  trainer.refit();
  outcome.weights = trainer.weights();
  outcome.history = trainer.history();
  outcome.best_epoch = trainer.best_epoch();
  outcome.parameters = trainer.parameter_count();
  write_package(output.path(), config, samples, outcome, request);
  output.commit();
  workplace.done();
  return json{{"epochs", outcome.history.size()},
              {"best_epoch", outcome.best_epoch},
              {"temperature", outcome.temperature},
              {"parameters", outcome.parameters},
              {"measured", outcome.measured}}
      .dump();
}

}  // namespace
}  // namespace oncotome::training

extern "C" void oncotome_train(const oncotome::training::Request& request, const oncotome::Job& job,
                               std::string& summary) {
  oncotome::torch_backend::translated([&] { summary = oncotome::training::train(request, job); });
}
