// SPDX-License-Identifier: Apache-2.0
#include "picture_inputs.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>

#include "evaluation_side.h"
#include "image_io.h"
#include "oncotome/core/error.h"
#include "oncotome/dicom/picture.h"

namespace oncotome::workflow {
namespace {

namespace fs = std::filesystem;

/// Files by their full path, as dicom::scan() tells it; what each is called.
using Names = std::map<std::string, std::string>;

std::string normal(const std::string& path) { return fs::absolute(path).lexically_normal().string(); }

void walk(const fs::path& folder, const fs::path& prefix, const std::string& output, Names& names, const Job& job) {
  std::error_code error;
  auto entry = fs::recursive_directory_iterator(folder, fs::directory_options::skip_permission_denied, error);
  if (error) throw Error(ErrorCode::input_unreadable, "a folder of the input cannot be read: " + error.message());
  for (const fs::recursive_directory_iterator end; entry != end; entry.increment(error)) {
    if (error) throw Error(ErrorCode::input_unreadable, "a folder of the input cannot be read: " + error.message());
    job.check();
    std::error_code ignored;
    if (entry->is_directory(ignored)) {
      if (!output.empty() && fs::equivalent(entry->path(), output, ignored)) entry.disable_recursion_pending();
    } else if (entry->is_regular_file(ignored)) {
      names[entry->path().string()] = (prefix / entry->path().lexically_relative(folder)).generic_string();
    }
  }
}

bool has_type(const std::string& modality, const std::string& wanted) {
  // A radiograph is CR or DX by its plate, a photograph of the skin XC or, with a dermatoscope, DMS.
  static const std::vector<std::set<std::string>> kSame{{"CR", "DX"}, {"XC", "DMS"}};
  return modality == wanted || std::any_of(kSame.begin(), kSame.end(), [&](const std::set<std::string>& same) {
           return same.count(modality) > 0 && same.count(wanted) > 0;
         });
}

/// Color as 0 to 255, gray as it is, with as many channels as are wanted.
engine::Tensor as_tensor(const dicom::Picture& picture, std::int64_t channels) {
  engine::Tensor out = picture_tensor(
      picture.height, picture.width, picture.channels, channels,
      [&](std::size_t i, std::size_t c) { return picture.values[i * static_cast<std::size_t>(picture.channels) + c]; });
  const float scale = 255.0F / static_cast<float>((std::int64_t{1} << picture.bits) - 1);
  if (picture.channels != 1)
    for (float& value : out.values) value *= scale;
  return out;
}

std::string name_of(const std::string& file, const Names& names) {
  const auto known = names.find(file);
  return known != names.end() ? known->second : fs::path(file).filename().string();
}

void add_rejected(const std::vector<dicom::Rejected>& rejected, const Names& names, PictureInputs& found) {
  for (const dicom::Rejected& r : rejected) {
    const bool is_read = is_picture_file(r.path) && names.count(r.path) > 0;  // A link to a picture.
    if (!is_read) found.rejected.push_back({name_of(r.path, names), r.code, r.reason});
  }
}

// A picture that cannot be read is a fault of its series; the others are read as series of their own.
void add_series(const dicom::Series& series, const Names& names, PictureInputs& found, const Job& job) {
  const bool is_apart = series.kind == dicom::SeriesKind::pictures && series.fault && series.instances.size() > 1;
  const auto shared = std::make_shared<const dicom::Series>(series);
  for (std::size_t i = 0; i < series.instances.size(); ++i) {
    const dicom::Instance& instance = series.instances[i];
    if (is_apart) {
      const dicom::StudyIndex alone = dicom::scan({instance.path}, job);
      for (const dicom::Study& study : alone.studies)
        for (const dicom::Series& one : study.series) add_series(one, names, found, job);
      add_rejected(alone.rejected, names, found);
      continue;
    }
    const std::string frame = instance.frame > 0 ? "#" + std::to_string(instance.frame) : "";
    found.pictures.push_back({name_of(instance.path, names) + frame, instance.path, shared, i});
  }
}

}  // namespace

PictureInputs find_pictures(const std::vector<std::string>& paths, const std::string& output, const Job& job) {
  Names names;
  std::vector<std::string> scanned;
  for (const std::string& given : paths) {
    std::error_code ignored;
    const std::string path = normal(given);
    const fs::path last =
        fs::path(path).has_filename() ? fs::path(path).filename() : fs::path(path).parent_path().filename();
    if (fs::is_directory(path, ignored)) {
      walk(path, paths.size() == 1 ? fs::path() : last, output, names, job);
      scanned.push_back(path);
    } else if (fs::exists(path, ignored)) {
      names[path] = last.string();
      if (!is_picture_file(path)) scanned.push_back(path);
    } else {
      throw Error(ErrorCode::input_not_found, "an input path does not exist");
    }
  }
  std::set<std::string> taken;
  for (const auto& [file, name] : names)
    if (!taken.insert(name).second)
      throw Error(ErrorCode::usage, "two inputs would have the same name in the result; give the folder of both");

  PictureInputs found;
  for (const auto& [file, name] : names)
    if (is_picture_file(file)) found.pictures.push_back({name, file, nullptr, 0});
  if (!scanned.empty()) {
    const dicom::StudyIndex index = dicom::scan(scanned, job);
    for (const dicom::Study& study : index.studies)
      for (const dicom::Series& series : study.series) add_series(series, names, found, job);
    add_rejected(index.rejected, names, found);
  }
  std::sort(found.pictures.begin(), found.pictures.end(),
            [](const PictureInput& a, const PictureInput& b) { return a.name < b.name; });
  return found;
}

PictureInputs find_lesions(const InputRequest& study, const std::string& mask, const engine::ModelPackage& package,
                           std::vector<std::string>& notes, const Job& job) {
  const StudyInputs inputs = read_inputs(package, study, job);
  notes = inputs.corrections;
  notes.insert(notes.end(), inputs.doubts.begin(), inputs.doubts.end());
  const Geometry& grid = inputs.channels[package.reference_channel].volume.geometry;
  EvaluationSide outlines = read_side(mask, "the lesions", grid, notes, job);
  outlines.move_to(grid, notes);
  std::set<int> parts;
  for (const auto& [number, name] : outlines.parts()) parts.insert(number);
  const engine::Components found = engine::by_falling_count(
      engine::connected_components(outlines.mask(parts), grid.size, engine::Connectivity::corners26));
  if (found.voxel_counts.empty()) throw Error(ErrorCode::input_no_images, "the lesions: nothing is outlined");
  if (found.voxel_counts.size() > 65535) throw Error(ErrorCode::usage, "the lesions: there are more than 65535");
  LesionVolume lesions;
  lesions.geometry = grid;
  lesions.voxels.assign(found.labels.begin(), found.labels.end());
  const std::vector<engine::LesionBox> boxes = engine::lesion_boxes(lesions);
  std::vector<engine::ChannelView> channels;
  for (const ChannelInput& c : inputs.channels) channels.push_back({c.volume.geometry, c.volume.voxels.data()});
  const engine::LesionImages images(engine::image_inference(package), channels, grid);
  PictureInputs out;
  for (const engine::LesionBox& box : boxes)
    out.pictures.push_back({"lesion " + std::to_string(box.id), "", nullptr, 0, box, images.of(box)});
  return out;
}

bool holds_pictures(const std::vector<std::string>& paths) {
  Names names;
  const Job job;
  for (const std::string& path : paths) {
    std::error_code ignored;
    if (fs::is_directory(path, ignored))
      walk(path, "", "", names, job);
    else
      names[path] = "";
  }
  return std::any_of(names.begin(), names.end(), [](const auto& file) { return is_picture_file(file.first); });
}

engine::Tensor load_picture_input(const PictureInput& input, const engine::ModelPackage& package, const Job& job) {
  if (input.lesion) return input.raw;
  const engine::ImageInference& inference = engine::image_inference(package);
  const std::int64_t channels = inference.network.in_channels;
  if (channels != 1 && channels != 3)
    throw Error(ErrorCode::model_unsupported,
                "the model takes images of " + std::to_string(channels) + " channels; a picture has one or three");
  if (!input.series) return read_nameless_picture(input.file, channels);
  const dicom::Series& series = *input.series;
  if (!has_type(series.modality, package.modality))
    throw Error(ErrorCode::precondition_unmet,
                "it is a " + series.modality + " image, where the model takes " + package.modality);
  const dicom::Picture picture = series.kind == dicom::SeriesKind::pictures
                                     ? dicom::load_picture(series, input.index, job)
                                     : dicom::load_slice(series, input.index, job);
  engine::Tensor raw = as_tensor(picture, channels);
  if (!std::all_of(raw.values.begin(), raw.values.end(), [](float value) { return std::isfinite(value); }))
    throw Error(ErrorCode::precondition_unmet, "it holds values that are not finite");
  if (picture.channels == 1) engine::show_as_picture(inference.picture_range, raw);
  return raw;
}

}  // namespace oncotome::workflow
