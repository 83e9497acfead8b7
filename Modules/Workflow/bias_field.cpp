// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "channel_filters.h"
#include "itkBSplineControlPointImageFilter.h"
#include "itkCommand.h"
#include "itkN4BiasFieldCorrectionImageFilter.h"
#include "itkOncotomeBridge.h"
#include "itkOtsuThresholdImageFilter.h"
#include "itkShrinkImageFilter.h"

namespace oncotome::workflow {

using Image = itk::Image<float, 3>;
using MaskImage = itk::Image<unsigned char, 3>;

double correct_bias_field(Volume<float>& volume, const Job& job) {
  using Correction = itk::N4BiasFieldCorrectionImageFilter<Image, MaskImage, Image>;
  const auto image = itk::OncotomeBridge::ViewOf(volume);
  const auto shrink = itk::ShrinkImageFilter<Image, Image>::New();
  shrink->SetInput(image);
  for (unsigned int axis = 0; axis < 3; ++axis) shrink->SetShrinkFactor(axis, volume.geometry.size[axis] >= 32 ? 4 : 1);
  const auto otsu = itk::OtsuThresholdImageFilter<Image, MaskImage>::New();
  otsu->SetInput(shrink->GetOutput());
  otsu->SetInsideValue(0);
  otsu->SetOutsideValue(1);
  const auto correction = Correction::New();
  correction->SetInput(shrink->GetOutput());
  correction->SetMaskImage(otsu->GetOutput());
  Correction::VariableSizeArrayType iterations(3);
  iterations.Fill(30);
  correction->SetNumberOfFittingLevels(3);
  correction->SetMaximumNumberOfIterations(iterations);
  unsigned int done = 0;
  correction->AddObserver(itk::IterationEvent(),
                          [&](const itk::EventObject&) { job.report("bias field", std::min(1.0, ++done / 90.0)); });
  correction->Update();

  using Spline =
      itk::BSplineControlPointImageFilter<Correction::BiasFieldControlPointLatticeType, Correction::ScalarImageType>;
  const auto spline = Spline::New();
  spline->SetInput(correction->GetLogBiasFieldControlPointLattice());
  spline->SetSplineOrder(correction->GetSplineOrder());
  spline->SetSize(image->GetLargestPossibleRegion().GetSize());
  spline->SetOrigin(image->GetOrigin());
  spline->SetDirection(image->GetDirection());
  spline->SetSpacing(image->GetSpacing());
  spline->Update();
  const auto* logarithm = spline->GetOutput()->GetBufferPointer();
  const double threshold = otsu->GetThreshold();
  double sum = 0, squares = 0, count = 0;
  for (std::size_t i = 0; i < volume.voxels.size(); ++i) {
    const double field = std::exp(static_cast<double>(logarithm[i][0]));
    if (volume.voxels[i] > threshold) {
      sum += field;
      squares += field * field;
      ++count;
    }
    volume.voxels[i] = static_cast<float>(volume.voxels[i] / field);
  }
  if (!(count > 0)) throw Error(ErrorCode::precondition_unmet, "a channel has one value everywhere: it holds no image");
  const double mean = sum / count;
  return std::sqrt(std::max(0.0, squares / count - mean * mean)) / mean;
}

}  // namespace oncotome::workflow
