// SPDX-License-Identifier: Apache-2.0
// What a Disconnect-Request or CoA-Request asks for (RFC 5176 §3), read whole: an attribute that cannot be
// obeyed refuses it, for the server must not believe that it was.
#pragma once

#include <chrono>
#include <expected>
#include <optional>
#include <set>
#include <string>

#include "ctrl/radius/packet.h"
#include "ctrl/radius/sessions.h"

namespace simplon::ctrl {

struct RadiusOrder {
  RadiusMatch match;                                    // not empty
  std::optional<std::chrono::seconds> session_timeout;  // of a CoA-Request: there; else: disconnect
};
// Who we are to the server. Without addresses any is taken for ours.
struct RadiusNames {
  const std::set<std::string>& identifiers;
  const std::set<IpAddress>& addresses;
};
std::expected<RadiusOrder, ErrorCause> read_order(const RadiusPacket& packet, const RadiusNames& ours);

}  // namespace simplon::ctrl
