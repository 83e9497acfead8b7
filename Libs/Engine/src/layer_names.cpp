// SPDX-License-Identifier: Apache-2.0
#include "oncotome/engine/layer_names.h"

#include <algorithm>
#include <set>

#include "oncotome/core/error.h"

namespace oncotome::engine {

std::vector<std::string> layer_names(const Graph& graph) {
  std::vector<std::string> names, stems;
  std::set<std::string> taken;
  for (const Node& node : graph.nodes) {
    std::string stem, name;
    if (!node.weight.empty()) {
      stem = name = node.weight.substr(0, node.weight.rfind('.'));
    } else if (node.op == Op::adaptive_avg_pool) {
      stem = name = "avgpool";
    } else if (node.inputs.empty()) {
      stem = name = op_name(node.op);
    } else {
      stem = stems[static_cast<std::size_t>(node.inputs[0])];
      name = stem + "." + op_name(node.op);
    }
    std::string own = name;
    for (int i = 2; !taken.insert(own).second; ++i) own = name + "_" + std::to_string(i);
    names.push_back(own);
    stems.push_back(stem);
  }
  return names;
}

int find_layer(const std::vector<std::string>& names, const std::string& wanted) {
  const auto exact = std::find(names.begin(), names.end(), wanted);
  if (exact != names.end()) return static_cast<int>(exact - names.begin());
  for (std::size_t i = names.size(); i-- > 0;)
    if (names[i].rfind(wanted + ".", 0) == 0) return static_cast<int>(i);
  std::vector<std::string> modules;
  std::string text;
  for (const std::string& name : names) {
    std::string module = name.substr(0, name.find('.'));
    if (std::find(modules.begin(), modules.end(), module) != modules.end()) continue;
    text += (text.empty() ? "" : ", ") + module;
    modules.push_back(std::move(module));
  }
  throw Error(ErrorCode::usage,
              "the network has no layer '" + wanted + "'; it has " + text + ", and within them what models show lists");
}

int layer_before_head(const Graph& graph, const NodeShape& input, int logits) {
  const std::vector<NodeShape> shapes = node_shapes(graph, input);
  std::vector<bool> is_read(graph.nodes.size(), false);
  is_read[static_cast<std::size_t>(logits)] = true;
  for (std::size_t i = graph.nodes.size(); i-- > 0;) {
    if (!is_read[i]) continue;
    const Dhw& extent = shapes[i].extent;
    const bool has_places = extent[0] * extent[1] * extent[2] > 1;
    const Op op = graph.nodes[i].op;
    if (has_places && op != Op::adaptive_avg_pool && op != Op::dropout) return static_cast<int>(i);
    // What only weights the features is not what the class is read from.
    const std::size_t reads = op == Op::weighted_mean ? 1 : graph.nodes[i].inputs.size();
    for (std::size_t n = 0; n < reads; ++n) is_read[static_cast<std::size_t>(graph.nodes[i].inputs[n])] = true;
  }
  return 0;
}

}  // namespace oncotome::engine
