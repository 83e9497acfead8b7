// SPDX-License-Identifier: Apache-2.0
#ifndef itkLesionClassificationFilter_hxx
#define itkLesionClassificationFilter_hxx

#include <map>

#include "itkImageRegionIterator.h"
#include "itkLesionClassificationFilter.h"
#include "itkOncotomeBridge.h"

namespace itk
{

template <typename TInputImage, typename TClassImage>
LesionClassificationFilter<TInputImage, TClassImage>::LesionClassificationFilter()
{
  this->AddOptionalInputName("LesionImage");
}

template <typename TInputImage, typename TClassImage>
void
LesionClassificationFilter<TInputImage, TClassImage>::GenerateOutputInformation()
{
  if (this->GetLesionImage() != nullptr)
  {
    this->GetOutput()->CopyInformation(this->GetLesionImage());
  }
  else
  {
    Superclass::GenerateOutputInformation();
  }
}

template <typename TInputImage, typename TClassImage>
void
LesionClassificationFilter<TInputImage, TClassImage>::GenerateData()
{
  const auto model = this->GetModel();
  m_Findings.clear();
  m_ClassNames.clear();
  oncotome::LesionVolume                   lesions;
  std::vector<oncotome::engine::LesionBox> boxes = m_Boxes;
  OncotomeBridge::RunAsJob(this,
                           [&](const oncotome::Job & job)
                           {
                             std::vector<oncotome::Volume<float>> copies;
                             const auto                           channels = this->ViewChannels(copies);
                             if (this->GetLesionImage() != nullptr)
                             {
                               lesions = OncotomeBridge::VolumeOf<std::uint16_t>(this->GetLesionImage());
                               boxes = oncotome::engine::lesion_boxes(lesions);
                             }
                             const oncotome::Geometry & grid =
                                 this->GetLesionImage() != nullptr ? lesions.geometry : channels[0].geometry;
                             m_Findings = oncotome::engine::classify_lesions(*model, channels, grid, boxes, job);
                           });

  for (const auto & label : oncotome::engine::image_inference(model->package()).classes)
  {
    m_ClassNames.push_back(label.name);
  }
  this->AllocateOutputs();
  TClassImage * output = this->GetOutput();
  output->FillBuffer(0);
  std::map<std::uint16_t, typename TClassImage::PixelType> class_of;
  for (std::size_t i = 0; i < m_Findings.size(); ++i)
  {
    const auto best = m_Findings[i].classification.best();
    const auto value = static_cast<typename TClassImage::PixelType>(best ? *best + 1 : 0);
    class_of[m_Findings[i].lesion_id] = value;
    if (!lesions.voxels.empty())
    {
      continue;
    }
    typename TClassImage::RegionType region = output->GetLargestPossibleRegion();
    for (unsigned int a = 0; a < 3; ++a)
    {
      region.SetIndex(a, region.GetIndex(a) + boxes[i].first[a]);
      region.SetSize(a, static_cast<SizeValueType>(boxes[i].last[a] - boxes[i].first[a] + 1));
    }
    for (ImageRegionIterator<TClassImage> it(output, region); !it.IsAtEnd(); ++it)
    {
      it.Set(value);
    }
  }
  auto * pixel = output->GetBufferPointer();
  for (const std::uint16_t id : lesions.voxels)
  {
    *pixel++ = id == 0 ? 0 : class_of.at(id);
  }
}

template <typename TInputImage, typename TClassImage>
void
LesionClassificationFilter<TInputImage, TClassImage>::PrintSelf(std::ostream & os, Indent indent) const
{
  Superclass::PrintSelf(os, indent);
  os << indent << "Boxes: " << m_Boxes.size() << std::endl;
  os << indent << "Findings: " << m_Findings.size() << std::endl;
}

} // namespace itk

#endif
