// SPDX-License-Identifier: Apache-2.0
// What XfrmBackend reads from the kernel: the SAs and policies that are installed, and notices.
#include <arpa/inet.h>
#include <linux/netlink.h>

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "ctrl/backend/xfrm/backend.h"
#include "ctrl/backend/xfrm/message.h"
#include "ctrl/backend/xfrm/options.h"
#include "ctrl/backend/xfrm/progress.h"
#include "dp/sa/outbound.h"

namespace simplon::ctrl {
namespace {

// The first id for policies of a former process. PolicyIds never counts up to it; the fence's ids are above.
constexpr std::uint32_t kFormerPolicies = 0x80000000;

bool is_ours(const xfrm_userpolicy_info& p) {
  return p.dir <= XFRM_POLICY_FWD && p.priority >= kPriorityBase && p.priority <= kPriorityBase + kRestOrder;
}

// A policy's templates, from the inside out.
// One end of the packets of a template's SA.
TrafficSelector end_of(const xfrm_user_tmpl& tmpl, const xfrm_address_t& address) {
  const IpAddress end = from_kernel(address, tmpl.family);
  return {.protocol = tmpl.id.proto, .addresses = {end, end}};
}

// The kernel names the SA that it lacks by its ends and protocol, and in each case the packet that came
// first. Of a bundle (RFC 4301 §4.5) the SA inside is there already when the one around it is asked for: so
// what asks is a packet of that one. Where both have the same ends and protocol, both are asked for: one that
// is there is not made again.
std::vector<AcquireEvent> acquire_events(const nlmsghdr& message) {
  const auto* acquire = fixed_header<xfrm_user_acquire>(message);
  if (acquire == nullptr) return {};
  std::vector<AcquireEvent> out;
  const xfrm_user_tmpl* inside = nullptr;
  const std::vector<xfrm_user_tmpl> all = templates(message, sizeof *acquire);
  for (const xfrm_user_tmpl& t : all) {
    if (t.id.proto == acquire->id.proto &&
        from_kernel(t.id.daddr, t.family) == from_kernel(acquire->id.daddr, t.family) &&
        from_kernel(t.saddr, t.family) == from_kernel(acquire->saddr, t.family)) {
      const SelectorPair pair = selector_pair(acquire->sel);
      out.push_back({PolicyId{t.reqid}, inside != nullptr ? end_of(*inside, inside->saddr) : pair.source,
                     inside != nullptr ? end_of(*inside, inside->id.daddr) : pair.destination});
    }
    inside = &t;
  }
  return out;
}

// The SPD entry for a kernel policy that no entry of this process has made. `n` numbers it.
PolicySpec former_policy(const nlmsghdr& message, const xfrm_userpolicy_info& info, std::uint32_t n) {
  const bool outwards = info.dir == XFRM_POLICY_OUT;
  const SelectorPair pair = selector_pair(info.sel);
  PolicySpec p{.id = PolicyId{kFormerPolicies + n},
               .name = "former-" + std::to_string(n),
               .order = info.priority - kPriorityBase,
               .direction = outwards ? PolicyDirection::kOut : PolicyDirection::kIn,
               .selectors = {},
               .tunnel = {}};
  p.action = !templates(message, sizeof info).empty() ? Action::kProtect
             : info.action == XFRM_POLICY_ALLOW       ? Action::kBypass
                                                      : Action::kDiscard;
  p.selectors.local = {outwards ? pair.source : pair.destination};
  p.selectors.remote = {outwards ? pair.destination : pair.source};
  p.kernel = read_lookup(message, sizeof info);
  return p;
}

}  // namespace

Result<Installed> XfrmBackend::dump() {
  Installed out;
  if (auto done = dump_sas(out); !done) return std::unexpected(done.error());
  if (scope_ == Scope::kStandby) return out;
  if (auto done = dump_policies(out); !done) return std::unexpected(done.error());
  return out;
}

Result<void> XfrmBackend::each_sa(const std::function<void()>& begin, const EachSa& each) {
  NetlinkMessage message(XFRM_MSG_GETSA, NLM_F_DUMP);
  return requests_.dump(message, "reading the kernel's SAs", begin, [&](const nlmsghdr& m) {
    const auto* info = fixed_header<xfrm_usersa_info>(m);
    if (info != nullptr && is_our_sa(*info) &&
        (scope_ == Scope::kAll || is_standby(*info) == (scope_ == Scope::kStandby)))
      each(m, *info);
  });
}

Result<void> XfrmBackend::dump_sas(Installed& out) {
  return each_sa([&] { out.sas.clear(); },
                 [&](const nlmsghdr& message, const xfrm_usersa_info& info) {
                   auto sa = std::make_shared<SaSpec>(installed_sa(message, info));
                   if (const auto known = known_by(message, sizeof info, {sa->spi, sa->destination});
                       known != known_.end())
                     sa->id = known->second.sa->id;
                   out.sas.push_back(std::move(sa));
                 });
}

// One dump for all of them: reading them one by one would take a system call per SA each second.
std::map<SaId, std::uint64_t> XfrmBackend::packets(const std::vector<SaRef>& sas) {
  std::map<SaId, std::uint64_t> all, out;
  if (known_.empty()) return out;
  const Clock::time_point now = Clock::now();
  const auto read = each_sa([] {},
                            [&](const nlmsghdr& message, const xfrm_usersa_info& info) {
                              const auto known = known_by(message, sizeof info, key_of(info));
                              if (known == known_.end()) return;
                              watch_numbers(message, known->second);
                              const std::uint64_t packets = info.curlft.packets;
                              all[known->second.sa->id] = packets;
                              if (std::exchange(known->second.packets, packets) != packets)
                                known->second.active = now;
                            });
  if (!read) return out;
  for (const SaRef& sa : sas)
    if (const auto found = all.find(sa->id); found != all.end()) out.insert(*found);
  return out;
}

// Packets that a card or the kernel itself cuts into several count as one, so the limit of packets alone does
// not see the numbers end (RFC 4303 §3.3.3).
void XfrmBackend::watch_numbers(const nlmsghdr& message, Known& known) {
  const SaSpec& sa = *known.sa;
  if (known.runs_out || sa.direction != Direction::kOut || sa.esn == Esn::kOn) return;
  Progress now;
  for_attributes(message, sizeof(xfrm_usersa_info), [&](const nlattr& a) { read_progress(a, now); });
  if (sequence_of(now, sa.direction) < dp::kSoftSequence) return;
  known.runs_out = true;
  left_.push_back({sa.id, false});
}

Result<void> XfrmBackend::dump_policies(Installed& out) {
  NetlinkMessage message(XFRM_MSG_GETPOLICY, NLM_F_DUMP);
  const auto begin = [&] {
    out.policies.clear();
    former_.clear();
  };
  return requests_.dump(message, "reading the kernel's policies", begin,
                        [&](const nlmsghdr& m) { read_policy(m, out); });
}

void XfrmBackend::read_policy(const nlmsghdr& message, Installed& out) {
  const auto* info = fixed_header<xfrm_userpolicy_info>(message);
  if (info == nullptr || !is_ours(*info)) return;
  const KernelPolicy key = policy_key(message, sizeof *info, info->dir, info->sel);
  const auto claims = claims_.find(key);
  if (claims == claims_.end() || claims->second.empty()) {
    out.policies.push_back(former_policy(message, *info, static_cast<std::uint32_t>(former_.size())));
    former_[out.policies.back().id] = key;
    return;
  }
  const PolicyId id = claims->second.begin()->id;
  if (static_cast<std::uint32_t>(id) < kFence &&
      std::ranges::find(out.policies, id, &PolicySpec::id) == out.policies.end())
    out.policies.push_back(policies_.at(id).spec);
}

// The kernel tells it of a packet whose integrity check was good and that its window had not seen.
void XfrmBackend::read_mapping(const nlmsghdr& message, std::vector<BackendEvent>& out) const {
  const auto* mapping = fixed_header<xfrm_user_mapping>(message);
  if (mapping == nullptr) return;
  const std::uint16_t family = mapping->id.family;
  const auto known = known_.find({Spi{ntohl(mapping->id.spi)}, from_kernel(mapping->id.daddr, family)});
  if (known == known_.end()) return;
  out.emplace_back(MovedEvent{known->second.sa->id,
                              {from_kernel(mapping->new_saddr, family), Port{ntohs(mapping->new_sport)}}});
}

void XfrmBackend::read_event(const nlmsghdr& message, std::vector<BackendEvent>& out) {
  ++notices_[message.nlmsg_type];
  if (message.nlmsg_type == XFRM_MSG_ACQUIRE) {
    for (const AcquireEvent& acquire : acquire_events(message))
      if (policies_.contains(acquire.policy)) out.emplace_back(acquire);  // else another program's
  } else if (message.nlmsg_type == XFRM_MSG_EXPIRE) {
    const auto* expire = fixed_header<xfrm_user_expire>(message);
    if (expire == nullptr) return;
    if (const auto known = known_by(message, sizeof *expire, key_of(expire->state)); known != known_.end())
      out.emplace_back(ExpireEvent{known->second.sa->id, expire->hard != 0});
  } else if (message.nlmsg_type == XFRM_MSG_MAPPING) {
    read_mapping(message, out);
  } else if (message.nlmsg_pid != requests_.port()) {
    read_change(message, out);
  }
}

// The SA of ours that a message is about. Another program's may have its SPI and destination with another
// mark.
XfrmBackend::KnownSas::iterator XfrmBackend::known_by(const nlmsghdr& message, std::size_t header,
                                                      const KnownSas::key_type& key) {
  const auto found = known_.find(key);
  const bool ours =
      found != known_.end() && read_lookup(message, header).mark == found->second.sa->kernel.mark;
  return ours ? found : known_.end();
}

void XfrmBackend::recheck() {
  check_policies_ = check_sas_ = true;
  if (nft_) nft_->recheck();
}

std::vector<int> XfrmBackend::fds() const {
  std::vector<int> out{events_.fd()};
  if (nft_) out.push_back(nft_->fd());
  out.push_back(interfaces_.fd());
  return out;
}

// After notices were lost, everything is compared. A lost acquire needs nothing: a packet a few
// seconds later causes another (kAcquireHolds). A lost soft limit is noticed when the hard one comes.
std::vector<BackendEvent> XfrmBackend::poll() {
  std::vector<BackendEvent> out;
  for (const ExpireEvent& event : std::exchange(left_, {})) out.emplace_back(event);
  follow_interfaces(Clock::now());
  if (!events_.notices([&](const nlmsghdr& m) { read_event(m, out); })) {
    ++overruns_;
    out.emplace_back(ChangedEvent{
        "the kernel had more notices of XFRM than there was room for, and lost some; all SAs and "
        "policies are compared with what should be there",
        false});
    recheck();
  }
  if (nft_)
    for (std::string& what : nft_->poll(Clock::now())) told_.push_back(std::move(what));
  for (std::string& what : std::exchange(told_, {})) out.emplace_back(ChangedEvent{std::move(what), false});
  if (scope_ != Scope::kStandby && (check_policies_ || !suspects_.empty())) repair(out);
  if (check_sas_ && compare_sas(out)) check_sas_ = false;
  tell_gone(out);
  return out;
}

Result<void> XfrmBackend::release_standby() {
  auto backend = open(Scope::kStandby);
  if (!backend) return {};  // it has no XFRM
  const auto installed = (*backend)->dump();
  if (!installed) return std::unexpected(installed.error());
  for (const SaRef& sa : installed->sas)
    if (auto done = (*backend)->remove_sa(sa); !done) return done;
  return {};
}

Result<void> XfrmBackend::release(const std::vector<SaRef>& but) {
  auto backend = open();
  if (!backend) return std::unexpected(backend.error());
  std::set<SaId> stay;
  if (!but.empty())
    if (auto adopted = (*backend)->adopt(but, false)) stay = std::move(*adopted);
  auto installed = (*backend)->dump();
  if (!installed) return std::unexpected(installed.error());
  for (const SaRef& sa : installed->sas) {
    if (stay.contains(sa->id)) continue;
    if (auto done = (*backend)->remove_sa(sa); !done) return done;
  }
  for (const PolicySpec& policy : installed->policies)
    if (auto done = (*backend)->remove_policy(policy); !done) return done;
  if (auto done = NftFence::release(); !done) return done;
  ask_as_before();
  if ((*backend)->default_blocks()) return (*backend)->set_default(false);
  return {};
}

}  // namespace simplon::ctrl
