// SPDX-License-Identifier: Apache-2.0
#include "itkRigidChannelRegistrationFilter.h"

#include <unistd.h>

#include <cmath>
#include <cstdio>

#include "itkCommand.h"
#include "itkGTest.h"
#include "itkImageFileReader.h"
#include "itkImageFileWriter.h"
#include "itkNrrdImageIO.h"
#include "itkOncotomeBridge.h"

namespace
{

using ImageType = itk::Image<float, 3>;
using Filter = itk::RigidChannelRegistrationFilter<ImageType>;
using oncotome::operator+;
using oncotome::operator-;

// A head of blobs and folds that no symmetry repeats, as two contrasts show it.
double
Head(const oncotome::Vec3 & p, bool inverted)
{
  const double inside = p[0] * p[0] / 4900 + p[1] * p[1] / 7200 + p[2] * p[2] / 4200;
  if (inside > 1)
  {
    return 0;
  }
  double value =
      60 + 20 * std::sin(p[0] / 7 + p[1] / 31) * std::sin(p[1] / 8 - p[2] / 23) + 15 * std::cos(p[2] / 6 + p[0] / 19);
  for (int i = 0; i < 9; ++i)
  {
    const oncotome::Vec3 blob{ 45 * std::sin(2.1 * i), 55 * std::sin(1.3 * i + 1), 40 * std::cos(1.7 * i) };
    const double         r = oncotome::norm(p - blob) / (8 + i);
    value += 12 * (i % 4 + 1) * std::exp(-r * r);
  }
  return inverted ? 220 - value : value;
}

oncotome::Volume<float>
Scan(const oncotome::Vec3 & spacing, const itk::Euler3DTransform<double> & pose, bool inverted)
{
  oncotome::Geometry grid;
  for (std::size_t a = 0; a < 3; ++a)
  {
    grid.size[a] = static_cast<std::int64_t>(200 / spacing[a]);
    grid.spacing_mm[a] = spacing[a];
    grid.origin_mm[a] = -0.5 * spacing[a] * static_cast<double>(grid.size[a] - 1);
  }
  oncotome::Volume<float> volume(grid);
  for (std::int64_t z = 0; z < grid.size[2]; ++z)
    for (std::int64_t y = 0; y < grid.size[1]; ++y)
      for (std::int64_t x = 0; x < grid.size[0]; ++x)
      {
        const oncotome::Vec3 p =
            grid.position_mm({ static_cast<double>(x), static_cast<double>(y), static_cast<double>(z) });
        const auto q = pose.TransformPoint(itk::Point<double, 3>(p.data()));
        volume.at(x, y, z) = static_cast<float>(Head({ q[0], q[1], q[2] }, inverted));
      }
  return volume;
}

class RigidChannelRegistrationFilter : public testing::Test
{
protected:
  void
  SetUp() override
  {
    m_Pose = itk::Euler3DTransform<double>::New();
    m_Pose->SetRotation(0.1, -0.07, 0.12);
    m_Pose->SetTranslation(itk::Vector<double, 3>(std::array<double, 3>{ 8, -5, 6 }.data()));
    m_Fixed = Scan({ 2, 2, 3 }, *itk::Euler3DTransform<double>::New(), false);
    m_Moving = Scan({ 2.5, 2, 2.5 }, *m_Pose, true);
    m_Filter = Filter::New();
    m_Filter->SetFixedImage(itk::OncotomeBridge::ViewOf(m_Fixed));
    m_Filter->SetMovingImage(itk::OncotomeBridge::ViewOf(m_Moving));
  }

  itk::Euler3DTransform<double>::Pointer m_Pose;
  oncotome::Volume<float>                m_Fixed, m_Moving;
  Filter::Pointer                        m_Filter;
};

TEST_F(RigidChannelRegistrationFilter, Finds_a_known_pose_across_contrasts_and_moves_the_grid_by_it)
{
  m_Filter->Update();
  EXPECT_GT(m_Filter->GetInformationAfter(), m_Filter->GetInformationBefore());
  EXPECT_NEAR(m_Filter->GetRotationAngle(), 180 / itk::Math::pi * 0.17, 1.0);
  double greatest = 0;
  for (const auto & p : { oncotome::Vec3{ 50, 0, 0 }, { -50, 20, 10 }, { 0, 60, -30 }, { 10, -60, 40 } })
  {
    // The point of the moving scan that shows p is where the pose leads to p.
    const itk::Point<double, 3> point(p.data());
    auto                        inverse = itk::Euler3DTransform<double>::New();
    m_Pose->GetInverse(inverse);
    const auto there = inverse->TransformPoint(point);
    greatest = std::max(greatest, (m_Filter->GetTransform()->TransformPoint(point) - there).GetNorm());
    itk::ContinuousIndex<double, 3> index;
    itk::OncotomeBridge::ViewOf(m_Moving)->TransformPhysicalPointToContinuousIndex(there, index);
    itk::Point<double, 3> moved;
    m_Filter->GetOutput()->TransformContinuousIndexToPhysicalPoint(index, moved);
    greatest = std::max(greatest, (moved - point).GetNorm());
  }
  EXPECT_LT(greatest, 1.0);
  EXPECT_EQ(m_Filter->GetOutput()->GetBufferPointer(), m_Moving.voxels.data());
}

TEST_F(RigidChannelRegistrationFilter, Coordinates_that_have_nothing_in_common_are_bridged_the_same_way_each_time)
{
  m_Moving.geometry.origin_mm = m_Moving.geometry.origin_mm + oncotome::Vec3{ 300, -200, 500 };
  itk::OncotomeBridge::SetGeometry(const_cast<ImageType *>(m_Filter->GetMovingImage()), m_Moving.geometry);
  m_Filter->CoordinatesDifferOn();
  m_Filter->Update();
  const auto first = m_Filter->GetTransform()->GetParameters();
  EXPECT_NEAR(m_Filter->GetRotationAngle(), 180 / itk::Math::pi * 0.17, 1.0);
  m_Filter->Modified();
  m_Filter->Update();
  EXPECT_EQ(first, m_Filter->GetTransform()->GetParameters());
}

TEST_F(RigidChannelRegistrationFilter, Aligned_scans_are_seen_as_such_by_the_coarse_step_and_moved_ones_are_not)
{
  const auto aligned = Scan({ 2.5, 2, 2.5 }, *itk::Euler3DTransform<double>::New(), true);
  int        iterations = 0;
  m_Filter->AddObserver(itk::ProgressEvent(), [&](const itk::EventObject &) { ++iterations; });
  m_Filter->SetAlignedWithin(2);
  m_Filter->Update();
  EXPECT_GT(m_Filter->GetDisplacement(), 10);
  const int all = iterations;
  iterations = 0;
  m_Filter->SetMovingImage(itk::OncotomeBridge::ViewOf(aligned));
  m_Filter->Update();
  EXPECT_LT(m_Filter->GetDisplacement(), 1);
  EXPECT_LT(iterations, all);
}

// A writer takes the geometry from the output's information, before it asks for voxels.
TEST_F(RigidChannelRegistrationFilter, A_writer_behind_it_writes_the_moved_grid)
{
  const std::string path = testing::TempDir() + "moved-" + std::to_string(::getpid()) + ".nrrd";
  const auto        writer = itk::ImageFileWriter<ImageType>::New();
  writer->SetImageIO(itk::NrrdImageIO::New());
  writer->SetInput(m_Filter->GetOutput());
  writer->SetFileName(path);
  writer->Update();
  const auto reader = itk::ImageFileReader<ImageType>::New();
  reader->SetImageIO(itk::NrrdImageIO::New());
  reader->SetFileName(path);
  reader->Update();
  std::remove(path.c_str());
  const auto moved = m_Filter->GetOutput()->GetOrigin(), written = reader->GetOutput()->GetOrigin();
  EXPECT_GT((moved - m_Filter->GetMovingImage()->GetOrigin()).GetNorm(), 5);
  EXPECT_LT((moved - written).GetNorm(), 1e-3);
}

TEST_F(RigidChannelRegistrationFilter, A_fixed_image_whose_index_is_not_zero_is_the_same_image)
{
  m_Filter->Update();
  const double               before = m_Filter->GetInformationBefore();
  const auto                 cut = itk::OncotomeBridge::ViewOf(m_Fixed);
  const ImageType::IndexType first{ { 7, -5, 11 } };
  ImageType::PointType       origin;
  const ImageType::IndexType back{ { -7, 5, -11 } };
  cut->TransformIndexToPhysicalPoint(back, origin);
  cut->SetRegions(ImageType::RegionType(first, cut->GetLargestPossibleRegion().GetSize()));
  cut->SetOrigin(origin);
  m_Filter->SetFixedImage(cut);
  m_Filter->Update();
  EXPECT_NEAR(m_Filter->GetInformationBefore(), before, 1e-9);
  EXPECT_NEAR(m_Filter->GetRotationAngle(), 180 / itk::Math::pi * 0.17, 1.0);
}

TEST_F(RigidChannelRegistrationFilter, An_abort_ends_it)
{
  m_Filter->AddObserver(itk::ProgressEvent(), [this](const itk::EventObject &) { m_Filter->AbortGenerateDataOn(); });
  bool told = false;
  m_Filter->AddObserver(itk::AbortEvent(), [&told](const itk::EventObject &) { told = true; });
  EXPECT_THROW(m_Filter->Update(), itk::ProcessAborted);
  EXPECT_TRUE(told);
}

} // namespace
