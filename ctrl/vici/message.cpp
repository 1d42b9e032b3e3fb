// SPDX-License-Identifier: Apache-2.0
#include "ctrl/vici/message.h"

#include <string.h>

#include <algorithm>
#include <utility>

namespace simplon::vici {
namespace {

enum class Mark : std::uint8_t {  // "Message format": the element types
  kSectionStart = 1,
  kSectionEnd = 2,
  kKeyValue = 3,
  kListStart = 4,
  kListItem = 5,
  kListEnd = 6
};

Bytes bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::string string_of(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

void mark(Writer& out, Mark m) { out.u8(static_cast<std::uint8_t>(m)); }

void named(Writer& out, Mark m, std::string_view name) {
  name = name.substr(0, kMaxNameBytes);
  mark(out, m);
  out.u8(static_cast<std::uint8_t>(name.size()));
  out.bytes(bytes_of(name));
}

void valued(Writer& out, std::string_view value) {
  value = value.substr(0, kMaxValueBytes);
  out.be16(static_cast<std::uint16_t>(value.size()));
  out.bytes(bytes_of(value));
}

void write(Writer& out, const Message& message);

void write(Writer& out, const Element& element) {
  if (const auto* value = std::get_if<std::string>(&element.content)) {
    named(out, Mark::kKeyValue, element.name);
    valued(out, *value);
  } else if (const auto* list = std::get_if<List>(&element.content)) {
    named(out, Mark::kListStart, element.name);
    for (const std::string& item : *list) {
      mark(out, Mark::kListItem);
      valued(out, item);
    }
    mark(out, Mark::kListEnd);
  } else {
    named(out, Mark::kSectionStart, element.name);
    write(out, std::get<Message>(element.content));
    mark(out, Mark::kSectionEnd);
  }
}

void write(Writer& out, const Message& message) {
  for (const Element& element : message.elements()) write(out, element);
}

// Decodes a message. The sections that are still open are a stack; the root is its first element.
class Parser {
 public:
  explicit Parser(Bytes bytes) : in_(bytes), open_(1) {}

  Result<Message> parse() {
    while (error_.empty() && in_.ok() && in_.left() > 0) element();
    if (!error_.empty()) return fail(error_);
    if (!in_.ok()) return fail("a vici message ends in the middle of an element");
    if (open_.size() != 1) return fail("a vici message ends inside a section");
    return std::move(open_.front().message);
  }

 private:
  struct Open {
    std::string name;
    Message message;
  };

  std::string name() { return string_of(in_.take(in_.u8())); }
  std::string value() { return string_of(in_.take(in_.be16())); }

  void element() {
    const std::uint8_t type = in_.u8();
    switch (static_cast<Mark>(type)) {
      case Mark::kSectionStart:
        return begin_section();
      case Mark::kSectionEnd:
        return end_section();
      case Mark::kKeyValue: {
        std::string key = name();
        open_.back().message.add(key, value());
        return;
      }
      case Mark::kListStart:
        return list();
      case Mark::kListItem:
      case Mark::kListEnd:
        break;
    }
    error_ = "a vici message has an element of type " + std::to_string(type) + " where none may stand";
  }

  void begin_section() {
    if (open_.size() > kMaxDepth) {
      error_ = "a vici message nests more than " + std::to_string(kMaxDepth) + " sections";
      return;
    }
    open_.push_back({name(), {}});
  }

  void end_section() {
    if (open_.size() == 1) {
      error_ = "a vici message closes a section that it did not open";
      return;
    }
    Open closed = std::move(open_.back());
    open_.pop_back();
    open_.back().message.add(closed.name, std::move(closed.message));
  }

  void list() {
    std::string key = name();
    List items;
    for (;;) {
      const auto m = static_cast<Mark>(in_.u8());
      if (!in_.ok()) return;
      if (m == Mark::kListEnd) break;
      if (m != Mark::kListItem) {
        error_ = "a vici list holds something that is no item";
        return;
      }
      items.push_back(value());
    }
    open_.back().message.add_list(key, std::move(items));
  }

  Reader in_;
  std::vector<Open> open_;
  std::string error_;
};

}  // namespace

Message& Message::add(std::string_view key, std::string_view value) {
  elements_.push_back({std::string(key), std::string(value)});
  return *this;
}

Message& Message::add_list(std::string_view name, List values) {
  elements_.push_back({std::string(name), std::move(values)});
  return *this;
}

Message& Message::add(std::string_view name, Message section) {
  elements_.push_back({std::string(name), std::move(section)});
  return *this;
}

Message& Message::add_if(bool there, std::string_view key, std::string_view value) {
  return there ? add(key, value) : *this;
}

template <class T>
const T* Message::find(std::string_view name) const {
  for (const Element& element : elements_)
    if (element.name == name) return std::get_if<T>(&element.content);
  return nullptr;
}

const std::string* Message::value(std::string_view key) const { return find<std::string>(key); }
const List* Message::list(std::string_view name) const { return find<List>(name); }
const Message* Message::section(std::string_view name) const { return find<Message>(name); }

std::string_view Message::get(std::string_view key, std::string_view otherwise) const {
  const std::string* found = value(key);
  return found ? std::string_view(*found) : otherwise;
}

void Message::wipe() {
  const auto clean = [](std::string& text) { explicit_bzero(text.data(), text.size()); };
  for (Element& element : elements_) {
    if (auto* value = std::get_if<std::string>(&element.content)) clean(*value);
    if (auto* list = std::get_if<List>(&element.content)) std::ranges::for_each(*list, clean);
    if (auto* section = std::get_if<Message>(&element.content)) section->wipe();
  }
}

Buffer encode(const Message& message) {
  Writer out;
  write(out, message);
  return out.take();
}

Result<Message> decode(Bytes bytes) { return Parser(bytes).parse(); }

}  // namespace simplon::vici
