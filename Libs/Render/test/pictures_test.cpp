// SPDX-License-Identifier: Apache-2.0
#include "oncotome/render/pictures.h"

#include <gtest/gtest.h>

#include <fstream>

#include "oncotome/core/error.h"
#include "png.h"
#include "slice_painter.h"
#include "window_level.h"

namespace oncotome::render {
namespace {

constexpr std::array<int, 3> kClass = {255, 0, 255};

/// 64 x 64 x 5 voxels of 1 x 2 x 5 mm, axial; a bright square of 10 x 10 mm on the patient's left, in front.
struct Phantom {
  Volume<float> image;
  LabelVolume labels;
  LesionVolume ids;
  Scene scene;

  Phantom() {
    Geometry g;
    g.size = {64, 64, 5};
    g.spacing_mm = {1, 2, 5};
    image = Volume<float>(g);
    labels = LabelVolume(g);
    ids = LesionVolume(g);
    for (std::int64_t z = 0; z < 5; ++z)
      for (std::int64_t y = 0; y < 64; ++y)
        for (std::int64_t x = 0; x < 64; ++x) {
          const bool in = x >= 40 && x < 50 && y >= 10 && y < 15;
          image.at(x, y, z) = in ? 1000.0F : 300.0F + static_cast<float>((x * 7 + y * 13 + z * 5) % 200);
          labels.at(x, y, z) = in ? 3 : 0;
          ids.at(x, y, z) = in ? 1 : 0;
        }
    Lesion lesion;
    lesion.id = 1;
    lesion.volume_mm3 = 2500;
    lesion.longest_axial_diameter_mm = 9;
    lesion.axial_diameter_ends_mm = {g.position_mm({40, 12, 2}), g.position_mm({49, 12, 2})};
    lesion.first_index = {40, 10, 0};
    lesion.last_index = {49, 14, 4};
    lesion.key_slice = 2;
    Label label;
    label.value = 3;
    label.name = "Mass";
    label.color_rgb = {255, 0, 255};
    label.lesion = true;
    scene = {&image, &labels, &ids, {label}, {lesion}, "", "MR"};
  }
};

std::string output(const char* name) {
  static const TemporaryFolder folder;
  return folder.path + "/" + name;
}

// 128 mm become 900 pixels, 64 mm 450, centered on the 760 pixels that the caption needs.
constexpr double kScale = 900.0 / 128;
constexpr double kLeft = (760 - 450) / 2.0;

struct Span {
  int first = -1;
  int last = -1;
};

/// First and last pixel in the class's color along a row (column) of the picture.
Span class_pixels(const Png& png, bool along_row, int at) {
  Span run;
  for (int i = 0; i < (along_row ? png.width : 900); ++i)
    if (along_row ? png.is(i, at, kClass, 90) : png.is(at, i, kClass, 90)) {
      if (run.first < 0) run.first = i;
      run.last = i;
    }
  return run;
}

TEST(KeySlice, Shows_the_patients_left_at_the_viewers_right) {
  const Phantom p;
  const std::string path = output("key_side.png");
  write_key_slice(path, p.scene, p.scene.lesions[0]);
  const Png png(path);
  EXPECT_EQ(png.width, 760);
  EXPECT_GT(png.height, 900);
  const int x = static_cast<int>(kLeft + 45 * kScale);
  const int y = static_cast<int>(21.8 * kScale);
  EXPECT_TRUE(png.is(x, y, {255, 255, 255}, 2));
  EXPECT_LT(png.at(760 - x, y)[0], 110);
}

TEST(KeySlice, Outlines_the_class_just_inside_its_edges_and_keeps_a_square_square) {
  const Phantom p;
  const std::string path = output("key_outline.png");
  write_key_slice(path, p.scene, p.scene.lesions[0]);
  const Png png(path);
  const Span across = class_pixels(png, true, static_cast<int>(22 * kScale));
  const Span down = class_pixels(png, false, static_cast<int>(kLeft + 47 * kScale));
  EXPECT_NEAR(across.first, kLeft + 40 * kScale, 1.5);
  EXPECT_NEAR(across.last + 1, kLeft + 50 * kScale, 1.5);
  EXPECT_NEAR(down.first, 20 * kScale, 1.5);
  EXPECT_NEAR(down.last + 1, 30 * kScale, 1.5);
  EXPECT_NEAR(across.last - across.first, down.last - down.first, 2);
}

TEST(KeySlice, Draws_the_diameter_from_end_to_end) {
  const Phantom p;
  const std::string path = output("key_diameter.png");
  write_key_slice(path, p.scene, p.scene.lesions[0]);
  const Png png(path);
  const int y = static_cast<int>(25 * kScale);
  Span line;
  int count = 0;
  for (int x = 0; x < png.width; ++x) {
    if (!png.is(x, y, {255, 221, 64}, 60)) continue;
    if (line.first < 0) line.first = x;
    line.last = x;
    ++count;
  }
  EXPECT_NEAR(line.first, kLeft + 40.5 * kScale, 2);
  EXPECT_NEAR(line.last + 1, kLeft + 49.5 * kScale, 2);
  EXPECT_EQ(count, line.last - line.first + 1);
}

TEST(KeySlice, Writes_letters_at_the_edges) {
  const Phantom p;
  const std::string path = output("key_letters.png");
  write_key_slice(path, p.scene, p.scene.lesions[0]);
  const Png png(path);
  const auto ink_at = [&](int left, int top) {
    int ink = 0;
    for (int y = top; y < top + 40; ++y)
      for (int x = left; x < left + 40; ++x) ink += png.at(x, y)[0] > 200;
    return ink;
  };
  EXPECT_GT(ink_at(160, 430), 30);
  EXPECT_GT(ink_at(560, 430), 30);
  EXPECT_GT(ink_at(360, 5), 30);
  EXPECT_GT(ink_at(360, 855), 30);
  EXPECT_EQ(ink_at(260, 430), 0);
}

TEST(KeySlice, Enlarges_a_small_lesion_in_the_corner_away_from_it) {
  Phantom p;
  Geometry g;
  g.size = {200, 200, 1};
  p.image = Volume<float>(g);
  p.labels = LabelVolume(g);
  p.ids = LesionVolume(g);
  for (std::int64_t y = 0; y < 200; ++y)
    for (std::int64_t x = 0; x < 200; ++x) {
      const bool in = x >= 140 && x < 146 && y >= 100 && y < 106;
      p.image.at(x, y, 0) = in ? 1000.0F : 300.0F + static_cast<float>((x * 7 + y * 13) % 200);
      p.labels.at(x, y, 0) = in ? 3 : 0;
      p.ids.at(x, y, 0) = in ? 1 : 0;
    }
  Lesion& lesion = p.scene.lesions[0];
  lesion.first_index = {140, 100, 0};
  lesion.last_index = {145, 105, 0};
  lesion.key_slice = 0;
  lesion.axial_diameter_ends_mm = {};
  const std::string path = output("key_close_up.png");
  write_key_slice(path, p.scene, lesion);
  const Png png(path);
  // 40 mm in 270 pixels, 10 from the corner: 6 mm in the middle are 40.5 pixels.
  Span span;
  for (int x = 10; x < 280; ++x)
    if (png.is(x, 150, kClass, 90)) {
      if (span.first < 0) span.first = x;
      span.last = x;
    }
  EXPECT_NEAR(span.first, 145 - 20.25, 1.5);
  EXPECT_NEAR(span.last + 1, 145 + 20.25, 1.5);
}

TEST(KeySlice, Says_that_a_full_disk_is_unwritable) {
  const Phantom p;
  for (const std::string path : {"/dev/full", "/nonexistent/key.png"}) {
    try {
      write_key_slice(path, p.scene, p.scene.lesions[0]);
      FAIL() << path;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::output_unwritable);
    }
  }
}

TEST(Overview, Lays_out_every_slice_when_there_are_few) {
  const Phantom p;
  const std::string path = output("overview.png");
  write_overview(path, p.scene);
  const Png png(path);
  // Five tiles of 150 x 300 pixels in rows of four, 4 pixels apart.
  EXPECT_EQ(png.width, 4 * 154 - 4);
  EXPECT_GT(png.height, 2 * 304);
  const int x = static_cast<int>(45 * 300.0 / 128);
  const int y = static_cast<int>(25 * 300.0 / 128);
  EXPECT_GT(png.at(x, y)[0], 240);
  EXPECT_GT(png.at(x, 304 + y)[0], 240);
  EXPECT_LT(png.at(3 * 154 + x, 304 + y)[0], 60);
}

TEST(Overview, Does_without_a_lesion) {
  Phantom p;
  p.labels = LabelVolume(p.image.geometry);
  p.ids = LesionVolume(p.image.geometry);
  p.scene.lesions.clear();
  const std::string path = output("overview_none.png");
  write_overview(path, p.scene);
  EXPECT_EQ(Png(path).width, 4 * 154 - 4);
}

TEST(View, Cuts_away_the_blank_surroundings_but_no_lesion) {
  Phantom p;
  for (std::int64_t z = 0; z < 5; ++z)
    for (std::int64_t y = 0; y < 64; ++y)
      for (std::int64_t x = 0; x < 64; ++x)
        if (x < 20 || x >= 36) p.image.at(x, y, z) = 0;
  const WindowLevel window = window_level(p.scene, nullptr);
  const View with = fit_view(p.scene, window, {0, 4}, 900);
  p.scene.lesions.clear();
  const View without = fit_view(p.scene, window, {0, 4}, 900);
  // Columns 20 to 35 and the margin of 15/16+1 voxels; with the lesion 20 to 49 and 29/16+1.
  EXPECT_DOUBLE_EQ(without.from_mm[0], 19);
  EXPECT_DOUBLE_EQ(without.extent_mm[0], 18);
  EXPECT_DOUBLE_EQ(with.from_mm[0], 18);
  EXPECT_DOUBLE_EQ(with.extent_mm[0], 34);
}

TEST(WindowLevel, Is_the_lungs_for_a_nodule_in_air_and_soft_tissue_elsewhere) {
  Phantom p;
  p.scene.modality = "CT";
  for (float& v : p.image.voxels) v = v == 1000 ? 40.0F : -850.0F;
  EXPECT_EQ(window_level(p.scene, &p.scene.lesions[0]).low, -1350);
  EXPECT_EQ(window_level(p.scene, &p.scene.lesions[0]).high, 150);
  for (float& v : p.image.voxels) v = v == 40 ? 90.0F : 50.0F;
  EXPECT_EQ(window_level(p.scene, &p.scene.lesions[0]).low, -160);
  EXPECT_EQ(window_level(p.scene, &p.scene.lesions[0]).high, 240);
}

TEST(WindowLevel, Leaves_the_zeros_of_other_modalities_out) {
  Phantom p;
  p.ids = LesionVolume(p.image.geometry);
  for (std::size_t i = 0; i < p.image.voxels.size(); ++i)
    p.image.voxels[i] = i < 10000 ? 0.0F : static_cast<float>(i - 9999);
  // 10480 values 1 ... 10480: the 1st and the 99.5th percentile.
  const WindowLevel window = window_level(p.scene, nullptr);
  EXPECT_NEAR(window.low, 105.8, 1);
  EXPECT_NEAR(window.high, 10427.6, 1);
}

}  // namespace
}  // namespace oncotome::render
