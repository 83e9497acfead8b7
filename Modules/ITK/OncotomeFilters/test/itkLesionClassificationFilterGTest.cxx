// SPDX-License-Identifier: Apache-2.0
#include "itkLesionClassificationFilter.h"

#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>

#include "itkCommand.h"
#include "itkGTest.h"
#include "itkOncotomeBridge.h"
#include "oncotome/core/digest.h"
#include "oncotome/engine/safetensors.h"

namespace
{

namespace fs = std::filesystem;
using namespace oncotome::engine;
using Filter = itk::LesionClassificationFilter<itk::Image<float, 3>>;

class LesionClassificationFilter : public testing::Test
{
protected:
  void
  SetUp() override
  {
    m_Folder = fs::temp_directory_path() / ("lesion-classes-" + std::to_string(::getpid()));
    oncotome::Geometry grid;
    grid.size = { 30, 24, 6 };
    grid.spacing_mm = { 1, 2, 3 };
    grid.origin_mm = { 5, -6, 7 };
    m_Image = oncotome::Volume<float>(grid);
    for (std::size_t i = 0; i < m_Image.voxels.size(); ++i)
      m_Image.voxels[i] = static_cast<float>((i * 7919) % 256);
    m_Lesions = oncotome::LesionVolume(grid);
    for (std::int64_t x = 3; x < 9; ++x)
      m_Lesions.at(x, 5, 2) = 1;
    m_Lesions.at(3, 5, 3) = 1;
    m_Lesions.at(29, 23, 5) = 4;
    m_Model = Load("");
    m_Filter = Filter::New();
    m_Filter->SetModel(m_Model);
    m_Filter->SetInput(itk::OncotomeBridge::ViewOf(m_Image));
    m_Filter->SetLesionImage(itk::OncotomeBridge::ViewOf(m_Lesions));
  }
  void
  TearDown() override
  {
    fs::remove_all(m_Folder);
  }

  std::shared_ptr<const Model>
  Load(const std::string & margin)
  {
    fs::create_directories(m_Folder);
    NetworkConfig config;
    config.architecture = "lenet5";
    config.in_channels = 1;
    config.classes = 3;
    config.input_size = { 1, 28, 28 };
    const std::string weights = (m_Folder / "w.safetensors").string();
    write_safetensors(weights, initial_weights(config, 8), {});
    const std::string code = R"({"value": "12738006", "scheme": "SCT", "meaning": "Brain"})";
    const std::string json = R"({"schema": "oncotome.model/1", "name": "toy", "title": "Toy", "version": "1",
      "intended_use": "test", "license": "Apache-2.0", "origin": "test",
      "weights": {"file": "w.safetensors", "sha256": ")" +
                             oncotome::sha256_hex_of_file(weights) + R"("},
      "input": {"modality": "MR", "region": )" +
                             code + R"(, "channels": [{"name": "A"}]},
      "image": {"resize": "squash", "rescale": [0, 255], "mean": [0.5], "std": [0.25])" +
                             margin + R"(},
      "network": {"architecture": "lenet5", "dimensions": 2, "in_channels": 1, "classes": 3, "labels": 0,
                  "input_size": [1, 28, 28]},
      "classes": [{"name": "one"}, {"name": "two"}, {"name": "three"}]})";
    return Model::load(parse_model_package(json, m_Folder.string()), Device::cpu, 1);
  }

  Classification
  ByHand(std::int64_t x0, std::int64_t x1, std::int64_t y0, std::int64_t y1, std::int64_t z) const
  {
    Tensor  raw({ 1, 1, 1, y1 - y0, x1 - x0 });
    float * target = raw.values.data();
    for (std::int64_t y = y0; y < y1; ++y)
      for (std::int64_t x = x0; x < x1; ++x)
        *target++ = m_Image.at(x, y, z);
    return classify(*m_Model, raw, {});
  }

  fs::path                     m_Folder;
  oncotome::Volume<float>      m_Image;
  oncotome::LesionVolume       m_Lesions;
  std::shared_ptr<const Model> m_Model;
  Filter::Pointer              m_Filter;
};

TEST_F(LesionClassificationFilter, Each_lesion_has_the_class_of_its_largest_slice)
{
  m_Filter->Update();
  const auto & findings = m_Filter->GetFindings();
  ASSERT_EQ(findings.size(), 2u);
  EXPECT_EQ(findings[0].lesion_id, 1);
  EXPECT_EQ(findings[1].lesion_id, 4);
  EXPECT_EQ(findings[0].classification.probabilities, ByHand(0, 30, 0, 24, 2).probabilities);
  EXPECT_EQ(findings[1].classification.probabilities, ByHand(0, 30, 0, 24, 5).probabilities);
  EXPECT_EQ(m_Filter->GetNumberOfFindings(), 2u);
  EXPECT_EQ(m_Filter->GetLesionNumber(1), 4u);
  const std::array<std::string, 3> names{ "one", "two", "three" };
  EXPECT_EQ(m_Filter->GetLesionClass(1), names[*findings[1].classification.best()]);
  EXPECT_EQ(m_Filter->GetLesionProbability(1, 2), findings[1].classification.probabilities[2]);
  EXPECT_THROW(m_Filter->GetLesionProbability(2, 0), std::out_of_range);
  const auto classes = itk::OncotomeBridge::VolumeOf<std::uint16_t>(m_Filter->GetOutput());
  EXPECT_TRUE(oncotome::same_grid(classes.geometry, m_Lesions.geometry, 1e-9));
  for (std::size_t i = 0; i < classes.voxels.size(); ++i)
  {
    const std::uint16_t id = m_Lesions.voxels[i];
    ASSERT_EQ(classes.voxels[i], id == 0 ? 0 : *findings[id == 1 ? 0 : 1].classification.best() + 1) << "voxel " << i;
  }
}

TEST_F(LesionClassificationFilter, Boxes_with_a_margin_see_a_square_round_them)
{
  m_Model = Load(R"(, "crop_margin_mm": 3)");
  m_Filter->SetModel(m_Model);
  m_Filter->SetLesionImage(nullptr);
  m_Filter->SetBoxes({ { 7, { 4, 6, 1 }, { 9, 8, 2 }, 1 } });
  m_Filter->Update();
  // 6 mm by 6 mm and 3 mm on each side: 12 by 6 voxels round (7, 7.5).
  ASSERT_EQ(m_Filter->GetFindings().size(), 1u);
  EXPECT_EQ(m_Filter->GetFindings()[0].lesion_id, 7);
  const Classification byHand = ByHand(1, 13, 5, 11, 1);
  EXPECT_EQ(m_Filter->GetFindings()[0].classification.probabilities, byHand.probabilities);
  const auto classes = itk::OncotomeBridge::VolumeOf<std::uint16_t>(m_Filter->GetOutput());
  EXPECT_EQ(classes.at(4, 6, 1), *byHand.best() + 1);
  EXPECT_EQ(classes.at(9, 8, 2), *byHand.best() + 1);
  EXPECT_EQ(classes.at(10, 8, 2), 0);
}

TEST_F(LesionClassificationFilter, No_lesion_gives_no_finding_and_wrong_use_an_exception)
{
  std::fill(m_Lesions.voxels.begin(), m_Lesions.voxels.end(), std::uint16_t{ 0 });
  m_Filter->SetLesionImage(itk::OncotomeBridge::ViewOf(m_Lesions));
  m_Filter->Update();
  EXPECT_TRUE(m_Filter->GetFindings().empty());
  m_Filter->SetLesionImage(nullptr);
  m_Filter->SetBoxes({ { 1, { 0, 0, 0 }, { 30, 1, 1 }, 0 } });
  EXPECT_THROW(m_Filter->Update(), itk::OncotomeException);
  const auto without = Filter::New();
  without->SetInput(itk::OncotomeBridge::ViewOf(m_Image));
  EXPECT_THROW(without->Update(), itk::ExceptionObject);
}

TEST_F(LesionClassificationFilter, An_abort_raises_ProcessAborted)
{
  m_Filter->AddObserver(itk::ProgressEvent(), [this](const itk::EventObject &) { m_Filter->AbortGenerateDataOn(); });
  EXPECT_THROW(m_Filter->Update(), itk::ProcessAborted);
}

} // namespace
