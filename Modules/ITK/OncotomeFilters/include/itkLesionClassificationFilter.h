// SPDX-License-Identifier: Apache-2.0
#ifndef itkLesionClassificationFilter_h
#define itkLesionClassificationFilter_h

#include <memory>
#include <string>
#include <vector>

#include "itkImageToImageFilter.h"
#include "oncotome/engine/lesion_classes.h"
#include "oncotome/engine/session.h"

namespace itk
{

/** \class LesionClassificationFilter
 * \brief Says what each lesion is: one 3-D scalar image per channel and lesions in, class probabilities out.
 *
 * Lesions are a label image with their numbers (as of LesionMeasurementFilter), or boxes on the grid of the first
 * channel. The model package names classes. A 2-D network sees the slice with the lesion's largest cross-section,
 * cropped round the lesion with the package's margin where it has one; a 3-D network sees the box. GetFindings() holds
 * the probabilities; the output holds in each lesion's voxels (with boxes: in the box) 1 for the first class and so on,
 * 0 where the model refuses to answer. An abort takes effect within one batch of lesions and raises ProcessAborted.
 *
 * \ingroup OncotomeFilters
 */
template <typename TInputImage, typename TClassImage = Image<unsigned short, 3>>
class ITK_TEMPLATE_EXPORT LesionClassificationFilter : public ImageToImageFilter<TInputImage, TClassImage>
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(LesionClassificationFilter);

  static_assert(TInputImage::ImageDimension == 3 && TClassImage::ImageDimension == 3, "3-D images only");

  using Self = LesionClassificationFilter;
  using Superclass = ImageToImageFilter<TInputImage, TClassImage>;
  using Pointer = SmartPointer<Self>;
  using ConstPointer = SmartPointer<const Self>;
  using InputImageType = TInputImage;
  using ClassImageType = TClassImage;
  using LesionImageType = Image<unsigned short, 3>;
  using ModelPointer = std::shared_ptr<const oncotome::engine::Model>;

  itkNewMacro(Self)
  itkTypeMacro(LesionClassificationFilter, ImageToImageFilter);

  /** A model that is loaded already and may be shared by any number of filters; its package is one for images. */
  void
  SetModel(ModelPointer model)
  {
    m_Model = std::move(model);
    this->Modified();
  }

  /** Numbers of the lesions, 0 elsewhere. The channels may lie on other grids. */
  itkSetInputMacro(LesionImage, LesionImageType);
  itkGetInputMacro(LesionImage, LesionImageType);

  /** Lesions by their boxes on the grid of the first channel; used where there is no lesion image. */
  void
  SetBoxes(std::vector<oncotome::engine::LesionBox> boxes)
  {
    m_Boxes = std::move(boxes);
    this->Modified();
  }

  /** Of the last update, by lesion. */
  const std::vector<oncotome::engine::LesionFinding> &
  GetFindings() const
  {
    return m_Findings;
  }

protected:
  LesionClassificationFilter();
  ~LesionClassificationFilter() override = default;

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
  ModelPointer                                 m_Model;
  std::vector<oncotome::engine::LesionBox>     m_Boxes;
  std::vector<oncotome::engine::LesionFinding> m_Findings;
};

} // namespace itk

#ifndef ITK_MANUAL_INSTANTIATION
#  include "itkLesionClassificationFilter.hxx"
#endif

#endif
