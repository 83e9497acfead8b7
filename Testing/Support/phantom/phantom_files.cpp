// SPDX-License-Identifier: Apache-2.0
#include "phantom_files.h"

#include <cstdio>
#include <fstream>

#include "oncotome/core/digest.h"
#include "oncotome/core/error.h"
#include "series_writer.h"

namespace oncotome::testing {

namespace {

template <class T>
void put(std::string& out, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i) out.push_back(static_cast<char>((value >> (8 * i)) & 0xFF));
}

std::string int16_bytes(const Volume<float>& volume) {
  std::string out;
  out.reserve(2 * volume.voxels.size());
  for (const float v : volume.voxels) put(out, static_cast<std::uint16_t>(v));
  return out;
}

std::string bytes_of(const LabelVolume& volume) { return {volume.voxels.begin(), volume.voxels.end()}; }

void save(const std::string& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  file.close();
  if (!file) throw Error(ErrorCode::output_unwritable, "cannot write a phantom; check the output folder and the disk");
}

std::string nrrd_header(const Geometry& g, const char* type) {
  char text[512];
  std::snprintf(text, sizeof text,
                "NRRD0004\ntype: %s\ndimension: 3\nspace: left-posterior-superior\nsizes: %d %d %d\n"
                "space directions: (%.17g,0,0) (0,%.17g,0) (0,0,%.17g)\nkinds: domain domain domain\nendian: little\n"
                "encoding: raw\nspace origin: (%.17g,%.17g,%.17g)\n\n",
                type, static_cast<int>(g.size[0]), static_cast<int>(g.size[1]), static_cast<int>(g.size[2]),
                g.spacing_mm[0], g.spacing_mm[1], g.spacing_mm[2], g.origin_mm[0], g.origin_mm[1], g.origin_mm[2]);
  return text;
}

}  // namespace

void write_raw(const Phantom& phantom, const std::string& path) {
  std::string out = "OTPH";
  for (const std::int64_t n : phantom.truth.geometry.size) put(out, static_cast<std::uint32_t>(n));
  for (const auto* channel : {&phantom.flair, &phantom.t1, &phantom.t1ce, &phantom.t2}) out += int16_bytes(*channel);
  save(path, out + bytes_of(phantom.truth));
}

void write_channels_nrrd(const Phantom& phantom, const std::string& directory) {
  const auto write = [&](const Volume<float>& volume, const char* name) {
    save(directory + "/" + name + ".nrrd", nrrd_header(volume.geometry, "int16") + int16_bytes(volume));
  };
  write(phantom.flair, "flair");
  write(phantom.t1, "t1");
  write(phantom.t1ce, "t1ce");
  write(phantom.t2, "t2");
}

void write_truth_nrrd(const Phantom& phantom, const std::string& path) {
  save(path, nrrd_header(phantom.truth.geometry, "uint8") + bytes_of(phantom.truth));
}

void write_dicom(const Phantom& phantom, std::uint64_t seed, const std::string& directory) {
  struct Weighting {
    const Volume<float>& volume;
    const char* folder;
    const char* description;
    const char* sequence;
    double repetition_ms, echo_ms, inversion_ms;
    const char* agent;
  };
  const Weighting weightings[] = {{phantom.flair, "flair", "Ax FLAIR", "IR", 9000, 120, 2000, ""},
                                  {phantom.t1, "t1", "Ax T1", "SE", 500, 10, 0, ""},
                                  {phantom.t1ce, "t1ce", "Ax T1 post contrast", "SE", 500, 10, 0, "Gadolinium"},
                                  {phantom.t2, "t2", "Ax T2", "SE", 4000, 100, 0, ""}};
  const std::string name = "oncotome phantom " + std::to_string(seed);
  int number = 0;
  for (const Weighting& w : weightings) {
    SeriesRecipe recipe;
    recipe.directory = directory + "/" + w.folder;
    recipe.seed = name + " " + w.folder;
    recipe.study_uid = make_uid(name + " study");
    recipe.series_uid = make_uid(name + " series " + w.folder);
    recipe.frame_of_reference_uid = make_uid(name + " frame of reference");
    recipe.patient_name = "Phantom^Demo";
    recipe.patient_id = "PHANTOM-" + std::to_string(seed);
    recipe.study_description = "Brain tumor phantom";
    recipe.description = recipe.protocol_name = w.description;
    recipe.series_number = ++number;
    recipe.scanning_sequence = w.sequence;
    recipe.repetition_time_ms = w.repetition_ms;
    recipe.echo_time_ms = w.echo_ms;
    if (w.inversion_ms > 0) recipe.inversion_time_ms = w.inversion_ms;
    recipe.contrast_agent = w.agent;
    write_series(w.volume, recipe);
  }
}

}  // namespace oncotome::testing
