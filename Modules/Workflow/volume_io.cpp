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

#include <cmath>
#include <filesystem>
#include <fstream>
#include <memory>
#include <vector>

#include "itkOncotomeBridge.h"
#include "nifti_header.h"
#include "oncotome/core/atomic_directory.h"
#include "oncotome/core/error.h"

namespace oncotome::workflow {
namespace {

namespace fs = std::filesystem;

// ITK's readers know the lower-case endings only.
bool is_nrrd(const std::string& path) { return ends_with(path, ".nrrd") || ends_with(path, ".nhdr"); }
bool is_nifti(const std::string& path) { return ends_with(path, ".nii") || ends_with(path, ".nii.gz"); }

// The format is chosen by name: ITK's factories would load every IO module at start.
itk::ImageIOBase::Pointer io_for(const std::string& path) {
  if (is_nrrd(path)) return itk::NrrdImageIO::New().GetPointer();
  if (is_nifti(path)) return itk::NiftiImageIO::New().GetPointer();
  return nullptr;
}

// Asked for x.nii.gz, the NIfTI library reads the voxels of an x.nii beside it. Such a file is read through a link in a
// folder of its own.
class AloneInItsFolder {
 public:
  explicit AloneInItsFolder(const std::string& path) : path_(path) {
    std::error_code error;
    if (!ends_with(path, ".nii.gz") || !fs::exists(path.substr(0, path.size() - 3), error)) return;
    folder_ = private_folder("oncotome-volume");
    path_ = (folder_->path() / "volume.nii.gz").string();
    fs::create_symlink(fs::absolute(path, error), path_, error);
    if (error) throw Error(ErrorCode::output_unwritable, "the temporary folder takes no link: check $TMPDIR");
  }

  const std::string& path() const { return path_; }

 private:
  std::unique_ptr<AtomicDirectory> folder_;
  std::string path_;
};

// How many bytes a file holds once unpacked, of NRRD without its header; 0 where it is damaged.
std::uint64_t bytes_in(const std::string& path) {
  std::error_code error;
  if (ends_with(path, ".nii")) return fs::file_size(path, error);
  std::ifstream in(path, std::ios::binary);
  std::string line;
  if (is_nrrd(path))
    while (std::getline(in, line) && !line.empty()) continue;
  z_stream stream{};
  constexpr int gzip = 16;
  if (inflateInit2(&stream, MAX_WBITS + gzip) != Z_OK) return 0;
  std::vector<unsigned char> packed(1 << 18), unpacked(1 << 20);
  int status = Z_OK;
  while (status == Z_OK && in) {
    in.read(reinterpret_cast<char*>(packed.data()), static_cast<std::streamsize>(packed.size()));
    stream.next_in = packed.data();
    stream.avail_in = static_cast<unsigned>(in.gcount());
    do {
      stream.next_out = unpacked.data();
      stream.avail_out = static_cast<unsigned>(unpacked.size());
      status = inflate(&stream, Z_NO_FLUSH);
    } while (status == Z_OK && stream.avail_in > 0);
  }
  inflateEnd(&stream);
  return status == Z_STREAM_END ? stream.total_out : 0;
}

template <class T>
void write(const std::string& path, const Volume<T>& volume, const std::map<std::string, std::string>& fields) {
  using Image = itk::Image<T, 3>;
  const itk::ImageIOBase::Pointer io = io_for(path);
  if (!io || ends_with(path, ".nhdr")) throw Error(ErrorCode::usage, "output must end in .nrrd, .nii or .nii.gz");
  const auto image = itk::OncotomeBridge::ViewOf(volume);
  itk::MetaDataDictionary& dictionary = image->GetMetaDataDictionary();
  for (const auto& [key, value] : fields) itk::EncapsulateMetaData<std::string>(dictionary, key, value);
  const auto writer = itk::ImageFileWriter<Image>::New();
  writer->SetImageIO(io);
  writer->SetFileName(path);
  writer->SetInput(image);
  writer->UseCompressionOn();
  bool written = true;
  try {
    writer->Update();
  } catch (const itk::ExceptionObject&) {
    written = false;
  }
  // Both libraries pass over some of what a full disk does not take.
  const std::uint64_t header = is_nifti(path) ? 352 : 0;  // of NIfTI-1, with the flag of no extension
  written = written && bytes_in(path) == header + volume.voxels.size() * sizeof(T);
  if (!written)
    throw Error(ErrorCode::output_unwritable,
                "cannot write a volume: check the folder, its permissions and the free space");
}

}  // namespace

bool ends_with(const std::string& text, const std::string& tail) {
  return text.size() >= tail.size() && text.compare(text.size() - tail.size(), tail.size(), tail) == 0;
}

bool is_volume_file(const std::string& path) { return is_nrrd(path) || is_nifti(path); }

Volume<float> read_volume_file(const std::string& path) {
  const itk::ImageIOBase::Pointer io = io_for(path);
  if (!io) throw Error(ErrorCode::input_unsupported, "it is no NIfTI or NRRD file");
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) throw Error(ErrorCode::input_not_found, "there is no such volume file");
  if (is_nifti(path)) check_nifti_header(path);
  using Image = itk::Image<float, 3>;
  const auto reader = itk::ImageFileReader<Image>::New();
  const AloneInItsFolder alone(path);
  reader->SetImageIO(io);
  reader->SetFileName(alone.path());
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
