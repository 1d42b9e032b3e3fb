// SPDX-License-Identifier: Apache-2.0
#include "ctrl/backend/xfrm/backend.h"

#include <linux/netlink.h>
#include <netinet/in.h>

#include <cerrno>
#include <fstream>
#include <string>

#include "ctrl/backend/xfrm/message.h"
#include "ctrl/backend/xfrm/options.h"
#include "ctrl/backend/xfrm/tunnel.h"

namespace simplon::ctrl {
namespace {

constexpr const char* kAcquires = "/proc/sys/net/core/xfrm_acq_expires";
constexpr unsigned kAcquireHolds = 3, kUntouched = 30;  // s
// A suite that the kernel lacks is tried again: its module may have come, or the error was of the moment.
constexpr std::chrono::seconds kTrialHolds{10};

unsigned acquires_hold() {
  unsigned out = 0;
  std::ifstream(kAcquires) >> out;
  return out;
}

}  // namespace

Result<std::unique_ptr<XfrmBackend>> XfrmBackend::open(Scope scope) {
  auto requests = Netlink::open(NETLINK_XFRM, 0);
  if (!requests) return fail("the kernel has no XFRM: " + requests.error().what);
  auto events = Netlink::open(NETLINK_XFRM, 0);
  if (!events) return std::unexpected(events.error());
  // Not XFRMNLGRP_AEVENTS: with a listener the kernel tells of every second packet of an SA.
  std::vector<unsigned> groups{XFRMNLGRP_SA, XFRMNLGRP_EXPIRE, XFRMNLGRP_MIGRATE};
  if (scope != Scope::kStandby)
    groups.insert(groups.end(), {XFRMNLGRP_ACQUIRE, XFRMNLGRP_MAPPING, XFRMNLGRP_POLICY, XFRMNLGRP_REPORT});
  for (const unsigned group : groups)
    if (auto done = events->join(group); !done) return std::unexpected(done.error());
  // Else ten thousand SAs that are installed at once would leave no room for what others do.
  if (auto done = events->leave_out(requests->port()); !done) return std::unexpected(done.error());
  auto interfaces = XfrmInterfaces::open();
  if (!interfaces) return std::unexpected(interfaces.error());
  return std::unique_ptr<XfrmBackend>(
      new XfrmBackend(scope, std::move(*requests), std::move(*events), std::move(*interfaces)));
}

Result<void> XfrmBackend::can(const SaSpec& sa) {
  if (auto able = kernel_can(sa); !able) return able;
  if (auto able = card_offloads(sa.kernel); !able || scope_ == Scope::kStandby) return able;
  auto& [result, until] = tried_[kernel_suite(sa)];
  if (until <= Clock::now()) {
    result = try_suite(requests_, sa, TrialFor::kPlacement);
    until = result ? Clock::time_point::max() : Clock::now() + kTrialHolds;
  }
  return result;
}

Result<void> XfrmBackend::kernel_can(const SaSpec& sa) {
  if (sa.interface != InterfaceId{}) return fail("it is of a tunnel interface, which is the data path's");
  if (sa.aggfrag.on)
    return fail("it is of AGGFRAG (RFC 9347), which is the data path's: Linux has it from 6.14 on alone");
  if (sa.replay_window > kLongestReplayWindow)
    return fail("its replay window is longer than " + std::to_string(kLongestReplayWindow));
  if (auto possible = possible_sa(sa); !possible) return possible;
  if (sa.protocol == IpsecProtocol::kAh && sa.suite.encr->aead())
    return fail("the kernel has no AES-GMAC for AH (RFC 4543 section 4), for ESP alone");
  if (auto able = kernel_tunnel(sa.tunnel); !able) return able;
  const auto encapsulation = sa.udp ? Encapsulation::kUdp : Encapsulation::kNone;
  if (auto able = possible_options(sa.kernel, sa.protocol, sa.tunnel, encapsulation); !able) return able;
  if (auto able = known_options(sa.kernel, known_attributes_, requests_); !able) return able;
  if (sa.suite.encr->xfrm.empty()) return fail("the kernel has no " + std::string(sa.suite.encr->name));
  if (sa.suite.integ && sa.suite.integ->xfrm.empty())
    return fail("the kernel has no " + std::string(sa.suite.integ->name));
  return {};
}

Result<void> XfrmBackend::add_sa(const SaRef& sa, const dp::SaStart& start) {
  const auto progress = progress_from(*sa, start, has_);
  NetlinkMessage message = wanted_sa(*sa, XFRM_MSG_NEWSA, progress ? &*progress : nullptr);
  return install(sa, message);
}

Result<void> XfrmBackend::install(const SaRef& sa, NetlinkMessage& message) {
  const std::string what = "installing " + std::string(simplon::name(sa->protocol)) + " SA " + text(sa->spi) +
                           " to " + sa->destination.text() + " in the kernel";
  if (auto able = kernel_can(*sa); !able) return fail(what + ": " + able.error().what);
  // Of one SPI and destination there is one SA here, whatever its protocol (known_).
  if (known_.contains({sa->spi, sa->destination})) return fail(what + ": there is one with this SPI already");
  if (auto alone = one_peer_behind_nat(*sa); !alone) return fail(what + ": " + alone.error().what);
  const bool offload = sa->kernel.offload != Offload::kNone;
  auto done = requests_.request(message, what);
  if (!done) return explained(std::move(done), requests_.error(), *sa);
  if (offload) done = check_offload(*sa, what);
  if (done) know(sa);
  return done;
}

NetlinkMessage XfrmBackend::message_of(const SaSpec& sa, std::uint16_t type, const Progress* progress) const {
  return sa_message(sa, has_, type, progress, card(sa.kernel));
}

NetlinkMessage XfrmBackend::wanted_sa(const SaSpec& sa, std::uint16_t type, const Progress* progress) const {
  NetlinkMessage out = message_of(sa, type, progress);
  if (standby_.contains(sa.id)) mark_standby(out);
  return out;
}

void XfrmBackend::know(const SaRef& sa) {
  known_[{sa->spi, sa->destination}] = {.sa = sa, .packets = 0, .active = Clock::now()};
  if (sa->direction == Direction::kOut) outbound_[sa->policy][sa->id] = sa;
  has_cards_ = has_cards_ || sa->kernel.offload != Offload::kNone;
}

Result<void> XfrmBackend::remove_sa(const SaRef& sa) {
  NetlinkMessage message = sa_request(XFRM_MSG_DELSA, *sa);
  if (const auto known = known_.find({sa->spi, sa->destination});
      known != known_.end() && known->second.sa->id == sa->id)
    known_.erase(known);
  standby_.erase(sa->id);
  if (const auto out = outbound_.find(sa->policy); out != outbound_.end()) {
    out->second.erase(sa->id);
    if (out->second.empty()) outbound_.erase(out);
  }
  auto done = requests_.request(
      message, "removing " + std::string(simplon::name(sa->protocol)) + " SA " + text(sa->spi));
  return requests_.error() == ESRCH ? Result<void>{} : done;  // the SA had expired already
}

NetlinkMessage XfrmBackend::wanted_policy(const KernelPolicy& key, const Claim& claim) const {
  const PolicySpec& spec = policies_.at(claim.id).spec;
  const auto outside = around(spec);
  return policy_message(spec, {key.direction, key.selector, claim.passage, key.mark, key.if_id},
                        blocked(spec) || !outside, outside.value_or(std::vector<const PolicySpec*>{}));
}

Result<std::vector<KernelPolicy>> XfrmBackend::keys_of(const PolicySpec& policy) {
  if (policy.kernel.if_id == 0) return kernel_policies(policy);
  const auto interface = interfaces_.of(policy.kernel.if_id);
  if (!interface) return std::unexpected(interface.error());
  return kernel_policies(policy, *interface);
}

// An interface that comes again has another number.
void XfrmBackend::follow_interfaces(Clock::time_point now) {
  const bool changed = interfaces_.poll();
  follow_cards(changed, now);
  const Result<bool> renumbered = changed ? interfaces_.reread() : false;
  if (!renumbered) told_.push_back(renumbered.error().what);
  if (!renumbered.value_or(false)) return;
  std::vector<PolicySpec> entries;
  for (const auto& [id, entry] : policies_)
    if (entry.spec.kernel.if_id != 0) entries.push_back(entry.spec);
  for (const PolicySpec& entry : entries)
    if (auto done = add_policy(entry); !done) told_.push_back(done.error().what);
}

// Writes the kernel's policy for this key as its first claim wants it; removes it when there is no claim. The
// kernel replaces a policy in one step, so no packet meets a moment without one.
Result<void> XfrmBackend::write_policy(const KernelPolicy& key, const std::string& name) {
  const auto claims = claims_.find(key);
  if (claims != claims_.end() && !claims->second.empty()) {
    const Claim& first = *claims->second.begin();
    NetlinkMessage message = wanted_policy(key, first);
    return requests_.request(message, "policy " + policies_.at(first.id).spec.name + " in the kernel");
  }
  if (claims != claims_.end()) claims_.erase(claims);
  NetlinkMessage message = policy_removal(key);
  auto done = requests_.request(message, "removing policy " + name + " from the kernel");
  return requests_.error() == ENOENT ? Result<void>{} : done;
}

// Goes on after an error: an entry that is closed in part is better than one that is open. Returns the first
// error.
Result<void> XfrmBackend::write_policies(const std::vector<KernelPolicy>& keys, const std::string& name) {
  Result<void> first;
  for (const KernelPolicy& key : keys)
    if (auto done = write_policy(key, name); !done && first) first = done;
  return first;
}

void XfrmBackend::drop_claims(PolicyId id) {
  const Entry& entry = policies_.at(id);
  for (const KernelPolicy& key : entry.kernel) claims_[key].erase(claim(key, entry.spec));
}

// The fence stands before the policies do.
void XfrmBackend::prepare(const std::vector<PolicySpec>& policies) {
  if (!nft_) return;
  for (const PolicySpec& policy : policies)
    if (const auto kernel = keys_of(policy)) fence_off(policy, *kernel);
  nft_->close();
}

void XfrmBackend::commit() {
  if (nft_) nft_->commit();
}

// First the policies for the new selectors are written, then those for selectors that the entry no longer has
// are removed: nothing is open in between.
Result<void> XfrmBackend::add_policy(const PolicySpec& policy) {
  auto kernel = keys_of(policy);
  if (!kernel) return std::unexpected(kernel.error());
  // The rest is asked for its SAs.
  const KernelOptions key{.mark = policy.kernel.mark, .if_id = policy.kernel.if_id};
  if (auto able = known_options(key, known_attributes_, requests_); !able)
    return fail("policy " + policy.name + ": " + able.error().what);
  if (nft_) {
    fence_off(policy, *kernel);
    nft_->close();
  }
  std::vector<KernelPolicy> before;
  if (const auto old = policies_.find(policy.id); old != policies_.end()) {
    before = old->second.kernel;
    drop_claims(policy.id);
    take_from_inside(old->second.spec);
  }
  Entry& entry = policies_[policy.id] = {policy, std::move(*kernel)};
  if (policy.over != PolicyId{}) inside_[policy.over].insert(policy.id);
  for (const KernelPolicy& key : entry.kernel) claims_[key].insert(claim(key, policy));
  auto done = write_policies(entry.kernel, policy.name);
  if (auto inside = write_those_inside(policy.id); !inside && done) done = inside;
  std::erase_if(before, [&](const KernelPolicy& key) {
    const auto claims = claims_.find(key);
    return claims != claims_.end() && claims->second.contains(claim(key, policy));
  });
  if (done) return write_policies(before, policy.name);
  // What was closed so far stays closed; the next add_policy() or remove_policy() removes it.
  for (const KernelPolicy& key : before) {
    claims_[key].insert(claim(key, policy));
    entry.kernel.push_back(key);
  }
  return done;
}

Result<void> XfrmBackend::remove_policy(const PolicySpec& policy) {
  if (nft_) nft_->remove(policy.id);
  const auto found = policies_.find(policy.id);
  if (found != policies_.end()) {
    drop_claims(policy.id);
    take_from_inside(found->second.spec);
    const std::vector<KernelPolicy> keys = std::move(found->second.kernel);
    policies_.erase(found);
    auto inside = write_those_inside(policy.id);
    auto done = write_policies(keys, policy.name);
    return done ? inside : done;
  }
  // A policy of a former run. If an entry of this process has claimed the same key, its policy is written,
  // and nothing is removed.
  const auto former = former_.extract(policy.id);
  return former.empty() ? Result<void>{} : write_policy(former.mapped(), policy.name);
}

Result<void> XfrmBackend::write_fence(const PolicySpec& policy, const std::vector<std::uint8_t>& directions) {
  Entry& entry = policies_[policy.id] = {policy, {}};
  for (const TrafficSelector& local : policy.selectors.local)
    for (const TrafficSelector& remote : policy.selectors.remote) {
      const auto selectors = kernel_selectors(local, remote);
      if (!selectors) return std::unexpected(selectors.error());
      for (const xfrm_selector& s : *selectors)
        for (const std::uint8_t direction : directions) entry.kernel.push_back({direction, s});
    }
  for (const KernelPolicy& key : entry.kernel) claims_[key].insert(claim(key, policy));
  for (const KernelPolicy& key : entry.kernel)
    if (auto done = write_policy(key, policy.name); !done && requests_.error() != EAFNOSUPPORT) return done;
  return {};  // a kernel without IPv6 refuses these policies and does not need them
}

// Neighbour discovery (RFC 4861 §4) is sent with a hop limit of 255 and never forwarded.
Result<void> XfrmBackend::fence_discovery() {
  TrafficSelector messages = TrafficSelector::of({IpAddress::any(Family::kV6), 0});
  messages.protocol = kIcmpv6;
  messages.ports = {kFirstNeighbourDiscovery << 8, kLastNeighbourDiscovery << 8 | 0xff};
  PolicySpec p{.id = PolicyId{kFence},
               .name = "neighbour discovery",
               .action = Action::kBypass,
               .selectors = {{messages}, {messages}},
               .tunnel = {}};
  if (auto done = write_fence(p, {XFRM_POLICY_OUT, XFRM_POLICY_IN}); !done) return done;
  p.id = PolicyId{kFence + 1};
  p.name = "forwarded neighbour discovery";
  p.action = Action::kDiscard;
  return write_fence(p, {XFRM_POLICY_FWD});
}

// While the kernel waits for an SA that it has asked for, it asks for no other between the same ends: half a
// minute if left alone, also when the peer took a part of the selectors, or the notice was lost. What another
// daemon has set is left.
void XfrmBackend::ask_soon_again() {
  if (acquires_hold() == kUntouched) std::ofstream(kAcquires) << kAcquireHolds;
}

void XfrmBackend::ask_as_before() {
  if (acquires_hold() == kAcquireHolds) std::ofstream(kAcquires) << kUntouched;
}

Result<void> XfrmBackend::fence_entries() {
  ask_soon_again();
  if (auto done = fence_discovery(); !done) return done;
  open_nft();
  check_policies_ = true;
  return {};
}

Result<void> XfrmBackend::fence(bool nft_now) {
  ask_soon_again();
  if (auto done = fence_discovery(); !done) return done;
  const TrafficSelectors all{TrafficSelector::of({IpAddress::any(Family::kV4), 0}),
                             TrafficSelector::of({IpAddress::any(Family::kV6), 0})};
  PolicySpec p{.id = PolicyId{kFence + 2},
               .name = "what nothing matches",
               .order = kRestOrder,
               .action = Action::kDiscard,
               .selectors = {all, all},
               .tunnel = {}};
  if (auto done = write_fence(p, {XFRM_POLICY_FWD}); !done) return done;
  p.id = PolicyId{kFence + 3};
  p.name = "the host's own";
  p.action = Action::kBypass;
  if (auto done = write_fence(p, {XFRM_POLICY_OUT, XFRM_POLICY_IN}); !done) return done;
  fenced_ = set_default(true).has_value();
  open_nft(nft_now);
  check_policies_ = true;  // what others had set before
  return {};
}

void XfrmBackend::open_nft(bool now) {
  auto nft = NftFence::open(now);
  if (nft)
    nft_.emplace(std::move(*nft));
  else
    told_.push_back("there is no fence in nftables beside the kernel's policies: " + nft.error().what);
}

Result<void> XfrmBackend::set_gateway(bool on) {
  on_ = on;
  Result<void> first;
  for (const auto& [id, entry] : policies_)
    if (entry.spec.action == Action::kProtect)
      if (auto done = write_policies(entry.kernel, entry.spec.name); !done && first) first = done;
  return first;
}

// The kernel counts the bytes of the outer packets, from their IP header on.
Result<SaCounters> XfrmBackend::counters(const SaRef& sa) {
  NetlinkMessage message = sa_request(XFRM_MSG_GETSA, *sa);
  SaCounters out;
  out.crypto = "kernel";
  const auto done = requests_.request(
      message, "reading " + std::string(simplon::name(sa->protocol)) + " SA " + text(sa->spi),
      [&](const nlmsghdr& m) {
        const auto* info = fixed_header<xfrm_usersa_info>(m);
        if (info == nullptr) return;
        out.packets = info->curlft.packets;
        out.bytes = info->curlft.bytes;
        out.replayed = info->stats.replay + info->stats.replay_window;
        out.bad_icv = info->stats.integrity_failed;
        Progress progress;
        for_attributes(m, sizeof *info, [&](const nlattr& a) { read_progress(a, progress); });
        out.sequence = sequence_of(progress, sa->direction);
      });
  if (!done) return std::unexpected(done.error());
  // More than packets() last saw: the last packet came less than a second ago.
  const auto known = known_.find({sa->spi, sa->destination});
  if (known != known_.end() && known->second.packets == out.packets)
    out.idle = std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - known->second.active);
  return out;
}

Result<std::uint64_t> XfrmBackend::sequence(const SaSpec& sa) {
  const std::string what =
      "reading how far " + std::string(simplon::name(sa.protocol)) + " SA " + text(sa.spi) + " is";
  std::optional<Progress> told;
  NetlinkMessage message = progress_request(sa);
  const auto done = requests_.request(message, what, [&](const nlmsghdr& m) { told = progress_answer(m); });
  if (!done) return std::unexpected(done.error());
  if (!told) return fail(what + ": the kernel does not tell it");
  return sequence_of(*told, sa.direction);
}

}  // namespace simplon::ctrl
