// SPDX-License-Identifier: Apache-2.0
#include "show_layers.h"

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <sstream>
#include <string>
#include <vector>

#include "oncotome/engine/effective_field.h"
#include "oncotome/engine/layer_table.h"

namespace oncotome::apps {
namespace {

using nlohmann::json;

json shape_json(const engine::NodeShape& s) { return {s.channels, s.extent[0], s.extent[1], s.extent[2]}; }

// "64 x 56 x 56"; one number where all are the same.
std::string joined(const json& values, std::size_t first, bool merges) {
  std::ostringstream text;
  const bool same = std::all_of(values.begin() + static_cast<std::ptrdiff_t>(first), values.end(),
                                [&](const json& v) { return v == values.back(); });
  if (merges && same) return (text << values.back().get<double>(), text.str());
  for (std::size_t i = 0; i < values.size(); ++i)
    if (i >= first) text << (i > first ? "x" : "") << values[i].get<double>();
  return text.str();
}

}  // namespace

void add_layers(const engine::Graph& graph, const engine::NodeShape& input, json& j) {
  json layers = json::array();
  double operations = 0;
  for (const engine::Layer& l : engine::layer_table(graph, input)) {
    layers.push_back({{"name", l.name},
                      {"type", l.type},
                      {"input", shape_json(l.in)},
                      {"output", shape_json(l.out)},
                      {"kernel", l.kernel},
                      {"stride", l.stride},
                      {"padding", l.padding},
                      {"parameters", l.parameters},
                      {"operations", l.operations},
                      {"receptive_field", l.receptive_field},
                      {"jump", l.jump}});
    operations += l.operations;
  }
  j["layers"] = std::move(layers);
  j["operations"] = operations;
}

void add_effective_fields(const engine::Graph& graph, engine::Weights weights, const engine::NodeShape& input,
                          const Job& job, json& layers) {
  const engine::Graph inference = engine::inference_graph(graph, weights);
  const auto fields = engine::effective_fields(inference, weights, input, /*threads=*/0, job);
  for (json& layer : layers)
    if (const auto found = fields.find(layer["name"].get<std::string>()); found != fields.end())
      layer["effective_field"] = found->second;
}

void print_layers(const json& layers, std::ostream& out) {
  const bool flat = std::all_of(layers.begin(), layers.end(),
                                [](const json& l) { return l["input"][1] == 1 && l["output"][1] == 1; });
  std::vector<std::vector<std::string>> rows{{"layer", "type", "input", "output", "kernel", "stride", "padding",
                                              "parameters", "MFLOP", "receptive field", "jump"}};
  const bool measured = !layers.empty() && layers[0].contains("effective_field");
  if (measured) rows[0].emplace_back("effective field");
  std::int64_t parameters = 0;
  double operations = 0;
  for (const json& l : layers) {
    parameters += l["parameters"].get<std::int64_t>();
    operations += l["operations"].get<double>();
    const auto shape = [&](const char* key) {
      json values = l[key];
      if (flat) values.erase(1);
      return joined(values, 0, false);
    };
    const auto axes = [&](const char* key) { return joined(l[key], flat ? 1 : 0, true); };
    std::ostringstream mega;
    mega << std::fixed << std::setprecision(2) << l["operations"].get<double>() / 1e6;
    rows.push_back({l["name"], l["type"], shape("input"), shape("output"), axes("kernel"), axes("stride"),
                    axes("padding"), l["parameters"].dump(), mega.str(), axes("receptive_field"), axes("jump")});
    if (!measured) continue;
    json field = l.value("effective_field", json::array());
    for (json& extent : field) extent = std::round(extent.get<double>() * 10) / 10;
    rows.back().push_back(field.empty() ? "" : joined(field, flat ? 1 : 0, true));
  }
  std::vector<std::size_t> widths(rows[0].size());
  for (const auto& row : rows)
    for (std::size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], row[c].size());
  for (const auto& row : rows) {
    for (std::size_t c = 0; c < row.size(); ++c)
      out << (c > 0 ? "  " : "") << (c < 2 ? std::left : std::right) << std::setw(static_cast<int>(widths[c]))
          << row[c];
    out << '\n';
  }
  out << parameters << " parameters, " << operations / 1e9
      << " GFLOP an image or patch (two for each multiply-add of the convolutions)\n";
}

}  // namespace oncotome::apps
