// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <set>
#include <tuple>

#include "geometry.h"
#include "guarded_load.h"
#include "marks.h"
#include "oncotome/core/digest.h"
#include "oncotome/dicom/decimal_string.h"
#include "pixels.h"
#include "series.h"
#include "values.h"

namespace oncotome::dicom {
namespace {

using Doubts = std::vector<std::string>;
using Group = std::vector<const Header*>;

constexpr std::size_t kMaxPlanes = 64;  ///< Sizes and orientations in one series.
constexpr std::size_t kFewImages = 3;   ///< Fewer are no volume beside one.

std::string several(std::size_t count, const std::string& noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? " was" : "s were");
}

/// Keeps one of several equal files; throws Error{dicom_bad_value} when they are not equal.
void drop_copies(std::vector<Header>& headers, Doubts& doubts) {
  std::map<std::string, std::string> path_of, digest_of;
  const auto digest = [&](const std::string& path) -> const std::string& {
    std::string& known = digest_of[path];
    return known.empty() ? known = sha256_hex_of_file(path) : known;
  };
  std::set<std::string> copies;
  for (const Header& h : headers) {
    const std::string& known = path_of.emplace(h.instance.sop_instance_uid, h.instance.path).first->second;
    if (known == h.instance.path || !copies.insert(h.instance.path).second) continue;
    if (digest(known) != digest(h.instance.path))
      throw Error(ErrorCode::dicom_bad_value,
                  "two different files carry the SOPInstanceUID " + h.instance.sop_instance_uid);
  }
  if (copies.empty()) return;
  headers.erase(std::remove_if(headers.begin(), headers.end(),
                               [&](const Header& h) { return copies.count(h.instance.path) > 0; }),
                headers.end());
  doubts.push_back(std::to_string(copies.size()) + " copies of files were left out");
}

/// Throws Error{dicom_missing_slices} when a file of a multi-frame object that was cut in several is not there.
void check_concatenations(const std::vector<Header>& headers) {
  std::map<std::string, std::set<int>> found;
  std::map<std::string, int> expected;
  for (const Header& h : headers) {
    if (h.concatenation_uid.empty()) continue;
    found[h.concatenation_uid].insert(h.concatenation_part);
    int& parts = expected[h.concatenation_uid];
    parts = std::max({parts, h.concatenation_parts, h.concatenation_part});
  }
  for (const auto& [uid, parts] : found)
    if (parts.size() < static_cast<std::size_t>(expected[uid]))
      throw Error(ErrorCode::dicom_missing_slices, std::to_string(parts.size()) + " of the " +
                                                       std::to_string(expected[uid]) + " files of concatenation " +
                                                       uid + " are there: fetch the whole series again");
}

/// Along the normal of the first image.
std::vector<double> distances(const Group& group) {
  const auto& axes = *group.front()->orientation;
  const Vec3 normal = cross(axes[0], axes[1]);
  std::vector<double> all;
  for (const Header* h : group) all.push_back(dot(*h->position, normal));
  std::sort(all.begin(), all.end());
  return all;
}

bool places_repeat(const Group& group) {
  const std::vector<double> d = distances(group);
  return std::adjacent_find(d.begin(), d.end(), [](double a, double b) { return b - a < step_tolerance_mm(0); }) !=
         d.end();
}

bool same_places(const Group& a, const Group& b) {
  const std::vector<double> c = distances(a), d = distances(b);
  return c.size() == d.size() && std::equal(c.begin(), c.end(), d.begin(),
                                            [](double x, double y) { return std::abs(x - y) < step_tolerance_mm(0); });
}

bool same_size(const Header& a, const Header& b) {
  return a.rows == b.rows && a.columns == b.columns &&
         std::abs((*a.pixel_spacing)[0] - (*b.pixel_spacing)[0]) <= 1e-3 &&
         std::abs((*a.pixel_spacing)[1] - (*b.pixel_spacing)[1]) <= 1e-3;
}

bool same_space(const Header& a, const Header& b) {
  return a.instance.sop_class_uid == b.instance.sop_class_uid && a.series.modality == b.series.modality &&
         a.series.unit == b.series.unit && a.series.frame_of_reference_uid == b.series.frame_of_reference_uid &&
         same_orientation(a, b);
}

/// Images that could be planes of one stack, largest group first; none when there are too many kinds.
std::vector<Group> by_planes(const std::vector<Header>& headers) {
  std::vector<Group> groups;
  for (const Header& h : headers) {
    const auto fits = std::find_if(groups.begin(), groups.end(), [&](const Group& g) {
      return same_space(h, *g.front()) && same_size(h, *g.front());
    });
    if (fits != groups.end())
      fits->push_back(&h);
    else if (groups.size() < kMaxPlanes)
      groups.push_back({&h});
    else
      return {};
  }
  std::stable_sort(groups.begin(), groups.end(), [](const Group& a, const Group& b) { return a.size() > b.size(); });
  return groups;
}

std::string plane_name(const Header& h) {
  const auto& axes = *h.orientation;
  const Vec3 normal = cross(axes[0], axes[1]);
  constexpr std::array<const char*, 3> names{"sagittal", "coronal", "axial"};
  std::size_t main = 0;
  for (std::size_t d = 1; d < 3; ++d)
    if (std::abs(normal[d]) > std::abs(normal[main])) main = d;
  return std::string(names[main]) + " " + std::to_string(h.columns) + " x " + std::to_string(h.rows);
}

/// Numbers by size, before other texts.
struct ByValue {
  bool operator()(const std::string& a, const std::string& b) const { return key(a) < key(b); }
  static std::tuple<bool, double, std::string> key(const std::string& text) {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool is_text = error != std::errc{} || end != text.data() + text.size() || !std::isfinite(value);
    return {is_text, is_text ? 0 : value, is_text ? text : ""};
  }
};

struct Part {
  Group images;
  std::string name;
  Series series;
};

class Splitter {
 public:
  explicit Splitter(const std::vector<Header>& headers) : headers_(headers), work_left_(200 * headers.size()) {}

  /// Nothing when the images cannot be told apart.
  std::vector<Part> run() {
    const std::vector<Group> groups = by_planes(headers_);
    if (groups.empty()) return {};
    if (groups.size() == 1) return by_marks(groups[0], kStackId, "");
    std::vector<Part> parts;
    std::size_t aside = 0;
    for (const Group& group : groups) {
      const bool is_turned = std::none_of(groups.begin(), groups.end(), [&](const Group& g) {
        return &g != &group && same_orientation(*g.front(), *group.front());
      });
      std::vector<Part> found = by_marks(group, kStackId, plane_name(*group.front()));
      if (group.size() < kFewImages && is_turned && !parts.empty() && is_good(parts.front())) {
        aside += group.size();
        continue;
      }
      if (found.empty() || (!is_turned && !all_good(found)) || group.size() < kFewImages) return {};
      parts.insert(parts.end(), found.begin(), found.end());
    }
    if (aside > 0) parts.front().series.doubts.push_back(several(aside, "image") + " of another orientation left out");
    return parts;
  }

 private:
  static bool is_good(const Part& part) { return !part.series.fault; }
  static bool all_good(const std::vector<Part>& parts) { return std::all_of(parts.begin(), parts.end(), is_good); }

  static Part as_part(const Group& images, const std::string& name) {
    std::vector<Header> headers;
    for (const Header* h : images) headers.push_back(*h);
    return {images, name, make_series(std::move(headers))};
  }

  /// Parts whose places do not repeat, told apart by marks from `first` on; none when there is no way.
  std::vector<Part> by_marks(const Group& group, std::size_t first, const std::string& name) {
    const bool repeat = places_repeat(group);
    Part whole;
    if (!repeat) {
      whole = as_part(group, name);
      if (!whole.series.fault) return {whole};
    }
    for (std::size_t mark = first; mark < (repeat ? kMarkCount : kAcquisitionNumber); ++mark) {
      std::vector<Part> parts = by_mark(group, mark, name);
      if (!parts.empty()) return parts;
    }
    if (repeat) return {};
    return {whole};
  }

  std::vector<Part> by_mark(const Group& group, std::size_t mark, const std::string& name) {
    if (work_left_ < group.size()) return {};
    work_left_ -= group.size();
    std::map<std::string, Group, ByValue> groups;
    for (const Header* h : group) groups[h->marks[mark]].push_back(h);
    std::size_t aside = 0;
    if (mark == kImageType)
      for (auto g = groups.begin(); groups.size() > 1 && g != groups.end();) {
        const bool is_extra =
            g->second.size() < kFewImages && (g->second.front()->localizer || g->first.compare(0, 7, "DERIVED") == 0);
        if (is_extra) aside += g->second.size();
        g = is_extra ? groups.erase(g) : std::next(g);
      }
    if (aside == 0 && (groups.size() < 2 || groups.size() * 2 > group.size())) return {};
    std::vector<Part> parts;
    for (const auto& [value, images] : groups) {
      const std::string said = std::string(kMarkNames[mark]) + " " + (value.empty() ? "none" : value);
      const std::vector<Part> found = by_marks(images, mark + 1, name.empty() ? said : name + ", " + said);
      if (found.empty()) return {};
      parts.insert(parts.end(), found.begin(), found.end());
    }
    const bool alike = aside == 0 && std::all_of(parts.begin(), parts.end(), [&](const Part& part) {
                         return same_places(part.images, parts.front().images);
                       });
    if (!all_good(parts) && !alike) return {};
    if (aside > 0) parts.front().series.doubts.push_back(several(aside, "derived or localizer image") + " left out");
    return parts;
  }

  const std::vector<Header>& headers_;
  std::size_t work_left_;
};

/// Of what makes the values of an image; "" when its pixels cannot be read.
std::string digest_of_values(const Header& h) {
  try {
    DcmFileFormat file;
    if (guarded_load(file, h.instance.path, kAfterPixelData).bad()) return {};
    const Frame frame =
        PixelSource(file, "instance " + h.instance.sop_instance_uid).frame(std::max(h.instance.frame, 1) - 1);
    return sha256_hex({reinterpret_cast<const char*>(frame.cells.data()), frame.cells.size()}) +
           decimal_string(h.slope) + " " + decimal_string(h.intercept) + " " + h.series.unit;
  } catch (const Error&) {
    return {};
  }
}

/// Keeps one of several single images of equal values at one place; false where the images at a place differ.
bool drop_doubles(std::vector<Header>& headers, Doubts& doubts) {
  const auto& axes = *headers.front().orientation;
  const Vec3 normal = cross(axes[0], axes[1]);
  const auto place = [&](const Header& h) { return dot(*h.position, normal); };
  std::vector<Header> kept;
  std::stable_sort(headers.begin(), headers.end(),
                   [&](const Header& a, const Header& b) { return place(a) < place(b); });
  for (const Header& h : headers) {
    if (kept.empty() || place(h) - place(kept.back()) >= step_tolerance_mm(0))
      kept.push_back(h);
    else if (const std::string digest = digest_of_values(h);
             h.instance.frame > 0 || digest.empty() || digest != digest_of_values(kept.back()))
      return false;
  }
  doubts.push_back(several(headers.size() - kept.size(), "image") + " left out that another one equals");
  headers = std::move(kept);
  return true;
}

bool can_be_placed(const Header& h) { return !h.fault && h.position && h.orientation && h.pixel_spacing; }

}  // namespace

std::vector<Series> split_series(std::vector<Header> headers) {
  Doubts doubts;
  std::vector<Part> parts;
  Series whole;
  try {
    drop_copies(headers, doubts);
    check_concatenations(headers);
    whole = make_series(headers);
    if (whole.fault && std::all_of(headers.begin(), headers.end(), can_be_placed)) {
      parts = Splitter(headers).run();
      if (parts.empty() && whole.fault->code == ErrorCode::dicom_duplicate_position && drop_doubles(headers, doubts))
        whole = make_series(headers);
    }
  } catch (const Error& error) {
    whole = make_series(std::move(headers));
    whole.refuse({error.code(), error.what()});
  }
  if (parts.empty()) parts.push_back({{}, "", std::move(whole)});
  std::vector<Series> series;
  for (Part& part : parts) {
    Series& s = part.series;
    if (parts.size() > 1) {
      s.part = static_cast<int>(series.size()) + 1;
      s.part_name = part.name;
    }
    s.doubts.insert(s.doubts.begin(), doubts.begin(), doubts.end());
    series.push_back(std::move(s));
  }
  return series;
}

}  // namespace oncotome::dicom
