// SPDX-License-Identifier: Apache-2.0
#include "series.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "geometry.h"
#include "marks.h"
#include "values.h"

namespace oncotome::dicom {
namespace {

using Doubts = std::vector<std::string>;

void drop_localizers(std::vector<Header>& headers, Doubts& doubts) {
  std::vector<Header> rest;
  std::copy_if(headers.begin(), headers.end(), std::back_inserter(rest), [](const Header& h) { return !h.localizer; });
  if (rest.size() < 3 || rest.size() == headers.size()) return;
  const bool differ = std::any_of(headers.begin(), headers.end(),
                                  [&](const Header& h) { return h.localizer && !same_orientation(h, rest.front()); });
  if (!differ) return;
  doubts.push_back(std::to_string(headers.size() - rest.size()) + " localizer images were left out");
  headers = std::move(rest);
}

/// Throws the first fault that an image has in itself, and Error{dicom_bad_value} where the images do not belong
/// together.
void check_images(const std::vector<Header>& headers) {
  const Header& first = headers.front();
  for (const Header& h : headers) {
    if (h.fault) throw Error(h.fault->code, "instance " + h.instance.sop_instance_uid + ": " + h.fault->reason);
    if (h.series.modality != first.series.modality || h.instance.sop_class_uid != first.instance.sop_class_uid)
      throw Error(ErrorCode::dicom_bad_value, "images of different modalities share one SeriesInstanceUID");
    if (h.has_slope != first.has_slope)
      throw Error(ErrorCode::dicom_bad_value, "RescaleSlope is there in some images of the series and not in others");
    if (h.series.unit != first.series.unit)
      throw Error(ErrorCode::dicom_bad_value, "values in different units in one series");
  }
}

void doubt_steps(const std::vector<Header>& headers, double step_mm, Doubts& doubts) {
  const Header& first = headers.front();
  const auto differs = [&](const std::optional<double>& value) {
    return value && std::abs(std::abs(*value) - step_mm) > step_tolerance_mm(step_mm);
  };
  if (differs(first.thickness))
    doubts.push_back("SliceThickness is " + brief(*first.thickness) + " mm, the slices are " + brief(step_mm) +
                     " mm apart");
  if (differs(first.spacing_between_slices))
    doubts.push_back("SpacingBetweenSlices is " + brief(*first.spacing_between_slices) + " mm, the slices are " +
                     brief(step_mm) + " mm apart");
}

void doubt_ends(const std::vector<Header>& headers, Doubts& doubts) {
  std::optional<double> lowest;
  double expected = 0;
  for (const Header& h : headers) {
    if (h.instance_number) lowest = std::min(lowest.value_or(*h.instance_number), *h.instance_number);
    expected = std::max(expected, h.images_in_acquisition.value_or(0));
  }
  if (lowest && *lowest > 1)
    doubts.push_back("InstanceNumber starts at " + brief(*lowest) + ": slices may be missing at an end");
  if (expected > static_cast<double>(headers.size()))
    doubts.push_back("ImagesInAcquisition is " + brief(expected) + ", but there are " + std::to_string(headers.size()) +
                     " slices");
}

void doubt_mixture(const std::vector<Header>& headers, Doubts& doubts) {
  const auto mixed = [&](auto member) {
    return std::any_of(headers.begin(), headers.end(),
                       [&](const Header& h) { return member(h) != member(headers.front()); });
  };
  if (mixed([](const Header& h) { return h.series.image_type; })) doubts.emplace_back("ImageType differs among slices");
  for (const MarkIndex mark : {kEchoNumber, kEchoTime, kInversionTime, kBValue, kTemporalPosition, kStackId})
    if (mixed([mark](const Header& h) { return h.marks.empty() ? std::string() : h.marks[mark]; }))
      doubts.push_back(std::string(kMarkNames[mark]) + " differs among slices: they may not belong together");
  if (headers.front().series.frame_of_reference_uid.empty())
    doubts.emplace_back("no FrameOfReferenceUID: its place relative to other series is unknown");
}

}  // namespace

Series make_series(std::vector<Header> headers) {
  Series series = headers.front().series;
  series.contrast = std::any_of(headers.begin(), headers.end(), [](const Header& h) { return h.series.contrast; });
  Doubts doubts;
  try {
    drop_localizers(headers, doubts);
    check_images(headers);
    const Stack stack = stack_slices(headers);
    std::vector<Header> sorted;
    for (const std::size_t i : stack.order) sorted.push_back(std::move(headers[i]));
    headers = std::move(sorted);
    series = headers.front().series;
    series.contrast = std::any_of(headers.begin(), headers.end(), [](const Header& h) { return h.series.contrast; });
    series.geometry = stack.geometry;
    series.columns = headers.front().columns;
    series.rows = headers.front().rows;
    series.holes = stack.holes;
    series.fault = stack.fault;
    series.cure = stack.cure;
    std::set<std::string> of_images;
    for (const Header& h : headers) of_images.insert(h.doubts.begin(), h.doubts.end());
    doubts.insert(doubts.end(), of_images.begin(), of_images.end());
    doubt_steps(headers, stack.geometry.spacing_mm[2], doubts);
    doubt_ends(headers, doubts);
    doubt_mixture(headers, doubts);
  } catch (const Error& error) {
    series.fault = Fault{error.code(), error.what()};
  }
  for (Header& h : headers) {
    series.positions_mm.push_back(h.position.value_or(Vec3{}));
    series.lossy = series.lossy || h.series.lossy;
    series.instances.push_back(std::move(h.instance));
  }
  series.doubts = std::move(doubts);
  return series;
}

}  // namespace oncotome::dicom
