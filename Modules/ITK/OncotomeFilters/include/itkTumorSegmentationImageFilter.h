// SPDX-License-Identifier: Apache-2.0
#ifndef itkTumorSegmentationImageFilter_h
#define itkTumorSegmentationImageFilter_h

#include <memory>
#include <string>

#include "itkImageToImageFilter.h"
#include "oncotome/engine/session.h"

namespace itk
{

/** \class TumorSegmentationImageFilter
 * \brief Labels tumors with a model package: one 3-D scalar image per channel in, a label image out.
 *
 * The model package (model.json and weights) names its channels; inputs are set by number in its order or by name with
 * SetChannel(). Channels may lie on different grids; they are resampled to the reference channel's, on which the output
 * lies. Preconditions that are not met raise an exception that tells why. Progress is reported per tile; an abort takes
 * effect within one tile and raises ProcessAborted. The same input, model and seed give the same labels.
 *
 * \ingroup OncotomeFilters
 */
template <typename TInputImage, typename TLabelImage>
class ITK_TEMPLATE_EXPORT TumorSegmentationImageFilter : public ImageToImageFilter<TInputImage, TLabelImage>
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(TumorSegmentationImageFilter);

  static_assert(TInputImage::ImageDimension == 3 && TLabelImage::ImageDimension == 3, "3-D images only");

  using Self = TumorSegmentationImageFilter;
  using Superclass = ImageToImageFilter<TInputImage, TLabelImage>;
  using Pointer = SmartPointer<Self>;
  using ConstPointer = SmartPointer<const Self>;
  using InputImageType = TInputImage;
  using LabelImageType = TLabelImage;
  using MaskImageType = Image<unsigned char, 3>;
  using ModelPointer = std::shared_ptr<const oncotome::engine::Model>;

  itkNewMacro(Self)
  itkTypeMacro(TumorSegmentationImageFilter, ImageToImageFilter);

  /** Folder of the model package; loaded at the first update. */
  itkSetStringMacro(ModelDirectory);
  itkGetStringMacro(ModelDirectory);

  /** "auto" (default), "cpu" or "cuda". */
  itkSetStringMacro(Device);
  itkGetStringMacro(Device);

  /** "f32" (default); "strict": float32 in sums of one order; "bf16" and "int8": coarser and faster, on the CPU. */
  itkSetStringMacro(Precision);
  itkGetStringMacro(Precision);

  /** Threads of the backend; 0, the default, is one per core. Takes effect when the model is loaded. */
  itkSetMacro(BackendThreads, unsigned int);
  itkGetConstMacro(BackendThreads, unsigned int);

  /** Of the noise that some models want outside the brain. */
  itkSetMacro(Seed, SizeValueType);
  itkGetConstMacro(Seed, SizeValueType);

  /** Whether the inputs were read from DICOM, which nnU-Net's networks want laid out as ITK's reader does; inputs from
   * NIfTI or NRRD files stay as they lie. Off by default. */
  itkSetMacro(FromDicom, bool);
  itkGetConstMacro(FromDicom, bool);
  itkBooleanMacro(FromDicom);

  /** Whether GetSegmentation() has the probability of each class or region; costs memory. Off by default. */
  itkSetMacro(WithProbabilities, bool);
  itkGetConstMacro(WithProbabilities, bool);
  itkBooleanMacro(WithProbabilities);

  /** Whether GetSegmentation() has the entropy of the labels; costs memory. Off by default. */
  itkSetMacro(WithEntropy, bool);
  itkGetConstMacro(WithEntropy, bool);
  itkBooleanMacro(WithEntropy);

  /** A model that is loaded already and may be shared by any number of filters. */
  void
  SetModel(ModelPointer model);
  ModelPointer
  GetModel();

  /** Sets the input of the channel with this name or alias, such as "FLAIR". Needs the model. */
  void
  SetChannel(const std::string & name, const InputImageType * image);

  /** Optional mask of the body part (0 or not), on any grid, where zero is not background. */
  itkSetInputMacro(MaskImage, MaskImageType);
  itkGetInputMacro(MaskImage, MaskImageType);

  /** What the last update did: preparation steps, corrections, time per stage. Its label volume is empty. */
  const oncotome::engine::Segmentation &
  GetSegmentation() const
  {
    return m_Segmentation;
  }

protected:
  TumorSegmentationImageFilter();
  ~TumorSegmentationImageFilter() override = default;

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
  GenerateOutputInformation() override;
  void
  GenerateInputRequestedRegion() override;
  void
  EnlargeOutputRequestedRegion(DataObject * output) override;
  void
  GenerateData() override;

private:
  /** What decides the model that is loaded. */
  std::string
  LoadKey() const
  {
    return m_ModelDirectory + '|' + m_Device + '|' + m_Precision + '|' + std::to_string(m_BackendThreads);
  }

  std::string                    m_ModelDirectory;
  std::string                    m_Device{ "auto" };
  std::string                    m_Precision{ "f32" };
  unsigned int                   m_BackendThreads{ 0 };
  SizeValueType                  m_Seed{ 0 };
  bool                           m_FromDicom{ false };
  bool                           m_WithProbabilities{ false };
  bool                           m_WithEntropy{ false };
  ModelPointer                   m_Model;
  std::string                    m_LoadedAs;
  oncotome::engine::Segmentation m_Segmentation;
};

} // namespace itk

#ifndef ITK_MANUAL_INSTANTIATION
#  include "itkTumorSegmentationImageFilter.hxx"
#endif

#endif
