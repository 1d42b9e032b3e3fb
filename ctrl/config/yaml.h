// SPDX-License-Identifier: Apache-2.0
// A YAML document as a plain tree with places, for the configuration only.
//
// Total: whatever the bytes are, the answer is a tree or the list of what is wrong with them. What a
// configuration has no use for is refused instead of interpreted: anchors and aliases (a few lines of them
// can stand for gigabytes), tags, several documents, keys that are no plain text, bytes that are no UTF-8.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace simplon::ctrl {

struct Place {
  int line = 1, column = 1;  // as editors count
  friend auto operator<=>(const Place&, const Place&) = default;
};

struct Yaml {
  enum class Kind : std::uint8_t { kNull, kScalar, kList, kMap };
  struct Member;

  Kind kind = Kind::kNull;
  Place place;
  std::string text;             // kScalar
  std::vector<Yaml> items;      // kList
  std::vector<Member> members;  // kMap, in the order of the file; keys may come twice
};

struct Yaml::Member {
  std::string key;
  Place place;  // of the key
  Yaml value;
};

struct Problem {
  Place place;
  std::string what;
};

std::expected<Yaml, std::vector<Problem>> parse_yaml(std::string_view text);

// Overwrites every text in the tree: of a file of secrets.
void wipe(Yaml& node);

}  // namespace simplon::ctrl
