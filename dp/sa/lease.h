// SPDX-License-Identifier: Apache-2.0
// How an SA keeps to its lease (dp/base/lease.h) at no cost for a packet: each packet is compared with
// `check_at_packets` as it is, which stands no higher than the lease allows, and the rest is the cold path's
// (dp/worker/sa_limits.h).
//
// Why no number at or above the published ceiling is ever used: numbers are taken in one place
// (dp/worker/stage_encapsulate.cpp, begin()), one after the other, for packets, dummies and payloads of
// AGGFRAG alike. It takes `next_seq` without the cold path only if `next_seq <= check_at_packets`, which is
// `< ceiling` by next_check(); and from the cold path it returns only when the ceiling has been raised above
// `next_seq`, or the SA has expired: the last number there is, is a hard limit.
//
// The owner; before it has the SA, the control thread.
#pragma once

#include <algorithm>

#include "dp/sa/inbound.h"
#include "dp/sa/outbound.h"

namespace simplon::dp {

constexpr std::uint64_t last_sequence(bool esn) { return esn ? kLastExtendedSequence : kLastSequence; }

// So that `next_seq`, which is one past the last number at most, may be used. An exchange, since what the
// owner writes to a packet afterwards must not be seen before the ceiling is.
inline void raise_ceiling(OutboundSa& sa) {
  const std::uint64_t next = sa.next_seq, left = last_sequence(sa.esn) + 1 - next;
  sa.ceiling = next + std::min(kLeaseStep, left);
  sa.lease->ceiling.exchange(sa.ceiling);
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
