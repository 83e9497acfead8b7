// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <set>

#include "oncotome/core/error.h"
#include "samples.h"
#include "temporary.h"

namespace oncotome::training {
namespace {

const char* const kNetwork =
    R"("network": {"architecture": "lenet5", "in_channels": 1, "input_size": [1, 32, 32]},
       "image": {"resize": "squash", "rescale": [0, 255], "mean": [0.5], "std": [0.5]}, "name": "n", "license": "CC0-1.0")";

ErrorCode code_of(const std::function<void()>& f, const std::string& part) {
  try {
    f();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what();
    EXPECT_EQ(std::string(e.what()).find('\n'), std::string::npos);
    return e.code();
  }
  ADD_FAILURE() << "nothing was thrown; expected: " << part;
  return ErrorCode::internal;
}

struct Data {
  TemporaryFolder folder;

  Config config(const std::string& data, const std::string& more = "") const {
    folder.write("c.json", std::string("{") + kNetwork + ", \"data\": " + data + more + "}");
    return read_config(folder.path / "c.json");
  }
  Samples samples(const std::string& data, const std::string& more = "") const {
    return read_samples(config(data, more), Job());
  }
  // Images of ten patients of two classes, each of its own content.
  void write_manifest(bool grouped) const {
    std::string text = grouped ? "path,class,group\n" : "path,class\n";
    for (int i = 0; i < 40; ++i) {
      const std::string name = "i" + std::to_string(i);
      folder.write(name, name);
      text += name + (i / 4 % 2 == 0 ? ",a" : ",b") + (grouped ? ",p" + std::to_string(i / 4) : "") + "\n";
    }
    folder.write("m.csv", text);
  }
};

TEST(Data, A_group_is_never_in_two_parts) {
  const Data data;
  data.write_manifest(true);
  const Samples s = data.samples(R"({"manifest": "m.csv", "split": "group", "validation": 0.2, "test": 0.2})");
  EXPECT_EQ(s.classes, (std::vector<std::string>{"a", "b"}));
  std::map<std::string, std::set<Part>> parts;
  for (const Sample& sample : s.all) parts[sample.group].insert(sample.part);
  EXPECT_EQ(parts.size(), 10U);
  for (const auto& [group, in] : parts) EXPECT_EQ(in.size(), 1U) << group;
  EXPECT_EQ(s.of(Part::validation).size(), 8U);
  EXPECT_EQ(s.of(Part::test).size(), 8U);
}

TEST(Data, The_seed_chooses_the_split) {
  const Data data;
  data.write_manifest(false);
  const std::string by_image = R"({"manifest": "m.csv", "validation": 0.25})";
  const Samples s = data.samples(by_image), same = data.samples(by_image),
                other = data.samples(by_image, R"(, "seed": 2)");
  EXPECT_EQ(s.of(Part::validation).size(), 10U);
  EXPECT_EQ(s.of(Part::validation), same.of(Part::validation));
  EXPECT_NE(s.of(Part::validation), other.of(Part::validation));
  EXPECT_EQ(s.digest, same.digest);
  EXPECT_NE(s.digest, other.digest);
}

TEST(Data, Folders_are_classes) {
  const Data data;
  for (const char* name : {"d/a/1", "d/a/2", "d/a/x/3", "d/b/4", "d/b/5", "d/b/6"}) data.folder.write(name, name);
  const Samples s = data.samples(R"({"folder": "d", "validation": 0.34})");
  EXPECT_EQ(s.classes, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(s.of(Part::train).size(), 4U);
}

TEST(Data, Leaks_and_what_cannot_be_learned_from_are_refused) {
  const Data data;
  for (const char* name : {"1", "2", "3", "4", "5"}) data.folder.write(name, name);
  data.folder.write("copy", "1");
  const auto refused = [&](const std::string& manifest, const std::string& part, const std::string& more = "") {
    data.folder.write("m.csv", manifest);
    return code_of([&] { data.samples(R"({"manifest": "m.csv", "split": "part"})", more); }, part);
  };
  const std::string head = "path,class,part,group\n", good = "1,a,train,p\n2,b,train,p\n3,a,val,q\n4,b,val,q\n";
  data.folder.write("m.csv", head + good);
  EXPECT_EQ(data.samples(R"({"manifest": "m.csv", "split": "part"})").all.size(), 4U);
  EXPECT_EQ(refused(head + good + "5,a,test,p\n", "the same group"), ErrorCode::precondition_unmet);
  EXPECT_EQ(refused(head + good + "copy,a,test,r\n", "the same image"), ErrorCode::precondition_unmet);
  EXPECT_EQ(refused(head + good + "5,c,val,q\n", "'c' has no training image"), ErrorCode::precondition_unmet);
  EXPECT_EQ(refused(head + good + "5,c,val,q\n", "not among", R"(, "classes": [{"name": "a"}, {"name": "b"}])"),
            ErrorCode::input_unreadable);
  EXPECT_EQ(refused(head + "1,a,train,p\n2,b,train,p\n3,a,val,q\n", "validation' has 1 image"),
            ErrorCode::input_no_images);
  EXPECT_EQ(refused(head + "1,a,train,p\n2,a,train,p\n3,a,val,q\n4,a,val,q\n", "one class"),
            ErrorCode::precondition_unmet);
  EXPECT_EQ(refused(head + good + "6,a,train,p\n", "line 6 of the manifest"), ErrorCode::input_unreadable);
  EXPECT_EQ(refused(head + good + "5,a,held out,p\n", "train, validation or test"), ErrorCode::input_unreadable);
  EXPECT_EQ(refused(head + good + "5,a\n", "line 6"), ErrorCode::input_unreadable);
  EXPECT_EQ(refused(head + good + "5,,train,p\n", "neither a class nor a mask"), ErrorCode::input_unreadable);
  EXPECT_EQ(refused("path,class,weight\n", "column 'weight'"), ErrorCode::input_unreadable);
  EXPECT_EQ(refused(head, "no image"), ErrorCode::input_no_images);
}

TEST(Data, The_configuration_says_what_is_wrong_with_it) {
  const Data data;
  const auto refused = [&](const std::string& more, const std::string& part) {
    return code_of([&] { data.config(R"({"manifest": "m.csv"})", more); }, part);
  };
  EXPECT_EQ(refused(R"(, "epoch": 3)", "\"epoch\" is not known"), ErrorCode::usage);
  EXPECT_EQ(refused(R"(, "augmentation": {"flips": []})", "\"augmentation.flips\" is not known"), ErrorCode::usage);
  EXPECT_EQ(refused(R"(, "epochs": "many")", "wrong type"), ErrorCode::usage);
  EXPECT_EQ(refused(R"(, "epochs": 0)", "between"), ErrorCode::usage);
  EXPECT_EQ(refused(R"(, "optimizer": {"name": "adam"})", "adamw, sgd"), ErrorCode::usage);
  EXPECT_EQ(refused(R"(, "augmentation": {"scale": [2, 1]})", "[low, high]"), ErrorCode::usage);
  EXPECT_EQ(refused(R"(, "labels": [])", "class_labels"), ErrorCode::usage);
  EXPECT_EQ(code_of([&] { data.config("{}"); }, "data.folder"), ErrorCode::usage);
  EXPECT_EQ(code_of([] { read_config("/nowhere/c.json"); }, "no configuration"), ErrorCode::input_not_found);
}

}  // namespace
}  // namespace oncotome::training
