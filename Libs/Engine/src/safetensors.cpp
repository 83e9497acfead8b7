// SPDX-License-Identifier: Apache-2.0
#include "oncotome/engine/safetensors.h"

#include <algorithm>
#include <fstream>

#include "oncotome/core/error.h"
#include "weights/stored_weights.h"

namespace oncotome::engine {

using nlohmann::json;

namespace weights {
namespace {

struct Part {
  WeightFile::Entry entry;
  View view;
};

Part part_of(const std::string& name, const json& entry, std::uint64_t start, std::uint64_t size) {
  Part part;
  const auto type = entry.at("dtype").get<std::string>();
  part.view.type = find_element_type(type);
  if (part.view.type == nullptr || type != part.view.type->safetensors)
    refuse("tensor '" + name + "' has an unknown dtype");
  part.entry = {name, part.view.type->name, entry.at("shape").get<std::vector<std::int64_t>>(), {}};
  const auto offsets = entry.at("data_offsets").get<std::vector<std::uint64_t>>();
  if (offsets.size() != 2 || offsets[0] > offsets[1] || offsets[1] > size || part.entry.shape.size() > 64)
    refuse("tensor '" + name + "' does not lie in the file");
  part.view.position = start + offsets[0];
  part.view.stored = offsets[1] - offsets[0];
  std::int64_t count = 1, reach = 1;
  part.view.strides.resize(part.entry.shape.size());
  for (std::size_t axis = part.entry.shape.size(); axis-- > 0;) {
    const std::int64_t extent = part.entry.shape[axis];
    if (extent < 0 || extent > kMostElements / reach) refuse("tensor '" + name + "' has a shape out of range");
    part.view.strides[axis] = count;
    count *= extent;
    reach *= std::max<std::int64_t>(extent, 1);
  }
  if (static_cast<std::uint64_t>(count) * part.view.type->size != part.view.stored)
    refuse("tensor '" + name + "' does not lie where its shape says");
  return part;
}

}  // namespace

StoredWeights::Description describe_safetensors(const StoredBytes& file) {
  constexpr std::uint64_t kLargestHeader = std::uint64_t{32} << 20;
  const std::uint64_t header_size = little_endian(file.text(0, 8).data(), 8);
  if (header_size > kLargestHeader || header_size > file.size() - 8)
    refuse("its header is longer than the file, or 32 MiB");
  const auto is_shallow = [](int depth, json::parse_event_t, const json&) {
    if (depth > 4) refuse("its header is nested too deep");
    return true;
  };
  const json header = json::parse(file.text(8, header_size), is_shallow, false);
  if (!header.is_object()) refuse("its header is no JSON object");
  const std::uint64_t start = 8 + header_size;
  StoredWeights::Description description;
  description.kind = "safetensors";
  description.contents = nlohmann::ordered_json::object();
  std::vector<Part> parts;
  try {
    for (const auto& [name, entry] : header.items()) {
      if (name == "__metadata__")
        description.contents = entry;
      else
        parts.push_back(part_of(name, entry, start, file.size() - start));
    }
  } catch (const json::exception&) {
    refuse("its header lacks dtype, shape or data_offsets");
  }
  std::stable_sort(parts.begin(), parts.end(),
                   [](const Part& a, const Part& b) { return a.view.position < b.view.position; });
  std::uint64_t end = start;
  for (Part& part : parts) {
    if (part.view.position < end) refuse("tensor '" + part.entry.name + "' lies over another one");
    end = part.view.position + part.view.stored;
    description.entries.push_back(std::move(part.entry));
    description.views.push_back(std::move(part.view));
  }
  return description;
}

}  // namespace weights

Weights read_safetensors(const std::string& path) { return WeightFile::open(path)->read_all(""); }

void write_safetensors(const std::string& path, const Weights& weights,
                       const std::map<std::string, std::string>& metadata) {
  json header = json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::uint64_t offset = 0;
  for (const auto& [name, tensor] : weights) {
    const std::uint64_t bytes = tensor.values.size() * sizeof(float);
    header[name] = {{"dtype", "F32"}, {"shape", tensor.shape}, {"data_offsets", {offset, offset + bytes}}};
    offset += bytes;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  std::ofstream file(path, std::ios::binary);
  char length[8];
  for (int i = 0; i < 8; ++i) length[i] = static_cast<char>(text.size() >> (8 * i));
  file.write(length, 8);
  file.write(text.data(), static_cast<std::streamsize>(text.size()));
  for (const auto& [name, tensor] : weights)
    file.write(reinterpret_cast<const char*>(tensor.values.data()),
               static_cast<std::streamsize>(tensor.values.size() * sizeof(float)));
  file.close();
  if (!file) throw Error(ErrorCode::output_unwritable, "cannot write the weights file: check the free space");
}

}  // namespace oncotome::engine
