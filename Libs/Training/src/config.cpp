// SPDX-License-Identifier: Apache-2.0
#include "config.h"

#include <algorithm>
#include <fstream>
#include <sstream>

#include "fields.h"

namespace oncotome::training {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

json read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error(ErrorCode::input_not_found, "there is no configuration file of that name");
  std::ostringstream text;
  text << file.rdbuf();
  json parsed = parse_json(text.str(), /*ignore_comments=*/true);
  if (!parsed.is_object()) throw Error(ErrorCode::usage, "the configuration is no JSON object, or nested too deep");
  return parsed;
}

template <class Enum>
Enum choice(Fields& fields, const char* key, const char* otherwise, std::vector<std::pair<std::string, Enum>> names) {
  const auto text = fields.get<std::string>(key, otherwise);
  std::string known;
  for (const auto& [name, value] : names) {
    if (name == text) return value;
    known += (known.empty() ? "" : ", ") + name;
  }
  fields.refuse(key, "must be one of " + known);
}

Range range(Fields& fields, const char* key, double least) {
  const Range r = fields.get<Range>(key, {1, 1});
  if (!(r.first >= least && r.first <= r.second)) fields.refuse(key, "must be [low, high], in that order");
  return r;
}

engine::Dhw grid(Fields& fields, const char* key) {
  const auto size = fields.get<engine::Dhw>(key);
  for (const std::int64_t extent : size)
    if (extent < 1 || extent > 4096) fields.refuse(key, "must be [D, H, W], each 1 to 4096");
  return size;
}

std::vector<int> axes_of(Fields& fields, const char* key) {
  std::vector<int> axes;
  for (const std::string& name : fields.get<std::vector<std::string>>(key, {})) {
    const auto at = std::string("DHW").find(name);
    if (name.size() != 1 || at == std::string::npos) fields.refuse(key, "must name axes: D, H, W");
    axes.push_back(static_cast<int>(at));
  }
  return axes;
}

Augmentation read_augmentation(Fields fields) {
  Augmentation a;
  a.flip_axes = axes_of(fields, "flip");
  a.rotation_degrees = fields.number("rotation_degrees", 0, 0, 180);
  a.shear_degrees = fields.number("shear_degrees", 0, 0, 60);
  a.elastic = fields.number("elastic", 0, 0, 0.2);
  a.bias_field = fields.number("bias_field", 0, 0, 2);
  a.scale = range(fields, "scale", 0.01);
  a.shift = fields.number("shift", 0, 0, 1);
  a.gamma = range(fields, "gamma", 0.01);
  a.contrast = range(fields, "contrast", 0);
  a.brightness = fields.number("brightness", 0, 0, 1);
  a.noise = fields.number("noise", 0, 0, 1);
  a.cutout = fields.number("cutout", 0, 0, 1);
  a.mixup = fields.number("mixup", 0, 0, 1);
  if (fields.has("crop_from")) a.crop_from = grid(fields, "crop_from");
  a.crop_foreground = fields.number("crop_foreground", 0, 0, 1);
  fields.finish();
  return a;
}

DataConfig read_data(Fields fields, const fs::path& folder) {
  DataConfig d;
  if (fields.has("manifest") == fields.has("folder"))
    fields.refuse("manifest", "or \"data.folder\" must be given, and only one of them");
  if (fields.has("manifest"))
    d.manifest = folder / fields.get<std::string>("manifest");
  else
    d.folder = folder / fields.get<std::string>("folder");
  using Split = DataConfig::Split;
  d.split = choice<Split>(fields, "split", "fraction",
                          {{"part", Split::part}, {"group", Split::group}, {"fraction", Split::fraction}});
  d.validation = fields.number("validation", 0.2, 0, 0.9);
  d.test = fields.number("test", 0, 0, 0.9);
  d.cache_mib = fields.number("cache_mib", 4096, 0, 1e6);
  fields.finish();
  return d;
}

engine::NetworkConfig read_network(Fields fields) {
  engine::NetworkConfig n;
  n.architecture = fields.get<std::string>("architecture");
  n.dimensions = fields.integer("dimensions", 2, 2, 3);
  n.in_channels = fields.integer("in_channels", 1, 1, 64);
  n.input_size = grid(fields, "input_size");
  n.features = fields.get<std::vector<std::int64_t>>("features", {});
  n.deep_supervision = fields.get<bool>("deep_supervision", false);
  n.lesion_pooling = fields.get<bool>("lesion_pooling", false);
  if (n.dimensions == 2 && n.input_size[0] != 1) fields.refuse("input_size", "must be [1, H, W] of a 2-D network");
  fields.finish();
  return n;
}

LossConfig read_loss(Fields fields) {
  LossConfig l;
  l.label_smoothing = fields.number("label_smoothing", 0, 0, 0.9);
  if (fields.has("class_weights") && fields.get<json>("class_weights") == "balanced")
    l.balanced = true;
  else
    l.class_weights = fields.get<std::vector<double>>("class_weights", {});
  for (const double weight : l.class_weights)
    if (!(weight >= 0)) fields.refuse("class_weights", "must be numbers that do not lie below 0");
  l.dice = fields.number("dice", 1, 0, 1e6);
  l.dice_per_image = fields.get<bool>("dice_per_image", false);
  l.cross_entropy = fields.number("cross_entropy", 1, 0, 1e6);
  l.segmentation = fields.number("segmentation", 1, 0, 1e6);
  l.classification = fields.number("classification", 1, 0, 1e6);
  fields.finish();
  return l;
}

OptimizerConfig read_optimizer(Fields fields) {
  OptimizerConfig o;
  o.adamw = choice<bool>(fields, "name", "adamw", {{"adamw", true}, {"sgd", false}});
  o.learning_rate = fields.number("learning_rate", o.adamw ? 1e-3 : 1e-2, 0, 1000);
  o.weight_decay = fields.number("weight_decay", o.adamw ? 1e-2 : 0, 0, 10);
  o.momentum = fields.number("momentum", 0.9, 0, 0.9999);
  o.betas = fields.get("betas", o.betas);
  for (const double beta : {o.betas.first, o.betas.second})
    if (!(beta >= 0 && beta < 1)) fields.refuse("betas", "must be two numbers from 0 to below 1");
  o.epsilon = fields.number("epsilon", 1e-8, 0, 1);
  o.clip_norm = fields.number("clip_norm", 0, 0, 1e9);
  o.average = fields.number("average", 0, 0, 0.99999);
  fields.finish();
  return o;
}

ScheduleConfig read_schedule(Fields fields) {
  ScheduleConfig s;
  using Kind = ScheduleConfig::Kind;
  s.kind = choice<Kind>(fields, "name", "cosine",
                        {{"constant", Kind::constant}, {"cosine", Kind::cosine}, {"step", Kind::step}});
  s.warmup_epochs = fields.number("warmup_epochs", 0, 0, 1e5);
  s.step_epochs = fields.number("step_epochs", 10, 1e-3, 1e5);
  s.factor = fields.number("factor", 0.1, 0, 1);
  s.floor = fields.number("floor", 0, 0, 1);
  fields.finish();
  return s;
}

void read_initial(Fields fields, const fs::path& folder, Config& c) {
  if (fields.has("weights")) c.initial_weights = folder / fields.get<std::string>("weights");
  c.frozen = fields.get<std::vector<std::string>>("frozen", {});
  fields.finish();
}

void read_heads(Fields& fields, Config& c) {
  c.labels = fields.get<json>("labels", nullptr);
  c.classes = fields.get<json>("classes", nullptr);
  const bool segments = !c.labels.is_null();
  if (segments) {
    const auto values = fields.get<std::vector<int>>("class_labels");
    const auto is_label = [](int value) { return value >= 0 && value <= 255; };
    if (values.size() < 2 || values.size() > 256 || values[0] != 0 ||
        !std::all_of(values.begin(), values.end(), is_label))
      fields.refuse("class_labels", "must name one label, 0 to 255, per output, background 0 first");
    c.class_labels.assign(values.begin(), values.end());
  }
  c.network.labels = static_cast<std::int64_t>(c.class_labels.size());
  const bool classifies = !segments || !c.classes.is_null();
  c.network.classes = classifies ? -1 : 0;
}

}  // namespace

Config read_config(const fs::path& path) {
  Config c;
  c.json = read_file(path);
  const fs::path folder = path.parent_path();
  Fields fields(c.json, "");
  c.name = fields.get<std::string>("name");
  c.title = fields.get("title", c.name);
  c.version = fields.get<std::string>("version", "1.0.0");
  c.intended_use = fields.get<std::string>("intended_use", "Research. Not for patients.");
  c.license = fields.get<std::string>("license");
  c.origin = fields.get<std::string>("origin", "");
  c.output = folder / fields.get<std::string>("output", c.name);
  c.seed = static_cast<std::uint64_t>(fields.integer("seed", 1, 0, 2147483647));
  c.input = fields.get<json>("input", nullptr);
  c.data = read_data(fields.inner("data"), folder);
  c.network = read_network(fields.inner("network"));
  read_heads(fields, c);
  c.mirrors = fields.get("mirrors", c.mirrors);
  axes_of(fields, "mirrors");
  c.image_json = fields.get<json>("image");
  c.image = engine::read_image_preparation(c.image_json, c.network.in_channels);
  c.min_lesion_mm3 = fields.number("min_lesion_mm3", 0, 0, 1e9);
  c.label_decision = fields.get<std::string>("label_decision", "most_probable");
  engine::read_label_decision(c.label_decision);
  read_initial(fields.inner("initial"), folder, c);
  c.loss = read_loss(fields.inner("loss"));
  c.optimizer = read_optimizer(fields.inner("optimizer"));
  c.schedule = read_schedule(fields.inner("schedule"));
  c.augmentation = read_augmentation(fields.inner("augmentation"));
  c.epochs = fields.integer("epochs", 50, 1, 100000);
  c.batch_size = fields.integer("batch_size", 32, 1, 4096);
  c.patience = fields.integer("patience", 0, 0, 100000);
  c.refit_epochs = fields.integer("refit_epochs", 0, 0, 100000);
  c.checkpoint_minutes = fields.number("checkpoint_minutes", 5, 0, 1e6);
  c.checkpoint_steps = fields.integer("checkpoint_steps", 0, 0, 1000000000);
  fields.finish();
  return c;
}

}  // namespace oncotome::training
