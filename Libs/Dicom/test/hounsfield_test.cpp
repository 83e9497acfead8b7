// SPDX-License-Identifier: Apache-2.0
#include "made_series.h"

namespace oncotome::dicom {
namespace {

/// A CT of 3 slices of 20 pixels that all hold these values, -500 in the rest.
struct Loaded {
  Volume<float> volume;
  LoadNotes notes;
};

Loaded load_ct(std::vector<float> values, const Edit& edit = {}) {
  values.resize(20, -500);
  Volume<float> volume(axial_grid(3));
  for (std::size_t i = 0; i < volume.voxels.size(); ++i) volume.voxels[i] = values[i % 20];
  const Folder folder;
  testing::SeriesRecipe recipe;
  recipe.directory = folder.path();
  recipe.modality = "CT";
  recipe.edit = edit;
  testing::write_series(volume, recipe);
  Loaded loaded;
  loaded.volume = load_volume(only_series(folder.path()), Job(), GeometryPolicy::strict, &loaded.notes);
  return loaded;
}

TEST(Hounsfield, Padding_and_values_below_air_become_air) {
  const Loaded loaded = load_ct({-2000, -3024, -1024, -1000, 77, 78, 79}, [](DcmItem& item, std::size_t) {
    put(item, DCM_PixelPaddingValue, 77);
    put(item, DCM_PixelPaddingRangeLimit, 78);
  });
  EXPECT_EQ(std::vector<float>(loaded.volume.voxels.begin(), loaded.volume.voxels.begin() + 7),
            (std::vector<float>{-1024, -1024, -1024, -1000, -1024, -1024, 79}));
  ASSERT_EQ(loaded.notes.corrections.size(), 1u);
  EXPECT_NE(loaded.notes.corrections[0].find("12 values"), std::string::npos) << loaded.notes.corrections[0];
  EXPECT_TRUE(loaded.notes.not_hu.empty());
}

TEST(Hounsfield, A_padding_range_over_the_tissue_is_passed_over) {
  const Loaded loaded = load_ct({-1000, 40, 300}, [](DcmItem& item, std::size_t) {
    put(item, DCM_PixelPaddingValue, -2000);
    put(item, DCM_PixelPaddingRangeLimit, 3000);
  });
  EXPECT_EQ(std::vector<float>(loaded.volume.voxels.begin(), loaded.volume.voxels.begin() + 3),
            (std::vector<float>{-1000, 40, 300}));
}

TEST(Hounsfield, Padding_with_the_wrong_sign_is_understood) {
  const Loaded loaded =
      load_ct({-7, -1000}, [](DcmItem& item, std::size_t) { put(item, DCM_PixelPaddingValue, 65529); });
  EXPECT_EQ(loaded.volume.voxels[0], -1024);
  EXPECT_EQ(loaded.volume.voxels[1], -1000);
}

TEST(Hounsfield, Values_that_look_shifted_are_none) {
  const Loaded loaded = load_ct(std::vector<float>(20, 1040));
  EXPECT_FALSE(loaded.notes.not_hu.empty());
}

TEST(Hounsfield, Without_intercept_only_air_at_its_place_lets_values_pass) {
  const auto no_intercept = [](DcmItem& item, std::size_t) { item.findAndDeleteElement(DCM_RescaleIntercept); };
  EXPECT_FALSE(load_ct({24, 24, 1064, -30}, no_intercept).notes.not_hu.empty());
  EXPECT_TRUE(load_ct({-1010, -990, 40}, no_intercept).notes.not_hu.empty());
}

TEST(Hounsfield, A_crop_without_air_is_a_doubt_only) {
  const Loaded loaded = load_ct({40, 60, -90});
  EXPECT_TRUE(loaded.notes.not_hu.empty());
  EXPECT_EQ(loaded.notes.doubts.size(), 1u);
}

TEST(LoadVolume, Pixel_data_that_are_too_long_are_a_doubt) {
  const auto longer_by = [](std::size_t more) {
    return load_ct({-1000},
                   [more](DcmItem& item, std::size_t) {
                     const std::vector<Uint16> cells(20 + more, static_cast<Uint16>(-1000));
                     ASSERT_TRUE(item.putAndInsertUint16Array(DCM_PixelData, cells.data(), cells.size()).good());
                   })
        .notes.doubts.size();
  };
  EXPECT_EQ(longer_by(0), 0u);
  EXPECT_EQ(longer_by(1), 1u);
}

}  // namespace
}  // namespace oncotome::dicom
