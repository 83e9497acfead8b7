// SPDX-License-Identifier: Apache-2.0
#ifndef itkTumorSegmentationImageFilter_h
#define itkTumorSegmentationImageFilter_h

#include "itkOncotomeModelFilter.h"

namespace itk
{

/** \class TumorSegmentationImageFilter
 * \brief Labels tumors with a model package: one 3-D scalar image per channel in, a label image out.
 *
 * Channels on different grids are resampled to the reference channel's, on which the output lies. Preconditions that
 * are not met raise an exception that tells why. Progress is reported per tile; an abort takes effect within one tile
 * and raises ProcessAborted. The same input, model and seed give the same labels.
 *
 * \ingroup OncotomeFilters
 */
template <typename TInputImage, typename TLabelImage>
class ITK_TEMPLATE_EXPORT TumorSegmentationImageFilter : public OncotomeModelFilter<TInputImage, TLabelImage>
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(TumorSegmentationImageFilter);

  using Self = TumorSegmentationImageFilter;
  using Superclass = OncotomeModelFilter<TInputImage, TLabelImage>;
  using Pointer = SmartPointer<Self>;
  using ConstPointer = SmartPointer<const Self>;
  using LabelImageType = TLabelImage;
  using MaskImageType = Image<unsigned char, 3>;

  itkNewMacro(Self)
  itkTypeMacro(TumorSegmentationImageFilter, OncotomeModelFilter);

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
  GenerateOutputInformation() override;
  void
  GenerateData() override;

private:
  SizeValueType                  m_Seed{ 0 };
  bool                           m_FromDicom{ false };
  bool                           m_WithProbabilities{ false };
  bool                           m_WithEntropy{ false };
  oncotome::engine::Segmentation m_Segmentation;
};

} // namespace itk

#ifndef ITK_MANUAL_INSTANTIATION
#  include "itkTumorSegmentationImageFilter.hxx"
#endif

#endif
