// SPDX-License-Identifier: Apache-2.0
#include "explain.h"

#include <algorithm>
#include <filesystem>

#include "explanation_pictures.h"
#include "inputs.h"
#include "lesion_classes.h"
#include "oncotome/core/atomic_directory.h"
#include "oncotome/engine/explanation.h"
#include "oncotome/engine/session.h"
#include "oncotome/render/heat.h"
#include "picture_inputs.h"
#include "report_json.h"
#include "unpacked_input.h"

namespace oncotome::workflow {
namespace {

using nlohmann::json;

struct Input {
  engine::Tensor raw;     ///< [1,C,D,H,W].
  Volume<float> display;  ///< Of a volume, what pictures show.
};

Input read_picture_input(const std::string& path, const engine::ModelPackage& package, const Job& job) {
  const PictureInputs found = find_pictures({path}, "", job);
  if (found.pictures.size() > 1)
    throw Error(ErrorCode::usage, "the input holds " + std::to_string(found.pictures.size()) +
                                      " images; explain takes one: name its file");
  if (found.pictures.empty() && !found.rejected.empty())
    throw Error(found.rejected.front().code, found.rejected.front().reason);
  if (found.pictures.empty())
    throw Error(ErrorCode::input_no_images, "no picture and no DICOM image was found in the input");
  return {load_picture_input(found.pictures.front(), package, job), {}};
}

Input read_volume_input(const std::string& path, const engine::ModelPackage& package, const Job& job) {
  const UnpackedInput unpacked({path}, job);
  InputRequest request;
  if (package.channels.size() == 1)
    request.by_hand = {{package.channels.front().name, unpacked.paths().front()}};
  else
    request.paths = unpacked.paths();
  StudyInputs inputs = read_inputs(package, request, job);
  const Geometry grid = inputs.channels[package.reference_channel].volume.geometry;
  Input out;
  out.raw.shape = {1, static_cast<std::int64_t>(inputs.channels.size()), grid.size[2], grid.size[1], grid.size[0]};
  for (const ChannelInput& channel : inputs.channels) {
    if (!same_grid(channel.volume.geometry, grid))
      throw Error(ErrorCode::grid_mismatch, "the channels of this model must lie on one grid");
    out.raw.values.insert(out.raw.values.end(), channel.volume.voxels.begin(), channel.volume.voxels.end());
  }
  engine::show_as_picture(engine::image_inference(package).picture_range, out.raw);
  out.display = std::move(inputs.channels[package.display_channel].volume);
  return out;
}

std::size_t class_of(const std::string& name, const std::vector<engine::ClassLabel>& classes) {
  std::string names;
  for (std::size_t k = 0; k < classes.size(); ++k) {
    if (classes[k].name == name) return k;
    names += (names.empty() ? "" : ", ") + classes[k].name;
  }
  throw Error(ErrorCode::usage, "the model has no class '" + name + "'; it has " + (names.empty() ? "none" : names));
}

}  // namespace

json explain_image(const ExplainRequest& request, const Job& job) {
  if (lies_in(request.image, request.output_folder))
    throw Error(ErrorCode::usage, "the output folder is or holds an input; choose another");
  const UnpackedInput models({request.model}, job, ArchiveNames::kept);
  const engine::ModelPackage package = engine::read_model_package(models.paths().front());
  const engine::ImageInference& inference = engine::image_inference(package);
  const bool is_flat = inference.network.dimensions == 2;
  std::size_t k = request.class_name.empty() ? 0 : class_of(request.class_name, inference.classes);
  AtomicDirectory folder(request.output_folder, request.replace ? "explanation.json" : "");
  const engine::Explainer explainer(package, request.layer, request.device, request.threads);
  const Job reading = part_of(job, 0.1, 0.2);
  reading.report("read", 0);
  const Input input = is_flat ? read_picture_input(request.image, package, reading)
                              : read_volume_input(request.image, package, reading);
  job.report("classify", 0.2);
  const auto model = engine::Model::load(package, request.device, request.threads);
  const engine::Classification found = engine::classify(*model, input.raw, part_of(job, 0.2, 0.5));
  const std::vector<double>& p = found.probabilities;
  if (request.class_name.empty()) k = static_cast<std::size_t>(std::max_element(p.begin(), p.end()) - p.begin());
  job.report("explain", 0.5);
  const engine::Explainer::Explanation seen = explainer.explain(input.raw, k, part_of(job, 0.5, 0.8));

  job.report("draw pictures", 0.8);
  const auto file = [&](const std::string& name) { return (folder.path() / name).string(); };
  const std::string& class_name = inference.classes[k].name;
  const std::vector<std::string> heading = heat_heading(class_name, p[k], explainer.layer());
  std::int64_t z = 0;
  if (is_flat) {
    draw_heat(file("gradcam.png"), heading, input.raw, seen.heat);
  } else {
    Volume<float> heat(input.display.geometry);
    heat.voxels = seen.heat.values;
    render::write_heat_slices(file("gradcam.png"), heading, input.display, heat, package.modality);
    const std::int64_t depth = heat.geometry.size[2];
    z = (2 * render::hottest_slice(heat) + 1) * seen.features.shape[2] / (2 * depth);
  }
  const std::string features = "features_" + explainer.layer() + ".png";
  draw_features(file(features), explainer.layer(), seen.features, z);
  draw_filters(file("filters.png"), explainer.filters());

  json probabilities;
  for (std::size_t c = 0; c < p.size(); ++c) probabilities[inference.classes[c].name] = p[c];
  json report{{"schema", "oncotome.explanation/1"},
              {"software", {{"name", "Oncotome"}, {"version", ONCOTOME_VERSION}}},
              {"model", model_json(package)},
              {"layer", explainer.layer()},
              {"class", class_name},
              {"probability", p[k]},
              {"probabilities", std::move(probabilities)},
              {"files", {"explanation.json", "gradcam.png", features, "filters.png"}}};
  if (!found.refusal.empty()) report["refused"] = found.refusal;
  report["definitions"] = {
      {"gradcam.png",
       "Grad-CAM (doi 10.1109/ICCV.2017.74) of the class at the layer, of the image as it is, not mirrored: what lies "
       "below zero is zero, and the greatest is 1"},
      {features, "what the layer gives, each channel from its least value to its greatest" +
                     std::string(is_flat ? "" : "; the slice with the most heat")},
      {"filters.png", "weights of the first convolution: gray is 0" + std::string(is_flat ? "" : "; the middle slice")},
      {"probabilities", "as classify gives them, whether the image is refused or not"}};
  write_text(folder.path() / "explanation.json", json_text(report));
  job.check();
  folder.commit();
  return report;
}

}  // namespace oncotome::workflow
