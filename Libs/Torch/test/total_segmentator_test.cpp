// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "oncotome/core/error.h"
#include "oncotome/engine/safetensors.h"
#include "oncotome/engine/session.h"
#include "total_segmentator/coarse_grid.h"
#include "total_segmentator/labels.h"

namespace oncotome::engine::total_segmentator {
namespace {

const std::string kFolder = std::string(ONCOTOME_FIXTURES) + "/total_segmentator";

// Written by Testing/Golden/make_total_fixtures.py, which says what each tensor is.
const Weights& steps() {
  static const Weights all = read_safetensors(kFolder + "/steps.safetensors");
  return all;
}
const Weights& runs() {
  static const Weights all = read_safetensors(kFolder + "/runs.safetensors");
  return all;
}

// Of an array [z,y,x] under a NIfTI's affine.
Geometry geometry_of(const Tensor& array, const Tensor& affine) {
  Geometry out;
  for (std::size_t a = 0; a < 3; ++a) {
    out.size[a] = array.shape[2 - a];
    Vec3 column{-static_cast<double>(affine.values[a]), -static_cast<double>(affine.values[4 + a]),
                static_cast<double>(affine.values[8 + a])};
    out.spacing_mm[a] = norm(column);
    out.axis[a] = 1 / norm(column) * column;
    out.origin_mm[a] = (a < 2 ? -1.0 : 1.0) * static_cast<double>(affine.values[4 * a + 3]);
  }
  return out;
}

LabelVolume labels_of(const Tensor& array, const Geometry& geometry) {
  LabelVolume out(geometry);
  for (std::size_t i = 0; i < out.voxels.size(); ++i) out.voxels[i] = static_cast<std::uint8_t>(array.values[i]);
  return out;
}

void expect_statistics(const std::vector<LabelStatistics>& ours, const Tensor& theirs, const std::string& name) {
  for (const LabelStatistics& one : ours) {
    const std::size_t row = 2 * (one.label - std::size_t{1});
    EXPECT_NEAR(one.volume_mm3, theirs.values.at(row), 1e-6 * one.volume_mm3) << name << " label " << +one.label;
    EXPECT_NEAR(one.mean_intensity, theirs.values.at(row + 1), 1e-5 + 1e-6 * std::abs(one.mean_intensity))
        << name << " label " << +one.label;
  }
}

TEST(Total_segmentators_grid, Is_the_references_and_so_are_its_values) {
  std::size_t count = 0;
  for (const auto& [key, image] : steps()) {
    if (key.rfind("grid ", 0) != 0 || key.find(".image") == std::string::npos) continue;
    const std::string name = key.substr(0, key.find('.'));
    const auto of = [&](const char* what) -> const Tensor& { return steps().at(name + "." + what); };
    const Geometry source = geometry_of(image, of("affine"));
    const Canonical canonical(source);
    const std::vector<float>& mm = of("spacing").values;
    const Volume<float> coarse =
        to_coarse({source, image.values.data()}, canonical,
                  Vec3{static_cast<double>(mm[0]), static_cast<double>(mm[1]), static_cast<double>(mm[2])});
    const Geometry theirs = geometry_of(of("coarse"), of("coarse_affine"));
    EXPECT_TRUE(same_grid(coarse.geometry, theirs, 1e-4)) << name;
    EXPECT_EQ(coarse.voxels, of("coarse").values) << name;
    const LabelVolume back = from_coarse(labels_of(of("labels"), coarse.geometry), canonical, source);
    EXPECT_EQ(back.voxels, labels_of(of("back"), source).voxels) << name;
    ++count;
  }
  EXPECT_EQ(count, 8U);
}

TEST(Total_segmentators_labels, Lose_the_pieces_that_the_reference_takes_away_and_measure_the_same) {
  const Tensor& array = steps().at("pieces.labels");
  const Geometry grid = geometry_of(array, steps().at("pieces.affine"));
  const LabelVolume given = labels_of(array, grid);
  LabelVolume labels = given;
  keep_largest(labels, 1);
  EXPECT_EQ(labels.voxels, labels_of(steps().at("pieces.largest"), grid).voxels);
  EXPECT_NE(labels.voxels, given.voxels);
  labels = given;
  remove_small(labels, 2, 40);
  EXPECT_EQ(labels.voxels, labels_of(steps().at("pieces.small"), grid).voxels);
  EXPECT_NE(labels.voxels, given.voxels);

  std::vector<Label> table(4);
  for (std::size_t i = 0; i < table.size(); ++i) table[i].value = static_cast<std::uint8_t>(i + 1);
  const auto measured = measure(given, steps().at("pieces.image").values.data(), table);
  ASSERT_EQ(measured.size(), table.size());
  expect_statistics(measured, steps().at("pieces.statistics"), "pieces");
  EXPECT_TRUE(measured[0].touches_border);
  EXPECT_FALSE(measured[2].touches_border);
  EXPECT_GT(measured[2].volume_mm3, 0);
}

ModelOptions asking_for(const std::string& task) {
  ModelOptions options;
  options.configuration = task;
  return options;
}

class Total_segmentators_task : public testing::TestWithParam<const char*> {};

TEST_P(Total_segmentators_task, Gives_the_labels_and_statistics_of_the_reference) {
  const std::string name = GetParam();
  const bool split = name.rfind("split ", 0) == 0;
  ModelPackage package = read_model_package(kFolder + "/results", asking_for(split ? name.substr(6) : name));
  EXPECT_TRUE(package.doubts.empty()) << package.doubts.front();
  auto& inference = std::get<TotalSegmentatorInference>(package.inference);
  if (split) inference.slab_voxels = 1000;
  const auto model = Model::load(std::move(package), Device::cpu, 2);
  const Tensor& image = runs().at(name + ".image");
  const Geometry grid = geometry_of(image, runs().at(name + ".affine"));
  const Segmentation found = segment(*model, {{grid, image.values.data()}}, {}, Job());
  const LabelVolume theirs = labels_of(runs().at(name + ".labels"), grid);
  std::size_t other = 0;
  for (std::size_t i = 0; i < theirs.voxels.size(); ++i) other += found.labels.voxels[i] != theirs.voxels[i];
  // The networks' sums differ by rounding between two versions of PyTorch.
  EXPECT_LE(other, 1U) << "of " << theirs.voxels.size();
  if (other == 0) expect_statistics(found.statistics, runs().at(name + ".statistics"), name);
  EXPECT_EQ(found.statistics.size(), model->package().labels.size());
  EXPECT_EQ(std::any_of(found.steps.begin(), found.steps.end(), [](const StepNote& s) { return s.step == "split"; }),
            split);
}

INSTANTIATE_TEST_SUITE_P(Toys, Total_segmentators_task,
                         testing::Values("total_mr", "split total_mr", "total_fast", "body_fast", "liver_lesions"));

TEST(Total_segmentators_folder, Holds_tasks_that_are_told_apart_by_name) {
  try {
    read_model_package(kFolder + "/results");
    FAIL() << "several tasks were taken for one";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::usage);
    EXPECT_NE(std::string(e.what()).find("total_mr, body_fast"), std::string::npos) << e.what();
  }
  try {
    read_model_package(kFolder + "/results", asking_for("total"));
    FAIL() << "a task without its parts was taken";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::model_not_found);
    EXPECT_NE(std::string(e.what()).find("Dataset291_TotalSegmentator_part1_organs"), std::string::npos) << e.what();
  }
}

TEST(Total_segmentators_folder, Tells_what_labels_mean_and_that_organs_are_no_lesions) {
  const ModelPackage package = read_model_package(kFolder + "/results", asking_for("total_fast"));
  ASSERT_EQ(package.labels.size(), 117U);
  const Label& liver = package.labels[4];
  EXPECT_EQ(liver.name, "liver");
  EXPECT_EQ(liver.value, 5);
  EXPECT_EQ(liver.type.value, "10200004");
  for (const Label& label : package.labels) EXPECT_FALSE(label.lesion) << label.name;
  const auto& inference = std::get<TotalSegmentatorInference>(package.inference);
  EXPECT_EQ(inference.parts[0].model.step, 0.8);
  EXPECT_TRUE(inference.parts[0].model.ensemble[0].mirror_axes.empty());
  EXPECT_TRUE(read_model_package(kFolder + "/results", asking_for("liver_lesions")).labels[0].lesion);
}

TEST(Total_segmentators_folder, Of_one_part_gives_the_labels_of_that_part) {
  const ModelPackage package = read_model_package(kFolder + "/results/Dataset851_TotalSegMRI_part2_muscles_1088subj");
  const auto& inference = std::get<TotalSegmentatorInference>(package.inference);
  EXPECT_EQ(inference.parts.size(), 1U);
  EXPECT_EQ(package.labels.front().name, "humerus_left");
  EXPECT_EQ(package.labels.front().value, 30);
}

TEST(Total_segmentators_folder, Runs_as_plain_nnUNet_where_its_own_configuration_is_asked_for) {
  const ModelPackage package =
      read_model_package(kFolder + "/results/Dataset300_body_6mm_1559subj", asking_for("3d_fullres"));
  EXPECT_TRUE(std::holds_alternative<NnUnetInference>(package.inference));
}

}  // namespace
}  // namespace oncotome::engine::total_segmentator
