// SPDX-License-Identifier: Apache-2.0
#include "samples.h"

#include <algorithm>
#include <map>
#include <set>

#include "oncotome/core/csv.h"
#include "oncotome/core/digest.h"
#include "oncotome/core/draws.h"
#include "oncotome/core/error.h"
#include "oncotome/core/parallel.h"

namespace oncotome::training {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

struct Row {
  Sample sample;
  std::string class_name, part;
};

std::vector<Row> read_manifest(const fs::path& path) {
  CsvTable table(path.string(), "the manifest");
  for (const std::string& name : table.columns())
    if (std::set<std::string>{"path", "class", "mask", "group", "part"}.count(name) == 0)
      throw Error(ErrorCode::input_unreadable,
                  "the manifest has a column '" + name + "'; its columns are path, class, mask, group, part");
  table.need("path");
  std::vector<Row> rows;
  while (table.next()) {
    const auto cell = [&](const char* name) { return table.cell(name); };
    Row row;
    row.sample.place = table.place();
    if (cell("path").empty()) throw Error(ErrorCode::input_unreadable, row.sample.place + " has no path");
    row.sample.path = (path.parent_path() / cell("path")).string();
    if (!cell("mask").empty()) row.sample.mask = (path.parent_path() / cell("mask")).string();
    row.sample.group = cell("group");
    row.class_name = cell("class");
    row.part = cell("part");
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<Row> read_folder(const fs::path& folder) {
  std::error_code ec;
  if (!fs::is_directory(folder, ec)) throw Error(ErrorCode::input_not_found, "\"data.folder\" is no folder");
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder, ec))
    if (entry.is_regular_file() && fs::relative(entry.path(), folder).has_parent_path()) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  std::vector<Row> rows;
  for (const fs::path& file : files) {
    Row row;
    row.sample.path = file.string();
    row.sample.place = "file " + std::to_string(rows.size() + 1) + " of the folder";
    row.class_name = fs::relative(file, folder).begin()->string();
    rows.push_back(std::move(row));
  }
  return rows;
}

Part part_of(const Row& row) {
  if (row.part == "train") return Part::train;
  if (row.part == "validation" || row.part == "val") return Part::validation;
  if (row.part == "test") return Part::test;
  throw Error(ErrorCode::input_unreadable, row.sample.place + ": its part must be train, validation or test");
}

std::vector<std::string> class_names(const Config& config, const std::vector<Row>& rows) {
  std::vector<std::string> names;
  for (const json& entry : config.classes.is_array() ? config.classes : json::array()) {
    if (!entry.is_object() || !entry.contains("name") || !entry["name"].is_string())
      throw Error(ErrorCode::usage, "the configuration's \"classes\" must be [{\"name\": ...}, ...]");
    names.push_back(entry["name"]);
  }
  if (!names.empty()) return names;
  std::set<std::string> found;
  for (const Row& row : rows)
    if (!row.class_name.empty()) found.insert(row.class_name);
  return {found.begin(), found.end()};
}

// Whole units (groups, or single images) of each class in turn, in random order, until the parts have their shares.
void split_at_random(const Config& config, std::vector<Sample>& all) {
  std::map<std::string, std::vector<std::size_t>> units;
  const bool by_group = config.data.split == DataConfig::Split::group;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (by_group && all[i].group.empty())
      throw Error(ErrorCode::input_unreadable, all[i].place + " has no group, which the split is by");
    units[by_group ? all[i].group : all[i].path].push_back(i);
  }
  std::map<int, std::vector<const std::vector<std::size_t>*>> by_class;
  for (const auto& unit : units) by_class[all[unit.second[0]].label].push_back(&unit.second);
  for (const auto& [label, members] : by_class) {
    std::size_t count = 0;
    for (const auto* unit : members) count += unit->size();
    double validation = config.data.validation * static_cast<double>(count);
    double test = config.data.test * static_cast<double>(count);
    Draws draws(config.seed, Purpose::split, {static_cast<std::uint64_t>(label + 1)});
    for (const std::size_t u : draws.order(members.size())) {
      double* share = validation >= 0.5 ? &validation : test >= 0.5 ? &test : nullptr;
      const Part part = share == &validation ? Part::validation : share == &test ? Part::test : Part::train;
      if (share != nullptr) *share -= static_cast<double>(members[u]->size());
      for (const std::size_t i : *members[u]) all[i].part = part;
    }
  }
}

// Never in two parts: `key` says what.
void check_leak(const std::vector<Sample>& all, const std::vector<std::string>& keys, const char* what) {
  std::map<std::string, std::size_t> first;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (keys[i].empty()) continue;
    const auto [at, is_new] = first.emplace(keys[i], i);
    const Sample& other = all[at->second];
    if (!is_new && other.part != all[i].part)
      throw Error(ErrorCode::precondition_unmet,
                  std::string("the same ") + what + " is in two parts: " + other.place + " (" +
                      kParts[static_cast<std::size_t>(other.part)] + ") and " + all[i].place + " (" +
                      kParts[static_cast<std::size_t>(all[i].part)] + "); a net would be tested on what it was taught");
  }
}

void check_counts(const Samples& samples) {
  for (const Part part : {Part::train, Part::validation}) {
    const std::size_t count = samples.of(part).size();
    if (count < 2)
      throw Error(ErrorCode::input_no_images, std::string("the part '") + kParts[static_cast<std::size_t>(part)] +
                                                  "' has " + std::to_string(count) +
                                                  (count == 1 ? " image" : " images") + "; it needs two at least");
  }
  for (std::size_t k = 0; k < samples.classes.size(); ++k) {
    const auto is_of = [&](const Sample& s) { return s.part == Part::train && s.label == static_cast<int>(k); };
    if (std::none_of(samples.all.begin(), samples.all.end(), is_of))
      throw Error(ErrorCode::precondition_unmet, "the class '" + samples.classes[k] + "' has no training image");
  }
  if (samples.classes.size() == 1)
    throw Error(ErrorCode::precondition_unmet, "all images are of one class; there is nothing to tell apart");
}

std::string digest_of(const fs::path& path, const std::string& place) {
  const Error unreadable(ErrorCode::input_unreadable, place + ": the file is absent or cannot be read");
  std::error_code ec;
  if (!fs::is_regular_file(path, ec)) throw unreadable;  // a device would be read without an end
  try {
    return sha256_hex_of_file(path.string());
  } catch (const Error&) {
    throw unreadable;
  }
}

}  // namespace

std::vector<std::size_t> Samples::of(Part part) const {
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < all.size(); ++i)
    if (all[i].part == part) out.push_back(i);
  return out;
}

Samples read_samples(const Config& config, const Job& job) {
  std::vector<Row> rows =
      config.data.manifest.empty() ? read_folder(config.data.folder) : read_manifest(config.data.manifest);
  if (rows.empty()) throw Error(ErrorCode::input_no_images, "the data hold no image");
  Samples samples;
  if (config.network.classes != 0) samples.classes = class_names(config, rows);
  for (Row& row : rows) {
    if (config.network.classes != 0 && !row.class_name.empty()) {
      const auto found = std::find(samples.classes.begin(), samples.classes.end(), row.class_name);
      if (found == samples.classes.end())
        throw Error(ErrorCode::input_unreadable,
                    row.sample.place + ": its class '" + row.class_name + "' is not among the configuration's");
      row.sample.label = static_cast<int>(found - samples.classes.begin());
    }
    if (row.sample.label < 0 && (config.network.labels == 0 || row.sample.mask.empty()))
      throw Error(ErrorCode::input_unreadable, row.sample.place + " has neither a class nor a mask to learn from");
    if (config.data.split == DataConfig::Split::part) row.sample.part = part_of(row);
    samples.all.push_back(row.sample);
  }
  if (config.data.split != DataConfig::Split::part) split_at_random(config, samples.all);
  check_counts(samples);

  std::vector<std::string> contents(samples.all.size()), groups;
  std::vector<std::string> lines(samples.all.size());
  job.report("reading the images", 0);
  parallel_for(0, static_cast<std::int64_t>(samples.all.size()), [&](std::int64_t i) {
    job.check();
    const auto at = static_cast<std::size_t>(i);
    const Sample& s = samples.all[at];
    contents[at] = digest_of(s.path, s.place);
    lines[at] = contents[at] + ' ' + (s.mask.empty() ? "" : digest_of(s.mask, s.place + " (mask)")) + ' ' +
                std::to_string(s.label) + ' ' + std::to_string(static_cast<int>(s.part)) + '\n';
  });
  for (const Sample& s : samples.all) groups.push_back(s.group);
  check_leak(samples.all, groups, "group");
  check_leak(samples.all, contents, "image (by its SHA-256)");
  Sha256 sum;
  for (const std::string& line : lines) sum.update(line.data(), line.size());
  for (const std::string& name : samples.classes) sum.update(name.data(), name.size());
  samples.digest = hex(sum.finish());
  return samples;
}

}  // namespace oncotome::training
