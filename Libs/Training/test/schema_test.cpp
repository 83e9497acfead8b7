// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <functional>
#include <set>

#include "config.h"
#include "oncotome/core/error.h"
#include "temporary.h"

namespace oncotome::training {
namespace {

using nlohmann::json;

const json& schema() {
  static const json read = json::parse(std::ifstream(ONCOTOME_SCHEMAS "/training-1.schema.json"));
  return read;
}

// Every key of the schema, with the least value that it allows.
json least(const json& of) {
  if (of.contains("enum")) return of["enum"][0];
  if (of.contains("const")) return of["const"];
  if (of.contains("anyOf")) return least(of["anyOf"][0]);
  const json type = of.value("type", json("object"));
  if (type == "array") return json(of.value("minItems", std::size_t{1}), least(of["items"]));
  if (type == "object") {
    json out = of.value("properties", json::object());
    for (json& inner : out) inner = least(inner);
    return out;
  }
  if (type == "string") return "x";
  if (type == "boolean") return false;
  return of.value("minimum", json(1));
}

struct Configuration {
  TemporaryFolder folder;
  json content = least(schema());

  // What the schema leaves to the engine, and what excludes another.
  Configuration() {
    content["image"] = {{"resize", "pad"}, {"rescale", {0, 255}}, {"mean", {0}}, {"std", {1}}};
    content["data"].erase("folder");
  }

  std::string complaint(const json& changed) const {
    folder.write("c.json", changed.dump());
    try {
      read_config(folder.path / "c.json");
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::usage) << e.what();
      return e.what();
    }
    return "";
  }
};

const json::json_pointer kTop;

// The objects that training reads itself; the rest is the engine's.
std::vector<json::json_pointer> own_objects() {
  std::vector<json::json_pointer> all{kTop};
  for (const auto& [key, inner] : schema()["properties"].items())
    if (inner.contains("additionalProperties")) all.push_back(kTop / key);
  return all;
}

json::json_pointer in_schema(const json::json_pointer& object) {
  return object.empty() ? kTop / "properties" : kTop / "properties" / object.back() / "properties";
}

TEST(Schema, Has_the_keys_that_are_read_and_no_others) {
  const Configuration configuration;
  EXPECT_EQ(configuration.complaint(configuration.content), "");
  const std::string before = "known here are ";
  ASSERT_EQ(own_objects().size(), 8U);
  for (const json::json_pointer& object : own_objects()) {
    json changed = configuration.content;
    changed[object]["not a key"] = 1;
    const std::string complaint = configuration.complaint(changed);
    ASSERT_NE(complaint.find(before), std::string::npos) << object.to_string() << complaint;
    std::set<std::string> read, written;
    std::istringstream names(complaint.substr(complaint.find(before) + before.size()));
    for (std::string name; std::getline(names >> std::ws, name, ',');) read.insert(name);
    for (const auto& property : schema()[in_schema(object)].items()) written.insert(property.key());
    EXPECT_EQ(read, written) << object.to_string();
  }
}

// What is said of `key` when it, or what it holds, is `value`.
std::string complaint_of(const Configuration& configuration, const json::json_pointer& object, const std::string& key,
                         const json& value) {
  json changed = configuration.content;
  json& place = changed[object][key];
  if (!place.is_array())
    place = value;
  else if (key == "class_labels" || key == "input_size")
    place.back() = value;
  else
    std::fill(place.begin(), place.end(), value);
  // The image has a mean and a deviation of each channel.
  if (key == "in_channels")
    for (const char* each : {"mean", "std"})
      changed["image"][each] = std::vector<int>(std::max(1, value.get<int>()), 1);
  return configuration.complaint(changed);
}

TEST(Schema, Has_the_bounds_that_are_kept) {
  const Configuration configuration;
  int bounds = 0;
  for (const json::json_pointer& object : own_objects())
    for (const auto& property : schema()[in_schema(object)].items()) {
      const std::string& key = property.key();
      // Sizes of networks are the engine's to judge.
      if (key == "features" || key == "crop_from") continue;
      const json& of = property.value();
      const json& number = of.contains("items") ? of["items"] : of;
      for (const std::string bound : {"minimum", "maximum"}) {
        if (!number.contains(bound)) continue;
        const double step = (number["type"] == "integer" ? 1 : 0.001) * (bound == "minimum" ? -1 : 1);
        EXPECT_EQ(complaint_of(configuration, object, key, number[bound]), "")
            << object.to_string() << ' ' << key << ' ' << bound;
        EXPECT_NE(complaint_of(configuration, object, key, number[bound].get<double>() + step), "")
            << object.to_string() << ' ' << key << ' ' << bound;
        ++bounds;
      }
    }
  EXPECT_GT(bounds, 60);
}

TEST(Schema, Needs_what_is_needed) {
  const Configuration configuration;
  for (const json::json_pointer& object : own_objects()) {
    const json& of = object.empty() ? schema() : schema()["properties"][object.back()];
    const auto required = of.value("required", std::set<std::string>());
    for (const auto& property : configuration.content[object].items()) {
      const std::string& key = property.key();
      // Labels and their values go together, and one of manifest and folder must be there.
      if (key == "class_labels" || key == "manifest") continue;
      json changed = configuration.content;
      changed[object].erase(key);
      if (key == "labels") changed.erase("class_labels");
      EXPECT_EQ(configuration.complaint(changed).empty(), required.count(key) == 0) << object.to_string() << ' ' << key;
    }
  }
}

}  // namespace
}  // namespace oncotome::training
