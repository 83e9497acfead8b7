// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <iosfwd>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "oncotome/core/job.h"
#include "oncotome/engine/graph.h"

/// Measures this project's kernels and networks against other libraries, in turns within one run.
namespace oncotome::bench {

/// What was made ready to be done over and over.
class Contestant {
 public:
  virtual ~Contestant() = default;
  virtual void run() = 0;
  /// What run() left, [1,K,D,H,W].
  virtual engine::Tensor output() = 0;
  /// How it does it: kernels, layouts, settings.
  virtual std::string how() const = 0;
};

/// Something to do: a graph, its weights, its input. Of one node with several inputs the input is their concatenation.
struct Task {
  engine::Graph graph;
  engine::Weights weights;
  engine::Tensor input;
};

/// Another library.
class Peer {
 public:
  virtual ~Peer() = default;
  virtual std::string name() const = 0;
  virtual std::string version() const = 0;
  /// Null when it has no such thing; `dtype` is "f32", "bf16" or "int8". A task of a single convolution is prepared so
  /// that only the convolution is measured.
  virtual std::unique_ptr<Contestant> prepare(const Task& task, const std::string& dtype) const = 0;
};

/// LibTorch through the project's own backend, for whole networks in float32, and oneDNN where its library was built.
/// Throws Error{device_unavailable}.
std::vector<std::unique_ptr<Peer>> all_peers(int threads);

/// The symbol that a peer's library exports, with this type.
constexpr const char* kCreatePeer = "oncotome_create_peer";
using CreatePeer = Peer* (*)(int threads);

struct Options {
  bool quick = false;  ///< A representative of each kind.
  std::string only;    ///< A regular expression that is searched in the cases' names.
  int threads = 0;     ///< 0: one per core.
  int rounds = 7;
};

/// One contestant of ours against one peer.
struct Row {
  std::string name, dtype, peer, peer_version, peer_dtype, peer_layout, kernel;
  double ratio_min = 0, ratio_median = 0;  ///< The peer's time by ours, of rounds.
  double roof_share = 0;  ///< Operations of the direct sums per second by what the probe found beside it; 0: unknown.
  double error = 0, peer_error = 0;  ///< Relative in the L2 norm, against sums in float64.
  int threads = 0;
  double time_ms = 0, peer_ms = 0;  ///< Medians.
};

/// A result that was not near enough to the reference to count.
struct Void {
  std::string name, dtype, who;
  double error = 0, bound = 0;
};

struct Report {
  /// Giga operations or bytes a second, with 1 to all threads.
  std::map<std::string, std::vector<double>> roof;
  std::vector<Row> rows;
  std::vector<Void> voids;
};

/// Names of the cases that the options choose.
std::vector<std::string> case_names(const Options& options);

Report run(const Options& options, const std::vector<const Peer*>& peers, const Job& job);

/// Also of what another program of the same format wrote. Throws Error{input_unreadable}.
std::string to_json(const Report& report);
Report from_json(const std::string& text);

/// Lines for people.
std::string to_text(const Report& report);

/// Lets another process take turns with a network of ours: writes graph.json, weights.safetensors and input.safetensors
/// into `folder`, says "ready", and answers each line of `in` by one: "run DTYPE" by milliseconds, or "none" where
/// there is no such type; "output DTYPE" by how it was done, when ours_DTYPE.safetensors is written; "reference" by how
/// many times the usual bounds of errors hold, when reference.safetensors is written, of sums in float64; "roof WHAT"
/// by giga per second.
void serve(const std::string& name, const std::string& folder, int threads, std::istream& in, std::ostream& out);

}  // namespace oncotome::bench
