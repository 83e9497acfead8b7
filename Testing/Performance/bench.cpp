// SPDX-License-Identifier: Apache-2.0
// `oncotome bench` without ITK, VTK and DCMTK; and --serve, for peers.py.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>

#include "oncotome/bench/bench.h"
#include "oncotome/core/error.h"
#include "oncotome/core/parallel.h"
#include "oncotome/core/process.h"

namespace {

using namespace oncotome;

constexpr const char* kUsage =
    "oncotome-bench [--quick] [--only PATTERN] [--threads N] [--rounds N] --json FILE\n"
    "oncotome-bench --list [--quick] [--only PATTERN]\n"
    "oncotome-bench --serve NETWORK FOLDER [--threads N]";

int run(int argc, char** argv) {
  bench::Options options;
  std::string json, served, folder;
  bool lists = false;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const auto value = [&]() -> std::string {
      if (++i == argc) throw Error(ErrorCode::usage, argument + " needs a value");
      return argv[i];
    };
    if (argument == "--quick")
      options.quick = true;
    else if (argument == "--list")
      lists = true;
    else if (argument == "--only")
      options.only = value();
    else if (argument == "--json")
      json = value();
    else if (argument == "--serve") {
      served = value();
      folder = value();
    } else if (argument == "--threads")
      options.threads = std::atoi(value().c_str());
    else if (argument == "--rounds")
      options.rounds = std::max(1, std::atoi(value().c_str()));
    else
      throw Error(ErrorCode::usage, kUsage);
  }
  if (lists) {
    for (const std::string& name : bench::case_names(options)) std::cout << name << '\n';
    return 0;
  }
  if (!served.empty()) {
    bench::serve(served, folder, options.threads, std::cin, std::cout);
    return 0;
  }
  if (json.empty()) throw Error(ErrorCode::usage, kUsage);
  const int threads = options.threads > 0 ? options.threads : available_cores();
  const auto owned = bench::all_peers(threads);
  std::vector<const bench::Peer*> peers;
  peers.reserve(owned.size());
  for (const auto& peer : owned) peers.push_back(peer.get());
  const Job job([](std::string_view stage, double fraction) {
    std::fprintf(stderr, "%3.0f %% %.*s\n", 100 * fraction, static_cast<int>(stage.size()), stage.data());
  });
  const bench::Report report = bench::run(options, peers, job);
  std::ofstream(json) << bench::to_json(report) << '\n';
  std::cout << bench::to_text(report);
  return report.voids.empty() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  oncotome::keep_freed_memory();
  try {
    return run(argc, argv);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "oncotome-bench: %s\n", e.what());
    return 2;
  }
}
