// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "oncotome/core/job.h"
#include "oncotome/core/volume.h"
#include "oncotome/dicom/scan.h"

namespace oncotome::dicom {

/// Whether load_volume() resamples the series: its slices are no regular grid, and a policy cures that.
inline bool is_resampled(const Series& series) { return series.fault && series.cure != GeometryPolicy::strict; }

/// The series on its regular grid: linear along the normal between the two slices round a grid point, bilinear within
/// each, at its true place. `read` fills columns x rows values of an instance. NaN outside of the images (half a pixel
/// round the outermost centers belongs to them). Throws Error{cancelled} and what `read` throws.
Volume<float> resample_stack(const Series& series, const std::function<void(std::size_t instance, float* out)>& read,
                             const Job& job);

/// On the regular grid of a resampled series: 1 where a voxel comes from slices on both sides, 0 outside of the images
/// and where slices are missing.
LabelVolume measured_voxels(const Series& series);

/// Labels of the regular grid on the slices as they were taken, nearest voxel: columns x rows x instances. Of the
/// result's geometry only the size has a meaning.
template <class T>
Volume<T> on_source_planes(const Volume<T>& volume, const Series& series);

/// One sentence on what is done to a resampled series: its UID, the fault, the grid, the planes that are interpolated.
std::string correction_text(const Series& series);

}  // namespace oncotome::dicom
