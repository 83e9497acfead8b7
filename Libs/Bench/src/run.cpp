// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>
#include <cmath>
#include <regex>
#include <thread>

#include "contestants.h"
#include "oncotome/core/error.h"
#include "oncotome/core/parallel.h"
#include "oracle.h"
#include "roof.h"
#include "rounds.h"

namespace oncotome::bench {
namespace {

using Clock = std::chrono::steady_clock;

/// How much more than ours a peer's error may be: what is to be found is that it computes something else. oneDNN's
/// normalization of two million voxels in float32 takes 15.
constexpr double kPeerSlack = 20;

/// One that takes part in a case's rounds.
struct Entry {
  const Peer* peer = nullptr;  ///< Null for ours.
  std::string dtype;
  std::unique_ptr<Contestant> contestant;
  double error = 0;
  int repeats = 1;
  std::vector<double> seconds{}, roof{};
};

double timed(Contestant& contestant, int repeats) {
  const auto start = Clock::now();
  for (int i = 0; i < repeats; ++i) contestant.run();
  return std::chrono::duration<double>(Clock::now() - start).count() / repeats;
}

/// What a probe is called that has the type's multiply-adds.
std::string unit_of(const std::string& dtype) { return dtype == "strict" || dtype == "block" ? "f32" : dtype; }

std::string version_or_empty(const Peer* peer) { return peer ? peer->version() : ""; }

class CaseRun {
 public:
  CaseRun(const Case& wanted, const Options& options, int threads, Report& report)
      : case_(wanted), options_(options), threads_(threads), report_(report), task_(wanted.make()) {}

  void enter(const std::vector<const Peer*>& peers) {
    if (case_.shape) {
      for (const char* dtype : {"strict", "f32", "bf16", "int8", "block"})
        add(nullptr, dtype, our_convolution(*case_.shape, task_, dtype, threads_));
    } else {
      for (const char* dtype : {"strict", "f32", "bf16", "int8"})
        add(nullptr, dtype, our_network(task_, dtype, threads_));
    }
    for (const Peer* peer : peers)
      for (const char* dtype : {"f32", "bf16", "int8"})
        if (has(nullptr, dtype) || std::string(dtype) == "f32") add(peer, dtype, peer->prepare(task_, dtype));
  }

  /// Each runs once to be checked and warmed; what is wrong takes no part.
  void check() {
    Samples samples;
    if (case_.shape) samples = sample_convolution(*case_.shape, task_);
    engine::Tensor expected;
    if (!case_.shape) {
      expected = exact_output(task_);
      condition_ = condition(task_, expected);
    }
    for (Entry& entry : entries_) {
      entry.contestant->run();
      const double once = timed(*entry.contestant, 1);
      const double least = options_.quick ? 0.01 : 0.03;
      entry.repeats = static_cast<int>(std::clamp(std::ceil(least / once), 1.0, 100.0));
      const engine::Tensor output = entry.contestant->output();
      entry.error = case_.shape ? relative_error(samples, output) : relative_error(expected, output);
      const double bound = bound_of(entry);
      if (!(entry.error <= bound))
        report_.voids.push_back(
            {case_.name, entry.dtype, entry.peer ? entry.peer->name() : "oncotome", entry.error, bound});
    }
    entries_.erase(
        std::remove_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return !(e.error <= bound_of(e)); }),
        entries_.end());
  }

  void take_turns() {
    for (int round = 0; round < options_.rounds; ++round)
      for (Entry& entry : entries_) {
        // Another library's threads may still look out for work.
        std::this_thread::sleep_for(std::chrono::milliseconds(3));
        entry.roof.push_back(entry.peer ? 0 : probed_roof(unit_of(entry.dtype), threads_, 0.002));
        entry.seconds.push_back(timed(*entry.contestant, entry.repeats));
      }
  }

  void tell() const {
    for (const Entry& ours : entries_) {
      if (ours.peer) continue;
      bool alone = true;
      for (const Entry& other : entries_) {
        const bool bare = !other.peer && ours.dtype == "block" && other.dtype == "f32";
        if (!bare && !(other.peer && opposes(other, ours))) continue;
        report_.rows.push_back(row(ours, &other));
        alone = false;
      }
      if (alone) report_.rows.push_back(row(ours, nullptr));
    }
  }

 private:
  void add(const Peer* peer, const char* dtype, std::unique_ptr<Contestant> contestant) {
    if (contestant) entries_.push_back({peer, dtype, std::move(contestant)});
  }

  double bound_of(const Entry& entry) const {
    return error_bound(entry.dtype, !case_.shape) * condition_ * (entry.peer ? kPeerSlack : 1);
  }

  bool has(const Peer* peer, const std::string& dtype) const {
    return std::any_of(entries_.begin(), entries_.end(),
                       [&](const Entry& e) { return e.peer == peer && e.dtype == dtype; });
  }

  /// A peer answers in the same type where it can, and in float32 otherwise.
  bool opposes(const Entry& other, const Entry& ours) const {
    const std::string same = unit_of(ours.dtype);
    return ours.dtype != "block" && other.dtype == (has(other.peer, same) ? same : "f32");
  }

  Row row(const Entry& ours, const Entry* other) const {
    Row row;
    row.name = case_.name;
    row.dtype = ours.dtype;
    row.kernel = ours.contestant->how();
    row.error = ours.error;
    row.threads = threads_;
    row.time_ms = 1e3 * median(ours.seconds);
    row.roof_share = roof_share(case_.operations, ours.seconds, ours.roof);
    row.peer = other ? other->peer ? other->peer->name() : "oncotome, bare" : "none";
    if (!other) return row;
    row.peer_version = version_or_empty(other->peer);
    row.peer_dtype = other->dtype;
    row.peer_layout = other->contestant->how();
    row.peer_error = other->error;
    row.peer_ms = 1e3 * median(other->seconds);
    const Ratios ratios = ratios_of(ours.seconds, other->seconds);
    row.ratio_min = ratios.least;
    row.ratio_median = ratios.middle;
    return row;
  }

  const Case& case_;
  const Options& options_;
  const int threads_;
  Report& report_;
  const Task task_;
  std::vector<Entry> entries_;
  double condition_ = 1;
};

std::vector<Case> chosen(const Options& options) {
  std::vector<Case> cases = all_cases();
  try {
    const std::regex only(options.only);
    cases.erase(
        std::remove_if(cases.begin(), cases.end(),
                       [&](const Case& c) { return (options.quick && !c.quick) || !std::regex_search(c.name, only); }),
        cases.end());
  } catch (const std::regex_error&) {
    throw Error(ErrorCode::usage, "'" + options.only + "' is no regular expression");
  }
  return cases;
}

}  // namespace

std::vector<std::string> case_names(const Options& options) {
  std::vector<std::string> names;
  for (const Case& c : chosen(options)) names.push_back(c.name);
  return names;
}

Report run(const Options& options, const std::vector<const Peer*>& peers, const Job& job) {
  const std::vector<Case> cases = chosen(options);
  if (cases.empty()) throw Error(ErrorCode::usage, "no case has a name like '" + options.only + "'");
  set_compute_threads(options.threads);
  const int threads = compute_threads();
  Report report;
  for (const char* what : {"f32", "bf16", "int8", "read", "write"})
    for (int n = 1; n <= threads; ++n) report.roof[what].push_back(probed_roof(what, n, 0.05));
  for (std::size_t i = 0; i < cases.size(); ++i) {
    job.report(cases[i].name, static_cast<double>(i) / static_cast<double>(cases.size()));
    CaseRun run(cases[i], options, threads, report);
    run.enter(peers);
    run.check();
    run.take_turns();
    run.tell();
  }
  return report;
}

}  // namespace oncotome::bench
