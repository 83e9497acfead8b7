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
constexpr double kMaxTilt_deg = 45;
constexpr double kHole_steps = 1.5;     // a wider gap is a hole
constexpr std::size_t kRun = 3;         // as many equal wide gaps in a row were scanned so
constexpr double kJitter_steps = 0.25;  // gaps this near to the usual one keep the number of slices
constexpr std::int64_t kMaxSide = 16384;
constexpr std::int64_t kMostGrowth = 16;                    // from the slices' pixels to the grid's voxels
constexpr std::int64_t kMaxVoxels = std::int64_t{1} << 32;  // 16 GiB of floats

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

double lower_median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>((values.size() - 1) / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

bool near(double a, double b) { return std::abs(a - b) <= step_tolerance_mm(std::min(a, b)); }

/// The sorted slices, each where it lies from the first along row, column and normal, mm.
struct Planes {
  std::vector<const Header*> headers;
  std::vector<Vec3> places;
  std::vector<double> gaps;
  double usual = 0;  ///< The median gap.

  std::string after(std::size_t k) const {
    return "after slice " + std::to_string(k + 1) + " of " + std::to_string(headers.size()) + " (instance " +
           headers[k]->instance.sop_instance_uid + ")";
  }
  std::int64_t steps(std::size_t k) const { return std::max(std::llround(gaps[k] / usual), 1LL); }
};

// A run of equal wide gaps was scanned so, unless the instance numbers jump as well.
bool was_scanned_wide(const Planes& planes, std::size_t k) {
  std::size_t first = k, last = k;
  while (first > 0 && near(planes.gaps[first - 1], planes.gaps[k])) --first;
  while (last + 1 < planes.gaps.size() && near(planes.gaps[last + 1], planes.gaps[k])) ++last;
  const auto &a = planes.headers[k]->instance_number, &b = planes.headers[k + 1]->instance_number;
  const bool jumps = a && b && std::llround(std::abs(*b - *a)) == planes.steps(k);
  return last - first + 1 >= kRun && !jumps;
}

std::vector<std::size_t> find_holes(const Planes& planes) {
  std::vector<std::size_t> holes;
  for (std::size_t k = 0; k < planes.gaps.size(); ++k)
    if (planes.gaps[k] >= kHole_steps * planes.usual && !was_scanned_wide(planes, k)) holes.push_back(k);
  return holes;
}

/// Several things may be wrong with a stack: the one that is hardest to cure names the fault.
class Faults {
 public:
  void add(ErrorCode code, const std::string& reason, GeometryPolicy cure) {
    const bool harder =
        !fault_ || (cure_ != GeometryPolicy::strict && (cure == GeometryPolicy::strict || cure > cure_));
    if (!fault_)
      fault_ = Fault{code, reason};
    else
      fault_ =
          harder ? Fault{code, reason + "; " + fault_->reason} : Fault{fault_->code, fault_->reason + "; " + reason};
    if (harder) cure_ = cure;
  }
  const std::optional<Fault>& fault() const { return fault_; }
  GeometryPolicy cure() const { return cure_; }

 private:
  std::optional<Fault> fault_;
  GeometryPolicy cure_ = GeometryPolicy::strict;
};

void find_tilt(const Planes& planes, double pixel_mm, Faults& faults) {
  const Vec3& last = planes.places.back();
  const double drift_mm = std::hypot(last[0], last[1]);
  const double tilt_deg = std::atan2(drift_mm, last[2]) * kDegreesPerRadian;
  // A long stack drifts far by a small angle.
  if (tilt_deg <= kTiltTolerance_deg && drift_mm <= pixel_mm) return;
  const bool cured = tilt_deg <= kMaxTilt_deg;
  faults.add(ErrorCode::dicom_gantry_tilt,
             "the stack is slanted by " + brief(tilt_deg) + " degrees (gantry tilt)" +
                 (cured ? "" : ", more than can be corrected: use a reconstruction with no tilt"),
             cured ? GeometryPolicy::correct : GeometryPolicy::strict);
}

// True when gaps differ by more than the tolerance, holes aside.
bool find_uneven(const Planes& planes, const std::vector<std::size_t>& holes, Faults& faults) {
  for (std::size_t k = 0; k < planes.gaps.size(); ++k) {
    const double steps = static_cast<double>(planes.steps(k));
    const bool hole = std::binary_search(holes.begin(), holes.end(), k);
    if (std::abs(planes.gaps[k] - (hole ? steps : 1) * planes.usual) <= steps * step_tolerance_mm(planes.usual))
      continue;
    faults.add(ErrorCode::dicom_uneven_spacing,
               "slice distance is " + brief(planes.gaps[k]) + " mm instead of " + brief(planes.usual) + " mm " +
                   planes.after(k),
               GeometryPolicy::correct);
    return true;
  }
  return false;
}

void find_sideways(const Planes& planes, double pixel_mm, Faults& faults) {
  const Vec3& last = planes.places.back();
  bool found = false;
  for (std::size_t k = 0; k < planes.places.size(); ++k) {
    const Vec3& place = planes.places[k];
    const double along = place[2] / last[2];
    const double beside = std::hypot(place[0] - along * last[0], place[1] - along * last[1]);
    if (beside <= kSidewaysTolerance_pixels * pixel_mm) continue;
    const Vec3 step = k == 0 ? Vec3{} : place - planes.places[k - 1];
    const bool cured = std::hypot(step[0], step[1]) <= std::max(step[2], pixel_mm);
    if (found && cured) continue;
    found = true;
    faults.add(ErrorCode::dicom_uneven_spacing,
               "slice " + std::to_string(k + 1) + " (instance " + planes.headers[k]->instance.sop_instance_uid +
                   ") lies " + brief(beside) + " mm beside the stack",
               cured ? GeometryPolicy::correct : GeometryPolicy::strict);
    if (!cured) return;
  }
}

void report_holes(const Planes& planes, const std::vector<std::size_t>& holes, Faults& faults) {
  if (holes.empty()) return;
  std::int64_t missing = 0;
  for (const std::size_t k : holes) missing += std::max<std::int64_t>(planes.steps(k) - 1, 1);
  const bool cured = missing < static_cast<std::int64_t>(planes.headers.size());
  faults.add(ErrorCode::dicom_missing_slices,
             std::to_string(missing) + (missing == 1 ? " slice is" : " slices are") + " missing, the first " +
                 planes.after(holes.front()),
             cured ? GeometryPolicy::fill : GeometryPolicy::strict);
}

// How many steps the grid has from the first slice to the last: of the usual gap, or of the smallest usual one where
// they differ much.
std::int64_t grid_steps(const Planes& planes, const std::vector<std::size_t>& holes, bool uneven) {
  std::int64_t steps = 0;
  bool differ_much = false;
  std::vector<double> sorted;
  for (std::size_t k = 0; k < planes.gaps.size(); ++k) {
    const bool hole = std::binary_search(holes.begin(), holes.end(), k);
    steps += hole ? planes.steps(k) : 1;
    if (hole) continue;
    sorted.push_back(planes.gaps[k]);
    differ_much = differ_much || std::abs(planes.gaps[k] - planes.usual) > kJitter_steps * planes.usual;
  }
  if (!uneven || !differ_much) return steps;
  std::sort(sorted.begin(), sorted.end());
  const std::size_t needed = std::max<std::size_t>(2, sorted.size() / 10);
  double step = planes.usual;
  for (auto low = sorted.begin(); low != sorted.end(); ++low) {
    const auto high = std::upper_bound(low, sorted.end(), 1.05 * *low);
    if (static_cast<std::size_t>(high - low) < needed) continue;
    step = std::accumulate(low, high, 0.0) / static_cast<double>(high - low);
    break;
  }
  return std::max(std::llround(planes.places.back()[2] / step), 1LL);
}

// Widens the first two sides of a grid so that it covers every plane; whole pixels from the first one.
void cover_planes(const Planes& planes, Geometry& g) {
  for (std::size_t d = 0; d < 2; ++d) {
    double low = 0, high = 0;
    for (const Vec3& place : planes.places) {
      low = std::min(low, place[d] / g.spacing_mm[d]);
      high = std::max(high, place[d] / g.spacing_mm[d]);
    }
    low = std::floor(low + kSidewaysTolerance_pixels);
    high = std::ceil(high - kSidewaysTolerance_pixels);
    if (high - low > static_cast<double>(kMaxSide))
      throw Error(ErrorCode::dicom_bad_value, "the slices lie too far from one another for a volume");
    g.origin_mm = g.origin_mm + (low * g.spacing_mm[d]) * g.axis[d];
    g.size[d] += static_cast<std::int64_t>(high - low);
  }
}

void check_grid_size(const Geometry& g, const Header& slice, std::size_t slices) {
  const std::int64_t given = slice.rows * slice.columns * static_cast<std::int64_t>(slices);
  if (g.size[0] > kMaxSide || g.size[1] > kMaxSide || g.size[2] > 4 * static_cast<std::int64_t>(slices) ||
      g.size[0] * g.size[1] > std::min(kMaxVoxels, kMostGrowth * given) / g.size[2])
    throw Error(ErrorCode::dicom_bad_value, "the regular grid that the slices need is too large");
}

}  // namespace

bool is_far(const Vec3& position_mm) {
  constexpr double kFar_mm = 1e6;
  return std::any_of(position_mm.begin(), position_mm.end(), [](double x) { return std::abs(x) > kFar_mm; });
}

double step_tolerance_mm(double step_mm) { return std::max(0.01, 0.01 * std::abs(step_mm)); }

bool are_axes(const Vec3& row, const Vec3& column) {
  constexpr double kTolerance = 1e-2;
  return std::abs(norm(row) - 1) <= kTolerance && std::abs(norm(column) - 1) <= kTolerance &&
         std::abs(dot(row, column)) <= kTolerance;
}

bool same_direction(const Vec3& a, const Vec3& b) {
  for (std::size_t d = 0; d < 3; ++d)
    if (std::abs(a[d] - b[d]) > kCosineTolerance) return false;
  return true;
}

bool same_orientation(const Header& a, const Header& b) {
  return a.orientation && b.orientation && same_direction((*a.orientation)[0], (*b.orientation)[0]) &&
         same_direction((*a.orientation)[1], (*b.orientation)[1]);
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

  Planes planes;
  planes.gaps = std::move(gaps);
  planes.usual = lower_median(planes.gaps);
  const Vec3& origin = *headers[stack.order.front()].position;
  for (const std::size_t i : stack.order) {
    const Vec3 way = *headers[i].position - origin;
    planes.headers.push_back(&headers[i]);
    planes.places.push_back({dot(way, g.axis[0]), dot(way, g.axis[1]), dot(way, normal)});
  }
  const auto& pixel_spacing = *planes.headers.front()->pixel_spacing;
  const double pixel_mm = std::min(pixel_spacing[0], pixel_spacing[1]);
  Faults faults;
  stack.holes = find_holes(planes);
  find_tilt(planes, pixel_mm, faults);
  const bool uneven = find_uneven(planes, stack.holes, faults);
  report_holes(planes, stack.holes, faults);
  find_sideways(planes, pixel_mm, faults);
  stack.fault = faults.fault();
  stack.cure = faults.cure();
  if (stack.fault && stack.cure == GeometryPolicy::strict) throw Error(stack.fault->code, stack.fault->reason);

  const std::int64_t steps = grid_steps(planes, stack.holes, uneven);
  g.size = {headers.front().columns, headers.front().rows, steps + 1};
  g.spacing_mm = {pixel_spacing[1], pixel_spacing[0], planes.places.back()[2] / static_cast<double>(steps)};
  g.origin_mm = origin;
  if (stack.fault) cover_planes(planes, g);
  check_grid_size(g, headers.front(), count);
  return stack;
}

}  // namespace oncotome::dicom
