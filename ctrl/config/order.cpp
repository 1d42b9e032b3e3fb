// SPDX-License-Identifier: Apache-2.0
// What is wrong with the order of the SPD: entries that are never reached, tunnels that leak.
#include <algorithm>
#include <functional>
#include <map>
#include <span>
#include <tuple>

#include "ctrl/backend/xfrm/message.h"
#include "ctrl/config/parts.h"

namespace simplon::ctrl {
namespace {

bool overlap(PolicyDirection a, PolicyDirection b) {
  return a == PolicyDirection::kBoth || b == PolicyDirection::kBoth || a == b;
}

// A side that depends on the peer's address may become any address of the other side's families.
TrafficSelectors widest(const TrafficSelectors& side, const TrafficSelectors& other) {
  if (!side.empty()) return side;
  TrafficSelectors out;
  for (const Family f : {Family::kV4, Family::kV6})
    if (other.empty() || std::ranges::any_of(other, [&](const TrafficSelector& ts) {
          return ts.addresses.first.family() == f;
        }))
      out.push_back(TrafficSelector::of(Prefix::all(f)));
  return out;
}

// The selectors whose sets are what `of` makes of these.
template <class Of>
Selectors each_set(const Selectors& selectors, Of of) {
  std::vector<SelectorSet> sets = selectors.sets();
  for (SelectorSet& set : sets) set = of(set);
  return Selectors::of(std::move(sets));
}

Selectors widest(const Selectors& selectors) {
  return each_set(selectors, [](const SelectorSet& s) {
    return SelectorSet{widest(s.local, s.remote), widest(s.remote, s.local)};
  });
}

template <class Asks>
bool any_selector(const Selectors& selectors, Asks asks) {
  return std::ranges::any_of(selectors.sets(), [&](const SelectorSet& s) {
    return std::ranges::any_of(s.local, asks) || std::ranges::any_of(s.remote, asks);
  });
}

bool is_open(const PolicySpec& p) { return p.selectors.local.empty() || p.selectors.remote.empty(); }

std::string shown(const PolicyEntry& e) {
  return std::string(name(e.policy.action)) + " '" + e.policy.name + "' (" + e.value.path() + ")";
}

// In mode dp no entry has any. Of different interfaces: see check_interfaces().
bool takes_marks_of(const KernelOptions& first, const KernelOptions& second) {
  return first.if_id == second.if_id && takes_all_of(first.mark, second.mark);
}

// A PROTECT entry behind a BYPASS entry that takes all its packets, be it in one direction only, is an error:
// the tunnel's traffic would leave in the clear. Other entries that are never reached are only useless: a
// warning. Children are not compared with each other: they may be many, and check_same_children() finds
// identical ones.
void check_reached(const std::vector<PolicyEntry>& entries) {
  std::vector<const PolicyEntry*> earlier;
  for (const PolicyEntry& later : entries) {
    if (!later.child && is_open(later.policy))
      continue;  // its selectors are wrong, which is an error already
    const Selectors all = widest(later.policy.selectors);
    const auto leaks = [&](const PolicyEntry* e) {
      return e->policy.action == Action::kBypass && later.policy.action == Action::kProtect;
    };
    const auto found = std::ranges::find_if(earlier, [&](const PolicyEntry* e) {
      const PolicyDirection first = e->policy.direction, second = later.policy.direction;
      return e->policy.spd == later.policy.spd && takes_marks_of(e->policy.kernel, later.policy.kernel) &&
             (leaks(e) ? overlap(first, second) : first == PolicyDirection::kBoth || first == second) &&
             covers(e->policy.selectors, all);
    });
    const PolicyEntry* first = found == earlier.end() ? nullptr : *found;
    if (!later.child) earlier.push_back(&later);
    if (!first) continue;
    if (leaks(first))
      later.value.error("is not reached: " + shown(*first) + " takes all its packets" +
                        (first->policy.direction == PolicyDirection::kOut  ? " that go out"
                         : first->policy.direction == PolicyDirection::kIn ? " that come in"
                                                                           : "") +
                        " in the clear; put it before that one");
    else
      later.value.warning("is never reached: " + shown(*first) + " takes all its packets");
  }
}

// Two children of the same selectors are told apart by their marks, and the first whose mark a packet has
// takes it. Of equal marks check_same_children() tells.
void check_marks(const PolicyEntry& first, const PolicyEntry& later) {
  const PacketMark &a = first.policy.kernel.mark, &b = later.policy.kernel.mark;
  if (a == b) return;
  if (takes_all_of(a, b))
    later.value.error("is not reached: " + shown(first) +
                      " has the same selectors and takes packets with its mark as well; put it before that "
                      "one, or give that one another mark");
  else if (meet(a, b) && !takes_all_of(b, a))
    later.value.warning("has the same selectors as " + shown(first) +
                        ", which takes the packets that have the marks of both");
}

void check_marks(const std::vector<PolicyEntry>& entries) {
  std::map<std::pair<std::uint32_t, Selectors>, std::vector<const PolicyEntry*>> seen;
  for (const PolicyEntry& entry : entries) {
    if (!entry.child || is_open(entry.policy)) continue;
    auto& earlier = seen[{entry.policy.kernel.if_id, in_order(entry.policy.selectors)}];
    for (const PolicyEntry* first : earlier) check_marks(*first, entry);
    earlier.push_back(&entry);
  }
}

// Whether the first takes what is routed to the xfrm interface of the second.
bool may_take(const PolicySpec& first, const PolicySpec& of_interface) {
  return first.kernel.if_id == 0 && first.direction != PolicyDirection::kIn &&
         meet(first.kernel.mark, of_interface.kernel.mark) &&
         overlap(widest(first.selectors), widest(of_interface.selectors));
}

// What the routes lead to an xfrm interface the kernel looks up twice: first as all other traffic, and then
// by the interface's if_id. So an entry without one takes it, wherever it stands in the list; a BYPASS alone
// leaves it to the interface.
void check_interface(const PolicyEntry& entry, const std::vector<PolicyEntry>& entries) {
  std::string perhaps;
  for (const PolicyEntry& other : entries) {
    const PolicySpec& first = other.policy;
    if (!may_take(first, entry.policy)) continue;
    if (first.action == Action::kBypass && covers(first.selectors, widest(entry.policy.selectors))) break;
    if (first.action == Action::kBypass) continue;
    const std::string what =
        shown(other) +
        " has no if_id and so comes first, wherever it stands: it takes packets that are "
        "routed to the xfrm interface; give one of the two other selectors";
    if (takes_all_of(first.kernel.mark, entry.policy.kernel.mark) && !is_open(first) &&
        !is_open(entry.policy))
      return entry.value.error("is not reached: " + what);
    if (perhaps.empty()) perhaps = what;
  }
  if (!perhaps.empty()) entry.value.warning(perhaps);
}

void check_interfaces(const std::vector<PolicyEntry>& entries) {
  for (const PolicyEntry& entry : entries)
    if (entry.policy.kernel.if_id != 0 && entry.policy.direction != PolicyDirection::kIn)
      check_interface(entry, entries);
}

// The ports of a fragment are not known, so an OPAQUE port takes those of every connection (RFC 4301 §7).
Selectors with_fragments(const Selectors& selectors) {
  return each_set(selectors, [](SelectorSet set) {
    for (TrafficSelectors* side : {&set.local, &set.remote})
      for (TrafficSelector& s : *side)
        if (s.ports.is_opaque()) s.ports = {};
    return set;
  });
}

// A BYPASS entry for OPAQUE ports would let fragments of what a PROTECT entry behind it covers out in the
// clear.
void check_fragments(const std::vector<PolicyEntry>& entries) {
  std::vector<const PolicyEntry*> opaque;
  for (const PolicyEntry& e : entries) {
    const auto asks = [](const TrafficSelector& s) { return s.ports.is_opaque(); };
    if (e.policy.action == Action::kBypass && any_selector(e.policy.selectors, asks)) opaque.push_back(&e);
    if (e.policy.action != Action::kProtect) continue;
    const Selectors all = widest(e.policy.selectors);
    for (const PolicyEntry* b : opaque)
      if (b->policy.spd == e.policy.spd && overlap(b->policy.direction, e.policy.direction) &&
          overlap(with_fragments(b->policy.selectors), all))
        e.value.error("its fragments are not reached: " + shown(*b) +
                      ", for opaque ports, takes them in the clear; put it before that one");
  }
}

// Such a child has no entry until its peer is there. Until then the entries behind it decide about its
// traffic.
void check_open_child(const PolicyEntry& child, std::span<const PolicyEntry* const> behind, Mode mode) {
  constexpr std::string_view kUntil =
      "protects nothing until its peer, whose address is not known, has an SA; until then ";
  const Selectors all = widest(child.policy.selectors);
  const auto opens = std::ranges::find_if(behind, [&](const PolicyEntry* e) {
    return e->policy.action == Action::kBypass && e->policy.spd == child.policy.spd &&
           overlap(e->policy.selectors, all);
  });
  // Its local side may be this machine's own addresses, which the configuration does not know.
  const bool discarded = std::ranges::any_of(behind, [&](const PolicyEntry* e) {
    return e->policy.action == Action::kDiscard && e->policy.direction == PolicyDirection::kBoth &&
           std::ranges::any_of(e->policy.selectors.sets(),
                               [&](const SelectorSet& set) { return covers(set.remote, all.remote); });
  });
  if (opens != behind.end())
    child.value.warning(std::string(kUntil) + shown(**opens) + " lets its traffic pass in the clear");
  else if (mode == Mode::kKernel && !discarded && child.policy.kernel.if_id == 0)  // its interface drops it
    child.value.warning(std::string(kUntil) +
                        "the kernel lets this machine's own traffic to it pass in the clear, unless an entry "
                        "discards it");
}

// The kernel looks up every forwarded packet in both directions, whichever way it goes. So a discard for one
// direction also stops what an entry before it lets pass in the other.
void check_forwarded(const std::vector<PolicyEntry>& entries) {
  std::vector<const PolicyEntry*> before;
  for (const PolicyEntry& e : entries) {
    if (e.policy.action != Action::kDiscard) {
      before.push_back(&e);
      continue;
    }
    const auto cut = std::ranges::find_if(before, [&](const PolicyEntry* b) {
      const auto turned = [](const SelectorSet& set) { return SelectorSet{set.remote, set.local}; };
      return covers(e.policy.selectors, each_set(widest(b->policy.selectors), turned));
    });
    if (cut != before.end())
      e.value.warning("also stops what is forwarded by " + shown(**cut) +
                      ": the kernel does not know which side a packet comes from; for this machine's own "
                      "traffic give its addresses as local");
  }
}

void check_open_children(const std::vector<PolicyEntry>& entries, Mode mode) {
  std::vector<const PolicyEntry*> listed;
  for (const PolicyEntry& e : entries)
    if (!e.child) listed.push_back(&e);
  for (const PolicyEntry& e : entries)
    if (e.child && is_open(e.policy))
      check_open_child(e, {std::ranges::upper_bound(listed, &e, std::less<>()), listed.end()}, mode);
}

}  // namespace

void check_order(const std::vector<PolicyEntry>& entries, Mode mode) {
  check_reached(entries);
  check_fragments(entries);
  check_open_children(entries, mode);
  if (mode != Mode::kKernel) return;
  check_forwarded(entries);
  check_marks(entries);
  check_interfaces(entries);
}

void check_kernel(const PolicyEntry& entry) {
  if (entry.policy.pfp.any())
    entry.value.error("pfp is for mode 'dp': the kernel asks for one SA of an entry at a time");
  if (const auto kernel = kernel_policies(entry.policy); !kernel) entry.value.error(kernel.error().what);
}

void check_kernel_bundles(const std::vector<PolicyEntry>& entries) {
  std::map<PolicyId, const PolicySpec*> by_id;
  for (const PolicyEntry& entry : entries) by_id[entry.policy.id] = &entry.policy;
  const auto find = [&](PolicyId id) {
    const auto found = by_id.find(id);
    return found == by_id.end() ? nullptr : found->second;
  };
  for (const PolicyEntry& entry : entries)
    if (const auto able = can_nest(entry.policy, find); !able) entry.value.error(able.error().what);
}

// A trap is a kernel policy with both outer addresses. Without them the policy only blocks and no SA is asked
// for.
void check_trap(const Value& value, const ike::ChildConfig& child, const PolicySpec& policy) {
  if (child.start == ike::StartAction::kTrap && !policy.tunnel)
    value.error(
        "start: trap needs local.address and remote.address to be one address each in mode 'kernel', whose "
        "policies name both; give them, or use start: start or start: none");
}

// With another mark or if_id they are not the same, but a peer could not tell two of one connection apart.
void check_same_children(const std::vector<ConnectionDraft>& drafts) {
  std::map<std::tuple<InterfaceId, std::string, PacketMark, std::uint32_t, Selectors>, std::string> seen;
  std::map<std::tuple<std::string, InterfaceId, std::string, Selectors>, std::string> of_peer;
  for (const ConnectionDraft& draft : drafts)
    for (std::size_t i = 0; i < draft.children.size(); ++i) {
      const PolicySpec policy = child_policy(draft.connection, draft.connection.children[i]);
      if (policy.selectors.local.empty() || policy.selectors.remote.empty()) continue;
      const Selectors selectors = in_order(policy.selectors);
      const auto [first, fresh] = seen.try_emplace(
          {policy.interface, policy.spd, policy.kernel.mark, policy.kernel.if_id, selectors}, policy.name);
      const auto [twin, alone] =
          of_peer.try_emplace({draft.connection.name, policy.interface, policy.spd, selectors}, policy.name);
      if (!fresh || !alone)
        draft.children[i].error("has the same selectors as child '" + (fresh ? twin->second : first->second) +
                                "': " + policy.selectors.text());
    }
}

}  // namespace simplon::ctrl
