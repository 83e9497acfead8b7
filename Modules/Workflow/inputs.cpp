// SPDX-License-Identifier: Apache-2.0
#include "inputs.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "volume_io.h"

namespace oncotome::workflow {
namespace {

namespace fs = std::filesystem;
using engine::ChannelSpec;
using engine::ModelPackage;

/// A series or a volume file that may be a channel.
struct Candidate {
  engine::SeriesTraits traits;
  std::optional<dicom::Series> series;
  std::string file;
  std::size_t number = 0;  ///< Of the file among the input's, in order of their names: a name can hold a patient's.
};

/// As its user knows it.
std::string described(const dicom::Series& series) {
  std::string text = series.id();
  for (const std::string& more : {series.description, series.part_name})
    if (!more.empty()) text += (text.size() == series.id().size() ? " (" : ", ") + more;
  return text.size() == series.id().size() ? text : text + ")";
}

std::string listed(const Candidate& candidate) {
  if (!candidate.series) return "volume file " + std::to_string(candidate.number);
  return "series " + described(*candidate.series);
}

Candidate from_series(const dicom::Series& series) {
  Candidate c;
  c.traits = {series.modality,     series.description.empty() ? series.protocol_name : series.description,
              series.contrast,     series.repetition_time_ms,
              series.echo_time_ms, series.inversion_time_ms};
  c.series = series;
  return c;
}

Candidate from_file(const std::string& path, const std::string& modality) {
  Candidate c;
  c.traits.modality = modality;
  c.traits.description = fs::path(path).filename().string();
  c.file = path;
  return c;
}

// Volume files named or directly inside a named folder.
std::vector<std::string> volume_files(const std::vector<std::string>& paths) {
  std::vector<std::string> files;
  for (const std::string& path : paths) {
    std::error_code ec;
    if (fs::is_directory(path, ec)) {
      for (const auto& entry : fs::directory_iterator(path, ec))
        if (entry.is_regular_file(ec) && is_volume_file(entry.path().string())) files.push_back(entry.path().string());
    } else if (is_volume_file(path)) {
      if (!fs::exists(path, ec)) throw Error(ErrorCode::input_not_found, "an input path does not exist");
      files.push_back(path);
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

const dicom::Study& choose_study(const dicom::StudyIndex& index, const std::string& study_uid) {
  std::string uids;
  for (const dicom::Study& study : index.studies) {
    if (study.study_uid == study_uid || (study_uid.empty() && index.studies.size() == 1)) return study;
    uids += (uids.empty() ? "" : ", ") + study.study_uid;
  }
  if (study_uid.empty())
    throw Error(ErrorCode::input_ambiguous, "the input holds " + std::to_string(index.studies.size()) +
                                                " studies; choose one with --study UID: " + uids);
  throw Error(ErrorCode::input_not_found, "the input holds no study with the UID given; it holds: " + uids);
}

// A damaged file may be a slice that is missing at an end of a stack, which its positions cannot tell.
void refuse_damaged(const dicom::StudyIndex& index) {
  std::size_t count = 0;
  const dicom::Rejected* first = nullptr;
  for (const dicom::Rejected& r : index.rejected)
    if (r.code != ErrorCode::input_unsupported && count++ == 0) first = &r;
  if (count > 0 && !index.studies.empty())
    throw Error(first->code,
                std::to_string(count) + (count == 1 ? " file" : " files") +
                    " of the input cannot be read, so slices may be missing; send again or take out (see oncotome "
                    "inspect). The first: " +
                    first->reason);
}

std::string refusals(const dicom::StudyIndex& index) {
  if (index.rejected.empty()) return "";
  const dicom::Rejected& first = index.rejected.front();
  return "; " + std::to_string(index.rejected.size()) + " files were refused, the first because: " + first.reason;
}

std::vector<Candidate> find_candidates(const ModelPackage& package, const InputRequest& request, const Job& job) {
  std::vector<Candidate> candidates;
  if (request.paths.empty()) return candidates;
  const std::vector<std::string> files = volume_files(request.paths);
  for (const std::string& file : files) {
    candidates.push_back(from_file(file, package.modality));
    candidates.back().number = candidates.size();
  }
  std::vector<std::string> rest;
  for (const std::string& path : request.paths)
    if (!is_volume_file(path)) rest.push_back(path);
  if (rest.empty()) return candidates;
  const dicom::StudyIndex index = dicom::scan(rest, job);
  if (index.studies.empty()) {
    if (!candidates.empty()) return candidates;
    throw Error(index.rejected.empty() ? ErrorCode::input_no_images : index.rejected.front().code,
                "no image series was found" + refusals(index));
  }
  refuse_damaged(index);
  for (const dicom::Series& series : choose_study(index, request.study_uid).series)
    if (series.kind == dicom::SeriesKind::volume && series.modality == package.modality)
      candidates.push_back(from_series(series));
  if (candidates.empty())
    throw Error(ErrorCode::input_no_images,
                "the study holds no " + package.modality + " series, which the model needs" + refusals(index));
  return candidates;
}

Candidate candidate_at(const std::string& path, const std::string& modality, const Job& job) {
  if (std::error_code ec; !fs::exists(path, ec))
    throw Error(ErrorCode::input_not_found, "there is nothing at its path");
  if (is_volume_file(path)) return from_file(path, modality);
  return from_series(choose_series(dicom::scan({path}, job), "", "give a folder of one of them"));
}

Candidate find_channel(const ChannelSpec& channel, bool takes_any, const std::vector<Candidate>& candidates,
                       std::string& how) {
  if (takes_any && candidates.size() == 1) {
    how = "the only one there is";
    return candidates[0];
  }
  for (const engine::ChannelRule& rule : channel.rules) {
    std::vector<const Candidate*> fits;
    for (const Candidate& c : candidates)
      if (rule.matches(c.traits)) fits.push_back(&c);
    if (fits.size() == 1) {
      how = rule.text();
      return *fits[0];
    }
    if (fits.size() > 1) {
      std::string list;
      for (const Candidate* c : fits) list += (list.empty() ? "" : ", ") + listed(*c);
      throw Error(ErrorCode::channel_ambiguous, "channel " + channel.name + " may be any of: " + list +
                                                    "; choose with --input " + channel.name + "=PATH");
    }
  }
  std::string list;
  for (const Candidate& c : candidates) list += (list.empty() ? "" : ", ") + listed(c);
  throw Error(ErrorCode::channel_missing, "no series looks like channel " + channel.name +
                                              " (found: " + (list.empty() ? "nothing" : list) +
                                              "); name it with --input " + channel.name + "=PATH");
}

void check_frames(const ModelPackage& package, StudyInputs& inputs) {
  const ChannelInput& reference = inputs.channels[package.reference_channel];
  for (ChannelInput& channel : inputs.channels) {
    if (&channel == &reference) continue;
    const bool same = same_grid(channel.volume.geometry, reference.volume.geometry);
    if (channel.series && reference.series) {
      if (channel.series->patient_key != reference.series->patient_key)
        throw Error(ErrorCode::dicom_mixed_patients,
                    "channels " + channel.name + " and " + reference.name + " belong to different patients");
      if (channel.series->study_uid != reference.series->study_uid)
        throw Error(ErrorCode::input_ambiguous,
                    "channels " + channel.name + " and " + reference.name + " belong to different studies");
      const std::string& a = channel.series->frame_of_reference_uid;
      const std::string& b = reference.series->frame_of_reference_uid;
      channel.other_frame = a != b || (a.empty() && !same);
      if (channel.other_frame && package.preparation.register_tolerance_mm) continue;
      if (channel.other_frame)
        throw Error(ErrorCode::grid_mismatch, "channels " + channel.name + " and " + reference.name +
                                                  " do not share a frame of reference; register them first");
      if (a.empty())
        inputs.doubts.push_back("channels " + channel.name + " and " + reference.name +
                                " name no frame of reference; that they match was taken from their grids");
    } else if (!same) {
      inputs.doubts.push_back("channel " + channel.name + " lies on another grid than " + reference.name +
                              "; files name no frame of reference, so their coordinates were trusted");
    }
  }
}

}  // namespace

dicom::Series choose_series(const dicom::StudyIndex& index, const std::string& id, const std::string& advice) {
  refuse_damaged(index);
  std::string list;
  std::vector<const dicom::Series*> all, fits;
  for (const dicom::Study& study : index.studies)
    for (const dicom::Series& series : study.series) {
      if (series.id() == id || series.series_uid == id) fits.push_back(&series);
      all.push_back(&series);
      list += (list.empty() ? " " : ", ") + described(series) + " (" + series.modality + ", " +
              std::to_string(series.instances.size()) + " images)";
    }
  if (fits.size() == 1) return *fits[0];
  if (all.empty())
    throw Error(index.rejected.empty() ? ErrorCode::input_no_images : index.rejected.front().code,
                "no image series was found" + refusals(index));
  if (!id.empty() && fits.empty())
    throw Error(ErrorCode::input_not_found, "there is no series with the UID given; there are:" + list);
  // Screen shots and reports as pictures often lie among the slices.
  std::vector<const dicom::Series*> volumes;
  for (const dicom::Series* series : all)
    if (series->kind == dicom::SeriesKind::volume) volumes.push_back(series);
  if (volumes.size() == 1) return *volumes[0];
  if (all.size() > 1)
    throw Error(ErrorCode::input_ambiguous,
                "the input holds " + std::to_string(all.size()) + " volumes; " + advice + ":" + list);
  return *all[0];
}

UnpackedInput unpack(InputRequest& request, const Job& job) {
  std::vector<std::string> paths = request.paths;
  for (const auto& [name, path] : request.by_hand) paths.push_back(path);
  UnpackedInput unpacked(std::move(paths), job);
  auto place = unpacked.paths().begin();
  for (std::string& path : request.paths) path = *place++;
  for (auto& [name, path] : request.by_hand) path = *place++;
  return unpacked;
}

StudyInputs read_inputs(const ModelPackage& package, const InputRequest& request, const Job& job) {
  const std::vector<Candidate> candidates = find_candidates(package, request, part_of(job, 0, 0.2));
  std::vector<std::optional<std::string>> by_hand(package.channels.size());
  for (const auto& [name, path] : request.by_hand) {
    auto& place = by_hand[package.channel_index(name)];
    if (place) throw Error(ErrorCode::usage, "channel " + name + " is given twice");
    place = path;
  }
  // What was named wrongly is told before what is missing.
  std::vector<std::optional<Candidate>> named(package.channels.size());
  for (std::size_t i = 0; i < named.size(); ++i) {
    if (!by_hand[i]) continue;
    const double step = 0.2 / static_cast<double>(named.size()), begin = 0.2 + step * static_cast<double>(i);
    try {
      named[i] = candidate_at(*by_hand[i], package.modality, part_of(job, begin, begin + step));
    } catch (const Error& e) {
      throw Error(e.code(), "channel " + package.channels[i].name + ": " + e.what());
    }
  }
  // A file that was given itself tells nothing that rules could be asked about.
  const bool is_file = request.paths.size() == 1 && is_volume_file(request.paths[0]);
  const bool takes_any = named.size() == 1 && (is_file || package.channels[0].rules.empty());
  std::vector<std::pair<Candidate, std::string>> chosen;
  std::set<std::string> used;
  for (std::size_t i = 0; i < package.channels.size(); ++i) {
    const ChannelSpec& channel = package.channels[i];
    std::string how = "named by hand";
    Candidate c = named[i] ? *named[i] : find_channel(channel, takes_any, candidates, how);
    if (!by_hand[i] && !used.insert(listed(c)).second)
      throw Error(ErrorCode::channel_ambiguous,
                  listed(c) + " looks like two channels; name them with --input NAME=PATH");
    if (c.series && c.series->modality != package.modality)
      throw Error(ErrorCode::precondition_unmet, "channel " + channel.name + " is a " + c.series->modality +
                                                     " series, where the model takes " + package.modality);
    chosen.emplace_back(std::move(c), std::move(how));
  }

  StudyInputs inputs;
  inputs.from_dicom = true;
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    const Job reading([&job, i, &chosen](std::string_view, double fraction) {
      job.report("read", 0.4 + 0.6 * (static_cast<double>(i) + fraction) / static_cast<double>(chosen.size()));
    });
    reading.report("read", 0.0);
    auto& [candidate, how] = chosen[i];
    ChannelInput input;
    input.name = package.channels[i].name;
    input.how = how;
    if (candidate.series) {
      input.description = candidate.series->description;
      dicom::LoadNotes notes;
      input.volume = dicom::load_volume(*candidate.series, reading, request.geometry, &notes);
      if (!notes.not_hu.empty())
        throw Error(ErrorCode::precondition_unmet, "channel " + input.name + ": " + notes.not_hu);
      for (const std::string& doubt : candidate.series->doubts) inputs.doubts.push_back(input.name + ": " + doubt);
      for (const std::string& doubt : notes.doubts) inputs.doubts.push_back(input.name + ": " + doubt);
      for (const std::string& text : notes.corrections) inputs.corrections.push_back(input.name + ": " + text);
      input.series = std::move(candidate.series);
    } else {
      inputs.from_dicom = false;
      try {
        input.volume = read_volume_file(candidate.file);
      } catch (const Error& e) {
        throw Error(e.code(), "channel " + input.name + ": " + e.what());
      }
    }
    inputs.channels.push_back(std::move(input));
  }
  check_frames(package, inputs);
  return inputs;
}

}  // namespace oncotome::workflow
