// SPDX-License-Identifier: Apache-2.0
#include "volume_io.h"

#include <itkImage.h>
#include <itkImageFileReader.h>
#include <itkImageFileWriter.h>
#include <itkImportImageContainer.h>
#include <itkMetaDataObject.h>
#include <itkNiftiImageIO.h>
#include <itkNrrdImageIO.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <memory>
#include <utility>
#include <vector>

#include "itkOncotomeBridge.h"
#include "oncotome/core/error.h"

namespace oncotome::workflow {
namespace {

// ITK's readers know the lower-case endings only.
bool ends_with(const std::string& text, const std::string& tail) {
  return text.size() >= tail.size() && text.compare(text.size() - tail.size(), tail.size(), tail) == 0;
}

bool is_nrrd(const std::string& path) { return ends_with(path, ".nrrd") || ends_with(path, ".nhdr"); }
bool is_nifti(const std::string& path) { return ends_with(path, ".nii") || ends_with(path, ".nii.gz"); }

// The format is chosen by name: ITK's factories would load every IO module at start.
itk::ImageIOBase::Pointer io_for(const std::string& path) {
  if (is_nrrd(path)) return itk::NrrdImageIO::New().GetPointer();
  if (is_nifti(path)) return itk::NiftiImageIO::New().GetPointer();
  return nullptr;
}

// niftilib makes zeros of voxels that are not finite. An exponent of ones tells them (IEEE 754).
void check_finite(gzFile file, int datatype, bool little, z_off_t first, std::int64_t bytes) {
  const std::size_t size = datatype == 16 ? 4 : datatype == 64 ? 8 : 0;
  if (size == 0 || gzseek(file, first, SEEK_SET) != first) return;
  std::vector<unsigned char> chunk(std::size_t{1} << 20);
  while (bytes > 0) {
    const int got = gzread(file, chunk.data(), static_cast<unsigned>(std::min<std::int64_t>(bytes, 1 << 20)));
    if (got <= 0) return;
    bytes -= got;
    for (std::size_t i = 0; i + size <= static_cast<std::size_t>(got); i += size) {
      const unsigned high = chunk[i + (little ? size - 1 : 0)], next = chunk[i + (little ? size - 2 : 1)];
      const unsigned ones = size == 4 ? 0x7f80u : 0x7ff0u;
      if (((high << 8 | next) & ones) == ones)
        throw Error(ErrorCode::input_unreadable, "it holds voxels that are not finite (NaN); repair the file");
    }
  }
}

// What ITK 5.2 guesses at, or ends the whole program for (vnl's abort on a number that is not finite). NIfTI-1 offsets.
void check_nifti_header(const std::string& path) {
  constexpr std::size_t kSize = 348;
  std::array<unsigned char, kSize> header{};
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(path.c_str(), "rb"), &gzclose);
  if (!file || gzread(file.get(), header.data(), kSize) != static_cast<int>(kSize)) return;
  const bool little = header[0] == 0x5c;  // sizeof_hdr is 348
  const auto number = [&](std::size_t offset) {
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < 4; ++i) bits |= std::uint32_t{header[offset + i]} << 8 * (little ? i : 3 - i);
    float value = 0;
    std::memcpy(&value, &bits, sizeof value);
    return value;
  };
  // niftilib writes to stderr by itself on a number of axes that it does not know.
  const auto two_bytes = [&](std::size_t offset) {
    return little ? header[offset] | header[offset + 1] << 8 : header[offset + 1] | header[offset] << 8;
  };
  const int axes = two_bytes(40);
  if (axes < 1 || axes > 7) throw Error(ErrorCode::input_unreadable, "it is damaged: its header has no number of axes");
  // pixdim[0..3] at 76; quatern_b to srow_z at 256.
  for (const auto& [first, end] : {std::pair<std::size_t, std::size_t>{76, 92}, {256, 328}})
    for (std::size_t offset = first; offset < end; offset += 4)
      if (!std::isfinite(number(offset)))
        throw Error(ErrorCode::input_unreadable, "its header's geometry holds a number that is not finite");
  for (std::size_t offset = 80; offset < 92; offset += 4)
    if (!(number(offset) > 0)) throw Error(ErrorCode::input_unreadable, "its header's voxel size is no length");
  // niftilib fills what is missing with zeros. gzgetc tells the end of a compressed file only by reading up to it.
  z_off_t last = static_cast<z_off_t>(number(108)) - 1;
  std::int64_t bytes = two_bytes(72) / 8;
  for (int axis = 1; axis <= axes; ++axis) bytes *= std::max(1, two_bytes(40 + 2 * static_cast<std::size_t>(axis)));
  last += bytes;
  if (gzseek(file.get(), last, SEEK_SET) != last || gzgetc(file.get()) == -1)
    throw Error(ErrorCode::input_unreadable, "it is cut off: its header promises more voxels than it holds");
  check_finite(file.get(), two_bytes(70), little, last + 1 - bytes, bytes);
  if (header[252] == 0 && header[253] == 0 && header[254] == 0 && header[255] == 0)
    throw Error(ErrorCode::input_unsupported,
                "its header states no orientation (qform and sform codes are 0), so left and right cannot be told");
}

template <class T>
void write(const std::string& path, const Volume<T>& volume, const std::map<std::string, std::string>& fields) {
  using Image = itk::Image<T, 3>;
  const itk::ImageIOBase::Pointer io = io_for(path);
  if (!io) throw Error(ErrorCode::usage, "output must end in .nrrd, .nii or .nii.gz");
  const auto image = itk::OncotomeBridge::ViewOf(volume);
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
    throw Error(ErrorCode::output_unwritable,
                "cannot write a volume: check the folder, its permissions and the free space");
  }
}

}  // namespace

bool is_volume_file(const std::string& path) { return is_nrrd(path) || is_nifti(path); }

Volume<float> read_volume_file(const std::string& path) {
  const itk::ImageIOBase::Pointer io = io_for(path);
  if (!io) throw Error(ErrorCode::input_unsupported, "it is no NIfTI or NRRD file");
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored))
    throw Error(ErrorCode::input_not_found, "there is no such volume file");
  if (is_nifti(path)) check_nifti_header(path);
  using Image = itk::Image<float, 3>;
  const auto reader = itk::ImageFileReader<Image>::New();
  reader->SetImageIO(io);
  reader->SetFileName(path);
  try {
    reader->UpdateOutputInformation();
    if (io->GetNumberOfComponents() != 1)
      throw Error(ErrorCode::input_unsupported, "it has several values per voxel; give a scalar volume");
    for (unsigned a = 3; a < io->GetNumberOfDimensions(); ++a)
      if (io->GetDimensions(a) > 1)
        throw Error(ErrorCode::input_unsupported, "it has more than three dimensions; give one volume");
    reader->Update();
  } catch (const itk::MemoryAllocationError&) {
    throw Error(ErrorCode::out_of_memory, "not enough memory for its voxels");
  } catch (const itk::ExceptionObject&) {
    throw Error(ErrorCode::input_unreadable, "it cannot be read: it is damaged or not what its ending says");
  }
  return itk::OncotomeBridge::VolumeOf<float>(reader->GetOutput());
}

LabelVolume read_label_file(const std::string& path) {
  const Volume<float> volume = read_volume_file(path);
  LabelVolume labels(volume.geometry);
  for (std::size_t i = 0; i < labels.voxels.size(); ++i) {
    const float rounded = std::round(volume.voxels[i]);
    if (!(rounded >= 0 && rounded <= 255 && std::abs(volume.voxels[i] - rounded) < 1e-3F))
      throw Error(ErrorCode::input_unsupported,
                  "it is no label volume: it holds values that are no whole numbers of 0 to 255");
    labels.voxels[i] = static_cast<std::uint8_t>(rounded);
  }
  return labels;
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
