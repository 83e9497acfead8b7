// SPDX-License-Identifier: Apache-2.0
#include "channel_filters.h"

#include "itkCommand.h"
#include "itkOncotomeBridge.h"
#include "itkRigidChannelRegistrationFilter.h"

namespace oncotome::workflow {
RigidMove register_channel(const Volume<float>& reference, const Volume<float>& moving, bool coordinates_differ,
                           double tolerance_mm, const Job& job) {
  const auto filter = itk::RigidChannelRegistrationFilter<itk::Image<float, 3>>::New();
  filter->SetFixedImage(itk::OncotomeBridge::ViewOf(reference));
  filter->SetMovingImage(itk::OncotomeBridge::ViewOf(moving));
  filter->SetCoordinatesDiffer(coordinates_differ);
  filter->SetAlignedWithin(tolerance_mm);
  filter->AddObserver(itk::ProgressEvent(), [&](const itk::EventObject&) {
    try {
      job.report("register", filter->GetProgress());
    } catch (const Error&) {
      filter->AbortGenerateDataOn();
    }
  });
  filter->Update();
  return {itk::OncotomeBridge::GeometryOf(filter->GetOutput()), filter->GetDisplacement(), filter->GetRotationAngle(),
          filter->GetInformationBefore(), filter->GetInformationAfter()};
}

}  // namespace oncotome::workflow
