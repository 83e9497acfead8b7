// SPDX-License-Identifier: Apache-2.0
// Reader, segmentation, writer: pipeline MODEL LABELS CHANNEL=IMAGE [CHANNEL=IMAGE ...]; Ctrl-C stops it within one
// tile.
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "itkImageFileReader.h"
#include "itkImageFileWriter.h"
#include "itkTumorSegmentationImageFilter.h"

namespace {

volatile std::sig_atomic_t interrupted = 0;

}  // namespace

int main(int argc, char* argv[]) {
  if (argc < 4) {
    std::cerr << "usage: pipeline MODEL LABELS CHANNEL=IMAGE [CHANNEL=IMAGE ...]\n";
    return EXIT_FAILURE;
  }
  using ImageType = itk::Image<float, 3>;
  using LabelType = itk::Image<unsigned char, 3>;
  std::signal(SIGINT, [](int) { interrupted = 1; });
  try {
    const auto segmentation = itk::TumorSegmentationImageFilter<ImageType, LabelType>::New();
    segmentation->SetModelDirectory(argv[1]);
    std::vector<itk::ImageFileReader<ImageType>::Pointer> readers;  // an image does not hold its reader
    for (int i = 3; i < argc; ++i) {
      const std::string argument = argv[i];
      const auto equals = argument.find('=');
      readers.push_back(itk::ImageFileReader<ImageType>::New());
      readers.back()->SetFileName(argument.substr(equals + 1));
      segmentation->SetChannel(argument.substr(0, equals), readers.back()->GetOutput());
    }
    segmentation->AddObserver(itk::ProgressEvent(), [&segmentation](const itk::EventObject&) {
      std::cout << "progress " << segmentation->GetProgress() << std::endl;
    });
    segmentation->AddObserver(itk::ProgressEvent(), [&segmentation](const itk::EventObject&) {
      if (interrupted) segmentation->AbortGenerateDataOn();
    });

    const auto writer = itk::ImageFileWriter<LabelType>::New();
    writer->SetInput(segmentation->GetOutput());
    writer->SetFileName(argv[2]);
    writer->UseCompressionOn();
    writer->Update();
  } catch (const itk::ProcessAborted&) {
    std::cerr << "stopped\n";
    return 130;
  } catch (const itk::ExceptionObject& error) {
    std::cerr << error.GetDescription() << '\n';
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}
