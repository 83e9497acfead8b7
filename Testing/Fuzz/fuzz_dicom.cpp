// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "input_file.h"
#include "oncotome/dicom/picture.h"
#include "oncotome/dicom/scan.h"
#include "oncotome/dicom/suv.h"

namespace {

using namespace oncotome;

void read(const dicom::Series& series, const Job& job) {
  constexpr std::int64_t kMostPixels = 1 << 20;
  if (series.rows * series.columns * static_cast<std::int64_t>(series.instances.size()) > kMostPixels ||
      series.geometry.voxel_count() > std::size_t{kMostPixels})
    return;
  attempt([&] {
    if (series.kind == dicom::SeriesKind::pictures) display_bytes(dicom::load_picture(series, 0, job));
  });
  attempt([&] {
    if (!series.is_readable(dicom::GeometryPolicy::fill)) return;
    dicom::LoadNotes notes;
    dicom::load_volume(series, job, dicom::GeometryPolicy::fill, &notes);
  });
  attempt([&] { dicom::find_suv(series, job); });
}

}  // namespace

// A series of up to four files: each starts at a "DICM" with its preamble, or the only one comes twice. All are given
// by name, as a DICOMDIR must be.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kPreamble = 128, kMostFiles = 4;
  constexpr char kMark[] = "DICM";
  std::vector<std::size_t> starts{0};
  for (const std::uint8_t* at = data + std::min(size, 2 * kPreamble); starts.size() < kMostFiles; ++at) {
    at = std::search(at, data + size, kMark, kMark + 4);
    if (at == data + size) break;
    starts.push_back(static_cast<std::size_t>(at - data) - kPreamble);
  }
  if (starts.size() == 1) starts.push_back(0);
  std::vector<std::string> paths;
  for (std::size_t i = 0; i < starts.size(); ++i) {
    const std::size_t end = i + 1 < starts.size() && starts[i + 1] > starts[i] ? starts[i + 1] : size;
    paths.push_back(write_input(std::to_string(i) + ".dcm", data + starts[i], end - starts[i]));
  }
  const Job job;
  attempt([&] {
    for (const auto& study : dicom::scan(paths, job).studies)
      for (const auto& series : study.series) read(series, job);
  });
  return 0;
}
