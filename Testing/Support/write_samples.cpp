// SPDX-License-Identifier: Apache-2.0
// oncotome-write-samples: result folders with known content, for Testing/Golden/check_objects.py.
#include <CLI/CLI.hpp>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <random>

#include "oncotome/core/digest.h"
#include "oncotome/core/error.h"
#include "oncotome/core/job.h"
#include "oncotome/core/json.h"
#include "oncotome/dicom/scan.h"
#include "oncotome/dicom/segmentation.h"
#include "series_writer.h"
#include "volume_io.h"

namespace {

using namespace oncotome;
namespace fs = std::filesystem;

const std::vector<Label> kLabels{{1,
                                  "Necrosis",
                                  {"49755003", "SCT", "Morphologically Altered Structure"},
                                  {"6574001", "SCT", "Necrosis"},
                                  {255, 0, 0},
                                  true},
                                 {2,
                                  "Edema",
                                  {"49755003", "SCT", "Morphologically Altered Structure"},
                                  {"79654002", "SCT", "Edema"},
                                  {0, 255, 0},
                                  true},
                                 {4,
                                  "Enhancing tumor",
                                  {"49755003", "SCT", "Morphologically Altered Structure"},
                                  {"C113842", "NCIt", "Enhancing Lesion"},
                                  {0, 0, 255},
                                  true}};

// Counts and boxes are real, diameters are awkward numbers: only their way into the SR is looked at.
std::vector<Lesion> measure(const LesionVolume& volume) {
  std::map<std::uint16_t, Lesion> found;
  const auto& size = volume.geometry.size;
  for (std::int64_t k = 0; k < size[2]; ++k)
    for (std::int64_t j = 0; j < size[1]; ++j)
      for (std::int64_t i = 0; i < size[0]; ++i) {
        const std::uint16_t id = volume.at(i, j, k);
        if (id == 0) continue;
        Lesion& lesion = found[id];
        const Index3 here{i, j, k};
        if (lesion.voxel_count++ == 0) lesion.first_index = lesion.last_index = here;
        for (std::size_t a = 0; a < 3; ++a) {
          lesion.first_index[a] = std::min(lesion.first_index[a], here[a]);
          lesion.last_index[a] = std::max(lesion.last_index[a], here[a]);
        }
      }
  std::vector<Lesion> lesions;
  for (auto& [id, lesion] : found) {
    lesion.id = id;
    lesion.tracking_uid = make_uid("sample lesion " + std::to_string(id));
    lesion.volume_mm3 = static_cast<double>(lesion.voxel_count) * volume.geometry.voxel_volume_mm3();
    lesion.longest_axial_diameter_mm = std::cbrt(lesion.volume_mm3) / 3;
    lesion.longest_diameter_mm = std::sqrt(2.0) * lesion.longest_axial_diameter_mm;
    lesion.mesh_volume_mm3 = lesion.volume_mm3 / 1.1;
    lesion.surface_area_mm2 = 7 * lesion.longest_diameter_mm;
    lesion.sphericity = 1.0 / 3;
    lesion.touches_border = id == 2;
    lesions.push_back(lesion);
  }
  return lesions;
}

void write_report_json(const fs::path& path, const std::vector<Lesion>& lesions,
                       const dicom::SegmentationReceipt& receipt) {
  nlohmann::json report;
  report["labels"] = nlohmann::json::array();
  for (const Label& label : kLabels) report["labels"].push_back({{"value", label.value}, {"name", label.name}});
  report["lesions"] = nlohmann::json::array();
  for (const Lesion& lesion : lesions)
    report["lesions"].push_back({{"id", lesion.id},
                                 {"tracking_uid", lesion.tracking_uid},
                                 {"voxel_count", lesion.voxel_count},
                                 {"volume_mm3", lesion.volume_mm3},
                                 {"longest_axial_diameter_mm", lesion.longest_axial_diameter_mm},
                                 {"longest_diameter_mm", lesion.longest_diameter_mm},
                                 {"mesh_volume_mm3", lesion.mesh_volume_mm3},
                                 {"surface_area_mm2", lesion.surface_area_mm2},
                                 {"sphericity", lesion.sphericity},
                                 {"first_index", lesion.first_index},
                                 {"last_index", lesion.last_index},
                                 {"segment_number", receipt.segment_of_lesion.at(lesion.id)}});
  std::ofstream(path) << report.dump(1) << '\n';
}

void write_results(const std::string& sources, const fs::path& folder, const LabelVolume& labels,
                   const LesionVolume& lesions) {
  fs::create_directories(folder);
  const dicom::StudyIndex index = dicom::scan({sources}, Job());
  if (index.studies.size() != 1) throw Error(ErrorCode::input_ambiguous, "the source folder must hold one study");
  dicom::ResultContext context;
  for (const dicom::Series& series : index.studies.front().series) {
    if (!series.is_readable(dicom::GeometryPolicy::fill)) throw Error(series.fault->code, series.fault->reason);
    context.sources.push_back(&series);
  }
  context.provenance.version = "0.1.0";
  context.provenance.model_name = "sample-model";
  context.provenance.model_version = "1.0.0";
  context.provenance.model_sha256 = sha256_hex("sample");
  context.provenance.parameters = "none";
  context.provenance.content_date = "20200103";
  context.provenance.content_time = "111213";
  context.task = "Brain tumor";
  context.region = {"12738006", "SCT", "Brain"};
  context.labels = kLabels;
  context.label_volume = &labels;
  context.lesions = measure(lesions);
  context.lesion_volume = &lesions;
  context.unions = {{"Tumor core", {1, 4}}, {"Whole tumor", {1, 2, 4}}};
  const std::string segmentation = (folder / "segmentation.dcm").string();
  const dicom::SegmentationReceipt receipt = dicom::write_segmentation(segmentation, context);
  dicom::write_report((folder / "report.dcm").string(), context, segmentation, receipt);
  LabelVolume probability(labels.geometry);
  for (std::size_t i = 0; i < probability.voxels.size(); ++i)
    probability.voxels[i] = labels.voxels[i] ? static_cast<std::uint8_t>(1 + i * 37 % 255) : 0;
  workflow::write_volume_file((folder / "probability.nrrd").string(), probability);
  dicom::write_probabilities((folder / "probabilities.dcm").string(), context,
                             {{kLabels[0], &probability}, {kLabels[2], &labels}});
  dicom::write_label_map((folder / "labelmap.dcm").string(), context);
  dicom::write_structure_set((folder / "structures.dcm").string(), context);
  std::vector<std::uint8_t> rgb(std::size_t{5} * 3 * 3);
  for (std::size_t i = 0; i < rgb.size(); ++i) rgb[i] = static_cast<std::uint8_t>(5 * i);
  dicom::write_secondary_capture((folder / "summary.dcm").string(), context, 5, 3, rgb);
  write_report_json(folder / "report.json", context.lesions, receipt);
  workflow::write_volume_file((folder / "segmentation.seg.nrrd").string(), labels);
  LabelVolume expected(lesions.geometry);
  for (std::size_t i = 0; i < expected.voxels.size(); ++i)
    expected.voxels[i] = static_cast<std::uint8_t>(lesions.voxels[i]);
  workflow::write_volume_file((folder / "lesions.nrrd").string(), expected);
}

Geometry oblique(std::int64_t columns, std::int64_t rows, std::int64_t planes) {
  const double c = std::cos(0.3), s = std::sin(0.3);
  Geometry g;
  g.size = {columns, rows, planes};
  g.spacing_mm = {0.7, 0.9, 2.5};
  g.origin_mm = {-12.3456789012, 1.0 / 3, 101.7};
  g.axis = {{{c, s, 0}, {-s, c, 0}, {0, 0, 1}}};
  return g;
}

// Each voxel is a label or lesion of its own with probability 1 / every.
void sample(const fs::path& folder, const std::string& name, const Geometry& grid, unsigned every, int channels) {
  std::mt19937 random(7);
  const std::string sources = (folder / name / "source").string();
  for (int channel = 1; channel <= channels; ++channel) {
    Volume<float> image(grid);
    for (float& voxel : image.voxels) voxel = static_cast<float>(random() % 1000);
    testing::SeriesRecipe recipe;
    recipe.directory = sources + "/" + std::to_string(channel);
    recipe.seed = name;
    recipe.series_number = channel;
    recipe.description = "channel " + std::to_string(channel);
    testing::write_series(image, recipe);
  }
  LabelVolume labels(grid);
  LesionVolume lesions(grid);
  for (std::size_t i = 0; i < labels.voxels.size() && every > 0; ++i) {
    if (random() % every == 0) labels.voxels[i] = kLabels[random() % kLabels.size()].value;
    if (random() % every == 0) lesions.voxels[i] = static_cast<std::uint16_t>(1 + random() % 2);
  }
  write_results(sources, folder / name, labels, lesions);
}

// All labels of a given volume as one lesion.
void write_given(const std::string& sources, const std::string& labels_path, const fs::path& folder) {
  const Volume<float> given = workflow::read_volume_file(labels_path);
  LabelVolume labels(given.geometry);
  LesionVolume lesions(given.geometry);
  for (std::size_t i = 0; i < given.voxels.size(); ++i) {
    labels.voxels[i] = static_cast<std::uint8_t>(given.voxels[i]);
    lesions.voxels[i] = given.voxels[i] > 0;
  }
  write_results(sources, folder, labels, lesions);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Writes result folders with known content");
  std::string output, sources, labels;
  app.add_option("--output", output, "Folder")->required();
  CLI::Option* given = app.add_option("--source", sources, "DICOM study on whose grid the labels lie");
  app.add_option("--labels", labels, "Label volume; without it, random masks of odd sizes")->needs(given);
  CLI11_PARSE(app, argc, argv);
  try {
    if (!labels.empty()) {
      write_given(sources, labels, output);
      return 0;
    }
    sample(output, "10x13", oblique(10, 13, 5), 2, 1);
    sample(output, "14x9", oblique(14, 9, 7), 2, 4);
    sample(output, "5x22", oblique(5, 22, 4), 2, 1);
    sample(output, "1x21", oblique(1, 21, 6), 2, 1);
    sample(output, "8x8", oblique(8, 8, 3), 2, 1);
    sample(output, "9x7_sparse", oblique(9, 7, 260), 900, 1);
    sample(output, "11x5_empty", oblique(11, 5, 3), 0, 2);
    sample(output, "3x3_empty_long", oblique(3, 3, 400), 0, 1);
  } catch (const Error& error) {
    std::cerr << "oncotome-write-samples: " << error.what() << '\n';
    return error.exit_code();
  }
  return 0;
}
