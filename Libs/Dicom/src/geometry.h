// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <vector>

#include "header.h"

namespace oncotome::dicom {

/// Slices that make a volume: a regular one, or with a fault that can be cured.
struct Stack {
  Geometry geometry;               ///< As Series::geometry.
  std::vector<std::size_t> order;  ///< Of the headers, by rising distance along the normal.
  std::vector<std::size_t> holes;  ///< As Series::holes.
  std::optional<Fault> fault;
  GeometryPolicy cure = GeometryPolicy::strict;
};

/// The grid of the slices, from ImagePositionPatient and ImageOrientationPatient alone (PS3.3 C.7.6.2). Throws what no
/// policy cures: Error{dicom_no_geometry, dicom_mixed_size, dicom_mixed_orientation, dicom_too_few_slices,
/// dicom_duplicate_position, dicom_gantry_tilt, dicom_missing_slices, dicom_uneven_spacing, dicom_bad_value}.
Stack stack_slices(const std::vector<Header>& headers);

/// Whether ImageOrientationPatient's vectors are orthogonal unit vectors, to 1e-2.
bool are_axes(const Vec3& row, const Vec3& column);

/// Whether two directions are equal: each cosine within 1e-4.
bool same_direction(const Vec3& a, const Vec3& b);

/// Whether rows and columns of two images run the same ways: each cosine within 1e-4.
bool same_orientation(const Header& a, const Header& b);

/// Greatest difference from a regular step: 0.01 mm or 1 % of it.
double step_tolerance_mm(double step_mm);

/// Whether a position is so far away that sums and differences of such mean nothing.
bool is_far(const Vec3& position_mm);

}  // namespace oncotome::dicom
