// SPDX-License-Identifier: Apache-2.0
// The kernel's XFRM structures made of ours, and back. Internal to ctrl/backend/xfrm/.
#pragma once

#include <linux/xfrm.h>

#include <functional>
#include <optional>
#include <vector>

#include "ctrl/backend/backend.h"
#include "ctrl/backend/xfrm/progress.h"
#include "ctrl/linux/netlink.h"

namespace simplon::ctrl {

// Priorities of our policies, the lowest decides. First the SPD entries, at kPriorityBase plus their order,
// which must be below kPriorityBase. Behind them the passages (KernelPolicy::passage). Last the block of what
// no entry matches, at kPriorityBase plus kRestOrder.
inline constexpr std::uint32_t kPriorityBase = 0x10000000;
inline constexpr std::uint32_t kPassagePriority = 2 * kPriorityBase;
inline constexpr std::uint32_t kRestOrder = kPriorityBase + 1;  // PolicySpec::order of that block
inline constexpr std::uint32_t kLongestReplayWindow = 4096;     // packets
// The ids from here on are those of XfrmBackend::fence().
inline constexpr std::uint32_t kFence = 0xffffff00;
// An SPD entry that needs more kernel policies than this is refused: its ranges make too many prefixes.
inline constexpr std::size_t kMostKernelPolicies = 4096;

xfrm_address_t to_kernel(const IpAddress& address);
IpAddress from_kernel(const xfrm_address_t& address, std::uint16_t family);
std::uint16_t family_of(const IpAddress& address);

// `type`: XFRM_MSG_NEWSA, or XFRM_MSG_UPDSA for one that is there. With `progress` the SA goes on from there.
// `card`: the number of the interface that an offload is by.
NetlinkMessage sa_message(const SaSpec& sa, const KernelSupport& kernel = {},
                          std::uint16_t type = XFRM_MSG_NEWSA, const Progress* progress = nullptr,
                          unsigned card = 0);
// The answer to one, with what a kernel that was built without it lacks. `error`: Netlink::error().
Result<void> explained(Result<void> done, int error, const SaSpec& sa);
// One that names an SA: XFRM_MSG_GETSA or XFRM_MSG_DELSA.
NetlinkMessage sa_request(std::uint16_t type, const SaSpec& sa);
std::string text(Spi spi);
xfrm_usersa_id sa_id(const SaSpec& sa);
// What the kernel tells of an SA: see Installed::sas.
SaSpec installed_sa(const nlmsghdr& message, const xfrm_usersa_info& info);
std::pair<Spi, IpAddress> key_of(const xfrm_usersa_info& info);
// Whether this or a former process of ours made the SA. The SAs of other programs must not be removed.
bool is_our_sa(const xfrm_usersa_info& info);
// Of ours, one that stands by while the data path forwards by it (XfrmBackend::add_standby()).
bool is_standby(const xfrm_usersa_info& info);
void mark_standby(NetlinkMessage& sa);

// The kernel's selectors that together match exactly what this pair of ours matches: ranges of addresses and
// ports become prefixes and masks. An error when the kernel has no such selector (OPAQUE ports), or when
// there would be too many.
Result<std::vector<xfrm_selector>> kernel_selectors(const TrafficSelector& source,
                                                    const TrafficSelector& destination);
// The other way: the pair that is one selector of the kernel.
struct SelectorPair {
  TrafficSelector source, destination;
};
SelectorPair selector_pair(const xfrm_selector& selector);

// The key of one policy in the kernel: it has one policy for a direction (XFRM_POLICY_*), a selector, a mark
// and an if_id, whatever the priorities.
struct KernelPolicy {
  std::uint8_t direction = 0;
  xfrm_selector selector{};
  // The kernel looks a forwarded packet up twice, in "fwd" and then in "out". An outbound entry is enforced
  // in "out". So that its packets get there, it has a policy in "fwd" too, a passage: an ALLOW behind all
  // other policies. Not part of the key.
  bool passage = false;
  PacketMark mark{};
  std::uint32_t if_id = 0;
};
bool operator<(const KernelPolicy& a, const KernelPolicy& b);
// Of the policy that a message is about, with its mark and its if_id. `header`: the octets of the message's
// fixed header.
KernelPolicy policy_key(const nlmsghdr& message, std::size_t header, std::uint8_t direction,
                        const xfrm_selector& selector);

// `interface`: of an entry with an if_id the number of the xfrm interface, which alone its passages are for:
// a packet gets there in clear, and the interface asks the entry. 0: there is none, and there are no
// passages.
Result<std::vector<KernelPolicy>> kernel_policies(const PolicySpec& policy, unsigned interface = 0);
// The policy with the lower one decides.
std::uint32_t kernel_priority(const KernelPolicy& kernel, const PolicySpec& policy);
// `around`: the entries whose SAs are around its own, from the inside out (PolicySpec::over).
NetlinkMessage policy_message(const PolicySpec& policy, const KernelPolicy& kernel, bool block,
                              const std::vector<const PolicySpec*>& around = {});
// Whether the packets that the entry is for are ESP's or AH's between its own ends: an SA between the two has
// made them, and the kernel asks no policy about them (RFC 4301 §5.2).
bool is_for_our_ipsec(const PolicySpec& policy);
// Whether the kernel can have SAs of `over` around those of `inner`.
Result<void> can_nest(const PolicySpec& inner, const PolicySpec& over);
// How many SAs the kernel puts around each other (XFRM_MAX_DEPTH).
inline constexpr std::size_t kMostNested = 6;
// Whether it can have all SAs around those of `policy`. `find`: an entry by its id; null when there is none.
Result<void> can_nest(const PolicySpec& policy, const std::function<const PolicySpec*(PolicyId)>& find);
// XFRMA_TMPL of a message. `header`: the octets of its fixed header.
std::vector<xfrm_user_tmpl> templates(const nlmsghdr& message, std::size_t header);
// One that names a policy: XFRM_MSG_GETPOLICY or XFRM_MSG_DELPOLICY.
NetlinkMessage policy_request(std::uint16_t type, const KernelPolicy& kernel);
inline NetlinkMessage policy_removal(const KernelPolicy& kernel) {
  return policy_request(XFRM_MSG_DELPOLICY, kernel);
}

}  // namespace simplon::ctrl
