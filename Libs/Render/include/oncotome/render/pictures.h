// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "oncotome/core/lesion.h"
#include "oncotome/core/volume.h"

namespace oncotome::render {

/// What the pictures are drawn from; all volumes lie on one grid.
struct Scene {
  const Volume<float>* image = nullptr;
  const LabelVolume* labels = nullptr;
  const LesionVolume* lesion_ids = nullptr;
  std::vector<Label> label_table;
  std::vector<Lesion> lesions;
  std::string image_name;  ///< Such as "FLAIR"; written into the pictures.
  std::string modality;    ///< "CT" gets a fixed window, others their percentiles.
};

/// PNG of the lesion's key slice: gray image, outline of each class in its color, the line of the lesion's longest
/// diameter there, patient side letters at the edges (radiological convention: patient right at the viewer's left), a
/// scale bar and a caption. A small lesion is enlarged in a corner. Needs no GL. Throws Error{output_unwritable}.
void write_key_slice(const std::string& path, const Scene& scene, const Lesion& lesion);

/// PNG montage of evenly spaced slices (through the lesions where there are some), outlines and letters as above.
void write_overview(const std::string& path, const Scene& scene);

/// An RGB picture, row 0 on top.
struct Picture {
  int width = 0, height = 0;
  std::vector<std::uint8_t> rgb;
};

/// PNG files (8-bit RGB, such as those above) side by side and below each other, in their size. Throws
/// Error{input_unreadable}.
Picture contact_sheet(const std::vector<std::string>& paths);

/// PNG of the surfaces of the classes and, faint, of the body round them, seen from the front and from the patient's
/// left. Uses an off-screen GL context; without a display it starts its own Xvfb and ends it. Returns false, with the
/// reason in `why_not`, when no context can be had.
bool write_surface_view(const std::string& path, const Scene& scene, std::string& why_not);

/// A PNG of RGB bytes, row by row from the top. Throws Error{output_unwritable}.
void write_png(const std::string& path, int width, int height, const std::vector<std::uint8_t>& rgb);

}  // namespace oncotome::render
