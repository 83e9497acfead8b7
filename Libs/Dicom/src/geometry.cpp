// SPDX-License-Identifier: Apache-2.0
#include "geometry.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "values.h"

namespace oncotome::dicom {
namespace {

constexpr double kCosineTolerance = 1e-4;
constexpr double kPixelSpacingTolerance_mm = 1e-3;
constexpr double kTiltTolerance_deg = 0.1;
constexpr double kSidewaysTolerance_pixels = 0.1;
constexpr double kDegreesPerRadian = 57.29577951308232;

std::string after(const std::vector<Header>& headers, const std::vector<std::size_t>& order, std::size_t k) {
  return "after slice " + std::to_string(k + 1) + " of " + std::to_string(order.size()) + " (instance " +
         headers[order[k]].instance.sop_instance_uid + ")";
}

void check_planes(const std::vector<Header>& headers) {
  const Header& first = headers.front();
  for (const Header& h : headers) {
    const char* missing = !h.position        ? "ImagePositionPatient"
                          : !h.orientation   ? "ImageOrientationPatient"
                          : !h.pixel_spacing ? "PixelSpacing"
                                             : nullptr;
    if (missing)
      throw Error(ErrorCode::dicom_no_geometry,
                  "instance " + h.instance.sop_instance_uid + " has no " + missing + ", so it has no place in space");
    if (h.series.frame_of_reference_uid != first.series.frame_of_reference_uid)
      throw Error(ErrorCode::dicom_no_geometry, "the slices lie in different frames of reference");
    if (h.rows != first.rows || h.columns != first.columns)
      throw Error(ErrorCode::dicom_mixed_size, "slices of " + std::to_string(first.columns) + " x " +
                                                   std::to_string(first.rows) + " and " + std::to_string(h.columns) +
                                                   " x " + std::to_string(h.rows) + " pixels in one series");
    for (std::size_t d = 0; d < 2; ++d)
      if (std::abs((*h.pixel_spacing)[d] - (*first.pixel_spacing)[d]) > kPixelSpacingTolerance_mm)
        throw Error(ErrorCode::dicom_mixed_size, "PixelSpacing " + brief((*first.pixel_spacing)[d]) + " mm and " +
                                                     brief((*h.pixel_spacing)[d]) + " mm in one series");
    if (!same_orientation(h, first))
      throw Error(ErrorCode::dicom_mixed_orientation,
                  "slices of different orientation in one series, such as instance " + h.instance.sop_instance_uid);
  }
}

std::array<Vec3, 3> mean_axes(const std::vector<Header>& headers) {
  Vec3 row{}, column{};
  for (const Header& h : headers) {
    row = row + (*h.orientation)[0];
    column = column + (*h.orientation)[1];
  }
  row = (1 / norm(row)) * row;
  column = column - dot(row, column) * row;
  column = (1 / norm(column)) * column;
  return {row, column, cross(row, column)};
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

void check_tilt(const Vec3& step, const Vec3& normal) {
  const double along = dot(step, normal);
  const double tilt_deg = std::atan2(norm(step - along * normal), along) * kDegreesPerRadian;
  if (tilt_deg > kTiltTolerance_deg)
    throw Error(ErrorCode::dicom_gantry_tilt, "the stack is slanted by " + brief(tilt_deg) +
                                                  " degrees (gantry tilt): use a reconstruction with no tilt");
}

}  // namespace

double step_tolerance_mm(double step_mm) { return std::max(0.01, 0.01 * std::abs(step_mm)); }

bool same_orientation(const Header& a, const Header& b) {
  if (!a.orientation || !b.orientation) return false;
  for (std::size_t v = 0; v < 2; ++v)
    for (std::size_t d = 0; d < 3; ++d)
      if (std::abs((*a.orientation)[v][d] - (*b.orientation)[v][d]) > kCosineTolerance) return false;
  return true;
}

Stack stack_slices(const std::vector<Header>& headers) {
  check_planes(headers);
  const std::size_t count = headers.size();
  if (count < 2) throw Error(ErrorCode::dicom_too_few_slices, "a single slice is no volume");

  Stack stack;
  Geometry& g = stack.geometry;
  g.axis = mean_axes(headers);
  const Vec3& normal = g.axis[2];
  std::vector<double> distance(count);
  for (std::size_t i = 0; i < count; ++i) distance[i] = dot(*headers[i].position, normal);
  stack.order.resize(count);
  std::iota(stack.order.begin(), stack.order.end(), std::size_t{0});
  std::stable_sort(stack.order.begin(), stack.order.end(),
                   [&](std::size_t a, std::size_t b) { return distance[a] < distance[b]; });

  std::vector<double> gaps;
  for (std::size_t k = 0; k + 1 < count; ++k) gaps.push_back(distance[stack.order[k + 1]] - distance[stack.order[k]]);
  const auto repeated = std::count_if(gaps.begin(), gaps.end(), [](double gap) { return gap < step_tolerance_mm(0); });
  if (repeated > 0)
    throw Error(
        ErrorCode::dicom_duplicate_position,
        std::to_string(count) + " slices lie at " + std::to_string(count - static_cast<std::size_t>(repeated)) +
            " positions (several phases, echoes or reconstructions in one series?): pass one slice per position");

  const Vec3& origin = *headers[stack.order.front()].position;
  const Vec3 step = (1 / static_cast<double>(count - 1)) * (*headers[stack.order.back()].position - origin);
  check_tilt(step, normal);

  const double usual = median(gaps);
  std::int64_t missing = 0;
  std::size_t hole = 0;
  for (std::size_t k = 0; k < gaps.size(); ++k) {
    const double times = std::max(1.0, std::round(gaps[k] / usual));
    if (std::abs(gaps[k] - times * usual) > times * step_tolerance_mm(usual))
      throw Error(ErrorCode::dicom_uneven_spacing, "slice distance is " + brief(gaps[k]) + " mm instead of " +
                                                       brief(usual) + " mm " + after(headers, stack.order, k));
    if (times > 1 && missing == 0) hole = k;
    missing += static_cast<std::int64_t>(times) - 1;
  }
  if (missing > 0)
    throw Error(ErrorCode::dicom_missing_slices,
                std::to_string(missing) + (missing == 1 ? " slice is" : " slices are") + " missing, the first " +
                    after(headers, stack.order, hole) + ": fetch the whole series again");

  const auto& pixel_spacing = *headers[stack.order.front()].pixel_spacing;
  const double along = dot(step, normal);
  for (std::size_t k = 0; k < count; ++k) {
    const Vec3 way = *headers[stack.order[k]].position - origin;
    const Vec3 off_line = way - (dot(way, normal) / along) * step;
    if (norm(off_line) > kSidewaysTolerance_pixels * std::min(pixel_spacing[0], pixel_spacing[1]))
      throw Error(ErrorCode::dicom_uneven_spacing, "slice " + std::to_string(k + 1) + " (instance " +
                                                       headers[stack.order[k]].instance.sop_instance_uid + ") lies " +
                                                       brief(norm(off_line)) + " mm beside the stack");
  }

  g.size = {headers.front().columns, headers.front().rows, static_cast<std::int64_t>(count)};
  g.spacing_mm = {pixel_spacing[1], pixel_spacing[0], along};
  g.origin_mm = origin;
  return stack;
}

}  // namespace oncotome::dicom
