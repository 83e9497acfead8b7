// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>

#include "pickle.h"
#include "stored_bytes.h"

namespace oncotome::engine::weights {
namespace {

constexpr std::int64_t kMostNumbers = 4096;

/// Of NumPy's code with its byte order, such as "<f4"; null where it is no number.
const ElementType* element_of(const std::string& dtype) {
  if (dtype.size() != 3 || dtype[2] < '1' || dtype[2] > '8') return nullptr;
  const std::string bits = std::to_string(8 * (dtype[2] - '0'));
  switch (dtype[1]) {
    case 'f':
      return find_element_type("float" + bits);
    case 'i':
      return find_element_type("int" + bits);
    case 'u':
      return find_element_type("uint" + bits);
    case 'b':
      return find_element_type("bool");
    default:
      return nullptr;
  }
}

}  // namespace

ValueId Pickle::numpy_number(const std::string& dtype, const char* bytes) {
  const ElementType& type = *element_of(dtype);
  char ordered[8] = {};
  std::copy_n(bytes, type.size, ordered);
  if (dtype[0] == '>') std::reverse(ordered, ordered + type.size);
  if (dtype[1] == 'f') {
    double value = 0;
    if (type.size == 8) {
      std::memcpy(&value, ordered, 8);
    } else {
      float narrow = 0;
      type.to_float(ordered, 1, &narrow);
      value = narrow;
    }
    return add_real(value);
  }
  std::uint64_t value = little_endian(ordered, 8);
  if (dtype[1] == 'b') return add_integer(value != 0 ? 1 : 0, Kind::boolean);
  if (dtype[1] == 'i' && type.size < 8 && (ordered[type.size - 1] & 0x80) != 0)
    value |= ~std::uint64_t{0} << (8 * type.size);
  return add_integer(static_cast<std::int64_t>(value));
}

ValueId Pickle::make_dtype(const std::string& name, const std::vector<ValueId>& arguments) {
  if (arguments.empty() || values_[arguments[0]].kind != Kind::text || values_[arguments[0]].text.size() > 16)
    return add_object(name);
  return add(Kind::dtype, '<' + values_[arguments[0]].text);
}

ValueId Pickle::make_scalar(const std::string& name, const std::vector<ValueId>& arguments) {
  if (arguments.size() != 2 || values_[arguments[0]].kind != Kind::dtype) return add_object(name);
  const std::string dtype = values_[arguments[0]].text;
  const Value& raw = values_[arguments[1]];
  const ElementType* type = element_of(dtype);
  if (type == nullptr || (raw.kind != Kind::bytes && raw.kind != Kind::text) || raw.text.size() != type->size)
    return add_object(name);
  const std::string bytes = raw.text;
  return numpy_number(dtype, bytes.data());
}

ValueId Pickle::make_array(const std::string&, const std::vector<ValueId>&) { return add_object("numpy.ndarray"); }

ValueId Pickle::make_array_of_buffer(const std::string& name, const std::vector<ValueId>& arguments) {
  const ValueId array = make_array(name, arguments);
  if (arguments.size() == 4 && (values_[arguments[3]].text == "C" || values_[arguments[2]].items.size() < 2))
    fill_array(array, arguments[2], arguments[1], arguments[0]);
  return array;
}

void Pickle::fill_array(ValueId target, ValueId shape_id, ValueId dtype_id, ValueId raw_id) {
  const std::string dtype = values_[dtype_id].text;
  const ElementType* type = values_[dtype_id].kind == Kind::dtype ? element_of(dtype) : nullptr;
  const Value& raw = values_[raw_id];
  if (type == nullptr || (raw.kind != Kind::bytes && raw.kind != Kind::text)) return;
  const std::vector<std::int64_t> shape = integers(shape_id);
  std::int64_t count = 1;
  for (const std::int64_t extent : shape) {
    if (extent < 1 || extent > kMostNumbers / count) return;
    count *= extent;
  }
  if (raw.text.size() != static_cast<std::size_t>(count) * type->size)
    refuse("an array is not as long as its shape says");
  const std::string bytes = raw.text;
  std::vector<ValueId> level;
  for (std::size_t at = 0; at < bytes.size(); at += type->size) level.push_back(numpy_number(dtype, bytes.data() + at));
  for (std::size_t axis = shape.size(); axis-- > 0;) {
    std::vector<ValueId> lists;
    const auto extent = static_cast<std::ptrdiff_t>(shape[axis]);
    for (auto from = level.begin(); from != level.end(); from += extent)
      lists.push_back(add(Kind::list, {}, {from, from + extent}));
    level = std::move(lists);
  }
  values_[target] = values_[level[0]];
}

}  // namespace oncotome::engine::weights
