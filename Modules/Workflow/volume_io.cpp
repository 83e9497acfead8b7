// SPDX-License-Identifier: Apache-2.0
#include "volume_io.h"

#include <itkImage.h>
#include <itkImageFileReader.h>
#include <itkImageFileWriter.h>
#include <itkImportImageContainer.h>
#include <itkMetaDataObject.h>
#include <itkNiftiImageIO.h>
#include <itkNrrdImageIO.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "oncotome/core/error.h"

namespace oncotome::workflow {
namespace {

bool ends_with(const std::string& text, const std::string& tail) {
  if (text.size() < tail.size()) return false;
  return std::equal(tail.rbegin(), tail.rend(), text.rbegin(),
                    [](char a, char b) { return a == std::tolower(static_cast<unsigned char>(b)); });
}

bool is_nrrd(const std::string& path) { return ends_with(path, ".nrrd") || ends_with(path, ".nhdr"); }
bool is_nifti(const std::string& path) { return ends_with(path, ".nii") || ends_with(path, ".nii.gz"); }

// The format is chosen by name: ITK's factories would load every IO module at start.
itk::ImageIOBase::Pointer io_for(const std::string& path) {
  if (is_nrrd(path)) return itk::NrrdImageIO::New().GetPointer();
  if (is_nifti(path)) return itk::NiftiImageIO::New().GetPointer();
  return nullptr;
}

template <class T>
void write(const std::string& path, const Volume<T>& volume, const std::map<std::string, std::string>& fields) {
  using Image = itk::Image<T, 3>;
  const itk::ImageIOBase::Pointer io = io_for(path);
  if (!io) throw Error(ErrorCode::usage, "output must end in .nrrd, .nii or .nii.gz");
  const auto image = Image::New();
  typename Image::SizeType size;
  typename Image::SpacingType spacing;
  typename Image::PointType origin;
  typename Image::DirectionType direction;
  for (unsigned a = 0; a < 3; ++a) {
    size[a] = static_cast<itk::SizeValueType>(volume.geometry.size[a]);
    spacing[a] = volume.geometry.spacing_mm[a];
    origin[a] = volume.geometry.origin_mm[a];
    for (unsigned row = 0; row < 3; ++row) direction[row][a] = volume.geometry.axis[a][row];
  }
  image->SetRegions(size);
  image->SetSpacing(spacing);
  image->SetOrigin(origin);
  image->SetDirection(direction);
  image->GetPixelContainer()->SetImportPointer(const_cast<T*>(volume.voxels.data()), volume.voxels.size(), false);
  itk::MetaDataDictionary& dictionary = image->GetMetaDataDictionary();
  for (const auto& [key, value] : fields) itk::EncapsulateMetaData<std::string>(dictionary, key, value);
  const auto writer = itk::ImageFileWriter<Image>::New();
  writer->SetImageIO(io);
  writer->SetFileName(path);
  writer->SetInput(image);
  writer->UseCompressionOn();
  try {
    writer->Update();
  } catch (const itk::ExceptionObject&) {
    throw Error(ErrorCode::output_unwritable, "cannot write '" + std::filesystem::path(path).filename().string() +
                                                  "': check the folder, its permissions and the free space");
  }
}

}  // namespace

bool is_volume_file(const std::string& path) { return is_nrrd(path) || is_nifti(path); }

Volume<float> read_volume_file(const std::string& path) {
  const std::string name = std::filesystem::path(path).filename().string();
  const itk::ImageIOBase::Pointer io = io_for(path);
  if (!io) throw Error(ErrorCode::input_unsupported, "'" + name + "' is no NIfTI or NRRD file");
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored))
    throw Error(ErrorCode::input_not_found, "there is no file '" + name + "' at the path given");
  using Image = itk::Image<float, 3>;
  const auto reader = itk::ImageFileReader<Image>::New();
  reader->SetImageIO(io);
  reader->SetFileName(path);
  try {
    reader->UpdateOutputInformation();
    if (io->GetNumberOfComponents() != 1)
      throw Error(ErrorCode::input_unsupported, "'" + name + "' has several values per voxel; give a scalar volume");
    for (unsigned a = 3; a < io->GetNumberOfDimensions(); ++a)
      if (io->GetDimensions(a) > 1)
        throw Error(ErrorCode::input_unsupported, "'" + name + "' has more than three dimensions; give one volume");
    reader->Update();
  } catch (const itk::ExceptionObject&) {
    throw Error(ErrorCode::input_unreadable, "'" + name + "' cannot be read: it is damaged or not what its name says");
  }
  const Image* image = reader->GetOutput();
  Volume<float> volume;
  for (unsigned a = 0; a < 3; ++a) {
    volume.geometry.size[a] = static_cast<std::int64_t>(image->GetLargestPossibleRegion().GetSize(a));
    volume.geometry.spacing_mm[a] = image->GetSpacing()[a];
    volume.geometry.origin_mm[a] = image->GetOrigin()[a];
    for (unsigned row = 0; row < 3; ++row) volume.geometry.axis[a][row] = image->GetDirection()[row][a];
  }
  const float* first = image->GetBufferPointer();
  volume.voxels.assign(first, first + volume.geometry.voxel_count());
  return volume;
}

void write_volume_file(const std::string& path, const Volume<float>& volume,
                       const std::map<std::string, std::string>& fields) {
  write(path, volume, fields);
}

void write_volume_file(const std::string& path, const LabelVolume& volume,
                       const std::map<std::string, std::string>& fields) {
  write(path, volume, fields);
}

}  // namespace oncotome::workflow
