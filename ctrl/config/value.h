// SPDX-License-Identifier: Apache-2.0
// A value of the configuration that knows its path and place, and reads itself as what a key needs. For
// ctrl/config/ only.
#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ctrl/config/report.h"
#include "ctrl/config/yaml.h"
#include "dp/base/address.h"
#include "dp/base/result.h"

namespace simplon::ctrl {

template <class T>
using Choices = std::initializer_list<std::pair<std::string_view, T>>;

// One value of the file; or none, where the key is absent: then every reader returns nothing and reports
// nothing. A value of another kind than asked for is reported as an error, and the reader returns nothing.
// The tree and the report outlive it.
class Value {
 public:
  Value(const Yaml* node, Place place, std::string path, Report& report)
      : node_(node), place_(place), path_(std::move(path)), report_(&report) {}

  explicit operator bool() const { return node_ != nullptr; }
  const Yaml* node() const { return node_; }
  Place place() const { return place_; }
  const std::string& path() const { return path_; }
  Report& report() const { return *report_; }
  void error(std::string_view what) const { report_->error(place_, path_, what); }
  void warning(std::string_view what) const { report_->warning(place_, path_, what); }

  std::optional<std::string> text() const;  // never empty
  std::optional<bool> boolean() const;
  std::optional<std::uint64_t> number(std::uint64_t least, std::uint64_t most) const;
  // "1h", "90s", "1h30m", "500ms"; "0" alone is allowed when `least` is.
  std::optional<std::chrono::milliseconds> duration(std::chrono::milliseconds least,
                                                    std::chrono::milliseconds most) const;
  std::optional<std::chrono::seconds> seconds(std::chrono::seconds least, std::chrono::seconds most) const;
  std::optional<std::uint64_t> bytes(std::uint64_t least, std::uint64_t most) const;  // "64MiB", "2GB", "0"
  std::optional<IpAddress> address() const;
  std::vector<Value> list() const;  // a plain value is a list of one
  // The same, but a key without a value is an error. For keys whose default is wide ("any"): a blank value
  // must not mean the same as no key.
  std::vector<Value> filled_list() const;

  template <class T>
  std::optional<T> choice(Choices<T> choices) const {
    const auto given = text();
    if (!given) return std::nullopt;
    std::vector<std::string_view> known;
    for (const auto& [name, value] : choices) {
      if (name == *given) return value;
      known.push_back(name);
    }
    not_among(*given, known);
    return std::nullopt;
  }
  // What `parse`, from a text to a Result<T>, makes of the value; its error is reported.
  template <class T, class Parse>
  std::optional<T> parsed(Parse parse) const {
    const auto given = text();
    if (!given) return std::nullopt;
    Result<T> value = parse(*given);
    if (value) return std::move(*value);
    error(value.error().what);
    return std::nullopt;
  }

 private:
  void not_among(std::string_view given, const std::vector<std::string_view>& known) const;

  const Yaml* node_;
  Place place_;
  std::string path_;
  Report* report_;
};

}  // namespace simplon::ctrl
