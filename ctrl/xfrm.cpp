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

template <class T>
const T& fixed(const nlmsghdr& message) {
  return *static_cast<const T*>(mnl_nlmsg_get_payload(&message));
}

bool is_ours(const xfrm_userpolicy_info& p) {
  return p.dir <= XFRM_POLICY_FWD && p.priority >= kPriorityBase && p.priority < 2 * kPriorityBase;
}

PolicyId template_id(const nlmsghdr& message, std::size_t header) {
  PolicyId id{};
  for_attributes(message, header, [&](const nlattr& a) {
    if (mnl_attr_get_type(&a) != XFRMA_TMPL || mnl_attr_get_payload_len(&a) < sizeof(xfrm_user_tmpl)) return;
    id = PolicyId{static_cast<const xfrm_user_tmpl*>(mnl_attr_get_payload(&a))->reqid};
  });
  return id;
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
  NetlinkMessage message = sa_message(*sa);
  auto done = requests_.request(
      message, "installing ESP SA " + text(sa->spi) + " to " + sa->destination.text() + " in the kernel");
  if (!done && errno == ENOSYS)
    return fail(done.error().what + " (it does not know " + std::string(sa->suite.encr->xfrm) + ")");
  if (!done && errno == EPROTONOSUPPORT) return fail(done.error().what + " (it has no ESP)");
  if (done) ids_[{sa->spi, sa->destination}] = sa->id;
  return done;
}

Result<void> XfrmBackend::remove_sa(const SaRef& sa) {
  NetlinkMessage message(XFRM_MSG_DELSA, 0);
  message.header<xfrm_usersa_id>() = sa_id(sa->spi, sa->destination);
  ids_.erase({sa->spi, sa->destination});
  auto done = requests_.request(message, "removing ESP SA " + text(sa->spi));
  return !done && errno == ESRCH ? Result<void>{} : done;  // it expired already
}

Result<void> XfrmBackend::put_policy(const PolicySpec& policy) {
  Result<void> first;
  for_kernel_policies(policy, [&](const KernelPolicy& k) {
    NetlinkMessage message = policy_message(policy, k, !on_);
    if (auto done = requests_.request(message, "policy " + policy.name + " in the kernel"); !done && first)
      first = done;
  });
  return first;
}

Result<void> XfrmBackend::add_policy(const PolicySpec& policy) {
  if (const auto old = policies_.find(policy.id);
      old != policies_.end() && old->second.selectors != policy.selectors) {
    const PolicySpec before = old->second;
    if (auto done = put_policy(policy); !done) return done;
    if (auto done = remove_policy(before); !done) return done;
  }
  policies_[policy.id] = policy;
  return put_policy(policy);
}

Result<void> XfrmBackend::remove_policy(const PolicySpec& policy) {
  Result<void> first;
  for_kernel_policies(policy, [&](const KernelPolicy& k) {
    NetlinkMessage message = policy_removal(k);
    auto done = requests_.request(message, "removing policy " + policy.name + " from the kernel");
    if (!done && errno != ENOENT && first) first = done;
  });
  policies_.erase(policy.id);
  return first;
}

Result<void> XfrmBackend::set_gateway(bool on) {
  on_ = on;
  for (const auto& [id, policy] : policies_)
    if (auto done = put_policy(policy); !done) return done;
  return {};
}

Result<SaCounters> XfrmBackend::counters(const SaRef& sa) {
  NetlinkMessage message(XFRM_MSG_GETSA, 0);
  message.header<xfrm_usersa_id>() = sa_id(sa->spi, sa->destination);
  SaCounters out;
  const auto done = requests_.request(message, "reading ESP SA " + text(sa->spi), [&](const nlmsghdr& m) {
    const auto& info = fixed<xfrm_usersa_info>(m);
    out.packets = info.curlft.packets;
    out.bytes = info.curlft.bytes;
    out.replayed = info.stats.replay + info.stats.replay_window;
    out.bad_icv = info.stats.integrity_failed;
    const std::uint64_t now = static_cast<std::uint64_t>(std::time(nullptr));
    const std::uint64_t last = info.curlft.use_time != 0 ? info.curlft.use_time : info.curlft.add_time;
    out.idle = std::chrono::seconds(now > last ? now - last : 0);
  });
  if (!done) return std::unexpected(done.error());
  return out;
}

Result<Installed> XfrmBackend::dump() {
  Installed out;
  NetlinkMessage sas(XFRM_MSG_GETSA, NLM_F_DUMP);
  auto done = requests_.request(sas, "reading the kernel's SAs", [&](const nlmsghdr& m) {
    const auto& info = fixed<xfrm_usersa_info>(m);
    if (info.id.proto != IPPROTO_ESP || info.id.spi == 0) return;
    InstalledSa sa = installed_sa(info);
    if (const auto known = ids_.find({sa.spi, sa.destination}); known != ids_.end()) sa.id = known->second;
    out.sas.push_back(sa);
  });
  if (!done) return std::unexpected(done.error());
  NetlinkMessage policies(XFRM_MSG_GETPOLICY, NLM_F_DUMP);
  std::uint32_t n = 0;
  done = requests_.request(policies, "reading the kernel's policies", [&](const nlmsghdr& m) {
    const auto& info = fixed<xfrm_userpolicy_info>(m);
    if (!is_ours(info) || info.dir == XFRM_POLICY_FWD) return;  // fwd goes with in
    const bool outwards = info.dir == XFRM_POLICY_OUT;
    PolicySpec p{.id = PolicyId{kFormerPolicies + n},
                 .name = "former-" + std::to_string(n),
                 .order = info.priority - kPriorityBase,
                 .direction = outwards ? PolicyDirection::kOut : PolicyDirection::kIn,
                 .selectors = {},
                 .tunnel = {}};
    p.action = template_id(m, sizeof info) != PolicyId{} ? Action::kProtect
               : info.action == XFRM_POLICY_ALLOW        ? Action::kBypass
                                                         : Action::kDiscard;
    p.selectors.local = {selector_side(info.sel, outwards)};
    p.selectors.remote = {selector_side(info.sel, !outwards)};
    out.policies.push_back(std::move(p));
    ++n;
  });
  if (!done) return std::unexpected(done.error());
  return out;
}

std::vector<BackendEvent> XfrmBackend::poll() {
  std::vector<BackendEvent> out;
  events_.notices([&](const nlmsghdr& m) {
    if (m.nlmsg_type == XFRM_MSG_ACQUIRE) {
      const auto& acquire = fixed<xfrm_user_acquire>(m);
      const PolicyId id = template_id(m, sizeof acquire);
      out.emplace_back(AcquireEvent{id, selector_side(acquire.sel, true), selector_side(acquire.sel, false)});
    }
    if (m.nlmsg_type == XFRM_MSG_EXPIRE) {
      const auto& expire = fixed<xfrm_user_expire>(m);
      const InstalledSa sa = installed_sa(expire.state);
      if (const auto known = ids_.find({sa.spi, sa.destination}); known != ids_.end())
        out.emplace_back(ExpireEvent{known->second, expire.hard != 0});
    }
  });
  return out;
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
