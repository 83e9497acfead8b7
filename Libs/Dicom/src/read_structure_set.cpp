// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <new>
#include <set>

#include "header.h"
#include "mask_file.h"
#include "oncotome/dicom/masks.h"
#include "quiet_dcmtk.h"
#include "sequences.h"
#include "values.h"

namespace oncotome::dicom {
namespace {

constexpr double kOffPlane_steps = 0.25;

using Points = std::vector<Vec3>;

// What does not fit the 16-bit length of an explicit DS may have been written as UN.
std::string contour_text(DcmItem& contour) {
  DcmElement* element = nullptr;
  if (contour.findAndGetElement(DCM_ContourData, element).bad() || !element) return {};
  if (element->ident() != EVR_UN) return raw_text(contour, DCM_ContourData);
  Uint8* bytes = nullptr;
  if (element->getUint8Array(bytes).bad() || !bytes) return {};
  return {reinterpret_cast<const char*>(bytes), element->getLength()};
}

bool is_closed(DcmItem& contour) {
  const std::string type = raw_text(contour, DCM_ContourGeometricType);
  return type == "CLOSED_PLANAR" || type == "CLOSEDPLANAR_XOR" || type.empty();
}

Points points_of(const std::string& text, const Geometry& grid) {
  const std::vector<double> values = parse_numbers(text, DCM_ContourData);
  if (values.size() % 3 != 0)
    throw Error(ErrorCode::dicom_bad_value,
                "ContourData holds " + std::to_string(values.size()) + " numbers, which are no points of three");
  Points points(values.size() / 3);
  for (std::size_t i = 0; i < points.size(); ++i)
    points[i] = grid.index_of({values[3 * i], values[3 * i + 1], values[3 * i + 2]});
  return points;
}

/// The plane of the grid on which all points lie and some of it is; -1 when there is none.
std::int64_t plane_of(const Points& points, const Geometry& grid) {
  const double plane = std::round(points.front()[2]);
  if (!(plane >= 0 && plane < static_cast<double>(grid.size[2]))) return -1;
  Vec3 low = points.front(), high = low;
  for (const Vec3& p : points) {
    if (!(std::abs(p[2] - plane) <= kOffPlane_steps)) return -1;
    for (std::size_t a = 0; a < 2; ++a) {
      low[a] = std::min(low[a], p[a]);
      high[a] = std::max(high[a], p[a]);
    }
  }
  for (std::size_t a = 0; a < 2; ++a)
    if (!(high[a] >= -0.5 && low[a] <= static_cast<double>(grid.size[a]) - 0.5)) return -1;
  return static_cast<std::int64_t>(plane);
}

/// Even-odd fill of a plane, one row at a time: every crossing of a contour toggles what lies to its right.
class Plane {
 public:
  Plane(std::uint8_t* voxels, std::int64_t columns, std::int64_t rows)
      : voxels_(voxels), columns_(columns), rows_(rows) {}

  void toggle(const Points& points) {
    for (std::size_t i = 0; i < points.size(); ++i) toggle(points[i], points[(i + 1) % points.size()]);
  }

  void fill() {
    for (std::int64_t j = 0; j < rows_; ++j)
      for (std::int64_t i = 1; i < columns_; ++i) voxels_[i + columns_ * j] ^= voxels_[i - 1 + columns_ * j];
  }

 private:
  // Always upwards, so that the channel to a hole cancels exactly.
  void toggle(Vec3 a, Vec3 b) {
    if (a[1] > b[1]) std::swap(a, b);
    const double first = std::max(0.0, std::ceil(a[1])), end = std::min(static_cast<double>(rows_), std::ceil(b[1]));
    for (double j = first; j < end; ++j) {
      const double crossing = std::ceil(a[0] + (j - a[1]) / (b[1] - a[1]) * (b[0] - a[0]));
      if (crossing < static_cast<double>(columns_))
        voxels_[static_cast<std::int64_t>(std::max(0.0, crossing)) + columns_ * static_cast<std::int64_t>(j)] ^= 1;
    }
  }

  std::uint8_t* voxels_;
  std::int64_t columns_, rows_;
};

/// The same for a contour that starts elsewhere, runs the other way or repeats its first point; in 1/1000 voxels.
std::vector<std::int64_t> outline_of(const Points& points) {
  using Corner = std::array<std::int64_t, 3>;
  std::vector<Corner> corners;
  for (const Vec3& p : points) {
    const Corner corner{std::llround(1000 * p[0]), std::llround(1000 * p[1]), std::llround(1000 * p[2])};
    if (corners.empty() || corner != corners.back()) corners.push_back(corner);
  }
  while (corners.size() > 1 && corners.back() == corners.front()) corners.pop_back();
  std::rotate(corners.begin(), std::min_element(corners.begin(), corners.end()), corners.end());
  if (corners.size() > 2 && corners.back() < corners[1]) std::reverse(corners.begin() + 1, corners.end());
  std::vector<std::int64_t> outline;
  for (const Corner& corner : corners) outline.insert(outline.end(), corner.begin(), corner.end());
  return outline;
}

void rasterize(DcmItem& roi, Mask& mask, const Job& job) {
  const Geometry& grid = mask.voxels.geometry;
  std::set<std::int64_t> planes;
  std::set<std::vector<std::int64_t>> seen;  // a contour that is there twice would cancel itself
  const auto plane_at = [&](std::int64_t k) {
    return Plane(mask.voxels.voxels.data() + mask.voxels.offset(0, 0, k), grid.size[0], grid.size[1]);
  };
  for (DcmItem* contour : items_of(roi, DCM_ContourSequence)) {
    job.check();
    if (!is_closed(*contour)) continue;
    const Points points = points_of(contour_text(*contour), grid);
    if (points.size() < 3) continue;
    const std::int64_t k = plane_of(points, grid);
    if (k < 0) {
      ++mask.off_grid;
      continue;
    }
    if (!seen.insert(outline_of(points)).second) continue;
    ++mask.on_grid;
    planes.insert(k);
    plane_at(k).toggle(points);
  }
  for (const std::int64_t k : planes) plane_at(k).fill();
}

}  // namespace

std::vector<Mask> read_structure_set(const std::string& path, const Geometry& grid, const Job& job,
                                     std::optional<int> only) {
  const QuietDcmtk quiet;
  const auto file = load_mask_file(path);
  DcmItem& item = *file->getDataset();
  if (raw_text(item, DCM_SOPClassUID) != UID_RTStructureSetStorage)
    throw Error(ErrorCode::input_unsupported, "the file is no RT Structure Set");
  std::map<std::int64_t, DcmItem*> contours;
  for (DcmItem* roi : items_of(item, DCM_ROIContourSequence))
    contours.emplace(whole(*roi, DCM_ReferencedROINumber, 0, INT32_MAX), roi);
  std::vector<Mask> masks;
  std::set<std::int64_t> numbers;
  for (DcmItem* roi : items_of(item, DCM_StructureSetROISequence)) {
    Mask mask;
    mask.number = static_cast<int>(whole(*roi, DCM_ROINumber, 0, INT32_MAX));
    if (!numbers.insert(mask.number).second)
      throw Error(ErrorCode::dicom_bad_value, "ROINumber " + std::to_string(mask.number) + " is there twice");
    mask.name = display_text(*roi, DCM_ROIName);
    if (!only || *only == mask.number) masks.push_back(std::move(mask));
  }
  check_mask_memory(masks.size(), grid.voxel_count());
  int on_grid = 0, off_grid = 0;
  try {
    for (std::size_t m = 0; m < masks.size(); ++m) {
      job.report("read masks", static_cast<double>(m) / static_cast<double>(masks.size()));
      masks[m].voxels = LabelVolume(grid);
      const auto found = contours.find(masks[m].number);
      if (found != contours.end()) rasterize(*found->second, masks[m], job);
      on_grid += masks[m].on_grid;
      off_grid += masks[m].off_grid;
    }
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::out_of_memory, "not enough memory for the masks of the structure set");
  }
  if (on_grid == 0 && off_grid > 0)
    throw Error(ErrorCode::grid_mismatch, "none of its " + std::to_string(off_grid) +
                                              " contours lies on the grid: give the series that it was drawn on");
  return masks;
}

}  // namespace oncotome::dicom
