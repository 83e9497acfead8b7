// SPDX-License-Identifier: Apache-2.0
#include <pthread.h>

#include <fstream>

#include "made_series.h"

namespace oncotome::dicom {
namespace {

constexpr std::uint32_t kUndefined = 0xffffffff;

/// How elements are written.
struct Coding {
  const char* uid = nullptr;  ///< Transfer syntax.
  bool is_explicit = true, is_big = false;
};

constexpr Coding kExplicit{UID_LittleEndianExplicitTransferSyntax};
constexpr Coding kImplicit{UID_LittleEndianImplicitTransferSyntax, false};
constexpr Coding kBig{UID_BigEndianExplicitTransferSyntax, true, true};

std::string number(std::uint32_t value, int bytes, bool big) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> 8 * (big ? bytes - 1 - i : i));
  return out;
}

std::string tag(std::uint32_t value, bool big) { return number(value >> 16, 2, big) + number(value & 0xffff, 2, big); }

std::string element(const Coding& c, std::uint32_t t, const std::string& vr, std::uint32_t length,
                    const std::string& value) {
  if (!c.is_explicit) return tag(t, false) + number(length, 4, false) + value;
  const bool is_long = vr == "SQ" || vr == "UN" || vr == "OB" || vr == "OW";
  const std::string size = is_long ? number(0, 2, false) + number(length, 4, c.is_big) : number(length, 2, c.is_big);
  return tag(t, c.is_big) + vr + size + value;
}

std::string text(const Coding& c, std::uint32_t t, const std::string& vr, std::string value) {
  if (value.size() % 2 == 1) value += vr == "UI" ? '\0' : ' ';
  return element(c, t, vr, static_cast<std::uint32_t>(value.size()), value);
}

/// Sequences in sequences, one item each, all closed.
std::string nest(const Coding& c, std::size_t levels, bool undefined, const std::string& vr = "SQ",
                 std::uint32_t t = 0x00081140) {
  const std::string item = tag(0xfffee000, c.is_big);
  if (undefined) {
    std::string starts, ends;
    for (std::size_t i = 0; i < levels; ++i)
      starts += element(c, t, vr, kUndefined, item + number(kUndefined, 4, false));
    for (std::size_t i = 0; i < levels; ++i)
      ends += tag(0xfffee00d, c.is_big) + number(0, 4, false) + tag(0xfffee0dd, c.is_big) + number(0, 4, false);
    return starts + ends;
  }
  const std::uint32_t level_size = c.is_explicit ? 20 : 16;
  std::string starts;
  for (std::size_t i = levels; i > 0; --i) {
    const auto inner = static_cast<std::uint32_t>((i - 1) * level_size);
    starts += element(c, t, vr, inner + 8, item + number(inner, 4, c.is_big));
  }
  return starts;
}

std::string file_of(const Coding& c, const std::string& nested, const std::string& after = {}) {
  const std::string meta = text(kExplicit, 0x00020002, "UI", UID_MRImageStorage) +
                           text(kExplicit, 0x00020003, "UI", "1.2.3.4") + text(kExplicit, 0x00020010, "UI", c.uid);
  return std::string(128, '\0') + "DICM" +
         element(kExplicit, 0x00020000, "UL", 4, number(static_cast<std::uint32_t>(meta.size()), 4, false)) + meta +
         text(c, 0x00080016, "UI", UID_MRImageStorage) + text(c, 0x00080018, "UI", "1.2.3.4") +
         text(c, 0x00080060, "CS", "MR") + nested + text(c, 0x0020000d, "UI", "1.2.3") +
         text(c, 0x0020000e, "UI", "1.2.3.5") + after;
}

/// Why the one file is rejected; "" when it is taken for an image.
std::string rejection(const std::string& bytes) {
  const Folder folder;
  std::ofstream(folder / "nested.dcm", std::ios::binary) << bytes;
  const StudyIndex index = scan_all(folder.path());
  EXPECT_EQ(index.studies.size() + index.rejected.size(), 1u);
  if (index.rejected.empty()) return "";
  EXPECT_EQ(index.rejected[0].code, ErrorCode::input_unreadable);
  return index.rejected[0].reason;
}

bool too_deep(const std::string& reason) { return reason.find("more than 32 deep") != std::string::npos; }

void expect_all_refused(std::size_t levels) {
  for (const Coding& c : {kExplicit, kImplicit, kBig})
    for (const bool undefined : {false, true})
      EXPECT_TRUE(too_deep(rejection(file_of(c, nest(c, levels, undefined))))) << c.uid << " " << undefined;
}

TEST(Nesting, Ten_thousand_levels_are_refused_however_they_are_written) { expect_all_refused(10000); }

TEST(Nesting, Is_refused_and_the_deepest_allowed_is_read_on_a_stack_of_256_KiB) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  ASSERT_EQ(pthread_attr_setstacksize(&attributes, 256 * 1024), 0);
  pthread_t thread;
  const auto run = [](void*) -> void* {
    expect_all_refused(10000);
    EXPECT_EQ(rejection(file_of(kExplicit, nest(kExplicit, 32, true))), "");
    return nullptr;
  };
  ASSERT_EQ(pthread_create(&thread, &attributes, run, nullptr), 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
}

TEST(Nesting, Thirty_two_levels_are_read_and_one_more_is_not) {
  for (const Coding& c : {kExplicit, kImplicit, kBig})
    for (const bool undefined : {false, true}) {
      EXPECT_EQ(rejection(file_of(c, nest(c, 32, undefined))), "") << c.uid << " " << undefined;
      EXPECT_TRUE(too_deep(rejection(file_of(c, nest(c, 33, undefined))))) << c.uid << " " << undefined;
    }
}

TEST(Nesting, Is_seen_inside_unknown_VR_and_private_elements) {
  const std::string implicit = nest(kImplicit, 5000, true);
  for (const Coding& c : {kExplicit, kBig}) {
    // UN of undefined length holds implicit little endian, PS3.5 section 6.2.2.
    const std::string un =
        element(c, 0x00091001, "UN", kUndefined,
                tag(0xfffee000, false) + number(kUndefined, 4, false) + implicit + tag(0xfffee00d, false) +
                    number(0, 4, false) + tag(0xfffee0dd, false) + number(0, 4, false));
    EXPECT_TRUE(too_deep(rejection(file_of(c, un)))) << c.uid;
    // Of defined length it is mere bytes.
    const std::string bytes = tag(0xfffee000, false) + nest(kExplicit, 100, false);
    EXPECT_EQ(rejection(file_of(c, text(c, 0x00091001, "UN", bytes))), "") << c.uid;
  }
  EXPECT_TRUE(too_deep(rejection(file_of(kImplicit, nest(kImplicit, 5000, false, "", 0x00091001)))));
}

TEST(Nesting, Is_seen_where_no_file_meta_information_names_the_syntax) {
  for (const Coding& c : {kExplicit, kImplicit, kBig}) {
    const std::string file = file_of(c, nest(c, 10000, false));
    const std::string start = text(c, 0x00080016, "UI", UID_MRImageStorage);
    EXPECT_TRUE(too_deep(rejection(file.substr(file.find(start))))) << c.uid;
  }
}

TEST(Nesting, Is_seen_behind_lengths_that_hide_it) {
  // A sequence of 8 bytes that an item of undefined length runs out of.
  const std::string item = tag(0xfffee000, false) + number(kUndefined, 4, false);
  std::string open;
  for (int i = 0; i < 10000; ++i) open += element(kExplicit, 0x00081140, "SQ", 8, item);
  EXPECT_NE(rejection(file_of(kExplicit, open)).find("damaged"), std::string::npos);
  // A delimiter that ends a sequence before its length does.
  const std::string deep = nest(kExplicit, 10000, false);
  const std::string early = element(kExplicit, 0x00081140, "SQ", static_cast<std::uint32_t>(deep.size() + 8),
                                    tag(0xfffee0dd, false) + number(0, 4, false) + deep);
  EXPECT_NE(rejection(file_of(kExplicit, early)).find("damaged"), std::string::npos);
  // File meta information that claims the data set too.
  std::string file = file_of(kImplicit, "");
  file += deep;
  file.replace(128 + 4 + 8, 4, number(static_cast<std::uint32_t>(file.size() - 144), 4, false));
  EXPECT_NE(rejection(file).find("damaged"), std::string::npos);
  // Pixel data that is a sequence.
  EXPECT_TRUE(too_deep(rejection(file_of(kExplicit, "", nest(kExplicit, 10000, true, "SQ", 0x7fe00010)))));
}

TEST(Nesting, Behind_the_pixels_is_not_read) {
  const Folder folder;
  const auto paths = write_ramp(folder.path(), axial_grid());
  for (const std::string& path : paths)
    std::ofstream(path, std::ios::binary | std::ios::app) << nest(kExplicit, 10000, true, "SQ", 0x7fe11001);
  EXPECT_EQ(load(only_series(folder.path())).voxels, ramp(axial_grid()).voxels);
}

TEST(Nesting, That_comes_after_the_scan_stops_the_loading) {
  const Folder folder;
  const auto paths = write_ramp(folder.path(), axial_grid());
  const Series series = only_series(folder.path());
  std::ofstream(paths[2], std::ios::binary) << file_of(kExplicit, nest(kExplicit, 10000, true));
  EXPECT_EQ(error_of([&] { load(series); }), "input.unreadable");
}

TEST(Nesting, Of_real_depth_is_no_reason_to_refuse_an_image) {
  const Folder folder;
  write_ramp(folder.path(), axial_grid(), [](DcmItem& item, std::size_t) {
    DcmItem *image = nullptr, *code = nullptr;
    ASSERT_TRUE(item.findOrCreateSequenceItem(DCM_SourceImageSequence, image, -2).good());
    ASSERT_TRUE(image->findOrCreateSequenceItem(DCM_PurposeOfReferenceCodeSequence, code, -2).good());
    put(*code, DCM_CodeValue, "121322");
  });
  EXPECT_EQ(fault_of(only_series(folder.path())), "none");
}

/// Private elements without a value, from the last to the first or the other way round.
std::string many(std::uint32_t count, bool reversed) {
  std::string out;
  for (std::uint32_t i = 0; i < count; ++i) out += text(kExplicit, 0x00091000 + (reversed ? count - i : i), "LO", "");
  return out;
}

TEST(Elements, So_many_that_finding_one_takes_long_are_refused) {
  EXPECT_EQ(rejection(file_of(kExplicit, many(16000, false))), "");
  EXPECT_NE(rejection(file_of(kExplicit, many(17000, false))).find("too many elements"), std::string::npos);
}

TEST(Elements, Out_of_order_are_read_unless_sorting_them_takes_long) {
  EXPECT_EQ(rejection(file_of(kExplicit, many(2000, true))), "");
  EXPECT_NE(rejection(file_of(kExplicit, many(16000, true))).find("out of order"), std::string::npos);
}

}  // namespace
}  // namespace oncotome::dicom
