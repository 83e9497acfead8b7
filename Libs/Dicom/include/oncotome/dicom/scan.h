// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "oncotome/core/error.h"
#include "oncotome/core/geometry.h"
#include "oncotome/core/job.h"
#include "oncotome/core/volume.h"

namespace oncotome::dicom {

/// One image of a series: a file, or one frame of a multi-frame file.
struct Instance {
  std::string path;
  std::string sop_class_uid;
  std::string sop_instance_uid;
  int frame = 0;  ///< From 1 in a multi-frame file; 0 where the file is the image.
};

/// What may be done with slices that make no regular grid.
enum class GeometryPolicy {
  strict,   ///< Nothing: such a series is refused.
  correct,  ///< Resampled where every slice is there: gantry tilt, uneven distances.
  fill,     ///< Missing slices are interpolated too.
};

/// Why something cannot be read rightly.
struct Fault {
  ErrorCode code = ErrorCode::internal;
  std::string reason;
};

enum class SeriesKind {
  volume,    ///< Slices, for load_volume().
  pictures,  ///< Images each for itself, for load_picture().
};

/// Images with one SeriesInstanceUID that make one volume, and what was understood of them. Where they make several
/// (echoes, time points, orientations), each is a Series of its own with a `part`. Holds no patient's name or id.
struct Series {
  SeriesKind kind = SeriesKind::volume;
  std::string patient_key;  ///< SHA-256 of the patient's id and name: tells patients apart, names nobody.
  std::string study_uid;
  std::string series_uid;
  int part = 0;           ///< From 1 where the UID names several volumes.
  std::string part_name;  ///< What tells this part from the others, such as "EchoTime 30".
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
  std::vector<Vec3> positions_mm;      ///< Of the instances: LPS center of the first pixel.
  std::int64_t columns = 0, rows = 0;  ///< Of each image; the grid of a corrected series may be wider.
  std::vector<std::size_t> holes;      ///< Indexes of the instances after which slices are missing.
  /// The grid of the volume. Of a series with a fault that can be corrected: the regular grid that it is resampled to.
  Geometry geometry;
  std::optional<Fault> fault;  ///< Set when it is not a regular volume that can be read.
  GeometryPolicy cure =
      GeometryPolicy::strict;       ///< With a fault: the least policy that corrects it; strict: none does.
  bool lossy = false;               ///< Was compressed with loss: (0028,2110) or the transfer syntax says so.
  std::vector<std::string> doubts;  ///< What was odd but read all the same.

  /// The UID; of a part "UID#part". Names the series on the command line.
  std::string id() const { return part == 0 ? series_uid : series_uid + "#" + std::to_string(part); }
  /// Gives it a fault that no policy cures.
  void refuse(Fault why) {
    fault = std::move(why);
    cure = GeometryPolicy::strict;
  }
  /// Whether load_volume() with this policy reads it.
  bool is_readable(GeometryPolicy policy) const {
    return kind == SeriesKind::volume && (!fault || (cure != GeometryPolicy::strict && cure <= policy));
  }
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

/// What load_volume() did to the values, and what is odd about them.
struct LoadNotes {
  std::vector<std::string> corrections, doubts;
  std::string not_hu;  ///< Why the values of a CT are no Hounsfield units; empty when they may be.
};

/// "strict", "correct" or "fill".
const char* name_of(GeometryPolicy policy) noexcept;

/// The voxels of a series after the modality transform (slope and intercept of each instance, PS3.3 C.11.1), in the
/// series' unit, on Series::geometry. Throws the series' fault unless the policy cures it, or Error{dicom_*,
/// input_unreadable, cancelled}. Voxels outside of the images have the lowest value of a CT, else 0. A CT's padding and
/// values below -1024 become -1024.
Volume<float> load_volume(const Series& series, const Job& job, GeometryPolicy policy = GeometryPolicy::strict,
                          LoadNotes* notes = nullptr);

}  // namespace oncotome::dicom
