// SPDX-License-Identifier: Apache-2.0
#include "ctrl/config/section.h"

#include <algorithm>
#include <map>
#include <set>

namespace simplon::ctrl {

Section::Section(const Value& value) : value_(value) {
  const Yaml* node = value.node();
  broken_ = node == nullptr;
  if (!node || node->kind == Yaml::Kind::kNull) return;
  if (node->kind != Yaml::Kind::kMap) {
    value.error("needs a section with keys, not a " +
                std::string(node->kind == Yaml::Kind::kList ? "list" : "single value"));
    value_ = Value(nullptr, value.place(), value.path(), value.report());
    broken_ = true;
    return;
  }
  std::map<std::string_view, Place> seen;
  for (const Yaml::Member& member : node->members) {
    const auto [first, fresh] = seen.try_emplace(member.key, member.place);
    if (!fresh)
      value.report().error(
          member.place, path_of(member.key),
          "stands here a second time; the first is in line " + std::to_string(first->second.line));
  }
}

std::string Section::path_of(std::string_view key) const {
  std::string shown(key.substr(0, 60));
  for (char& c : shown)
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  return value_.path().empty() ? shown : value_.path() + "." + shown;
}

bool Section::has(std::string_view key) const {
  const Yaml* node = value_.node();
  return node && std::ranges::find(node->members, key, &Yaml::Member::key) != node->members.end();
}

Value Section::get(std::string_view key) {
  if (std::ranges::find(asked_, key) == asked_.end()) asked_.emplace_back(key);
  const Yaml* node = value_.node();
  if (node)
    for (const Yaml::Member& member : node->members)
      if (member.key == key) {
        const bool blank = member.value.kind == Yaml::Kind::kNull;
        return {&member.value, blank ? member.place : member.value.place, path_of(key), value_.report()};
      }
  return {nullptr, value_.place(), path_of(key), value_.report()};
}

Value Section::require(std::string_view key, std::string_view why) {
  Value found = get(key);
  if (!found && !broken_) found.error("is missing; " + std::string(why));
  return found;
}

std::vector<std::pair<std::string, Value>> Section::members() {
  all_ = true;
  std::vector<std::pair<std::string, Value>> out;
  const Yaml* node = value_.node();
  if (!node) return out;
  std::set<std::string_view> seen;
  for (const Yaml::Member& member : node->members)
    if (seen.insert(member.key).second)
      out.emplace_back(member.key, Value(&member.value, member.place, path_of(member.key), value_.report()));
  return out;
}

void Section::finish() const {
  const Yaml* node = value_.node();
  if (!node || all_) return;
  const std::vector<std::string_view> known(asked_.begin(), asked_.end());
  for (const Yaml::Member& member : node->members) {
    if (std::ranges::find(asked_, member.key) != asked_.end()) continue;
    value_.report().error(member.place, path_of(member.key),
                          "unknown key; known here: " + list_text(known) + did_you_mean(member.key, known));
  }
}

}  // namespace simplon::ctrl
