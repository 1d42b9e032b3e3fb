// SPDX-License-Identifier: Apache-2.0
// follower.h: what becomes of the policies and SAs of one reqid.
#include <algorithm>
#include <utility>

#include "ctrl/follow/follower.h"

namespace simplon::ctrl {
namespace {

// A daemon that moves an SA has moved its policies as well, within less.
constexpr std::chrono::seconds kEndsTake{1};
// The last message of the exchange is on its way to the peer.
constexpr std::chrono::seconds kPeerLearns{1};

std::string side(Direction direction) { return direction == Direction::kOut ? "outbound " : "inbound "; }

}  // namespace

// A reqid of 0 stands for what has none.
void Follower::settle(std::uint32_t reqid, Now now) {
  const auto found = groups_.find(reqid);
  if (found == groups_.end()) return;
  Group& group = found->second;
  if (group.ids.both == PolicyId{} && !group.policies.empty()) {
    group.ids = {ids_.fresh(), ids_.fresh(), ids_.fresh(), ids_.fresh()};
    reqids_[group.ids.both] = reqid;
  }
  const FollowedGroup made = followed_group(reqid, group.policies, group.ids, group.ends);
  if (!made.closed.empty() && now < group.moved) {
    unsettled_.insert(reqid);
    return;
  }
  group.ends = made.ends;
  put_entries(group, made);
  tell_closed(reqid, group, made, now);
  for (const KernelSaKey& key : group.sas) settle_sa(sas_.at(key), group, made, now);
  if (!group.policies.empty() || !group.sas.empty()) return;
  reqids_.erase(group.ids.both);
  groups_.erase(found);
}

void Follower::put_entries(const Group& group, const FollowedGroup& made) {
  for (const PolicySpec& entry : made.policies) put_entry(entry);
  for (const PolicyId id : {group.ids.both, group.ids.inbound, group.ids.closed_out, group.ids.closed_in})
    if (std::ranges::find(made.policies, id, &PolicySpec::id) == made.policies.end()) drop_entry(id);
}

// Once all of the group are there: one of them alone may be the first to come.
void Follower::tell_closed(std::uint32_t reqid, Group& group, const FollowedGroup& made, Now now) {
  if (!made.closed.empty() && now < group.settled) {
    unsettled_.insert(reqid);
    return;
  }
  if (std::exchange(group.closed, made.closed) != made.closed && !made.closed.empty())
    log_.warning(Category::kKernel, "of reqid " + std::to_string(reqid) +
                                        " policies in the kernel are not followed, and their packets are "
                                        "discarded: " +
                                        made.closed);
}

std::optional<PolicySpec> Follower::settle_shunt(const KernelPolicyKey& key) {
  const Shunt& shunt = shunts_.at(key);
  const auto twin_key = twin_of(key);
  const auto twin = twin_key ? shunts_.find(*twin_key) : shunts_.end();
  auto entry = followed_shunt(shunt.policy, twin == shunts_.end() ? nullptr : &twin->second.policy, shunt.id);
  entry ? put_entry(*entry) : drop_entry(shunt.id);
  return entry;
}

// Of `in` and `fwd` one has changed.
void Follower::settle_twin(const KernelPolicyKey& key) {
  if (const auto twin = twin_of(key); twin && shunts_.contains(*twin)) settle_shunt(*twin);
}

void Follower::settle_sa(Sa& sa, const Group& group, const FollowedGroup& made, Now now) {
  if (sa.is == Is::kRefused || group.policies.empty()) return;
  if (sa.is == Is::kWaiting) {
    const auto direction = direction_of(sa.kernel, group.policies);
    if (!direction) {
      sa.why = "the policies of its reqid do not tell its direction";
      return;
    }
    sa.direction = sa.kernel.sa.direction = *direction;
  }
  sa.kernel.sa.direction = sa.direction;
  auto spec = followed_sa(sa.kernel, sa.direction, made, group.ids);
  if (!spec) {
    sa.why = spec.error().what;
    if (sa.is != Is::kTaken) return;
    if (!has_ends_of(made, sa.kernel, sa.direction)) return stray(sa, now);
    if (std::exchange(sa.compare, false)) take(sa);
    return;
  }
  sa.astray.reset();
  if (sa.is == Is::kTaken) sa.why.clear();
  if (now < group.settled) {
    unsettled_.insert(sa.kernel.reqid);
    return;
  }
  if (sa.is == Is::kWaiting) inherit_remote(sa, group);
  if (sa.is == Is::kWaiting) sa.taken = now;
  if (sa.is == Is::kWaiting || std::exchange(sa.compare, false)) take(sa);
  if (sa.is != Is::kTaken) return;
  if (made.spis.empty() && is_early(sa, group, now)) {
    sa.why = "its peer may not know it yet";
    unsettled_.insert(sa.kernel.reqid);
    return;
  }
  put_sa(sa, std::move(*spec), now);
}

// RFC 7296 §2.8: a daemon that answers a rekey installs the new SA before its peer can know it. Where no
// policy names the SA to send by, a new one waits beside the one before it, if that is not removed first.
bool Follower::is_early(const Sa& sa, const Group& group, Now now) const {
  const auto& used = reconciler_.followed().sas;
  if (sa.direction != Direction::kOut || now - sa.taken >= kPeerLearns || used.contains(sa.id)) return false;
  return std::ranges::any_of(group.sas, [&](const KernelSaKey& key) {
    const Sa& other = sas_.at(key);
    return other.direction == Direction::kOut && !other.gone && used.contains(other.id);
  });
}

// A daemon moves an SA and its policies one after the other. What has other ends for longer is of another
// peer than the group by now. One that was taken out of use is not put back: its numbers would begin anew.
void Follower::stray(Sa& sa, Now now) {
  std::string why = sa.why;
  if (std::exchange(sa.compare, false)) take(sa);  // first of all the kernel is kept from it
  if (sa.is != Is::kTaken) return;
  if (!sa.astray) sa.astray = now;
  if (now - *sa.astray < kEndsTake)
    unsettled_.insert(sa.kernel.reqid);
  else
    refuse(sa, std::move(why), false);
}

// A daemon that does not know yet that its peer has moved rekeys to where it was.
void Follower::inherit_remote(Sa& sa, const Group& group) {
  for (const KernelSaKey& key : group.sas) {
    const Sa& other = sas_.at(key);
    if (other.remote && other.direction == sa.direction && other.kernel.sa.source == sa.kernel.sa.source &&
        other.kernel.sa.destination == sa.kernel.sa.destination && other.kernel.sa.udp == sa.kernel.sa.udp)
      sa.remote = other.remote;
  }
}

void Follower::take(Sa& sa) {
  if (!sa.kernel.why_not.empty()) return refuse(sa, sa.kernel.why_not, false);
  if (sa.direction == Direction::kOut) return take_outbound(sa);
  auto position = kernel_.position(sa.kernel);
  if (!position) return refuse(sa, position.error().what, true);
  if (sa.is == Is::kTaken) {  // moved; the window goes on in the data path
    sa.position = std::move(*position);
    return;
  }
  sa.start = {.next_sequence = 1,
              .replay_top = position->sequence,
              .packets = position->lifetime.packets,
              .bytes = position->lifetime.bytes};
  sa.told = sa.start.packets;
  sa.position = std::move(*position);
  sa.is = Is::kTaken;
  sa.why.clear();
}

void Follower::take_outbound(Sa& sa) {
  auto silenced = kernel_.silence(sa.kernel);
  if (!silenced) return refuse(sa, silenced.error().what, true);
  if (sa.is == Is::kTaken) {
    sa.position = std::move(silenced->position);
    if (!silenced->before)
      refuse(sa, "the daemon has installed it again with numbers that were used before", true);
    return;
  }
  if (silenced->before)
    return refuse(sa, "a data path before this one has sent by it, and how much is not known", true);
  if (silenced->used != 0 && sa.kernel.sa.suite.encr->counts())
    return refuse(sa, "the kernel has sent by it, and its IVs are not known", true);
  sa.start = {.next_sequence = silenced->used + 1,
              .packets = silenced->position.lifetime.packets,
              .bytes = silenced->position.lifetime.bytes};
  sa.told = sa.start.packets;
  sa.position = std::move(silenced->position);
  sa.is = Is::kTaken;
  sa.why.clear();
}

void Follower::refuse(Sa& sa, std::string why, bool ask) {
  drop_sa(sa);
  by_id_[sa.id] = sa.kernel.key;
  sa.is = Is::kRefused;
  sa.why = std::move(why);
  log_.warning(Category::kKernel,
               side(sa.direction) + text(sa.kernel.key) + " is not followed: " + sa.why +
                   (ask ? "; its packets are dropped until the daemon has rekeyed it, which it is asked to"
                        : "; its packets are dropped"));
  if (!ask) return;
  refused_.insert(sa.kernel.key);
  if (auto done = kernel_.expire(sa.kernel, false); !done) log_.warning(Category::kKernel, done.error().what);
}

// The entry alone has changed, not its SAs; an SA of no id stands for it.
void Follower::put_entry(const PolicySpec& entry) {
  const auto [at, fresh] = reconciler_.followed().policies.try_emplace(entry.id, entry);
  if (!fresh && at->second == entry) return;
  at->second = entry;
  reconciler_.followed_changed(std::make_shared<const SaSpec>(SaSpec{.policy = entry.id}));
}

void Follower::drop_entry(PolicyId id) {
  if (reconciler_.followed().policies.erase(id) != 0)
    reconciler_.followed_changed(std::make_shared<const SaSpec>(SaSpec{.policy = id}));
}

// As its daemon has it, at the address where its peer is.
SaSpec Follower::as_it_is(const Sa& sa) const {
  SaSpec out = sa.kernel.sa;
  if (!sa.remote || !out.udp) return out;
  const bool outbound = sa.direction == Direction::kOut;
  (outbound ? out.destination : out.source) = sa.remote->address;
  (outbound ? out.udp->destination : out.udp->source) = sa.remote->port;
  return out;
}

// What its packets may be is of the inbound SA itself, and does not change in one that is installed: so that
// one goes, and another takes its place, where its window stands.
void Follower::put_sa(Sa& sa, SaSpec spec, Now now) {
  const SaSpec ends = as_it_is(sa);
  spec.id = sa.id;
  spec.source = ends.source;
  spec.destination = ends.destination;
  spec.udp = ends.udp;
  auto& sas = reconciler_.followed().sas;
  const auto before = sas.find(sa.id);
  if (before != sas.end() && *before->second == spec) return;
  const bool other = before != sas.end() && sa.direction == Direction::kIn &&
                     (before->second->selectors != spec.selectors || before->second->policy != spec.policy);
  if (other) {
    if (const auto counters = reconciler_.counters(sa.id))
      sa.start = {.replay_top = counters->sequence, .packets = counters->packets, .bytes = counters->bytes};
    drop_sa(sa);
    sa.id = spec.id = SaId{++last_id_};
    by_id_[sa.id] = sa.kernel.key;
    [[maybe_unused]] const auto logged = reconciler_.reconcile(now);  // it has the SPI of the one that comes
  }
  const auto ref = std::make_shared<const SaSpec>(std::move(spec));
  sas[sa.id] = ref;
  reconciler_.followed_changed(ref);
}

void Follower::drop_sa(const Sa& sa) {
  by_id_.erase(sa.id);
  const auto taken = reconciler_.followed().sas.extract(sa.id);
  if (!taken.empty()) reconciler_.followed_changed(taken.mapped());
}

}  // namespace simplon::ctrl
