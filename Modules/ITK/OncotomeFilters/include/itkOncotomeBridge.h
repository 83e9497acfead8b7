// SPDX-License-Identifier: Apache-2.0
#ifndef itkOncotomeBridge_h
#define itkOncotomeBridge_h

#include <cmath>

#include "itkImage.h"
#include "itkProcessObject.h"
#include "oncotome/core/job.h"
#include "oncotome/core/volume.h"

namespace itk
{

/** An oncotome::Error on its way through an ITK pipeline: an ITK exception that keeps the code. */
class OncotomeException : public ExceptionObject
{
public:
  OncotomeException(const char * file, unsigned int line, const oncotome::Error & error)
    : ExceptionObject(file, line, std::string(error.name()) + ": " + error.what())
    , m_Error(error)
  {
  }

  const char *
  GetNameOfClass() const override
  {
    return "OncotomeException";
  }

  const oncotome::Error &
  GetError() const
  {
    return m_Error;
  }

private:
  oncotome::Error m_Error;
};

} // namespace itk

namespace itk::OncotomeBridge
{

/** Does a filter's work as a job: its progress becomes the filter's, the filter's abort cancels it and raises
 * ProcessAborted, and an oncotome::Error becomes an OncotomeException. */
template <typename TWork>
void
RunAsJob(ProcessObject * filter, TWork && work)
{
  oncotome::Job * running = nullptr;
  oncotome::Job   job(
      [filter, &running](std::string_view, double fraction)
      {
        filter->UpdateProgress(static_cast<float>(fraction));
        if (filter->GetAbortGenerateData())
        {
          running->cancel();
        }
      });
  running = &job;
  try
  {
    work(job);
  }
  catch (const oncotome::Error & error)
  {
    if (error.code() == oncotome::ErrorCode::cancelled)
    {
      throw ProcessAborted(__FILE__, __LINE__);
    }
    throw OncotomeException(__FILE__, __LINE__, error);
  }
}

/** Size, spacing, origin and direction of a 3-D image. Sheared axes, as of a tilted gantry, raise an oncotome::Error.
 */
template <typename TImage>
oncotome::Geometry
GeometryOf(const TImage * image)
{
  static_assert(TImage::ImageDimension == 3, "Oncotome's filters take 3-D images");
  oncotome::Geometry geometry;
  for (unsigned int axis = 0; axis < 3; ++axis)
  {
    geometry.size[axis] = static_cast<std::int64_t>(image->GetLargestPossibleRegion().GetSize(axis));
    geometry.spacing_mm[axis] = image->GetSpacing()[axis];
    for (unsigned int row = 0; row < 3; ++row)
    {
      geometry.axis[axis][row] = image->GetDirection()[row][axis];
    }
  }
  typename TImage::PointType first;
  image->TransformIndexToPhysicalPoint(image->GetLargestPossibleRegion().GetIndex(), first);
  geometry.origin_mm = { first[0], first[1], first[2] };
  for (unsigned int axis = 0; axis < 3; ++axis)
  {
    if (!(std::abs(oncotome::dot(geometry.axis[axis], geometry.axis[(axis + 1) % 3])) < 1e-3) ||
        !(geometry.spacing_mm[axis] >= 1e-4 && geometry.spacing_mm[axis] <= 1e4) ||
        !std::isfinite(geometry.origin_mm[axis]))
    {
      throw oncotome::Error(oncotome::ErrorCode::input_unsupported,
                            "the image's axes are not perpendicular or its spacing is not 0.0001 to 10000 mm: "
                            "resample it to a regular grid first");
    }
  }
  return geometry;
}

/** Gives an image a grid; its index starts at zero. Allocates nothing. */
template <typename TImage>
void
SetGeometry(TImage * image, const oncotome::Geometry & geometry)
{
  typename TImage::SizeType      size;
  typename TImage::SpacingType   spacing;
  typename TImage::PointType     origin;
  typename TImage::DirectionType direction;
  for (unsigned int axis = 0; axis < 3; ++axis)
  {
    size[axis] = static_cast<SizeValueType>(geometry.size[axis]);
    spacing[axis] = geometry.spacing_mm[axis];
    origin[axis] = geometry.origin_mm[axis];
    for (unsigned int row = 0; row < 3; ++row)
    {
      direction[row][axis] = geometry.axis[axis][row];
    }
  }
  image->SetRegions(size);
  image->SetSpacing(spacing);
  image->SetOrigin(origin);
  image->SetDirection(direction);
}

/** A volume's voxels as an image, without a copy: the volume must outlive it. */
template <typename TPixel>
typename Image<TPixel, 3>::Pointer
ViewOf(const oncotome::Volume<TPixel> & volume)
{
  const auto image = Image<TPixel, 3>::New();
  SetGeometry(image.GetPointer(), volume.geometry);
  image->GetPixelContainer()->SetImportPointer(const_cast<TPixel *>(volume.voxels.data()), volume.voxels.size(), false);
  return image;
}

/** Copies an image's voxels, converted. */
template <typename TPixel, typename TImage>
oncotome::Volume<TPixel>
VolumeOf(const TImage * image)
{
  oncotome::Volume<TPixel> volume(GeometryOf(image));
  const auto *             first = image->GetBufferPointer();
  for (std::size_t i = 0; i < volume.voxels.size(); ++i)
  {
    volume.voxels[i] = static_cast<TPixel>(first[i]);
  }
  return volume;
}

} // namespace itk::OncotomeBridge

#endif
