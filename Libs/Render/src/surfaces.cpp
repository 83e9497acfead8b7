// SPDX-License-Identifier: Apache-2.0
#include "surfaces.h"

#include <vtkFlyingEdges3D.h>
#include <vtkImageData.h>
#include <vtkNew.h>
#include <vtkPoints.h>
#include <vtkPolyDataConnectivityFilter.h>
#include <vtkPolyDataNormals.h>
#include <vtkWindowedSincPolyDataFilter.h>

#include <algorithm>
#include <array>
#include <numeric>

#include "window_level.h"

namespace oncotome::render {
namespace {

struct Box {
  Index3 first{};
  Index3 last{};

  std::int64_t volume() const { return (last[0] - first[0] + 1) * (last[1] - first[1] + 1) * (last[2] - first[2] + 1); }
};

/// Share of voxels with `inside(offset)` per block of at most `limit` blocks along an axis, and an empty rim round
/// them.
template <class Inside>
vtkSmartPointer<vtkImageData> occupancy(const Geometry& g, const Box& box, std::int64_t limit, Inside inside) {
  auto image = vtkSmartPointer<vtkImageData>::New();
  std::array<std::int64_t, 3> step{};
  std::array<int, 3> blocks{};
  for (std::size_t a = 0; a < 3; ++a) {
    const std::int64_t n = box.last[a] - box.first[a] + 1;
    step[a] = (n + limit - 1) / limit;
    blocks[a] = static_cast<int>((n + step[a] - 1) / step[a]) + 2;
  }
  image->SetDimensions(blocks.data());
  image->AllocateScalars(VTK_FLOAT, 1);
  auto* share = static_cast<float*>(image->GetScalarPointer());
  std::fill_n(share, image->GetNumberOfPoints(), 0.0F);
  const auto each = 1.0F / static_cast<float>(step[0] * step[1] * step[2]);
  for (std::int64_t z = box.first[2]; z <= box.last[2]; ++z)
    for (std::int64_t y = box.first[1]; y <= box.last[1]; ++y) {
      const std::int64_t row =
          blocks[0] * ((y - box.first[1]) / step[1] + 1 + blocks[1] * ((z - box.first[2]) / step[2] + 1));
      const auto start = static_cast<std::size_t>(g.size[0] * (y + g.size[1] * z));
      for (std::int64_t x = box.first[0]; x <= box.last[0]; ++x)
        if (inside(start + static_cast<std::size_t>(x))) share[row + (x - box.first[0]) / step[0] + 1] += each;
    }
  // In units of voxel indices; shaped() brings the points to patient space.
  std::array<double, 3> spacing{};
  std::array<double, 3> origin{};
  for (std::size_t a = 0; a < 3; ++a) {
    spacing[a] = static_cast<double>(step[a]);
    origin[a] = static_cast<double>(box.first[a]) + (spacing[a] - 1) / 2 - spacing[a];
  }
  image->SetSpacing(spacing.data());
  image->SetOrigin(origin.data());
  return image;
}

/// The surface of equal occupancy, in LPS mm, smoothed.
vtkSmartPointer<vtkPolyData> shaped(const Geometry& g, vtkImageData* share, double level, double pass_band,
                                    bool largest_only) {
  vtkNew<vtkFlyingEdges3D> contour;
  contour->SetInputData(share);
  contour->SetValue(0, level);
  contour->ComputeNormalsOff();
  contour->ComputeScalarsOff();
  contour->Update();
  vtkSmartPointer<vtkPolyData> mesh = contour->GetOutput();
  if (mesh->GetNumberOfCells() == 0) return mesh;
  vtkPoints* points = mesh->GetPoints();
  for (vtkIdType i = 0; i < points->GetNumberOfPoints(); ++i) {
    Vec3 p{};
    points->GetPoint(i, p.data());
    points->SetPoint(i, g.position_mm(p).data());
  }
  vtkNew<vtkPolyDataConnectivityFilter> connected;
  if (largest_only) {
    connected->SetInputData(mesh);
    connected->SetExtractionModeToLargestRegion();
    connected->Update();
    mesh = connected->GetOutput();
  }
  vtkNew<vtkWindowedSincPolyDataFilter> smooth;
  smooth->SetInputData(mesh);
  smooth->SetNumberOfIterations(20);
  smooth->SetPassBand(pass_band);
  smooth->BoundarySmoothingOff();
  smooth->FeatureEdgeSmoothingOff();
  smooth->NonManifoldSmoothingOn();
  smooth->NormalizeCoordinatesOn();
  vtkNew<vtkPolyDataNormals> normals;
  normals->SetInputConnection(smooth->GetOutputPort());
  normals->ConsistencyOff();
  normals->SplittingOff();
  normals->Update();
  return normals->GetOutput();
}

/// Where each class lies and what it touches.
struct Contacts {
  std::array<Box, 256> box{};
  std::array<std::int64_t, 256> voxels{};
  std::vector<std::int64_t> faces = std::vector<std::int64_t>(256 * 256);  ///< [class * 256 + neighbor]

  double share(std::size_t of, std::size_t to) const {
    const auto row = faces.begin() + static_cast<std::ptrdiff_t>(of * 256);
    const std::int64_t all = std::accumulate(row, row + 256, std::int64_t{0});
    return static_cast<double>(faces[of * 256 + to]) / static_cast<double>(std::max<std::int64_t>(1, all));
  }
};

Contacts contacts(const LabelVolume& labels) {
  Contacts c;
  const Index3& n = labels.geometry.size;
  for (std::int64_t z = 0; z < n[2]; ++z)
    for (std::int64_t y = 0; y < n[1]; ++y)
      for (std::int64_t x = 0; x < n[0]; ++x) {
        const std::uint8_t value = labels.at(x, y, z);
        if (value == 0) continue;
        Box& box = c.box[value];
        const Index3 here{x, y, z};
        if (c.voxels[value]++ == 0) box = {here, here};
        for (std::size_t a = 0; a < 3; ++a) {
          box.first[a] = std::min(box.first[a], here[a]);
          box.last[a] = std::max(box.last[a], here[a]);
          for (const std::int64_t by : {-1, 1}) {
            Index3 there = here;
            there[a] += by;
            if (there[a] < 0 || there[a] >= n[a]) continue;
            const std::uint8_t neighbor = labels.at(there[0], there[1], there[2]);
            if (neighbor != value) ++c.faces[std::size_t{value} * 256 + neighbor];
          }
        }
      }
  return c;
}

}  // namespace

std::vector<Surface> class_surfaces(const Scene& scene) {
  constexpr double kEnclosed = 0.15;  // share of a class's faces that touch the one round it
  const Geometry& g = scene.labels->geometry;
  const Contacts c = contacts(*scene.labels);
  std::vector<Label> present;
  for (const Label& label : scene.label_table)
    if (label.value != 0 && c.voxels[label.value] > 0) present.push_back(label);
  std::stable_sort(present.begin(), present.end(),
                   [&](const Label& a, const Label& b) { return c.box[a.value].volume() > c.box[b.value].volume(); });
  // A class is drawn together with all that it encloses: no wall of its own inside, which would fight for the same
  // pixels.
  std::vector<std::array<bool, 256>> solid(present.size());
  std::vector<Surface> surfaces(present.size());
  for (std::size_t i = present.size(); i-- > 0;) {
    const std::size_t own = present[i].value;
    solid[i][own] = true;
    Box box = c.box[own];
    bool encloses = false;
    for (std::size_t j = i + 1; j < present.size(); ++j) {
      const std::size_t inner = present[j].value;
      if (!solid[i][inner] && c.share(inner, own) < kEnclosed) continue;
      encloses = true;
      for (std::size_t v = 0; v < 256; ++v) solid[i][v] = solid[i][v] || solid[j][v];
      for (std::size_t a = 0; a < 3; ++a) {
        box.first[a] = std::min(box.first[a], c.box[inner].first[a]);
        box.last[a] = std::max(box.last[a], c.box[inner].last[a]);
      }
    }
    const auto share = occupancy(g, box, 160, [&](std::size_t at) { return solid[i][scene.labels->voxels[at]]; });
    // Inner surfaces shrink a little, so that they stay inside where both reach the same edge.
    const double level = std::min(0.8, 0.5 + 0.15 * static_cast<double>(i));
    surfaces[i] = {shaped(g, share, level, 0.08, false), present[i].color_rgb, encloses ? 0.32 : 1.0};
  }
  return surfaces;
}

Surface body_surface(const Scene& scene) {
  const Geometry& g = scene.image->geometry;
  const double threshold = body_threshold(scene, window_level(scene, nullptr));
  const Box all{{0, 0, 0}, {g.size[0] - 1, g.size[1] - 1, g.size[2] - 1}};
  const auto share = occupancy(g, all, 120, [&](std::size_t at) { return scene.image->voxels[at] > threshold; });
  return {shaped(g, share, 0.5, 0.03, true), {205, 214, 226}, 0.2};
}

}  // namespace oncotome::render
