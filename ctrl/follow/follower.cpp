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
  if (!kernel_.poll(notices(now))) stale_ = true;
  if (stale_)
    if (auto done = compare_all(now);
        !done && std::exchange(told_stale_, done.error().what) != done.error().what)
      log_.error(Category::kKernel, done.error().what);
  forget_gone(now);
  const std::set<std::uint32_t> all = std::exchange(unsettled_, {});
  if (all.empty()) return;
  for (const std::uint32_t reqid : all) {
    // Before its message leaves, a daemon has installed all that the message is about.
    if (const auto group = groups_.find(reqid); complete && group != groups_.end())
      group->second.settled = group->second.moved = now;
    settle(reqid, now);
  }
  [[maybe_unused]] const auto logged = reconciler_.reconcile(now);
}

// After notices were lost, and at the start. One that fails is tried again by the next poll().
Result<void> Follower::compare_all(Now now) {
  dumping_ = true;
  auto done = kernel_.dump(notices(now));
  dumping_ = false;
  if (!done) return done;
  std::vector<KernelPolicyKey> policies;
  policies.reserve(of_group_.size() + shunts_.size());
  for (const auto& [key, reqid] : of_group_) policies.push_back(key);
  for (const auto& [key, shunt] : shunts_) policies.push_back(key);
  for (const KernelPolicyKey& key : policies)
    if (!seen_policies_.contains(key)) leave(key);
  for (const auto& [key, sa] : sas_)
    if (!seen_sas_.contains(key)) leave(key, now);
  stale_ = false;
  told_stale_.clear();
  return done;
}

void Follower::put(KernelSa read) {
  const KernelSaKey key = read.key;
  if (dumping_) seen_sas_.insert(key);
  unsettled_.insert(read.reqid);
  auto found = sas_.find(key);
  if (found != sas_.end() && !is_same_sa(found->second.kernel, read)) {  // the SPI has a new key
    forget(found);
    found = sas_.end();
  }
  if (found == sas_.end()) found = moved_from(read);
  if (found == sas_.end()) {
    groups_[read.reqid].sas.insert(key);
    sas_.emplace(key, Sa{.kernel = std::move(read), .id = SaId{++last_id_}});
    by_id_[SaId{last_id_}] = key;
    return;
  }
  put_again(found, std::move(read));
}

// One that the daemon has moved: it is gone under the key that it had, or this dump finds it under another.
Follower::Sas::iterator Follower::moved_from(const KernelSa& read) {
  const auto group = groups_.find(read.reqid);
  if (group == groups_.end()) return sas_.end();
  for (const KernelSaKey& other : group->second.sas)
    if (const auto left = sas_.find(other);
        is_same_sa(left->second.kernel, read) && (left->second.gone || dumping_))
      return left;
  return sas_.end();
}

void Follower::put_again(Sas::iterator found, KernelSa read) {
  const KernelSaKey key = read.key;
  auto node = sas_.extract(found);
  Sa& sa = node.mapped();
  gone_.erase(node.key());
  groups_[read.reqid].sas.erase(node.key());
  groups_[read.reqid].sas.insert(key);
  if (refused_.erase(node.key()) != 0) refused_.insert(key);
  // Behind notices that were lost, it may have been installed again in between.
  sa.compare = sa.compare || dumping_ || sa.gone.has_value() || !(node.key() == key);
  sa.gone.reset();
  // Else the daemon does not know yet where its peer is.
  if (sa.kernel.sa.source != read.sa.source || sa.kernel.sa.destination != read.sa.destination ||
      sa.kernel.sa.udp != read.sa.udp)
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
    const auto before = group.policies.find(key);
    if (before == group.policies.end()) {
      group.settled = now + kPoliciesTake;
      group.moved = {};  // it has no entry yet
    } else if (before->second.source != read.source || before->second.destination != read.destination) {
      group.moved = now + kPoliciesTake;
    }
    group.policies.insert_or_assign(key, std::move(read));
    return;
  }
  leave_group(key, 0);
  const auto [at, fresh] = shunts_.try_emplace(key);
  if (fresh) at->second.id = ids_.fresh();
  at->second.policy = std::move(read);
  unsettled_.insert(0);
  const auto entry = settle_shunt(key);
  settle_twin(key);
  const KernelPolicyRead& policy = at->second.policy;
  if (!policy.why_not.empty() && fresh)
    log_.warning(Category::kKernel, "a policy in the kernel (" + Selectors::of({policy.selectors()}).text() +
                                        ") is not followed: " + policy.why_not +
                                        (entry ? "; its packets are discarded" : "; it opens nothing"));
}

void Follower::leave(const KernelSaKey& key, Now now) {
  const auto found = sas_.find(key);
  if (found == sas_.end() || found->second.gone) return;
  found->second.gone = now;
  gone_.insert(key);
  unsettled_.insert(found->second.kernel.reqid);  // the next one has waited for it
}

void Follower::leave(const KernelPolicyKey& key) {
  leave_shunts(key);
  leave_group(key, 0);
}

void Follower::leave_shunts(const KernelPolicyKey& key) {
  const auto shunt = shunts_.extract(key);
  if (shunt.empty()) return;
  drop_entry(shunt.mapped().id);
  settle_twin(key);
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

void Follower::forget(Sas::iterator sa) {
  const std::uint32_t reqid = sa->second.kernel.reqid;
  drop_sa(sa->second);
  refused_.erase(sa->first);
  gone_.erase(sa->first);
  groups_[reqid].sas.erase(sa->first);
  unsettled_.insert(reqid);
  sas_.erase(sa);
}

void Follower::forget_gone(Now now) {
  std::vector<KernelSaKey> due;
  for (const KernelSaKey& key : gone_)
    if (now - *sas_.at(key).gone >= kMoveTakes) due.push_back(key);
  for (const KernelSaKey& key : due) forget(sas_.find(key));
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

}  // namespace simplon::ctrl
