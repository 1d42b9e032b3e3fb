// SPDX-License-Identifier: Apache-2.0
#include "ctrl/guard/positions.h"

#include <memory>

namespace simplon::ctrl {

std::size_t take_sas(XfrmBackend& kernel, Journal& journal, const std::vector<SaRecord>& sas,
                     std::span<dp::SaLease> leases) {
  std::size_t used_up = 0;
  for (const SaRecord& record : sas) {
    if (record.lease >= leases.size() ||
        !journal.holds(RecordKind::kInKernel, static_cast<std::uint64_t>(record.sa.id)))
      continue;
    dp::SaLease& lease = leases[record.lease];
    const auto sa = std::make_shared<const SaSpec>(record.sa);
    const auto at = kernel.sequence(record.sa);
    if (record.sa.direction == Direction::kIn) {
      if (at) dp::raise(lease.floor, *at);
    } else {
      used_up += at ? 0 : 1;
      dp::raise(lease.ceiling, at ? *at + 1 + dp::kLeaseStep : kUsedUp);
    }
    if (at && !kernel.remove_sa(sa)) continue;  // it stays marked
    journal.erase(RecordKind::kInKernel, static_cast<std::uint64_t>(record.sa.id));
  }
  return used_up;
}

}  // namespace simplon::ctrl
