// SPDX-License-Identifier: Apache-2.0
// The kernel's selectors: an address prefix and a masked port on either side, one protocol.
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <tuple>

#include "ctrl/backend/xfrm/message.h"

namespace simplon::ctrl {
namespace {

struct MaskedPort {
  std::uint16_t value = 0, mask = 0;
};

// The smallest set of masked ports that is exactly this range.
std::vector<MaskedPort> masked_ports(const PortRange& range) {
  std::vector<MaskedPort> out;
  for (std::uint32_t at = range.first; at <= range.last;) {
    std::uint32_t size = at == 0 ? 0x10000 : at & -at;
    while (at + size - 1 > range.last) size /= 2;
    out.push_back({static_cast<std::uint16_t>(at), static_cast<std::uint16_t>(~(size - 1))});
    at += size;
  }
  return out;
}

PortRange range_of(std::uint16_t value, std::uint16_t mask) {
  return {static_cast<std::uint16_t>(value & mask), static_cast<std::uint16_t>(value | ~mask)};
}

struct Ports {
  MaskedPort source, destination;
};

// For ICMP the kernel keeps type and code in the port fields: the type in the source port, the code in the
// destination port, in both directions.
std::vector<Ports> types(const PortRange& source, const PortRange& destination) {
  const PortRange both{std::max(source.first, destination.first), std::min(source.last, destination.last)};
  std::vector<Ports> out;
  for (const MaskedPort p : masked_ports(both)) {
    const auto high = [](std::uint16_t v) { return static_cast<std::uint16_t>(v >> 8); };
    const auto low = [](std::uint16_t v) { return static_cast<std::uint16_t>(v & 0xff); };
    // Type and code have eight bits, the kernel's fields sixteen: the upper ones must be zero, so they are
    // masked.
    const auto wide = [](std::uint16_t mask) {
      return static_cast<std::uint16_t>(mask | (mask ? 0xff00 : 0));
    };
    out.push_back({{high(p.value), wide(high(p.mask))}, {low(p.value), wide(low(p.mask))}});
  }
  return out;
}

std::vector<Ports> ports_of(std::uint8_t protocol, const PortRange& source, const PortRange& destination) {
  if (has_types(protocol)) return types(source, destination);
  std::vector<Ports> out;
  for (const MaskedPort s : masked_ports(source))
    for (const MaskedPort d : masked_ports(destination)) out.push_back({s, d});
  return out;
}

xfrm_selector selector_of(const Prefix& source, const Prefix& destination, std::uint8_t protocol,
                          const Ports& ports) {
  xfrm_selector out{};
  out.family = family_of(source.address);
  out.saddr = to_kernel(source.address);
  out.daddr = to_kernel(destination.address);
  out.prefixlen_s = source.length;
  out.prefixlen_d = destination.length;
  out.proto = protocol;
  out.sport = htons(ports.source.value);
  out.sport_mask = htons(ports.source.mask);
  out.dport = htons(ports.destination.value);
  out.dport_mask = htons(ports.destination.mask);
  return out;
}

}  // namespace

Result<std::vector<xfrm_selector>> kernel_selectors(const TrafficSelector& source,
                                                    const TrafficSelector& destination) {
  std::vector<xfrm_selector> out;
  if (source.addresses.first.family() != destination.addresses.first.family()) return out;
  if (source.protocol != destination.protocol && source.protocol != kAnyProtocol &&
      destination.protocol != kAnyProtocol)
    return out;
  if (source.ports.is_opaque() || destination.ports.is_opaque())
    return fail("the kernel has no OPAQUE ports (" + source.text() + " === " + destination.text() + ")");
  const std::uint8_t protocol = source.protocol != kAnyProtocol ? source.protocol : destination.protocol;
  // Its second lock, nftables, reads types where ICMP has them.
  if (protocol == kMobility && !(source.ports.is_any() && destination.ports.is_any()))
    return fail("in the kernel the Mobility Header has no types (" + source.text() +
                " === " + destination.text() + ")");
  const auto from = prefixes_of(source.addresses), to = prefixes_of(destination.addresses);
  const auto ports = ports_of(protocol, source.ports, destination.ports);
  if (from.size() * to.size() * ports.size() > kMostKernelPolicies)
    return fail(source.text() + " === " + destination.text() + " would be " +
                std::to_string(from.size() * to.size() * ports.size()) +
                " policies in the kernel; use prefixes, and port ranges on one side only");
  for (const Prefix& s : from)
    for (const Prefix& d : to)
      for (const Ports& p : ports) out.push_back(selector_of(s, d, protocol, p));
  return out;
}

SelectorPair selector_pair(const xfrm_selector& s) {
  const auto side = [&](const xfrm_address_t& address, std::uint8_t length) {
    TrafficSelector out = TrafficSelector::of({masked(from_kernel(address, s.family), length), length});
    out.protocol = s.proto;
    return out;
  };
  SelectorPair out{side(s.saddr, s.prefixlen_s), side(s.daddr, s.prefixlen_d)};
  if (!has_types(s.proto)) {
    out.source.ports = range_of(ntohs(s.sport), ntohs(s.sport_mask));
    out.destination.ports = range_of(ntohs(s.dport), ntohs(s.dport_mask));
    return out;
  }
  const auto joined = [](std::uint16_t type, std::uint16_t code) {
    return static_cast<std::uint16_t>((type & 0xff) << 8 | (code & 0xff));
  };
  out.source.ports = out.destination.ports =
      range_of(joined(ntohs(s.sport), ntohs(s.dport)), joined(ntohs(s.sport_mask), ntohs(s.dport_mask)));
  return out;
}

bool operator<(const KernelPolicy& a, const KernelPolicy& b) {
  const auto key = [](const KernelPolicy& k) {
    const xfrm_selector& s = k.selector;
    std::array<std::uint8_t, 2 * sizeof(xfrm_address_t)> addresses;
    std::memcpy(addresses.data(), &s.saddr, sizeof s.saddr);
    std::memcpy(addresses.data() + sizeof s.saddr, &s.daddr, sizeof s.daddr);
    return std::tuple(k.direction, s.family, addresses, s.prefixlen_s, s.prefixlen_d, s.proto, s.sport,
                      s.sport_mask, s.dport, s.dport_mask, s.ifindex, k.mark, k.if_id);
  };
  return key(a) < key(b);
}

}  // namespace simplon::ctrl
