// SPDX-License-Identifier: Apache-2.0
#include "lower_script.h"

#include <cmath>
#include <map>
#include <unordered_map>

#include "oncotome/core/error.h"
#include "simplify_script.h"

namespace oncotome::torch_backend {
namespace {

using engine::Dhw;
using engine::Node;
using engine::Op;
using JitValue = torch::jit::Value;

c10::IValue constant(const JitNode& node, const char* name) {
  const JitValue* value = node.namedInput(name);
  const auto known = torch::jit::toIValue(value);
  require(node, known.has_value(), "of what is computed");
  return *known;
}

std::int64_t whole(const JitNode& node, const char* name) { return constant(node, name).toInt(); }
bool flag(const JitNode& node, const char* name) { return constant(node, name).toBool(); }
double number(const JitNode& node, const char* name) { return constant(node, name).toScalar().toDouble(); }
bool absent(const JitNode& node, const char* name) { return constant(node, name).isNone(); }
bool all_are(const Dhw& v, std::int64_t value) { return v == Dhw{value, value, value}; }

constexpr int kDeepest = 2048;

class Lowering {
 public:
  explicit Lowering(const torch::jit::Module& module) : frozen_(torch::jit::freeze(module)) {
    auto graph = frozen_.get_method("forward").graph();
    simplify_script(graph, [](const JitNode& node) { return rules().count(name_of(node)) > 0; });
    ids_[graph->inputs().at(1)] = add({}, 0);
    lower(graph->outputs().at(0));
    if (in_channels_ == 0) throw Obstacle{"no convolution of the input"};
    check_weights(result_.graph, result_.weights, in_channels_);
  }

  engine::ScriptGraph take() {
    result_.dimensions = dimensions_;
    return std::move(result_);
  }

 private:
  using Rule = int (Lowering::*)(const JitNode&);

  static const std::map<std::string, Rule>& rules() {
    static const std::map<std::string, Rule> table = {
        {"aten::conv2d", &Lowering::conv},
        {"aten::conv3d", &Lowering::conv},
        {"aten::convolution", &Lowering::conv},
        {"aten::_convolution", &Lowering::conv},
        {"aten::conv_transpose2d", &Lowering::conv},
        {"aten::conv_transpose3d", &Lowering::conv},
        {"aten::instance_norm", &Lowering::instance_norm},
        {"aten::batch_norm", &Lowering::batch_norm},
        {"aten::group_norm", &Lowering::group_norm},
        {"aten::prelu", &Lowering::prelu},
        {"aten::leaky_relu", &Lowering::leaky_relu},
        {"aten::relu", &Lowering::relu},
        {"aten::elu", &Lowering::elu},
        {"aten::gelu", &Lowering::gelu},
        {"aten::avg_pool2d", &Lowering::avg_pool},
        {"aten::avg_pool3d", &Lowering::avg_pool},
        {"aten::add", &Lowering::sum},
        {"aten::cat", &Lowering::concat},
        {"aten::softmax", &Lowering::softmax},
        {"aten::__getitem__", &Lowering::item},
        {"aten::upsample_bilinear2d", &Lowering::upsample},
        {"aten::upsample_trilinear3d", &Lowering::upsample},
        {"aten::contiguous", &Lowering::same},
        {"aten::clone", &Lowering::same},
        {"aten::detach", &Lowering::same},
        {"aten::dropout", &Lowering::dropout},
        {"aten::feature_dropout", &Lowering::dropout},
    };
    return table;
  }

  // Recurses from each layer to those before it.
  int lower(const JitValue* value) {
    const auto known = ids_.find(value);
    if (known != ids_.end()) return known->second;
    const JitNode& node = *value->node();
    const auto rule = rules().find(name_of(node));
    if (rule == rules().end()) throw Obstacle{name_of(node)};
    if (++depth_ > kDeepest) throw Obstacle{"more than 2048 layers one after the other"};
    const int id = ids_[value] = (this->*rule->second)(node);
    --depth_;
    return id;
  }

  int input(const JitNode& node) { return lower(node.input(0)); }

  // `channels` 0: as many as its input has.
  int add(Node node, std::int64_t channels = 0) {
    if (channels == 0 && !node.inputs.empty()) channels = channels_.at(static_cast<std::size_t>(node.inputs[0]));
    channels_.push_back(channels);
    return result_.graph.add(std::move(node));
  }

  void set_dimensions(const JitNode& node, std::size_t dimensions) {
    require(node, dimensions == 2 || dimensions == 3, "in neither 2 nor 3 dimensions");
    if (dimensions_ == 0) dimensions_ = static_cast<int>(dimensions);
    require(node, dimensions_ == static_cast<int>(dimensions), "in other dimensions than before");
  }

  // `depth` is the first of a 2-D pair's triple, and the least of all.
  template <class T>
  Dhw triple(const JitNode& node, const T& list, std::int64_t depth) {
    constexpr double kMost = 65536;
    set_dimensions(node, list.size());
    Dhw out{depth, 1, 1};
    for (std::size_t a = 0; a < list.size(); ++a) {
      const auto value = static_cast<double>(list[a]);
      require(node, value == std::trunc(value), "by a fraction");
      require(node, value >= static_cast<double>(depth), "by less than one");
      require(node, value <= kMost, "by more than 65536");
      out[a + 3 - list.size()] = static_cast<std::int64_t>(value);
    }
    return out;
  }
  Dhw triple(const JitNode& node, const char* name, std::int64_t depth) {
    return triple(node, constant(node, name).toIntVector(), depth);
  }

  at::Tensor tensor(const JitNode& node, const char* name) {
    const c10::IValue value = constant(node, name);
    if (value.isNone()) return {};
    at::Tensor t = value.toTensor();
    require(node, t.scalar_type() == at::kFloat && t.layout() == at::kStrided, "of weights that are not float32");
    return t;
  }

  std::string keep(const at::Tensor& t, const char* what) {
    if (!t.defined()) return {};
    const at::Tensor values = t.to(at::kCPU, at::kFloat).contiguous();
    engine::Tensor kept;
    kept.shape.assign(values.sizes().begin(), values.sizes().end());
    kept.values.assign(floats(values), floats(values) + values.numel());
    std::string name = std::to_string(result_.graph.nodes.size()) + "." + what;
    result_.weights[name] = std::move(kept);
    return name;
  }

  int conv(const JitNode& n) {
    const std::string kind = name_of(n);
    const bool any = kind == "aten::convolution" || kind == "aten::_convolution";
    const bool transposed = any ? flag(n, "transposed") : kind.find("transpose") != std::string::npos;
    const int x = input(n);
    at::Tensor weight = tensor(n, "weight");
    require(n, weight.dim() == 4 || weight.dim() == 5, "in neither 2 nor 3 dimensions");
    set_dimensions(n, static_cast<std::size_t>(weight.dim() - 2));
    if (dimensions_ == 2) weight = weight.unsqueeze(2);
    require(n, whole(n, "groups") == 1, "in groups");
    if (in_channels_ == 0 && channels_.at(static_cast<std::size_t>(x)) == 0)
      in_channels_ = weight.size(transposed ? 0 : 1);

    Node node{transposed ? Op::conv_transpose : Op::conv, {x}, keep(weight, "weight"), keep(tensor(n, "bias"), "bias")};
    node.stride = triple(n, "stride", 1);
    node.dilation = triple(n, "dilation", 1);
    const c10::IValue padding = constant(n, "padding");
    if (!padding.isString()) {
      node.pad_before = node.pad_after = triple(n, "padding", 0);
    } else if (padding.toStringRef() == "same") {
      for (std::size_t a = 0; a < 3; ++a) {
        const std::int64_t all = node.dilation[a] * (weight.size(static_cast<std::int64_t>(a) + 2) - 1);
        node.pad_before[a] = all / 2;
        node.pad_after[a] = all - all / 2;
      }
    }
    if (transposed || any) {
      const Dhw more = triple(n, "output_padding", 0);
      for (std::size_t a = 0; a < 3 && transposed; ++a) node.pad_after[a] -= more[a];
    }
    if (transposed) {
      require(n, all_are(node.dilation, 1), "with dilation");
      for (std::int64_t cut : node.pad_after) require(n, cut >= 0, "beyond its full result");
    }
    return add(std::move(node), weight.size(transposed ? 1 : 0));
  }

  int affine(const JitNode& n, const at::Tensor& mean, const at::Tensor& variance) {
    const int x = input(n);
    const at::Tensor weight = tensor(n, "weight"), bias = tensor(n, "bias");
    at::Tensor scale = at::rsqrt(variance.to(at::kDouble) + number(n, "eps"));
    if (weight.defined()) scale = scale * weight;
    at::Tensor shift = -scale * mean;
    if (bias.defined()) shift = shift + bias;
    return add({Op::affine, {x}, keep(scale, "weight"), keep(shift, "bias")});
  }

  int batch_norm(const JitNode& n) {
    const at::Tensor mean = tensor(n, "running_mean"), variance = tensor(n, "running_var");
    require(n, !flag(n, "training") && mean.defined() && variance.defined(), "by the batch's own statistics");
    return affine(n, mean, variance);
  }

  int instance_norm(const JitNode& n) {
    if (!flag(n, "use_input_stats")) return affine(n, tensor(n, "running_mean"), tensor(n, "running_var"));
    return normalized(n, {Op::instance_norm, {input(n)}});
  }

  int group_norm(const JitNode& n) {
    Node node{Op::group_norm, {input(n)}};
    node.groups = whole(n, "num_groups");
    require(n, !absent(n, "weight"), "without weights");
    return normalized(n, std::move(node));
  }

  int normalized(const JitNode& n, Node node) {
    const at::Tensor weight = tensor(n, "weight"), bias = tensor(n, "bias");
    require(n, weight.defined() == bias.defined(), "with a weight or a bias alone");
    node.weight = keep(weight, "weight");
    node.bias = keep(bias, "bias");
    node.epsilon = number(n, "eps");
    return add(std::move(node));
  }

  int prelu(const JitNode& n) {
    const int x = input(n);
    at::Tensor slope = tensor(n, "weight");
    const std::int64_t channels = channels_.at(static_cast<std::size_t>(x));
    require(n, channels > 0, "of the input");
    return add({Op::prelu, {x}, keep(slope.numel() == 1 ? slope.reshape({1}).expand({channels}) : slope, "weight")});
  }

  int leaky_relu(const JitNode& n) {
    Node node{Op::leaky_relu, {input(n)}};
    node.slope = number(n, "negative_slope");
    return add(std::move(node));
  }

  int relu(const JitNode& n) { return add({Op::relu, {input(n)}}); }

  int elu(const JitNode& n) {
    for (const char* factor : {"alpha", "scale", "input_scale"}) require(n, number(n, factor) == 1, "with factors");
    return add({Op::elu, {input(n)}});
  }

  int gelu(const JitNode& n) {
    require(n, constant(n, "approximate").toStringRef() == "none", "by approximation");
    return add({Op::gelu, {input(n)}});
  }

  int avg_pool(const JitNode& n) {
    Node node{Op::avg_pool, {input(n)}};
    node.stride = triple(n, "kernel_size", 1);
    const auto stride = constant(n, "stride").toIntVector();
    require(n, stride.empty() || triple(n, stride, 1) == node.stride, "of overlapping blocks");
    require(n, all_are(triple(n, "padding", 0), 0) && !flag(n, "ceil_mode"), "beyond the edge");
    require(n, absent(n, "divisor_override"), "by another divisor");
    return add(std::move(node));
  }

  int sum(const JitNode& n) {
    for (const char* term : {"self", "other"})
      require(n, n.namedInput(term)->type()->kind() == c10::TypeKind::TensorType, "of a number");
    require(n, number(n, "alpha") == 1, "of a multiple");
    const int x = input(n), y = lower(n.input(1));
    const auto channels = [&](int id) { return channels_.at(static_cast<std::size_t>(id)); };
    require(n, channels(x) == channels(y), "of different channels");
    return add({Op::add, {x, y}});
  }

  // Of the axis of channels.
  void require_channels(const JitNode& n) {
    const std::int64_t axis = whole(n, "dim");
    require(n, axis == 1 || (dimensions_ > 0 && axis == -1 - dimensions_), "along another axis than that of channels");
  }

  int concat(const JitNode& n) {
    const JitNode& list = *n.input(0)->node();
    require(n, list.kind() == c10::prim::ListConstruct && list.output()->uses().size() == 1,
            "of a list that is computed");
    Node node{Op::concat};
    std::int64_t channels = 0;
    for (const JitValue* value : list.inputs()) {
      node.inputs.push_back(lower(value));
      const std::int64_t some = channels_.at(static_cast<std::size_t>(node.inputs.back()));
      require(n, some > 0, "of the input");
      channels += some;
    }
    require_channels(n);
    return add(std::move(node), channels);
  }

  // Of a list that is at most turned round between its making and its reading.
  int item(const JitNode& n) {
    const JitNode& list = *n.input(0)->node();
    require(n, list.kind() == c10::prim::ListConstruct, "of a list that is computed");
    bool turned = false;
    for (const torch::jit::Use& use : list.output()->uses()) {
      const std::string user = name_of(*use.user);
      require(n, use.user->owningBlock() == n.owningBlock() && (user == "aten::__getitem__" || user == "aten::reverse"),
              "of a list that is computed");
      turned ^= user == "aten::reverse" && use.user->isBefore(&n);
    }
    const auto known = torch::jit::toIValue(n.input(1));
    const auto size = static_cast<std::int64_t>(list.inputs().size());
    require(n, known && known->isInt() && known->toInt() >= -size && known->toInt() < size, "of what is computed");
    const std::int64_t index = (known->toInt() + size) % size;
    return lower(list.input(static_cast<std::size_t>(turned ? size - 1 - index : index)));
  }

  int softmax(const JitNode& n) {
    const int x = input(n);
    require_channels(n);
    require(n, absent(n, "dtype"), "in another type");
    return add({Op::softmax, {x}});
  }

  int upsample(const JitNode& n) {
    Node node{Op::upsample, {input(n)}};
    const auto schema = n.schema().overload_name();
    require(n, schema == "vec" && absent(n, "output_size"), "to a size");
    require(n, !flag(n, "align_corners"), "between corners");
    node.stride = triple(n, constant(n, "scale_factors").toDoubleVector(), 1);
    return add(std::move(node));
  }

  int same(const JitNode& n) { return input(n); }

  int dropout(const JitNode& n) {
    require(n, !flag(n, "train"), "in training");
    return input(n);
  }

  const torch::jit::Module frozen_;
  engine::ScriptGraph result_;
  std::unordered_map<const JitValue*, int> ids_;
  std::vector<std::int64_t> channels_;  // of each node; 0: those of the input
  std::int64_t in_channels_ = 0;
  int dimensions_ = 0, depth_ = 0;
};

engine::ScriptGraph not_lowered(std::string obstacle) {
  engine::ScriptGraph out;
  out.obstacle = std::move(obstacle);
  return out;
}

}  // namespace

engine::ScriptGraph lower_script(const torch::jit::Module& module) {
  try {
    return Lowering(module).take();
  } catch (const Obstacle& obstacle) {
    return not_lowered(obstacle.what);
  } catch (const Error& e) {
    return not_lowered(e.what());
  } catch (const c10::Error& e) {
    const std::string what = e.what_without_backtrace();
    return not_lowered(what.substr(0, what.find('\n')));
  }
}

}  // namespace oncotome::torch_backend
