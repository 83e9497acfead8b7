// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <numeric>
#include <set>

#include "import_kinds.h"
#include "oncotome/core/error.h"
#include "oncotome/engine/networks.h"
#include "package_json.h"

namespace oncotome::engine {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

/// What brainchop's own program knows of a model and model.json does not say.
struct Variant {
  std::int64_t channels, classes;
  Op activation;
  const char* name;
  const char* title;
  const char* use;
  double low, high;  ///< Quantiles that become 0 and 1,
  bool clip;         ///< and whether values beyond are cut.
  double crop_above;
  std::int64_t crop_margin;
  std::vector<const char*> labels;  ///< Empty: colormap.json names them.
};

// The largest of these models has 3 MB of weights.
constexpr std::uintmax_t kLargestFile = std::uintmax_t{256} << 20;
constexpr std::size_t kMostFiles = 64;

const Variant kVariants[] = {
    {15,
     2,
     Op::gelu,
     "mindgrab-skullstrip",
     "Brain on MR of the head (brainchop mindgrab)",
     "tells brain from skull and scalp",
     0.02,
     0.98,
     true,
     0.2,
     20,
     {"Brain"}},
    {11,
     2,
     Op::elu,
     "meshnet-stroke-lesion",
     "Chronic stroke lesion on T1 (brainchop)",
     "outlines chronic stroke lesions",
     0,
     1,
     false,
     0.0,
     18,
     {"Infarct"}},
    {5,
     3,
     Op::relu,
     "meshnet-tissue-light",
     "Gray and white matter on T1 (brainchop, light)",
     "tells gray from white matter",
     0,
     1,
     false,
     0.0,
     18,
     {"White Matter", "Grey Matter"}},
    {20,
     3,
     Op::elu,
     "meshnet-tissue",
     "Gray and white matter on T1 (brainchop)",
     "tells gray from white matter",
     0.05,
     0.95,
     false,
     0.2,
     0,
     {}},
    {21,
     18,
     Op::elu,
     "meshnet-regions-21",
     "17 brain regions on T1 (brainchop, 21 channels)",
     "names brain regions",
     0,
     1,
     false,
     0.2,
     0,
     {}},
    {30,
     18,
     Op::elu,
     "meshnet-regions-30",
     "17 brain regions on T1 (brainchop, 30 channels)",
     "names brain regions",
     0,
     1,
     false,
     0.2,
     0,
     {}},
};

[[noreturn]] void other(const std::string& why) {
  throw Error(ErrorCode::model_unsupported, "this Keras model is no MeshNet that can be imported: " + why);
}

[[noreturn]] void damaged(const std::string& why) {
  throw Error(ErrorCode::weights_invalid, "the Keras weights cannot be read: " + why);
}

/// A MeshNet as Keras names it: the configuration, and the names of its convolutions in order, the head last.
struct Keras {
  MeshNetConfig config;
  std::vector<std::string> convolutions;
};

Op activation_of(const std::string& name) {
  if (name == "relu") return Op::relu;
  if (name == "elu") return Op::elu;
  if (name == "gelu") return Op::gelu;
  other("its activation is '" + name + "'");
}

Keras read_topology(const json& layers) {
  using Triple = std::vector<std::int64_t>;
  Keras k;
  std::vector<bool> normed;
  bool expect_activation = false, head = false;
  for (const json& layer : layers) {
    const auto kind = layer.at("class_name").get<std::string>();
    const json& c = layer.at("config");
    if (kind == "InputLayer" && k.convolutions.empty()) continue;
    if (head) other("layers follow its 1x1x1 head");
    if (kind == "Activation" && expect_activation) {
      const Op activation = activation_of(c.at("activation").get<std::string>());
      if (k.config.dilations.size() > 1 && activation != k.config.activation) other("its activations differ");
      k.config.activation = activation;
      expect_activation = false;
      continue;
    }
    if (kind != "Conv3D" || expect_activation) other("it has a layer of class " + kind + " where a MeshNet has none");
    const auto name = c.at("name").get<std::string>();
    const auto kernel = c.at("kernel_size").get<Triple>(), dilation = c.at("dilation_rate").get<Triple>();
    head = kernel == Triple{1, 1, 1};
    if ((!head && kernel != Triple{3, 3, 3}) || c.at("strides").get<Triple>() != Triple{1, 1, 1} ||
        dilation.size() != 3 || dilation != Triple(3, dilation[0]) || c.at("padding") != "same" ||
        c.at("data_format") != "channels_last" || c.at("activation") != "linear" || c.value("groups", 1) != 1)
      other("convolution '" + name + "' is of another kind");
    const auto filters = c.at("filters").get<std::int64_t>();
    k.convolutions.push_back(name);
    if (head) {
      k.config.out_channels = filters;
      continue;
    }
    if (!k.config.dilations.empty() && filters != k.config.channels) other("its layers have unequal channels");
    k.config.channels = filters;
    k.config.dilations.push_back(dilation[0]);
    // The exporter writes a normalization as an ending of the name; brainchop's program carries it out.
    normed.push_back(name.size() > 3 && name.compare(name.size() - 3, 3, "_gn") == 0);
    if (c.at("use_bias").get<bool>() == normed.back())
      other("convolution '" + name + "' has a bias and a norm, or neither");
    expect_activation = true;
  }
  if (!head || normed.empty()) other("it has no 1x1x1 head");
  if (std::vector<bool>(normed.size(), normed[0]) != normed) other("only some of its layers are normalized");
  k.config.instance_norm = normed[0];
  return k;
}

std::string read_file(const fs::path& path) {
  std::error_code error;  // a folder throws when it is read, and a pipe never ends
  std::ifstream file(fs::is_regular_file(path, error) ? path : fs::path(), std::ios::binary);
  if (!file) damaged("a file that model.json names is not there");
  if (fs::file_size(path, error) > kLargestFile || error)
    damaged("a file that model.json names is larger than 256 MiB");
  std::string bytes{std::istreambuf_iterator<char>(file), {}};
  return bytes;
}

// All files one after the other hold the tensors in the manifest's order, little-endian.
Weights read_weights(const json& manifest, const fs::path& folder) {
  Weights weights;
  std::set<std::string> files;
  for (const json& group : manifest) {
    std::string bytes;
    for (const json& path : group.at("paths")) {
      const auto name = path.get<std::string>();
      if (name.empty() || fs::path(name).filename() != name) damaged("its files must lie beside model.json");
      if (!files.insert(name).second || files.size() > kMostFiles) damaged("it names too many files, or one twice");
      bytes += read_file(folder / name);
    }
    std::size_t at = 0;
    for (const json& entry : group.at("weights")) {
      const auto name = entry.at("name").get<std::string>();
      if (entry.at("dtype") != "float32" || entry.contains("quantization"))
        damaged("'" + name + "' is not plain float32");
      Tensor tensor;
      tensor.shape = entry.at("shape").get<std::vector<std::int64_t>>();
      std::size_t count = 1;
      for (std::int64_t extent : tensor.shape) {
        if (extent < 1 || static_cast<std::size_t>(extent) > bytes.size() / count)
          damaged("'" + name + "' is larger than its file");
        count *= static_cast<std::size_t>(extent);
      }
      if (count > (bytes.size() - at) / sizeof(float)) damaged("'" + name + "' is cut off");
      tensor.values.resize(count);
      for (float& value : tensor.values) {
        std::uint32_t bits = 0;
        for (std::size_t b = 0; b < 4; ++b)
          bits |= static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[at++])) << (8 * b);
        std::memcpy(&value, &bits, sizeof value);
        if (!std::isfinite(value)) damaged("'" + name + "' holds a value that is not finite");
      }
      weights.emplace(name, std::move(tensor));
    }
    if (at != bytes.size()) damaged("its files are longer than model.json says");
  }
  return weights;
}

// Keras' kernel [i,j,k,in,out], where i follows the input's first axis, to [out,in,i,j,k].
Tensor kernel_of(const Tensor& w) {
  if (w.shape.size() != 5) damaged("a kernel has not five axes");
  const std::int64_t taps = w.shape[0] * w.shape[1] * w.shape[2], in = w.shape[3], out = w.shape[4];
  Tensor result({out, in, w.shape[0], w.shape[1], w.shape[2]});
  for (std::int64_t t = 0; t < taps; ++t)
    for (std::int64_t i = 0; i < in; ++i)
      for (std::int64_t o = 0; o < out; ++o)
        result.values[static_cast<std::size_t>((o * in + i) * taps + t)] =
            w.values[static_cast<std::size_t>((t * in + i) * out + o)];
  return result;
}

Weights convert(const Keras& k, Weights keras) {
  Weights weights;
  for (std::size_t i = 0; i < k.convolutions.size(); ++i) {
    const bool head = i + 1 == k.convolutions.size();
    const std::string name = head ? "head" : "layer." + std::to_string(i);
    const auto get = [&](const std::string& part) -> Tensor& {
      const auto found = keras.find(k.convolutions[i] + "/" + part);
      if (found == keras.end()) damaged("'" + k.convolutions[i] + "/" + part + "' is missing");
      return found->second;
    };
    weights[name + ".weight"] = kernel_of(get("kernel"));
    if (head || !k.config.instance_norm) weights[name + ".bias"] = std::move(get("bias"));
  }
  check_weights(build_meshnet(k.config), weights, k.config.in_channels);
  return weights;
}

nlohmann::ordered_json label_json(const std::string& name, int value, const json& color) {
  nlohmann::ordered_json type{{"value", std::to_string(value)}, {"scheme", "99BRAINCHOP"}, {"meaning", name}};
  nlohmann::ordered_json category{{"value", "123037004"}, {"scheme", "SCT"}, {"meaning", "Anatomical Structure"}};
  const bool lesion = name == "Infarct";
  if (name == "Brain") type = {{"value", "12738006"}, {"scheme", "SCT"}, {"meaning", "Brain"}};
  if (lesion) {
    type = {{"value", "55641003"}, {"scheme", "SCT"}, {"meaning", "Infarct"}};
    category = {{"value", "49755003"}, {"scheme", "SCT"}, {"meaning", "Morphologically Altered Structure"}};
  }
  return {{"value", value},   {"name", name},         {"color", color},
          {"lesion", lesion}, {"category", category}, {"type", type}};
}

nlohmann::ordered_json labels_json(const Variant& v, const fs::path& folder) {
  nlohmann::ordered_json labels = json::array();
  json colors;
  if (std::ifstream(folder / "colormap.json").good()) colors = parse_json(read_text(folder / "colormap.json"));
  for (std::int64_t i = 1; i < v.classes; ++i) {
    const auto n = static_cast<std::size_t>(i);
    const bool named = colors.is_object() && colors.at("labels").size() == static_cast<std::size_t>(v.classes);
    if (v.labels.empty() && !named) other("colormap.json does not name its classes");
    const std::string name = v.labels.empty() ? colors.at("labels").at(n).get<std::string>() : v.labels[n - 1];
    const json color =
        named ? json{colors.at("R").at(n), colors.at("G").at(n), colors.at("B").at(n)} : json{230, 255 - 60 * i, 80};
    labels.push_back(label_json(name, static_cast<int>(i), color));
  }
  return labels;
}

nlohmann::ordered_json describe(const Variant& v, const MeshNetConfig& config, const fs::path& folder) {
  const bool any = v.labels == std::vector<const char*>{"Brain"};
  nlohmann::ordered_json d;
  d["schema"] = "oncotome.model/1";
  d["name"] = v.name;
  d["title"] = v.title;
  d["version"] = "1.0.0";
  d["intended_use"] =
      std::string("Research: ") + v.use + ". Not a medical device; every result needs a reader's check.";
  d["license"] = "MIT";
  d["origin"] = "github.com/neuroneural/brainchop; MeshNet: Fedorov et al., arXiv:1612.00940";
  d["weights"] = nullptr;
  d["input"] = {{"modality", "MR"},
                {"region", {{"value", "12738006"}, {"scheme", "SCT"}, {"meaning", "Brain"}}},
                {"channels", {{{"name", any ? "MR" : "T1"}, {"find", {{{"description", any ? "." : "t1"}}}}}}}};
  d["preparation"] = {
      {{"step", "conform"}, {"axes", "AIL"}, {"size", 256}, {"spacing_mm", 1}},
      {{"step", "normalize"}, {"method", "quantile"}, {"low", v.low}, {"high", v.high}, {"clip", v.clip}}};
  std::vector<int> classes(static_cast<std::size_t>(v.classes));
  std::iota(classes.begin(), classes.end(), 0);
  d["network"] = {{"architecture", "meshnet"},
                  {"channels", v.channels},
                  {"out_channels", v.classes},
                  {"dilations", config.dilations},
                  {"activation", v.activation == Op::relu  ? "relu"
                                 : v.activation == Op::elu ? "elu"
                                                           : "gelu"},
                  {"instance_norm", config.instance_norm},
                  {"class_labels", classes},
                  {"crop_above", v.crop_above},
                  {"crop_margin", v.crop_margin},
                  {"largest_component", any}};
  d["labels"] = labels_json(v, folder);
  d["lesion"] = {{"min_volume_mm3", 50}};
  return d;
}

}  // namespace

std::optional<ImportedModel> import_meshnet(const fs::path& path) {
  if (!std::ifstream(path / "model.json").good()) return std::nullopt;
  const json j = parse_json(read_text(path / "model.json"));
  if (!j.is_object() || !j.contains("modelTopology")) return std::nullopt;
  try {
    const Keras keras = read_topology(j.at("modelTopology").at("model_config").at("config").at("layers"));
    const auto variant = std::find_if(std::begin(kVariants), std::end(kVariants), [&](const Variant& v) {
      return v.channels == keras.config.channels && v.classes == keras.config.out_channels &&
             v.activation == keras.config.activation && (v.activation == Op::gelu) == keras.config.instance_norm;
    });
    if (variant == std::end(kVariants))
      other("what " + std::to_string(keras.config.channels) + " channels and " +
            std::to_string(keras.config.out_channels) + " classes mean and how its input is scaled is not known");
    ImportedModel model{convert(keras, read_weights(j.at("weightsManifest"), path)),
                        describe(*variant, keras.config, path),
                        {{"source", "github.com/neuroneural/brainchop"}, {"license", "MIT"}},
                        path.parent_path() / "LICENSE"};
    if (fs::exists(path / "LICENSE")) model.license = path / "LICENSE";
    return model;
  } catch (const json::exception& e) {
    damaged(std::string("model.json lacks a field or has one of the wrong type: ") + e.what());
  }
}

}  // namespace oncotome::engine
