// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cctype>

#include "bundle.h"
#include "oncotome/core/error.h"

namespace oncotome::engine::monai {
namespace {

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

/// A name, or [name, {arguments}].
std::pair<std::string, Json> named(Component& c, const std::string& key, const std::string& standard) {
  const Json* j = c.find(key);
  if (j == nullptr) return {standard, Json::object()};
  if (j->is_string()) return {lower(j->get<std::string>()), Json::object()};
  if (j->is_array() && j->size() == 2 && (*j)[0].is_string() && (*j)[1].is_object())
    return {lower((*j)[0].get<std::string>()), (*j)[1]};
  c.refuse("'" + key + "' is neither a name nor a name with arguments");
}

Activation read_activation(Component& c, const std::string& key, const std::string& standard) {
  const auto [name, arguments] = named(c, key, standard);
  Activation out;
  if (name == "prelu")
    out.op = Op::prelu;
  else if (name == "relu")
    out.op = Op::relu;
  else if (name == "leakyrelu")
    out.op = Op::leaky_relu;
  else if (name == "elu")
    out.op = Op::elu;
  else if (name == "gelu")
    out.op = Op::gelu;
  else
    c.refuse("the activation '" + shown(name) + "' is not known");
  for (const auto& [argument, value] : arguments.items()) {
    if (argument == "negative_slope" && out.op == Op::leaky_relu && value.is_number())
      out.slope = value.get<double>();
    else if (argument != "inplace" && argument != "init" && argument != "num_parameters")
      c.refuse("the activation's argument '" + shown(argument) + "' is not known");
  }
  return out;
}

Norm read_norm(Component& c, const std::string& key, const Norm& standard) {
  if (c.find(key) == nullptr) return standard;
  const auto [name, arguments] = named(c, key, "");
  Norm out;
  if (name == "instance")
    out.kind = Norm::Kind::instance;
  else if (name == "batch" || name == "syncbatch")
    out.kind = Norm::Kind::batch;
  else if (name == "group")
    out = {Norm::Kind::group, true, 8};
  else
    c.refuse("the normalization '" + shown(name) + "' is not known");
  for (const auto& [argument, value] : arguments.items()) {
    if (argument == "affine" && value.is_boolean() && (out.kind == Norm::Kind::instance || value.get<bool>()))
      out.affine = value.get<bool>();
    else if (argument == "num_groups" && value.is_number_integer() && out.kind == Norm::Kind::group)
      out.groups = value.get<std::int64_t>();
    else if (argument != "num_features" && argument != "num_channels" && argument != "momentum" &&
             !(argument == "eps" && value == 1e-5))
      c.refuse("the normalization's argument '" + shown(argument) + "' is not known");
  }
  return out;
}

int read_dimensions(Component& c, const char* key, std::int64_t standard) {
  const std::int64_t dimensions = c.integer(key, standard);
  if (dimensions != 2 && dimensions != 3) c.refuse(std::string("'") + key + "' must be 2 or 3");
  return static_cast<int>(dimensions);
}

// A 2-D network's kernels and strides are {1,H,W}.
Dhw triple_of(Component& c, const std::string& key, const Json& j, int dimensions) {
  Dhw out{1, 1, 1};
  const auto first = static_cast<std::size_t>(3 - dimensions);
  for (std::size_t a = first; a < 3; ++a) {
    const Json* item = j.is_array() ? (j.size() == 3 - first ? &j[a - first] : nullptr) : &j;
    if (item == nullptr || !item->is_number_integer() || *item < 1 || *item > 64)
      c.refuse("'" + key + "' must hold numbers of 1 to 64, one for all axes or one each");
    out[a] = item->get<std::int64_t>();
  }
  return out;
}

std::vector<Dhw> triples(Component& c, const std::string& key, int dimensions) {
  const Json* j = c.find(key);
  if (j == nullptr || !j->is_array() || j->size() > 10) c.refuse("'" + key + "' must be a list of up to ten");
  std::vector<Dhw> out;
  for (const Json& item : *j) out.push_back(triple_of(c, key, item, dimensions));
  return out;
}

Dhw kernel(Component& c, const std::string& key, int dimensions) {
  const Json* j = c.find(key);
  return triple_of(c, key, j == nullptr ? Json(3) : *j, dimensions);
}

std::vector<std::int64_t> counts(Component& c, const std::string& key, std::vector<std::int64_t> standard,
                                 std::int64_t most) {
  if (c.find(key) == nullptr) return standard;
  standard.clear();
  for (double value : c.numbers(key)) {
    if (!(value >= 1 && value <= static_cast<double>(most))) c.refuse("'" + key + "' holds what makes no network");
    standard.push_back(static_cast<std::int64_t>(value));
  }
  if (standard.size() > 10) c.refuse("'" + key + "' has more than ten levels");
  return standard;
}

UNet read_unet(Component& c) {
  UNet u;
  u.dimensions = read_dimensions(c, c.find("spatial_dims") != nullptr ? "spatial_dims" : "dimensions", 0);
  u.channels = counts(c, "channels", {}, 65536);
  u.strides = triples(c, "strides", u.dimensions);
  if (u.channels.size() < 2 || u.strides.size() + 1 < u.channels.size())
    c.refuse("it needs at least two channels, and a stride between each two");
  u.kernel = kernel(c, "kernel_size", u.dimensions);
  u.up_kernel = kernel(c, "up_kernel_size", u.dimensions);
  for (std::int64_t k : {u.kernel[0], u.kernel[1], u.kernel[2], u.up_kernel[0], u.up_kernel[1], u.up_kernel[2]})
    if (k % 2 == 0) c.refuse("its kernels must be odd");
  u.residual_units = static_cast<int>(c.integer("num_res_units", 0));
  if (u.residual_units < 0 || u.residual_units > 64) c.refuse("'num_res_units' must be 0 to 64");
  u.activation = read_activation(c, "act", "prelu");
  u.norm = read_norm(c, "norm", {});
  u.bias = c.flag("bias", true);
  c.ignore({"dropout"});
  c.expect("adn_ordering", "NDA");
  return u;
}

SegResNet read_segresnet(Component& c) {
  SegResNet s;
  s.dimensions = read_dimensions(c, "spatial_dims", 3);
  s.filters = c.integer("init_filters", 8);
  if (s.filters < 1 || s.filters > 4096) c.refuse("'init_filters' must be 1 to 4096");
  s.activation = read_activation(c, "act", "relu");
  s.norm = read_norm(c, "norm", s.norm);
  const auto blocks = [&](const char* key, std::vector<std::int64_t> standard) {
    const auto read = counts(c, key, std::move(standard), 64);
    return std::vector<int>(read.begin(), read.end());
  };
  s.blocks_down = blocks("blocks_down", {1, 2, 2, 4});
  s.blocks_up = blocks("blocks_up", {1, 1, 1});
  if (s.blocks_up.size() + 1 != s.blocks_down.size()) c.refuse("it must go up as often as down");
  c.ignore({"dropout_prob"});
  c.expect("norm_name", "");
  c.expect("num_groups", 8);
  c.expect("use_conv_final", true);
  c.expect("upsample_mode", "nontrainable");
  return s;
}

DynUNet read_dynunet(Component& c) {
  DynUNet d;
  d.dimensions = read_dimensions(c, "spatial_dims", 0);
  d.kernels = triples(c, "kernel_size", d.dimensions);
  d.strides = triples(c, "strides", d.dimensions);
  d.up_kernels = triples(c, "upsample_kernel_size", d.dimensions);
  if (d.strides.size() < 3 || d.kernels.size() != d.strides.size() || d.up_kernels.size() + 1 != d.strides.size())
    c.refuse("kernel_size, strides and upsample_kernel_size do not belong together");
  for (const Dhw& k : d.kernels)
    if (k[0] % 2 == 0 || k[1] % 2 == 0 || k[2] % 2 == 0) c.refuse("its kernels must be odd");
  d.residual = c.flag("res_block", false);
  d.up_bias = c.flag("trans_bias", false);
  d.activation = read_activation(c, "act_name", "leakyrelu");
  d.norm = read_norm(c, "norm_name", d.norm);
  c.ignore({"filters", "dropout", "deep_supervision", "deep_supr_num"});
  return d;
}

}  // namespace

Network read_network(const Config& config, std::int64_t in_channels, std::int64_t out_channels, bool has_script) {
  Network network{in_channels, out_channels, Script{}};
  const char* key = config.contains("network_def") ? "network_def" : "network";
  try {
    Component c(config, config.at(key));
    if (c.name() == "UNet" || c.name() == "Unet")
      network.architecture = read_unet(c);
    else if (c.name() == "SegResNet")
      network.architecture = read_segresnet(c);
    else if (c.name() == "DynUNet" || c.name() == "DynUnet")
      network.architecture = read_dynunet(c);
    else
      c.refuse(
          "this network is not known, and the bundle has no models/model.ts that could be run instead "
          "(python -m monai.bundle ckpt_export makes one)");
    if (c.integer("in_channels", 1) != in_channels || c.integer("out_channels", 2) != out_channels)
      c.refuse("its channels differ from those that metadata.json names");
    c.done();
  } catch (const Error&) {
    if (!has_script) throw;
    network.architecture = Script{};
  }
  return network;
}

}  // namespace oncotome::engine::monai
