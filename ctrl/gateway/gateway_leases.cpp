// SPDX-License-Identifier: Apache-2.0
// The gateway and the file of who has which address.
#include "ctrl/gateway/gateway.h"

namespace simplon::ctrl {

// Without the file addresses are given all the same, most of them the same as before (ike/sa/leases.h).
void Gateway::open_leases() {
  if (config_.lease_file.empty()) return;
  auto file = LeaseFile::open(config_.lease_file);
  if (!file) return log_.error(Category::kIke, "leases are not kept: " + file.error().what);
  if (file->unreadable() != 0)
    log_.warning(Category::kIke, config_.lease_file + ": " + std::to_string(file->unreadable()) +
                                     " lines are no leases and were left out");
  leases_.emplace(std::move(*file));
  endpoint_->remember(leases_->leases());
}

void Gateway::keep(const ike::AddressGiven& given) {
  if (!leases_) return;
  if (auto done = leases_->note({given.pool, given.identity, given.address}); !done)
    log_.error(Category::kIke, "leases are not kept any more: " + done.error().what);
}

}  // namespace simplon::ctrl
