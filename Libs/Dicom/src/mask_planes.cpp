// SPDX-License-Identifier: Apache-2.0
#include "mask_planes.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "geometry.h"
#include "mask_file.h"
#include "values.h"

namespace oncotome::dicom {
namespace {

constexpr double kSpacingTolerance_mm = 1e-3;
constexpr double kSidewaysTolerance_pixels = 0.1;
constexpr double kMostPlanes = 16384;

struct Plane {
  Vec3 position{}, row{}, column{};
  double row_step_mm = 0, column_step_mm = 0;
};

std::vector<double> needed(DcmItem* macro, const DcmTagKey& tag, std::size_t count) {
  std::vector<double> values = macro ? numbers(*macro, tag) : std::vector<double>{};
  if (values.size() != count)
    throw Error(ErrorCode::dicom_no_geometry, std::string("a frame has no ") + DcmTag(tag).getTagName());
  return values;
}

Plane plane_of(const MaskFrame& frame) {
  Plane p;
  const auto position = needed(frame.macro(DCM_PlanePositionSequence), DCM_ImagePositionPatient, 3);
  const auto o = needed(frame.macro(DCM_PlaneOrientationSequence), DCM_ImageOrientationPatient, 6);
  const auto spacing = needed(frame.macro(DCM_PixelMeasuresSequence), DCM_PixelSpacing, 2);
  p.position = {position[0], position[1], position[2]};
  p.row = {o[0], o[1], o[2]};
  p.column = {o[3], o[4], o[5]};
  if (is_far(p.position)) throw Error(ErrorCode::dicom_bad_value, "ImagePositionPatient is more than 1 km away");
  p.row_step_mm = spacing[0];
  p.column_step_mm = spacing[1];
  if (!are_axes(p.row, p.column))
    throw Error(ErrorCode::dicom_bad_value, "ImageOrientationPatient is not two orthogonal unit vectors");
  if (!(p.row_step_mm > 0 && p.column_step_mm > 0))
    throw Error(ErrorCode::dicom_bad_value, "PixelSpacing is not above 0");
  return p;
}

std::optional<double> stated(const MaskFrame& frame, const DcmTagKey& tag) {
  DcmItem* measures = frame.macro(DCM_PixelMeasuresSequence);
  std::optional<double> value = measures ? number_if_good(*measures, tag) : std::nullopt;
  if (value) value = std::abs(*value);
  return value && *value > 0 ? value : std::nullopt;
}

bool divides(double step, const std::vector<double>& distances) {
  return std::all_of(distances.begin(), distances.end(), [&](double d) {
    const double times = std::round((d - distances.front()) / step);
    return std::abs(d - distances.front() - times * step) <= step_tolerance_mm(step);
  });
}

/// Planes may be left out, so the distance that the file states comes before the smallest that is seen.
double step_of(const std::vector<double>& distances, const MaskFrame& frame) {
  const std::optional<double> between = stated(frame, DCM_SpacingBetweenSlices);
  if (distances.size() == 1) {
    const std::optional<double> step = between ? between : stated(frame, DCM_SliceThickness);
    if (!step) throw Error(ErrorCode::dicom_no_geometry, "a single plane without SliceThickness has no volume");
    return *step;
  }
  if (between && divides(*between, distances)) return *between;
  std::vector<double> gaps;
  for (std::size_t k = 1; k < distances.size(); ++k) gaps.push_back(distances[k] - distances[k - 1]);
  const double smallest = *std::min_element(gaps.begin(), gaps.end());
  const auto is_single = [&](double gap) { return gap - smallest <= 2 * step_tolerance_mm(smallest); };
  double sum = 0, count = 0;
  for (const double gap : gaps)
    if (is_single(gap)) {
      sum += gap;
      ++count;
    }
  // The mean of all steps is more exact than one of them.
  const double extent = distances.back() - distances.front();
  const double step = extent / std::round(extent * count / sum);
  if (!divides(step, distances))
    throw Error(ErrorCode::dicom_uneven_spacing, "the planes of the segmentation are not evenly spaced");
  return step;
}

Geometry single_plane(const std::vector<MaskFrame>& frames, std::int64_t rows, std::int64_t columns) {
  Geometry g;
  g.size = {columns, rows, 1};
  DcmItem* measures = frames.front().macro(DCM_PixelMeasuresSequence);
  const std::vector<double> spacing = measures ? numbers(*measures, DCM_PixelSpacing) : std::vector<double>{};
  if (spacing.size() == 2 && spacing[0] > 0 && spacing[1] > 0) g.spacing_mm = {spacing[1], spacing[0], 1};
  return g;
}

Geometry regular_grid(std::vector<MaskFrame>& frames, std::int64_t rows, std::int64_t columns) {
  if (std::none_of(frames.begin(), frames.end(),
                   [](const MaskFrame& f) { return f.macro(DCM_PlanePositionSequence) != nullptr; }))
    return single_plane(frames, rows, columns);
  const Plane first = plane_of(frames.front());
  Geometry g;
  g.axis[0] = (1 / norm(first.row)) * first.row;
  g.axis[1] = first.column - dot(g.axis[0], first.column) * g.axis[0];
  g.axis[1] = (1 / norm(g.axis[1])) * g.axis[1];
  g.axis[2] = cross(g.axis[0], g.axis[1]);

  std::vector<std::pair<double, Vec3>> places;
  for (const MaskFrame& frame : frames) {
    const Plane p = plane_of(frame);
    if (!same_direction(p.row, first.row) || !same_direction(p.column, first.column))
      throw Error(ErrorCode::dicom_mixed_orientation, "frames of different orientation in one segmentation");
    if (std::abs(p.row_step_mm - first.row_step_mm) > kSpacingTolerance_mm ||
        std::abs(p.column_step_mm - first.column_step_mm) > kSpacingTolerance_mm)
      throw Error(ErrorCode::dicom_mixed_size, "frames of different PixelSpacing in one segmentation");
    places.emplace_back(dot(p.position, g.axis[2]), p.position);
  }
  std::vector<std::pair<double, Vec3>> sorted = places;
  std::sort(sorted.begin(), sorted.end());
  std::vector<double> distances;
  for (const auto& [distance, position] : sorted)
    if (distances.empty() || distance - distances.back() >= step_tolerance_mm(0)) distances.push_back(distance);
  const double step = step_of(distances, frames.front());
  const double planes = std::round((distances.back() - distances.front()) / step) + 1;
  if (!(planes <= kMostPlanes))
    throw Error(ErrorCode::input_unsupported, "the planes of the segmentation span more than 16384 steps");

  g.size = {columns, rows, static_cast<std::int64_t>(planes)};
  g.spacing_mm = {first.column_step_mm, first.row_step_mm, step};
  g.origin_mm = sorted.front().second;
  const double tolerance_mm = kSidewaysTolerance_pixels * std::min(first.row_step_mm, first.column_step_mm);
  for (std::size_t f = 0; f < frames.size(); ++f) {
    const double k = std::round((places[f].first - distances.front()) / step);
    if (!(k < planes))
      throw Error(ErrorCode::dicom_uneven_spacing, "the planes of the segmentation are not evenly spaced");
    frames[f].plane = static_cast<std::int64_t>(k);
    const Vec3 way = places[f].second - g.origin_mm;
    if (norm(way - dot(way, g.axis[2]) * g.axis[2]) > tolerance_mm)
      throw Error(ErrorCode::dicom_gantry_tilt, "the planes of the segmentation do not lie above each other");
  }
  return g;
}

/// Each distance along the normal is a plane, and a slice of a series of its own; planes that were left out are there.
Series irregular_stack(std::vector<MaskFrame>& frames, std::int64_t rows, std::int64_t columns) {
  std::vector<Header> headers;
  std::vector<std::size_t> header_of_frame;
  std::map<double, std::size_t> known;
  const Plane first = plane_of(frames.front());
  const Vec3 normal = cross(first.row, first.column);
  const double tolerance_mm = kSidewaysTolerance_pixels * std::min(first.row_step_mm, first.column_step_mm);
  for (std::size_t f = 0; f < frames.size(); ++f) {
    const Plane p = plane_of(frames[f]);
    const double distance = dot(p.position, normal);
    auto found = known.lower_bound(distance - step_tolerance_mm(0));
    if (found == known.end() || found->first > distance + step_tolerance_mm(0)) {
      found = known.emplace(distance, headers.size()).first;
      Header h;
      h.instance.sop_instance_uid = "of frame " + std::to_string(f + 1);
      h.rows = rows;
      h.columns = columns;
      h.position = p.position;
      h.orientation = {{p.row, p.column}};
      h.pixel_spacing = {{p.row_step_mm, p.column_step_mm}};
      headers.push_back(std::move(h));
    }
    if (norm(p.position - *headers[found->second].position) > std::max(tolerance_mm, step_tolerance_mm(0)))
      throw Error(ErrorCode::dicom_gantry_tilt, "frames of the segmentation lie beside each other in one plane");
    header_of_frame.push_back(found->second);
  }
  const Stack stack = stack_slices(headers);
  Series series;
  series.rows = rows;
  series.columns = columns;
  series.geometry = stack.geometry;
  std::vector<std::int64_t> rank(headers.size());
  for (std::size_t k = 0; k < stack.order.size(); ++k) {
    const Vec3 here = *headers[stack.order[k]].position;
    rank[stack.order[k]] = static_cast<std::int64_t>(series.positions_mm.size());
    series.positions_mm.push_back(here);
    if (!std::binary_search(stack.holes.begin(), stack.holes.end(), k)) continue;
    const Vec3 way = *headers[stack.order[k + 1]].position - here;
    const double steps = std::max(2.0, std::round(dot(way, normal) / stack.geometry.spacing_mm[2]));
    for (double step = 1; step < steps; ++step) series.positions_mm.push_back(here + (step / steps) * way);
  }
  for (std::size_t f = 0; f < frames.size(); ++f) frames[f].plane = rank[header_of_frame[f]];
  return series;
}

}  // namespace

std::vector<MaskFrame> frames_of(DcmItem& item, std::int64_t count) {
  DcmItem* shared = first_item(item, DCM_SharedFunctionalGroupsSequence);
  std::vector<MaskFrame> frames;
  for (DcmItem* own : items_of(item, DCM_PerFrameFunctionalGroupsSequence)) frames.push_back({own, shared, 0});
  if (static_cast<std::int64_t>(frames.size()) != count)
    throw Error(ErrorCode::dicom_bad_value, "NumberOfFrames is " + std::to_string(count) + ", but " +
                                                std::to_string(frames.size()) + " frames are described");
  return frames;
}

MaskPlanes place_frames(std::vector<MaskFrame>& frames, std::int64_t rows, std::int64_t columns) {
  try {
    return {regular_grid(frames, rows, columns), {}};
  } catch (const Error& error) {
    if (error.code() != ErrorCode::dicom_gantry_tilt && error.code() != ErrorCode::dicom_uneven_spacing) throw;
  }
  MaskPlanes planes;
  try {
    planes.stack = irregular_stack(frames, rows, columns);
  } catch (const Error& error) {
    throw Error(error.code(), std::string(error.what()) +
                                  " (a segmentation whose planes are no regular grid needs a frame for each of them)");
  }
  planes.grid = planes.stack->geometry;
  planes.grid.size = {columns, rows, static_cast<std::int64_t>(planes.stack->positions_mm.size())};
  return planes;
}

}  // namespace oncotome::dicom
