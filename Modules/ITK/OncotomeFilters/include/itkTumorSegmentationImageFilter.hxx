// SPDX-License-Identifier: Apache-2.0
#ifndef itkTumorSegmentationImageFilter_hxx
#define itkTumorSegmentationImageFilter_hxx

#include <type_traits>

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
TumorSegmentationImageFilter<TInputImage, TLabelImage>::SetModel(ModelPointer model)
{
  if (m_Model != model)
  {
    m_Model = std::move(model);
    this->Modified();
  }
  m_LoadedAs = this->LoadKey();
}

template <typename TInputImage, typename TLabelImage>
auto
TumorSegmentationImageFilter<TInputImage, TLabelImage>::GetModel() -> ModelPointer
{
  if (!m_Model || m_LoadedAs != this->LoadKey())
  {
    try
    {
      m_Model = oncotome::engine::Model::load(oncotome::engine::read_model_package(m_ModelDirectory),
                                              oncotome::engine::parse_device(m_Device),
                                              static_cast<int>(m_BackendThreads),
                                              oncotome::engine::parse_precision(m_Precision));
      m_LoadedAs = this->LoadKey();
    }
    catch (const oncotome::Error & error)
    {
      throw OncotomeException(__FILE__, __LINE__, error);
    }
  }
  return m_Model;
}

template <typename TInputImage, typename TLabelImage>
void
TumorSegmentationImageFilter<TInputImage, TLabelImage>::SetChannel(const std::string &    name,
                                                                   const InputImageType * image)
{
  try
  {
    this->SetInput(static_cast<unsigned int>(this->GetModel()->package().channel_index(name)), image);
  }
  catch (const oncotome::Error & error)
  {
    throw OncotomeException(__FILE__, __LINE__, error);
  }
}

template <typename TInputImage, typename TLabelImage>
void
TumorSegmentationImageFilter<TInputImage, TLabelImage>::VerifyPreconditions() ITKv5_CONST
{
  auto &       self = const_cast<Self &>(*this);
  const auto & channels = self.GetModel()->package().channels;
  for (unsigned int i = 0; i < channels.size(); ++i)
  {
    if (this->GetInput(i) == nullptr)
    {
      itkExceptionMacro(<< "input " << i << " is not set: it is the channel " << channels[i].name);
    }
  }
  Superclass::VerifyPreconditions();
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
TumorSegmentationImageFilter<TInputImage, TLabelImage>::GenerateInputRequestedRegion()
{
  for (const auto & name : this->GetInputNames())
  {
    if (auto * input = dynamic_cast<ImageBase<3> *>(this->ProcessObject::GetInput(name)))
    {
      input->SetRequestedRegionToLargestPossibleRegion();
    }
  }
}

template <typename TInputImage, typename TLabelImage>
void
TumorSegmentationImageFilter<TInputImage, TLabelImage>::EnlargeOutputRequestedRegion(DataObject * output)
{
  output->SetRequestedRegionToLargestPossibleRegion();
}

template <typename TInputImage, typename TLabelImage>
void
TumorSegmentationImageFilter<TInputImage, TLabelImage>::GenerateData()
{
  const ModelPointer model = this->GetModel();

  OncotomeBridge::RunAsJob(this,
                           [&](const oncotome::Job & job)
                           {
                             // Float images are read where they lie.
                             std::vector<oncotome::Volume<float>>       copies;
                             std::vector<oncotome::engine::ChannelView> channels;
                             const std::size_t                          count = model->package().channels.size();
                             copies.reserve(count);
                             for (unsigned int i = 0; i < count; ++i)
                             {
                               const InputImageType * image = this->GetInput(i);
                               if constexpr (std::is_same_v<typename InputImageType::PixelType, float>)
                               {
                                 channels.push_back({ OncotomeBridge::GeometryOf(image), image->GetBufferPointer() });
                               }
                               else
                               {
                                 copies.push_back(OncotomeBridge::VolumeOf<float>(image));
                                 channels.push_back({ copies.back().geometry, copies.back().voxels.data() });
                               }
                             }
                             oncotome::LabelVolume mask;
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
  os << indent << "ModelDirectory: " << m_ModelDirectory << std::endl;
  os << indent << "Device: " << m_Device << std::endl;
  os << indent << "Precision: " << m_Precision << std::endl;
  os << indent << "BackendThreads: " << m_BackendThreads << std::endl;
  os << indent << "Seed: " << m_Seed << std::endl;
  os << indent << "FromDicom: " << (m_FromDicom ? "On" : "Off") << std::endl;
  os << indent << "WithProbabilities: " << (m_WithProbabilities ? "On" : "Off") << std::endl;
  os << indent << "WithEntropy: " << (m_WithEntropy ? "On" : "Off") << std::endl;
  os << indent << "Model: " << (m_Model ? m_Model->package().name : "(not loaded)") << std::endl;
}

} // namespace itk

#endif
