// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "element_type.h"

namespace oncotome::engine::weights {

using ValueId = std::uint32_t;

struct Value {
  /// `object` is a class, a function or what one of them made, all known by name alone.
  enum class Kind {
    none,
    boolean,
    integer,
    big_integer,
    real,
    text,
    bytes,
    list,
    dict,
    object,
    dtype,
    storage,
    tensor
  };

  Kind kind = Kind::none;
  std::int64_t integer = 0;  ///< Of a storage or a tensor: its index.
  double real = 0;
  std::string text;
  std::vector<ValueId> items;  ///< Of a dict: keys and values in turn; of an object: its state, if kept.
};

struct StorageReference {
  const ElementType* type = nullptr;  ///< Null where it is untyped.
  std::string key;
  std::uint64_t first = 0, count = 0;  ///< Bytes of the key's storage.
};

struct TensorReference {
  const ElementType* type = nullptr;
  std::size_t storage = 0;
  std::int64_t first = 0;  ///< Element of the storage.
  std::vector<std::int64_t> shape, strides;
};

/// A virtual machine for pickles of protocols 2 to 5 (PEP 307, 3154, 574) that calls nothing: of functions it knows
/// those that build tensors, dictionaries and NumPy's numbers, and does their work itself; anything else becomes an
/// object with a name. Memory is bounded whatever the pickle says.
class Pickle {
 public:
  /// Reads one pickle and returns its value; `position` moves behind it. Throws Error{weights_invalid}.
  ValueId load(std::string_view bytes, std::size_t& position);

  const Value& value(ValueId id) const { return values_[id]; }
  const std::vector<StorageReference>& storages() const { return storages_; }
  const std::vector<TensorReference>& tensors() const { return tensors_; }

 private:
  using Kind = Value::Kind;
  using Function = ValueId (Pickle::*)(const std::string& name, const std::vector<ValueId>& arguments);

  void charge(std::uint64_t bytes);
  ValueId add(Kind kind, std::string text = {}, std::vector<ValueId> items = {});
  ValueId add_integer(std::int64_t value, Kind kind = Kind::integer);
  ValueId add_real(double value);
  ValueId add_object(const std::string& name) { return add(Kind::object, name); }
  ValueId add_global(std::string module, const std::string& name);

  std::string_view take(std::uint64_t count);
  std::uint64_t number(int bytes);
  std::string line();
  void push(ValueId id) { stack_.push_back(id); }
  ValueId pop();
  std::vector<ValueId> pop_to_mark();
  void push_memo(std::uint64_t index);
  void set_memo(std::uint64_t index);

  bool push_literal(unsigned char op);
  bool push_text(unsigned char op);
  bool use_memo(unsigned char op);
  bool build_container(unsigned char op);
  void extend(std::vector<ValueId> items, Kind kind);
  void push_long(std::uint64_t bytes);
  void step(unsigned char op);

  void call();
  ValueId persistent(ValueId id);
  void build(ValueId target, ValueId state);

  ValueId make_dict(const std::string& name, const std::vector<ValueId>& arguments);
  ValueId make_list(const std::string& name, const std::vector<ValueId>& arguments);
  ValueId make_bytes(const std::string& name, const std::vector<ValueId>& arguments);
  ValueId make_device(const std::string& name, const std::vector<ValueId>& arguments);
  ValueId make_tensor(const std::string& name, const std::vector<ValueId>& arguments);
  ValueId make_subclass_tensor(const std::string& name, const std::vector<ValueId>& arguments);
  ValueId first_argument(const std::string& name, const std::vector<ValueId>& arguments);
  ValueId make_dtype(const std::string& name, const std::vector<ValueId>& arguments);
  ValueId make_scalar(const std::string& name, const std::vector<ValueId>& arguments);
  ValueId make_array(const std::string& name, const std::vector<ValueId>& arguments);
  ValueId make_array_of_buffer(const std::string& name, const std::vector<ValueId>& arguments);
  void fill_array(ValueId target, ValueId shape, ValueId dtype, ValueId raw);
  ValueId numpy_number(const std::string& dtype, const char* bytes);
  static Function find_function(const std::string& name);

  std::vector<std::int64_t> integers(ValueId id) const;
  const std::string& expect_text(ValueId id) const;

  std::vector<Value> values_;
  std::vector<StorageReference> storages_;
  std::vector<TensorReference> tensors_;
  std::uint64_t spent_ = 0;

  std::string_view bytes_;
  std::size_t at_ = 0;
  std::vector<ValueId> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::uint64_t, ValueId> memo_;
};

}  // namespace oncotome::engine::weights
