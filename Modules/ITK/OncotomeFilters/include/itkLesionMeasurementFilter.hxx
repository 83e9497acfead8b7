// SPDX-License-Identifier: Apache-2.0
#ifndef itkLesionMeasurementFilter_hxx
#define itkLesionMeasurementFilter_hxx

#include <cmath>
#include <string>

#include "itkLesionMeasurementFilter.h"
#include "itkOncotomeBridge.h"

namespace itk
{

template <typename TLabelImage, typename TLesionImage>
void
LesionMeasurementFilter<TLabelImage, TLesionImage>::GenerateInputRequestedRegion()
{
  Superclass::GenerateInputRequestedRegion();
  if (auto * input = const_cast<TLabelImage *>(this->GetInput()))
  {
    input->SetRequestedRegionToLargestPossibleRegion();
  }
}

template <typename TLabelImage, typename TLesionImage>
void
LesionMeasurementFilter<TLabelImage, TLesionImage>::EnlargeOutputRequestedRegion(DataObject * output)
{
  output->SetRequestedRegionToLargestPossibleRegion();
}

template <typename TLabelImage, typename TLesionImage>
void
LesionMeasurementFilter<TLabelImage, TLesionImage>::GenerateData()
{
  std::vector<oncotome::Label> labels = m_Labels;
  for (int value = 1; m_Labels.empty() && value < 256; ++value)
  {
    oncotome::Label label;
    label.value = static_cast<std::uint8_t>(value);
    label.lesion = true;
    labels.push_back(label);
  }
  m_Lesions.clear();
  oncotome::engine::LesionSet found;
  OncotomeBridge::RunAsJob(
      this,
      [&](const oncotome::Job & job)
      {
        found = oncotome::engine::find_lesions(this->ReadLabels(), labels, m_MinimumVolume, job);
        if (static_cast<double>(found.lesions.size()) > static_cast<double>(NumericTraits<LesionPixelType>::max()))
        {
          throw oncotome::Error(oncotome::ErrorCode::precondition_unmet,
                                std::to_string(found.lesions.size()) +
                                    " lesions are more than the output's pixel type can number; choose a wider one");
        }
      });

  m_Lesions = std::move(found.lesions);
  this->AllocateOutputs();
  auto * ids = this->GetOutput()->GetBufferPointer();
  for (const std::uint16_t id : found.ids.voxels)
  {
    *ids++ = static_cast<LesionPixelType>(id);
  }
}

template <typename TLabelImage, typename TLesionImage>
oncotome::LabelVolume
LesionMeasurementFilter<TLabelImage, TLesionImage>::ReadLabels() const
{
  oncotome::LabelVolume                   labels(OncotomeBridge::GeometryOf(this->GetInput()));
  const typename TLabelImage::PixelType * pixel = this->GetInput()->GetBufferPointer();
  for (std::uint8_t & label : labels.voxels)
  {
    const auto value = static_cast<double>(*pixel++);
    if (!(value >= 0 && value <= 255 && value == std::floor(value)))
    {
      throw oncotome::Error(oncotome::ErrorCode::precondition_unmet,
                            "the label image holds " + std::to_string(value) +
                                "; labels are whole numbers from 0 to 255");
    }
    label = static_cast<std::uint8_t>(value);
  }
  return labels;
}

template <typename TLabelImage, typename TLesionImage>
void
LesionMeasurementFilter<TLabelImage, TLesionImage>::PrintSelf(std::ostream & os, Indent indent) const
{
  Superclass::PrintSelf(os, indent);
  os << indent << "MinimumVolume: " << m_MinimumVolume << std::endl;
  os << indent << "Lesions: " << m_Lesions.size() << std::endl;
}

} // namespace itk

#endif
