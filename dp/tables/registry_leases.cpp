// SPDX-License-Identifier: Apache-2.0
// Where SAs begin, and their leases: Registry's half that dp/base/lease.h is about.
#include <algorithm>
#include <string>
#include <utility>

#include "dp/ipsec/aggfrag_in.h"
#include "dp/sa/lease.h"
#include "dp/tables/registry.h"

namespace simplon::dp {
namespace {

// Of what is counted from `skipped` on. 0: there is none.
std::uint64_t limit(std::uint64_t n, std::uint64_t skipped = 0) {
  return n == 0 || n > kNever - skipped ? kNever : n + skipped;
}

// `skipped`: numbers that are not packets of the SA.
SaLimits limits_of(const SaSpec& spec, std::uint64_t skipped) {
  SaLimits limits;
  const bool esn = spec.esn == Esn::kOn;
  limits.soft_packets = std::min(limit(static_cast<std::uint64_t>(spec.soft.packets), skipped),
                                 esn ? kLastExtendedSequence : kSoftSequence);
  limits.hard_packets =
      std::min(limit(static_cast<std::uint64_t>(spec.hard.packets), skipped), last_sequence(esn));
  limits.soft_bytes = limit(static_cast<std::uint64_t>(spec.soft.bytes));
  limits.hard_bytes = limit(static_cast<std::uint64_t>(spec.hard.bytes));
  return limits;
}

}  // namespace

Result<void> Registry::can_start(const SaSpec& spec, const SaStart& start) const {
  const std::uint64_t last = last_sequence(spec.esn == Esn::kOn);
  if (start.next_sequence == 0 || start.next_sequence - 1 > last)
    return fail("an SA cannot begin with the sequence number " + std::to_string(start.next_sequence) +
                ": there are those from 1 to " + std::to_string(last));
  if (start.replay_top > last)
    return fail("a replay window cannot begin at " + std::to_string(start.replay_top) +
                ": the last sequence number is " + std::to_string(last));
  if (start.lease == kNoLease) return {};
  if (start.lease >= leases_.size())
    return fail("there is no sequence lease " + std::to_string(start.lease) + ": there are " +
                std::to_string(leases_.size()));
  if (leased_[start.lease])
    return fail("another SA has the sequence lease " + std::to_string(start.lease) + "; choose a free one");
  return {};
}

// Before a worker can see the SA, and after all that can fail.
void Registry::begin(Entry& entry) {
  const SaStart& start = entry.start;
  entry.lease = start.lease == kNoLease ? nullptr : &leases_[start.lease];
  entry.out ? begin(*entry.out, entry) : begin(*entry.in, entry);
}

void Registry::begin(OutboundSa& sa, const Entry& entry) {
  const SaStart& start = entry.start;
  std::uint64_t next = start.next_sequence;
  sa.lease = entry.lease;
  do {
    if (sa.lease != nullptr) next = std::max(next, sa.ceiling = sa.lease->ceiling);
    sa.next_seq = next = std::min(next, last_sequence(sa.esn) + 1);
  } while (sa.lease != nullptr && !raise_ceiling(sa));
  sa.skipped = next - 1 - std::min(start.packets, next - 1);
  sa.bytes = start.bytes;
  sa.limits = limits_of(*entry.spec, sa.skipped);
  sa.check_at_packets.set(next_check(sa));
  sa.check_at_bytes = sa.limits.next_bytes();
}

void Registry::begin(InboundSa& sa, const Entry& entry) {
  const SaStart& start = entry.start;
  const std::uint64_t floor = entry.lease == nullptr ? 0 : entry.lease->floor.load(),
                      top = std::max(start.replay_top, floor);
  if (top != 0) sa.window.restart(top);
  if (entry.aggfrag) static_cast<AggfragIn&>(*entry.aggfrag).start_after(top);
  sa.packets = start.packets;
  sa.bytes = start.bytes;
  sa.limits = limits_of(*entry.spec, 0);
  sa.lease = entry.lease;
  sa.check_at_packets.set(next_check(sa));
  sa.check_at_bytes = sa.limits.next_bytes();
}

// The SA is in place: an inbound one's slot is not free any more.
void Registry::keep_lease(const Entry& entry) {
  if (entry.start.lease == kNoLease) return;
  leased_[entry.start.lease] = true;
  if (entry.lease == nullptr || !entry.in) return;
  publish_floor(entry);
  raise(entry.lease->ceiling, 1);
}

// Nobody sends by the SA any more. A slot that this process has not begun with is another one's.
void Registry::free_lease(const Entry& entry) {
  if (entry.start.lease == kNoLease) return;
  leased_[entry.start.lease] = false;
  if (entry.lease == nullptr) return;
  if (entry.in) entry.lease->floor = 0;
  std::uint64_t ours = entry.out ? entry.out->ceiling : 1;
  entry.lease->ceiling.compare_exchange_strong(ours, 0);  // else another has the SA
}

void Registry::open() {
  if (!std::exchange(closed_, false)) return;
  for (auto& [id, entry] : sas_) {
    begin(entry);
    keep_lease(entry);
    if (entry.moved) entry.out ? entry.out->check_at_packets.trip() : entry.in->check_at_packets.trip();
  }
}

void Registry::publish_floors() {
  for (const auto& [id, entry] : sas_) publish_floor(entry);
}

void Registry::publish_floor(const Entry& entry) {
  if (entry.in && entry.lease != nullptr) dp::publish_floor(*entry.in);
}

}  // namespace simplon::dp
