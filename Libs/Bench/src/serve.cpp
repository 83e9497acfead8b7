// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <fstream>
#include <istream>
#include <ostream>
#include <sstream>

#include "contestants.h"
#include "oncotome/core/error.h"
#include "oncotome/core/json.h"
#include "oncotome/core/parallel.h"
#include "oncotome/engine/safetensors.h"
#include "oracle.h"
#include "roof.h"

namespace oncotome::bench {
namespace {

using Json = nlohmann::ordered_json;

void write_task(const Task& task, double operations, const std::string& folder) {
  Json nodes = Json::array();
  for (const engine::Node& n : task.graph.nodes)
    nodes.push_back({{"op", engine::op_name(n.op)},
                     {"inputs", n.inputs},
                     {"weight", n.weight},
                     {"bias", n.bias},
                     {"stride", n.stride},
                     {"dilation", n.dilation},
                     {"pad_before", n.pad_before},
                     {"pad_after", n.pad_after},
                     {"kernel", n.kernel},
                     {"slope", n.slope},
                     {"epsilon", n.epsilon}});
  std::ofstream(folder + "/graph.json") << Json{{"nodes", nodes}, {"operations", operations}}.dump(1);
  engine::write_safetensors(folder + "/weights.safetensors", task.weights, {});
  engine::write_safetensors(folder + "/input.safetensors", {{"input", task.input}}, {});
}

}  // namespace

void serve(const std::string& name, const std::string& folder, int threads, std::istream& in, std::ostream& out) {
  set_compute_threads(threads);
  std::map<std::string, std::unique_ptr<Contestant>> contestants;
  Task task;
  for (const Case& c : all_cases()) {
    if (c.name != name || c.shape) continue;
    task = c.make();
    write_task(task, c.operations, folder);
  }
  if (task.graph.nodes.empty()) throw Error(ErrorCode::usage, "'" + name + "' is no network of the benchmark");
  out << "ready" << std::endl;
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::string what, dtype;
    words >> what >> dtype;
    if (what == "roof") {
      out << probed_roof(dtype, compute_threads(), 0.02) << std::endl;
      continue;
    }
    if (what == "reference") {
      const engine::Tensor exact = exact_output(task);
      engine::write_safetensors(folder + "/reference.safetensors", {{"output", exact}}, {});
      out << condition(task, exact) << std::endl;
      continue;
    }
    std::unique_ptr<Contestant>& contestant = contestants[dtype];
    if (!contestant) contestant = our_network(task, dtype, compute_threads());
    if (!contestant) {
      out << "none" << std::endl;
    } else if (what == "run") {
      const auto start = std::chrono::steady_clock::now();
      contestant->run();
      out << 1e3 * std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() << std::endl;
    } else if (what == "output") {
      engine::write_safetensors(folder + "/ours_" + dtype + ".safetensors", {{"output", contestant->output()}}, {});
      out << contestant->how() << std::endl;
    } else {
      out << "unknown" << std::endl;
    }
  }
}

}  // namespace oncotome::bench
