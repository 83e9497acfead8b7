// SPDX-License-Identifier: Apache-2.0
#ifndef itkRigidChannelRegistrationFilter_hxx
#define itkRigidChannelRegistrationFilter_hxx

#include <algorithm>
#include <cmath>

#include "itkCommand.h"
#include "itkImageRegionConstIteratorWithIndex.h"
#include "itkImageRegistrationMethodv4.h"
#include "itkMattesMutualInformationImageToImageMetricv4.h"
#include "itkRegistrationParameterScalesFromPhysicalShift.h"
#include "itkRegularStepGradientDescentOptimizerv4.h"
#include "itkRigidChannelRegistrationFilter.h"

namespace itk
{

// Sums in one order: the base class's threads add up as they finish, and its own limit on them is not heeded.
template <typename TImage>
class SerialMutualInformation : public MattesMutualInformationImageToImageMetricv4<TImage, TImage>
{
public:
  using Self = SerialMutualInformation;
  using Pointer = SmartPointer<Self>;
  itkNewMacro(Self)

protected:
  SerialMutualInformation()
  {
    this->m_SparseGetValueAndDerivativeThreader->SetNumberOfWorkUnits(1);
    this->m_DenseGetValueAndDerivativeThreader->SetNumberOfWorkUnits(1);
  }
};

template <typename TImage>
RigidChannelRegistrationFilter<TImage>::RigidChannelRegistrationFilter()
  : m_Transform(TransformType::New())
{
  this->SetPrimaryInputName("FixedImage");
  this->AddRequiredInputName("MovingImage", 1);
}

template <typename TImage>
void
RigidChannelRegistrationFilter<TImage>::GenerateOutputInformation()
{
  for (const char * name : { "FixedImage", "MovingImage" })
  {
    DataObject * input = this->ProcessObject::GetInput(name);
    input->SetRequestedRegionToLargestPossibleRegion();
    input->Update();
  }
  this->SetAbortGenerateData(false);
  this->UpdateProgress(0);
  try
  {
    this->FindTransform();
  }
  catch (const ProcessAborted &)
  {
    this->InvokeEvent(AbortEvent());
    throw;
  }
  this->GetOutput()->CopyInformation(this->GetMovingImage());
  this->MoveOutput();
}

template <typename TImage>
void
RigidChannelRegistrationFilter<TImage>::GenerateInputRequestedRegion()
{
  for (const char * name : { "FixedImage", "MovingImage" })
  {
    dynamic_cast<ImageBase<3> *>(this->ProcessObject::GetInput(name))->SetRequestedRegionToLargestPossibleRegion();
  }
}

template <typename TImage>
void
RigidChannelRegistrationFilter<TImage>::EnlargeOutputRequestedRegion(DataObject * output)
{
  output->SetRequestedRegionToLargestPossibleRegion();
}

template <typename TImage>
auto
RigidChannelRegistrationFilter<TImage>::CenterOfGrid(const TImage * image) -> PointType
{
  ContinuousIndex<double, 3> middle;
  const auto                 region = image->GetLargestPossibleRegion();
  for (unsigned int axis = 0; axis < 3; ++axis)
  {
    middle[axis] = region.GetIndex(axis) + 0.5 * (static_cast<double>(region.GetSize(axis)) - 1);
  }
  PointType center;
  image->TransformContinuousIndexToPhysicalPoint(middle, center);
  return center;
}

template <typename TImage>
auto
RigidChannelRegistrationFilter<TImage>::CenterOfMass(const TImage * image) -> PointType
{
  double                                    sum = 0;
  ContinuousIndex<double, 3>                middle;
  ImageRegionConstIteratorWithIndex<TImage> it(image, image->GetLargestPossibleRegion());
  middle.Fill(0);
  for (; !it.IsAtEnd(); ++it)
  {
    const double mass = std::max(0.0, static_cast<double>(it.Get()));
    sum += mass;
    for (unsigned int axis = 0; axis < 3; ++axis)
    {
      middle[axis] += mass * it.GetIndex()[axis];
    }
  }
  if (!(sum > 0))
  {
    return CenterOfGrid(image);
  }
  for (unsigned int axis = 0; axis < 3; ++axis)
  {
    middle[axis] /= sum;
  }
  PointType center;
  image->TransformContinuousIndexToPhysicalPoint(middle, center);
  return center;
}

template <typename TImage>
double
RigidChannelRegistrationFilter<TImage>::InformationOf(TransformType * transform) const
{
  using MetricType = SerialMutualInformation<TImage>;
  const auto     metric = MetricType::New();
  const TImage * fixed = this->GetFixedImage();
  // A grid of about 3 mm over the fixed image.
  auto region = fixed->GetLargestPossibleRegion();
  auto spacing = fixed->GetSpacing();
  auto size = region.GetSize();
  for (unsigned int axis = 0; axis < 3; ++axis)
  {
    const double steps = std::max(1.0, std::round(3.0 / spacing[axis]));
    spacing[axis] *= steps;
    size[axis] = std::max<SizeValueType>(1, static_cast<SizeValueType>(static_cast<double>(size[axis]) / steps));
  }
  PointType first;
  fixed->TransformIndexToPhysicalPoint(region.GetIndex(), first);
  region = typename TImage::RegionType(size);
  metric->SetFixedImage(fixed);
  metric->SetMovingImage(this->GetMovingImage());
  metric->SetVirtualDomain(spacing, first, fixed->GetDirection(), region);
  metric->SetMovingTransform(transform);
  metric->SetNumberOfHistogramBins(32);
  metric->SetUseMovingImageGradientFilter(false);
  metric->SetUseFixedImageGradientFilter(false);
  try
  {
    metric->Initialize();
    return -metric->GetValue();
  }
  catch (const MemoryAllocationError &)
  {
    throw;
  }
  catch (const ExceptionObject &)
  {
    return 0; // the images do not meet
  }
}

template <typename TImage>
void
RigidChannelRegistrationFilter<TImage>::Refine(TransformType * transform, double spacing, float progress)
{
  using MetricType = SerialMutualInformation<TImage>;
  using MethodType = ImageRegistrationMethodv4<TImage, TImage, TransformType>;
  using OptimizerType = RegularStepGradientDescentOptimizerv4<double>;
  constexpr unsigned int kIterations = 100;
  constexpr double       kSamples = 30000;

  const auto metric = MetricType::New();
  metric->SetNumberOfHistogramBins(32);
  metric->SetUseMovingImageGradientFilter(false);
  metric->SetUseFixedImageGradientFilter(false);

  const auto scales = RegistrationParameterScalesFromPhysicalShift<MetricType>::New();
  scales->SetMetric(metric);
  const auto optimizer = OptimizerType::New();
  optimizer->SetScalesEstimator(scales);
  optimizer->SetDoEstimateLearningRateOnce(true);
  optimizer->SetMinimumStepLength(0.02);
  optimizer->SetRelaxationFactor(0.8);
  optimizer->SetNumberOfIterations(kIterations);
  optimizer->SetGradientMagnitudeTolerance(1e-6);

  const auto method = MethodType::New();
  method->SetFixedImage(this->GetFixedImage());
  method->SetMovingImage(this->GetMovingImage());
  method->SetMetric(metric);
  method->SetOptimizer(optimizer);
  method->SetInitialTransform(transform);
  method->InPlaceOn();
  method->SetNumberOfLevels(1);
  typename MethodType::ShrinkFactorsPerDimensionContainerType shrink;
  double                                                      voxels = 1;
  for (unsigned int axis = 0; axis < 3; ++axis)
  {
    const double fine = this->GetFixedImage()->GetSpacing()[axis];
    shrink[axis] = static_cast<SizeValueType>(std::max(1.0, std::round(spacing / fine)));
    voxels *= static_cast<double>(this->GetFixedImage()->GetLargestPossibleRegion().GetSize(axis)) / shrink[axis];
  }
  method->SetShrinkFactorsPerDimension(0, shrink);
  typename MethodType::SmoothingSigmasArrayType          sigmas(1);
  typename MethodType::MetricSamplingPercentageArrayType shares(1);
  sigmas[0] = 0.5 * spacing;
  shares[0] = std::clamp(kSamples / voxels, 1e-4, 1.0);
  method->SetSmoothingSigmasPerLevel(sigmas);
  method->SetSmoothingSigmasAreSpecifiedInPhysicalUnits(true);
  method->SetMetricSamplingStrategy(MethodType::MetricSamplingStrategyEnum::RANDOM);
  method->SetMetricSamplingPercentagePerLevel(shares);
  method->MetricSamplingReinitializeSeed(1);

  const float from = this->GetProgress();
  const float step = (progress - from) / static_cast<float>(kIterations);
  const auto  observer = [this, step, progress](const EventObject &)
  {
    this->UpdateProgress(std::min(progress, this->GetProgress() + step));
    if (this->GetAbortGenerateData())
    {
      throw ProcessAborted(__FILE__, __LINE__);
    }
  };
  optimizer->AddObserver(IterationEvent(), observer);
  method->Update();
  this->UpdateProgress(progress);
}

template <typename TImage>
void
RigidChannelRegistrationFilter<TImage>::Measure()
{
  const auto matrix = m_Transform->GetMatrix();
  m_RotationAngle =
      180 / Math::pi * std::acos(std::clamp(0.5 * (matrix(0, 0) + matrix(1, 1) + matrix(2, 2) - 1), -1.0, 1.0));
  m_Displacement = 0;
  for (int corner = 0; corner < 8; ++corner)
  {
    PointType point = m_Transform->GetCenter();
    for (int axis = 0; axis < 3; ++axis)
    {
      point[axis] += (corner >> axis & 1) ? 50 : -50;
    }
    m_Displacement = std::max(m_Displacement, (m_Transform->TransformPoint(point) - point).GetNorm());
  }
}

template <typename TImage>
void
RigidChannelRegistrationFilter<TImage>::FindTransform()
{
  const TImage *  fixed = this->GetFixedImage();
  const TImage *  moving = this->GetMovingImage();
  const PointType center = CenterOfMass(fixed);
  const auto      start = [&](const Vector<double, 3> & translation)
  {
    auto transform = TransformType::New();
    transform->SetCenter(center);
    transform->SetTranslation(translation);
    return transform;
  };
  Vector<double, 3> none;
  none.Fill(0);
  m_InformationBefore = this->InformationOf(start(none));
  std::vector<typename TransformType::Pointer> starts{ start(none) };
  if (m_CoordinatesDiffer)
  {
    starts.push_back(start(CenterOfGrid(moving) - CenterOfGrid(fixed)));
    starts.push_back(start(CenterOfMass(moving) - center));
  }
  double best = -1;
  for (const auto & candidate : starts)
  {
    const double information = this->InformationOf(candidate);
    if (information > best)
    {
      best = information;
      m_Transform = candidate;
    }
  }
  // Each begins with long steps again, which frees it from where the one before ran dry.
  this->Refine(m_Transform, 4.0, 0.4F);
  this->Measure();
  if (m_CoordinatesDiffer || m_Displacement > 0.5 * m_AlignedWithin)
  {
    this->Refine(m_Transform, 2.0, 0.7F);
    this->Refine(m_Transform, 1.5, 0.98F);
    this->Measure();
  }
  m_InformationAfter = this->InformationOf(m_Transform);
}

template <typename TImage>
void
RigidChannelRegistrationFilter<TImage>::MoveOutput()
{
  auto inverse = TransformType::New();
  m_Transform->GetInverse(inverse);
  this->GetOutput()->SetOrigin(inverse->TransformPoint(this->GetMovingImage()->GetOrigin()));
  this->GetOutput()->SetDirection(inverse->GetMatrix() * this->GetMovingImage()->GetDirection());
}

template <typename TImage>
void
RigidChannelRegistrationFilter<TImage>::GenerateData()
{
  this->GetOutput()->Graft(this->GetMovingImage());
  this->MoveOutput();
}

template <typename TImage>
void
RigidChannelRegistrationFilter<TImage>::PrintSelf(std::ostream & os, Indent indent) const
{
  Superclass::PrintSelf(os, indent);
  os << indent << "CoordinatesDiffer: " << m_CoordinatesDiffer << std::endl;
  os << indent << "AlignedWithin: " << m_AlignedWithin << std::endl;
  os << indent << "Displacement: " << m_Displacement << std::endl;
  os << indent << "RotationAngle: " << m_RotationAngle << std::endl;
  os << indent << "InformationBefore: " << m_InformationBefore << std::endl;
  os << indent << "InformationAfter: " << m_InformationAfter << std::endl;
}

} // namespace itk

#endif
