// SPDX-License-Identifier: Apache-2.0
#include <vtkImageData.h>
#include <vtkNew.h>
#include <vtkPNGReader.h>

#include <algorithm>
#include <array>

#include "oncotome/core/error.h"
#include "oncotome/render/pictures.h"

namespace oncotome::render {
namespace {

constexpr int kWidth = 1840;
constexpr int kGap = 8;
constexpr std::array<std::uint8_t, 3> kPaper = {16, 18, 22};

Picture read_png(const std::string& path) {
  vtkNew<vtkPNGReader> reader;
  if (!reader->CanReadFile(path.c_str())) throw Error(ErrorCode::input_unreadable, "a picture cannot be read again");
  reader->SetFileName(path.c_str());
  reader->Update();
  vtkImageData* image = reader->GetOutput();
  int size[3];
  image->GetDimensions(size);
  if (image->GetScalarType() != VTK_UNSIGNED_CHAR || image->GetNumberOfScalarComponents() != 3)
    throw Error(ErrorCode::input_unreadable, "a picture is not of 8-bit RGB");
  Picture picture{size[0], size[1], {}};
  const auto row = 3 * static_cast<std::size_t>(size[0]);
  picture.rgb.resize(row * static_cast<std::size_t>(size[1]));
  for (int y = 0; y < size[1]; ++y)  // VTK's row 0 is at the bottom
    std::copy_n(static_cast<const std::uint8_t*>(image->GetScalarPointer(0, size[1] - 1 - y, 0)), row,
                picture.rgb.begin() + static_cast<std::ptrdiff_t>(row) * y);
  return picture;
}

}  // namespace

Picture contact_sheet(const std::vector<std::string>& paths) {
  struct Place {
    Picture picture;
    int x = 0, y = 0;
  };
  std::vector<Place> places;
  int x = kGap, y = kGap, row_height = 0, width = 0;
  for (const std::string& path : paths) {
    Place place{read_png(path), 0, 0};
    if (x > kGap && x + place.picture.width + kGap > kWidth) {
      x = kGap;
      y += row_height + kGap;
      row_height = 0;
    }
    place.x = x;
    place.y = y;
    x += place.picture.width + kGap;
    row_height = std::max(row_height, place.picture.height);
    width = std::max(width, x);
    places.push_back(std::move(place));
  }
  Picture sheet{width, y + row_height + kGap, {}};
  sheet.rgb.resize(std::size_t{3} * static_cast<std::size_t>(sheet.width) * static_cast<std::size_t>(sheet.height));
  for (std::size_t i = 0; i < sheet.rgb.size(); ++i) sheet.rgb[i] = kPaper[i % 3];
  for (const Place& place : places)
    for (int row = 0; row < place.picture.height; ++row)
      std::copy_n(place.picture.rgb.begin() + std::ptrdiff_t{3} * place.picture.width * row, 3 * place.picture.width,
                  sheet.rgb.begin() + std::ptrdiff_t{3} * (std::ptrdiff_t{sheet.width} * (place.y + row) + place.x));
  return sheet;
}

}  // namespace oncotome::render
