// SPDX-License-Identifier: Apache-2.0
// How an SA keeps to its lease (dp/base/lease.h) at no cost for a packet: each packet is compared with
// `check_at_packets` as it is, which stands no higher than the lease allows, and the rest is the cold path's
// (dp/worker/sa_limits.h).
//
// Why no number at or above the published ceiling is ever used: numbers are taken in one place
// (dp/worker/stage_encapsulate.cpp, begin()), one after the other, for packets, dummies and payloads of
// AGGFRAG alike. It takes `next_seq` without the cold path only if `next_seq <= check_at_packets`, which is
// `< ceiling` by next_check(); and from the cold path it returns only when the ceiling has been raised above
// `next_seq`, or the SA has expired: the last number there is, is a hard limit, and so is a lease that
// another has. Who goes on raises the ceiling before its own first number; so even two that live use none
// twice.
//
// The owner; before it has the SA, the control thread.
#pragma once

#include <algorithm>

#include "dp/sa/inbound.h"
#include "dp/sa/outbound.h"

namespace simplon::dp {

constexpr std::uint64_t last_sequence(bool esn) { return esn ? kLastExtendedSequence : kLastSequence; }

// So that `next_seq`, which is one past the last number at most, may be used. What the owner writes to a
// packet afterwards is not seen before the ceiling is. False: another goes on with the SA by now, and has
// raised it; no number from the old ceiling on is ours.
inline bool raise_ceiling(OutboundSa& sa) {
  const std::uint64_t next = sa.next_seq, left = last_sequence(sa.esn) + 1 - next,
                      to = next + std::min(kLeaseStep, left);
  std::uint64_t was = sa.ceiling;
  if (!sa.lease->ceiling.compare_exchange_strong(was, to)) return false;
  sa.ceiling = to;
  return true;
}
inline std::uint64_t next_check(const OutboundSa& sa) {
  return std::min(sa.limits.next_packets(), sa.ceiling - 1);
}

inline void publish_floor(const InboundSa& sa) { raise(sa.lease->floor, sa.window.top()); }
inline std::uint64_t next_check(const InboundSa& sa) {
  const std::uint64_t limit = sa.limits.next_packets();
  return sa.lease == nullptr ? limit : std::min(limit, sa.packets + kFloorStep);
}

}  // namespace simplon::dp
