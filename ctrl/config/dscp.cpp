// SPDX-License-Identifier: Apache-2.0
// Classes of DSCPs (RFC 4301 §4.1).
#include "ctrl/config/parts.h"
#include "ctrl/config/rules.h"
#include "ctrl/config/tunnel_words.h"

namespace simplon::ctrl {

Result<void> add_dscp(std::string_view text, DscpClasses& classes) {
  const auto dscp = parse_one_dscp(text);
  if (!dscp)
    return fail("'" + std::string(text.substr(0, 32)) +
                "' is no DSCP; use a number from 0 to 63, be, le, va, ef, cs0 to cs7, af11 to af43");
  if (classes.of[*dscp] != 0) return fail("'" + std::string(text) + "' stands in a class already");
  classes.of[*dscp] = classes.count;
  return {};
}

DscpClasses read_dscp_classes(const Value& value) {
  DscpClasses out;
  if (!value) return out;
  for (const Value& item : value.filled_list()) {
    if (out.count == kMostDscpClasses) {
      value.error("at most " + std::to_string(kMostDscpClasses - 1) + " classes, and the rest");
      return out;
    }
    for (const Value& dscp : item.filled_list()) {
      const auto text = dscp.text();
      if (!text) continue;
      if (const auto added = add_dscp(*text, out); !added) dscp.error(added.error().what);
    }
    ++out.count;
  }
  return out;
}

}  // namespace simplon::ctrl
