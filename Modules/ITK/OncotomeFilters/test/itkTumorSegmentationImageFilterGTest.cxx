// SPDX-License-Identifier: Apache-2.0
#include "itkTumorSegmentationImageFilter.h"

#include <numeric>

#include "ToyModel.h"
#include "itkCommand.h"
#include "itkGTest.h"
#include "itkOncotomeBridge.h"

namespace
{

using LabelType = itk::Image<unsigned char, 3>;
using Filter = itk::TumorSegmentationImageFilter<itk::Image<float, 3>, LabelType>;

// A turned and flipped grid with values that no symmetry repeats.
oncotome::Volume<float>
Ramp()
{
  oncotome::Geometry grid;
  grid.size = { 14, 12, 10 };
  grid.spacing_mm = { 1, 2, 3 };
  grid.origin_mm = { 5, -6, 7 };
  grid.axis = { { { 0, -1, 0 }, { 0, 0, 1 }, { 1, 0, 0 } } };
  oncotome::Volume<float> volume(grid);
  for (std::size_t i = 0; i < volume.voxels.size(); ++i)
    volume.voxels[i] = static_cast<float>((i * 7919) % 1009);
  return volume;
}

class TumorSegmentationImageFilter : public testing::Test
{
protected:
  void
  SetUp() override
  {
    m_Folder = MakeToyModel("toy", 16);
    m_Filter = Filter::New();
    m_Filter->SetModelDirectory(m_Folder);
    m_Filter->SetChannel("first", itk::OncotomeBridge::ViewOf(m_A));
    m_Filter->SetChannel("b", itk::OncotomeBridge::ViewOf(m_B));
  }
  void
  TearDown() override
  {
    std::filesystem::remove_all(m_Folder);
  }

  std::string                   m_Folder;
  const oncotome::Volume<float> m_A = Ramp();
  oncotome::Volume<float>       m_B = Ramp();
  Filter::Pointer               m_Filter;
};

TEST(OncotomeBridge, Spacings_that_are_no_lengths_of_voxels_are_refused)
{
  for (const double spacing : { 1e-4, 1e4, 9e-5, 1e-300, 1.1e4, 1e300 })
  {
    const auto image = LabelType::New();
    auto       grid = Ramp().geometry;
    grid.spacing_mm[1] = spacing;
    itk::OncotomeBridge::SetGeometry(image.GetPointer(), grid);
    const auto read = [&] { itk::OncotomeBridge::GeometryOf(image.GetPointer()); };
    if (spacing == 1e-4 || spacing == 1e4)
      EXPECT_NO_THROW(read()) << spacing;
    else
      EXPECT_THROW(read(), oncotome::Error) << spacing;
  }
}

TEST_F(TumorSegmentationImageFilter, Labels_are_those_of_the_closed_form_on_the_input_grid)
{
  m_Filter->Update();
  // The volume is padded with zeros to one tile, which the mean counts.
  const double mean = std::accumulate(m_A.voxels.begin(), m_A.voxels.end(), 0.0) / (16 * 16 * 16);
  const auto   labels = itk::OncotomeBridge::VolumeOf<std::uint8_t>(m_Filter->GetOutput());
  EXPECT_TRUE(oncotome::same_grid(labels.geometry, m_A.geometry, 1e-9));
  for (std::size_t i = 0; i < m_A.voxels.size(); ++i)
    ASSERT_EQ(labels.voxels[i], m_A.voxels[i] > mean ? 3 : 0) << "voxel " << i;
}

TEST_F(TumorSegmentationImageFilter, Probabilities_are_the_softmax_of_the_closed_form_and_agree_with_the_labels)
{
  m_Filter->Update();
  EXPECT_TRUE(m_Filter->GetSegmentation().probabilities.empty());
  m_Filter->WithProbabilitiesOn();
  m_Filter->Update();
  const auto   labels = itk::OncotomeBridge::VolumeOf<std::uint8_t>(m_Filter->GetOutput());
  const auto & maps = m_Filter->GetSegmentation().probabilities;
  ASSERT_EQ(maps.size(), 1u);
  EXPECT_EQ(maps[0].labels, std::vector<std::uint8_t>{ 3 });
  EXPECT_TRUE(oncotome::same_grid(maps[0].values.geometry, m_A.geometry, 1e-9));
  const double count = 16 * 16 * 16; // one tile, padded with zeros
  const double mean = std::accumulate(m_A.voxels.begin(), m_A.voxels.end(), 0.0) / count;
  const double squares = std::inner_product(m_A.voxels.begin(), m_A.voxels.end(), m_A.voxels.begin(), 0.0) / count;
  for (std::size_t i = 0; i < m_A.voxels.size(); ++i)
  {
    const double normal = (m_A.voxels[i] - mean) / std::sqrt(squares - mean * mean);
    const double logit = normal > 0 ? normal : 0.01 * normal;
    EXPECT_NEAR(maps[0].values.voxels[i], 255 / (1 + std::exp(-logit)), 0.51) << "voxel " << i;
    EXPECT_EQ(labels.voxels[i] == 3, logit > 0) << "voxel " << i;
  }
}

TEST_F(TumorSegmentationImageFilter, A_second_update_without_change_does_no_work_and_one_with_another_pixel_type_agrees)
{
  m_Filter->Update();
  const auto time = m_Filter->GetOutput()->GetUpdateMTime();
  m_Filter->Update();
  EXPECT_EQ(m_Filter->GetOutput()->GetUpdateMTime(), time);

  using ShortImage = itk::Image<short, 3>;
  oncotome::Volume<short> a(m_A.geometry);
  for (std::size_t i = 0; i < a.voxels.size(); ++i)
    a.voxels[i] = static_cast<short>(m_A.voxels[i]);
  const auto filter = itk::TumorSegmentationImageFilter<ShortImage, LabelType>::New();
  filter->SetModel(m_Filter->GetModel());
  filter->SetInput(0, itk::OncotomeBridge::ViewOf(a));
  filter->SetInput(1, itk::OncotomeBridge::ViewOf(a));
  filter->Update();
  EXPECT_EQ(itk::OncotomeBridge::VolumeOf<std::uint8_t>(filter->GetOutput()).voxels,
            itk::OncotomeBridge::VolumeOf<std::uint8_t>(m_Filter->GetOutput()).voxels);
}

TEST_F(TumorSegmentationImageFilter, A_channel_on_another_grid_is_resampled_and_the_correction_is_told)
{
  m_B.geometry = oncotome::engine::oriented(m_B.geometry);
  m_Filter->SetChannel("B", itk::OncotomeBridge::ViewOf(m_B));
  m_Filter->Update();
  ASSERT_EQ(m_Filter->GetSegmentation().corrections.size(), 1u);
  EXPECT_NE(m_Filter->GetSegmentation().corrections[0].find("channel B was resampled"), std::string::npos);
}

TEST_F(TumorSegmentationImageFilter, Sheared_axes_are_refused)
{
  m_B.geometry.axis[2] = { 0.995, 0.0998, 0 };
  m_Filter->SetChannel("B", itk::OncotomeBridge::ViewOf(m_B));
  try
  {
    m_Filter->Update();
    FAIL();
  }
  catch (const itk::OncotomeException & error)
  {
    EXPECT_EQ(error.GetError().code(), oncotome::ErrorCode::input_unsupported);
  }
}

TEST_F(TumorSegmentationImageFilter, A_device_chosen_after_the_model_was_looked_at_is_heeded)
{
  m_Filter->SetDevice("abacus");
  EXPECT_THROW(m_Filter->Update(), itk::OncotomeException);
}

TEST_F(TumorSegmentationImageFilter, A_model_that_was_given_stays_whatever_is_chosen_for_loading_one)
{
  const auto filter = Filter::New();
  filter->SetModel(m_Filter->GetModel());
  filter->SetDevice("abacus");
  EXPECT_EQ(filter->GetModel(), m_Filter->GetModel());
  filter->SetModelDirectory(m_Filter->GetModelDirectory());
  EXPECT_THROW(filter->GetModel(), itk::OncotomeException);
}

TEST_F(TumorSegmentationImageFilter, A_precision_chosen_after_the_model_was_looked_at_is_heeded)
{
  m_Filter->SetPrecision("f16");
  EXPECT_THROW(m_Filter->Update(), itk::OncotomeException);
}

TEST_F(TumorSegmentationImageFilter, A_missing_channel_is_named)
{
  m_Filter->SetInput(1, nullptr);
  try
  {
    m_Filter->Update();
    FAIL();
  }
  catch (const itk::ExceptionObject & error)
  {
    EXPECT_NE(std::string(error.GetDescription()).find("channel B"), std::string::npos);
  }
}

TEST_F(TumorSegmentationImageFilter, An_abort_from_an_observer_stops_at_the_next_tile)
{
  const std::string folder = MakeToyModel("small", 4);
  m_Filter->SetModelDirectory(folder);
  int        events = 0;
  const auto command = itk::CStyleCommand::New();
  command->SetClientData(&events);
  command->SetCallback(
      [](itk::Object * caller, const itk::EventObject &, void * data)
      {
        auto * process = dynamic_cast<itk::ProcessObject *>(caller);
        if (process->GetProgress() > 0.3F && process->GetProgress() < 1.0F && ++*static_cast<int *>(data) > 0)
          process->SetAbortGenerateData(true);
      });
  m_Filter->AddObserver(itk::ProgressEvent(), command);
  EXPECT_THROW(m_Filter->Update(), itk::ProcessAborted);
  EXPECT_EQ(events, 1);
  std::filesystem::remove_all(folder);
}

} // namespace
