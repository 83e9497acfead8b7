// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vtkPolyData.h>
#include <vtkSmartPointer.h>

#include <vector>

#include "canvas.h"
#include "oncotome/render/pictures.h"

namespace oncotome::render {

/// A mesh in LPS mm with its look.
struct Surface {
  vtkSmartPointer<vtkPolyData> mesh;
  Rgb color{};
  double opacity = 1;
};

/// One surface per class that has voxels, that with the largest extent first; what encloses another is translucent.
std::vector<Surface> class_surfaces(const Scene& scene);

/// The largest connected surface of the body (or of the stripped brain), coarse.
Surface body_surface(const Scene& scene);

}  // namespace oncotome::render
