// SPDX-License-Identifier: Apache-2.0
// SAs that the kernel has: Registry's half that tells the workers what is not theirs.
#include <algorithm>

#include "dp/tables/registry.h"

namespace simplon::dp {

Result<void> Registry::add_kernel_sa(const SaSpec& sa) {
  if (kernel_sas_.contains(sa.id)) return fail("there is an SA of this id already");
  KernelSa entry{.mark = {}, .policy = sa.policy, .destination = sa.destination, .protocol = sa.protocol};
  if (sa.direction == Direction::kIn) {
    entry.mark = std::make_unique<InboundSa>(0);
    entry.mark->spi = Be32{static_cast<std::uint32_t>(sa.spi)};
    entry.mark->key = sad_key(sa.protocol, address_key(sa.destination));
    entry.mark->owner = kOfKernel;
    entry.mark->id = sa.id;
    std::unique_ptr<Sad::Table> smaller;
    if (!sad_.add(entry.mark.get(), smaller))
      return fail("there is an inbound SA with this SPI and destination already");
    if (smaller) retire([table = std::shared_ptr<Sad::Table>(std::move(smaller))] {});
  }
  kernel_sas_.emplace(sa.id, std::move(entry));
  kernel_entries_[sa.policy].insert(sa.id);
  will_change(sa.policy);
  return {};
}

void Registry::remove_kernel_sa(SaId id) {
  auto gone = kernel_sas_.extract(id);
  if (gone.empty()) return;
  KernelSa& entry = gone.mapped();
  if (entry.mark) {
    sad_.remove(entry.mark->spi, entry.destination, entry.protocol);
    retire([mark = std::shared_ptr<InboundSa>(std::move(entry.mark))] {});
  }
  const auto of_entry = kernel_entries_.find(entry.policy);
  of_entry->second.erase(id);
  if (of_entry->second.empty()) kernel_entries_.erase(of_entry);
  will_change(entry.policy);
}

// Whether the newest outbound SA of the entry is the kernel's. Ids grow.
bool Registry::sends_by_kernel(PolicyId id) const {
  const auto found = kernel_entries_.find(id);
  if (found == kernel_entries_.end()) return false;
  SaId newest{};
  for (const SaId sa : found->second)
    if (!kernel_sas_.at(sa).mark) newest = std::max(newest, sa);
  if (newest == SaId{}) return false;
  const auto ours = slots_.find({id, 0});
  return ours == slots_.end() || ours->second.sas.empty() || ours->second.sas.back() < newest;
}

}  // namespace simplon::dp
