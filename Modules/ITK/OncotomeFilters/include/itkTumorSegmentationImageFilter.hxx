// SPDX-License-Identifier: Apache-2.0
#ifndef itkTumorSegmentationImageFilter_hxx
#define itkTumorSegmentationImageFilter_hxx

#include "itkOncotomeBridge.h"
#include "itkTumorSegmentationImageFilter.h"

namespace itk
{

template <typename TInputImage, typename TLabelImage>
TumorSegmentationImageFilter<TInputImage, TLabelImage>::TumorSegmentationImageFilter()
{
  this->AddOptionalInputName("MaskImage");
}

template <typename TInputImage, typename TLabelImage>
void
TumorSegmentationImageFilter<TInputImage, TLabelImage>::GenerateOutputInformation()
{
  this->GetOutput()->CopyInformation(
      this->GetInput(static_cast<unsigned int>(this->GetModel()->package().reference_channel)));
}

template <typename TInputImage, typename TLabelImage>
void
TumorSegmentationImageFilter<TInputImage, TLabelImage>::GenerateData()
{
  const auto model = this->GetModel();

  OncotomeBridge::RunAsJob(this,
                           [&](const oncotome::Job & job)
                           {
                             std::vector<oncotome::Volume<float>> copies;
                             const auto                           channels = this->ViewChannels(copies);
                             oncotome::LabelVolume                mask;
                             if (this->GetMaskImage() != nullptr)
                             {
                               mask = OncotomeBridge::VolumeOf<std::uint8_t>(this->GetMaskImage());
                             }
                             oncotome::engine::SegmentRequest request;
                             request.mask = mask.voxels.empty() ? nullptr : &mask;
                             request.seed = m_Seed;
                             request.from_dicom = m_FromDicom;
                             request.probabilities = m_WithProbabilities;
                             request.entropy = m_WithEntropy;
                             m_Segmentation = oncotome::engine::segment(*model, channels, request, job);
                           });

  this->AllocateOutputs();
  auto * labels = this->GetOutput()->GetBufferPointer();
  for (const std::uint8_t label : m_Segmentation.labels.voxels)
  {
    *labels++ = static_cast<typename LabelImageType::PixelType>(label);
  }
  m_Segmentation.labels = {};
}

template <typename TInputImage, typename TLabelImage>
void
TumorSegmentationImageFilter<TInputImage, TLabelImage>::PrintSelf(std::ostream & os, Indent indent) const
{
  Superclass::PrintSelf(os, indent);
  os << indent << "Seed: " << m_Seed << std::endl;
  os << indent << "FromDicom: " << (m_FromDicom ? "On" : "Off") << std::endl;
  os << indent << "WithProbabilities: " << (m_WithProbabilities ? "On" : "Off") << std::endl;
  os << indent << "WithEntropy: " << (m_WithEntropy ? "On" : "Off") << std::endl;
}

} // namespace itk

#endif
