// SPDX-License-Identifier: Apache-2.0
#include "oncotome/engine/weight_file.h"

#include <gtest/gtest.h>

#include "oncotome/core/error.h"
#include "oncotome/core/json.h"
#include "stored_file.h"

namespace {

using namespace oncotome::engine;
using oncotome::ErrorCode;

struct ZipEntry {
  std::string name, bytes;
  unsigned method = 0, flags = 0;
};

/// A zip file as APPNOTE 6.3 describes it, without sums.
std::string zip_of(const std::vector<ZipEntry>& entries) {
  const auto n = little_endian_bytes;
  std::string file, directory;
  for (const ZipEntry& entry : entries) {
    const std::string common = n(20, 2) + n(entry.flags, 2) + n(entry.method, 2) + n(0, 8) + n(entry.bytes.size(), 4) +
                               n(entry.bytes.size(), 4) + n(entry.name.size(), 2) + n(0, 2);
    directory += "PK\1\2" + n(20, 2) + common + n(0, 10) + n(file.size(), 4) + entry.name;
    file += "PK\3\4" + common + entry.name + entry.bytes;
  }
  return file + directory + "PK\5\6" + n(0, 4) + n(entries.size(), 2) + n(entries.size(), 2) + n(directory.size(), 4) +
         n(file.size(), 4) + n(0, 2);
}

std::string text(const std::string& value) { return "X" + little_endian_bytes(value.size(), 4) + value; }

/// {"w": a float32 tensor of storage "0"}, in pickle's protocol 2.
std::string pickle_of(int elements, const std::string& offset_shape_strides,
                      const std::string& storage = "FloatStorage") {
  return "\x80\x02}" + text("w") + "ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage") + "ctorch\n" + storage +
         "\n" + text("0") + text("cpu") + "K" + static_cast<char>(elements) + "tQ" + offset_shape_strides +
         "\x89"
         "ccollections\nOrderedDict\n)RtRs.";
}
std::string archive(const std::string& pickle, const std::string& storage = std::string(8, '\0')) {
  return zip_of({{"model/data.pkl", pickle}, {"model/data/0", storage}});
}

const std::string kTwo = std::string("K\0", 2) + "K\2\x85K\1\x85";

nlohmann::ordered_json contents_of(const std::string& pickle) {
  const StoredFile file(archive("\x80\x02" + pickle));
  return WeightFile::open(file.path())->contents();
}

std::string refusal(const std::string& bytes, ErrorCode code = ErrorCode::weights_invalid) {
  const StoredFile file(bytes);
  try {
    WeightFile::open(file.path())->read("w");
  } catch (const oncotome::Error& e) {
    EXPECT_EQ(e.code(), code) << e.what();
    EXPECT_EQ(std::string(e.what()).find('\n'), std::string::npos);
    return e.what();
  }
  ADD_FAILURE() << "accepted";
  return {};
}
#define EXPECT_REFUSED(bytes, why) EXPECT_NE(refusal(bytes).find(why), std::string::npos) << refusal(bytes)

TEST(WeightFiles, A_tensor_is_read_by_its_name) {
  const StoredFile file(archive(pickle_of(2, kTwo), std::string("\0\0\xc0\x3f\0\0\0\xc0", 8)));
  const auto weights = WeightFile::open(file.path());
  EXPECT_EQ(weights->kind(), "torch zip");
  EXPECT_EQ(weights->contents().dump(), R"({"w":{"tensor":"w"}})");
  EXPECT_EQ(weights->read("w").values, (std::vector<float>{1.5F, -2.0F}));
  EXPECT_THROW(weights->read("v"), oncotome::Error);
}

TEST(WeightFiles, Big_endian_storages_are_turned) {
  const StoredFile file(zip_of({{"m/data.pkl", pickle_of(2, kTwo)},
                                {"m/byteorder", "big"},
                                {"m/data/0", std::string("\x3f\xc0\0\0\xc0\0\0\0", 8)}}));
  EXPECT_EQ(WeightFile::open(file.path())->read("w").values, (std::vector<float>{1.5F, -2.0F}));
}

TEST(WeightFiles, Code_in_a_pickle_becomes_its_name) {
  EXPECT_EQ(contents_of("cos\nsystem\n" + text("touch /tmp/x") + "\x85R.").dump(), R"({"object":"os.system"})");
  EXPECT_EQ(contents_of("c__builtin__\neval\n" + text("1") + "\x85R.").dump(), R"({"object":"builtins.eval"})");
  EXPECT_EQ(contents_of("cnn\nModule\n)\x81}" + text("a") + "K\1sb.").dump(), R"({"object":"nn.Module"})");
  EXPECT_REFUSED(archive("\x80\x02"
                         "cos\nsystem\n" +
                         text("true") + "\x85R."),
                 "is not there");
}

TEST(WeightFiles, A_key_that_is_set_twice_has_its_last_value) {
  EXPECT_EQ(contents_of("}" + text("a") + "K\1s" + text("b") + "K\2s" + text("a") + "K\3s.").dump(),
            R"({"b":2,"a":3})");
}

TEST(WeightFiles, Values_that_hold_themselves_or_unfold_without_end_are_refused) {
  EXPECT_REFUSED(archive("\x80\x02]q\1h\1a."), "hold themselves");
  EXPECT_REFUSED(archive("\x80\x02}q\1" + text("a") + "h\1s."), "hold themselves");
  std::string doubling = "\x80\x02]";
  for (int i = 0; i < 60; ++i) doubling += "2\x86";
  EXPECT_REFUSED(archive(doubling + "."), "unfold to more than 256 MiB");
  std::string arrays = "\x80\x02" + text(std::string(1 << 20, 'a')) + "q\1" + text("latin1") + "q\2";
  for (int i = 0; i < 300; ++i) arrays += "c_codecs\nencode\nh\1h\2\x86R";
  EXPECT_REFUSED(archive(arrays + "."), "unfolds to more than 256 MiB");
}

TEST(WeightFiles, Broken_pickles_are_refused) {
  for (const char* pickle : {"",
                             "\x80\x02",
                             "\x80\x06.",
                             ".",
                             "]q",
                             "h\1.",
                             "t.",
                             "}(K\1u.",
                             "K\1K\1K\1s.",
                             "(K\1",
                             "(0",
                             "I1\n.",
                             "P1\n.",
                             "\x97.",
                             "K\1R.",
                             "K\1)R.",
                             "cos\nsystem",
                             "X\xff\xff\xff\xff",
                             "\x8d\xff\xff\xff\xff\xff\xff\xff\xff",
                             "K\1Q.",
                             ")Q.",
                             "\x8b\xff\xff\xff\xff",
                             "K\1\x93.",
                             "}K\1\x85R.",
                             "2",
                             "e",
                             "1",
                             "b"})
    EXPECT_REFUSED(archive(pickle), "damaged");
}

TEST(WeightFiles, Shapes_that_do_not_fit_are_refused) {
  const std::string zero("K\0", 2);
  EXPECT_REFUSED(archive(pickle_of(2, zero + "K\3\x85K\1\x85")), "past its storage");
  EXPECT_REFUSED(archive(pickle_of(2, "K\1K\2\x85K\1\x85")), "past its storage");
  EXPECT_REFUSED(archive(pickle_of(2, zero + "K\2\x85K\2\x85")), "past its storage");
  EXPECT_REFUSED(archive(pickle_of(2, zero + "K\2\x85)")), "do not fit each other");
  EXPECT_REFUSED(archive(pickle_of(2, zero + "J\xff\xff\xff\xff\x85K\1\x85")), "out of range");
  EXPECT_REFUSED(archive(pickle_of(2, "J\xff\xff\xff\xffK\1\x85K\1\x85")), "do not fit each other");
  const std::string huge("\x8a\x08\0\0\0\0\0\0\0\x40", 10);
  EXPECT_REFUSED(archive(pickle_of(2, zero + huge + "\x85K\1\x85")), "out of range");
  EXPECT_REFUSED(archive(pickle_of(2, zero + "J\xff\xff\xff\x10\x85K" + zero.substr(1) + "\x85")),
                 "larger than what is stored");
  EXPECT_REFUSED(archive(pickle_of(2, zero + std::string("M\0\x10\x85K\0\x85", 7))), "larger than what is stored");
  EXPECT_REFUSED(archive(pickle_of(3, kTwo)), "shorter than it says");
  EXPECT_REFUSED(archive(pickle_of(2, kTwo), std::string("\0\0\xc0\x7f\0\0\0\0", 8)), "not finite");
  EXPECT_REFUSED(archive(pickle_of(1, zero + "K\1\x85K\1\x85", "ComplexFloatStorage")), "complex64");
  EXPECT_REFUSED(archive(pickle_of(2, kTwo, "QUInt8Storage")), "is not there");
}

TEST(WeightFiles, Two_tensors_of_one_name_are_refused) {
  std::string tensor = pickle_of(2, kTwo);
  tensor = tensor.substr(3 + text("w").size(), tensor.size() - 3 - text("w").size() - 2);
  EXPECT_REFUSED(archive("\x80\x02}" + text("a.b") + tensor + "s" + text("a") + "}" + text("b") + tensor + "ss."),
                 "two of its tensors have the name 'a.b'");
}

TEST(WeightFiles, A_tensor_that_is_a_key_hides_no_other) {
  std::string tensor = pickle_of(2, kTwo);
  tensor = tensor.substr(3 + text("w").size(), tensor.size() - 3 - text("w").size() - 2);
  const StoredFile file(archive("\x80\x02}" + tensor + "K\1s" + text("w") + tensor + "s."));
  const Weights weights = WeightFile::open(file.path())->read_all("");
  ASSERT_EQ(weights.size(), 1U);
  EXPECT_EQ(weights.begin()->first, "w");
}

TEST(WeightFiles, Broken_archives_are_refused) {
  const std::string whole = archive(pickle_of(2, kTwo));
  EXPECT_REFUSED(whole.substr(0, whole.size() / 2), "interrupted download");
  EXPECT_REFUSED(whole.substr(0, whole.size() - 1), "interrupted download");
  EXPECT_REFUSED(zip_of({{"m/other", "x"}}), "holds no data.pkl");
  EXPECT_REFUSED(zip_of({{"m/data.pkl", pickle_of(2, kTwo), 8}}), "is compressed");
  EXPECT_REFUSED(zip_of({{"m/data.pkl", pickle_of(2, kTwo), 0, 1}}), "is encrypted");
  EXPECT_REFUSED(zip_of({{"m/data.pkl", pickle_of(2, kTwo)}}), "'m/data/0' is missing");
  EXPECT_REFUSED(zip_of({{"m/data.pkl", "N."}, {"m/data.pkl", "N."}}), "names an entry twice");
  std::string over = whole;
  const std::size_t second = over.rfind("PK\1\2");
  over.replace(second + 42, 4, std::string(4, '\0'));
  EXPECT_REFUSED(over, "lies over another");
  EXPECT_REFUSED("MZ executable", "neither what torch.save writes");
  EXPECT_REFUSED("\x80\x02K\1.", "not of torch.save");
  const std::string magic("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15);
  refusal(magic + "\x80\x02K\1.", ErrorCode::model_unsupported);
}

TEST(WeightFiles, An_older_file_that_breaks_off_is_refused) {
  const std::string start = std::string("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15) +
                            "\x80\x02M\xe9\x03." + "\x80\x02}.";
  std::string pickle = pickle_of(2, kTwo);
  pickle.replace(pickle.find("tQ"), 2, "NtQ");
  const std::string file =
      start + pickle + "\x80\x02]" + text("0") + "a." + little_endian_bytes(2, 8) + std::string(8, '\0');
  const StoredFile stored(file);
  EXPECT_EQ(WeightFile::open(stored.path())->read("w").values, (std::vector<float>{0.0F, 0.0F}));
  EXPECT_REFUSED(file.substr(0, file.size() - 1), "ends before");
  EXPECT_REFUSED(start + pickle + "\x80\x02].", "storage is missing");
  EXPECT_REFUSED(start + "\x80\x02]" + "." + "\x80\x02]" + text("9") + "a.", "no tensor has");
}

}  // namespace
