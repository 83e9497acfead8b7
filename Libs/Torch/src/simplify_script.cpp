// SPDX-License-Identifier: Apache-2.0
#include "simplify_script.h"

#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/passes/constant_propagation.h>
#include <torch/csrc/jit/passes/loop_unrolling.h>
#include <torch/csrc/jit/passes/remove_mutation.h>

namespace oncotome::torch_backend {
namespace {

using JitValue = torch::jit::Value;
using IsKnown = std::function<bool(const JitNode&)>;

void refuse_writes(const torch::jit::Block& block) {
  for (const JitNode* node : block.nodes()) {
    if (const auto* schema = node->maybeSchema())
      for (const c10::Argument& argument : schema->arguments())
        require(*node,
                argument.alias_info() == nullptr || !argument.alias_info()->isWrite() ||
                    argument.type()->kind() != c10::TypeKind::TensorType,
                "changes its input");
    for (const torch::jit::Block* inner : node->blocks()) refuse_writes(*inner);
  }
}

// Of the first convolution's weight; 0 where there is none.
int rank_of(const torch::jit::Graph& graph, const IsKnown& is_known) {
  for (const JitNode* node : graph.nodes()) {
    if (!is_known(*node) || name_of(*node).find("conv") == std::string::npos) continue;
    const auto weight = torch::jit::toIValue(node->namedInput("weight"));
    if (weight) return static_cast<int>(weight->toTensor().dim());
  }
  return 0;
}

bool may_be_lowered(const JitValue& value, const JitValue& input, const IsKnown& is_known) {
  for (const JitValue* at = &value; at != &input;) {
    const JitNode& node = *at->node();
    if (node.inputs().empty() || !(is_known(node) || node.kind() == c10::prim::ListConstruct)) return false;
    at = node.input(0);
  }
  return true;
}

// Makes numbers of axes constants, for the branches on them; whether there were any.
bool settle_ranks(torch::jit::Block& block, const JitValue& input, int rank, const IsKnown& is_known) {
  bool settled = false;
  for (JitNode* node : block.nodes()) {
    for (torch::jit::Block* inner : node->blocks()) settled = settle_ranks(*inner, input, rank, is_known) || settled;
    const bool of_size = node->kind() == c10::aten::len && node->input(0)->node()->kind() == c10::aten::size &&
                         node->input(0)->node()->inputs().size() == 1;
    if (!(node->kind() == c10::aten::dim || of_size) || !node->output()->hasUses()) continue;
    const JitValue& value = of_size ? *node->input(0)->node()->input(0) : *node->input(0);
    if (!may_be_lowered(value, input, is_known)) continue;
    const torch::jit::WithInsertPoint here(node);
    node->output()->replaceAllUsesWith(node->owningGraph()->insertConstant(rank));
    settled = true;
  }
  return settled;
}

}  // namespace

std::string name_of(const JitNode& node) { return node.kind().toQualString(); }

void require(const JitNode& node, bool met, const char* what) {
  if (!met) throw Obstacle{name_of(node) + " " + what};
}

void simplify_script(std::shared_ptr<torch::jit::Graph> graph, const IsKnown& is_known) {
  torch::jit::RemoveTensorMutation(graph);
  const int rank = rank_of(*graph, is_known);
  do {
    torch::jit::ConstantPropagation(graph);
    torch::jit::UnrollConstantLoops(graph);
    torch::jit::RemoveListMutation(graph);
    torch::jit::ConstantPropagation(graph);
  } while (rank > 0 && settle_ranks(*graph->block(), *graph->inputs().at(1), rank, is_known));
  refuse_writes(*graph->block());
}

}  // namespace oncotome::torch_backend
