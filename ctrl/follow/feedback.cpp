// SPDX-License-Identifier: Apache-2.0
// follower.h: what the kernel and the console are told.
#include <algorithm>
#include <utility>

#include "ctrl/follow/follower.h"

namespace simplon::ctrl {
namespace {

constexpr std::chrono::seconds kAskEvery{10};
constexpr unsigned kAskedInVain = 18;      // longer than daemons try to reach a peer
constexpr std::size_t kToldInOneGo = 256;  // SAs; each is a system call or two

}  // namespace

void Follower::watch(Now now) {
  auto at = told_last_ ? sas_.upper_bound(*told_last_) : sas_.begin();
  for (std::size_t i = 0; i < std::min(kToldInOneGo, sas_.size()); ++i, ++at) {
    if (at == sas_.end()) at = sas_.begin();
    told_last_ = at->first;
    tell_kernel(at->second);
  }
  if (now - asked_ < kAskEvery) return;
  asked_ = now;
  for (const KernelSaKey& key : refused_) ask_again(key);
}

// A daemon that does not rekey it (libreswan's rekey=no, or one attempt that failed) has an SA that nobody
// can use: then it is at its end.
void Follower::ask_again(const KernelSaKey& key) {
  const auto found = sas_.find(key);
  if (found == sas_.end() || found->second.gone) return;
  Sa& sa = found->second;
  const bool hard = sa.direction == Direction::kOut && ++sa.asked >= kAskedInVain;
  if (hard && sa.asked == kAskedInVain)
    log_.warning(Category::kKernel,
                 "outbound " + text(key) + " was not rekeyed, and nobody can use it: it is ended");
  [[maybe_unused]] const auto asked = kernel_.expire(sa.kernel, hard);
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
    if (sa.is == Is::kTaken && why.empty() && !reconciler_.holds(sa.id))
      why = "the data path does not take it; see the log";
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
