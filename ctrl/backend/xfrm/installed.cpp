// What the kernel tells XfrmBackend: what is installed, and its notices.
#include <linux/netlink.h>

#include <algorithm>
#include <cerrno>

#include "ctrl/backend/xfrm/backend.h"
#include "ctrl/backend/xfrm/message.h"

namespace simplon::ctrl {
namespace {

constexpr int kReadAttempts = 5;

// Ids of what another process left: above all that PolicyIds gives out, below the fence's.
constexpr std::uint32_t kFormerPolicies = 0x80000000;

bool is_ours(const xfrm_userpolicy_info& p) {
  return p.dir <= XFRM_POLICY_FWD && p.priority >= kPriorityBase && p.priority <= kPriorityBase + kRestOrder;
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

}  // namespace

Result<Installed> XfrmBackend::dump() {
  Installed out;
  if (auto done = dump_sas(out); !done) return std::unexpected(done.error());
  if (auto done = dump_policies(out); !done) return std::unexpected(done.error());
  return out;
}

// A change in the middle of a dump makes it worthless (EINTR): once more from the start.
Result<void> XfrmBackend::each_sa(const std::function<void()>& begin,
                                  const std::function<void(const xfrm_usersa_info&)>& each) {
  for (int attempt = 1;; ++attempt) {
    begin();
    NetlinkMessage message(XFRM_MSG_GETSA, NLM_F_DUMP);
    auto done = requests_.request(message, "reading the kernel's SAs", [&](const nlmsghdr& m) {
      const auto* info = fixed_header<xfrm_usersa_info>(m);
      if (info != nullptr && is_our_sa(*info)) each(*info);
    });
    if (done || requests_.error() != EINTR || attempt == kReadAttempts) return done;
  }
}

Result<void> XfrmBackend::dump_sas(Installed& out) {
  return each_sa([&] { out.sas.clear(); },
                 [&](const xfrm_usersa_info& info) {
                   auto sa = std::make_shared<SaSpec>(installed_sa(info));
                   if (const auto known = ids_.find({sa->spi, sa->destination}); known != ids_.end())
                     sa->id = known->second;
                   out.sas.push_back(std::move(sa));
                 });
}

// One dump, however many: one by one they would be as many system calls each second.
std::map<SaId, std::uint64_t> XfrmBackend::packets(const std::vector<SaRef>& sas) {
  std::map<SaId, std::uint64_t> all, out;
  if (sas.empty()) return out;
  const auto read = each_sa([] {},
                            [&](const xfrm_usersa_info& info) {
                              const SaSpec sa = installed_sa(info);
                              const auto known = ids_.find({sa.spi, sa.destination});
                              if (known != ids_.end()) all[known->second] = info.curlft.packets;
                            });
  if (!read) return out;
  for (const SaRef& sa : sas)
    if (const auto found = all.find(sa->id); found != all.end()) out.insert(*found);
  return out;
}

Result<void> XfrmBackend::dump_policies(Installed& out) {
  for (int attempt = 1;; ++attempt) {
    out.policies.clear();
    former_.clear();
    NetlinkMessage message(XFRM_MSG_GETPOLICY, NLM_F_DUMP);
    auto done = requests_.request(message, "reading the kernel's policies",
                                  [&](const nlmsghdr& m) { read_policy(m, out); });
    if (done || requests_.error() != EINTR || attempt == kReadAttempts) return done;
  }
}

void XfrmBackend::read_policy(const nlmsghdr& message, Installed& out) {
  const auto* info = fixed_header<xfrm_userpolicy_info>(message);
  if (info == nullptr || !is_ours(*info)) return;
  const KernelPolicy key{info->dir, info->sel};
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
  const SaSpec sa = installed_sa(expire->state);
  if (const auto known = ids_.find({sa.spi, sa.destination}); known != ids_.end())
    out.emplace_back(ExpireEvent{known->second, expire->hard != 0});
}

std::vector<BackendEvent> XfrmBackend::poll() {
  std::vector<BackendEvent> out;
  if (!events_.notices([&](const nlmsghdr& m) { read_event(m, out); })) lost_ = true;
  if (lost_ && resync(out)) lost_ = false;
  return out;
}

// Notices were lost. An acquire comes again with the next packet; an SA that is gone has expired. A lost soft
// limit ends as a hard one. False: the kernel could not be asked, the next poll tries again.
bool XfrmBackend::resync(std::vector<BackendEvent>& out) {
  Installed installed;
  if (!dump_sas(installed)) return false;
  std::set<SaId> there;
  for (const SaRef& sa : installed.sas) there.insert(sa->id);
  for (const auto& [key, id] : ids_)
    if (!there.contains(id)) out.emplace_back(ExpireEvent{id, true});
  return true;
}

Result<void> XfrmBackend::release() {
  auto backend = open();
  if (!backend) return std::unexpected(backend.error());
  auto installed = (*backend)->dump();
  if (!installed) return std::unexpected(installed.error());
  for (const SaRef& sa : installed->sas)
    if (auto done = (*backend)->remove_sa(sa); !done) return done;
  for (const PolicySpec& policy : installed->policies)
    if (auto done = (*backend)->remove_policy(policy); !done) return done;
  return {};
}

}  // namespace simplon::ctrl
