// SPDX-License-Identifier: Apache-2.0
// Hits of the SPD's entries: Registry's half that dp/tables/hits.h is about.
#include "dp/tables/registry.h"

namespace simplon::dp {

std::uint64_t Registry::counted(std::uint32_t hit) const {
  std::uint64_t sum = 0;
  for (const Hits* worker : workers_) sum += worker->get(hit);
  return sum;
}

// Since the slot has its entry.
HitCounts Registry::counted_by_slot(std::uint32_t slot) const {
  return {counted(hit_of(slot, Direction::kOut)) - before_[slot].out,
          counted(hit_of(slot, Direction::kIn)) - before_[slot].in};
}

// Those of its entry, or of its child's where that is gone already. What was outside the SA's selectors came
// by it all the same (RFC 4301 §5.2 step 4).
void Registry::add_hits(const Entry& entry, SpdHits& to) const {
  const SaSpec& spec = *entry.spec;
  const PolicyId id = policies_.contains(spec.policy) ? spec.policy : spec.child;
  if (!policies_.contains(id)) return;
  HitCounts& counts = to.entries[id];
  if (entry.out)
    counts.out += carried(entry);
  else
    counts.in += carried(entry) + entry.in->selector_mismatch;
}

// The entry goes. What it has is its child's from now on, if it is a narrowed one.
void Registry::keep_hits_of(const Policy& policy) {
  HitCounts counts = gone_.entries[policy.spec.id];
  gone_.entries.erase(policy.spec.id);
  const PolicyId child = policy.spec.child;
  if (child == policy.spec.id || !policies_.contains(child)) return;
  const HitCounts own = counted_by_slot(policy.slot);
  before_[policy.slot] += own;
  gone_.entries[child] += (counts += own);
}

SpdHits Registry::hits() const {
  SpdHits out = gone_;
  for (const auto& [id, policy] : policies_) out.entries[id] += counted_by_slot(policy.slot);
  for (const auto& [id, entry] : sas_) add_hits(entry, out);
  for (const auto& entry : leaving_sas_) add_hits(*entry, out);
  out.none = {counted(default_hit(Direction::kOut)), counted(default_hit(Direction::kIn))};
  return out;
}

}  // namespace simplon::dp
