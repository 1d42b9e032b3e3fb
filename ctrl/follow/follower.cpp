// SPDX-License-Identifier: Apache-2.0
#include "ctrl/follow/follower.h"

#include <algorithm>
#include <utility>

namespace simplon::ctrl {
namespace {

using std::chrono::milliseconds;

// A daemon adds the policies of a child one by one, within less.
constexpr milliseconds kPoliciesTake{3};
// And moves an SA, which it removes first, within less.
constexpr milliseconds kMoveTakes{50};
constexpr std::chrono::seconds kAskEvery{10};
constexpr std::size_t kToldInOneGo = 256;  // SAs; each is a system call or two

}  // namespace

Result<std::unique_ptr<Follower>> Follower::open(Reconciler& reconciler, PolicyIds& ids, Log& log) {
  auto alone = only_follower();
  if (!alone) return std::unexpected(alone.error());
  auto kernel = ForeignSas::open();
  if (!kernel) return std::unexpected(kernel.error());
  return std::unique_ptr<Follower>(new Follower(std::move(*alone), std::move(*kernel), reconciler, ids, log));
}

Result<void> Follower::begin(Now now) {
  if (auto done = compare_all(now); !done) return done;
  for (auto& [reqid, group] : groups_) group.settled = now;
  poll(now);
  log_.info(Category::kKernel,
            "following the IKE daemon's SAs in the kernel: " + std::to_string(sas_.size()) + " SAs, " +
                std::to_string(groups_.size()) + " reqids");
  return {};
}

ForeignSas::Each Follower::notices(Now now) {
  return {.begin =
              [this] {
                seen_sas_.clear();
                seen_policies_.clear();
              },
          .sa = [this](KernelSa sa) { put(std::move(sa)); },
          .policy = [this, now](KernelPolicyRead policy) { put(std::move(policy), now); },
          .sa_gone = [this, now](const KernelSaKey& key) { leave(key, now); },
          .policy_gone = [this](const KernelPolicyKey& key) { leave(key); }};
}

void Follower::poll(Now now, bool complete) {
  if (!kernel_.poll(notices(now)))
    if (auto done = compare_all(now); !done) log_.error(Category::kKernel, done.error().what);
  forget_gone(now);
  const std::set<std::uint32_t> all = std::exchange(unsettled_, {});
  if (all.empty()) return;
  for (const std::uint32_t reqid : all) {
    // Before its message leaves, a daemon has installed all that the message is about.
    if (const auto group = groups_.find(reqid); complete && group != groups_.end())
      group->second.settled = now;
    settle(reqid, now);
  }
  [[maybe_unused]] const auto logged = reconciler_.reconcile(now);
}

// After notices were lost, and at the start.
Result<void> Follower::compare_all(Now now) {
  dumping_ = true;
  auto done = kernel_.dump(notices(now));
  dumping_ = false;
  if (!done) return done;
  std::vector<KernelPolicyKey> policies;
  for (const auto& [key, reqid] : of_group_) policies.push_back(key);
  for (const auto& [key, id] : shunts_) policies.push_back(key);
  for (const KernelPolicyKey& key : policies)
    if (!seen_policies_.contains(key)) leave(key);
  for (const auto& [key, sa] : sas_)
    if (!seen_sas_.contains(key)) leave(key, now);
  return done;
}

void Follower::put(KernelSa read) {
  const KernelSaKey key = read.key;
  if (dumping_) seen_sas_.insert(key);
  unsettled_.insert(read.reqid);
  const auto same = [&](const auto& entry) { return is_same_sa(entry.second.kernel, read); };
  auto found = sas_.find(key);
  if (found != sas_.end() && !same(*found)) {  // the SPI has a new key
    drop_sa(found->second);
    sas_.erase(found);
    found = sas_.end();
  }
  // One that the daemon has moved: it is gone under the key that it had, or this dump finds it under another.
  if (const auto group = groups_.find(read.reqid); found == sas_.end() && group != groups_.end())
    for (const KernelSaKey& other : group->second.sas)
      if (const auto left = sas_.find(other); same(*left) && (left->second.gone || dumping_)) found = left;
  if (found == sas_.end()) {
    groups_[read.reqid].sas.insert(key);
    sas_.emplace(key, Sa{.kernel = std::move(read), .id = SaId{++last_id_}});
    by_id_[SaId{last_id_}] = key;
    return;
  }
  auto node = sas_.extract(found);
  Sa& sa = node.mapped();
  gone_.erase(node.key());
  groups_[read.reqid].sas.erase(node.key());
  groups_[read.reqid].sas.insert(key);
  refused_.erase(node.key());
  if (sa.is == Is::kRefused) refused_.insert(key);
  sa.compare = sa.compare || sa.gone.has_value() || !(node.key() == key);
  sa.gone.reset();
  sa.remote.reset();
  sa.kernel = std::move(read);
  by_id_[sa.id] = key;
  node.key() = key;
  sas_.insert(std::move(node));
}

void Follower::put(KernelPolicyRead read, Now now) {
  const KernelPolicyKey key = read.key;
  if (dumping_) seen_policies_.insert(key);
  if (read.action == Action::kProtect && read.why_not.empty()) {
    leave_shunts(key);
    Group& group = groups_[read.reqid];
    unsettled_.insert(read.reqid);
    leave_group(key, read.reqid);
    of_group_[key] = read.reqid;
    if (!group.policies.contains(key)) group.settled = now + kPoliciesTake;
    group.policies.insert_or_assign(key, std::move(read));
    return;
  }
  leave_group(key, 0);
  const auto [at, fresh] = shunts_.try_emplace(key, PolicyId{});
  if (fresh) at->second = ids_.fresh();
  unsettled_.insert(0);
  const auto entry = followed_shunt(read, at->second);
  entry ? put_entry(*entry) : drop_entry(at->second);
  if (!read.why_not.empty() && fresh)
    log_.warning(Category::kKernel, "a policy in the kernel (" + Selectors::of({read.selectors()}).text() +
                                        ") is not followed: " + read.why_not +
                                        (entry ? "; its packets are discarded" : "; it opens nothing"));
}

void Follower::leave(const KernelSaKey& key, Now now) {
  const auto found = sas_.find(key);
  if (found == sas_.end() || found->second.gone) return;
  found->second.gone = now;
  gone_.insert(key);
}

void Follower::leave(const KernelPolicyKey& key) {
  leave_shunts(key);
  leave_group(key, 0);
}

void Follower::leave_shunts(const KernelPolicyKey& key) {
  const auto shunt = shunts_.extract(key);
  if (shunt.empty()) return;
  drop_entry(shunt.mapped());
  unsettled_.insert(0);
}

// `unless`: it is to be of this group.
void Follower::leave_group(const KernelPolicyKey& key, std::uint32_t unless) {
  const auto of = of_group_.find(key);
  if (of == of_group_.end() || of->second == unless) return;
  groups_[of->second].policies.erase(key);
  unsettled_.insert(of->second);
  of_group_.erase(of);
}

void Follower::forget_gone(Now now) {
  for (auto at = gone_.begin(); at != gone_.end();) {
    const auto found = sas_.find(*at);
    if (found != sas_.end() && now - *found->second.gone < kMoveTakes) {
      ++at;
      continue;
    }
    if (found != sas_.end()) {
      drop_sa(found->second);
      refused_.erase(*at);
      groups_[found->second.kernel.reqid].sas.erase(*at);
      unsettled_.insert(found->second.kernel.reqid);
      sas_.erase(found);
    }
    at = gone_.erase(at);
  }
}

Follower::Sa* Follower::find(SaId id) {
  const auto key = by_id_.find(id);
  const auto found = key == by_id_.end() ? sas_.end() : sas_.find(key->second);
  return found == sas_.end() ? nullptr : &found->second;
}

dp::SaStart Follower::start_of(const SaSpec& sa) const {
  const auto key = by_id_.find(sa.id);
  const auto found = key == by_id_.end() ? sas_.end() : sas_.find(key->second);
  return found == sas_.end() ? dp::SaStart{} : found->second.start;
}

void Follower::watch(Now now) {
  auto at = told_last_ ? sas_.upper_bound(*told_last_) : sas_.begin();
  for (std::size_t i = 0; i < std::min(kToldInOneGo, sas_.size()); ++i, ++at) {
    if (at == sas_.end()) at = sas_.begin();
    told_last_ = at->first;
    tell_kernel(at->second);
  }
  if (now - asked_ < kAskEvery) return;
  asked_ = now;
  for (const KernelSaKey& key : refused_)
    if (const auto found = sas_.find(key); found != sas_.end() && !found->second.gone) [[maybe_unused]]
      const auto asked = kernel_.expire(found->second.kernel, false);
}

void Follower::tell_kernel(Sa& sa) {
  if (sa.is != Is::kTaken || sa.gone) return;
  const auto counters = reconciler_.counters(sa.id);
  if (!counters || counters->packets == sa.told) return;
  if (auto done = kernel_.feed(sa.kernel, sa.position, *counters); !done)
    return log_.debug(Category::kKernel, done.error().what);
  sa.told = counters->packets;
}

void Follower::acquire(const AcquireEvent& event) {
  const auto reqid = reqids_.find(event.policy);
  const auto group = reqid == reqids_.end() ? groups_.end() : groups_.find(reqid->second);
  if (group == groups_.end()) return;
  // One that is not used is to be rekeyed: then another, asked for beside it, would be one too many.
  for (const KernelSaKey& key : group->second.sas)
    if (const Sa& sa = sas_.at(key); sa.is != Is::kWaiting && sa.direction == Direction::kOut && !sa.gone)
      return;
  for (const auto& [key, policy] : group->second.policies) {
    const SelectorSet set = policy.selectors();
    if (!policy.out() || !overlap(set.local, {event.source}) || !overlap(set.remote, {event.destination}))
      continue;
    if (auto done = kernel_.acquire(policy, event.source, event.destination); !done)
      log_.warning(Category::kKernel, done.error().what);
    return;
  }
}

// RFC 7296 §2.23: a packet that has passed the integrity check and the window tells where the peer is by now.
// Only the kernel itself can tell the daemon of it; the daemon finds out by the peer's next message.
void Follower::moved(const MovedEvent& event) {
  const Sa* inbound = find(event.sa);
  if (inbound == nullptr || inbound->direction != Direction::kIn) return;
  const SaSpec was = as_it_is(*inbound);
  if (!was.udp) return;
  const SocketAddress before{was.source, was.udp->source};
  for (const KernelSaKey& key : groups_[inbound->kernel.reqid].sas) {
    Sa& sa = sas_.at(key);
    const SaSpec is = as_it_is(sa);
    if (!is.udp) continue;
    const bool out = sa.direction == Direction::kOut;
    if (SocketAddress{out ? is.destination : is.source, out ? is.udp->destination : is.udp->source} != before)
      continue;
    sa.remote = event.remote;
    unsettled_.insert(sa.kernel.reqid);
  }
}

void Follower::expired(const ExpireEvent& event) {
  const Sa* sa = find(event.sa);
  if (sa == nullptr) return;
  if (auto done = kernel_.expire(sa->kernel, event.hard); !done)
    log_.warning(Category::kKernel, done.error().what);
}

std::vector<FollowedSa> Follower::sas() const {
  std::vector<FollowedSa> out;
  out.reserve(sas_.size());
  for (const auto& [key, sa] : sas_) {
    SaSpec spec = as_it_is(sa);
    spec.id = sa.id;
    spec.direction = sa.direction;
    if (const auto taken = reconciler_.followed().sas.find(sa.id); taken != reconciler_.followed().sas.end())
      spec = *taken->second;
    std::string why = sa.why;
    if (sa.is == Is::kTaken && !reconciler_.holds(sa.id)) why = "the data path does not take it; see the log";
    if (sa.is == Is::kWaiting && why.empty()) why = "no policy has its reqid yet";
    out.push_back({std::move(spec), "kernel, reqid " + std::to_string(sa.kernel.reqid), std::move(why)});
  }
  return out;
}

void Follower::stop() {
  std::size_t silent = 0;
  for (auto& [key, sa] : sas_) {
    tell_kernel(sa);
    if (sa.is == Is::kTaken && sa.direction == Direction::kOut) ++silent;
  }
  if (silent != 0)
    log_.warning(Category::kKernel,
                 std::to_string(silent) +
                     " outbound SAs stay silent in the kernel: nobody sends by them until the "
                     "IKE daemon has rekeyed them");
}

}  // namespace simplon::ctrl
