// SPDX-License-Identifier: Apache-2.0
#ifndef itkRigidChannelRegistrationFilter_h
#define itkRigidChannelRegistrationFilter_h

#include "itkEuler3DTransform.h"
#include "itkImageToImageFilter.h"

namespace itk
{

/** \class RigidChannelRegistrationFilter
 * \brief Moves one 3-D scan of a patient onto another by a rigid transform, without resampling it.
 *
 * The output holds the moving image's voxels as they are; its origin and direction are turned and shifted so that it
 * lies on the fixed image. They are the output's information, so that the images are read and registered when it is
 * updated (as AutoCropLabelMapFilter does), before any data is asked for. Mattes mutual information
 * (doi 10.1109/TMI.2003.809072), three resolutions, regular step gradient descent. The same input gives the same
 * output: samples are drawn from a fixed seed and summed by one thread. An abort takes effect within an iteration and
 * raises ProcessAborted.
 *
 * \ingroup OncotomeFilters
 */
template <typename TImage>
class ITK_TEMPLATE_EXPORT RigidChannelRegistrationFilter : public ImageToImageFilter<TImage, TImage>
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(RigidChannelRegistrationFilter);

  static_assert(TImage::ImageDimension == 3, "3-D images only");

  using Self = RigidChannelRegistrationFilter;
  using Superclass = ImageToImageFilter<TImage, TImage>;
  using Pointer = SmartPointer<Self>;
  using ConstPointer = SmartPointer<const Self>;
  using TransformType = Euler3DTransform<double>;
  using PointType = typename TImage::PointType;

  itkNewMacro(Self)
  itkTypeMacro(RigidChannelRegistrationFilter, ImageToImageFilter);

  itkSetInputMacro(FixedImage, TImage);
  itkGetInputMacro(FixedImage, TImage);
  itkSetInputMacro(MovingImage, TImage);
  itkGetInputMacro(MovingImage, TImage);

  /** Whether the images' coordinates have nothing to do with each other: then centers of the grids and of mass are
   * tried as starts too. Off by default. */
  itkSetMacro(CoordinatesDiffer, bool);
  itkGetConstMacro(CoordinatesDiffer, bool);
  itkBooleanMacro(CoordinatesDiffer);

  /** Images that share coordinates are taken as aligned once the coarse step moves nothing farther than half of this
   * Displacement, mm; the finer steps are left out then. Zero, the default, leaves none out. */
  itkSetMacro(AlignedWithin, double);
  itkGetConstMacro(AlignedWithin, double);

  /** From a point on the fixed image to the same point of the patient on the moving image. */
  itkGetConstObjectMacro(Transform, TransformType);

  /** Greatest way, in mm, that the transform moves a corner of a cube of 100 mm round the fixed image's center of mass.
   */
  itkGetConstMacro(Displacement, double);
  /** Angle of the transform's rotation, degrees. */
  itkGetConstMacro(RotationAngle, double);
  /** Mutual information, nats, before and after; greater is better. */
  itkGetConstMacro(InformationBefore, double);
  itkGetConstMacro(InformationAfter, double);

protected:
  RigidChannelRegistrationFilter();
  ~RigidChannelRegistrationFilter() override = default;

  void
  PrintSelf(std::ostream & os, Indent indent) const override;
  /** The images lie on different grids. */
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
  /** Finds the transform. */
  void
  FindTransform();
  /** Gives the output the moving image's place after the transform. */
  void
  MoveOutput();
  static PointType
  CenterOfGrid(const TImage * image);
  static PointType
  CenterOfMass(const TImage * image);
  double
  InformationOf(TransformType * transform) const;
  /** Refines the transform at a spacing, mm; the progress goes on to `progress`. */
  void
  Refine(TransformType * transform, double spacing, float progress);

  /** Displacement and RotationAngle of the transform. */
  void
  Measure();

  bool                            m_CoordinatesDiffer{ false };
  double                          m_AlignedWithin{ 0 };
  typename TransformType::Pointer m_Transform;
  double                          m_Displacement{ 0 };
  double                          m_RotationAngle{ 0 };
  double                          m_InformationBefore{ 0 };
  double                          m_InformationAfter{ 0 };
};

} // namespace itk

#ifndef ITK_MANUAL_INSTANTIATION
#  include "itkRigidChannelRegistrationFilter.hxx"
#endif

#endif
