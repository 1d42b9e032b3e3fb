// SPDX-License-Identifier: Apache-2.0
// Text in aligned columns: a heading, rows, two spaces between. Numbers are set to the right.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

namespace simplon::console {

class Table {
 public:
  explicit Table(std::vector<std::string> heading) : rows_{std::move(heading)} {}
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  bool empty() const { return rows_.size() == 1; }
  void print(std::ostream& out, std::string_view indent = {}) const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

std::string grouped(std::string_view digits);     // "1234567" is "1,234,567"; what is no number stays
std::string bytes_text(std::string_view digits);  // "1.2 MB"
std::string time_text(std::string_view seconds);  // "3h 58m"
// What a peer or a file may have chosen, safe for a terminal: control characters become '?'.
std::string printable(std::string_view text);

}  // namespace simplon::console
