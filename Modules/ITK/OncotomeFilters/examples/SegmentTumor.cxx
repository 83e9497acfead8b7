// SPDX-License-Identifier: Apache-2.0
// Segments a tumor and prints its lesions: SegmentTumor MODEL OUTPUT.nrrd CHANNEL=IMAGE.nrrd [CHANNEL=IMAGE.nrrd ...]
#include <iostream>
#include <string>

#include "itkCommand.h"
#include "itkImageFileReader.h"
#include "itkImageFileWriter.h"
#include "itkLesionMeasurementFilter.h"
#include "itkNrrdImageIOFactory.h"
#include "itkTumorSegmentationImageFilter.h"

int
main(int argc, char * argv[])
{
  if (argc < 4)
  {
    std::cerr << "usage: SegmentTumor MODEL OUTPUT.nrrd CHANNEL=IMAGE.nrrd ...\n";
    return EXIT_FAILURE;
  }
  using ImageType = itk::Image<float, 3>;
  using LabelType = itk::Image<unsigned char, 3>;
  itk::NrrdImageIOFactory::RegisterOneFactory();
  try
  {
    const auto segmentation = itk::TumorSegmentationImageFilter<ImageType, LabelType>::New();
    segmentation->SetModelDirectory(argv[1]);
    for (int i = 3; i < argc; ++i)
    {
      const std::string argument = argv[i];
      const auto        equals = argument.find('=');
      const auto        reader = itk::ImageFileReader<ImageType>::New();
      reader->SetFileName(argument.substr(equals + 1));
      reader->Update();
      segmentation->SetChannel(argument.substr(0, equals), reader->GetOutput());
    }

    const auto measurement = itk::LesionMeasurementFilter<LabelType>::New();
    measurement->SetInput(segmentation->GetOutput());
    measurement->Update();
    for (const auto & lesion : measurement->GetLesions())
    {
      std::cout << "lesion " << lesion.id << ": " << lesion.volume_mm3 / 1000 << " ml, longest diameter "
                << lesion.longest_diameter_mm << " mm\n";
    }
    itk::WriteImage(segmentation->GetOutput(), argv[2], true);
  }
  catch (const itk::ExceptionObject & error)
  {
    std::cerr << error.GetDescription() << '\n';
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}
