// SPDX-License-Identifier: Apache-2.0
// How far the kernel came with the SAs of the journal, before they are taken from it: by the next gateway, or
// by the guard's next try.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ctrl/backend/xfrm/backend.h"
#include "ctrl/guard/records.h"
#include "dp/base/lease.h"

namespace simplon::ctrl {

// The ceiling of a lease whose SA nobody may send by any more: how far it was used is not known.
inline constexpr std::uint64_t kUsedUp = ~std::uint64_t{0};

constexpr std::uint64_t last_sequence(const SaSpec& sa) {
  return sa.esn == Esn::kOn ? ~std::uint64_t{0} - 1 : std::uint64_t{0xffffffff};
}

// Takes each SA that the kernel was given from it, one after the other: its lease is raised to where it is,
// and beyond what it may send meanwhile; then it is removed. Another program may have removed an outbound
// one: it is used up. The interfaces are muted by now. Returns the number of SAs that are used up.
std::size_t take_sas(XfrmBackend& kernel, Journal& journal, const std::vector<SaRecord>& sas,
                     std::span<dp::SaLease> leases);

}  // namespace simplon::ctrl
