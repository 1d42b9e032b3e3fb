// SPDX-License-Identifier: Apache-2.0
// Traffic selectors (RFC 4301 §4.4.1.1, RFC 7296 §3.13.1): which packets an SPD entry or an SA is for.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dp/base/address.h"

namespace simplon {

// Inclusive. For ICMP and ICMPv6 a "port" is type * 256 + code, for the Mobility Header type * 256. ANY, 0 to
// 65535, also takes what has no ports that could be known; OPAQUE, 65535 to 0, takes that alone (RFC 4301
// §4.4.1.1, RFC 7296 §3.13.1).
struct PortRange {
  std::uint16_t first = 0, last = 65535;

  static constexpr PortRange opaque() { return {65535, 0}; }
  bool contains(std::uint16_t port) const { return first <= port && port <= last; }
  bool contains(const PortRange& other) const;
  std::optional<PortRange> intersect(const PortRange& other) const;
  bool is_any() const { return first == 0 && last == 65535; }
  bool is_opaque() const { return first == 65535 && last == 0; }
  friend auto operator<=>(const PortRange&, const PortRange&) = default;
};

// One side of a flow.
struct TrafficSelector {
  std::uint8_t protocol = kAnyProtocol;
  PortRange ports;
  AddressRange addresses;

  static TrafficSelector of(const Prefix& prefix) { return {.addresses = AddressRange::of(prefix)}; }
  // "ADDRESSES" or "ADDRESSES[PROTOCOL]" or "ADDRESSES[PROTOCOL/PORT]" or "…/FIRST-LAST]", as strongSwan
  // writes them: "192.0.2.0/24[tcp/443]". PROTOCOL is a number or one of tcp, udp, icmp, icmpv6, sctp, mh;
  // PORT a number, or of ICMP and the Mobility Header a type, by its name or with its code: "echo-request",
  // "3(4)", "destination-unreachable(4)". "any" is allowed for both, "opaque" for PORT.
  static Result<TrafficSelector> parse(std::string_view text);
  bool contains(const TrafficSelector& other) const;
  std::optional<TrafficSelector> intersect(const TrafficSelector& other) const;
  std::string text() const;

  friend auto operator<=>(const TrafficSelector&, const TrafficSelector&) = default;
};

using TrafficSelectors = std::vector<TrafficSelector>;

// Both sides. A packet matches when one local and one remote selector of the same family match it.
struct SelectorSet {
  TrafficSelectors local, remote;
  friend auto operator<=>(const SelectorSet&, const SelectorSet&) = default;
};

// One set, and often no other. A packet matches when one of the sets matches it: each stands on its own (RFC
// 4301 §4.4.1.2).
struct Selectors {
  TrafficSelectors local, remote;
  std::vector<SelectorSet> more{};  // RFC 7296 knows no such thing: not of IKE's children

  std::vector<SelectorSet> sets() const;  // all
  static Selectors of(std::vector<SelectorSet> sets);
  std::string text() const;  // "192.0.2.0/24 === 198.51.100.0/24"; of several sets with ", " between them
  friend auto operator<=>(const Selectors&, const Selectors&) = default;
};

std::string text(const TrafficSelectors& selectors);  // separated by spaces
// Each of `part` is inside one of `all`.
bool covers(const TrafficSelectors& all, const TrafficSelectors& part);
// Each pair of `part` is inside one set of `all`.
bool covers(const Selectors& all, const Selectors& part);
// Some packet matches both.
bool overlap(const TrafficSelectors& a, const TrafficSelectors& b);
bool overlap(const Selectors& a, const Selectors& b);
// Populate-from-packet flags (RFC 4301 §4.4.1): in these fields an SA has the value of the packet that asked
// for it, not all that its entry has. Ports of ICMP and the Mobility Header are type and code.
struct PfpFlags {
  bool local = false, remote = false, protocol = false, local_port = false, remote_port = false;

  bool any() const { return local || remote || protocol || ports(); }
  bool ports() const { return local_port || remote_port; }
  friend auto operator<=>(const PfpFlags&, const PfpFlags&) = default;
};
// What the SA for this packet, one selector a side, is for; no selectors where the entry does not cover it.
Selectors populated(const Selectors& entry, const Selectors& packet, const PfpFlags& flags);

// Sorted: equal for what was named in another order.
Selectors in_order(const Selectors& selectors);

// RFC 7296 §3.13 counts a payload's selectors in one octet.
inline constexpr std::size_t kMostSelectors = 255;

// RFC 7296 §2.9: the part of `offered` that `allowed` covers; empty when there is none. Of more than fit into
// a payload the first ones: to take less is allowed, to install other than what is said is not.
TrafficSelectors narrow(const TrafficSelectors& offered, const TrafficSelectors& allowed);

}  // namespace simplon
