// SPDX-License-Identifier: Apache-2.0
#ifndef itkLesionClassificationFilter_h
#define itkLesionClassificationFilter_h

#include <string>
#include <vector>

#include "itkOncotomeModelFilter.h"
#include "oncotome/engine/lesion_classes.h"

namespace itk
{

/** \class LesionClassificationFilter
 * \brief Says what each lesion is: one 3-D scalar image per channel and lesions in, class probabilities out.
 *
 * Lesions are a label image with their numbers (as of LesionMeasurementFilter), or boxes on the grid of the first
 * channel. The model package is one for images, and names classes. A 2-D network sees the slice with the lesion's
 * largest cross-section, cropped round the lesion with the package's margin where it has one; a 3-D network sees the
 * box. GetFindings() holds the probabilities; the output holds in each lesion's voxels (with boxes: in the box) 1 for
 * the first class and so on, 0 where the model refuses to answer. An abort takes effect within one batch of lesions and
 * raises ProcessAborted.
 *
 * \ingroup OncotomeFilters
 */
template <typename TInputImage, typename TClassImage = Image<unsigned short, 3>>
class ITK_TEMPLATE_EXPORT LesionClassificationFilter : public OncotomeModelFilter<TInputImage, TClassImage>
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(LesionClassificationFilter);

  using Self = LesionClassificationFilter;
  using Superclass = OncotomeModelFilter<TInputImage, TClassImage>;
  using Pointer = SmartPointer<Self>;
  using ConstPointer = SmartPointer<const Self>;
  using ClassImageType = TClassImage;
  using LesionImageType = Image<unsigned short, 3>;

  itkNewMacro(Self)
  itkTypeMacro(LesionClassificationFilter, OncotomeModelFilter);

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

  /** For languages that cannot read GetFindings(): how many lesions there are, and of each, counted from 0, its number,
   * its class ("" where the model refuses to answer) and the probability of a class, counted from 0. What is not there
   * raises std::out_of_range. */
  SizeValueType
  GetNumberOfFindings() const
  {
    return m_Findings.size();
  }
  unsigned int
  GetLesionNumber(SizeValueType i) const
  {
    return m_Findings.at(i).lesion_id;
  }
  std::string
  GetLesionClass(SizeValueType i) const
  {
    const auto best = m_Findings.at(i).classification.best();
    return best ? m_ClassNames.at(*best) : "";
  }
  double
  GetLesionProbability(SizeValueType i, SizeValueType c) const
  {
    return m_Findings.at(i).classification.probabilities.at(c);
  }

protected:
  LesionClassificationFilter();
  ~LesionClassificationFilter() override = default;

  void
  PrintSelf(std::ostream & os, Indent indent) const override;
  void
  GenerateOutputInformation() override;
  void
  GenerateData() override;

private:
  std::vector<oncotome::engine::LesionBox>     m_Boxes;
  std::vector<oncotome::engine::LesionFinding> m_Findings;
  std::vector<std::string>                     m_ClassNames;
};

} // namespace itk

#ifndef ITK_MANUAL_INSTANTIATION
#  include "itkLesionClassificationFilter.hxx"
#endif

#endif
