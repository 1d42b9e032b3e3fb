// SPDX-License-Identifier: Apache-2.0
// The errors and warnings of one configuration file. For ctrl/config/ only.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ctrl/config/yaml.h"

namespace simplon::ctrl {

// Collects the errors and warnings about one file; they come back in the order of the file.
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

// What the file has, in quotes for a message: on one line, and cut when it is long.
std::string shown(std::string_view text);
// "a, b or c"
std::string list_text(const std::vector<std::string_view>& words);

}  // namespace simplon::ctrl
