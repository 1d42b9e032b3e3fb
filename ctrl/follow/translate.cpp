// SPDX-License-Identifier: Apache-2.0
#include "ctrl/follow/translate.h"

#include <algorithm>
#include <utility>

namespace simplon::ctrl {
namespace {

// The file's own entries stand behind (Config::policies).
std::uint32_t order_of(std::uint32_t priority) { return std::min(priority, kLastFollowedOrder); }

std::string name_of(std::uint32_t reqid) { return "reqid-" + std::to_string(reqid); }

bool is_in(const KernelPolicyRead& p) { return p.key.policy.direction == XFRM_POLICY_IN; }
bool passes(const KernelPolicyRead& p) { return p.action == Action::kBypass && p.why_not.empty(); }

// Policies that become an entry together: it stands where the first of them does.
struct Joined {
  std::vector<SelectorSet> sets;
  std::uint32_t priority = ~std::uint32_t{0};

  void add(const KernelPolicyRead& policy) {
    sets.push_back(policy.selectors());
    priority = std::min(priority, policy.priority);
  }
};

void add_closed(std::uint32_t reqid, FollowedGroup& group, PolicyId id, PolicyDirection direction,
                const Joined& closed) {
  if (closed.sets.empty()) return;
  group.policies.push_back({.id = id,
                            .name = name_of(reqid) + "-closed",
                            .order = order_of(closed.priority),
                            .direction = direction,
                            .action = Action::kDiscard,
                            .selectors = Selectors::of(closed.sets),
                            .tunnel = {}});
}

PolicySpec protect(std::uint32_t reqid, const FollowedGroup& group, PolicyId id) {
  PolicySpec out{.id = id, .name = name_of(reqid), .action = Action::kProtect, .selectors = {}, .tunnel = {}};
  out.protocol = group.protocol;
  out.mode = group.mode;
  return out;
}

// As an outbound policy names them.
std::optional<TunnelEnds> ends_of(const KernelPolicyRead& p) {
  if (p.source.is_unspecified() || p.destination.is_unspecified()) return std::nullopt;
  return p.out() ? TunnelEnds{p.source, p.destination} : TunnelEnds{p.destination, p.source};
}

// Those of before, of an outbound policy, or of any: the first of these that there are.
std::optional<TunnelEnds> ends_of(const KernelPolicies& policies, const std::optional<TunnelEnds>& before) {
  std::optional<TunnelEnds> outbound, any;
  for (const auto& [key, policy] : policies) {
    const auto ends = ends_of(policy);
    if (!ends) continue;
    if (ends == before && policy.out()) return before;
    any = ends;
    if (policy.out()) outbound = ends;
  }
  return outbound ? outbound : any;
}

// Why it is none of the group's; empty: it is.
std::string why_closed(const KernelPolicyRead& policy, const std::optional<TunnelEnds>& ends) {
  if (!policy.out() && !is_in(policy)) return "is for what is forwarded alone";
  const auto own = ends_of(policy);
  return own && ends && *own != *ends ? "has other ends than the rest" : "";
}

}  // namespace

FollowedGroup followed_group(std::uint32_t reqid, const KernelPolicies& policies, const EntryIds& ids,
                             const std::optional<TunnelEnds>& before) {
  FollowedGroup group;
  group.ends = ends_of(policies, before);
  Joined out, in, closed_out, closed_in;
  bool first = true;
  for (const auto& [key, policy] : policies) {
    if (const auto twin = twin_of(key); twin && !is_in(policy) && policies.contains(*twin)) continue;
    if (const std::string why = why_closed(policy, group.ends); !why.empty()) {
      (policy.out() ? closed_out : closed_in).add(policy);
      group.closed = Selectors::of({policy.selectors()}).text() + " " + why;
      continue;
    }
    if (std::exchange(first, false)) {
      group.protocol = policy.protocol;
      group.mode = policy.mode;
    }
    (policy.out() ? out : in).add(policy);
    if (policy.out()) group.spis.insert(policy.spi);
  }
  if (group.spis.contains(Spi{})) group.spis.clear();
  std::ranges::sort(out.sets);
  std::ranges::sort(in.sets);
  const bool same = out.sets == in.sets;
  if (!out.sets.empty()) group.out = Selectors::of(out.sets);
  if (!in.sets.empty()) group.in = Selectors::of(in.sets);
  const auto add = [&](PolicyId id, const Selectors& selectors, PolicyDirection direction) {
    PolicySpec entry = protect(reqid, group, id);
    entry.order = order_of(std::min(out.priority, in.priority));
    entry.selectors = selectors;
    entry.direction = direction;
    entry.tunnel = group.ends;
    group.policies.push_back(std::move(entry));
  };
  if (!out.sets.empty()) add(ids.both, group.out, same ? PolicyDirection::kBoth : PolicyDirection::kOut);
  if (!in.sets.empty() && !same) {
    add(ids.inbound, group.in, PolicyDirection::kIn);
    group.policies.back().name += "-in";
  }
  add_closed(reqid, group, ids.closed_out, PolicyDirection::kOut, closed_out);
  add_closed(reqid, group, ids.closed_in, PolicyDirection::kIn, closed_in);
  return group;
}

std::optional<Direction> direction_of(const KernelSa& sa, const KernelPolicies& policies) {
  if (sa.direction) return sa.direction;
  bool from_us = false, to_us = false;
  for (const auto& [key, policy] : policies) {
    if (!policy.out() && !is_in(policy)) continue;
    const IpAddress& local = policy.out() ? policy.source : policy.destination;
    from_us = from_us || local == sa.sa.source;
    to_us = to_us || local == sa.sa.destination;
  }
  if (from_us == to_us) return std::nullopt;
  return from_us ? Direction::kOut : Direction::kIn;
}

bool has_ends_of(const FollowedGroup& group, const KernelSa& sa, Direction direction) {
  if (!group.ends || sa.sa.mode != SaMode::kTunnel) return true;
  const bool out = direction == Direction::kOut;
  return TunnelEnds{out ? sa.sa.source : sa.sa.destination, out ? sa.sa.destination : sa.sa.source} ==
         *group.ends;
}

Result<SaSpec> followed_sa(const KernelSa& sa, Direction direction, const FollowedGroup& group,
                           const EntryIds& ids) {
  if (sa.sa.protocol != group.protocol || sa.sa.mode != group.mode)
    return fail("it is not of the protocol and mode that the policies of its reqid ask for");
  if (!has_ends_of(group, sa, direction)) return fail("its ends are not those of the policies of its reqid");
  if (direction == Direction::kOut && !group.spis.empty() && !group.spis.contains(sa.sa.spi))
    return fail("the policies of its reqid name another SPI");
  const Selectors& selectors = direction == Direction::kOut ? group.out : group.in;
  if (selectors.local.empty()) return fail("no policy of its direction has its reqid");
  SaSpec out = sa.sa;
  out.direction = direction;
  out.selectors = selectors;
  const bool one = group.out == group.in;
  out.policy = direction == Direction::kOut || one ? ids.both : ids.inbound;
  if (direction == Direction::kOut) {
    out.replay_window = kDefaultReplayWindow;
  } else {
    out.tunnel = {};
    out.mtu = {};
  }
  return out;
}

std::optional<KernelPolicyKey> twin_of(const KernelPolicyKey& key) {
  if (key.policy.direction == XFRM_POLICY_OUT) return std::nullopt;
  KernelPolicyKey out = key;
  out.policy.direction = key.policy.direction == XFRM_POLICY_IN ? XFRM_POLICY_FWD : XFRM_POLICY_IN;
  return out;
}

std::optional<PolicySpec> followed_shunt(const KernelPolicyRead& policy, const KernelPolicyRead* twin,
                                         PolicyId id) {
  std::uint32_t priority = policy.priority;
  if (policy.action == Action::kBypass) {
    // What is let pass needs the kernel's leave for both, the machine and what it forwards; `in` above.
    if (!passes(policy) || (!policy.out() && !is_in(policy))) return std::nullopt;
    if (!policy.out() && (twin == nullptr || !passes(*twin))) return std::nullopt;
    if (!policy.out()) priority = std::max(priority, twin->priority);
  }
  PolicySpec out{.id = id,
                 .name = "kernel-" + std::to_string(static_cast<std::uint32_t>(id)),
                 .order = order_of(priority),
                 .direction = policy.out() ? PolicyDirection::kOut : PolicyDirection::kIn,
                 .action = policy.action == Action::kBypass ? Action::kBypass : Action::kDiscard,
                 .selectors = Selectors::of({policy.selectors()}),
                 .tunnel = {}};
  return out;
}

}  // namespace simplon::ctrl
