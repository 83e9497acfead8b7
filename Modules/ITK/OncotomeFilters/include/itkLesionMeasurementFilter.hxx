// SPDX-License-Identifier: Apache-2.0
#ifndef itkLesionMeasurementFilter_hxx
#define itkLesionMeasurementFilter_hxx

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
  const auto                  volume = OncotomeBridge::VolumeOf<std::uint8_t>(this->GetInput());
  oncotome::engine::LesionSet found = oncotome::engine::find_lesions(volume, labels, m_MinimumVolume);
  m_Lesions = std::move(found.lesions);
  this->AllocateOutputs();
  auto * ids = this->GetOutput()->GetBufferPointer();
  for (const std::uint16_t id : found.ids.voxels)
  {
    *ids++ = static_cast<typename TLesionImage::PixelType>(id);
  }
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
