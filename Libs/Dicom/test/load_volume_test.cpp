// SPDX-License-Identifier: Apache-2.0
#include "made_series.h"

namespace oncotome::dicom {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kPixels = 20;

/// The first voxels of slice 1, of a series whose slices were all edited so.
std::vector<float> slice_1(const Edit& edit, const std::string& modality = "MR") {
  const Folder folder;
  write_ramp(folder.path(), axial_grid(), edit, modality);
  const Series series = only_series(folder.path());
  EXPECT_EQ(fault_of(series), "none");
  const std::vector<float> voxels = load(series).voxels;
  return {voxels.begin() + kPixels, voxels.begin() + 2 * kPixels};
}

void put_words(DcmItem& item, std::vector<Uint16> words, std::size_t count = kPixels) {
  words.resize(count);
  ASSERT_TRUE(item.putAndInsertUint16Array(DCM_PixelData, words.data(), words.size()).good());
}

void put_format(DcmItem& item, int allocated, int stored, int high_bit, int representation) {
  put(item, DCM_BitsAllocated, allocated);
  put(item, DCM_BitsStored, stored);
  put(item, DCM_HighBit, high_bit);
  put(item, DCM_PixelRepresentation, representation);
}

TEST(LoadVolume, Signed_12_bit_values_get_their_sign_and_lose_the_bits_above) {
  const auto voxels = slice_1([](DcmItem& item, std::size_t) {
    put_format(item, 16, 12, 11, 1);
    put_words(item, {0x0fff, 0xafff, 0x0800, 0x07ff, 0xf001});
  });
  EXPECT_EQ(std::vector<float>(voxels.begin(), voxels.begin() + 5), (std::vector<float>{-1, -1, -2048, 2047, 1}));
}

TEST(LoadVolume, Values_end_at_the_high_bit) {
  const auto voxels = slice_1([](DcmItem& item, std::size_t) {
    put_format(item, 16, 12, 15, 0);
    put_words(item, {0xfff3, 0x0010, 0x8005});
  });
  EXPECT_EQ(std::vector<float>(voxels.begin(), voxels.begin() + 3), (std::vector<float>{4095, 1, 2048}));
}

TEST(LoadVolume, Unsigned_16_bit_values_stay_positive) {
  const auto voxels = slice_1([](DcmItem& item, std::size_t) {
    put_format(item, 16, 16, 15, 0);
    put_words(item, {0xffff, 0x8000});
  });
  EXPECT_EQ(voxels[0], 65535);
  EXPECT_EQ(voxels[1], 32768);
}

TEST(LoadVolume, Eight_and_thirty_two_bit_cells_are_read) {
  const auto bytes = slice_1([](DcmItem& item, std::size_t) {
    put_format(item, 8, 8, 7, 0);
    std::vector<Uint8> cells(kPixels, 7);
    cells[1] = 255;
    ASSERT_TRUE(item.putAndInsertUint8Array(DCM_PixelData, cells.data(), cells.size()).good());
  });
  EXPECT_EQ(bytes[0], 7);
  EXPECT_EQ(bytes[1], 255);
  const auto longs = slice_1([](DcmItem& item, std::size_t) {
    put_format(item, 32, 32, 31, 1);
    put_words(item, {0x0000, 0x0001, 0xfffe, 0xffff}, 2 * kPixels);
  });
  EXPECT_EQ(longs[0], 65536);
  EXPECT_EQ(longs[1], -2);
}

TEST(LoadVolume, Each_slice_has_its_own_slope_intercept_and_sign) {
  const Folder folder;
  write_ramp(
      folder.path(), axial_grid(4),
      [](DcmItem& item, std::size_t slice) {
        put(item, DCM_RescaleSlope, std::to_string(slice + 1) + ".1");
        put(item, DCM_RescaleIntercept, slice == 3 ? "0.25" : "0");
        put(item, DCM_PixelRepresentation, slice == 2 ? 0 : 1);
        put_words(item, {3, 0xffff});
      },
      "PT");
  const Volume<float> volume = load(only_series(folder.path()));
  const double slopes[] = {1.1, 2.1, 3.1, 4.1};
  for (std::int64_t k = 0; k < 4; ++k) {
    const double slope = slopes[k], intercept = k == 3 ? 0.25 : 0;
    EXPECT_EQ(volume.at(0, 0, k), static_cast<float>(3 * slope + intercept));
    EXPECT_EQ(volume.at(1, 0, k), static_cast<float>((k == 2 ? 65535 : -1) * slope + intercept));
  }
}

TEST(LoadVolume, All_uncompressed_transfer_syntaxes_give_the_same_voxels) {
  for (const E_TransferSyntax syntax : {EXS_LittleEndianImplicit, EXS_LittleEndianExplicit, EXS_BigEndianExplicit}) {
    for (const bool bytes : {false, true}) {
      const Folder folder;
      const auto paths = write_ramp(folder.path(), axial_grid(), [&](DcmItem& item, std::size_t) {
        if (!bytes) return;
        put_format(item, 8, 8, 7, 0);
        put_words(item, {0x0201, 0x0403}, kPixels / 2);
      });
      for (const std::string& path : paths) {
        DcmFileFormat file;
        ASSERT_TRUE(file.loadFile(path.c_str()).good());
        file.loadAllDataIntoMemory();
        ASSERT_TRUE(file.saveFile(path.c_str(), syntax).good());
      }
      const std::vector<float> voxels = load(only_series(folder.path())).voxels;
      if (!bytes) {
        EXPECT_EQ(voxels, ramp(axial_grid()).voxels);
      } else {
        EXPECT_EQ(std::vector<float>(voxels.begin(), voxels.begin() + 5), (std::vector<float>{1, 2, 3, 4, 0}));
      }
    }
  }
}

TEST(LoadVolume, A_file_cut_short_is_named_by_its_instance) {
  const Folder folder;
  const auto paths = write_ramp(folder.path(), axial_grid());
  const Series series = only_series(folder.path());
  fs::resize_file(paths[3], fs::file_size(paths[3]) - 10);
  try {
    load(series);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::input_unreadable);
    EXPECT_NE(std::string(error.what()).find(series.instances[3].sop_instance_uid), std::string::npos) << error.what();
    EXPECT_EQ(std::string(error.what()).find("0004.dcm"), std::string::npos) << error.what();
  }
}

TEST(LoadVolume, Pixel_data_that_is_too_short_or_holds_a_second_image_is_an_error) {
  for (const std::size_t words : {kPixels - 1, 2 * kPixels}) {
    const Folder folder;
    write_ramp(folder.path(), axial_grid(), [&](DcmItem& item, std::size_t) { put_words(item, {}, words); });
    const Series series = only_series(folder.path());
    EXPECT_EQ(error_of([&] { load(series); }), "input.unreadable");
  }
}

TEST(LoadVolume, A_file_that_changed_since_the_scan_is_an_error) {
  const Folder folder;
  const auto paths = write_ramp(folder.path(), axial_grid());
  const Series series = only_series(folder.path());
  fs::copy_file(paths[0], paths[1], fs::copy_options::overwrite_existing);
  EXPECT_EQ(error_of([&] { load(series); }), "input.unreadable");
  fs::remove(paths[1]);
  EXPECT_EQ(error_of([&] { load(series); }), "input.unreadable");
}

TEST(LoadVolume, Tells_its_progress_and_can_be_cancelled) {
  const Folder folder;
  write_ramp(folder.path(), axial_grid());
  const Series series = only_series(folder.path());
  std::vector<double> fractions;
  const Job job([&](std::string_view, double fraction) { fractions.push_back(fraction); });
  load_volume(series, job);
  EXPECT_EQ(fractions.size(), 7u);
  EXPECT_EQ(fractions.back(), 1);
  Job cancelled;
  cancelled.cancel();
  EXPECT_EQ(error_of([&] { load_volume(series, cancelled); }), "cancelled");
}

}  // namespace
}  // namespace oncotome::dicom
