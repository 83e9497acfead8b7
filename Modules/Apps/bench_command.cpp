// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>

#include "commands.h"
#include "oncotome/bench/bench.h"
#include "oncotome/core/atomic_directory.h"
#include "oncotome/core/error.h"
#include "oncotome/core/process.h"
#include "oncotome/render/bar_chart.h"
#include "report_json.h"
#include "terminal.h"

namespace oncotome::apps {
namespace {

struct Options {
  bench::Options bench;
  std::string json_file, picture, from;
  bool lists = false, replace = false, to_stdout = false;
};

std::string number(const char* format, double value) {
  char text[32];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

void draw(const bench::Report& report, const std::string& path) {
  const std::map<std::string, std::array<std::uint8_t, 3>> colors = {{"strict", {122, 132, 148}},
                                                                     {"f32", {70, 130, 214}},
                                                                     {"bf16", {62, 164, 110}},
                                                                     {"int8", {222, 142, 54}},
                                                                     {"block", {150, 104, 196}}};
  std::vector<render::BarGroup> groups;
  for (const bench::Row& row : report.rows) {
    if (row.peer_ms <= 0) continue;
    auto group = std::find_if(groups.begin(), groups.end(), [&](const auto& g) { return g.title == row.name; });
    if (group == groups.end()) group = groups.insert(group, {row.name, {}});
    const auto color = colors.find(row.dtype);
    const std::string version = row.peer_version.empty() ? "" : " " + row.peer_version;
    group->bars.push_back({row.dtype + ", " + row.peer + version + " " + row.peer_dtype, row.ratio_median,
                           row.ratio_min, color == colors.end() ? colors.at("strict") : color->second,
                           number("%.2fx", row.ratio_median) + number(", least %.2fx", row.ratio_min) +
                               number(", %.4g", row.peer_ms) + number(" / %.4g ms", row.time_ms)});
  }
  std::vector<std::string> heading = {
      "How many times faster Oncotome is: the median of rounds; the notch is the least"};
  if (!report.rows.empty()) heading[0] += "; " + std::to_string(report.rows[0].threads) + " threads";
  std::string probes;
  for (const auto& [what, rates] : report.roof)
    if (!rates.empty()) probes += (probes.empty() ? "Probed, giga/s: " : ", ") + what + number(" %.0f", rates.back());
  if (!probes.empty()) heading.push_back(probes);
  render::write_bar_chart(path, heading, groups);
}

bench::Report read_report(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw Error(ErrorCode::input_not_found, "cannot read " + path);
  return bench::from_json(std::string(std::istreambuf_iterator<char>(file), {}));
}

bench::Report measure(const Options& o, bool quiet) {
  const Terminal terminal(quiet);
  const auto owned = bench::all_peers(o.bench.threads > 0 ? o.bench.threads : available_cores());
  std::vector<const bench::Peer*> peers;
  peers.reserve(owned.size());
  for (const auto& peer : owned) peers.push_back(peer.get());
  return bench::run(o.bench, peers, terminal.job());
}

void run(const Options& o, const Common& common) {
  if (o.lists) {
    for (const std::string& name : bench::case_names(o.bench)) std::cout << name << '\n';
    return;
  }
  for (const std::string& output : {o.json_file, o.picture})
    if (!o.replace && !output.empty() && std::filesystem::exists(output))
      throw Error(ErrorCode::output_exists, "the output exists already; choose another, or add --overwrite");
  keep_freed_memory();
  const bench::Report report = o.from.empty() ? measure(o, common.quiet) : read_report(o.from);
  const std::string json = bench::to_json(report) + "\n";
  if (!o.json_file.empty())
    write_file_atomically(o.json_file, o.replace,
                          [&](const std::filesystem::path& temporary) { workflow::write_text(temporary, json); });
  if (!o.picture.empty())
    write_file_atomically(o.picture, o.replace,
                          [&](const std::filesystem::path& temporary) { draw(report, temporary); });
  std::cout << (common.json ? json : bench::to_text(report)) << std::flush;
  if (!report.voids.empty())
    throw Error(ErrorCode::backend_failed, std::to_string(report.voids.size()) + " results were not right");
}

}  // namespace

void add_bench(CLI::App& app, Common& common) {
  const auto options = std::make_shared<Options>();
  Options& o = *options;
  CLI::App* command = app.add_subcommand("bench", "Measure kernels and networks against other libraries");
  command->add_flag("--quick", o.bench.quick, "A representative of each kind, within two minutes");
  command->add_option("--only", o.bench.only, "Cases whose name has this regular expression");
  command->add_flag("--list", o.lists, "Name the cases instead");
  command->add_option("-t,--threads", o.bench.threads, "Threads; 0 is one per core")->check(CLI::Range(0, 4096));
  command->add_option("--rounds", o.bench.rounds, "In each of which everyone has a turn (7)")
      ->check(CLI::Range(1, 1000));
  add_json_option(*command, o.json_file, o.to_stdout);
  command->add_option("--picture", o.picture, "Draw the ratios into this PNG file");
  command->add_option("--from", o.from, "Measure nothing: the results are in this JSON file");
  command->add_flag("--overwrite", o.replace, "Replace these files if they exist");
  command->add_flag("-q,--quiet", common.quiet, "No progress");
  command->callback([options, &common] {
    Common chosen = common;
    chosen.json = common.json || options->to_stdout;
    run(*options, chosen);
  });
}

}  // namespace oncotome::apps
