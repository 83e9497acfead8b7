// SPDX-License-Identifier: Apache-2.0
#include "oncotome/engine/preparation.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "oncotome/engine/components.h"
#include "oncotome/engine/noise.h"

namespace oncotome::engine {
namespace {

std::string rounded(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

std::string triple(const Vec3& v) { return rounded(v[0]) + " x " + rounded(v[1]) + " x " + rounded(v[2]); }
std::string triple(const Index3& v) {
  return std::to_string(v[0]) + " x " + std::to_string(v[1]) + " x " + std::to_string(v[2]);
}

Mask channel_foreground(const Volume<float>& v) {
  Mask mask(v.voxels.size());
  for (std::size_t i = 0; i < mask.size(); ++i) mask[i] = v.voxels[i] > 0;
  return mask;
}

struct Moments {
  double mean = 0, deviation = 0;
  std::size_t count = 0;
};

Moments moments(const std::vector<float>& values, const Mask& mask) {
  Moments m;
  for (std::size_t i = 0; i < values.size(); ++i)
    if (mask[i]) {
      m.mean += values[i];
      ++m.count;
    }
  if (m.count == 0) return m;
  m.mean /= static_cast<double>(m.count);
  double squares = 0;
  for (std::size_t i = 0; i < values.size(); ++i)
    if (mask[i]) squares += (values[i] - m.mean) * (values[i] - m.mean);
  m.deviation = std::sqrt(squares / static_cast<double>(m.count));
  return m;
}

template <class T>
std::vector<T> cropped(const std::vector<T>& in, const Index3& size, const Index3& first, const Index3& last) {
  std::vector<T> out;
  out.reserve(static_cast<std::size_t>((last[0] - first[0] + 1) * (last[1] - first[1] + 1) * (last[2] - first[2] + 1)));
  for (std::int64_t z = first[2]; z <= last[2]; ++z)
    for (std::int64_t y = first[1]; y <= last[1]; ++y) {
      const auto row = in.begin() + size[0] * (y + size[1] * z);
      out.insert(out.end(), row + first[0], row + last[0] + 1);
    }
  return out;
}

// A channel that ends inside the body would be zeros there, which no network can tell from tissue.
void check_coverage(const ModelPackage& package, const std::vector<ChannelView>& channels, const Geometry& grid,
                    const Mask& foreground, Prepared& out) {
  std::size_t total = 0;
  for (std::uint8_t v : foreground) total += v != 0;
  if (foreground.empty()) total = grid.voxel_count();
  for (std::size_t c = 0; c < channels.size(); ++c) {
    if (same_grid(channels[c].geometry, channels[package.reference_channel].geometry)) continue;
    const std::size_t outside = count_outside(channels[c].geometry, grid, foreground);
    if (outside == 0) continue;
    const double percent = 100 * static_cast<double>(outside) / static_cast<double>(total);
    if (percent > 5)
      throw Error(ErrorCode::precondition_unmet, "channel " + package.channels[c].name + " leaves " + rounded(percent) +
                                                     " % of the body part uncovered; give a series that covers it");
    out.doubts.push_back("channel " + package.channels[c].name + " leaves " + rounded(percent) +
                         " % of the body part uncovered; zeros stand there");
  }
}

}  // namespace

void check_inputs(const ModelPackage& package, const std::vector<ChannelView>& channels) {
  if (channels.size() != package.channels.size())
    throw Error(ErrorCode::usage, "the model takes " + std::to_string(package.channels.size()) + " channels, not " +
                                      std::to_string(channels.size()));
  for (std::size_t c = 0; c < channels.size(); ++c) {
    const std::size_t count = channels[c].geometry.voxel_count();
    if (count == 0) throw Error(ErrorCode::precondition_unmet, "channel " + package.channels[c].name + " is empty");
    for (std::size_t i = 0; i < count; ++i)
      if (!std::isfinite(channels[c].voxels[i]))
        throw Error(ErrorCode::precondition_unmet,
                    "channel " + package.channels[c].name + " holds values that are not finite; repair the file");
  }
}

double quantile(std::vector<float>& values, double q) {
  const double place = q * static_cast<double>(values.size() - 1);
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(place);
  std::nth_element(values.begin(), at, values.end());
  const double low = *at, high = at + 1 == values.end() ? low : *std::min_element(at + 1, values.end());
  return low + (place - std::floor(place)) * (high - low);
}

std::string resampled_note(const ModelPackage& package, std::size_t channel) {
  return "channel " + package.channels[channel].name + " was resampled to the grid of channel " +
         package.channels[package.reference_channel].name;
}

Prepared prepare(const ModelPackage& package, const std::vector<ChannelView>& channels, const LabelVolume* mask,
                 std::uint64_t seed, const Job& job) {
  check_inputs(package, channels);
  const Preparation& wanted = package.preparation;
  Prepared out;
  const auto note = [&](const char* step, const std::string& text) { out.steps.push_back({step, text}); };

  const Geometry& reference = channels[package.reference_channel].geometry;
  Geometry grid = reference;
  if (wanted.conform) {
    grid = conformed(grid, wanted.conform->size, wanted.conform->spacing_mm);
    note("conform", "to " + triple(grid.size) + " voxels of " + triple(grid.spacing_mm) + " mm, linear");
  }
  if (wanted.orient) {
    grid = oriented(grid);
    note("orient", same_grid(grid, reference) ? "axes are L, P, S already" : "axes turned to L, P, S");
  }
  if (wanted.resample_spacing_mm) {
    const Vec3 before = grid.spacing_mm;
    grid = respaced(grid, *wanted.resample_spacing_mm);
    if (grid.spacing_mm == before)
      note("resample", "spacing is " + triple(before) + " mm already");
    else
      note("resample", "from " + triple(before) + " to " + triple(grid.spacing_mm) + " mm, cubic");
  }

  std::vector<Volume<float>> volumes;
  for (std::size_t c = 0; c < channels.size(); ++c) {
    job.report("prepare", 0.025 * static_cast<double>(c) / static_cast<double>(channels.size()));
    if (!same_grid(channels[c].geometry, reference)) out.corrections.push_back(resampled_note(package, c));
    // Conformed volumes are trilinear where the networks for them were trained.
    volumes.push_back(wanted.conform ? resample_linear(channels[c], grid) : resample_cubic(channels[c], grid));
  }

  Mask foreground;
  if (mask != nullptr && !wanted.foreground && wanted.zscore == Preparation::Statistics::none)
    throw Error(ErrorCode::usage, "this model has no use for a mask; leave it out");
  if (mask != nullptr) {
    foreground = resample_nearest(*mask, grid).voxels;
    note("foreground", "from the mask that was given");
  } else if (wanted.foreground) {
    foreground = channel_foreground(volumes[*wanted.foreground]);
    note("foreground", "voxels of channel " + package.channels[*wanted.foreground].name + " above zero");
  }
  check_coverage(package, channels, grid, foreground, out);
  Index3 first{0, 0, 0}, last{grid.size[0] - 1, grid.size[1] - 1, grid.size[2] - 1};
  if (!foreground.empty()) {
    if (!bounding_box(foreground, grid.size, wanted.crop_margin.value_or(0), first, last))
      throw Error(ErrorCode::precondition_unmet, mask ? "the mask is empty where the channels lie"
                                                      : "there is no voxel above zero to take as foreground");
    std::size_t count = 0;
    for (std::uint8_t v : foreground) count += v != 0;
    const double ml = static_cast<double>(count) * grid.voxel_volume_mm3() / 1000;
    if (wanted.foreground_volume_ml &&
        (ml < wanted.foreground_volume_ml->first || ml > wanted.foreground_volume_ml->second))
      throw Error(ErrorCode::precondition_unmet, "the foreground has " + rounded(ml) +
                                                     " ml where the model expects a brain without skull of " +
                                                     rounded(wanted.foreground_volume_ml->first) + " to " +
                                                     rounded(wanted.foreground_volume_ml->second) +
                                                     " ml; remove the skull first or give a brain mask");
  }
  if (!wanted.crop_margin) {
    first = {0, 0, 0};
    last = {grid.size[0] - 1, grid.size[1] - 1, grid.size[2] - 1};
  }

  out.grid = grid;
  for (std::size_t a = 0; a < 3; ++a) out.grid.size[a] = last[a] - first[a] + 1;
  out.grid.origin_mm =
      grid.position_mm({static_cast<double>(first[0]), static_cast<double>(first[1]), static_cast<double>(first[2])});
  if (wanted.crop_margin) note("crop", "to " + triple(out.grid.size) + " voxels");
  const Mask inside = foreground.empty() ? foreground : cropped(foreground, grid.size, first, last);

  const Index3& n = out.grid.size;
  out.channels = Tensor({static_cast<std::int64_t>(channels.size()), n[2], n[1], n[0]});
  const std::size_t count = out.grid.voxel_count();
  for (std::size_t c = 0; c < volumes.size(); ++c) {
    job.report("prepare", 0.025 + 0.025 * static_cast<double>(c) / static_cast<double>(channels.size()));
    Volume<float> volume = std::move(volumes[c]);
    volume.voxels = cropped(volume.voxels, grid.size, first, last);
    float* const to = out.channels.values.data() + c * count;
    std::copy(volume.voxels.begin(), volume.voxels.end(), to);
    if (wanted.rescale) {
      const double low = quantile(volume.voxels, wanted.rescale->low);
      const double high = quantile(volume.voxels, wanted.rescale->high);
      if (!(high > low))
        throw Error(ErrorCode::precondition_unmet,
                    "channel " + package.channels[c].name + " has nearly one value everywhere: it holds no image");
      for (std::size_t i = 0; i < count; ++i) {
        const double value = (to[i] - low) / (high - low);
        to[i] = static_cast<float>(wanted.rescale->clip ? std::clamp(value, 0.0, 1.0) : value);
      }
      note("normalize", package.channels[c].name + ": " + rounded(low) + " to " + rounded(high) + " became 0 to 1");
    }
    if (wanted.zscore == Preparation::Statistics::none) continue;
    const bool own = mask == nullptr && wanted.zscore == Preparation::Statistics::channel;
    const Moments m = moments(volume.voxels, own ? channel_foreground(volume) : inside);
    if (!(m.deviation > 0))
      throw Error(ErrorCode::precondition_unmet,
                  "channel " + package.channels[c].name + " has one value everywhere: it holds no image");
    const Noise noise(seed, c);
    for (std::size_t i = 0; i < count; ++i) {
      const bool background = own ? volume.voxels[i] == 0.0F : !inside[i];
      if (background)
        to[i] = wanted.noise_background ? noise(i) : 0.0F;
      else
        to[i] = static_cast<float>((volume.voxels[i] - m.mean) / m.deviation);
    }
    note("normalize", package.channels[c].name + ": z-score of " + std::to_string(m.count) + " voxels, mean " +
                          rounded(m.mean) + ", deviation " + rounded(m.deviation));
  }
  if (wanted.noise_background) note("background", "normal noise, seed " + std::to_string(seed));
  return out;
}

}  // namespace oncotome::engine
