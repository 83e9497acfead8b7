// SPDX-License-Identifier: Apache-2.0
#include "itkLesionMeasurementFilter.h"

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "itkGTest.h"
#include "itkOncotomeBridge.h"
#include "oncotome/engine/components.h"
#include "volume_io.h"

namespace
{

using LabelType = itk::Image<unsigned char, 3>;
using Filter = itk::LesionMeasurementFilter<LabelType>;

oncotome::Geometry
Grid()
{
  oncotome::Geometry grid;
  grid.size = { 12, 11, 10 };
  grid.spacing_mm = { 0.5, 1.0, 2.0 };
  return grid;
}

TEST(LesionMeasurementFilter, Box_has_the_volume_centroid_and_diameters_of_its_closed_form)
{
  oncotome::LabelVolume labels(Grid());
  for (int z = 2; z < 5; ++z)
    for (int y = 3; y < 7; ++y)
      for (int x = 1; x < 9; ++x)
        labels.at(x, y, z) = 1;
  const auto filter = Filter::New();
  filter->SetInput(itk::OncotomeBridge::ViewOf(labels));
  filter->Update();
  ASSERT_EQ(filter->GetLesions().size(), 1u);
  const oncotome::Lesion & lesion = filter->GetLesions()[0];
  EXPECT_DOUBLE_EQ(lesion.volume_mm3, 8 * 4 * 3 * 1.0);
  EXPECT_DOUBLE_EQ(lesion.centroid_mm[0], 4.5 * 0.5);
  EXPECT_DOUBLE_EQ(lesion.centroid_mm[1], 4.5);
  EXPECT_DOUBLE_EQ(lesion.centroid_mm[2], 3 * 2.0);
  // In one slice, vertices lie half a voxel out of the mask, so the farthest are 8 x 3 or 7 x 4 steps apart.
  EXPECT_NEAR(lesion.longest_axial_diameter_mm, std::hypot(7 * 0.5, 4.0), 1e-12);
  EXPECT_FALSE(lesion.touches_border);
}

TEST(LesionMeasurementFilter, Voxels_that_touch_by_a_corner_are_one_lesion_and_small_ones_are_none)
{
  oncotome::LabelVolume labels(Grid());
  labels.at(2, 2, 2) = 1;
  labels.at(3, 3, 3) = 2;
  labels.at(8, 8, 8) = 1;
  const auto filter = Filter::New();
  filter->SetInput(itk::OncotomeBridge::ViewOf(labels));
  filter->SetMinimumVolume(1.5);
  filter->Update();
  ASSERT_EQ(filter->GetLesions().size(), 1u);
  EXPECT_EQ(filter->GetLesions()[0].voxel_count, 2);
  EXPECT_DOUBLE_EQ(filter->GetLesions()[0].volume_by_label_mm3.at(2), 1.0);
}

double
Published(const std::string & feature, const std::string & column)
{
  std::ifstream file(ONCOTOME_SHARED_DATA "/measurement_pyradiomics/baseline/baseline_shape.csv");
  std::string   line;
  std::size_t   wanted = 0;
  while (std::getline(file, line))
  {
    std::istringstream       cells(line);
    std::vector<std::string> row;
    for (std::string cell; std::getline(cells, cell, ',');)
      row.push_back(cell);
    if (row[0] == "featureName")
      wanted = static_cast<std::size_t>(std::find(row.begin(), row.end(), column) - row.begin());
    if (row[0] == feature)
      return std::stod(row[wanted]);
  }
  return std::nan("");
}

TEST(LesionMeasurementFilter, Shape_equals_the_published_baseline_of_PyRadiomics)
{
  const std::string folder = ONCOTOME_SHARED_DATA "/measurement_pyradiomics/";
  if (!std::filesystem::exists(folder))
  {
    ASSERT_EQ(std::getenv("ONCOTOME_REQUIRE_DATA"), nullptr) << "the shared data is absent";
    GTEST_SKIP() << "needs the shared data: measurement_pyradiomics";
  }
  for (const std::string name : { "brain1", "brain2" })
  {
    SCOPED_TRACE(name);
    const auto             mask = oncotome::workflow::read_volume_file(folder + name + "_label.nrrd");
    oncotome::LesionVolume ids(mask.geometry);
    oncotome::Lesion       lesion;
    lesion.id = 1;
    oncotome::engine::Mask region(mask.voxels.size());
    double                 count = 0;
    for (std::size_t i = 0; i < region.size(); ++i)
    {
      region[i] = mask.voxels[i] == 1.0F;
      ids.voxels[i] = region[i];
      count += region[i];
    }
    oncotome::engine::bounding_box(region, mask.geometry.size, 0, lesion.first_index, lesion.last_index);
    // The baseline's region is the label, whether or not it is connected.
    oncotome::engine::measure_surface(ids, lesion);
    const auto near = [&](const char * feature, double value, double tolerance)
    {
      const double published = Published(std::string("original_shape_") + feature, name);
      EXPECT_NEAR(value / published, 1.0, tolerance) << feature;
    };
    near("VoxelVolume", count * mask.geometry.voxel_volume_mm3(), 1e-6);
    near("MeshVolume", lesion.mesh_volume_mm3, 1e-3);
    near("SurfaceArea", lesion.surface_area_mm2, 1e-3);
    near("Sphericity", lesion.sphericity, 1e-3);
    near("Maximum3DDiameter", lesion.longest_diameter_mm, 1e-6);
    near("Maximum2DDiameterSlice", lesion.maximum_2d_diameter_slice_mm, 1e-6);
  }
}

} // namespace
