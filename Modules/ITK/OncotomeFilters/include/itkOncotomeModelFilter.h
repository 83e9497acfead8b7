// SPDX-License-Identifier: Apache-2.0
#ifndef itkOncotomeModelFilter_h
#define itkOncotomeModelFilter_h

#include <memory>
#include <string>
#include <vector>

#include "itkImageToImageFilter.h"
#include "oncotome/engine/session.h"

namespace itk
{

/** \class OncotomeModelFilter
 * \brief What filters that run a model package have in common: the model, and a 3-D scalar image per channel.
 *
 * The model package (model.json and weights) names its channels; inputs are set by number in its order or by name with
 * SetChannel(). Channels may lie on different grids.
 *
 * \ingroup OncotomeFilters
 */
template <typename TInputImage, typename TOutputImage>
class ITK_TEMPLATE_EXPORT OncotomeModelFilter : public ImageToImageFilter<TInputImage, TOutputImage>
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(OncotomeModelFilter);

  static_assert(TInputImage::ImageDimension == 3 && TOutputImage::ImageDimension == 3, "3-D images only");

  using Self = OncotomeModelFilter;
  using Superclass = ImageToImageFilter<TInputImage, TOutputImage>;
  using Pointer = SmartPointer<Self>;
  using ConstPointer = SmartPointer<const Self>;
  using InputImageType = TInputImage;
  using ModelPointer = std::shared_ptr<const oncotome::engine::Model>;

  itkTypeMacro(OncotomeModelFilter, ImageToImageFilter);

  /** Folder of the model package; loaded at the first update. */
  itkSetStringMacro(ModelDirectory);
  itkGetStringMacro(ModelDirectory);

  /** "auto" (default), "cpu" or "cuda". This and the next two are of a model that is loaded from ModelDirectory. */
  itkSetStringMacro(Device);
  itkGetStringMacro(Device);

  /** "f32" (default); "strict": float32 in sums of one order; "bf16" and "int8": coarser and faster, on the CPU. */
  itkSetStringMacro(Precision);
  itkGetStringMacro(Precision);

  /** Threads of the backend; 0, the default, is one per core. */
  itkSetMacro(BackendThreads, unsigned int);
  itkGetConstMacro(BackendThreads, unsigned int);

  /** A model that is loaded already and may be shared by any number of filters; it takes the place of ModelDirectory,
   * which is empty then. */
  void
  SetModel(ModelPointer model);
  ModelPointer
  GetModel();

  /** Sets the input of the channel with this name or alias, such as "FLAIR". Needs the model. */
  void
  SetChannel(const std::string & name, const InputImageType * image);

protected:
  OncotomeModelFilter() = default;
  ~OncotomeModelFilter() override = default;

  void
  PrintSelf(std::ostream & os, Indent indent) const override;
  void
  VerifyPreconditions() ITKv5_CONST override;
  /** Channels may lie on different grids. */
  void
  VerifyInputInformation() ITKv5_CONST override
  {
  }
  void
  GenerateInputRequestedRegion() override;
  void
  EnlargeOutputRequestedRegion(DataObject * output) override;

  /** The model's channels: float images are read where they lie, others are converted into `copies`. Raises an
   * oncotome::Error. */
  std::vector<oncotome::engine::ChannelView>
  ViewChannels(std::vector<oncotome::Volume<float>> & copies);

private:
  /** What decides the model that is loaded. */
  std::string
  LoadKey() const
  {
    return m_ModelDirectory + '|' + m_Device + '|' + m_Precision + '|' + std::to_string(m_BackendThreads);
  }

  std::string  m_ModelDirectory;
  std::string  m_Device{ "auto" };
  std::string  m_Precision{ "f32" };
  unsigned int m_BackendThreads{ 0 };
  ModelPointer m_Model;
  std::string  m_LoadedAs;
};

} // namespace itk

#ifndef ITK_MANUAL_INSTANTIATION
#  include "itkOncotomeModelFilter.hxx"
#endif

#endif
