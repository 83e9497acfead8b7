// SPDX-License-Identifier: Apache-2.0
// One image through one fold of an nnU-Net, with a clock and a memory mark between the stages; for nnunet_study.py.
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "nnunet/case.h"
#include "nnunet/plans.h"
#include "nnunet/predict.h"
#include "oncotome/core/error.h"
#include "oncotome/core/json.h"
#include "oncotome/core/process.h"
#include "oncotome/engine/weight_file.h"
#include "volume_io.h"

namespace {

using namespace oncotome;
using namespace oncotome::engine;
using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// Greatest resident memory since the last call, MiB.
double peak_mb() {
  std::ifstream status("/proc/self/status");
  double kib = 0;
  for (std::string line; std::getline(status, line);)
    if (line.rfind("VmHWM:", 0) == 0) kib = std::stod(line.substr(6));
  std::ofstream("/proc/self/clear_refs") << "5";
  return kib / 1024;
}

Json read_json(const std::string& path) {
  std::ifstream file(path);
  return Json::parse(file);
}

// What remains of the prediction's time is accumulation and export.
class Timed : public Executable {
 public:
  explicit Timed(std::unique_ptr<Executable> inner) : inner_(std::move(inner)) {}
  Tensor run(const Tensor& input, const Job& job) const override {
    const auto start = Clock::now();
    Tensor out = inner_->run(input, job);
    seconds_ += seconds_since(start);
    return out;
  }
  double seconds() const { return seconds_; }

 private:
  std::unique_ptr<Executable> inner_;
  mutable double seconds_ = 0;
};

int run(const std::string& model, const std::string& image, const std::string& output, int threads, bool mirror,
        Precision precision) {
  keep_freed_memory();
  auto start = Clock::now();
  const Json plans_json = read_json(model + "/plans.json");
  const nnunet::Plans plans = nnunet::read_plans(plans_json, read_json(model + "/dataset.json"));
  const auto checkpoint = WeightFile::open(model + "/fold_0/checkpoint_final.pth");
  const Json contents = checkpoint->contents();
  const nnunet::Configuration configuration =
      nnunet::read_configuration(plans_json, plans, contents["init_args"]["configuration"].get<std::string>());
  Weights weights = checkpoint->read_all("network_weights");
  fit_conv_unet_weights(configuration.network, weights);
  const auto backend = load_backend(Device::cpu, threads, precision);
  const Timed network(backend->compile(build_conv_unet(configuration.network), weights));
  Json seconds{{"load", seconds_since(start)}}, peaks;
  peak_mb();

  start = Clock::now();
  nnunet::Case input;
  Geometry grid;
  {
    const Volume<float> volume = workflow::read_volume_file(image);
    grid = volume.geometry;
    Tensor data({1, grid.size[2], grid.size[1], grid.size[0]});
    data.values = volume.voxels;
    const Vec3& mm = grid.spacing_mm;
    input = nnunet::preprocess(plans, configuration, data, {mm[2], mm[1], mm[0]}, nullptr, Job());
  }
  seconds["preprocess"] = seconds_since(start);
  peaks["preprocess"] = peak_mb();

  start = Clock::now();
  nnunet::Prediction prediction;
  prediction.folds = {&network};
  if (mirror) prediction.mirror_axes = contents["inference_allowed_mirroring_axes"].get<std::vector<int>>();
  LabelVolume labels(grid);
  labels.voxels = nnunet::predict_labels(prediction, plans, configuration, input, Job());
  workflow::write_volume_file(output, labels);
  seconds["network"] = network.seconds();
  seconds["export"] = seconds_since(start) - network.seconds();
  peaks["network"] = peaks["export"] = peak_mb();
  std::printf("%s\n", Json({{"seconds", seconds}, {"peak_mb", peaks}}).dump().c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7) {
    std::fprintf(stderr, "oncotome-nnunet-stages MODEL IMAGE OUTPUT THREADS MIRROR PRECISION\n");
    return 2;
  }
  try {
    return run(argv[1], argv[2], argv[3], std::atoi(argv[4]), std::atoi(argv[5]) != 0, parse_precision(argv[6]));
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
