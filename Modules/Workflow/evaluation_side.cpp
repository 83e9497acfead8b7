// SPDX-License-Identifier: Apache-2.0
#include "evaluation_side.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>

#include "mask_volume.h"
#include "oncotome/core/csv.h"
#include "oncotome/core/error.h"
#include "unpacked_input.h"
#include "volume_io.h"

namespace oncotome::workflow {
namespace {

namespace fs = std::filesystem;

std::string folded(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, separator);) parts.push_back(part);
  return parts;
}

std::set<int> all_parts(const EvaluationSide& side) {
  std::set<int> numbers;
  for (const auto& part : side.parts()) numbers.insert(part.first);
  return numbers;
}

std::set<int> find_parts(const std::string& text, const EvaluationSide& side, const std::string& region) {
  std::set<int> numbers;
  for (const std::string& part : split(text, '+')) {
    int number = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), number);
    const bool is_number = error == std::errc{} && end == part.data() + part.size();
    // A label value that no voxel has is an empty mask; a segment that is not there is a mistake.
    if (is_number && (!side.has_names() || all_parts(side).count(number) > 0)) {
      numbers.insert(number);
      continue;
    }
    const std::size_t before = numbers.size();
    for (const auto& [n, name] : side.parts())
      if (folded(name) == folded(part)) numbers.insert(n);
    if (numbers.size() == before)
      throw Error(ErrorCode::usage, "region " + region + ": there is no segment or structure " + part);
  }
  if (numbers.empty()) throw Error(ErrorCode::usage, "region " + region + " names no parts");
  return numbers;
}

RegionPair asked_region(const std::string& text, const EvaluationSide& result, const EvaluationSide& truth) {
  const std::size_t equals = text.find('=');
  if (equals == 0 || equals == std::string::npos || equals + 1 == text.size())
    throw Error(ErrorCode::usage,
                "--labels takes NAME=PARTS or NAME=PARTS:TRUTH_PARTS, such as core=1+4 or tumor=1:GTV");
  const std::string name = text.substr(0, equals), parts = text.substr(equals + 1);
  const std::size_t colon = parts.find(':');
  return {name, find_parts(parts.substr(0, colon), result, name),
          find_parts(colon == std::string::npos ? parts : parts.substr(colon + 1), truth, name)};
}

// A folder stands for the one mask in it.
std::string mask_in(const std::string& path, const Job& job) {
  std::error_code error;
  if (!fs::is_directory(path, error)) return path;
  std::vector<std::string> found;
  for (fs::recursive_directory_iterator entry(path, error), end; !error && entry != end; entry.increment(error)) {
    job.check();
    std::error_code ignored;
    if (fs::is_regular_file(entry->symlink_status(ignored)) &&
        dicom::mask_kind(entry->path().string()) != dicom::MaskKind::none)
      found.push_back(entry->path().string());
  }
  if (error) throw Error(ErrorCode::input_unreadable, "a folder cannot be read");
  if (found.size() != 1)
    throw Error(found.empty() ? ErrorCode::input_no_images : ErrorCode::input_ambiguous,
                "there are " + std::to_string(found.size()) +
                    " SEGs and structure sets in the folder or archive: name the file of one");
  return found.front();
}

EvaluationSide read_side_on(const std::string& path, const std::string& what, const Geometry* grid,
                            std::vector<std::string>& notes, const Job& job) {
  try {
    if (is_volume_file(path)) return EvaluationSide(read_label_file(path));
    std::error_code ignored;
    if (!fs::is_regular_file(path, ignored)) throw Error(ErrorCode::input_not_found, "there is no such file");
    std::vector<dicom::Mask> masks =
        grid ? dicom::read_structure_set(path, *grid, job) : dicom::read_segmentation(path, job);
    if (masks.empty()) throw Error(ErrorCode::input_unsupported, "it holds no segment or structure");
    std::vector<std::string> own;
    note_masks(masks, own);
    for (const std::string& note : own) notes.push_back(what + ": " + note);
    return EvaluationSide(std::move(masks));
  } catch (const Error& e) {
    throw Error(e.code(), what + ": " + e.what());
  }
}

bool is_structure_set(const std::string& path) {
  return !is_volume_file(path) && dicom::mask_kind(path) == dicom::MaskKind::structure_set;
}

}  // namespace

engine::Mask mask_of(const LabelVolume& labels, const std::set<int>& values) {
  std::array<std::uint8_t, 256> belongs{};
  for (const int value : values)
    if (value > 0 && value < 256) belongs[static_cast<std::size_t>(value)] = 1;
  engine::Mask mask(labels.voxels.size());
  for (std::size_t i = 0; i < mask.size(); ++i) mask[i] = belongs[labels.voxels[i]];
  return mask;
}

EvaluationSide::EvaluationSide(LabelVolume labels) : labels_(std::move(labels)) {}
EvaluationSide::EvaluationSide(std::vector<dicom::Mask> masks) : masks_(std::move(masks)) {}

const Geometry& EvaluationSide::grid() const { return masks_.empty() ? labels_.geometry : masks_[0].voxels.geometry; }

std::vector<std::pair<int, std::string>> EvaluationSide::parts() const {
  std::vector<std::pair<int, std::string>> out;
  std::array<bool, 256> seen{};
  for (const std::uint8_t value : labels_.voxels) seen[value] = true;
  for (int value = 1; value < 256; ++value)
    if (seen[static_cast<std::size_t>(value)]) out.emplace_back(value, "");
  for (const dicom::Mask& mask : masks_) out.emplace_back(mask.number, mask.name);
  return out;
}

engine::Mask EvaluationSide::mask(const std::set<int>& numbers) const {
  if (masks_.empty()) return mask_of(labels_, numbers);
  engine::Mask out(masks_[0].voxels.voxels.size(), 0);
  for (const dicom::Mask& mask : masks_)
    if (numbers.count(mask.number))
      for (std::size_t i = 0; i < out.size(); ++i) out[i] |= mask.voxels.voxels[i];
  return out;
}

void EvaluationSide::move_to(const Geometry& grid, std::vector<std::string>& notes) {
  if (masks_.empty()) labels_ = truth_on_grid(std::move(labels_), grid, notes);
  for (dicom::Mask& mask : masks_) {
    std::vector<std::string> own;
    mask.voxels = truth_on_grid(std::move(mask.voxels), grid, own);
    for (const std::string& note : own)
      if (std::find(notes.begin(), notes.end(), note) == notes.end()) notes.push_back(note);
  }
}

std::vector<RegionPair> choose_regions(const std::vector<std::string>& asked, const EvaluationSide& result,
                                       const EvaluationSide& truth) {
  std::vector<RegionPair> regions;
  regions.reserve(asked.size());
  for (const std::string& text : asked) regions.push_back(asked_region(text, result, truth));
  if (!asked.empty()) return regions;
  regions.push_back({"all", all_parts(result), all_parts(truth)});
  if (!result.has_names() && !truth.has_names()) {
    std::set<int> values = regions[0].result;
    values.insert(regions[0].truth.begin(), regions[0].truth.end());
    for (const int value : values) regions.push_back({"label " + std::to_string(value), {value}, {value}});
    return regions;
  }
  std::map<std::string, RegionPair> named;
  for (const auto& [number, name] : result.parts()) {
    RegionPair& region = named[folded(name)];
    if (region.name.empty()) region.name = name;
    region.result.insert(number);
  }
  for (const auto& [number, name] : truth.parts())
    if (const auto found = named.find(folded(name)); found != named.end()) found->second.truth.insert(number);
  for (const auto& [key, region] : named)
    if (!key.empty() && !region.truth.empty()) regions.push_back(region);
  return regions;
}

EvaluationSide read_side(const std::string& path, const std::string& what, const Geometry& grid,
                         std::vector<std::string>& notes, const Job& job) {
  const std::string file = mask_in(path, job);
  return read_side_on(file, what, is_structure_set(file) ? &grid : nullptr, notes, job);
}

std::pair<EvaluationSide, EvaluationSide> read_sides(const EvaluationPair& pair, std::vector<std::string>& notes,
                                                     const Job& job) {
  const UnpackedInput input({pair.result, pair.truth}, job);
  const std::array<std::string, 2> names{"the result", "the truth"};
  const std::array<std::string, 2> paths{mask_in(input.paths()[0], job), mask_in(input.paths()[1], job)};
  const std::array<bool, 2> drawn{is_structure_set(paths[0]), is_structure_set(paths[1])};
  if (drawn[0] && drawn[1] && pair.reference.empty())
    throw Error(ErrorCode::usage, "two structure sets have no grid: give the series they were drawn on by --reference");
  std::array<std::optional<EvaluationSide>, 2> sides;
  for (std::size_t i = 0; i < 2; ++i)
    if (!drawn[i]) sides[i].emplace(read_side_on(paths[i], names[i], nullptr, notes, job));
  for (std::size_t i = 0; i < 2; ++i) {
    if (!drawn[i]) continue;
    std::vector<std::string> own;
    const Geometry grid =
        pair.reference.empty() ? sides[1 - i]->grid() : grid_of_series(paths[i], pair.reference, own, job);
    for (const std::string& note : own) notes.push_back(names[i] + ": " + note);
    sides[i].emplace(read_side_on(paths[i], names[i], &grid, notes, job));
  }
  return {std::move(*sides[0]), std::move(*sides[1])};
}

std::vector<EvaluationPair> read_pairs(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw Error(ErrorCode::input_not_found, "the list of pairs cannot be opened");
  std::vector<std::string> header;
  std::vector<EvaluationPair> pairs;
  for (std::string line; std::getline(in, line);) {
    const std::vector<std::string> cells = csv_cells(line);
    if (cells == std::vector<std::string>(1)) continue;
    if (header.empty()) {
      header = cells;
      continue;
    }
    const auto cell = [&](const char* name) {
      const auto at = static_cast<std::size_t>(std::find(header.begin(), header.end(), name) - header.begin());
      return at < header.size() && at < cells.size() ? cells[at] : std::string();
    };
    const auto place = [&](const char* name) {
      const std::string text = cell(name);
      return text.empty() ? text : (fs::path(path).parent_path() / text).string();
    };
    pairs.push_back({cell("name"), place("result"), place("truth"), place("reference")});
    EvaluationPair& pair = pairs.back();
    if (pair.name.empty()) pair.name = std::to_string(pairs.size());
    if (pair.result.empty() || pair.truth.empty())
      throw Error(ErrorCode::input_unreadable, "line " + std::to_string(pairs.size() + 1) +
                                                   " of the list of pairs has no result or no truth; its first line "
                                                   "names the columns: result,truth[,reference][,name]");
  }
  if (pairs.empty()) throw Error(ErrorCode::input_unreadable, "the list of pairs holds no pair");
  return pairs;
}

}  // namespace oncotome::workflow
