// SPDX-License-Identifier: Apache-2.0
// A vici message: a tree of sections, key/value pairs and lists of values, in the order they were added.
//
// The wire form is strongSwan's "Versatile IKE Control Interface" (its README, "Message format"). decode() is
// total: any bytes give a message or an error, and encode(decode(b)) has the same meaning as b. Plain values,
// no threads.
#pragma once

#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "dp/base/bytes.h"
#include "dp/base/result.h"

namespace simplon::vici {

// What one length field can say. What is longer is cut when encoded; decode() never sees more.
inline constexpr std::size_t kMaxNameBytes = 255, kMaxValueBytes = 65535;
// Sections in sections; what is nested deeper is refused.
inline constexpr std::size_t kMaxDepth = 32;

struct Element;
using List = std::vector<std::string>;

class Message {
 public:
  Message& add(std::string_view key, std::string_view value);
  Message& add(std::string_view key, const char* value) { return add(key, std::string_view(value)); }
  Message& add(std::string_view key, const std::string& value) { return add(key, std::string_view(value)); }
  template <std::unsigned_integral T>
  Message& add(std::string_view key, T value) {
    return add(key, std::to_string(value));
  }
  Message& add_list(std::string_view name, List values);
  Message& add(std::string_view name, Message section);
  // Adds nothing when there is nothing to say.
  Message& add_if(bool there, std::string_view key, std::string_view value);

  // The first element of that name; null when there is none or it is of another kind.
  const std::string* value(std::string_view key) const;
  const List* list(std::string_view name) const;
  const Message* section(std::string_view name) const;
  // The value of a key, or what is given when there is none.
  std::string_view get(std::string_view key, std::string_view otherwise = {}) const;
  bool is_yes(std::string_view key) const { return get(key) == "yes"; }

  const std::vector<Element>& elements() const { return elements_; }
  bool empty() const { return elements_.empty(); }
  // Overwrites every value: a request may hold keys.
  void wipe();

  friend bool operator==(const Message&, const Message&);

 private:
  template <class T>
  const T* find(std::string_view name) const;

  std::vector<Element> elements_;
};

struct Element {
  std::string name;
  std::variant<std::string, List, Message> content;

  friend bool operator==(const Element&, const Element&) = default;
};

inline bool operator==(const Message& a, const Message& b) { return a.elements_ == b.elements_; }

Buffer encode(const Message& message);
Result<Message> decode(Bytes bytes);

}  // namespace simplon::vici
