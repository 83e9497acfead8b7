// SPDX-License-Identifier: Apache-2.0
#include <tuple>
#include <unordered_map>

#include "oncotome/core/error.h"
#include "pickle.h"
#include "stored_weights.h"
#include "stored_zip.h"

namespace oncotome::engine::weights {
namespace {

using nlohmann::ordered_json;
using Kind = Value::Kind;

constexpr std::uint64_t kLargestPickle = std::uint64_t{32} << 20;
constexpr int kDeepest = 100;

/// JSON holds UTF-8 alone.
std::string utf8(const std::string& text) {
  const std::string dumped = ordered_json(text).dump(-1, ' ', false, ordered_json::error_handler_t::replace);
  return ordered_json::parse(dumped).get<std::string>();
}

double to_double(const std::string& little_endian_integer) {
  double value = 0;
  for (std::size_t i = little_endian_integer.size(); i-- > 0;)
    value = value * 256 + static_cast<unsigned char>(little_endian_integer[i]);
  return value;
}

/// Turns a pickle's values into JSON, and gives every tensor the path of its keys.
class Tree {
 public:
  explicit Tree(const Pickle& pickle) : pickle_(pickle) {}

  ordered_json of(ValueId id, const std::string& path = {}, int depth = 0) {
    // A value may be in many places, so what a small pickle says can be large, or endless.
    if (depth > kDeepest) refuse("its values are nested more than 100 deep, or hold themselves");
    const Value& value = pickle_.value(id);
    spend(64 + value.text.size() + path.size());
    switch (value.kind) {
      case Kind::none:
        return nullptr;
      case Kind::boolean:
        return value.integer != 0;
      case Kind::integer:
        return value.integer;
      case Kind::big_integer:
        return to_double(value.text);
      case Kind::real:
        return value.real;
      case Kind::text:
      case Kind::dtype:
        return utf8(value.text);
      case Kind::bytes:
        return {{"bytes", value.text.size()}};
      case Kind::list:
        return list(value, path, depth);
      case Kind::dict:
        return dict(value, path, depth);
      case Kind::object:
        if (!value.items.empty()) return of(value.items[0], path, depth + 1);
        return {{"object", utf8(value.text)}};
      case Kind::storage:
        return {{"object", "storage"}};
      case Kind::tensor:
        found.emplace_back(path, static_cast<std::size_t>(value.integer));
        return {{"tensor", path}};
    }
    return nullptr;
  }

  std::vector<std::pair<std::string, std::size_t>> found;  ///< Name and number of each tensor.

 private:
  void spend(std::size_t bytes) {
    spent_ += bytes;
    if (spent_ > std::size_t{256} << 20) refuse("its values unfold to more than 256 MiB");
  }

  static std::string join(const std::string& path, const std::string& key) {
    return path.empty() ? key : path + '.' + key;
  }

  ordered_json list(const Value& value, const std::string& path, int depth) {
    ordered_json j = ordered_json::array();
    for (std::size_t i = 0; i < value.items.size(); ++i)
      j.push_back(of(value.items[i], join(path, std::to_string(i)), depth + 1));
    return j;
  }

  // A key that is neither text nor a number, such as a tuple, has a name of no meaning.
  std::string key_of(ValueId id) {
    const Value& value = pickle_.value(id);
    std::string key;
    switch (value.kind) {
      case Kind::text:
      case Kind::bytes:
        key = utf8(value.text);
        break;
      case Kind::none:
      case Kind::boolean:
      case Kind::integer:
      case Kind::real:
        key = of(id, {}, 0).dump();
        break;
      default:
        key = "?" + std::to_string(id);
    }
    for (char& c : key)
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '?';
    return key;
  }

  ordered_json dict(const Value& value, const std::string& path, int depth) {
    std::vector<std::string> keys;
    std::unordered_map<std::string, std::size_t> last;
    for (std::size_t i = 0; i + 1 < value.items.size(); i += 2) {
      keys.push_back(key_of(value.items[i]));
      spend(2 * keys.back().size() + 64);
      last[keys.back()] = i;
    }
    ordered_json j = ordered_json::object();
    // Straight into the vector below: inserting by key looks through all that are there.
    auto& members = j.get_ref<ordered_json::object_t&>();
    for (std::size_t i = 0; i + 1 < value.items.size(); i += 2) {
      const std::string& key = keys[i / 2];
      if (last.at(key) == i) members.emplace_back(key, of(value.items[i + 1], join(path, key), depth + 1));
    }
    return j;
  }

  const Pickle& pickle_;
  std::size_t spent_ = 0;
};

/// Adds the tensors that `tree` found, `place` saying where a storage's bytes lie.
template <class Place>
void add_tensors(StoredWeights::Description& to, const Pickle& pickle, const Tree& tree, const Place& place) {
  std::map<std::tuple<std::uint64_t, std::string, std::vector<std::int64_t>, std::vector<std::int64_t>>, std::string>
      first_names;
  for (const auto& [name, number] : tree.found) {
    const TensorReference& tensor = pickle.tensors()[number];
    const StorageReference& storage = pickle.storages()[tensor.storage];
    const Extent extent = place(storage.key);
    if (storage.first > extent.size || storage.count > extent.size - storage.first)
      refuse("the storage of tensor '" + name + "' is shorter than it says");
    const std::uint64_t offset = static_cast<std::uint64_t>(tensor.first) * tensor.type->size;
    View view{tensor.type, extent.position + storage.first + offset, 0, tensor.strides};
    view.stored = storage.count - std::min(storage.count, offset);
    const auto same =
        first_names.emplace(std::make_tuple(view.position, tensor.type->name, tensor.shape, tensor.strides), name)
            .first;
    to.entries.push_back({name, tensor.type->name, tensor.shape, same->second == name ? std::string() : same->second});
    to.views.push_back(std::move(view));
  }
}

}  // namespace

StoredWeights::Description describe_torch_zip(const StoredBytes& file) {
  const StoredZip zip(file);
  const std::string root = zip.root() + '/';
  if (!zip.has(root + "data.pkl")) refuse("it is a zip file, but holds no data.pkl in a folder, as torch.save makes");
  StoredWeights::Description description;
  const bool is_script = zip.has(root + "constants.pkl");
  description.kind = is_script ? "TorchScript" : "torch zip";
  if (zip.has(root + "byteorder")) {
    const Extent order = zip.find(root + "byteorder");
    description.big_endian = order.size == 3 && file.text(order.position, 3) == "big";
  }
  const auto add_pickle = [&](const std::string& name, const std::string& storages, const std::string& path) {
    const Extent extent = zip.find(root + name);
    if (extent.size > kLargestPickle) refuse("its pickle is longer than 32 MiB");
    const std::string bytes = file.text(extent.position, extent.size);
    std::size_t end = 0;
    Pickle pickle;
    const ValueId value = pickle.load(bytes, end);
    Tree tree(pickle);
    ordered_json contents = tree.of(value, path);
    std::unordered_map<std::string, Extent> known;
    add_tensors(description, pickle, tree, [&](const std::string& key) {
      const auto [found, fresh] = known.emplace(key, Extent{});
      if (fresh) found->second = zip.find(root + storages + key);
      return found->second;
    });
    return contents;
  };
  description.contents = add_pickle("data.pkl", "data/", {});
  if (is_script) {
    ordered_json constants = add_pickle("constants.pkl", "constants/", "CONSTANTS");
    if (!constants.empty() && description.contents.is_object())
      description.contents["CONSTANTS"] = std::move(constants);
  }
  return description;
}

StoredWeights::Description describe_torch_legacy(const StoredBytes& file) {
  // 0x1950a86a20f9469cfc6c, PyTorch's magic number.
  static const std::string kMagic("\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 10);
  const std::string bytes = file.text(0, std::min(file.size(), kLargestPickle));
  std::size_t at = 0;
  Pickle pickle;
  const Value magic = pickle.value(pickle.load(bytes, at));
  if (magic.kind != Kind::big_integer || magic.text != kMagic) refuse("it is a pickle, but not of torch.save");
  const Value protocol = pickle.value(pickle.load(bytes, at));
  if (protocol.integer != 1001) throw Error(ErrorCode::model_unsupported, "torch.save's protocol is not 1001");
  pickle.load(bytes, at);
  StoredWeights::Description description;
  description.kind = "torch legacy";
  Tree tree(pickle);
  description.contents = tree.of(pickle.load(bytes, at));
  const Value keys = pickle.value(pickle.load(bytes, at));

  std::unordered_map<std::string, std::size_t> element_sizes;
  for (const StorageReference& storage : pickle.storages())
    element_sizes.emplace(storage.key, storage.type != nullptr ? storage.type->size : 1);
  std::unordered_map<std::string, Extent> extents;
  std::uint64_t position = at;
  for (const ValueId id : keys.items) {
    const auto size = element_sizes.find(pickle.value(id).text);
    if (size == element_sizes.end()) refuse("its list of storages names one that no tensor has");
    const std::uint64_t count = little_endian(file.text(position, 8).data(), 8);
    position += 8;
    if (count > (file.size() - position) / size->second) refuse("it ends before what it describes; get it again");
    extents[size->first] = {position, count * size->second};
    position += count * size->second;
  }
  add_tensors(description, pickle, tree, [&](const std::string& key) {
    const auto found = extents.find(key);
    if (found == extents.end()) refuse("a storage is missing");
    return found->second;
  });
  return description;
}

}  // namespace oncotome::engine::weights
