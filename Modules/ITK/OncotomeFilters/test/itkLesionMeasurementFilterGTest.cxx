// SPDX-License-Identifier: Apache-2.0
#include "itkLesionMeasurementFilter.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <set>
#include <sstream>

#include "itkCommand.h"
#include "itkGTest.h"
#include "itkImageFileReader.h"
#include "itkNrrdImageIO.h"
#include "itkOncotomeBridge.h"
#include "oncotome/engine/components.h"

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
  EXPECT_EQ(filter->GetNumberOfLesions(), 1u);
  EXPECT_EQ(filter->GetLesionVolume(1), filter->GetLesions()[0].volume_mm3);
  EXPECT_EQ(filter->GetLesionDiameter(1), filter->GetLesions()[0].longest_diameter_mm);
  EXPECT_THROW(filter->GetLesionVolume(0), std::out_of_range);
  EXPECT_THROW(filter->GetLesionDiameter(2), std::out_of_range);
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
    const auto reader = itk::ImageFileReader<LabelType>::New();
    reader->SetImageIO(itk::NrrdImageIO::New());
    reader->SetFileName(folder + name + "_label.nrrd");
    reader->Update();
    const auto             mask = itk::OncotomeBridge::VolumeOf<std::uint8_t>(reader->GetOutput());
    oncotome::LesionVolume ids(mask.geometry);
    oncotome::Lesion       lesion;
    lesion.id = 1;
    oncotome::engine::Mask region(mask.voxels.size());
    double                 count = 0;
    for (std::size_t i = 0; i < region.size(); ++i)
    {
      region[i] = mask.voxels[i] == 1;
      ids.voxels[i] = region[i];
      count += region[i];
    }
    oncotome::engine::bounding_box(region, mask.geometry.size, 0, lesion.first_index, lesion.last_index);
    // The baseline's region is the label, whether or not it is connected.
    oncotome::engine::measure_surface(ids, lesion, oncotome::Job());
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

struct Farthest
{
  double                          distance_mm = 0;
  std::array<oncotome::Index3, 2> ends{};

  // Takes points in order of z, y, x, in doubled indices.
  Farthest(const std::vector<oncotome::Index3> & points, const oncotome::Vec3 & spacing)
  {
    double best = 0;
    for (std::size_t i = 0; i < points.size(); ++i)
      for (std::size_t j = i + 1; j < points.size(); ++j)
      {
        double square = 0;
        for (std::size_t a = 0; a < 3; ++a)
        {
          const double d = 0.5 * static_cast<double>(points[i][a] - points[j][a]) * spacing[a];
          square += d * d;
        }
        if (square > best)
        {
          best = square;
          ends = { points[i], points[j] };
        }
      }
    distance_mm = std::sqrt(best);
  }
};

// Halfway between each voxel of the lesion and each face neighbor that is none, by z, y, x.
std::vector<oncotome::Index3>
Vertices(const oncotome::LesionVolume & ids)
{
  std::set<oncotome::Index3> found;
  const oncotome::Index3 &   size = ids.geometry.size;
  const auto                 inside = [&](const oncotome::Index3 & i)
  {
    for (std::size_t a = 0; a < 3; ++a)
      if (i[a] < 0 || i[a] >= size[a])
        return false;
    return ids.at(i[0], i[1], i[2]) == 1;
  };
  for (std::int64_t z = 0; z < size[2]; ++z)
    for (std::int64_t y = 0; y < size[1]; ++y)
      for (std::int64_t x = 0; x < size[0]; ++x)
        for (std::size_t a = 0; inside({ x, y, z }) && a < 3; ++a)
          for (const int step : { -1, 1 })
          {
            oncotome::Index3 neighbor{ x, y, z };
            neighbor[a] += step;
            if (!inside(neighbor))
              found.insert({ z + neighbor[2], y + neighbor[1], x + neighbor[0] });
          }
  std::vector<oncotome::Index3> points;
  for (const oncotome::Index3 & zyx : found)
    points.push_back({ zyx[2], zyx[1], zyx[0] });
  return points;
}

TEST(LesionMeasurementFilter, Diameters_equal_those_of_all_pairs_to_the_last_bit)
{
  std::mt19937 random(20240607);
  for (int round = 0; round < 60; ++round)
  {
    SCOPED_TRACE(round);
    oncotome::Geometry grid;
    grid.size = { 5 + round % 9, 4 + round % 7, 3 + round % 5 };
    grid.spacing_mm = round % 3 ? oncotome::Vec3{ 0.7, 0.7, 3.1 } : oncotome::Vec3{ 0.977, 1.3, 0.4 };
    if (round % 4 == 0)
      grid.spacing_mm = { 1, 1, 1 };
    oncotome::LesionVolume ids(grid);
    const unsigned         one_in = 1 + static_cast<unsigned>(round) / 4;
    for (auto & id : ids.voxels)
      id = random() % one_in == 0;
    ids.voxels[random() % ids.voxels.size()] = 1;
    oncotome::engine::Mask region(ids.voxels.begin(), ids.voxels.end());
    oncotome::Lesion       lesion;
    lesion.id = 1;
    oncotome::engine::bounding_box(region, grid.size, 0, lesion.first_index, lesion.last_index);
    oncotome::engine::measure_surface(ids, lesion, oncotome::Job());

    const auto points = Vertices(ids);
    EXPECT_EQ(lesion.longest_diameter_mm, Farthest(points, grid.spacing_mm).distance_mm);
    std::map<std::int64_t, std::vector<oncotome::Index3>> planes;
    for (const auto & p : points)
      planes[p[2]].push_back(p);
    Farthest     axial({}, grid.spacing_mm);
    double       planar = 0;
    std::int64_t key_slice = -1;
    for (const auto & [z, plane] : planes)
    {
      const Farthest pair(plane, grid.spacing_mm);
      planar = std::max(planar, pair.distance_mm);
      if (z % 2 == 0 && pair.distance_mm > axial.distance_mm)
      {
        axial = pair;
        key_slice = z / 2;
      }
    }
    EXPECT_EQ(lesion.maximum_2d_diameter_slice_mm, planar);
    EXPECT_EQ(lesion.longest_axial_diameter_mm, axial.distance_mm);
    EXPECT_EQ(lesion.key_slice, key_slice);
    for (std::size_t e = 0; e < 2; ++e)
      EXPECT_EQ(lesion.axial_diameter_ends_mm[e],
                grid.position_mm({ 0.5 * static_cast<double>(axial.ends[e][0]),
                                   0.5 * static_cast<double>(axial.ends[e][1]),
                                   0.5 * static_cast<double>(axial.ends[e][2]) }));
  }
}

oncotome::ErrorCode
CodeOfUpdate(itk::ProcessObject & filter)
{
  try
  {
    filter.Update();
  }
  catch (const itk::OncotomeException & error)
  {
    return error.GetError().code();
  }
  return oncotome::ErrorCode::internal;
}

TEST(LesionMeasurementFilter, A_label_that_is_no_whole_number_from_0_to_255_is_refused_not_wrapped)
{
  for (const float value : { 256.0F, -1.0F, 1.5F, std::nanf("") })
  {
    oncotome::Volume<float> labels(Grid());
    labels.at(2, 2, 2) = value;
    const auto filter = itk::LesionMeasurementFilter<itk::Image<float, 3>>::New();
    filter->SetInput(itk::OncotomeBridge::ViewOf(labels));
    EXPECT_EQ(CodeOfUpdate(*filter), oncotome::ErrorCode::precondition_unmet) << value;
    labels.at(2, 2, 2) = 255;
    filter->Modified();
    filter->Update();
    EXPECT_EQ(filter->GetLesions().size(), 1u);
  }
}

// Lone voxels at every other index.
oncotome::LabelVolume
Specks(std::int64_t count, std::int64_t per_row)
{
  oncotome::LabelVolume labels;
  labels.geometry.size = { 2 * per_row, 2 * ((count + per_row - 1) / per_row), 1 };
  labels = oncotome::LabelVolume(labels.geometry);
  for (std::int64_t i = 0; i < count; ++i)
    labels.at(2 * (i % per_row), 2 * (i / per_row), 0) = 1;
  return labels;
}

TEST(LesionMeasurementFilter, More_lesions_than_the_output_can_number_are_refused_not_wrapped)
{
  const auto filter = itk::LesionMeasurementFilter<LabelType, itk::Image<unsigned char, 3>>::New();
  const auto most = Specks(255, 16), more = Specks(256, 16);
  filter->SetInput(itk::OncotomeBridge::ViewOf(most));
  filter->Update();
  EXPECT_EQ(filter->GetLesions().size(), 255u);
  filter->SetInput(itk::OncotomeBridge::ViewOf(more));
  EXPECT_EQ(CodeOfUpdate(*filter), oncotome::ErrorCode::precondition_unmet);
  EXPECT_TRUE(filter->GetLesions().empty());
}

TEST(LesionMeasurementFilter, More_than_65535_lesions_are_refused_not_dropped)
{
  const auto filter = Filter::New();
  auto       labels = Specks(65536, 256);
  filter->SetInput(itk::OncotomeBridge::ViewOf(labels));
  EXPECT_EQ(CodeOfUpdate(*filter), oncotome::ErrorCode::precondition_unmet);
  labels.at(0, 0, 0) = 0;
  filter->Modified();
  filter->Update();
  EXPECT_EQ(filter->GetLesions().size(), 65535u);
  EXPECT_EQ(*std::max_element(filter->GetOutput()->GetBufferPointer(),
                              filter->GetOutput()->GetBufferPointer() + labels.voxels.size()),
            65535);
}

TEST(LesionMeasurementFilter, Progress_rises_to_the_end_and_an_abort_stops_at_the_next_slice)
{
  oncotome::LabelVolume labels(Grid());
  std::fill(labels.voxels.begin(), labels.voxels.end(), std::uint8_t{ 1 });
  struct Watch
  {
    float              abort_at;
    std::vector<float> seen{};
  };
  const auto run = [&](Watch & watch)
  {
    const auto filter = Filter::New();
    filter->SetInput(itk::OncotomeBridge::ViewOf(labels));
    const auto command = itk::CStyleCommand::New();
    command->SetClientData(&watch);
    command->SetCallback(
        [](itk::Object * caller, const itk::EventObject &, void * data)
        {
          auto & process = dynamic_cast<itk::ProcessObject &>(*caller);
          auto & to = *static_cast<Watch *>(data);
          to.seen.push_back(process.GetProgress());
          process.SetAbortGenerateData(process.GetProgress() >= to.abort_at);
        });
    filter->AddObserver(itk::ProgressEvent(), command);
    filter->Update();
  };
  Watch whole{ 2.0F };
  run(whole);
  EXPECT_TRUE(std::is_sorted(whole.seen.begin(), whole.seen.end()));
  EXPECT_GE(std::set<float>(whole.seen.begin(), whole.seen.end()).size(), 20u);
  EXPECT_EQ(whole.seen.back(), 1.0F);
  Watch aborted{ 0.4F };
  EXPECT_THROW(run(aborted), itk::ProcessAborted);
  ASSERT_FALSE(aborted.seen.empty());
  EXPECT_LT(aborted.seen.back(), 0.5F);
}

} // namespace
