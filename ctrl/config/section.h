// SPDX-License-Identifier: Apache-2.0
// A map of the configuration whose keys are known, so that all others are errors. For ctrl/config/ only.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ctrl/config/value.h"

namespace simplon::ctrl {

// The keys of one map. get() and require() make a key known; finish() reports all others as unknown. A
// section that is absent or empty has no keys. Keys that come twice are reported by the constructor.
class Section {
 public:
  explicit Section(const Value& value);
  // For an absent key: a value that is none.
  Value get(std::string_view key);
  Value require(std::string_view key, std::string_view why);
  bool has(std::string_view key) const;
  // Names chosen by the author, like connections: all members, in order.
  std::vector<std::pair<std::string, Value>> members();
  void finish() const;
  const Value& value() const { return value_; }

 private:
  std::string path_of(std::string_view key) const;

  Value value_;
  std::vector<std::string> asked_;
  bool all_ = false;     // members() was called: every key is known
  bool broken_ = false;  // absent or no section, which is an error of its own: do not report its missing keys
};

}  // namespace simplon::ctrl
