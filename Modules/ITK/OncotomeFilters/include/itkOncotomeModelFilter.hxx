// SPDX-License-Identifier: Apache-2.0
#ifndef itkOncotomeModelFilter_hxx
#define itkOncotomeModelFilter_hxx

#include <type_traits>

#include "itkOncotomeBridge.h"
#include "itkOncotomeModelFilter.h"

namespace itk
{

template <typename TInputImage, typename TOutputImage>
void
OncotomeModelFilter<TInputImage, TOutputImage>::SetModel(ModelPointer model)
{
  if (m_Model != model || !m_ModelDirectory.empty())
  {
    m_Model = std::move(model);
    m_ModelDirectory.clear();
    this->Modified();
  }
}

template <typename TInputImage, typename TOutputImage>
auto
OncotomeModelFilter<TInputImage, TOutputImage>::GetModel() -> ModelPointer
{
  if (m_ModelDirectory.empty() && !m_Model)
  {
    itkExceptionMacro(<< "no model is set: give ModelDirectory or a model");
  }
  if (!m_ModelDirectory.empty() && (!m_Model || m_LoadedAs != this->LoadKey()))
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

template <typename TInputImage, typename TOutputImage>
void
OncotomeModelFilter<TInputImage, TOutputImage>::SetChannel(const std::string & name, const InputImageType * image)
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

template <typename TInputImage, typename TOutputImage>
void
OncotomeModelFilter<TInputImage, TOutputImage>::VerifyPreconditions() ITKv5_CONST
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

template <typename TInputImage, typename TOutputImage>
void
OncotomeModelFilter<TInputImage, TOutputImage>::GenerateInputRequestedRegion()
{
  for (const auto & name : this->GetInputNames())
  {
    if (auto * input = dynamic_cast<ImageBase<3> *>(this->ProcessObject::GetInput(name)))
    {
      input->SetRequestedRegionToLargestPossibleRegion();
    }
  }
}

template <typename TInputImage, typename TOutputImage>
void
OncotomeModelFilter<TInputImage, TOutputImage>::EnlargeOutputRequestedRegion(DataObject * output)
{
  output->SetRequestedRegionToLargestPossibleRegion();
}

template <typename TInputImage, typename TOutputImage>
std::vector<oncotome::engine::ChannelView>
OncotomeModelFilter<TInputImage, TOutputImage>::ViewChannels(std::vector<oncotome::Volume<float>> & copies)
{
  const std::size_t                          count = m_Model->package().channels.size();
  std::vector<oncotome::engine::ChannelView> channels;
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
  return channels;
}

template <typename TInputImage, typename TOutputImage>
void
OncotomeModelFilter<TInputImage, TOutputImage>::PrintSelf(std::ostream & os, Indent indent) const
{
  Superclass::PrintSelf(os, indent);
  os << indent << "ModelDirectory: " << m_ModelDirectory << std::endl;
  os << indent << "Device: " << m_Device << std::endl;
  os << indent << "Precision: " << m_Precision << std::endl;
  os << indent << "BackendThreads: " << m_BackendThreads << std::endl;
  os << indent << "Model: " << (m_Model ? m_Model->package().name : "(not loaded)") << std::endl;
}

} // namespace itk

#endif
