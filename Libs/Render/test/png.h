// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vtkImageData.h>
#include <vtkNew.h>
#include <vtkPNGReader.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

namespace oncotome::render {

/// A folder that goes when the test program ends.
struct TemporaryFolder {
  std::string path;

  TemporaryFolder() : path((std::filesystem::temp_directory_path() / "oncotome-pictures-XXXXXX").string()) {
    if (mkdtemp(path.data()) == nullptr) std::abort();
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
};

/// A PNG file read back by VTK, row 0 on top.
struct Png {
  int width = 0;
  int height = 0;
  std::vector<std::array<int, 3>> pixels;

  explicit Png(const std::string& path) {
    vtkNew<vtkPNGReader> reader;
    reader->SetFileName(path.c_str());
    reader->Update();
    vtkImageData* image = reader->GetOutput();
    width = image->GetDimensions()[0];
    height = image->GetDimensions()[1];
    for (int y = height - 1; y >= 0; --y)
      for (int x = 0; x < width; ++x) {
        const auto* p = static_cast<const unsigned char*>(image->GetScalarPointer(x, y, 0));
        pixels.push_back({p[0], p[1], p[2]});
      }
  }
  const std::array<int, 3>& at(int x, int y) const { return pixels[static_cast<std::size_t>(y) * width + x]; }
  bool is(int x, int y, const std::array<int, 3>& color, int tolerance) const {
    for (std::size_t c = 0; c < 3; ++c)
      if (std::abs(at(x, y)[c] - color[c]) > tolerance) return false;
    return true;
  }
};

}  // namespace oncotome::render
