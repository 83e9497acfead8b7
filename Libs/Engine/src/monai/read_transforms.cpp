// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cctype>

#include "bundle.h"
#include "oncotome/core/error.h"

namespace oncotome::engine::monai {
namespace {

constexpr std::int64_t kLargest = 4096;

bool positive_filter(const Json& j) {
  std::string text = j.is_string() ? j.get<std::string>() : "";
  text.erase(std::remove(text.begin(), text.end(), ' '), text.end());
  return text == "$lambdax:x>0";
}

// The arguments that every dictionary transform has; `keys` must be the one input.
void common(Component& c, const std::string& image) {
  const Json* keys = c.find("keys");
  const Json key = keys != nullptr && keys->is_array() && keys->size() == 1 ? (*keys)[0] : keys ? *keys : Json();
  if (key != image) c.refuse("it takes other data than the one " + image);
  c.ignore({"allow_missing_keys", "dtype", "track_meta"});
  c.expect("lazy", false);
}

bool nearest(Component& c) {
  const std::string mode = c.text("mode", "bilinear");
  if (mode != "bilinear" && mode != "nearest" && mode != "trilinear")
    c.refuse("the mode '" + shown(mode) + "' is not known");
  return mode == "nearest";
}

Transform read_respace(Component& c) {
  Respace r;
  const std::vector<double> spacing = c.numbers("pixdim");
  if (spacing.empty()) c.refuse("it lacks 'pixdim'");
  for (std::size_t a = 0; a < 3; ++a) r.spacing_mm[a] = spacing[std::min(a, spacing.size() - 1)];
  r.nearest = nearest(c);
  const std::string padding = c.text("padding_mode", "border");
  if (padding != "border" && padding != "zeros") c.refuse("the padding mode '" + shown(padding) + "' is not known");
  r.zeros_outside = padding == "zeros";
  const Json* corners = c.find("align_corners");
  if (corners != nullptr && corners->is_array() && corners->size() == 1)
    r.align_corners = (*corners)[0] == true;
  else
    r.align_corners = c.flag("align_corners", false);
  for (const char* key : {"diagonal", "scale_extent", "recompute_affine"}) c.expect(key, false);
  for (const char* key : {"min_pixdim", "max_pixdim"}) c.expect(key, nullptr);
  c.ignore({"ensure_same_shape"});
  return r;
}

Transform read_normalize(Component& c, std::int64_t channels) {
  Normalize n{c.numbers("subtrahend"), c.numbers("divisor"), c.flag("nonzero", false), c.flag("channel_wise", false)};
  for (const auto& given : {n.subtrahend, n.divisor})
    if (given.size() > 1 && (!n.channel_wise || given.size() != static_cast<std::size_t>(channels)))
      c.refuse("it must give one number for each channel");
  return n;
}

Transform read_crop(Component& c, const std::string& image) {
  CropForeground f;
  if (c.text("source_key", "") != image) c.refuse("it takes its box from other data than the image");
  if (const Json* select = c.find("select_fn"))
    if (!positive_filter(*select)) c.refuse("only what is above zero can be the foreground");
  c.expect("channel_indices", nullptr);
  f.margin = read_triple(c, "margin", f.margin, 0, kLargest);
  f.divisor = read_triple(c, "k_divisible", f.divisor, 1, kLargest);
  f.within = c.flag("allow_smaller", false);
  f.edge = read_edge(c, "mode");
  c.ignore({"start_coord_key", "end_coord_key"});
  return f;
}

Transform read_pad(Component& c, bool multiples) {
  PadTo p;
  p.multiples = multiples;
  p.size = read_triple(c, multiples ? "k" : "spatial_size", p.size, -1, kLargest);
  const std::string method = c.text("method", "symmetric");
  if (method != "symmetric" && method != "end") c.refuse("the method '" + shown(method) + "' is not known");
  p.at_end = method == "end";
  p.edge = read_edge(c, "mode");
  p.value = c.number("value", c.number("constant_values", 0));
  return p;
}

// Steps that leave a float32 array of channels as it is.
bool is_idle(Component& c) {
  static const std::set<std::string> kIdle{"EnsureTyped", "CastToTyped", "ToTensord", "ToDeviced", "EnsureType"};
  if (kIdle.count(c.name()) == 0) return false;
  const Json* type = c.find("dtype");
  const std::string text = type == nullptr ? "float32" : type->is_string() ? type->get<std::string>() : type->dump();
  if (text.find("float32") == std::string::npos && text.find("float64") == std::string::npos)
    c.refuse("only float32 is known, not " + shown(text));
  c.ignore({"data_type", "device", "wrap_sequence", "non_blocking"});
  return true;
}

void check_load(Component& c) {
  c.ignore({"reader", "image_only", "ensure_channel_first", "meta_keys", "meta_key_postfix", "overwriting",
            "simple_keys", "prune_meta_pattern", "prune_meta_sep", "expanduser"});
  c.expect("affine_lps_to_ras", true);
  c.expect("converter", nullptr);
}

}  // namespace

std::vector<Component> read_transforms(const Config& config, const std::string& key) {
  if (!config.contains(key)) return {};
  Json list = config.at(key);
  if (list.is_object()) {
    const std::string target = list.value("_target_", "");
    if (target.substr(target.rfind('.') + 1) != "Compose")
      throw Error(ErrorCode::model_unsupported, "inference.json: '" + shown(key) + "' is no Compose");
    list = config.value(list.contains("transforms") ? list.at("transforms") : Json::array());
  }
  if (!list.is_array() || list.size() > 256)
    throw Error(ErrorCode::model_invalid, "inference.json: '" + shown(key) + "' is no list of transforms");
  std::vector<Component> out;
  for (const Json& item : list) {
    Component c(config, item);
    if (!c.disabled()) out.push_back(std::move(c));
  }
  return out;
}

Dhw read_triple(Component& c, const std::string& key, const Dhw& standard, std::int64_t least, std::int64_t most) {
  if (c.find(key) == nullptr) return standard;
  const std::vector<double> given = c.numbers(key);
  if (given.size() != 1 && given.size() != 3) c.refuse("'" + key + "' must have one or three numbers");
  Dhw out;
  for (std::size_t a = 0; a < 3; ++a) {
    const double value = given[given.size() == 1 ? 0 : a];
    if (!(value >= static_cast<double>(least) && value <= static_cast<double>(most)))
      c.refuse("'" + key + "' must lie between " + std::to_string(least) + " and " + std::to_string(most));
    out[a] = static_cast<std::int64_t>(value);
  }
  return out;
}

Edge read_edge(Component& c, const std::string& key) {
  const std::string mode = c.text(key, "constant");
  if (mode == "constant") return Edge::constant;
  if (mode == "replicate" || mode == "edge") return Edge::replicate;
  if (mode == "reflect") return Edge::reflect;
  if (mode == "circular" || mode == "wrap") return Edge::circular;
  c.refuse("the mode '" + shown(mode) + "' is not known");
}

std::vector<Transform> read_preparation(const Config& config, std::int64_t channels, std::string& summary) {
  std::vector<Transform> out;
  std::string image;
  for (Component& c : read_transforms(config, "preprocessing")) {
    if (image.empty()) {
      if (c.name() != "LoadImaged") c.refuse("the first step must be LoadImaged");
      const Json* keys = c.find("keys");
      const Json* key = keys != nullptr && keys->is_array() && keys->size() == 1 ? &(*keys)[0] : keys;
      if (key == nullptr || !key->is_string()) c.refuse("it must load one image");
      image = key->get<std::string>();
    }
    if (!is_idle(c)) {
      const std::size_t before = out.size();
      if (c.name() == "LoadImaged") {
        check_load(c);
      } else if (c.name() == "EnsureChannelFirstd" || c.name() == "AddChanneld" || c.name() == "AsChannelFirstd") {
        c.ignore({"strict_check", "channel_dim", "meta_keys", "meta_key_postfix"});
      } else if (c.name() == "Orientationd") {
        Orient o{c.text("axcodes", "")};
        std::string sorted = o.codes;
        std::sort(sorted.begin(), sorted.end());
        for (char& letter : sorted) letter = letter == 'P' ? 'A' : letter == 'I' ? 'S' : letter == 'L' ? 'R' : letter;
        std::sort(sorted.begin(), sorted.end());
        if (sorted != "ARS") c.refuse("'axcodes' must name three of R, L, A, P, S and I");
        c.expect("as_closest_canonical", false);
        c.expect("labels", nullptr);
        out.emplace_back(o);
      } else if (c.name() == "Spacingd") {
        out.push_back(read_respace(c));
      } else if (c.name() == "ScaleIntensityRanged") {
        if (c.find("a_min") == nullptr || c.find("a_max") == nullptr) c.refuse("it lacks 'a_min' or 'a_max'");
        out.emplace_back(ScaleRange{c.number("a_min", 0), c.number("a_max", 1), c.number("b_min"), c.number("b_max"),
                                    c.flag("clip", false)});
      } else if (c.name() == "ScaleIntensityd") {
        ScaleToRange s;
        // JSON's null is MONAI's None here, not the default.
        const auto bound = [&](const char* key, double standard) {
          return c.has(key) ? c.number(key) : std::optional<double>(standard);
        };
        s.low = bound("minv", 0);
        s.high = bound("maxv", 1);
        s.factor = c.number("factor", 0);
        s.channel_wise = c.flag("channel_wise", false);
        out.emplace_back(s);
      } else if (c.name() == "NormalizeIntensityd") {
        out.push_back(read_normalize(c, channels));
      } else if (c.name() == "ScaleIntensityRangePercentilesd") {
        ScalePercentiles p{c.number("lower", -1),
                           c.number("upper", -1),
                           c.number("b_min"),
                           c.number("b_max"),
                           c.flag("clip", false),
                           c.flag("relative", false),
                           c.flag("channel_wise", false)};
        if (p.lower < 0 || p.upper > 100 || p.lower > p.upper) c.refuse("percentiles must rise from 0 to 100");
        out.emplace_back(p);
      } else if (c.name() == "CropForegroundd") {
        out.push_back(read_crop(c, image));
      } else if (c.name() == "SpatialPadd" || c.name() == "DivisiblePadd") {
        out.push_back(read_pad(c, c.name() == "DivisiblePadd"));
      } else {
        c.refuse("this transform is not known");
      }
      if (out.size() > before) summary += (summary.empty() ? "" : ", ") + c.name();
    }
    common(c, image);
    c.done();
  }
  if (image.empty()) throw Error(ErrorCode::model_unsupported, "inference.json: its preprocessing loads no image");
  return out;
}

}  // namespace oncotome::engine::monai
