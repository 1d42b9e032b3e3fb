// The kernel's XFRM structures made of ours, and back. Internal to ctrl/backend/xfrm/.
#pragma once

#include <linux/xfrm.h>

#include <vector>

#include "ctrl/backend/backend.h"
#include "ctrl/linux/netlink.h"

namespace simplon::ctrl {

// Our policies' priorities: this plus PolicySpec::order, which is below this as well; then the passages
// (below), then the block of what nothing matches.
inline constexpr std::uint32_t kPriorityBase = 0x10000000;
inline constexpr std::uint32_t kPassagePriority = 2 * kPriorityBase;
inline constexpr std::uint32_t kRestOrder = kPriorityBase + 1;  // PolicySpec::order of that block
inline constexpr std::uint32_t kLongestReplayWindow = 4096;     // packets
// Ids of what XfrmBackend::fence() installs, and all above: nobody else's.
inline constexpr std::uint32_t kFence = 0xffffff00;
// An SPD entry that needs more kernel policies than this is refused: its ranges are no sensible prefixes.
inline constexpr std::size_t kMostKernelPolicies = 4096;

xfrm_address_t to_kernel(const IpAddress& address);
IpAddress from_kernel(const xfrm_address_t& address, std::uint16_t family);
std::uint16_t family_of(const IpAddress& address);

NetlinkMessage sa_message(const SaSpec& sa);
xfrm_usersa_id sa_id(Spi spi, const IpAddress& destination);
// What the kernel tells of an SA: see Installed::sas.
SaSpec installed_sa(const xfrm_usersa_info& info);
// Whether one of our processes made it: other programs' SAs are not ours to remove.
bool is_our_sa(const xfrm_usersa_info& info);

// The kernel's selectors that are together exactly one pair of ours; addresses and ports become prefixes. An
// error for what the kernel cannot say (OPAQUE ports), and for too many.
Result<std::vector<xfrm_selector>> kernel_selectors(const TrafficSelector& source,
                                                    const TrafficSelector& destination);
// Back: both sides of the one pair that a kernel's selector is.
struct SelectorPair {
  TrafficSelector source, destination;
};
SelectorPair selector_pair(const xfrm_selector& selector);

// The key of one policy in the kernel: it has one policy for a direction (XFRM_POLICY_*) and a selector,
// whatever the priorities.
struct KernelPolicy {
  std::uint8_t direction = 0;
  xfrm_selector selector{};
  // Forwarded packets are looked up twice: "fwd", then "out". Those that go out by an entry pass the former
  // by this, an ALLOW behind all entries: "out" decides about them. Not part of the key.
  bool passage = false;
};
bool operator<(const KernelPolicy& a, const KernelPolicy& b);

Result<std::vector<KernelPolicy>> kernel_policies(const PolicySpec& policy);
// The lower one decides.
std::uint32_t kernel_priority(const KernelPolicy& kernel, const PolicySpec& policy);
NetlinkMessage policy_message(const PolicySpec& policy, const KernelPolicy& kernel, bool block);
NetlinkMessage policy_removal(const KernelPolicy& kernel);

}  // namespace simplon::ctrl
