// SPDX-License-Identifier: Apache-2.0
#include "image_io.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include "oncotome/core/error.h"

namespace {

namespace fs = std::filesystem;
using namespace oncotome;
using namespace oncotome::workflow;

const fs::path kPictures = ONCOTOME_FIXTURES "/pictures";

float at(const engine::Tensor& picture, std::int64_t c, std::int64_t y, std::int64_t x) {
  return picture.values[static_cast<std::size_t>((c * picture.shape[3] + y) * picture.shape[4] + x)];
}

ErrorCode refusal(const fs::path& path, std::int64_t channels = 1) {
  try {
    read_picture(path.string(), channels);
  } catch (const Error& e) {
    EXPECT_EQ(std::string(e.what()).find(path.parent_path().string()), std::string::npos) << e.what();
    EXPECT_NE(std::string(e.what()).find(path.filename().string()), std::string::npos) << e.what();
    return e.code();
  }
  return ErrorCode::internal;
}

// The pictures hold red 10 x + y, green 200 - x, blue 7 y, 12 x 9 (make_picture_fixtures.py), by PIL.
TEST(ImageIo, Every_kind_of_PNG_and_JPEG_is_read_as_PIL_reads_it) {
  for (const char* name : {"rgb.png", "rgba.png", "palette.png"}) {
    const engine::Tensor picture = read_picture((kPictures / name).string(), 3);
    EXPECT_EQ(picture.shape, (std::vector<std::int64_t>{1, 3, 1, 9, 12})) << name;
    EXPECT_EQ(at(picture, 0, 4, 5), 54) << name;
    EXPECT_EQ(at(picture, 1, 4, 5), 195) << name;
    EXPECT_EQ(at(picture, 2, 4, 5), 28) << name;
  }
  const engine::Tensor luma = read_picture((kPictures / "rgb.png").string(), 1);
  EXPECT_NEAR(at(luma, 0, 4, 5), 0.299 * 54 + 0.587 * 195 + 0.114 * 28, 1e-4);
  for (const char* name : {"gray.png", "gray_alpha.png"}) {
    const engine::Tensor picture = read_picture((kPictures / name).string(), 3);
    for (std::int64_t c = 0; c < 3; ++c) EXPECT_EQ(at(picture, c, 4, 5), 54) << name;
  }
  const engine::Tensor deep = read_picture((kPictures / "gray16.png").string(), 1);
  EXPECT_NEAR(at(deep, 0, 4, 5), 54321.0 / 257, 1e-4);
  const engine::Tensor flat = read_picture((kPictures / "bilevel.png").string(), 1);
  EXPECT_EQ(at(flat, 0, 0, 0), 255);
  EXPECT_EQ(at(flat, 0, 0, 1), 0);
  EXPECT_EQ(read_picture((kPictures / "one.png").string(), 1).shape, (std::vector<std::int64_t>{1, 1, 1, 1, 1}));
  const engine::Tensor jpeg = read_picture((kPictures / "rgb.JPG").string(), 3);
  EXPECT_NEAR(at(jpeg, 1, 4, 5), 195, 6);
}

TEST(ImageIo, What_is_damaged_or_no_picture_is_refused_by_its_name_alone) {
  const fs::path folder = fs::path(testing::TempDir()) / ("pictures-" + std::to_string(::getpid()));
  fs::create_directories(folder);
  const auto cut = [&](const char* name) {
    fs::copy_file(kPictures / name, folder / name, fs::copy_options::overwrite_existing);
    fs::resize_file(folder / name, fs::file_size(folder / name) * 2 / 3);
    return refusal(folder / name, 3);
  };
  EXPECT_EQ(cut("rgb.png"), ErrorCode::input_unreadable);
  EXPECT_EQ(cut("rgb.JPG"), ErrorCode::input_unreadable);
  std::ofstream(folder / "text.png") << "no picture";
  EXPECT_EQ(refusal(folder / "text.png"), ErrorCode::input_unreadable);
  std::ofstream(folder / "empty.jpg").close();
  EXPECT_EQ(refusal(folder / "empty.jpg"), ErrorCode::input_unreadable);
  EXPECT_EQ(refusal(folder / "absent.png"), ErrorCode::input_not_found);
  EXPECT_EQ(refusal(kPictures / "rgb.png", 2), ErrorCode::input_unsupported);
  fs::remove_all(folder);
}

TEST(ImageIo, Damage_anywhere_gives_a_picture_or_an_error) {
  const fs::path folder = fs::path(testing::TempDir()) / ("damaged-" + std::to_string(::getpid()));
  fs::create_directories(folder);
  std::mt19937 random(4);
  for (const char* name : {"rgb.png", "palette.png", "gray16.png", "bilevel.png", "rgb.JPG"}) {
    std::ifstream file(kPictures / name, std::ios::binary);
    const std::string good((std::istreambuf_iterator<char>(file)), {});
    int refused = 0;
    for (int round = 0; round < 300; ++round) {
      std::string bytes = good;
      for (int change = 0; change <= round % 4; ++change)
        bytes[random() % bytes.size()] = static_cast<char>(random() % 256);
      if (round % 3 == 0) bytes.resize(random() % bytes.size());
      std::ofstream(folder / name, std::ios::binary) << bytes;
      try {
        read_picture((folder / name).string(), 3);
      } catch (const Error&) {
        ++refused;
      }
    }
    EXPECT_GT(refused, 50) << name;
  }
  fs::remove_all(folder);
}

TEST(ImageIo, A_mask_comes_back_as_it_was_written) {
  const fs::path path = fs::path(testing::TempDir()) / ("mask-" + std::to_string(::getpid()) + ".png");
  write_mask_png(path.string(), 3, 2, {0, 1, 2, 3, 4, 255});
  EXPECT_EQ(read_picture(path.string(), 1).values, (std::vector<float>{0, 1, 2, 3, 4, 255}));
  write_deep_png(path.string(), 2, 2, {0, 0.25, 1, 7}, 65535);
  EXPECT_EQ(read_picture(path.string(), 1).values, (std::vector<float>{0, 16384.0F / 257, 255, 255}));
  fs::remove(path);
  EXPECT_THROW(write_mask_png("/proc/none/mask.png", 1, 1, {0}), Error);
}

}  // namespace
