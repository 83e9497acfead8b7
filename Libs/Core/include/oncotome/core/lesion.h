// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "oncotome/core/geometry.h"

namespace oncotome {

/// A coded concept, DICOM PS3.3 section 8.8: (value, scheme, meaning), such as (108369006, SCT, "Neoplasm").
struct Code {
  std::string value;
  std::string scheme;
  std::string meaning;
};

/// What one label value of a model means.
struct Label {
  std::uint8_t value = 0;
  std::string name;
  Code category;  ///< Segmented property category, DICOM CID 7150.
  Code type;      ///< Segmented property type, DICOM CID 7151.
  std::array<std::uint8_t, 3> color_rgb{255, 0, 0};
  bool lesion = false;  ///< Part of the union whose components are the lesions.
};

/// One 26-connected component of the lesion labels, with its measurements in patient space.
struct Lesion {
  std::uint16_t id = 0;  ///< 1, 2, ... by falling volume.
  std::string tracking_uid;
  std::int64_t voxel_count = 0;
  double volume_mm3 = 0;                    ///< Sum of voxels, IBSI YEKZ.
  double mesh_volume_mm3 = 0;               ///< Inside the marching-cubes surface at 0.5, IBSI RNU0.
  double surface_area_mm2 = 0;              ///< Of the same surface, IBSI C0JK.
  double sphericity = 0;                    ///< IBSI QCFX, 0 to 1.
  double longest_diameter_mm = 0;           ///< Greatest distance between two mesh vertices, IBSI L0JK.
  double longest_axial_diameter_mm = 0;     ///< Greatest distance between two vertices in one x-y slice of the image.
  double maximum_2d_diameter_slice_mm = 0;  ///< PyRadiomics' feature: planes half-way between two slices count as well.
  std::array<Vec3, 2> axial_diameter_ends_mm{};  ///< LPS ends of the longest axial diameter.
  Vec3 centroid_mm{};                            ///< LPS.
  Index3 first_index{};                          ///< Bounding box, inclusive.
  Index3 last_index{};
  std::int64_t key_slice = 0;       ///< Index k of the slice with the longest axial diameter.
  bool touches_border = false;      ///< The volume is a lower bound then.
  bool touches_unmeasured = false;  ///< Reaches voxels outside of the images or where slices are missing: uncertain.
  std::map<std::uint8_t, double> volume_by_label_mm3;
};

}  // namespace oncotome
