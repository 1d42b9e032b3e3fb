#include "ctrl/xfrm.h"

#include <linux/netlink.h>
#include <netinet/in.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>

#include "ctrl/xfrm_message.h"

namespace simplon::ctrl {
namespace {

// Ids of what another process left: above all that PolicyIds gives out.
constexpr std::uint32_t kFormerPolicies = 0x80000000;

std::string text(Spi spi) {
  char out[16];
  std::snprintf(out, sizeof out, "0x%08x", static_cast<unsigned>(spi));
  return out;
}

bool is_ours(const xfrm_userpolicy_info& p) {
  return p.dir <= XFRM_POLICY_FWD && p.priority >= kPriorityBase && p.priority < 2 * kPriorityBase;
}

// The reqid of a policy's template; none when it has no template.
std::optional<PolicyId> template_id(const nlmsghdr& message, std::size_t header) {
  std::optional<PolicyId> id;
  for_attributes(message, header, [&](const nlattr& a) {
    if (mnl_attr_get_type(&a) != XFRMA_TMPL || mnl_attr_get_payload_len(&a) < sizeof(xfrm_user_tmpl)) return;
    id = PolicyId{static_cast<const xfrm_user_tmpl*>(mnl_attr_get_payload(&a))->reqid};
  });
  return id;
}

// A kernel policy that no SPD entry of this process stands behind. `n` numbers it.
PolicySpec former_policy(const nlmsghdr& message, const xfrm_userpolicy_info& info, std::uint32_t n) {
  const bool outwards = info.dir == XFRM_POLICY_OUT;
  const SelectorPair pair = selector_pair(info.sel);
  PolicySpec p{.id = PolicyId{kFormerPolicies + n},
               .name = "former-" + std::to_string(n),
               .order = info.priority - kPriorityBase,
               .direction = outwards ? PolicyDirection::kOut : PolicyDirection::kIn,
               .selectors = {},
               .tunnel = {}};
  p.action = template_id(message, sizeof info)  ? Action::kProtect
             : info.action == XFRM_POLICY_ALLOW ? Action::kBypass
                                                : Action::kDiscard;
  p.selectors.local = {outwards ? pair.source : pair.destination};
  p.selectors.remote = {outwards ? pair.destination : pair.source};
  return p;
}

void read_attribute(const nlattr& a, Direction direction, std::uint64_t now, SaCounters& out) {
  const Bytes data = bytes_of(a);
  const auto sequence = [&](auto state) {
    if (data.size() < sizeof state) return;
    std::memcpy(&state, data.data(), sizeof state);
    out.sequence = direction == Direction::kIn ? state.seq : state.oseq;
  };
  const std::uint16_t type = mnl_attr_get_type(&a);
  if (type == XFRMA_REPLAY_ESN_VAL) sequence(xfrm_replay_state_esn{});
  if (type == XFRMA_REPLAY_VAL) sequence(xfrm_replay_state{});
  if (type != XFRMA_LASTUSED || data.size() < sizeof(std::uint64_t)) return;
  const std::uint64_t last = mnl_attr_get_u64(&a);
  out.idle = std::chrono::seconds(now > last ? now - last : 0);
}

}  // namespace

Result<std::unique_ptr<XfrmBackend>> XfrmBackend::open() {
  auto requests = Netlink::open(NETLINK_XFRM, 0);
  if (!requests) return fail("the kernel has no XFRM: " + requests.error().what);
  auto events = Netlink::open(NETLINK_XFRM, 0);
  if (!events) return std::unexpected(events.error());
  for (const unsigned group : {XFRMNLGRP_ACQUIRE, XFRMNLGRP_EXPIRE})
    if (auto done = events->join(group); !done) return std::unexpected(done.error());
  return std::unique_ptr<XfrmBackend>(new XfrmBackend(std::move(*requests), std::move(*events)));
}

Result<void> XfrmBackend::add_sa(const SaRef& sa) {
  const std::string what =
      "installing ESP SA " + text(sa->spi) + " to " + sa->destination.text() + " in the kernel";
  if (sa->replay_window > kLongestReplayWindow)
    return fail(what + ": its replay window is longer than " + std::to_string(kLongestReplayWindow));
  NetlinkMessage message = sa_message(*sa);
  auto done = requests_.request(message, what);
  if (requests_.error() == ENOSYS)
    return fail(done.error().what + "; it does not know " + std::string(sa->suite.encr->xfrm));
  if (requests_.error() == EPROTONOSUPPORT) return fail(done.error().what + "; it has no ESP");
  if (done) ids_[{sa->spi, sa->destination}] = sa->id;
  return done;
}

Result<void> XfrmBackend::remove_sa(const SaRef& sa) {
  NetlinkMessage message(XFRM_MSG_DELSA, 0);
  message.header<xfrm_usersa_id>() = sa_id(sa->spi, sa->destination);
  ids_.erase({sa->spi, sa->destination});
  auto done = requests_.request(message, "removing ESP SA " + text(sa->spi));
  return requests_.error() == ESRCH ? Result<void>{} : done;  // it expired already
}

// Makes the kernel's policy for this key what the first of its claims says, or removes it. A replacement is
// one step in the kernel: no packet meets the gap.
Result<void> XfrmBackend::settle(const KernelPolicy& key, const std::string& name) {
  const auto claims = claims_.find(key);
  if (claims != claims_.end() && !claims->second.empty()) {
    const PolicySpec& winner = policies_.at(claims->second.begin()->second).spec;
    NetlinkMessage message = policy_message(winner, key, blocked(winner));
    return requests_.request(message, "policy " + winner.name + " in the kernel");
  }
  if (claims != claims_.end()) claims_.erase(claims);
  NetlinkMessage message = policy_removal(key);
  auto done = requests_.request(message, "removing policy " + name + " from the kernel");
  return requests_.error() == ENOENT ? Result<void>{} : done;
}

// All of them, whatever fails: half an entry closed is better than none. The first error is told.
Result<void> XfrmBackend::settle_all(const std::vector<KernelPolicy>& keys, const std::string& name) {
  Result<void> first;
  for (const KernelPolicy& key : keys)
    if (auto done = settle(key, name); !done && first) first = done;
  return first;
}

void XfrmBackend::drop_claims(PolicyId id) {
  const Entry& entry = policies_.at(id);
  for (const KernelPolicy& key : entry.kernel) claims_[key].erase({entry.spec.order, id});
}

// The new selectors are closed before the old ones are opened.
Result<void> XfrmBackend::add_policy(const PolicySpec& policy) {
  auto kernel = kernel_policies(policy);
  if (!kernel) return std::unexpected(kernel.error());
  std::vector<KernelPolicy> before;
  if (const auto old = policies_.find(policy.id); old != policies_.end()) {
    before = old->second.kernel;
    drop_claims(policy.id);
  }
  const Entry& entry = policies_[policy.id] = {policy, std::move(*kernel)};
  for (const KernelPolicy& key : entry.kernel) claims_[key].insert({policy.order, policy.id});
  auto done = settle_all(entry.kernel, policy.name);
  std::erase_if(before, [&](const KernelPolicy& key) {
    const auto claims = claims_.find(key);
    return claims != claims_.end() && claims->second.contains({policy.order, policy.id});
  });
  auto gone = settle_all(before, policy.name);
  return done ? gone : done;
}

Result<void> XfrmBackend::remove_policy(const PolicySpec& policy) {
  const auto found = policies_.find(policy.id);
  if (found != policies_.end()) {
    drop_claims(policy.id);
    const std::vector<KernelPolicy> keys = std::move(found->second.kernel);
    policies_.erase(found);
    return settle_all(keys, policy.name);
  }
  // A former run's: where an entry of ours has taken its place, that one stays.
  const auto kernel = kernel_policies(policy);
  return kernel ? settle_all(*kernel, policy.name) : Result<void>{};
}

Result<void> XfrmBackend::set_gateway(bool on) {
  on_ = on;
  Result<void> first;
  for (const auto& [id, entry] : policies_)
    if (entry.spec.action == Action::kProtect)
      if (auto done = settle_all(entry.kernel, entry.spec.name); !done && first) first = done;
  return first;
}

// The kernel counts the bytes of outer packets, without the link's header.
Result<SaCounters> XfrmBackend::counters(const SaRef& sa) {
  NetlinkMessage message(XFRM_MSG_GETSA, 0);
  message.header<xfrm_usersa_id>() = sa_id(sa->spi, sa->destination);
  SaCounters out;
  const auto done = requests_.request(message, "reading ESP SA " + text(sa->spi), [&](const nlmsghdr& m) {
    const auto* info = fixed_header<xfrm_usersa_info>(m);
    if (info == nullptr) return;
    const auto now = static_cast<std::uint64_t>(std::time(nullptr));
    out.packets = info->curlft.packets;
    out.bytes = info->curlft.bytes;
    out.replayed = info->stats.replay + info->stats.replay_window;
    out.bad_icv = info->stats.integrity_failed;
    out.idle = std::chrono::seconds(now > info->curlft.add_time ? now - info->curlft.add_time : 0);
    for_attributes(m, sizeof *info, [&](const nlattr& a) { read_attribute(a, sa->direction, now, out); });
  });
  if (!done) return std::unexpected(done.error());
  return out;
}

Result<Installed> XfrmBackend::dump() {
  Installed out;
  if (auto done = dump_sas(out); !done) return std::unexpected(done.error());
  if (auto done = dump_policies(out); !done) return std::unexpected(done.error());
  return out;
}

Result<void> XfrmBackend::dump_sas(Installed& out) {
  NetlinkMessage message(XFRM_MSG_GETSA, NLM_F_DUMP);
  return requests_.request(message, "reading the kernel's SAs", [&](const nlmsghdr& m) {
    const auto* info = fixed_header<xfrm_usersa_info>(m);
    if (info == nullptr || !is_our_sa(*info)) return;
    InstalledSa sa = installed_sa(*info);
    if (const auto known = ids_.find({sa.spi, sa.destination}); known != ids_.end()) sa.id = known->second;
    out.sas.push_back(sa);
  });
}

Result<void> XfrmBackend::dump_policies(Installed& out) {
  std::set<PolicyId> ours;
  std::set<KernelPolicy> seen;
  NetlinkMessage message(XFRM_MSG_GETPOLICY, NLM_F_DUMP);
  return requests_.request(message, "reading the kernel's policies", [&](const nlmsghdr& m) {
    const auto* info = fixed_header<xfrm_userpolicy_info>(m);
    if (info == nullptr || !is_ours(*info)) return;
    KernelPolicy key{info->dir, info->sel};
    if (const auto claims = claims_.find(key); claims != claims_.end() && !claims->second.empty()) {
      const PolicyId id = claims->second.begin()->second;
      if (ours.insert(id).second) out.policies.push_back(policies_.at(id).spec);
      return;
    }
    if (key.direction == XFRM_POLICY_FWD) key.direction = XFRM_POLICY_IN;  // both go with one removal
    if (seen.insert(key).second)
      out.policies.push_back(former_policy(m, *info, static_cast<std::uint32_t>(seen.size())));
  });
}

void XfrmBackend::read_event(const nlmsghdr& message, std::vector<BackendEvent>& out) const {
  if (message.nlmsg_type == XFRM_MSG_ACQUIRE) {
    const auto* acquire = fixed_header<xfrm_user_acquire>(message);
    const auto id = acquire ? template_id(message, sizeof *acquire) : std::nullopt;
    if (!id || !policies_.contains(*id)) return;  // another program's
    const SelectorPair pair = selector_pair(acquire->sel);
    out.emplace_back(AcquireEvent{*id, pair.source, pair.destination});
  }
  if (message.nlmsg_type != XFRM_MSG_EXPIRE) return;
  const auto* expire = fixed_header<xfrm_user_expire>(message);
  if (expire == nullptr) return;
  const InstalledSa sa = installed_sa(expire->state);
  if (const auto known = ids_.find({sa.spi, sa.destination}); known != ids_.end())
    out.emplace_back(ExpireEvent{known->second, expire->hard != 0});
}

std::vector<BackendEvent> XfrmBackend::poll() {
  std::vector<BackendEvent> out;
  if (!events_.notices([&](const nlmsghdr& m) { read_event(m, out); })) resync(out);
  return out;
}

// Notices were lost. An acquire comes again with the next packet; an SA that is gone has expired. A lost soft
// limit ends as a hard one.
void XfrmBackend::resync(std::vector<BackendEvent>& out) {
  Installed installed;
  if (!dump_sas(installed)) return;
  std::set<SaId> there;
  for (const InstalledSa& sa : installed.sas) there.insert(sa.id);
  for (const auto& [key, id] : ids_)
    if (!there.contains(id)) out.emplace_back(ExpireEvent{id, true});
}

Result<void> XfrmBackend::release() {
  auto backend = open();
  if (!backend) return std::unexpected(backend.error());
  auto installed = (*backend)->dump();
  if (!installed) return std::unexpected(installed.error());
  for (const InstalledSa& sa : installed->sas) {
    NetlinkMessage message(XFRM_MSG_DELSA, 0);
    message.header<xfrm_usersa_id>() = sa_id(sa.spi, sa.destination);
    if (auto done = (*backend)->requests_.request(message, "removing ESP SA " + text(sa.spi)); !done)
      return done;
  }
  for (const PolicySpec& policy : installed->policies)
    if (auto done = (*backend)->remove_policy(policy); !done) return done;
  return {};
}

}  // namespace simplon::ctrl
