// SPDX-License-Identifier: Apache-2.0
#include "oncotome/core/error.h"
#include "package_json.h"

namespace oncotome::engine {
namespace {

using nlohmann::json;

void read_tiles(const json& j, TiledInference& tiles, std::int64_t out_channels) {
  tiles.patch_size = j.at("patch_size").get<Dhw>();
  tiles.overlap = j.at("overlap").get<double>();
  tiles.class_labels = read_class_labels(j, out_channels);
  for (std::int64_t extent : tiles.patch_size)
    if (extent < 1 || extent > 1024) invalid_package("patch_size must be 1 to 1024");
  if (!(tiles.overlap >= 0 && tiles.overlap <= 0.9)) invalid_package("overlap must lie between 0 and 0.9");
}

UNetInference read_unet(const json& j, const ModelPackage& package) {
  UNetInference u;
  u.network.dimensions = j.at("dimensions").get<int>();
  u.network.in_channels = j.at("in_channels").get<std::int64_t>();
  u.network.out_channels = j.at("out_channels").get<std::int64_t>();
  u.network.features = j.at("features").get<std::vector<std::int64_t>>();
  u.network.convs_per_stage = j.at("convs_per_stage").get<int>();
  read_tiles(j, u, u.network.out_channels);
  build_unet(u.network);
  if (u.network.in_channels != static_cast<std::int64_t>(package.channels.size()))
    invalid_package("in_channels differs from the number of input channels");
  const Dhw divisor = unet_divisor(u.network);
  for (std::size_t a = 0; a < 3; ++a)
    if (u.patch_size[a] % divisor[a] != 0) invalid_package("patch_size must be divisible by the network's strides");
  return u;
}

Op read_activation(const std::string& name) {
  if (name == "relu") return Op::relu;
  if (name == "elu") return Op::elu;
  if (name == "gelu") return Op::gelu;
  throw Error(ErrorCode::model_unsupported, "model.json asks for an activation that is not known: '" + name + "'");
}

MeshNetInference read_meshnet(const json& j, const ModelPackage& package) {
  MeshNetInference m;
  m.network.in_channels = static_cast<std::int64_t>(package.channels.size());
  m.network.channels = j.at("channels").get<std::int64_t>();
  m.network.out_channels = j.at("out_channels").get<std::int64_t>();
  m.network.dilations = j.at("dilations").get<std::vector<std::int64_t>>();
  m.network.activation = read_activation(j.at("activation").get<std::string>());
  m.network.instance_norm = j.at("instance_norm").get<bool>();
  build_meshnet(m.network);
  m.class_labels = read_class_labels(j, m.network.out_channels);
  m.crop_above = j.at("crop_above").get<double>();
  m.crop_margin = j.at("crop_margin").get<std::int64_t>();
  if (m.crop_margin < 0 || m.crop_margin > 1000) invalid_package("crop_margin must lie between 0 and 1000");
  m.largest_component = j.at("largest_component").get<bool>();
  return m;
}

}  // namespace

std::vector<std::uint8_t> read_class_labels(const json& j, std::int64_t out_channels) {
  auto labels = j.at("class_labels").get<std::vector<std::uint8_t>>();
  if (labels.empty() || labels.size() > 256 || out_channels != static_cast<std::int64_t>(labels.size()) ||
      labels[0] != 0)
    invalid_package("class_labels must name one label per class of 1 to 256, background 0 first");
  return labels;
}

decltype(ModelPackage::inference) read_network(const json& j, const ModelPackage& package) {
  const auto architecture = j.at("architecture").get<std::string>();
  if (architecture == "unet") return read_unet(j, package);
  if (architecture == "torchscript") {
    ScriptInference script;
    read_tiles(j, script, j.at("out_channels").get<std::int64_t>());
    return script;
  }
  if (architecture == "meshnet") return read_meshnet(j, package);
  if (architecture != "msnet_cascade")
    throw Error(ErrorCode::model_unsupported,
                "model.json asks for the network '" + architecture + "', which is not known");
  if (package.channels.size() != 4) invalid_package("msnet_cascade takes four channels");
  return MsnetCascadeInference{};
}

}  // namespace oncotome::engine
