// SPDX-License-Identifier: Apache-2.0
#include "dp/device/bond.h"

#include <rte_eth_bond.h>
#include <rte_eth_bond_8023ad.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <vector>

#include "dp/device/device.h"
#include "dp/packet/dpdk.h"

namespace simplon::dp {
namespace {

// How often members are asked for their link whose drivers do not tell.
constexpr std::uint32_t kLinksEveryMs = 100;

struct Member {
  std::string device;
  std::uint16_t id;
};

bool is_lacp(const Bond& bond) { return bond.mode == Bond::Mode::kLacp; }

std::uint8_t policy_of(const Bond& bond) {
  switch (bond.policy) {
    case Bond::Policy::kL2:
      return BALANCE_XMIT_POLICY_LAYER2;
    case Bond::Policy::kL23:
      return BALANCE_XMIT_POLICY_LAYER23;
    case Bond::Policy::kL34:
      return BALANCE_XMIT_POLICY_LAYER34;
  }
  return BALANCE_XMIT_POLICY_LAYER34;
}

Result<void> add_member(const std::string& device, std::uint16_t id) {
  const auto member = find_device(device);
  if (!member) return std::unexpected(member.error());
  if (add_bond_member(id, *member) != 0)
    return fail("device '" + device + "' cannot be a member of a bond: DPDK's own message stands above");
  return {};
}

// The members that are there, in their order.
std::vector<Member> members_of(const Bond& bond) {
  std::vector<Member> out;
  for (const std::string& device : bond.members)
    if (const auto id = find_device(device)) out.push_back({device, *id});
  return out;
}

// Some drivers never tell a bond that a link has changed (net_tap), or say that there is one always
// (net_af_packet): what they know is asked, or the kernel.
bool has_link(const Member& member) {
  if (!member.device.starts_with("net_tap")) return dp::has_link(member.device, member.id);
  rte_eth_link link{};
  return rte_eth_link_get_nowait(member.id, &link) == 0 && link.link_status == RTE_ETH_LINK_UP;
}

std::string state_of(const Bond& bond, std::uint16_t id, const Member& member) {
  if (!has_link(member)) return "no link";
  if (!is_lacp(bond)) return rte_eth_bond_primary_get(id) == member.id ? "in use" : "ready";
  constexpr unsigned kInUse = STATE_COLLECTING | STATE_DISTRIBUTING;
  BondLacpInfo lacp{};
  if (bond_lacp_info(id, member.id, &lacp) != 0) return "no link";
  return (lacp.actor_state & kInUse) == kInUse ? "in use" : "waits for LACP";
}

}  // namespace

Result<std::uint16_t> make_bond(const PortSetup& setup) {
  const Bond& bond = *setup.bond;
  const int made = rte_eth_bond_create(setup.device.c_str(),
                                       is_lacp(bond) ? BONDING_MODE_8023AD : BONDING_MODE_ACTIVE_BACKUP,
                                       static_cast<std::uint8_t>(rte_socket_id()));
  if (made < 0) return fail(std::string("DPDK makes no bond: ") + std::strerror(-made));
  const auto id = static_cast<std::uint16_t>(made);
  for (const std::string& device : bond.members)
    if (auto done = add_member(device, id); !done) return std::unexpected(done.error());
  if (rte_eth_bond_link_monitoring_set(id, kLinksEveryMs) != 0 ||
      rte_eth_bond_xmit_policy_set(id, policy_of(bond)) != 0)
    return fail("the bond does not take its settings");
  return id;
}

void share_mac(const Bond& bond, const Mac& mac) {
  if (!is_lacp(bond)) return;
  rte_ether_addr address{};
  std::ranges::copy(mac, address.addr_bytes);
  for (const Member& member : members_of(bond))
    if (rte_eth_dev_default_mac_addr_set(member.id, &address) != 0) rte_eth_promiscuous_enable(member.id);
}

void choose_member(const Bond& bond, std::uint16_t id, const Mac& mac) {
  if (is_lacp(bond)) return;
  std::optional<std::uint16_t> best;
  for (const Member& member : members_of(bond)) {
    const bool primary = member.device == bond.primary;
    if ((!best || primary) && has_link(member)) best = member.id;
  }
  if (!best || rte_eth_bond_primary_get(id) == *best) return;
  rte_ether_addr address{};
  std::ranges::copy(mac, address.addr_bytes);
  rte_eth_bond_primary_set(id, *best);
  rte_eth_dev_default_mac_addr_set(id, &address);  // the one in use has it
}

bool bond_has_link(const Bond& bond, std::uint16_t id) {
  rte_eth_link link{};
  const bool up = rte_eth_link_get_nowait(id, &link) == 0 && link.link_status == RTE_ETH_LINK_UP;
  return up && std::ranges::any_of(members_of(bond), [](const Member& member) { return has_link(member); });
}

void close_members(const Bond& bond) {
  for (const Member& member : members_of(bond)) {
    rte_eth_dev_stop(member.id);
    rte_eth_dev_close(member.id);
  }
}

std::string describe_bond(const Bond& bond, std::uint16_t id) {
  std::string out = is_lacp(bond) ? "802.3ad of " : "active-backup of ";
  const char* before = "";
  for (const Member& member : members_of(bond)) {
    out += before + device_name(member.device) + " (" + state_of(bond, id, member) + ")";
    before = ", ";
  }
  return out;
}

}  // namespace simplon::dp
