// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "pickle.h"
#include "stored_bytes.h"

namespace oncotome::engine::weights {
namespace {

/// PyTorch's own names for what rebuilds a plain tensor.
bool rebuilds_tensor(const std::string& name) {
  return name == "torch._utils._rebuild_tensor" || name == "torch._utils._rebuild_tensor_v2" ||
         name == "torch._utils._rebuild_tensor_v3";
}

}  // namespace

Pickle::Function Pickle::find_function(const std::string& name) {
  static const std::unordered_map<std::string, Function> kFunctions = {
      {"_codecs.encode", &Pickle::make_bytes},
      {"builtins.bytes", &Pickle::make_bytes},
      {"builtins.dict", &Pickle::make_dict},
      {"builtins.frozenset", &Pickle::make_list},
      {"builtins.list", &Pickle::make_list},
      {"builtins.set", &Pickle::make_list},
      {"builtins.tuple", &Pickle::make_list},
      {"collections.OrderedDict", &Pickle::make_dict},
      {"collections.defaultdict", &Pickle::make_dict},
      {"numpy._core.multiarray._reconstruct", &Pickle::make_array},
      {"numpy._core.multiarray.scalar", &Pickle::make_scalar},
      {"numpy._core.numeric._frombuffer", &Pickle::make_array_of_buffer},
      {"numpy.dtype", &Pickle::make_dtype},
      {"torch.Size", &Pickle::make_list},
      {"torch._tensor._rebuild_from_type_v2", &Pickle::make_subclass_tensor},
      {"torch._utils._rebuild_parameter", &Pickle::first_argument},
      {"torch._utils._rebuild_parameter_with_state", &Pickle::first_argument},
      {"torch._utils._rebuild_tensor", &Pickle::make_tensor},
      {"torch._utils._rebuild_tensor_v2", &Pickle::make_tensor},
      {"torch._utils._rebuild_tensor_v3", &Pickle::make_tensor},
      {"torch.device", &Pickle::make_device},
      {"torch.jit._pickle.build_boollist", &Pickle::first_argument},
      {"torch.jit._pickle.build_doublelist", &Pickle::first_argument},
      {"torch.jit._pickle.build_intlist", &Pickle::first_argument},
      {"torch.jit._pickle.build_tensorlist", &Pickle::first_argument},
      {"torch.jit._pickle.restore_type_tag", &Pickle::first_argument},
  };
  const auto found = kFunctions.find(name);
  return found == kFunctions.end() ? nullptr : found->second;
}

ValueId Pickle::add_global(std::string module, const std::string& name) {
  // What Python 2 and NumPy before 2.0 call them.
  if (module == "__builtin__") module = "builtins";
  if (module.rfind("numpy.core.", 0) == 0) module.insert(6, 1, '_');
  return add_object(module + '.' + name);
}

void Pickle::call() {
  const ValueId arguments = pop(), function = pop();
  if (values_[arguments].kind != Kind::list || values_[function].kind != Kind::object)
    refuse("its pickle calls what is no function");
  const std::string name = values_[function].text;
  const Function known = find_function(name);
  if (known == nullptr) return push(add_object(name));
  charge(values_[arguments].items.size() * sizeof(ValueId));
  const std::vector<ValueId> items = values_[arguments].items;
  push((this->*known)(name, items));
}

void Pickle::build(ValueId target, ValueId state) {
  const Value& value = values_[target];
  const std::vector<ValueId> parts = values_[state].kind == Kind::list && values_[state].items.size() <= 16
                                         ? values_[state].items
                                         : std::vector<ValueId>{};
  if (value.kind == Kind::object && value.text.rfind("__torch__.", 0) == 0) {
    values_[target].items = {state};
  } else if (value.kind == Kind::object && value.text == "numpy.ndarray" && parts.size() == 5) {
    // A Fortran order says the same of one axis.
    if (values_[parts[3]].integer == 0 || values_[parts[1]].items.size() < 2)
      fill_array(target, parts[1], parts[2], parts[4]);
  } else if (value.kind == Kind::dtype && parts.size() > 1 && values_[parts[1]].text == ">") {
    values_[target].text[0] = '>';
  }
}

std::vector<std::int64_t> Pickle::integers(ValueId id) const {
  const Value& list = values_[id];
  if (list.kind != Kind::list || list.items.size() > 64) refuse("a tensor's shape or strides are no list of numbers");
  std::vector<std::int64_t> numbers;
  for (const ValueId item : list.items) {
    if (values_[item].kind != Kind::integer) refuse("a tensor's shape or strides are no list of numbers");
    numbers.push_back(values_[item].integer);
  }
  return numbers;
}

const std::string& Pickle::expect_text(ValueId id) const {
  const Value& value = values_[id];
  if (value.kind != Kind::text && value.kind != Kind::bytes) refuse("its pickle has no text where a name belongs");
  return value.text;
}

ValueId Pickle::persistent(ValueId id) {
  const std::vector<ValueId>& parts = values_[id].items;
  if (values_[id].kind != Kind::list || parts.size() < 2) refuse("its pickle points to something unknown");
  const std::string& what = expect_text(parts[0]);
  if (what == "module") return parts[1];
  if (what != "storage" || parts.size() < 5 || values_[parts[1]].kind != Kind::object)
    refuse("its pickle points to something unknown");
  const std::string& type_name = values_[parts[1]].text;
  const bool is_untyped = type_name == "torch.storage.UntypedStorage" || type_name == "torch.UntypedStorage";
  const bool is_torch = type_name.rfind("torch.", 0) == 0;
  StorageReference storage;
  storage.type = is_torch && !is_untyped ? find_element_type(type_name.substr(6)) : nullptr;
  if (storage.type == nullptr && !is_untyped) return add_object(type_name);
  storage.key = expect_text(parts[2]);
  const std::uint64_t size = is_untyped ? 1 : storage.type->size;
  const auto elements = [&](ValueId part) {
    const Value& value = values_[part];
    if (value.kind != Kind::integer || value.integer < 0 || value.integer > kMostElements)
      refuse("a storage's size is no number of elements");
    return static_cast<std::uint64_t>(value.integer) * size;
  };
  storage.count = elements(parts[4]);
  if (parts.size() > 5 && values_[parts[5]].kind == Kind::list) {
    const std::vector<ValueId>& view = values_[parts[5]].items;
    if (view.size() != 3) refuse("a view of a storage is not understood");
    storage.first = elements(view[1]);
    storage.count = elements(view[2]);
  }
  charge(sizeof(StorageReference) + storage.key.size());
  storages_.push_back(std::move(storage));
  return add_integer(static_cast<std::int64_t>(storages_.size() - 1), Kind::storage);
}

ValueId Pickle::make_tensor(const std::string& name, const std::vector<ValueId>& arguments) {
  if (arguments.size() < 4) refuse("a tensor lacks its shape");
  if (values_[arguments[0]].kind != Kind::storage) return add_object(name);
  TensorReference tensor;
  tensor.storage = static_cast<std::size_t>(values_[arguments[0]].integer);
  const StorageReference& storage = storages_[tensor.storage];
  tensor.type = storage.type;
  if (name.back() == '3' && arguments.size() > 6 && values_[arguments[6]].kind == Kind::object &&
      values_[arguments[6]].text.rfind("torch.", 0) == 0)
    tensor.type = find_element_type(values_[arguments[6]].text.substr(6));
  if (tensor.type == nullptr) return add_object(name);
  tensor.first = values_[arguments[1]].integer;
  tensor.shape = integers(arguments[2]);
  tensor.strides = integers(arguments[3]);
  if (values_[arguments[1]].kind != Kind::integer || tensor.first < 0 || tensor.first > kMostElements ||
      tensor.shape.size() != tensor.strides.size())
    refuse("a tensor's shape, strides and offset do not fit each other");
  std::int64_t count = 1, reach = 1, last = tensor.first;
  for (std::size_t axis = 0; axis < tensor.shape.size(); ++axis) {
    const std::int64_t extent = tensor.shape[axis], stride = tensor.strides[axis];
    if (extent < 0 || stride < 0 || stride > kMostElements || extent > kMostElements / reach)
      refuse("a tensor's shape or strides are out of range");
    count *= extent;
    reach *= std::max<std::int64_t>(extent, 1);
    if (extent < 2) continue;
    last = stride > (kMostElements - last) / (extent - 1) ? kMostElements : last + stride * (extent - 1);
  }
  if (count > 0 && static_cast<std::uint64_t>(last) >= storage.count / tensor.type->size)
    refuse("a tensor's shape and strides reach past its storage");
  charge(sizeof(TensorReference) + 16 * tensor.shape.size());
  tensors_.push_back(std::move(tensor));
  return add_integer(static_cast<std::int64_t>(tensors_.size() - 1), Kind::tensor);
}

ValueId Pickle::make_subclass_tensor(const std::string& name, const std::vector<ValueId>& arguments) {
  if (arguments.size() < 3 || values_[arguments[0]].kind != Kind::object ||
      !rebuilds_tensor(values_[arguments[0]].text) || values_[arguments[2]].kind != Kind::list ||
      values_[arguments[2]].items.size() > 16)
    return add_object(name);
  const std::string function = values_[arguments[0]].text;
  const std::vector<ValueId> items = values_[arguments[2]].items;
  return make_tensor(function, items);
}

ValueId Pickle::first_argument(const std::string& name, const std::vector<ValueId>& arguments) {
  return arguments.empty() ? add_object(name) : arguments[0];
}

ValueId Pickle::make_dict(const std::string& name, const std::vector<ValueId>& arguments) {
  std::vector<ValueId> items;
  // Python 2 gives an OrderedDict's pairs to its constructor; a defaultdict gets its factory.
  if (!arguments.empty() && name != "collections.defaultdict") {
    if (values_[arguments[0]].kind != Kind::list) return add_object(name);
    for (const ValueId pair : values_[arguments[0]].items) {
      if (values_[pair].kind != Kind::list || values_[pair].items.size() != 2) return add_object(name);
      items.insert(items.end(), values_[pair].items.begin(), values_[pair].items.end());
    }
  }
  return add(Kind::dict, {}, std::move(items));
}

ValueId Pickle::make_list(const std::string& name, const std::vector<ValueId>& arguments) {
  if (arguments.empty()) return add(Kind::list);
  if (values_[arguments[0]].kind != Kind::list) return add_object(name);
  charge(values_[arguments[0]].items.size() * sizeof(ValueId));
  return add(Kind::list, {}, values_[arguments[0]].items);
}

ValueId Pickle::make_device(const std::string& name, const std::vector<ValueId>& arguments) {
  if (arguments.empty() || values_[arguments[0]].kind != Kind::text) return add_object(name);
  std::string device = values_[arguments[0]].text;
  if (arguments.size() > 1) device += ':' + std::to_string(values_[arguments[1]].integer);
  return add(Kind::text, std::move(device));
}

ValueId Pickle::make_bytes(const std::string& name, const std::vector<ValueId>& arguments) {
  if (arguments.empty()) return add(Kind::bytes);
  // Python 3 writes bytes in protocol 2 as the text whose Latin-1 form they are.
  if (values_[arguments[0]].kind != Kind::text) return add_object(name);
  charge(values_[arguments[0]].text.size());
  const std::string& text = values_[arguments[0]].text;
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto lead = static_cast<unsigned char>(text[i]);
    if (lead < 0x80) {
      bytes += text[i];
    } else if ((lead == 0xC2 || lead == 0xC3) && i + 1 < text.size()) {
      bytes += static_cast<char>((lead & 3U) << 6U | (static_cast<unsigned char>(text[++i]) & 0x3FU));
    } else {
      return add_object(name);
    }
  }
  return add(Kind::bytes, std::move(bytes));
}

}  // namespace oncotome::engine::weights
