// SPDX-License-Identifier: Apache-2.0
// Link aggregation (IEEE 802.1AX): DPDK's net_bonding joins devices, the members, to one, which a port then
// has.
//
// Control thread. LACP is spoken by whoever receives from the bond and sends through it: that has to happen
// ten times a second, also when there is nothing to send (Transmit::beat()).
#pragma once

#include <cstdint>
#include <string>

#include "dp/base/result.h"
#include "dp/device/spec.h"

namespace simplon::dp {

// Makes the bond of a port, named setup.device, of members that EAL was given; returns its port ID. Whoever
// configures it configures the members, and its MAC is theirs.
Result<std::uint16_t> make_bond(const PortSetup& setup);
// All members of a bond that speaks LACP hear to its MAC; DPDK sees to that in the other modes only. They are
// started.
void share_mac(const Bond& bond, const Mac& mac);
// active-backup: the primary member is in use if it has a link, or else the first that has one. Often to be
// called: DPDK sees to it only where the driver tells of links.
void choose_member(const Bond& bond, std::uint16_t id, const Mac& mac);
bool bond_has_link(const Bond& bond, std::uint16_t id);
// Closes the members of a bond that is closed.
void close_members(const Bond& bond);
// "active-backup of 0000:01:00.0 (in use), 0000:01:00.1 (no link)".
std::string describe_bond(const Bond& bond, std::uint16_t id);

}  // namespace simplon::dp
