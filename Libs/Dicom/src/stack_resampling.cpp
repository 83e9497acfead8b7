// SPDX-License-Identifier: Apache-2.0
#include "oncotome/dicom/stack_resampling.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "geometry.h"
#include "values.h"

namespace oncotome::dicom {
namespace {

constexpr float kOutside = std::numeric_limits<float>::quiet_NaN();

/// Where a slice lies on the grid: column and row of its first pixel, and how far along the normal, mm.
struct Place {
  double column, row, along_mm;
};

// Positions are rounded decimal texts: a millionth of a pixel means nothing.
double tidy(double pixels) {
  const double whole = std::round(pixels);
  return std::abs(pixels - whole) < 1e-6 ? whole : pixels;
}

std::vector<Place> places_of(const Series& series) {
  const Geometry& g = series.geometry;
  std::vector<Place> places;
  for (const Vec3& position : series.positions_mm) {
    const Vec3 index = g.index_of(position);
    places.push_back({tidy(index[0]), tidy(index[1]), index[2] * g.spacing_mm[2]});
  }
  return places;
}

/// The slices round a grid plane; `weight` is that of the upper one, 0 where the plane is the lower one's own.
struct Bracket {
  std::size_t below = 0, above = 0;
  double weight = 0;
};

Bracket bracket(const std::vector<Place>& places, double along_mm, double tolerance_mm) {
  const auto upper = std::upper_bound(places.begin(), places.end(), along_mm,
                                      [](double value, const Place& place) { return value < place.along_mm; });
  const auto above = static_cast<std::size_t>(
      std::clamp<std::ptrdiff_t>(upper - places.begin(), 1, static_cast<std::ptrdiff_t>(places.size()) - 1));
  const double low = places[above - 1].along_mm, high = places[above].along_mm;
  if (along_mm - low <= tolerance_mm) return {above - 1, above - 1, 0};
  if (high - along_mm <= tolerance_mm) return {above, above, 0};
  return {above - 1, above, (along_mm - low) / (high - low)};
}

std::vector<Bracket> brackets_of(const Series& series, const std::vector<Place>& places) {
  const double step = series.geometry.spacing_mm[2];
  std::vector<Bracket> brackets;
  for (std::int64_t k = 0; k < series.geometry.size[2]; ++k)
    brackets.push_back(bracket(places, static_cast<double>(k) * step, step_tolerance_mm(step)));
  return brackets;
}

bool in_hole(const Series& series, const Bracket& b) {
  return b.weight > 0 && std::binary_search(series.holes.begin(), series.holes.end(), b.below);
}

/// The two pixels round a point of a line of `count` pixels; `first` is negative outside.
struct Tap {
  std::int64_t first, second;
  float weight;
};

Tap tap(double at, std::int64_t count) {
  if (at < -0.5 || at >= static_cast<double>(count) - 0.5) return {-1, -1, 0};
  const double inside = std::clamp(at, 0.0, static_cast<double>(count - 1));
  const auto first = static_cast<std::int64_t>(inside);
  return {first, std::min(first + 1, count - 1), static_cast<float>(inside - static_cast<double>(first))};
}

std::vector<Tap> taps(std::int64_t grid_size, double offset, std::int64_t count) {
  std::vector<Tap> result;
  for (std::int64_t i = 0; i < grid_size; ++i) result.push_back(tap(static_cast<double>(i) - offset, count));
  return result;
}

void shift_slice(const Series& series, const Place& place, const float* slice, float* out) {
  const auto columns = taps(series.geometry.size[0], place.column, series.columns);
  for (const Tap& row : taps(series.geometry.size[1], place.row, series.rows)) {
    const float* const a = slice + row.first * series.columns;
    const float* const b = slice + row.second * series.columns;
    for (const Tap& c : columns) {
      if (row.first < 0 || c.first < 0) {
        *out++ = kOutside;
        continue;
      }
      const float upper = a[c.first] + c.weight * (a[c.second] - a[c.first]);
      const float lower = b[c.first] + c.weight * (b[c.second] - b[c.first]);
      *out++ = upper + row.weight * (lower - upper);
    }
  }
}

/// Slices on the grid's columns and rows; keeps the last two.
class ShiftedSlices {
 public:
  ShiftedSlices(const Series& series, const std::vector<Place>& places,
                const std::function<void(std::size_t, float*)>& read)
      : series_(series), places_(places), read_(read), slice_(static_cast<std::size_t>(series.columns * series.rows)) {}

  const std::vector<float>& operator[](std::size_t instance) {
    Kept& kept = kept_[instance % 2];
    if (kept.instance != instance) {
      kept.pixels.resize(static_cast<std::size_t>(series_.geometry.size[0] * series_.geometry.size[1]));
      read_(instance, slice_.data());
      shift_slice(series_, places_[instance], slice_.data(), kept.pixels.data());
      kept.instance = instance;
    }
    return kept.pixels;
  }

 private:
  struct Kept {
    std::size_t instance = std::numeric_limits<std::size_t>::max();
    std::vector<float> pixels;
  };
  const Series& series_;
  const std::vector<Place>& places_;
  const std::function<void(std::size_t, float*)>& read_;
  std::vector<float> slice_;
  std::array<Kept, 2> kept_;
};

}  // namespace

Volume<float> resample_stack(const Series& series, const std::function<void(std::size_t, float*)>& read,
                             const Job& job) {
  const std::vector<Place> places = places_of(series);
  const std::vector<Bracket> brackets = brackets_of(series, places);
  Volume<float> volume(series.geometry);
  ShiftedSlices slices(series, places, read);
  for (std::size_t k = 0; k < brackets.size(); ++k) {
    job.report("load", static_cast<double>(k) / static_cast<double>(brackets.size()));
    float* const out = volume.voxels.data() + volume.offset(0, 0, static_cast<std::int64_t>(k));
    const Bracket& b = brackets[k];
    const std::vector<float>& below = slices[b.below];
    if (b.weight == 0) {
      std::copy(below.begin(), below.end(), out);
      continue;
    }
    const std::vector<float>& above = slices[b.above];
    const auto weight = static_cast<float>(b.weight);
    for (std::size_t i = 0; i < below.size(); ++i) out[i] = below[i] + weight * (above[i] - below[i]);
  }
  return volume;
}

LabelVolume measured_voxels(const Series& series) {
  const std::vector<Place> places = places_of(series);
  LabelVolume measured(series.geometry);
  std::uint8_t* out = measured.voxels.data();
  for (const Bracket& b : brackets_of(series, places)) {
    const Geometry& g = series.geometry;
    const auto columns_below = taps(g.size[0], places[b.below].column, series.columns);
    const auto columns_above = taps(g.size[0], places[b.above].column, series.columns);
    const auto rows_below = taps(g.size[1], places[b.below].row, series.rows);
    const auto rows_above = taps(g.size[1], places[b.above].row, series.rows);
    const bool hole = in_hole(series, b);
    for (std::size_t j = 0; j < rows_below.size(); ++j)
      for (std::size_t i = 0; i < columns_below.size(); ++i)
        *out++ = !hole && rows_below[j].first >= 0 && rows_above[j].first >= 0 && columns_below[i].first >= 0 &&
                 columns_above[i].first >= 0;
  }
  return measured;
}

template <class T>
Volume<T> on_source_planes(const Volume<T>& volume, const Series& series) {
  Geometry planes = series.geometry;
  planes.size = {series.columns, series.rows, static_cast<std::int64_t>(series.instances.size())};
  Volume<T> result(planes);
  const Index3& size = volume.geometry.size;
  const auto nearest = [](double at, std::int64_t count) {
    return std::clamp<std::int64_t>(std::llround(at), 0, count - 1);
  };
  T* out = result.voxels.data();
  for (const Place& place : places_of(series)) {
    const std::int64_t z = nearest(place.along_mm / series.geometry.spacing_mm[2], size[2]);
    for (std::int64_t j = 0; j < series.rows; ++j) {
      const std::int64_t y = nearest(static_cast<double>(j) + place.row, size[1]);
      for (std::int64_t i = 0; i < series.columns; ++i)
        *out++ = volume.at(nearest(static_cast<double>(i) + place.column, size[0]), y, z);
    }
  }
  return result;
}

template LabelVolume on_source_planes(const LabelVolume&, const Series&);
template LesionVolume on_source_planes(const LesionVolume&, const Series&);

std::string correction_text(const Series& series) {
  const Geometry& g = series.geometry;
  std::size_t between = 0, missing = 0;
  for (const Bracket& b : brackets_of(series, places_of(series))) {
    between += b.weight > 0;
    missing += in_hole(series, b);
  }
  std::string text = "series " + series.id() + ": " + series.fault->reason + "; resampled to a regular grid of ";
  text += std::to_string(g.size[0]) + " x " + std::to_string(g.size[1]) + " x " + std::to_string(g.size[2]) +
          " voxels of " + brief(g.spacing_mm[0]) + " x " + brief(g.spacing_mm[1]) + " x " + brief(g.spacing_mm[2]) +
          " mm; " + std::to_string(between) + " of its " + std::to_string(g.size[2]) +
          " planes interpolated between slices";
  if (missing > 0) text += ", " + std::to_string(missing) + " where slices are missing";
  return text;
}

}  // namespace oncotome::dicom
