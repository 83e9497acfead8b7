// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dctk.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <string>
#include <vector>

#include "oncotome/dicom/scan.h"
#include "series_writer.h"

namespace oncotome::dicom {

/// A folder that goes with the test.
class Folder {
 public:
  Folder() : path_(::testing::TempDir() + "oncotome-XXXXXX") {
    if (!mkdtemp(path_.data())) throw std::runtime_error("no temporary folder");
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

using Edit = std::function<void(DcmItem&, std::size_t)>;

inline Geometry axial_grid(std::int64_t slices = 6, double step_mm = 2.5) {
  Geometry g;
  g.size = {5, 4, slices};
  g.spacing_mm = {0.75, 0.5, step_mm};
  g.origin_mm = {-10, 20, 30};
  return g;
}

/// No two voxels are equal.
inline Volume<float> ramp(const Geometry& geometry) {
  Volume<float> volume(geometry);
  for (std::size_t i = 0; i < volume.voxels.size(); ++i) volume.voxels[i] = static_cast<float>(i) - 17;
  return volume;
}

inline std::vector<std::string> write_ramp(const std::string& folder, const Geometry& geometry, const Edit& edit = {},
                                           const std::string& modality = "MR") {
  testing::SeriesRecipe recipe;
  recipe.directory = folder;
  recipe.modality = modality;
  recipe.edit = edit;
  return testing::write_series(ramp(geometry), recipe);
}

inline void put(DcmItem& item, const DcmTagKey& tag, const std::string& value) {
  ASSERT_TRUE(item.putAndInsertString(tag, value.c_str()).good());
}

inline void put(DcmItem& item, const DcmTagKey& tag, int value) {
  ASSERT_TRUE(item.putAndInsertUint16(tag, static_cast<Uint16>(value)).good());
}

/// Of unsigned pixels, whose bits are all used, of one sample.
inline void put_pixel_module(DcmItem& item, const char* photometric, int rows, int columns, int bits) {
  put(item, DCM_SamplesPerPixel, 1);
  put(item, DCM_PhotometricInterpretation, photometric);
  put(item, DCM_Rows, rows);
  put(item, DCM_Columns, columns);
  put(item, DCM_BitsAllocated, bits);
  put(item, DCM_BitsStored, bits);
  put(item, DCM_HighBit, bits - 1);
  put(item, DCM_PixelRepresentation, 0);
}

inline StudyIndex scan_all(const std::string& path) {
  const Job job;
  return scan({path}, job);
}

inline Series only_series(const StudyIndex& index) {
  EXPECT_EQ(index.studies.size(), 1u);
  if (index.studies.empty()) return {};
  EXPECT_EQ(index.studies[0].series.size(), 1u);
  return index.studies[0].series[0];
}

inline Series only_series(const std::string& path) { return only_series(scan_all(path)); }

inline Volume<float> load(const Series& series) {
  const Job job;
  return load_volume(series, job);
}

inline std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.name();
  }
  return "none";
}

inline std::string fault_of(const Series& series) { return series.fault ? error_name(series.fault->code) : "none"; }

inline bool has_doubt(const Series& series, const std::string& part) {
  for (const std::string& doubt : series.doubts)
    if (doubt.find(part) != std::string::npos) return true;
  return false;
}

}  // namespace oncotome::dicom
