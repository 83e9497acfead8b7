// SPDX-License-Identifier: Apache-2.0
#ifndef itkLesionMeasurementFilter_h
#define itkLesionMeasurementFilter_h

#include "itkImageToImageFilter.h"
#include "oncotome/engine/lesions.h"

namespace itk
{

/** \class LesionMeasurementFilter
 * \brief Splits a label image into lesions and measures each: volume, surface, diameters, centroid.
 *
 * A lesion is a 26-connected component of the union of the lesion labels, at least as large as the minimum volume. The
 * output holds the lesion numbers, 1 for the largest; GetLesions() holds the measurements in patient space, mm. Labels
 * other than whole numbers from 0 to 255, and more lesions than the output's pixels can number, raise an exception.
 * Progress is reported per slice of each lesion; an abort takes effect there and raises ProcessAborted.
 *
 * \ingroup OncotomeFilters
 */
template <typename TLabelImage, typename TLesionImage = Image<unsigned short, 3>>
class ITK_TEMPLATE_EXPORT LesionMeasurementFilter : public ImageToImageFilter<TLabelImage, TLesionImage>
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(LesionMeasurementFilter);

  static_assert(TLabelImage::ImageDimension == 3 && TLesionImage::ImageDimension == 3, "3-D images only");

  using Self = LesionMeasurementFilter;
  using Superclass = ImageToImageFilter<TLabelImage, TLesionImage>;
  using Pointer = SmartPointer<Self>;
  using ConstPointer = SmartPointer<const Self>;
  using LabelImageType = TLabelImage;
  using LesionImageType = TLesionImage;

  itkNewMacro(Self)
  itkTypeMacro(LesionMeasurementFilter, ImageToImageFilter);

  /** The labels and which of them make a lesion. When none are set, every value from 1 to 255 does. */
  void
  SetLabels(std::vector<oncotome::Label> labels)
  {
    m_Labels = std::move(labels);
    this->Modified();
  }

  /** Smaller components are no lesions; mm3. */
  itkSetMacro(MinimumVolume, double);
  itkGetConstMacro(MinimumVolume, double);

  /** Of the last update, by falling volume. */
  const std::vector<oncotome::Lesion> &
  GetLesions() const
  {
    return m_Lesions;
  }

  /** For languages that cannot read GetLesions(): how many lesions there are, and of each, by its number from 1, the
   * volume in mm3 and the longest 3-D diameter in mm. Other numbers raise std::out_of_range. */
  SizeValueType
  GetNumberOfLesions() const
  {
    return m_Lesions.size();
  }
  double
  GetLesionVolume(SizeValueType number) const
  {
    return m_Lesions.at(number - 1).volume_mm3;
  }
  double
  GetLesionDiameter(SizeValueType number) const
  {
    return m_Lesions.at(number - 1).longest_diameter_mm;
  }

protected:
  LesionMeasurementFilter() = default;
  ~LesionMeasurementFilter() override = default;

  void
  PrintSelf(std::ostream & os, Indent indent) const override;
  void
  GenerateInputRequestedRegion() override;
  void
  EnlargeOutputRequestedRegion(DataObject * output) override;
  void
  GenerateData() override;

private:
  using LesionPixelType = typename TLesionImage::PixelType;

  oncotome::LabelVolume
  ReadLabels() const;

  std::vector<oncotome::Label>  m_Labels;
  double                        m_MinimumVolume{ 0.0 };
  std::vector<oncotome::Lesion> m_Lesions;
};

} // namespace itk

#ifndef ITK_MANUAL_INSTANTIATION
#  include "itkLesionMeasurementFilter.hxx"
#endif

#endif
