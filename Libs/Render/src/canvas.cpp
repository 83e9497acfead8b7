// SPDX-License-Identifier: Apache-2.0
#include "canvas.h"

#include <vtkFreeTypeTools.h>
#include <vtkImageData.h>
#include <vtkNew.h>
#include <vtkPNGWriter.h>
#include <vtkTextProperty.h>
#include <vtkUnsignedCharArray.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <mutex>

#include "oncotome/core/error.h"
#include "oncotome/render/pictures.h"

namespace oncotome::render {
namespace {

struct Coverage {
  int width = 0;
  int height = 0;
  std::vector<double> alpha;  // row 0 on top
};

Coverage rasterize(const std::string& text, int size) {
  // VTK's FreeType cache is one per process and not thread-safe.
  static std::mutex mutex;
  const std::lock_guard<std::mutex> lock(mutex);
  vtkNew<vtkTextProperty> property;
  property->SetFontFamilyToArial();
  property->SetFontSize(size);
  property->SetColor(1, 1, 1);
  vtkNew<vtkImageData> image;
  int dims[2] = {0, 0};
  if (text.empty() || !vtkFreeTypeTools::GetInstance()->RenderString(property, text, 72, image, dims)) return {};
  const int* extent = image->GetExtent();
  Coverage c{std::min(dims[0], extent[1] - extent[0] + 1), std::min(dims[1], extent[3] - extent[2] + 1), {}};
  c.alpha.reserve(static_cast<std::size_t>(c.width) * c.height);
  for (int y = c.height - 1; y >= 0; --y)
    for (int x = 0; x < c.width; ++x)
      c.alpha.push_back(image->GetScalarComponentAsDouble(extent[0] + x, extent[2] + y, 0, 3) / 255.0);
  return c;
}

}  // namespace

Canvas::Canvas(int width, int height, Rgb background)
    : width_(width), height_(height), rgb_(static_cast<std::size_t>(width) * height * 3) {
  fill(0, 0, width, height, background);
}

void Canvas::blend(int x, int y, Rgb color, double alpha) {
  if (x < 0 || y < 0 || x >= width_ || y >= height_) return;
  std::uint8_t* p = &rgb_[(static_cast<std::size_t>(y) * width_ + x) * 3];
  for (std::size_t c = 0; c < 3; ++c) p[c] = static_cast<std::uint8_t>(std::lround(p[c] + alpha * (color[c] - p[c])));
}

void Canvas::fill(int x, int y, int width, int height, Rgb color) {
  for (int v = y; v < y + height; ++v)
    for (int u = x; u < x + width; ++u) set(u, v, color);
}

void Canvas::line(double x0, double y0, double x1, double y1, double thickness, Rgb color) {
  const double length = std::hypot(x1 - x0, y1 - y0);
  if (length == 0) return;
  const double dx = (x1 - x0) / length;
  const double dy = (y1 - y0) / length;
  const double reach = thickness / 2 + 1;
  const int left = std::max(0, static_cast<int>(std::floor(std::min(x0, x1) - reach)));
  const int right = std::min(width_ - 1, static_cast<int>(std::ceil(std::max(x0, x1) + reach)));
  const int top = std::max(0, static_cast<int>(std::floor(std::min(y0, y1) - reach)));
  const int bottom = std::min(height_ - 1, static_cast<int>(std::ceil(std::max(y0, y1) + reach)));
  for (int y = top; y <= bottom; ++y)
    for (int x = left; x <= right; ++x) {
      const double px = x + 0.5 - x0;
      const double py = y + 0.5 - y0;
      const double along = px * dx + py * dy;
      double outside = std::abs(px * dy - py * dx) - thickness / 2;
      outside = std::max({outside, -along, along - length});
      const double alpha = std::clamp(0.5 - outside, 0.0, 1.0);
      if (alpha > 0) blend(x, y, color, alpha);
    }
}

void Canvas::text(double x, double y, const std::string& text, int size, Rgb color, Align align) {
  const Coverage c = rasterize(text, size);
  const double shift = align == Align::left ? 0 : align == Align::center ? c.width / 2.0 : c.width;
  const int left = static_cast<int>(std::lround(x - shift));
  const int top = static_cast<int>(std::lround(y - c.height / 2.0));
  const auto stamp = [&](int dx, int dy, Rgb ink, double strength) {
    for (int v = 0; v < c.height; ++v)
      for (int u = 0; u < c.width; ++u)
        if (const double a = c.alpha[static_cast<std::size_t>(v) * c.width + u]; a > 0)
          blend(left + u + dx, top + v + dy, ink, a * strength);
  };
  for (int dy = -1; dy <= 1; ++dy)
    for (int dx = -1; dx <= 1; ++dx) stamp(dx, dy, {0, 0, 0}, 0.5);
  stamp(0, 0, color, 1.0);
}

int Canvas::text_width(const std::string& text, int size) { return rasterize(text, size).width; }

void Canvas::write_png(const std::string& path) const {
  vtkNew<vtkImageData> image;
  image->SetDimensions(width_, height_, 1);
  image->AllocateScalars(VTK_UNSIGNED_CHAR, 3);
  const std::size_t row = static_cast<std::size_t>(width_) * 3;
  auto* out = static_cast<std::uint8_t*>(image->GetScalarPointer());
  for (int y = 0; y < height_; ++y)
    std::copy_n(&rgb_[static_cast<std::size_t>(y) * row], row, out + static_cast<std::size_t>(height_ - 1 - y) * row);
  vtkNew<vtkPNGWriter> writer;
  writer->SetInputData(image);
  writer->WriteToMemoryOn();
  writer->Write();
  vtkUnsignedCharArray* png = writer->GetResult();
  std::ofstream file(path, std::ios::binary);
  if (png) file.write(reinterpret_cast<const char*>(png->GetPointer(0)), png->GetNumberOfValues());
  file.close();
  if (!png || !file)
    throw Error(ErrorCode::output_unwritable, "cannot write the picture " +
                                                  std::filesystem::path(path).filename().string() +
                                                  "; check free space and permissions of the output folder");
}

void write_png(const std::string& path, int width, int height, const std::vector<std::uint8_t>& rgb) {
  Canvas canvas(width, height, {});
  std::size_t at = 0;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x, at += 3) canvas.set(x, y, {rgb[at], rgb[at + 1], rgb[at + 2]});
  canvas.write_png(path);
}

}  // namespace oncotome::render
