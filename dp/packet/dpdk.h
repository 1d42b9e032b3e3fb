// SPDX-License-Identifier: Apache-2.0
// What differs between the DPDK of Debian 12 (22.11) and that of Debian 13 (24.11 and later), in one place.
// The names below compile with either; what else there is in DPDK is used as it is.
//
//   rte_ring_elem.h     24.11 forgot extern "C" around rte_ring_create_elem: here it is create_ring
//   rte_rib6_*          addresses are bytes in 22.11, rte_ipv6_addr in 24.11
//   rte_eth_bond.h      members of a bond have another name since 23.11
//
// rte_eth_link_get_nowait's result must be used since 24.11; that is right for 22.11 as well.
#pragma once

#include <rte_eth_bond.h>
#include <rte_eth_bond_8023ad.h>
#include <rte_ring.h>
#include <rte_ring_elem.h>
#include <rte_version.h>

#include <cstdint>

struct rte_ipv6_addr;

namespace simplon::dp {

// Whatever linkage the library's header gives it, this is the symbol that the library has. `element`: bytes,
// four or a multiple of it.
rte_ring* create_ring(const char* name, unsigned element, unsigned count, int socket,
                      unsigned flags) __asm__("rte_ring_create_elem");

// The 16 bytes of an IPv6 address as an argument of rte_rib6_*.
class RibAddress {
 public:
  explicit RibAddress(const std::uint8_t* bytes) : bytes_(bytes) {}
  operator const std::uint8_t*() const { return bytes_; }
  operator const rte_ipv6_addr*() const { return reinterpret_cast<const rte_ipv6_addr*>(bytes_); }

 private:
  const std::uint8_t* bytes_;
};

#if RTE_VERSION >= RTE_VERSION_NUM(23, 11, 0, 0)
inline constexpr auto add_bond_member = &rte_eth_bond_member_add;
inline constexpr auto bond_lacp_info = &rte_eth_bond_8023ad_member_info;
using BondLacpInfo = struct rte_eth_bond_8023ad_member_info;
#else
inline constexpr auto add_bond_member = &rte_eth_bond_slave_add;
inline constexpr auto bond_lacp_info = &rte_eth_bond_8023ad_slave_info;
using BondLacpInfo = struct rte_eth_bond_8023ad_slave_info;
#endif

}  // namespace simplon::dp
