// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "json_entry.h"
#include "plans.h"

namespace oncotome::engine::nnunet {
namespace {

using nlohmann::ordered_json;

// The configuration with what it inherits: a parent's keys stand where the child has none.
ordered_json resolve(const JsonEntry& configurations, const std::string& name) {
  std::vector<std::string> chain{name};
  JsonEntry current = configurations.at(name);
  ordered_json merged = current.value();
  while (const auto parent = current.find("inherits_from")) {
    chain.push_back(parent->text());
    if (std::find(chain.begin(), chain.end() - 1, chain.back()) != chain.end() - 1) {
      std::string cycle;
      for (const std::string& link : chain) cycle += (cycle.empty() ? "" : " -> ") + link;
      configurations.refuse("inherit in a cycle: " + cycle);
    }
    current = configurations.at(chain.back());
    for (const auto& [key, value] : current.value().items())
      if (!merged.contains(key)) merged[key] = value;
  }
  return merged;
}

// Refuses a cascade whose stages wait for each other.
std::string read_previous_stage(const JsonEntry& configurations, const JsonEntry& configuration,
                                const std::string& name) {
  std::vector<std::string> chain{name};
  ordered_json stage = configuration.value();
  while (const auto previous = JsonEntry(stage, "plans.json: a previous stage:").find("previous_stage")) {
    const std::string next = previous->text();
    if (std::find(chain.begin(), chain.end(), next) != chain.end())
      configurations.refuse("have previous stages that run in a cycle, at '" + next + "'");
    chain.push_back(next);
    stage = resolve(configurations, next);
  }
  return chain.size() > 1 ? chain[1] : "";
}

Normalization read_normalization(const JsonEntry& scheme) {
  const std::string name = scheme.last_name();
  if (name == "CTNormalization") return Normalization::ct;
  if (name == "ZScoreNormalization") return Normalization::zscore;
  if (name == "NoNormalization") return Normalization::none;
  if (name == "RescaleTo01Normalization") return Normalization::rescale_to_0_1;
  if (name == "RGBTo01Normalization") return Normalization::rgb_to_0_1;
  scheme.refuse_unknown();
}

void read_normalizations(const JsonEntry& plans, const JsonEntry& configuration, Configuration& result,
                         std::size_t channels) {
  const auto schemes = configuration.at("normalization_schemes").items(channels, 256);
  const auto masks = configuration.at("use_mask_for_norm").items(channels, 256);
  for (std::size_t c = 0; c < channels; ++c) {
    result.normalization.push_back(read_normalization(schemes[c]));
    result.use_mask_for_norm.push_back(masks[c].flag());
    if (result.normalization.back() != Normalization::ct) continue;
    const auto now = plans.find("foreground_intensity_properties_per_channel");
    (now ? *now : plans.at("foreground_intensity_properties_by_modality")).at(std::to_string(c));
  }
}

void allow_keys(const JsonEntry& entry, const std::vector<std::string>& known) {
  for (const auto& [key, value] : entry.value().items())
    if (std::find(known.begin(), known.end(), key) == known.end()) entry.at(key).refuse_unknown();
}

// Defaults are those of nnU-Net's functions, not those that its planner writes.
Resampling read_resampling(const JsonEntry& configuration, const std::string& key, bool is_seg) {
  const JsonEntry function = configuration.at(key);
  const std::string name = function.last_name();
  const ordered_json none = ordered_json::object();
  const JsonEntry arguments = configuration.find(key + "_kwargs").value_or(JsonEntry(none, ""));
  Resampling result;
  if (name == "no_resampling_hack") {
    allow_keys(arguments, {});
    result.function = Resampling::Function::none;
    return result;
  }
  const bool standard = name == "resample_data_or_seg_to_shape";
  if (!standard && name != "resample_torch_fornnunet") function.refuse_unknown();
  std::vector<std::string> known{"is_seg", "force_separate_z", "separate_z_anisotropy_threshold"};
  for (const char* more : {"order", "order_z"})
    if (standard) known.emplace_back(more);
  for (const char* more : {"num_threads", "device", "memefficient_seg_resampling", "mode", "aniso_axis_mode"})
    if (!standard) known.emplace_back(more);
  allow_keys(arguments, known);

  if (const auto seg = arguments.find("is_seg"); (seg && seg->flag()) != is_seg)
    configuration.refuse("must resample labels as labels, and nothing else as labels, in '" + key + "_kwargs'");
  if (const auto threshold = arguments.find("separate_z_anisotropy_threshold"))
    if (threshold->number(0, 1e6) != 3) threshold->refuse_unknown();
  if (const auto force = arguments.find("force_separate_z"))
    result.force_separate_z = force->flag();
  else if (standard && !arguments.value().contains("force_separate_z"))
    result.force_separate_z = false;
  if (standard) {
    const auto order = arguments.find("order"), order_z = arguments.find("order_z");
    result.order = order ? static_cast<int>(order->whole(0, 5)) : 3;
    if (order && result.order != 0 && result.order != 1 && result.order != 3) order->refuse_unknown();
    if (order_z && order_z->whole(0, 5) != 0) order_z->refuse_unknown();
    return result;
  }
  result.function = Resampling::Function::torch;
  if (const auto memory = arguments.find("memefficient_seg_resampling"))
    result.memory_efficient_labels = memory->flag();
  if (const auto mode = arguments.find("mode"); mode && mode->text() != "linear") mode->refuse_unknown();
  if (const auto mode = arguments.find("aniso_axis_mode"); mode && mode->text() != "nearest-exact")
    mode->refuse_unknown();
  return result;
}

// One value for all stages, or a list of them.
std::vector<JsonEntry> per_stage(const JsonEntry& entry, std::size_t stages) {
  return entry.value().is_array() ? entry.items(stages, stages) : std::vector<JsonEntry>(stages, entry);
}

Dhw read_sizes(const JsonEntry& entry, int dimensions, std::int64_t most) {
  Dhw sizes{1, 1, 1};
  const auto n = static_cast<std::size_t>(dimensions);
  const auto values = per_stage(entry, n);
  for (std::size_t a = 0; a < n; ++a) sizes[3 - n + a] = values[a].whole(1, most);
  return sizes;
}

std::vector<int> read_counts(const JsonEntry& entry, std::size_t stages) {
  std::vector<int> counts;
  for (const JsonEntry& item : per_stage(entry, stages)) counts.push_back(static_cast<int>(item.whole(1, 64)));
  return counts;
}

// What plans from before v2.3 say, in the words of those after.
ordered_json modern_architecture(const JsonEntry& old, int dimensions) {
  const JsonEntry name = old.at("UNet_class_name");
  const std::string convs = name.last_name() == "ResidualEncoderUNet" ? "n_blocks_per_stage" : "n_conv_per_stage";
  const std::size_t stages = old.at("n_conv_per_stage_encoder").items(2, 12).size();
  const std::int64_t base = old.at("UNet_base_num_features").whole(1, 4096);
  const std::int64_t most = old.at("unet_max_num_features").whole(1, 4096);
  ordered_json features;
  for (std::size_t s = 0; s < stages; ++s) features.push_back(std::min(base << s, most));
  const std::string d = std::to_string(dimensions) + "d";
  return {{"network_class_name", name.text()},
          {"arch_kwargs",
           {{"n_stages", stages},
            {"features_per_stage", features},
            {"conv_op", "Conv" + d},
            {"kernel_sizes", old.at("conv_kernel_sizes").value()},
            {"strides", old.at("pool_op_kernel_sizes").value()},
            {convs, old.at("n_conv_per_stage_encoder").value()},
            {"n_conv_per_stage_decoder", old.at("n_conv_per_stage_decoder").value()},
            {"conv_bias", true},
            {"norm_op", "InstanceNorm" + d},
            {"norm_op_kwargs", {{"eps", 1e-5}, {"affine", true}}},
            {"nonlin", "LeakyReLU"}}}};
}

void read_norm(const JsonEntry& arguments, ConvUNetConfig& network) {
  const JsonEntry norm = arguments.at("norm_op");
  const std::string name = norm.last_name(), d = std::to_string(network.dimensions) + "d";
  network.batch_norm = name == "BatchNorm" + d;
  if (!network.batch_norm && name != "InstanceNorm" + d) norm.refuse_unknown();
  const auto options = arguments.find("norm_op_kwargs");
  if (options) allow_keys(*options, {"eps", "affine", "momentum", "track_running_stats"});
  const auto option = [&](const char* key) { return options ? options->find(key) : std::nullopt; };
  if (const auto epsilon = option("eps")) network.epsilon = epsilon->number(1e-12, 1);
  // PyTorch's defaults: only batch normalization has weights and statistics.
  const auto affine = option("affine"), statistics = option("track_running_stats");
  if (!(affine ? affine->flag() : network.batch_norm) ||
      (statistics ? statistics->flag() : network.batch_norm) != network.batch_norm)
    throw Error(ErrorCode::model_unsupported,
                "plans.json asks for a normalization without weights, or with the statistics of another kind");
}

void read_activation(const JsonEntry& arguments, ConvUNetConfig& network) {
  const JsonEntry activation = arguments.at("nonlin");
  const bool leaky = activation.last_name() == "LeakyReLU";
  if (!leaky && activation.last_name() != "ReLU") activation.refuse_unknown();
  const auto options = arguments.find("nonlin_kwargs");
  if (options) allow_keys(*options, {"inplace", leaky ? "negative_slope" : "inplace"});
  const auto slope = options ? options->find("negative_slope") : std::nullopt;
  network.leaky_slope = !leaky ? 0 : slope ? slope->number(-1, 1) : 0.01;
}

void read_network(const JsonEntry& architecture, ConvUNetConfig& network) {
  const JsonEntry name = architecture.at("network_class_name"), arguments = architecture.at("arch_kwargs");
  network.residual_encoder = name.last_name() == "ResidualEncoderUNet";
  if (!network.residual_encoder && name.last_name() != "PlainConvUNet") name.refuse_unknown();
  std::vector<std::string> known{"n_stages",
                                 "features_per_stage",
                                 "conv_op",
                                 "kernel_sizes",
                                 "strides",
                                 "conv_bias",
                                 "norm_op",
                                 "norm_op_kwargs",
                                 "dropout_op",
                                 "dropout_op_kwargs",
                                 "nonlin",
                                 "nonlin_kwargs",
                                 "n_stages",
                                 "deep_supervision",
                                 "n_conv_per_stage_decoder"};
  const char* convs = network.residual_encoder ? "n_blocks_per_stage" : "n_conv_per_stage";
  for (const char* more : {convs, network.residual_encoder ? "stem_channels" : "nonlin_first"})
    known.emplace_back(more);
  if (network.residual_encoder) known.insert(known.end(), {"block", "bottleneck_channels"});
  allow_keys(arguments, known);

  const JsonEntry conv = arguments.at("conv_op");
  if (conv.last_name() != "Conv" + std::to_string(network.dimensions) + "d") conv.refuse("does not fit the patch size");
  if (const auto block = arguments.find("block"); block && block->last_name() != "BasicBlockD") block->refuse_unknown();
  const auto stages = static_cast<std::size_t>(arguments.at("n_stages").whole(2, 12));
  for (const JsonEntry& item : per_stage(arguments.at("features_per_stage"), stages))
    network.features.push_back(item.whole(1, 4096));
  for (const JsonEntry& item : per_stage(arguments.at("kernel_sizes"), stages))
    network.kernel_sizes.push_back(read_sizes(item, network.dimensions, 31));
  for (const JsonEntry& item : per_stage(arguments.at("strides"), stages))
    network.strides.push_back(read_sizes(item, network.dimensions, 16));
  network.encoder_convs = read_counts(arguments.at(convs), stages);
  network.decoder_convs = read_counts(arguments.at("n_conv_per_stage_decoder"), stages - 1);
  const auto stem = arguments.find("stem_channels");
  if (network.residual_encoder) network.stem_channels = stem ? stem->whole(1, 4096) : network.features[0];
  const auto bias = arguments.find("conv_bias"), first = arguments.find("nonlin_first");
  network.conv_bias = bias && bias->flag();
  network.activation_first = first && first->flag();
  read_norm(arguments, network);
  read_activation(arguments, network);
  build_conv_unet(network);
}

void read_patch(const JsonEntry& configuration, Configuration& result) {
  const JsonEntry patch = configuration.at("patch_size");
  const auto n = static_cast<std::size_t>(result.network.dimensions);
  for (const JsonEntry& value : configuration.at("spacing").items(n, n))
    result.spacing_mm.push_back(value.number(1e-6, 1e6));
  result.patch_size = read_sizes(patch, result.network.dimensions, 2048);
  std::int64_t voxels = 1;
  for (std::size_t a = 0; a < 3; ++a) {
    voxels *= result.patch_size[a];
    std::int64_t stride = 1;
    for (const Dhw& s : result.network.strides) stride *= s[a];
    if (result.patch_size[a] % stride != 0) patch.refuse("must be divisible by the product of the network's strides");
  }
  if (voxels > std::int64_t{1} << 28) patch.refuse("must be of 2^28 voxels at most");
}

}  // namespace

Configuration read_configuration(const ordered_json& plans_json, const Plans& common, const std::string& name) {
  const JsonEntry plans(plans_json, "plans.json:"), configurations = plans.at("configurations");
  const ordered_json merged = resolve(configurations, name);
  const JsonEntry configuration(merged, "plans.json: configuration " + name + ":");
  Configuration result;
  result.name = name;
  if (const JsonEntry preprocessor = configuration.at("preprocessor_name");
      preprocessor.last_name() != "DefaultPreprocessor")
    preprocessor.refuse_unknown();
  result.network.dimensions = static_cast<int>(configuration.at("patch_size").items(2, 3).size());
  result.previous_stage = read_previous_stage(configurations, configuration, name);
  result.network.in_channels = static_cast<std::int64_t>(
      common.channel_names.size() + (result.previous_stage.empty() ? 0 : common.labels.foreground().size()));
  result.network.out_channels = static_cast<std::int64_t>(common.labels.classes().size());
  const auto architecture = configuration.find("architecture");
  const ordered_json modern =
      architecture ? architecture->value() : modern_architecture(configuration, result.network.dimensions);
  read_network(JsonEntry(modern, "plans.json: configuration " + name + ": architecture"), result.network);
  read_patch(configuration, result);
  read_normalizations(plans, configuration, result, common.channel_names.size());
  result.resample_data = read_resampling(configuration, "resampling_fn_data", false);
  result.resample_labels = read_resampling(configuration, "resampling_fn_seg", true);
  result.resample_logits = read_resampling(configuration, "resampling_fn_probabilities", false);
  return result;
}

TrainerTraits trainer_traits(const std::string& trainer_name) {
  TrainerTraits traits;
  traits.batch_norm = trainer_name.find("BN") != std::string::npos;
  // Parts of the names of nnU-Net's own trainers, the longer ones first where one begins another.
  const std::vector<std::string> parts{"nnUNetTrainer",
                                       "_",
                                       "NoMirroring",
                                       "onlyMirror01",
                                       "NoDeepSupervision",
                                       "noDummy2DDA",
                                       "DASegOrd0",
                                       "DAOrd0",
                                       "DA5",
                                       "Segord0",
                                       "ord0",
                                       "NoDA",
                                       "BN",
                                       "epochs",
                                       "epoch",
                                       "CosAnneal",
                                       "warmup",
                                       "Vanilla",
                                       "Adam",
                                       "Adan",
                                       "Dice",
                                       "TopK",
                                       "Topk",
                                       "CE",
                                       "Loss",
                                       "noSmooth",
                                       "LS",
                                       "Benchmark",
                                       "probabilisticOversampling",
                                       "noDataLoading",
                                       "en",
                                       "ep"};
  std::string rest = trainer_name;
  while (!rest.empty()) {
    std::size_t known = std::min(rest.find_first_not_of("0123456789"), rest.size());
    for (const std::string& part : parts)
      if (known == 0 && rest.compare(0, part.size(), part) == 0) known = part.size();
    if (known == 0) {
      traits.doubt =
          "the trainer is not one of nnU-Net's own; its network is taken to be the one that the plans describe";
      break;
    }
    rest.erase(0, known);
  }
  return traits;
}

}  // namespace oncotome::engine::nnunet
