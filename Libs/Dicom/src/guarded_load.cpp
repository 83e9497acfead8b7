// SPDX-License-Identifier: Apache-2.0
#include "guarded_load.h"

#include <dcmtk/dcmdata/dcistrmb.h>

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <limits>
#include <optional>
#include <vector>

#include "header.h"
#include "inflate.h"
#include "oncotome/core/error.h"

namespace oncotome::dicom {
namespace {

constexpr std::uint32_t kUndefined = 0xffffffff;
constexpr std::uint32_t kItem = 0xfffee000, kItemEnd = 0xfffee00d, kSequenceEnd = 0xfffee0dd;
constexpr std::uint32_t kPixelData = 0x7fe00010;
constexpr std::uint64_t kEndOfFile = std::numeric_limits<std::uint64_t>::max();

struct Syntax {
  bool is_explicit = false, is_big = false;
};

Syntax syntax_of(E_TransferSyntax dcmtk) {
  const DcmXfer xfer(dcmtk);
  return {static_cast<bool>(xfer.isExplicitVR()), static_cast<bool>(xfer.isBigEndian())};
}

/// A file, or one in memory, as numbers at offsets; outside they are 0.
class Bytes {
 public:
  explicit Bytes(const std::string& path) : file_(path, std::ios::binary | std::ios::ate) {
    size_ = file_ ? static_cast<std::uint64_t>(file_.tellg()) : 0;
  }
  explicit Bytes(const std::vector<char>& memory) : memory_(memory.data()), size_(memory.size()) {}

  std::uint64_t size() const { return size_; }

  /// Up to 16 bytes.
  const unsigned char* at(std::uint64_t offset) {
    if (offset < start_ || offset + 16 > start_ + sizeof window_) {
      start_ = offset;
      std::memset(window_, 0, sizeof window_);
      file_.clear();
      if (memory_ && offset < size_)
        std::memcpy(window_, memory_ + offset, static_cast<std::size_t>(std::min(size_ - offset, sizeof window_)));
      else if (offset < size_ && file_.seekg(static_cast<std::streamoff>(offset)))
        file_.read(reinterpret_cast<char*>(window_), sizeof window_);
    }
    return window_ + (offset - start_);
  }

  std::uint32_t u16(std::uint64_t offset, bool big) {
    const unsigned char* b = at(offset);
    return big ? std::uint32_t{b[0]} << 8 | b[1] : std::uint32_t{b[1]} << 8 | b[0];
  }
  std::uint32_t u32(std::uint64_t offset, bool big) {
    const std::uint32_t first = u16(offset, big), second = u16(offset + 2, big);
    return big ? first << 16 | second : second << 16 | first;
  }
  std::uint32_t tag(std::uint64_t offset, bool big) { return u16(offset, big) << 16 | u16(offset + 2, big); }

 private:
  std::ifstream file_;
  const char* memory_ = nullptr;
  std::uint64_t size_ = 0, start_ = kEndOfFile - 65536;
  unsigned char window_[4096] = {};
};

/// Offsets in a deflated file.
struct Deflated {
  std::uint64_t uid_at, start;
};

struct Element {
  std::uint32_t tag = 0, length = 0;
  std::uint64_t value = 0;  ///< Offset.
  DcmEVR vr = EVR_UNKNOWN;
};

/// A sequence, an item, the fragments of encapsulated pixels, or the data set.
struct Level {
  bool holds_items = false, is_opaque = false, is_undefined = false;
  std::uint64_t end = kEndOfFile;
  Syntax syntax;
  std::uint64_t elements = 0;
  std::uint32_t last_tag = 0;
};

/// DCMTK looks for an element one by one, and for the place of one that is out of order from the end.
constexpr std::uint64_t kMaxElements = 16384, kMaxDisorder = std::uint64_t{1} << 24;

class Walk {
 public:
  explicit Walk(const std::string& path) : bytes_(path) {}
  explicit Walk(const std::vector<char>& memory) : bytes_(memory) {}

  /// Where the deflated data set of the file starts; nothing when it is not deflated.
  std::optional<Deflated> find_deflated() {
    start();
    walk_meta();
    if (uid_ != UID_DeflatedExplicitVRLittleEndianTransferSyntax) return std::nullopt;
    if (at_ > bytes_.size()) throw Error(ErrorCode::input_unreadable, "the file is cut short");
    return Deflated{uid_at_, at_};
  }

  void run() {
    start();
    const E_TransferSyntax named = walk_meta();
    levels_.push_back({false, false, false, kEndOfFile, syntax_of(named == EXS_Unknown ? guess() : named)});
    while (bytes_.size() >= 8 && at_ <= bytes_.size() - 8 && !levels_.empty()) step();
  }

 private:
  void start() { at_ = bytes_.size() >= 132 && std::memcmp(bytes_.at(128), "DICM", 4) == 0 ? 132 : 0; }

  [[noreturn]] void damaged() const {
    throw Error(ErrorCode::input_unreadable, "the file is damaged: the lengths of its elements contradict each other");
  }

  // As DcmItem::checkTransferSyntax of DCMTK does it.
  E_TransferSyntax guess() {
    const unsigned char* b = bytes_.at(at_);
    const char name[3] = {static_cast<char>(b[4]), static_cast<char>(b[5]), 0};
    const bool has_vr = std::isalpha(b[4]) && std::isalpha(b[5]) && DcmVR(name).isStandard();
    const auto group = static_cast<Uint16>(bytes_.u16(at_, false)),
               element = static_cast<Uint16>(bytes_.u16(at_ + 2, false));
    const auto big_group = static_cast<Uint16>(bytes_.u16(at_, true)),
               big_element = static_cast<Uint16>(bytes_.u16(at_ + 2, true));
    const bool little = DcmTag(group, element).error().good(), big = DcmTag(big_group, big_element).error().good();
    const bool is_big = big && (!little || (group > 0xff && big_group <= 0xff));
    if (has_vr) return is_big ? EXS_BigEndianExplicit : EXS_LittleEndianExplicit;
    return is_big ? EXS_BigEndianImplicit : EXS_LittleEndianImplicit;
  }

  bool at_meta() {
    const unsigned char* b = bytes_.at(at_);
    return at_ < bytes_.size() && ((b[0] == 2 && b[1] == 0) || (b[0] == 0 && b[1] == 2));
  }

  /// Passes the file meta information and returns the transfer syntax that it names.
  E_TransferSyntax walk_meta() {
    if (!at_meta()) return EXS_Unknown;
    const Syntax syntax = syntax_of(guess());
    const Element first = element(syntax);
    std::uint64_t end = kEndOfFile;
    if (first.tag == 0x00020000 && first.length > 0) {
      const std::uint32_t length = bytes_.u32(first.value, syntax.is_big);
      if ((syntax.is_explicit && first.vr != EVR_UL) || first.length != 4 || length > bytes_.size()) damaged();
      end = first.value + 4 + length;
    }
    uid_.clear();
    Level meta;
    while (at_ < bytes_.size() && (end == kEndOfFile ? at_meta() : at_ < end)) {
      const Element e = element(syntax);
      count(meta, e.tag);
      if (nests(e, syntax)) damaged();
      if (e.tag == 0x00020010 && uid_.empty()) {
        uid_ = uid_at(e, syntax);
        uid_at_ = e.value;
      }
      at_ = e.value + e.length;
    }
    return uid_.empty() ? EXS_Unknown : DcmXfer(uid_.c_str()).getXfer();
  }

  std::string uid_at(const Element& e, Syntax syntax) {
    std::string uid;
    for (std::uint32_t i = 0; i < std::min<std::uint32_t>(e.length, 64); ++i)
      uid += static_cast<char>(*bytes_.at(e.value + i));
    uid.erase(uid.find_last_not_of(std::string(" \0", 2)) + 1);
    if ((syntax.is_explicit && e.vr != EVR_UI) || e.length > 64 ||
        uid.find_first_not_of("0123456789.") != std::string::npos)
      damaged();
    return uid;
  }

  /// The element that starts here, PS3.5 section 7.1.
  Element element(Syntax syntax) {
    Element e;
    e.tag = bytes_.tag(at_, syntax.is_big);
    if (e.tag == kItem || e.tag == kItemEnd || e.tag == kSequenceEnd) {
      e.vr = EVR_na;
      e.length = bytes_.u32(at_ + 4, syntax.is_big);
      e.value = at_ + 8;
    } else if (!syntax.is_explicit) {
      e.length = bytes_.u32(at_ + 4, syntax.is_big);
      e.value = at_ + 8;
    } else {
      const unsigned char* b = bytes_.at(at_);
      const char name[3] = {static_cast<char>(b[4]), static_cast<char>(b[5]), 0};
      const DcmVR vr(name);
      e.vr = vr.getEVR();
      const bool is_long = vr.usesExtendedLengthEncoding();
      e.length = is_long ? bytes_.u32(at_ + 8, syntax.is_big) : bytes_.u16(at_ + 6, syntax.is_big);
      e.value = at_ + (is_long ? 12 : 8);
    }
    return e;
  }

  static bool is_unknown(const Element& e) { return e.vr == EVR_UN || e.vr == EVR_UNKNOWN || e.vr == EVR_UNKNOWN2B; }

  /// Implicit VR leaves it to a dictionary what is a sequence, and UN may hold one too, PS3.5 section 6.2.2 note 2; but
  /// every sequence starts with an item or its own end.
  bool nests(const Element& e, Syntax syntax) {
    if (e.length == kUndefined) return true;
    const bool may_nest = e.vr == EVR_SQ || (!syntax.is_explicit && e.tag != kPixelData) ||
                          (e.vr == EVR_UN && dcmEnableUnknownVRConversion.get());
    if (!may_nest || e.length < 8) return false;
    const std::uint32_t start = bytes_.tag(e.value, value_syntax(e, syntax).is_big);
    return start == kItem || start == kSequenceEnd;
  }

  static Syntax value_syntax(const Element& e, Syntax syntax) {
    return is_unknown(e) && syntax.is_explicit ? Syntax{} : syntax;
  }

  void step() {
    Level& level = levels_.back();
    if (at_ == level.end) {
      if (level.is_undefined) damaged();
      levels_.pop_back();
    } else if (level.holds_items) {
      step_item(level);
    } else {
      step_element(level);
    }
  }

  void step_item(const Level& level) {
    const std::uint32_t tag = bytes_.tag(at_, level.syntax.is_big), length = bytes_.u32(at_ + 4, level.syntax.is_big);
    at_ += 8;
    if (tag == kSequenceEnd) return close(level);
    if (tag != kItem || (level.is_opaque && length == kUndefined)) damaged();
    if (level.is_opaque)
      at_ = checked_end(level, at_, length);
    else
      open({false, false, length == kUndefined, checked_end(level, at_, length), level.syntax});
  }

  void count(Level& level, std::uint32_t tag) {
    if (tag < level.last_tag) disorder_ += level.elements;
    level.last_tag = std::max(level.last_tag, tag);
    if (++level.elements > kMaxElements || disorder_ > kMaxDisorder)
      throw Error(
          ErrorCode::input_unreadable,
          "the file has too many elements in one data set, or out of order: it is damaged or was made to do harm");
  }

  void step_element(Level& level) {
    const Element e = element(level.syntax);
    const bool is_top = levels_.size() == 1;
    if (e.vr == EVR_na) {
      at_ += 8;
      if (e.tag != kItemEnd) damaged();
      return close(level);
    }
    if (is_top && e.tag > kPixelData) return levels_.clear();
    count(level, e.tag);
    const std::uint64_t end = checked_end(level, e.value, e.length);
    if (!nests(e, level.syntax)) {
      at_ = end;
      return;
    }
    at_ = e.value;
    const bool is_undefined = e.length == kUndefined;
    const bool fragments =
        is_undefined && (e.tag == kPixelData ? e.vr != EVR_SQ && e.vr != EVR_UN : e.vr != EVR_SQ && !is_unknown(e));
    open({true, fragments, is_undefined, end, value_syntax(e, level.syntax)});
  }

  std::uint64_t checked_end(const Level& level, std::uint64_t start, std::uint32_t length) const {
    if (length == kUndefined) return level.end;
    if (start + length > level.end) damaged();
    return start + length;
  }

  void open(const Level& level) {
    levels_.push_back(level);
    if (levels_.size() > 2 * kMaxNesting + 1)
      throw Error(ErrorCode::input_unreadable, "the file has sequences nested more than " +
                                                   std::to_string(kMaxNesting) +
                                                   " deep: it is damaged or was made to do harm");
  }

  void close(const Level& level) {
    if (!level.is_undefined && levels_.size() > 1 && at_ != level.end) damaged();
    levels_.pop_back();
  }

  Bytes bytes_;
  std::uint64_t at_ = 0, uid_at_ = 0, disorder_ = 0;
  std::string uid_;  ///< The transfer syntax that the file names.
  std::vector<Level> levels_;
};

/// The file as if its data set had been written in explicit VR little endian.
std::vector<char> inflated(const std::string& path, const Deflated& deflated) {
  std::ifstream file(path, std::ios::binary);
  std::vector<char> whole(static_cast<std::size_t>(deflated.start));
  if (!file.read(whole.data(), static_cast<std::streamsize>(whole.size())))
    throw Error(ErrorCode::input_unreadable, "the file is cut short");
  // The UID that is left when ".99" gives way to padding.
  std::fill_n(whole.begin() + static_cast<std::ptrdiff_t>(deflated.uid_at) +
                  std::strlen(UID_LittleEndianExplicitTransferSyntax),
              3, '\0');
  inflate_rest(file, whole);
  return whole;
}

}  // namespace

void check_nesting(const std::string& path) { Walk(path).run(); }

OFCondition guarded_load(DcmFileFormat& file, const std::string& path, const DcmTagKey& stop) {
  Walk walk(path);
  const std::optional<Deflated> deflated = walk.find_deflated();
  if (!deflated) {
    walk.run();
    return file.loadFileUntilTag(path.c_str(), EXS_Unknown, EGL_noChange, DCM_MaxReadLength, ERM_autoDetect, stop);
  }
  const std::vector<char> whole = inflated(path, *deflated);
  Walk(whole).run();
  DcmInputBufferStream stream;
  stream.setBuffer(whole.data(), static_cast<offile_off_t>(whole.size()));
  stream.setEos();
  file.transferInit();
  OFCondition read = file.readUntilTag(stream, EXS_Unknown, EGL_noChange, DCM_MaxReadLength, stop);
  file.transferEnd();
  if (read.good())
    read =
        file.getMetaInfo()->putAndInsertString(DCM_TransferSyntaxUID, UID_DeflatedExplicitVRLittleEndianTransferSyntax);
  return read;
}

}  // namespace oncotome::dicom
