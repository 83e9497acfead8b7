// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "oncotome/core/error.h"
#include "oncotome/core/geometry.h"
#include "oncotome/core/job.h"
#include "oncotome/core/volume.h"

namespace oncotome::dicom {

/// One image file of a series.
struct Instance {
  std::string path;
  std::string sop_class_uid;
  std::string sop_instance_uid;
};

/// Why something cannot be read rightly.
struct Fault {
  ErrorCode code = ErrorCode::internal;
  std::string reason;
};

/// Image files with one SeriesInstanceUID, and what was understood of them. Holds no patient's name or id.
struct Series {
  std::string patient_key;  ///< SHA-256 of the patient's id and name: tells patients apart, names nobody.
  std::string study_uid;
  std::string series_uid;
  std::string frame_of_reference_uid;
  std::string modality;  ///< "MR", "CT", "PT", ...
  std::string description;
  std::string protocol_name;
  std::string body_part;
  std::string image_type;         ///< Backslash-separated, as in the file.
  std::string scanning_sequence;  ///< (0018,0020)
  std::optional<double> repetition_time_ms, echo_time_ms, inversion_time_ms;
  bool contrast = false;  ///< ContrastBolusAgent (0018,0010) is present and not empty.
  std::string unit;       ///< Of rescaled values: "HU", "GML", "BQML", ..., "" where it has none.
  /// Sorted along the slice normal: distance rises, so that axis[2] is the normal and the grid is right-handed.
  std::vector<Instance> instances;
  Geometry geometry;                ///< Valid when there is no fault.
  std::optional<Fault> fault;       ///< Set when it is not a regular volume that can be read.
  std::vector<std::string> doubts;  ///< What was odd but read all the same.
};

struct Study {
  std::string study_uid;
  std::string patient_key;  ///< As in its series.
  std::vector<Series> series;
};

struct Rejected {
  std::string path;
  ErrorCode code = ErrorCode::input_unreadable;
  std::string reason;
};

struct StudyIndex {
  std::vector<Study> studies;
  std::vector<Rejected>
      rejected;  ///< Files that are not images that can be read. Files without a DICOM look are not listed.
  std::size_t files_seen = 0;
};

/// Reads the headers of every DICOM file under the paths (directories are walked, in sorted order, links to directories
/// are not followed) and groups them. One bad file never stops it. Throws Error{input_not_found, cancelled}.
StudyIndex scan(const std::vector<std::string>& paths, const Job& job);

/// The voxels of a series after the modality transform (slope and intercept of each instance, PS3.3 C.11.1), in the
/// series' unit. Throws the series' fault, or Error{dicom_*, input_unreadable, cancelled}.
Volume<float> load_volume(const Series& series, const Job& job);

}  // namespace oncotome::dicom
