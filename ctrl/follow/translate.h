// SPDX-License-Identifier: Apache-2.0
// SPD entries and SAs made of what an IKE daemon has installed in the kernel. Pure.
//
// The kernel has a policy for each pair of selectors and each direction, and joins policies and SAs by a
// number, the reqid. All policies of one reqid are one SPD entry here, with as many sets of selectors; its
// SAs are those of the reqid. The entry stands where the policy of the lowest priority among them does.
//
// Of `in` and `fwd` the kernel asks one, by whether a packet is for the machine; daemons install both alike,
// and `in` is what is read. What one lets pass and the other does not, has no entry; what `fwd` alone
// protects is discarded. A policy that we cannot carry out becomes a DISCARD of its packets if it protects
// them or drops them, and nothing if it lets them pass: so what cannot be followed closes.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "ctrl/backend/xfrm/read_back.h"
#include "ctrl/config/config.h"
#include "dp/base/policy_spec.h"

namespace simplon::ctrl {

using KernelPolicies = std::map<KernelPolicyKey, KernelPolicyRead>;

struct EntryIds {
  PolicyId both{};     // outbound, and inbound where the selectors are the same
  PolicyId inbound{};  // else
  // Of what is none of the group's.
  PolicyId closed_out{}, closed_in{};
};
struct FollowedGroup {
  std::vector<PolicySpec> policies;
  Selectors out, in;  // no sides: there is no such policy
  IpsecProtocol protocol = IpsecProtocol::kEsp;
  SaMode mode = SaMode::kTunnel;
  std::optional<TunnelEnds> ends;  // none: no policy names both
  // Of the outbound SAs that the policies name; empty: any of the reqid. A daemon that answers a rekey
  // installs the SA before its peer can know it, and names it when the peer does (RFC 7296 §2.8).
  std::set<Spi> spis;
  std::string closed;  // what is discarded, and why, for the log; empty: nothing
};
// Of the policies of one reqid that protect and have no `why_not`. Where they differ in protocol or mode
// those of one count, and SAs of another are none of the group: nothing passes without one. Policies with
// other ends than the group's are of another peer, and closed. The ends that it had `before` are the group's
// as long as one names them.
FollowedGroup followed_group(std::uint32_t reqid, const KernelPolicies& policies, const EntryIds& ids,
                             const std::optional<TunnelEnds>& before = {});

// By the ends that the policies name, where the kernel does not tell it. None: not known, or not yet.
std::optional<Direction> direction_of(const KernelSa& sa, const KernelPolicies& policies);

// Whether an SA is between the ends of the group, as the kernel asks it of an SA in tunnel mode.
bool has_ends_of(const FollowedGroup& group, const KernelSa& sa, Direction direction);
// The SA of a group; an error says why it is none of it. It has no id.
Result<SaSpec> followed_sa(const KernelSa& sa, Direction direction, const FollowedGroup& group,
                           const EntryIds& ids);

// The key of the `fwd` policy beside one of `in`, and the other way round. None beside one of `out`.
std::optional<KernelPolicyKey> twin_of(const KernelPolicyKey& key);
// Of a policy that protects nothing, or that we cannot carry out. `twin`: the one of twin_of(), where it is
// of that kind as well, or null. None: it needs no entry.
std::optional<PolicySpec> followed_shunt(const KernelPolicyRead& policy, const KernelPolicyRead* twin,
                                         PolicyId id);

}  // namespace simplon::ctrl
