// The kernel's XFRM structures made of ours, and back. Internal to ctrl/xfrm*.cpp.
#pragma once

#include <linux/xfrm.h>

#include <functional>
#include <optional>

#include "ctrl/backend.h"
#include "ctrl/netlink.h"

namespace simplon::ctrl {

// Our policies' priorities: this plus PolicySpec::order.
inline constexpr std::uint32_t kPriorityBase = 0x10000000;

xfrm_address_t to_kernel(const IpAddress& address);
IpAddress from_kernel(const xfrm_address_t& address, std::uint16_t family);
std::uint16_t family_of(const IpAddress& address);

NetlinkMessage sa_message(const SaSpec& sa);
xfrm_usersa_id sa_id(Spi spi, const IpAddress& destination);
InstalledSa installed_sa(const xfrm_usersa_info& info);

// One kernel policy of an SPD entry: a direction (XFRM_POLICY_*) and a selector.
struct KernelPolicy {
  std::uint8_t direction = 0;
  xfrm_selector selector{};
};
void for_kernel_policies(const PolicySpec& policy, const std::function<void(const KernelPolicy&)>& each);
NetlinkMessage policy_message(const PolicySpec& policy, const KernelPolicy& kernel, bool block);
NetlinkMessage policy_removal(const KernelPolicy& kernel);
TrafficSelector selector_side(const xfrm_selector& selector, bool source);

}  // namespace simplon::ctrl
