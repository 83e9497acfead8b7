// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <iostream>
#include <map>
#include <memory>

#include "commands.h"
#include "image_io.h"
#include "oncotome/core/process.h"
#include "oncotome/engine/backend.h"
#include "oncotome/render/line_chart.h"
#include "oncotome/render/reliability_diagram.h"
#include "oncotome/training/training.h"
#include "report_json.h"
#include "terminal.h"
#include "volume_io.h"

namespace oncotome::apps {
namespace {

struct Options {
  std::string configuration, output;
  bool resume = false, overwrite = false;
  int threads = 0;
  std::string device = "auto", precision = "f32";
};

engine::Tensor read_image(const std::string& path, std::int64_t channels) {
  if (workflow::is_picture_file(path)) return workflow::read_nameless_picture(path, channels);
  if (channels != 1) throw Error(ErrorCode::input_unsupported, "a volume has one channel; the network takes more");
  Volume<float> volume = workflow::read_volume_file(path);
  const auto& size = volume.geometry.size;
  engine::Tensor tensor;
  tensor.shape = {1, 1, size[2], size[1], size[0]};
  tensor.values = std::move(volume.voxels);
  return tensor;
}

void draw(const std::string& path, const std::vector<training::Curve>& curves) {
  std::vector<render::LinePanel> panels;
  for (const training::Curve& curve : curves) {
    if (panels.empty() || panels.back().title != curve.figure) panels.push_back({curve.figure, {}});
    panels.back().lines.push_back({curve.name, curve.values});
  }
  render::write_line_chart(path, "epoch", panels);
}

void draw_diagrams(const std::string& path, const std::vector<training::Diagram>& diagrams) {
  std::vector<render::ReliabilityPanel> panels;
  for (const training::Diagram& diagram : diagrams) {
    panels.push_back({diagram.title, diagram.reliability.expected_error, {}});
    for (const engine::ReliabilityBin& bin : diagram.reliability.bins)
      panels.back().bins.push_back({bin.low, bin.high, bin.count, bin.confidence, bin.accuracy});
  }
  render::write_reliability_diagram(path, panels);
}

void print(const nlohmann::json& summary) {
  std::printf("trained for %d epochs, the best was %d\n", summary.at("epochs").get<int>(),
              summary.at("best_epoch").get<int>());
  for (const auto& [part, m] : summary.at("measured").items()) {
    std::printf("%-10s  %d images", part.c_str(), m.at("images").get<int>());
    for (const char* figure : {"dice", "accuracy", "auc", "ece"})
      if (m.contains(figure) && m[figure].at("value").is_number()) {
        std::printf(", %s %.4f", figure, m[figure]["value"].get<double>());
        if (const auto& ci = m[figure].at("ci95"); ci[0].is_number())
          std::printf(" (95 %% %.4f to %.4f)", ci[0].get<double>(), ci[1].get<double>());
      }
    std::printf("\n");
  }
}

void run(const Options& o, const Common& common) {
  keep_freed_memory();
  const auto train = reinterpret_cast<training::Train>(engine::library_function(training::kLibrary, training::kTrain));
  std::string summary;
  {
    Terminal terminal(common.quiet);
    training::Request request;
    request.configuration = o.configuration;
    request.output = o.output;
    request.resume = o.resume;
    request.overwrite = o.overwrite;
    request.threads = o.threads;
    request.device = engine::parse_device(o.device);
    request.precision = engine::parse_precision(o.precision);
    request.read_image = read_image;
    request.draw_curves = draw;
    request.draw_reliability = draw_diagrams;
    request.log = [&](const std::string& line) { terminal.say(line); };
    train(request, terminal.job(), summary);
  }
  const nlohmann::json j = nlohmann::json::parse(summary);
  if (common.json)
    std::cout << workflow::json_text(j);
  else
    print(j);
  std::fflush(stdout);
}

}  // namespace

void add_train(CLI::App& app, Common& common) {
  const auto options = std::make_shared<Options>();
  Options& o = *options;
  CLI::App* command = app.add_subcommand("train", "Train a model of images: classes, segmentation, or both");
  command->add_option("CONFIG.json", o.configuration, "What to train (schema oncotome.training/1)")->required();
  command->add_option("-o,--output", o.output, "Folder of the model package, instead of the configuration's");
  command->add_flag("--resume", o.resume, "Go on from the last checkpoint, if there is one");
  command->add_flag("--overwrite", o.overwrite, "Replace the output, and a training that was ended before");
  command->add_option("-d,--device", o.device, "auto, cpu or cuda")->check(CLI::IsMember({"auto", "cpu", "cuda"}));
  command->add_option("-t,--threads", o.threads, "Threads; 0 is one per core")->check(CLI::Range(0, 4096));
  command
      ->add_option("--precision", o.precision,
                   "f32; bf16: mixed precision, products in bfloat16 and all else in float32, for CUDA")
      ->check(CLI::IsMember({"f32", "bf16"}));
  command->add_flag("-q,--quiet", common.quiet, "No progress");
  command->callback([options, &common] { run(*options, common); });
}

}  // namespace oncotome::apps
