// SPDX-License-Identifier: Apache-2.0
// One SPD entry (RFC 4301 §4.4.1) as plain values.
//
// The SPD is ordered: the matching entry with the lowest `order` decides, equal orders by id. What no entry
// matches is discarded (RFC 4301 §5.1, §5.2). A PROTECT entry holds from the moment it is installed, with or
// without an SA: without one, outbound traffic is dropped and reported as an acquire; inbound clear traffic
// that matches it is always dropped.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "dp/base/sa_spec.h"

namespace simplon {

enum class Action : std::uint8_t { kDiscard, kBypass, kProtect };

enum class PolicyDirection : std::uint8_t { kBoth, kOut, kIn };

// The addresses of the protected packets. Needed by the kernel's policies; the data path takes them from the
// SA.
struct TunnelEnds {
  IpAddress local, remote;
  friend auto operator<=>(const TunnelEnds&, const TunnelEnds&) = default;
};

struct PolicySpec {
  PolicyId id{};
  std::string name;  // for people: "office/net", "manual-3"
  std::uint32_t order = 0;
  PolicyDirection direction = PolicyDirection::kBoth;
  Action action = Action::kDiscard;
  Selectors selectors;  // outbound: source in local, destination in remote; inbound the reverse
  // PROTECT only: what is done to its packets, and between which ends; no ends while the peer's address is
  // unknown. In transport mode they are the addresses of the packets themselves.
  IpsecProtocol protocol = IpsecProtocol::kEsp;
  SaMode mode = SaMode::kTunnel;
  std::optional<TunnelEnds> tunnel;
  // PROTECT only: the entry whose SAs protect the packets of this one's once more, a bundle (RFC 4301 §4.5).
  // That entry is of the same SPD, and what it is for are the packets of this one's SAs.
  PolicyId over{};
  // PROTECT only: the entry of the child whose SAs alone may bring its inbound packets, the entry itself or,
  // of a narrowed one, its parent. None: any SA between the ends may. For the kernel; the data path asks the
  // SA.
  PolicyId child{};
  // BYPASS only: the kernel forwards its packets, both ways, by way of the TAPs. For the data path.
  bool via_kernel = false;
  // PROTECT only: the entry is of the SPD of this tunnel interface, and decides about what is routed to it
  // alone. None: of the SPD of all other traffic.
  InterfaceId interface{};
  // The entry is of the SPD of the ports that name it (RFC 4301 §4.4.1): it decides about what comes in by
  // them, from whichever side, and what the host sends by them. Empty: of the SPD of all other ports. For the
  // data path; not with `interface`.
  std::string spd{};

  // PROTECT only: each packet gets an SA for its own values of these fields.
  PfpFlags pfp;
  // kAlso, kOwnSa and kLater: PROTECT in tunnel mode only.
  FragmentHandling fragments = FragmentHandling::kReassemble;
  DscpClasses classes;   // PROTECT only. For the data path
  KernelOptions kernel;  // PROTECT only, also of its SAs, see of_sa(). For the kernel

  friend bool operator==(const PolicySpec&, const PolicySpec&) = default;
};

// Packets that the entry decided about, each way.
struct HitCounts {
  std::uint64_t out = 0, in = 0;

  HitCounts& operator+=(const HitCounts& more) { return out += more.out, in += more.in, *this; }
  friend bool operator==(const HitCounts&, const HitCounts&) = default;
};
// Of all entries, and of what no entry matches.
struct SpdHits {
  std::map<PolicyId, HitCounts> entries;
  HitCounts none;
};

// In transport mode the ends are what the selectors name, one host on either side; none: they name more.
inline std::optional<TunnelEnds> transport_ends(const Selectors& selectors) {
  if (selectors.local.empty() || selectors.remote.empty()) return std::nullopt;
  const IpAddress local = selectors.local.front().addresses.first,
                  remote = selectors.remote.front().addresses.first;
  const auto is_host = [](const TrafficSelectors& side, const IpAddress& one) {
    for (const TrafficSelector& s : side)
      if (s.addresses.first != one || s.addresses.last != one) return false;
    return true;
  };
  for (const SelectorSet& set : selectors.sets())
    if (!is_host(set.local, local) || !is_host(set.remote, remote)) return std::nullopt;
  if (local.family() != remote.family()) return std::nullopt;
  return TunnelEnds{local, remote};
}

constexpr std::string_view name(Action action) {
  switch (action) {
    case Action::kDiscard:
      return "DISCARD";
    case Action::kBypass:
      return "BYPASS";
    case Action::kProtect:
      return "PROTECT";
  }
  return "?";
}

}  // namespace simplon
