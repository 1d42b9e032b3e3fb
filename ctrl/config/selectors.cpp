// SPDX-License-Identifier: Apache-2.0
// Traffic selectors in the file, and whether those of a child can match.
#include <algorithm>

#include "ctrl/config/parts.h"
#include "ctrl/config/rules.h"

namespace simplon::ctrl {

using ike::ChildConfig;

void check_selectors(const Value& value, const ike::Connection& connection, const ChildConfig& child) {
  const Selectors effective = child_policy(connection, child).selectors;
  if (effective.local.empty() || effective.remote.empty()) return;
  const auto has = [](const TrafficSelectors& side, Family f) {
    return std::ranges::any_of(side,
                               [&](const TrafficSelector& ts) { return ts.addresses.first.family() == f; });
  };
  if (!have_common_family(effective))
    return value.error("local_ts and remote_ts have no family in common: no packet can match");
  for (Family f : {Family::kV4, Family::kV6})
    if (has(effective.local, f) != has(effective.remote, f))
      value.warning(std::string("only ") + (has(effective.local, f) ? "local_ts" : "remote_ts") + " has IPv" +
                    (f == Family::kV4 ? "4" : "6") + " selectors; they match nothing");
}

TrafficSelectors read_selectors(const Value& value) {
  TrafficSelectors out;
  const auto add = [&](const Value& item, const std::string& text) {
    const auto ts = TrafficSelector::parse(text);
    if (!ts) return item.error(ts.error().what);
    if (std::ranges::find(out, *ts) != out.end()) item.error("'" + ts->text() + "' stands here twice");
    out.push_back(*ts);
  };
  for (const Value& item : value.filled_list()) {
    const auto text = item.text();
    if (!text) continue;
    if (*text == "any" || text->starts_with("any[")) {
      add(item, "0.0.0.0/0" + text->substr(3));
      add(item, "::/0" + text->substr(3));
    } else {
      add(item, text->substr(0, 200));
    }
  }
  // RFC 7296 §3.13: their number is one byte.
  if (out.size() > 255) value.error("at most 255 selectors fit into a message");
  return out;
}

}  // namespace simplon::ctrl
