// SPDX-License-Identifier: Apache-2.0
// read_back.h: policies.
#include <arpa/inet.h>

#include <cstring>
#include <tuple>
#include <vector>

#include "ctrl/backend/xfrm/read_back.h"

namespace simplon::ctrl {
namespace {

void read_template(const std::vector<xfrm_user_tmpl>& all, KernelPolicyRead& out) {
  const xfrm_user_tmpl& tmpl = all.front();
  out.action = Action::kProtect;
  out.reqid = tmpl.reqid;
  out.protocol = tmpl.id.proto == kAh ? IpsecProtocol::kAh : IpsecProtocol::kEsp;
  out.mode = tmpl.mode == XFRM_MODE_TRANSPORT ? SaMode::kTransport : SaMode::kTunnel;
  out.spi = Spi{ntohl(tmpl.id.spi)};
  out.source = from_kernel(tmpl.saddr, tmpl.family);
  out.destination = from_kernel(tmpl.id.daddr, tmpl.family);
  if (all.size() > 1)
    out.why_not = "it asks for several SAs around one another (a bundle, or IPComp)";
  else if (tmpl.id.proto != kEsp && tmpl.id.proto != kAh)
    out.why_not = "it asks for neither ESP nor AH";
  else if (tmpl.mode != XFRM_MODE_TRANSPORT && tmpl.mode != XFRM_MODE_TUNNEL)
    out.why_not = "its mode is neither tunnel nor transport";
  else if (tmpl.reqid == 0)
    out.why_not = "it has no reqid, by which its SAs are known";
  else if (tmpl.optional != 0 && out.out())
    out.why_not = "its SA is optional: without one, packets would pass in clear";
}

void read_attribute(const nlattr& a, KernelPolicyRead& out, bool& main) {
  const Bytes data = bytes_of(a);
  const auto u32 = [&](std::size_t at) {
    std::uint32_t n = 0;
    if (data.size() >= at + sizeof n) std::memcpy(&n, data.data() + at, sizeof n);
    return n;
  };
  switch (mnl_attr_get_type(&a)) {
    case XFRMA_TMPL: {
      std::vector<xfrm_user_tmpl> all(data.size() / sizeof(xfrm_user_tmpl));
      if (all.empty()) return;
      std::memcpy(all.data(), data.data(), all.size() * sizeof all[0]);
      return read_template(all, out);
    }
    case XFRMA_MARK:
      out.key.mark = u32(0);
      out.key.mark_mask = u32(4);
      return;
    case XFRMA_IF_ID:
      out.key.if_id = u32(0);
      return;
    case XFRMA_POLICY_TYPE:
      main = data.empty() || data[0] == XFRM_POLICY_TYPE_MAIN;
      return;
    default:
      return;
  }
}

const xfrm_userpolicy_info* info_of(const nlmsghdr& message, std::size_t& header, Buffer& copy) {
  header = sizeof(xfrm_userpolicy_info);
  if (message.nlmsg_type != XFRM_MSG_DELPOLICY) return fixed_header<xfrm_userpolicy_info>(message);
  if (fixed_header<xfrm_userpolicy_id>(message) == nullptr) return nullptr;
  header = sizeof(xfrm_userpolicy_id);
  for_attributes(message, header, [&](const nlattr& a) {
    const Bytes data = bytes_of(a);
    if (mnl_attr_get_type(&a) == XFRMA_POLICY && data.size() >= sizeof(xfrm_userpolicy_info))
      copy.assign(data.begin(), data.end());
  });
  return copy.empty() ? nullptr : reinterpret_cast<const xfrm_userpolicy_info*>(copy.data());
}

}  // namespace

bool operator<(const KernelPolicyKey& a, const KernelPolicyKey& b) {
  if (a.policy < b.policy) return true;
  if (b.policy < a.policy) return false;
  const auto rest = [](const KernelPolicyKey& k) { return std::tuple(k.mark, k.mark_mask, k.if_id); };
  return rest(a) < rest(b);
}

SelectorSet KernelPolicyRead::selectors() const {
  const SelectorPair pair = selector_pair(key.policy.selector);
  if (out()) return {{pair.source}, {pair.destination}};
  return {{pair.destination}, {pair.source}};
}

std::optional<KernelPolicyRead> read_kernel_policy(const nlmsghdr& message) {
  std::size_t header = 0;
  Buffer copy;
  const xfrm_userpolicy_info* info = info_of(message, header, copy);
  if (info == nullptr || info->dir > XFRM_POLICY_FWD) return std::nullopt;
  KernelPolicyRead out;
  out.key.policy = {.direction = info->dir, .selector = info->sel};
  if (info->sel.family != AF_INET && info->sel.family != AF_INET6) return std::nullopt;
  out.priority = info->priority;
  out.action = info->action == XFRM_POLICY_ALLOW ? Action::kBypass : Action::kDiscard;
  bool main = true, block = info->action != XFRM_POLICY_ALLOW;
  for_attributes(message, header, [&](const nlattr& a) { read_attribute(a, out, main); });
  if (!main) return std::nullopt;
  if (block) out.action = Action::kDiscard;
  if (out.key.mark_mask != 0) out.why_not = "it is for packets with a mark alone";
  if (out.key.if_id != 0) out.why_not = "it belongs to an xfrm interface (if_id)";
  if (info->sel.ifindex != 0) out.why_not = "it is for one interface of the kernel alone";
  return out;
}

}  // namespace simplon::ctrl
