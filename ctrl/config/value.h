// How the sections of the configuration read their keys: values that know their path and place, and a report
// that collects every error on the way. For ctrl/config/ only.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ctrl/config/yaml.h"
#include "dp/base/address.h"
#include "dp/base/result.h"

namespace simplon::ctrl {

// All that was found, in the order of the file.
class Report {
 public:
  explicit Report(std::string file) : file_(std::move(file)) {}
  void error(Place place, std::string_view path, std::string_view what) {
    errors_.push_back(line(place, path, what));
  }
  void warning(Place place, std::string_view path, std::string_view what) {
    warnings_.push_back(line(place, path, what));
  }
  bool clean() const { return errors_.empty(); }
  const std::string& file() const { return file_; }
  std::vector<std::string> errors() const { return sorted(errors_); }
  std::vector<std::string> warnings() const { return sorted(warnings_); }

 private:
  struct Line {
    Place place;
    std::string text;
  };
  Line line(Place place, std::string_view path, std::string_view what) const;
  static std::vector<std::string> sorted(std::vector<Line> lines);

  std::string file_;
  std::vector<Line> errors_, warnings_;
};

// "; did you mean 'x'?" for the nearest of `known`, when one is near enough to be a slip of the fingers.
std::string did_you_mean(std::string_view text, const std::vector<std::string_view>& known);

template <class T>
using Choices = std::initializer_list<std::pair<std::string_view, T>>;

// One value of the file, or none where the key is absent: then reading it gives nothing and reports nothing.
// A value that is not what was asked for is reported and gives nothing. The tree and the report outlive it.
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
  // The same, but a key that stands there with nothing in it is an error: it does not mean what its absence
  // does.
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
  // The value of a parser like IpAddress's siblings; its error text is reported.
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

// The keys of one map. What is asked for is known; finish() reports everything else. A section that is absent
// or empty has no keys; keys that come twice are reported at once.
class Section {
 public:
  explicit Section(const Value& value);
  // Absent: a value that is none.
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
  bool all_ = false;
  bool broken_ = false;  // absent or no section: that was told where it matters, its missing keys are not
};

}  // namespace simplon::ctrl
