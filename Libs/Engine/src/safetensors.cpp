// SPDX-License-Identifier: Apache-2.0
#include "oncotome/engine/safetensors.h"

#include <cmath>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "oncotome/core/error.h"

namespace oncotome::engine {
namespace {

using nlohmann::json;

[[noreturn]] void refuse(const std::string& why) {
  throw Error(ErrorCode::weights_invalid, "the weights file is damaged or no safetensors file: " + why);
}

std::int64_t checked_count(const std::vector<std::int64_t>& shape, std::size_t limit) {
  std::int64_t count = 1;
  for (std::int64_t extent : shape) {
    if (extent < 0) refuse("a negative extent");
    if (extent > 0 && count > static_cast<std::int64_t>(limit) / extent) refuse("a tensor larger than the file");
    count *= extent;
  }
  return count;
}

}  // namespace

Weights parse_safetensors(const char* bytes, std::size_t size) {
  if (size < 8) refuse("it ends before its header");
  std::uint64_t header_size = 0;
  for (int i = 7; i >= 0; --i) header_size = header_size << 8 | static_cast<unsigned char>(bytes[i]);
  if (header_size > size - 8) refuse("its header is longer than the file");
  const char* const data = bytes + 8 + header_size;
  const std::size_t data_size = size - 8 - header_size;
  const json header = json::parse(bytes + 8, bytes + 8 + header_size, nullptr, false);
  if (!header.is_object()) refuse("its header is no JSON object");
  Weights weights;
  try {
    for (const auto& [name, entry] : header.items()) {
      if (name == "__metadata__") continue;
      if (entry.at("dtype").get<std::string>() != "F32") refuse("tensor '" + name + "' is not float32");
      Tensor tensor;
      tensor.shape = entry.at("shape").get<std::vector<std::int64_t>>();
      if (tensor.shape.size() > 8) refuse("tensor '" + name + "' has more than eight axes");
      const auto count = static_cast<std::size_t>(checked_count(tensor.shape, data_size / sizeof(float)));
      const auto offsets = entry.at("data_offsets").get<std::vector<std::uint64_t>>();
      if (offsets.size() != 2 || offsets[0] > offsets[1] || offsets[1] > data_size ||
          offsets[1] - offsets[0] != count * sizeof(float))
        refuse("tensor '" + name + "' does not lie where its shape says");
      tensor.values.resize(count);
      std::memcpy(tensor.values.data(), data + offsets[0], count * sizeof(float));
      for (float value : tensor.values)
        if (!std::isfinite(value)) refuse("tensor '" + name + "' holds a value that is not finite");
      weights.emplace(name, std::move(tensor));
    }
  } catch (const json::exception&) {
    refuse("its header lacks dtype, shape or data_offsets");
  }
  return weights;
}

Weights read_safetensors(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) throw Error(ErrorCode::input_unreadable, "cannot open the weights file");
  std::vector<char> bytes(static_cast<std::size_t>(file.tellg()));
  file.seekg(0);
  if (!file.read(bytes.data(), static_cast<std::streamsize>(bytes.size())))
    throw Error(ErrorCode::input_unreadable, "cannot read the weights file");
  return parse_safetensors(bytes.data(), bytes.size());
}

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
