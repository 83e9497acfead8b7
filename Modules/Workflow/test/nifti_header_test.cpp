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

/// An 8-bit image of these sizes whose voxels start at `start`, with 8 of them.
std::string refusal(const std::vector<std::uint16_t>& sizes, float start) {
  std::array<char, 360> file{};
  const auto put = [&](std::size_t at, auto value) { std::memcpy(file.data() + at, &value, sizeof value); };
  put(0, std::int32_t{348});
  put(40, static_cast<std::uint16_t>(sizes.size()));
  for (std::size_t i = 0; i < sizes.size(); ++i) put(42 + 2 * i, sizes[i]);
  put(72, std::uint16_t{8});
  for (std::size_t i = 0; i < 4; ++i) put(76 + 4 * i, 1.0F);
  put(108, start);
  put(252, std::uint16_t{1});
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

TEST(NiftiHeader, Whose_voxels_start_nowhere_is_refused) {
  for (const float start : {-1.0F, 1e30F, std::nanf("")})
    EXPECT_NE(refusal({2, 2, 2}, start).find("where its voxels start"), std::string::npos) << start;
}

}  // namespace
}  // namespace oncotome::workflow
