// SPDX-License-Identifier: Apache-2.0
#include "volume_io.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "oncotome/core/error.h"

namespace {

namespace fs = std::filesystem;
using namespace oncotome;

LabelVolume noise() {
  Geometry geometry;
  geometry.size = {40, 30, 20};
  LabelVolume labels(geometry);
  std::uint32_t state = 1;
  for (std::uint8_t& label : labels.voxels)
    label = static_cast<std::uint8_t>((state = state * 1664525 + 1013904223) >> 24);
  return labels;
}

// Writes fail beyond that size, as on a full disk.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) {
    getrlimit(RLIMIT_FSIZE, &before_);
    handler_ = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FullDisk() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_{};
  void (*handler_)(int) = nullptr;
};

TEST(VolumeIo, A_full_disk_is_told_in_every_format) {
  const LabelVolume labels = noise();
  const fs::path folder = fs::path(testing::TempDir()) / ("volumes-" + std::to_string(::getpid()));
  fs::create_directories(folder);
  for (const char* name : {"a.nii", "a.nii.gz", "a.nrrd"}) {
    const std::string path = (folder / name).string();
    workflow::write_volume_file(path, labels);
    EXPECT_EQ(workflow::read_label_file(path).voxels, labels.voxels) << name;
    // A byte short is as bad as half of it.
    for (const std::uintmax_t size : {fs::file_size(path) / 2, fs::file_size(path) - 1}) {
      const FullDisk full(size);
      try {
        workflow::write_volume_file(path, labels);
        ADD_FAILURE() << name << " of " << size << " bytes was taken for whole";
      } catch (const Error& e) {
        EXPECT_EQ(e.code(), ErrorCode::output_unwritable);
      }
    }
  }
  fs::remove_all(folder);
}

TEST(VolumeIo, A_packed_file_is_read_though_its_unpacked_namesake_lies_beside_it) {
  const fs::path folder = fs::path(testing::TempDir()) / ("namesakes-" + std::to_string(::getpid()));
  fs::create_directories(folder);
  const LabelVolume packed = noise(), blank(packed.geometry);
  workflow::write_volume_file((folder / "a.nii.gz").string(), packed);
  workflow::write_volume_file((folder / "a.nii").string(), blank);
  EXPECT_EQ(workflow::read_label_file((folder / "a.nii.gz").string()).voxels, packed.voxels);
  EXPECT_EQ(workflow::read_label_file((folder / "a.nii").string()).voxels, blank.voxels);
  fs::remove_all(folder);
}

}  // namespace
