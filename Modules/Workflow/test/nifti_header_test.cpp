// SPDX-License-Identifier: Apache-2.0
#include "nifti_header.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <vector>

#include "oncotome/core/error.h"

namespace oncotome::workflow {
namespace {

/// An image of these sizes whose voxels start at `start`, with 8 bytes of them.
std::string refusal(const std::vector<std::uint16_t>& sizes, float start, std::uint16_t datatype = 2,
                    std::uint16_t bits = 8) {
  std::array<char, 360> file{};
  const auto put = [&](std::size_t at, auto value) { std::memcpy(file.data() + at, &value, sizeof value); };
  put(0, std::int32_t{348});
  put(40, static_cast<std::uint16_t>(sizes.size()));
  for (std::size_t i = 0; i < sizes.size(); ++i) put(42 + 2 * i, sizes[i]);
  put(70, datatype);
  put(72, bits);
  for (std::size_t i = 0; i < 4; ++i) put(76 + 4 * i, 1.0F);
  put(108, start);
  put(252, std::uint16_t{1});
  put(344, std::array<char, 4>{'n', '+', '1'});
  const auto path = std::filesystem::path(::testing::TempDir()) / "nifti_header_test.nii";
  std::ofstream(path, std::ios::binary).write(file.data(), file.size());
  try {
    check_nifti_header(path.string());
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(NiftiHeader, Of_a_whole_file_is_taken) { EXPECT_EQ(refusal({2, 2, 2}, 352), ""); }

TEST(NiftiHeader, Of_sizes_whose_product_overflows_is_refused) {
  EXPECT_EQ(refusal(std::vector<std::uint16_t>(7, 65535), 352), "its header promises more than 4 GiB of voxels");
}

TEST(NiftiHeader, Promises_voxels_of_its_type_whatever_their_bits) {
  EXPECT_EQ(refusal({2, 1, 1}, 352, 16, 32), "");
  EXPECT_EQ(refusal({2, 1, 1}, 352, 16, 0), "");
  EXPECT_NE(refusal({3, 1, 1}, 352, 16, 0).find("cut off"), std::string::npos);
  EXPECT_EQ(refusal({4000, 4000, 500}, 352, 16, 0), "its header promises more than 4 GiB of voxels");
  for (const int unknown : {0, 1, 3, 255})
    EXPECT_NE(refusal({2, 2, 2}, 352, static_cast<std::uint16_t>(unknown)).find("not known"), std::string::npos);
}

TEST(NiftiHeader, Is_followed_by_its_voxels_at_the_earliest) {
  EXPECT_EQ(refusal({12, 1, 1}, 0), "");
  EXPECT_NE(refusal({13, 1, 1}, 0).find("cut off"), std::string::npos);
}

TEST(NiftiHeader, Whose_voxels_start_nowhere_is_refused) {
  for (const float start : {-1.0F, 1e30F, std::nanf("")})
    EXPECT_NE(refusal({2, 2, 2}, start).find("where its voxels start"), std::string::npos) << start;
}

}  // namespace
}  // namespace oncotome::workflow
