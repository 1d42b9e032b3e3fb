// SPDX-License-Identifier: Apache-2.0
#include "dp/device/dummies.h"

#include <algorithm>
#include <chrono>

#include "dp/worker/burst.h"

namespace simplon::dp {
namespace {

constexpr std::chrono::milliseconds kGap{8}, kLongestGap{100};
constexpr unsigned kMostInATick = 512;
constexpr std::uint64_t kSecond = 1'000'000;  // in microseconds

std::uint64_t microseconds(Dummies::Now at) {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(at.time_since_epoch()).count());
}

// How many fall due between two moments. SAs of one rate are not due at one moment.
unsigned due(const Registry::DummySlot& slot, Dummies::Now from, Dummies::Now to) {
  const std::uint64_t phase =
      reinterpret_cast<std::uintptr_t>(slot.slot) / sizeof(OutboundSlot) * 618'033 % kSecond;
  const auto until = [&](Dummies::Now at) { return (microseconds(at) + phase) * slot.a_second / kSecond; };
  return static_cast<unsigned>(until(to) - until(from));
}

bool has_room(const rte_ring* ring) { return rte_ring_free_count(ring) > rte_ring_get_capacity(ring) / 2; }

}  // namespace

void Dummies::tick(Now now) {
  if (now - last_ < kGap) return;  // called more often, it would look at the slots more often
  const Now from = std::max(last_, now - kLongestGap);
  last_ = now;
  const std::vector<Registry::DummySlot> slots = registry_.dummy_slots();
  unsigned left = kMostInATick;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    const std::size_t at = (first_ + i) % slots.size();
    left -= ask(slots[at], std::min(left, due(slots[at], from, now)));
    if (left != 0) continue;
    first_ = at + 1;
    return;
  }
}

// How many were asked for.
unsigned Dummies::ask(const Registry::DummySlot& slot, unsigned count) {
  rte_ring* mailbox = mailboxes_[slot.owner];
  for (unsigned i = 0; i < count; ++i) {
    rte_mbuf* m = has_room(mailbox) ? rte_pktmbuf_alloc(buffers_) : nullptr;
    if (m == nullptr) return i;
    m->hash.usr = static_cast<std::uint32_t>(Origin::kDummy);
    set_bundle_slot(m, *slot.slot);
    if (rte_ring_enqueue(mailbox, m) == 0) continue;
    rte_pktmbuf_free(m);
    return i;
  }
  return count;
}

}  // namespace simplon::dp
