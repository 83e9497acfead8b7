// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "oncotome/core/error.h"
#include "package_json.h"

namespace oncotome::engine {
namespace {

using nlohmann::json;

[[noreturn]] void unsupported(const std::string& what) {
  throw Error(ErrorCode::model_unsupported, "model.json asks for " + what);
}

void read_normalize(const json& step, Preparation& p) {
  const auto method = step.at("method").get<std::string>();
  if (method == "quantile") {
    p.rescale =
        Preparation::Rescale{step.at("low").get<double>(), step.at("high").get<double>(), step.at("clip").get<bool>()};
    if (!(p.rescale->low >= 0 && p.rescale->low < p.rescale->high && p.rescale->high <= 1))
      invalid_package("normalize low and high must be quantiles, low below high");
    return;
  }
  const auto over = step.at("over").get<std::string>();
  if (method != "zscore" || (over != "foreground" && over != "channel"))
    unsupported("a normalization that is not known");
  p.zscore = over == "channel" ? Preparation::Statistics::channel : Preparation::Statistics::foreground;
}

void read_step(const std::string& name, const json& step, const ModelPackage& package, Preparation& p) {
  if (name == "register") {
    p.register_tolerance_mm = step.at("tolerance_mm").get<double>();
    if (!(*p.register_tolerance_mm >= 0 && *p.register_tolerance_mm < 100))
      invalid_package("register tolerance_mm must lie between 0 and 100");
  } else if (name == "bias_field") {
    p.bias_field = true;
  } else if (name == "extract_brain") {
    p.extract_brain = Preparation::ExtractBrain{step.at("model").get<std::string>(),
                                                package.channel_index(step.at("channel").get<std::string>())};
    const std::string& model = p.extract_brain->model;
    if (model.empty() || model[0] == '.' || model.find('/') != std::string::npos)
      invalid_package("extract_brain model must be a package's name");
  } else if (name == "conform") {
    if (step.at("axes").get<std::string>() != "AIL") unsupported("conformed axes other than AIL");
    p.conform = Preparation::Conform{step.at("size").get<std::int64_t>(), step.at("spacing_mm").get<double>()};
    if (p.conform->size < 8 || p.conform->size > 512 || !(p.conform->spacing_mm > 0.05 && p.conform->spacing_mm < 100))
      invalid_package("conform must have a size of 8 to 512 and a spacing_mm between 0.05 and 100");
  } else if (name == "orient") {
    if (step.at("axes").get<std::string>() != "LPS") unsupported("axes other than LPS");
    p.orient = true;
  } else if (name == "resample") {
    p.resample_spacing_mm = step.at("spacing_mm").get<Vec3>();
    for (double s : *p.resample_spacing_mm)
      if (!(s > 0.05 && s < 100)) invalid_package("resample spacing_mm must lie between 0.05 and 100");
  } else if (name == "foreground") {
    p.foreground = package.channel_index(step.at("channel").get<std::string>());
    if (step.contains("volume_ml")) p.foreground_volume_ml = step.at("volume_ml").get<std::pair<double, double>>();
  } else if (name == "crop") {
    p.crop_margin = step.at("margin_voxels").get<std::int64_t>();
    if (*p.crop_margin < 0 || *p.crop_margin > 1000) invalid_package("crop margin_voxels must lie between 0 and 1000");
  } else if (name == "normalize") {
    read_normalize(step, p);
  } else {
    const auto fill = step.at("fill").get<std::string>();
    if (fill != "zero" && fill != "noise") unsupported("a background that is not known: '" + fill + "'");
    p.noise_background = fill == "noise";
  }
}

}  // namespace

Preparation read_preparation(const json& steps, const ModelPackage& package) {
  static const std::vector<std::string> kOrder{"register", "bias_field", "extract_brain", "conform",   "orient",
                                               "resample", "foreground", "crop",          "normalize", "background"};
  Preparation p;
  std::ptrdiff_t last = -1;
  for (const json& step : steps) {
    const auto name = step.at("step").get<std::string>();
    const auto rank = std::find(kOrder.begin(), kOrder.end(), name) - kOrder.begin();
    if (rank == static_cast<std::ptrdiff_t>(kOrder.size()))
      unsupported("a preparation step that is not known: '" + name + "'");
    if (rank <= last) {
      std::string order;
      for (const std::string& known : kOrder) order += (order.empty() ? "" : ", ") + known;
      invalid_package("preparation steps must come once each, in the order " + order);
    }
    last = rank;
    read_step(name, step, package, p);
  }
  if (p.conform && (p.orient || p.resample_spacing_mm))
    invalid_package("conform stands in place of orient and resample");
  if (!p.foreground && (p.crop_margin || p.zscore == Preparation::Statistics::foreground))
    invalid_package("crop and normalize over foreground need a foreground step");
  if (p.noise_background && p.zscore == Preparation::Statistics::none)
    invalid_package("a background of noise needs a normalize step with zscore");
  if (p.extract_brain && !p.foreground_volume_ml)
    invalid_package("extract_brain needs a foreground step with volume_ml, which tells when it is needed");
  return p;
}

}  // namespace oncotome::engine
