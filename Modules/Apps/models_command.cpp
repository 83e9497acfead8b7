// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <utility>

#include "commands.h"
#include "oncotome/core/error.h"
#include "oncotome/engine/import.h"
#include "oncotome/engine/model_package.h"
#include "oncotome/engine/weight_file.h"
#include "report_json.h"
#include "show_layers.h"
#include "terminal.h"

namespace oncotome::apps {
namespace {

/// Of a network: its floating-point tensors, each once, but for an optimizer's. Where that is asked, each is read, so
/// that a damaged one is found.
std::size_t count_parameters(const engine::WeightFile& file, bool and_read) {
  std::size_t count = 0;
  for (const engine::WeightFile::Entry& entry : file.tensors()) {
    const bool real = entry.dtype.find("float") != std::string::npos && entry.name.rfind("optimizer", 0) != 0;
    if (!real || !entry.same_as.empty()) continue;
    count += engine::Tensor::count(entry.shape);
    if (and_read) file.read(entry.name);
  }
  return count;
}

nlohmann::json stage_json(const engine::NnUnetStage& stage) {
  const engine::nnunet::Configuration& c = stage.configuration;
  nlohmann::json j{{"configuration", c.name},
                   {"network", c.network.residual_encoder ? "ResidualEncoderUNet" : "PlainConvUNet"},
                   {"dimensions", c.network.dimensions},
                   {"features", c.network.features},
                   {"patch_size", c.patch_size},
                   {"spacing_mm", c.spacing_mm},
                   {"mirror_axes", stage.mirror_axes},
                   {"parameters", 0}};
  for (const std::string& checkpoint : stage.checkpoints) {
    j["folds"].push_back(std::filesystem::path(checkpoint).parent_path().filename().string());
    j["parameters"] =
        j["parameters"].get<std::size_t>() + count_parameters(*engine::WeightFile::open(checkpoint), true);
  }
  add_layers(engine::build_conv_unet(c.network), {c.network.in_channels, c.patch_size}, j);
  if (!stage.previous.empty()) j["previous"] = stage_json(stage.previous[0]);
  return j;
}

/// A graph and the shape of its input.
using Network = std::pair<engine::Graph, engine::NodeShape>;

/// Of packages of one network that tell the size of its input.
std::optional<Network> network_of(const engine::ModelPackage& package) {
  if (const auto* unet = std::get_if<engine::UNetInference>(&package.inference))
    return Network{engine::build_unet(unet->network), {unet->network.in_channels, unet->patch_size}};
  if (const auto* meshnet = std::get_if<engine::MeshNetInference>(&package.inference)) {
    const std::int64_t size = package.preparation.conform.value_or(engine::Preparation::Conform{}).size;
    return Network{engine::build_meshnet(meshnet->network), {meshnet->network.in_channels, {size, size, size}}};
  }
  if (const auto* image = std::get_if<engine::ImageInference>(&package.inference))
    return Network{engine::build_network(image->network), {image->network.in_channels, image->network.input_size}};
  return std::nullopt;
}

void add_fields_of(const engine::ModelPackage& package, const Job& job, nlohmann::json& layers) {
  auto [graph, input] = *network_of(package);
  engine::Weights weights = engine::read_package_weights(package);
  if (const auto* unet = std::get_if<engine::UNetInference>(&package.inference)) {
    engine::fit_unet_weights(unet->network, weights);
  } else if (const auto* meshnet = std::get_if<engine::MeshNetInference>(&package.inference)) {
    engine::MeshNetConfig config = meshnet->network;
    engine::fit_meshnet_weights(config, weights);
    graph = engine::build_meshnet(config);
    // It keeps the grid, so that an input of what a voxel depends on is enough.
    for (std::int64_t& extent : input.extent)
      extent = std::min(extent, layers.back()["receptive_field"][0].get<std::int64_t>());
  } else {
    engine::fit_network_weights(engine::image_inference(package).network, weights);
  }
  add_effective_fields(graph, std::move(weights), input, job, layers);
}

/// Of it, its stages and its parts.
void print_all_layers(const nlohmann::json& j) {
  if (j.contains("layers")) {
    std::cout << '\n';
    print_layers(j["layers"], std::cout);
  }
  for (const char* key : {"nnunet", "previous"})
    if (j.contains(key)) print_all_layers(j[key]);
  for (const nlohmann::json& part : j.value("parts", nlohmann::json::array())) print_all_layers(part);
}

void show(const std::string& folder, bool effective, const Common& common) {
  const engine::ModelPackage package = engine::read_model_package(folder);
  if (effective && !network_of(package))
    throw Error(ErrorCode::usage,
                "effective fields are measured of packages with one network of their own; this has none");
  nlohmann::json j = workflow::model_json(package);
  if (const auto* nnunet = std::get_if<engine::NnUnetInference>(&package.inference)) {
    j["nnunet"] = stage_json(nnunet->ensemble.front());
    j["parameters"] = j["nnunet"]["parameters"];
  } else if (const auto* total = std::get_if<engine::TotalSegmentatorInference>(&package.inference)) {
    std::size_t parameters = 0;
    for (const auto& part : total->parts) {
      j["parts"].push_back(stage_json(part.model.ensemble.front()));
      parameters += j["parts"].back()["parameters"].get<std::size_t>();
    }
    j["parameters"] = parameters;
  } else {
    j["parameters"] = count_parameters(*engine::WeightFile::open(engine::checked_weights_path(package)), true);
    if (const auto network = network_of(package)) add_layers(network->first, network->second, j);
    if (effective) add_fields_of(package, Terminal(common.quiet).job(), j["layers"]);
  }
  for (const engine::ChannelSpec& channel : package.channels) j["channels"].push_back(channel.name);
  for (const Label& label : package.labels) j["labels"].push_back({{"value", label.value}, {"name", label.name}});
  if (const auto* image = std::get_if<engine::ImageInference>(&package.inference))
    for (const engine::ClassLabel& c : image->classes) j["classes"].push_back(c.name);
  if (common.json) {
    std::cout << workflow::json_text(j);
    return;
  }
  std::cout << package.title << "\n  name      " << package.name << ' ' << package.version << "\n  channels ";
  for (const engine::ChannelSpec& channel : package.channels) std::cout << ' ' << channel.name;
  std::cout << " (" << package.modality << ")\n  labels   ";
  for (const Label& label : package.labels) std::cout << ' ' << int{label.value} << " = " << label.name << ';';
  if (j.contains("classes")) std::cout << "\n  classes  ";
  for (const nlohmann::json& name : j.value("classes", nlohmann::json::array()))
    std::cout << ' ' << name.get<std::string>() << ';';
  std::cout << "\n  weights   " << j["parameters"] << " parameters";
  if (!package.weights_sha256.empty()) std::cout << ", SHA-256 " << package.weights_sha256;
  for (nlohmann::json stage = j.value("nnunet", nlohmann::json()); !stage.is_null();
       stage = stage.value("previous", nlohmann::json()))
    std::cout << "\n  stage     " << stage["configuration"].get<std::string>() << ", "
              << stage["network"].get<std::string>() << ", features " << stage["features"] << ", patch "
              << stage["patch_size"] << ", spacing " << stage["spacing_mm"] << " mm, folds " << stage["folds"]
              << ", mirrored over " << stage["mirror_axes"];
  std::cout << "\n  license   " << package.license << "\n  origin    " << package.origin << "\n  use       "
            << package.intended_use << '\n';
  print_all_layers(j);
}

void show_network(const engine::NetworkConfig& config, bool effective, const Common& common) {
  nlohmann::json j{{"network", config.architecture}, {"dimensions", config.dimensions}};
  const engine::Graph graph = engine::build_network(config);
  const engine::NodeShape input{config.in_channels, config.input_size};
  add_layers(graph, input, j);
  if (effective)
    add_effective_fields(graph, engine::initial_weights(config, 0), input, Terminal(common.quiet).job(), j["layers"]);
  if (common.json)
    std::cout << workflow::json_text(j);
  else
    print_layers(j["layers"], std::cout);
}

/// A number, a text, or a few of them; not a tree.
bool is_short(const nlohmann::ordered_json& value) {
  if (value.is_array() && value.size() <= 8)
    return std::all_of(value.begin(), value.end(), [](const auto& member) { return member.is_primitive(); });
  return value.is_primitive() && value.dump().size() <= 200;
}

/// Without what would steer a terminal.
std::string plain(const std::string& text) {
  const std::string quoted = nlohmann::json(text).dump();
  return quoted.substr(1, quoted.size() - 2);
}

void show_weights(const std::string& path, const Common& common) {
  const auto file = engine::WeightFile::open(path);
  const nlohmann::ordered_json contents = file->contents();
  nlohmann::json values = nlohmann::json::object(), tensors = nlohmann::json::array();
  const std::size_t parameters = count_parameters(*file, false);
  for (const auto& [name, value] : contents.items())
    if (is_short(value)) values[name] = value;
  for (const engine::WeightFile::Entry& entry : file->tensors()) {
    nlohmann::json tensor = {{"name", entry.name}, {"dtype", entry.dtype}, {"shape", entry.shape}};
    if (!entry.same_as.empty()) tensor["same_as"] = entry.same_as;
    tensors.push_back(std::move(tensor));
  }
  if (common.json) {
    std::cout << workflow::json_text(
        {{"kind", file->kind()}, {"parameters", parameters}, {"values", values}, {"tensors", tensors}});
    return;
  }
  std::cout << file->kind() << ", " << parameters << " parameters but for the optimizer's, " << tensors.size()
            << " tensors\n";
  for (const auto& [name, value] : values.items()) std::cout << "  " << plain(name) << " = " << value << '\n';
  for (const engine::WeightFile::Entry& entry : file->tensors()) {
    std::cout << "  " << plain(entry.name) << "  " << entry.dtype << ' ' << nlohmann::json(entry.shape);
    if (!entry.same_as.empty()) std::cout << " = " << plain(entry.same_as);
    std::cout << '\n';
  }
}

}  // namespace

void add_models(CLI::App& app, Common& common) {
  struct Options {
    std::string path, output, kind = "auto";
    bool replace = false, effective = false;
    engine::NetworkConfig network{{}, 2, 3, 1000};
  };
  const auto options = std::make_shared<Options>();
  CLI::App* models = app.add_subcommand("models", "Import and show model packages");
  models->require_subcommand(1);
  CLI::App* import_command = models->add_subcommand("import", "Make a model package of trained weights");
  import_command->add_option("PATH", options->path, "Folder with the weights")->required();
  import_command->add_option("-o,--output", options->output, "Folder for the package")->required();
  import_command->add_option("--kind", options->kind, "auto, msnet (the brats17 cascade) or meshnet (brainchop)");
  import_command->add_flag("--overwrite", options->replace, "Replace the package if it exists");
  import_command->callback([options, &common] {
    const std::string kind = engine::import_model(options->path, options->output, options->kind, options->replace);
    if (common.json)
      std::cout << workflow::json_text({{"kind", kind}, {"output", options->output}});
    else
      std::cout << "imported a model of kind " << kind << " to " << options->output << '\n';
  });
  CLI::App* show_command = models->add_subcommand(
      "show",
      "Tell what a package is and of what layers, and check its weights; or what is in a weights file; "
      "or the layers of a known network");
  CLI::Option* path = show_command->add_option("PATH", options->path,
                                               "A model package, or a file of weights (.pth, .pt, .ts, .safetensors)");
  std::string names;
  for (const std::string& name : engine::network_names()) names += (names.empty() ? "" : ", ") + name;
  CLI::Option* network =
      show_command->add_option("--network", options->network.architecture, "In place of PATH: " + names)
          ->excludes(path);
  const auto of_network = [&](const char* name, auto& value, const char* what) {
    return show_command->add_option(name, value, what)->needs(network)->capture_default_str();
  };
  of_network("--dimensions", options->network.dimensions, "2 or 3");
  of_network("--in-channels", options->network.in_channels, "Of the input");
  of_network("--classes", options->network.classes, "Of the image; 0: no such head");
  of_network("--labels", options->network.labels, "Of its voxels, background too; 0: no such head");
  of_network("--input-size", options->network.input_size, "Depth (1 in 2-D), height and width");
  of_network("--features", options->network.features, "Of the stages of a U-Net");
  show_command->add_flag("--effective", options->effective,
                         "Measure effective receptive fields too (arXiv:1701.04128): how wide along each axis the part "
                         "of the input is that 95.45 % of a voxel's derivatives lie in; of a network by its name, with "
                         "the weights that a training begins with");
  show_command->add_flag("--json", common.json, "As JSON on stdout");
  show_command->callback([options, &common] {
    if (!options->network.architecture.empty()) return show_network(options->network, options->effective, common);
    if (options->path.empty()) throw Error(ErrorCode::usage, "name a package or file, or a network with --network");
    std::error_code ec;
    const bool is_file = std::filesystem::is_regular_file(options->path, ec);
    if (is_file && options->effective)
      throw Error(ErrorCode::usage, "effective fields are measured of packages and of networks by their name");
    if (is_file)
      show_weights(options->path, common);
    else
      show(options->path, options->effective, common);
  });
}

}  // namespace oncotome::apps
