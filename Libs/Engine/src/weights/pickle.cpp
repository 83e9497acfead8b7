// SPDX-License-Identifier: Apache-2.0
#include "pickle.h"

#include <cstring>

#include "stored_bytes.h"

namespace oncotome::engine::weights {
namespace {

constexpr std::uint64_t kMostMemory = std::uint64_t{256} << 20;

}  // namespace

ValueId Pickle::load(std::string_view bytes, std::size_t& position) {
  bytes_ = bytes;
  at_ = position;
  stack_.clear();
  marks_.clear();
  memo_.clear();
  for (unsigned char op = 0; (op = static_cast<unsigned char>(take(1)[0])) != '.';) step(op);
  position = at_;
  return pop();
}

void Pickle::charge(std::uint64_t bytes) {
  spent_ += bytes;
  if (spent_ > kMostMemory) refuse("its pickle unfolds to more than 256 MiB");
}

ValueId Pickle::add(Kind kind, std::string text, std::vector<ValueId> items) {
  charge(sizeof(Value) + text.size() + items.size() * sizeof(ValueId));
  values_.push_back({kind, 0, 0, std::move(text), std::move(items)});
  return static_cast<ValueId>(values_.size() - 1);
}

ValueId Pickle::add_integer(std::int64_t value, Kind kind) {
  const ValueId id = add(kind);
  values_[id].integer = value;
  return id;
}

ValueId Pickle::add_real(double value) {
  const ValueId id = add(Kind::real);
  values_[id].real = value;
  return id;
}

std::string_view Pickle::take(std::uint64_t count) {
  if (count > bytes_.size() - at_) refuse("its pickle breaks off, or is longer than 32 MiB");
  const std::string_view taken = bytes_.substr(at_, static_cast<std::size_t>(count));
  at_ += taken.size();
  return taken;
}

std::uint64_t Pickle::number(int bytes) { return little_endian(take(static_cast<std::uint64_t>(bytes)).data(), bytes); }

std::string Pickle::line() {
  const std::size_t end = bytes_.find('\n', at_);
  if (end == std::string_view::npos) refuse("its pickle breaks off");
  std::string text(take(end - at_));
  take(1);
  return text;
}

ValueId Pickle::pop() {
  if (stack_.empty() || (!marks_.empty() && stack_.size() == marks_.back()))
    refuse("its pickle takes what is not there");
  const ValueId id = stack_.back();
  stack_.pop_back();
  return id;
}

std::vector<ValueId> Pickle::pop_to_mark() {
  if (marks_.empty()) refuse("its pickle lacks a mark");
  std::vector<ValueId> items(stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back()), stack_.end());
  stack_.resize(marks_.back());
  marks_.pop_back();
  return items;
}

void Pickle::push_memo(std::uint64_t index) {
  const auto found = memo_.find(index);
  if (found == memo_.end()) refuse("its pickle recalls what it never stored");
  push(found->second);
}

void Pickle::set_memo(std::uint64_t index) {
  charge(32);
  const ValueId id = pop();
  memo_[index] = id;
  push(id);
}

void Pickle::push_long(std::uint64_t size) {
  const std::string_view bytes = take(size);
  if (size > 8) return push(add(Kind::big_integer, std::string(bytes)));
  std::uint64_t value = size == 0 ? 0 : little_endian(bytes.data(), static_cast<int>(size));
  if (size > 0 && size < 8 && (bytes.back() & 0x80) != 0) value |= ~std::uint64_t{0} << (8 * size);
  push(add_integer(static_cast<std::int64_t>(value)));
}

bool Pickle::push_literal(unsigned char op) {
  switch (op) {
    case 'N':
      push(add(Kind::none));
      return true;
    case 0x88:
      push(add_integer(1, Kind::boolean));
      return true;
    case 0x89:
      push(add_integer(0, Kind::boolean));
      return true;
    case 'J':
      push(add_integer(static_cast<std::int32_t>(number(4))));
      return true;
    case 'K':
      push(add_integer(static_cast<std::int64_t>(number(1))));
      return true;
    case 'M':
      push(add_integer(static_cast<std::int64_t>(number(2))));
      return true;
    case 0x8a:
      push_long(number(1));
      return true;
    case 0x8b:
      push_long(number(4));
      return true;
    case 'G': {
      std::uint64_t bits = 0;
      for (const char c : take(8)) bits = bits << 8 | static_cast<unsigned char>(c);
      double value = 0;
      std::memcpy(&value, &bits, 8);
      push(add_real(value));
      return true;
    }
    default:
      return false;
  }
}

bool Pickle::push_text(unsigned char op) {
  int length_bytes = 0;
  switch (op) {
    case 'U':
    case 'C':
    case 0x8c:
      length_bytes = 1;
      break;
    case 'T':
    case 'X':
    case 'B':
      length_bytes = 4;
      break;
    case 0x8d:
    case 0x8e:
    case 0x96:
      length_bytes = 8;
      break;
    default:
      return false;
  }
  const bool is_bytes = op == 'C' || op == 'B' || op == 0x8e || op == 0x96;
  push(add(is_bytes ? Kind::bytes : Kind::text, std::string(take(number(length_bytes)))));
  return true;
}

bool Pickle::use_memo(unsigned char op) {
  switch (op) {
    case 'h':
      push_memo(number(1));
      return true;
    case 'j':
      push_memo(number(4));
      return true;
    case 'q':
      set_memo(number(1));
      return true;
    case 'r':
      set_memo(number(4));
      return true;
    case 0x94:
      set_memo(memo_.size());
      return true;
    default:
      return false;
  }
}

void Pickle::extend(std::vector<ValueId> items, Kind kind) {
  if (kind == Kind::dict && items.size() % 2 != 0) refuse("its pickle has a key without a value");
  const ValueId target = pop();
  push(target);
  Value& value = values_[target];
  if (value.kind == Kind::object) return;
  if (value.kind != kind) refuse("its pickle fills what is no container");
  charge(items.size() * sizeof(ValueId));
  value.items.insert(value.items.end(), items.begin(), items.end());
}

bool Pickle::build_container(unsigned char op) {
  switch (op) {
    case ']':
    case ')':
    case 0x8f:
      push(add(Kind::list));
      return true;
    case '}':
      push(add(Kind::dict));
      return true;
    case 't':
    case 'l':
    case 0x91:
      push(add(Kind::list, {}, pop_to_mark()));
      return true;
    case 0x85:
    case 0x86:
    case 0x87: {
      std::vector<ValueId> items(op - 0x84U);
      for (std::size_t i = items.size(); i-- > 0;) items[i] = pop();
      push(add(Kind::list, {}, std::move(items)));
      return true;
    }
    case 'a':
      extend({pop()}, Kind::list);
      return true;
    case 'e':
    case 0x90:
      extend(pop_to_mark(), Kind::list);
      return true;
    case 's': {
      const ValueId value = pop(), key = pop();
      extend({key, value}, Kind::dict);
      return true;
    }
    case 'u':
      extend(pop_to_mark(), Kind::dict);
      return true;
    default:
      return false;
  }
}

void Pickle::step(unsigned char op) {
  if (push_literal(op) || push_text(op) || use_memo(op) || build_container(op)) return;
  switch (op) {
    case 0x80:
      if (number(1) > 5) refuse("its pickle has a protocol above 5");
      return;
    case 0x95:
      number(8);
      return;
    case '(':
      charge(sizeof(std::size_t));
      marks_.push_back(stack_.size());
      return;
    case '0':
      pop();
      return;
    case '1':
      pop_to_mark();
      return;
    case '2':
      push(pop());
      return push(stack_.back());
    case 'c': {
      std::string module = line();
      return push(add_global(std::move(module), line()));
    }
    case 0x93: {
      const std::string name = expect_text(pop());
      return push(add_global(expect_text(pop()), name));
    }
    case 'R':
    case 0x81:
      return call();
    case 0x92:
      pop();
      return call();
    case 'b': {
      const ValueId state = pop(), target = pop();
      push(target);
      return build(target, state);
    }
    case 'Q':
      return push(persistent(pop()));
    default:
      refuse("its pickle has an instruction that protocols 2 to 5 do not have, or that reads outside it");
  }
}

}  // namespace oncotome::engine::weights
