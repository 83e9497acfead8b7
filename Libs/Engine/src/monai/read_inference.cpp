// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cctype>
#include <cmath>

#include "bundle.h"
#include "oncotome/core/error.h"

namespace oncotome::engine::monai {
namespace {

// "$lambda x: torch.where(x[[I]] > 0, V, ...)" with a number at the end, as the BraTS bundle has it.
class WhereParser {
 public:
  WhereParser(Component& c, std::string text, std::int64_t classes) : c_(c), text_(std::move(text)), classes_(classes) {
    text_.erase(std::remove_if(text_.begin(), text_.end(), [](unsigned char ch) { return std::isspace(ch) != 0; }),
                text_.end());
  }

  Choose read() {
    Choose out;
    expect("$lambdax:");
    std::size_t open = 0;
    while (take("torch.where(")) {
      expect("x[[");
      const std::int64_t channel = number();
      if (channel >= classes_) give_up();
      expect("]]>0,");
      out.cases.emplace_back(static_cast<std::size_t>(channel), static_cast<std::uint8_t>(number()));
      expect(",");
      if (++open > 16) give_up();
    }
    // Another label would be one that no channel describes.
    expect("0");
    while (open-- > 0) expect(")");
    if (i_ != text_.size() || out.cases.empty()) give_up();
    return out;
  }

 private:
  [[noreturn]] void give_up() { c_.refuse("the function '" + shown(text_) + "' is not understood"); }
  bool take(const std::string& token) {
    if (text_.compare(i_, token.size(), token) != 0) return false;
    i_ += token.size();
    return true;
  }
  void expect(const std::string& token) {
    if (!take(token)) give_up();
  }
  std::int64_t number() {
    std::int64_t value = 0;
    const std::size_t first = i_;
    while (i_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[i_])) != 0 && i_ < first + 3)
      value = 10 * value + (text_[i_++] - '0');
    if (i_ == first || value > 255) give_up();
    return value;
  }

  Component& c_;
  std::string text_;
  const std::int64_t classes_;
  std::size_t i_ = 0;
};

Vec3 per_axis(Component& c, const std::string& key, double standard, double below) {
  const std::vector<double> given = c.numbers(key);
  if (given.empty()) return {standard, standard, standard};
  if (given.size() != 1 && given.size() != 3) c.refuse("'" + key + "' must have one or three numbers");
  Vec3 out;
  for (std::size_t a = 0; a < 3; ++a) {
    out[a] = given[given.size() == 1 ? 0 : a];
    if (!(out[a] >= 0 && out[a] < below)) c.refuse("'" + key + "' is out of its range");
  }
  return out;
}

}  // namespace

Window read_window(const Config& config) {
  Window w;
  Component c(config, config.contains("inferer") ? config.at("inferer") : Json{{"_target_", "SimpleInferer"}});
  if (c.name() == "SimpleInferer") {
    c.done();
    return w;
  }
  if (c.name() != "SlidingWindowInferer" && c.name() != "SliceInferer") c.refuse("this inferer is not known");
  if (c.name() == "SliceInferer") {
    const std::int64_t axis = c.integer("spatial_dim", 0);
    const std::vector<double> roi = c.numbers("roi_size");
    if (axis < 0 || axis > 2 || roi.size() != 2) c.refuse("it needs a 'spatial_dim' of 0 to 2 and a roi_size of two");
    w.slice_axis = static_cast<std::size_t>(axis);
    for (std::size_t a = 0, i = 0; a < 3; ++a) {
      const double size = a == *w.slice_axis ? 1 : roi[i++];
      if (!(size >= -1 && size <= 4096)) c.refuse("'roi_size' must lie between -1 and 4096");
      w.roi[a] = static_cast<std::int64_t>(size);
    }
  } else {
    w.roi = read_triple(c, "roi_size", w.roi, -1, 4096);
  }
  w.overlap = per_axis(c, "overlap", 0.25, 1);
  const std::string mode = c.text("mode", "constant");
  if (mode != "constant" && mode != "gaussian") c.refuse("the mode '" + shown(mode) + "' is not known");
  w.gaussian = mode == "gaussian";
  w.sigma_scale = per_axis(c, "sigma_scale", 0.125, 100);
  if (*std::min_element(w.sigma_scale.begin(), w.sigma_scale.end()) <= 0) c.refuse("'sigma_scale' must be above zero");
  w.edge = read_edge(c, "padding_mode");
  w.value = c.number("cval", 0);
  c.ignore({"sw_batch_size", "sw_device", "device", "progress", "cache_roi_weight_map", "cpu_thresh", "buffer_steps",
            "buffer_dim"});
  c.expect("with_coord", false);
  c.done();
  return w;
}

std::vector<Finish> read_finish(const Config& config, std::int64_t classes) {
  std::vector<Finish> out;
  enum { scores, masks, labels } now = scores;
  bool restored = false;
  for (Component& c : read_transforms(config, "postprocessing")) {
    if (now == masks && c.name() != "Lambdad" && c.name() != "SaveImaged" && c.name() != "EnsureTyped")
      c.refuse("it follows masks that overlap, which are not known here");
    if (c.name() == "Activationsd") {
      const bool softmax = c.flag("softmax", false), sigmoid = c.flag("sigmoid", false);
      if ((softmax && sigmoid) || now != scores) c.refuse("one of softmax and sigmoid can be taken of scores");
      c.expect("other", nullptr);
      if (softmax || sigmoid) out.emplace_back(softmax ? Activate::softmax : Activate::sigmoid);
    } else if (c.name() == "Invertd") {
      if (restored) c.refuse("the image's grid can be restored once");
      restored = true;
      out.emplace_back(Invert{c.flag("nearest_interp", true)});
      c.expect("post_func", nullptr);
      c.ignore({"transform", "orig_keys", "meta_keys", "orig_meta_keys", "to_tensor", "device"});
    } else if (c.name() == "AsDiscreted") {
      const bool argmax = c.flag("argmax", false);
      const std::optional<double> threshold = c.number("threshold");
      if (argmax == threshold.has_value() || now != scores)
        c.refuse("it must take argmax or a threshold of scores, once");
      c.expect("to_onehot", nullptr);
      c.expect("rounding", nullptr);
      out.emplace_back(Discrete{threshold});
      now = argmax || classes == 1 ? labels : masks;
      if (now == masks && classes > 16) c.refuse("a threshold makes more than 16 masks");
    } else if (c.name() == "Lambdad") {
      const Json* function = c.find("func");
      if (now != masks || function == nullptr || !function->is_string())
        c.refuse("a function is known only where it makes labels of masks");
      out.emplace_back(WhereParser(c, function->get<std::string>(), classes).read());
      c.expect("inv_func", nullptr);
      c.ignore({"overwrite"});
      now = labels;
    } else if (c.name() == "KeepLargestConnectedComponentd") {
      if (now != labels) c.refuse("it is known for labels, not for scores");
      KeepLargest k;
      for (double label : c.numbers("applied_labels")) {
        if (!(label >= 0 && label <= 255)) c.refuse("'applied_labels' must be 0 to 255");
        k.labels.push_back(static_cast<std::uint8_t>(label));
      }
      k.independent = c.flag("independent", true);
      k.connectivity = static_cast<int>(c.integer("connectivity", 3));
      k.components = static_cast<int>(c.integer("num_components", 1));
      if (k.connectivity < 1 || k.connectivity > 3 || k.components < 1)
        c.refuse("'connectivity' must be 1 to 3 and 'num_components' above zero");
      c.expect("is_onehot", false);
      out.emplace_back(k);
    } else if (c.name() != "SaveImaged" && c.name() != "EnsureTyped" && c.name() != "ToDeviced" &&
               c.name() != "CastToTyped") {
      c.refuse("this transform is not known");
    }
    if (c.name() == "SaveImaged" || c.name() == "EnsureTyped" || c.name() == "ToDeviced" || c.name() == "CastToTyped")
      continue;
    // MONAI's evaluator lays the network's output under this key.
    if (c.text("keys", "") != "pred") c.refuse("its 'keys' must be \"pred\", the network's output");
    c.ignore({"allow_missing_keys", "meta_key_postfix"});
    c.done();
  }
  if (now == masks)
    throw Error(ErrorCode::model_unsupported,
                "inference.json: AsDiscreted leaves masks that overlap, and no Lambdad makes labels of them");
  if (now == scores)
    throw Error(ErrorCode::model_unsupported, "inference.json: no AsDiscreted makes labels of the network's output");
  return out;
}

}  // namespace oncotome::engine::monai
