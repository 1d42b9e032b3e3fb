// SPDX-License-Identifier: Apache-2.0
#include "ike/sa/child.h"

#include "ike/sa/task.h"

namespace simplon::ike {

Selectors effective_selectors(const ChildConfig& config, const Path& path) {
  Selectors out = config.selectors;
  const auto end = [&](const SocketAddress& outer, const std::vector<AddressRange>& inner) {
    TrafficSelectors side;
    side.reserve(inner.size() + 1);
    for (const AddressRange& addresses : inner)
      side.push_back({.protocol = config.dynamic_protocol, .addresses = addresses});
    if (side.empty())
      side.push_back({.protocol = config.dynamic_protocol, .addresses = {outer.address, outer.address}});
    return side;
  };
  static const std::vector<AddressRange> kNone;  // transport mode is between the outer addresses
  const bool inside = config.mode == SaMode::kTunnel;
  if (out.local.empty()) out.local = end(path.local, inside ? path.inner_local : kNone);
  if (out.remote.empty()) out.remote = end(path.remote, inside ? path.inner_remote : kNone);
  return out;
}

Selectors effective_selectors(const ChildConfig& config, const Path& path,
                              const std::optional<Selectors>& packet) {
  Selectors all = effective_selectors(config, path);
  if (!packet || !config.pfp.any()) return all;
  Selectors own = populated(all, *packet, config.pfp);
  return own.local.empty() || own.remote.empty() ? all : own;
}

std::string traffic_key(std::string_view connection, std::string_view child, const Selectors& selectors) {
  return std::string(connection) + '/' + std::string(child) + '/' + in_order(selectors).text();
}

std::string_view why_impossible(const ChildConfig& config, const Path& path) {
  if (config.protocol == IpsecProtocol::kAh && path.nat())
    return "AH does not pass a NAT, and one is on the way to the peer (RFC 3948 section 1)";
  if (config.over != PolicyId{} && path.nat())
    return "a NAT is on the way to the peer, and of a bundle the outermost SA alone can be in UDP";
  return "";
}

Selectors seen_from_here(Selectors selectors, const Path& path) {
  const auto replace = [](TrafficSelectors& side, const IpAddress& end) {
    for (TrafficSelector& s : side)
      if (s.addresses.first == s.addresses.last && s.addresses.first.family() == end.family())
        s.addresses = {end, end};
  };
  if (path.nat_local) replace(selectors.local, path.local.address);
  if (path.nat_remote) replace(selectors.remote, path.remote.address);
  return selectors;
}

CreateChild another_like(const Child& child) {
  return {.child = child.config.name, .packet = first_of(child.selectors), .dscp_class = child.dscp_class};
}

Task again_for(const Attempt& attempt, unsigned refused) {
  if (attempt.replaces != ChildSaId{}) return RekeyChild{attempt.replaces, attempt.ticket, refused};
  if (attempt.of_ike()) return RekeyIke{attempt.ticket, refused};
  return CreateChild{.child = attempt.config.name,
                     .ticket = attempt.ticket,
                     .packet = attempt.packet,
                     .refused = refused,
                     .dscp_class = attempt.dscp_class};
}

Selectors first_of(const Selectors& selectors) {
  return {{selectors.local.front()}, {selectors.remote.front()}};
}

}  // namespace simplon::ike
