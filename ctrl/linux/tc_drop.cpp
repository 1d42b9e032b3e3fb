// SPDX-License-Identifier: Apache-2.0
#include "ctrl/linux/tc_drop.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <cerrno>
#include <cstring>

#include "ctrl/linux/netlink.h"

namespace simplon::ctrl {
namespace {

constexpr std::uint32_t kHandle = 0x51;  // of the filter
constexpr std::uint32_t kFirst = 1;      // its preference: before all others
constexpr std::uint32_t kIngress = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS);
constexpr std::uint32_t kEgress = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS);
constexpr sock_filter kDropAll{.code = BPF_RET | BPF_K, .jt = 0, .jf = 0, .k = TC_ACT_SHOT};

tcmsg header(unsigned index, std::uint32_t parent) {
  tcmsg out{};
  out.tcm_family = AF_UNSPEC;
  out.tcm_ifindex = static_cast<int>(index);
  out.tcm_parent = parent;
  return out;
}

tcmsg our_filter(unsigned index) {
  tcmsg out = header(index, kIngress);
  out.tcm_handle = kHandle;
  out.tcm_info = TC_H_MAKE(kFirst << 16, htons(ETH_P_ALL));
  return out;
}

tcmsg our_qdisc(unsigned index) {
  tcmsg out = header(index, TC_H_CLSACT);
  out.tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0);
  return out;
}

void put_program(NetlinkMessage& message) {
  nlattr* options = mnl_attr_nest_start(message.raw(), TCA_OPTIONS);
  message.put_struct(TCA_BPF_OPS_LEN, std::uint16_t{1});
  message.put_struct(TCA_BPF_OPS, kDropAll);
  message.put_u32(TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT);
  mnl_attr_nest_end(message.raw(), options);
}

bool is_our_program(const nlattr& options) {
  bool drops = false, direct = false;
  for_nested(options, [&](const nlattr& a) {
    const Bytes data = bytes_of(a);
    if (mnl_attr_get_type(&a) == TCA_BPF_OPS)
      drops = data.size() == sizeof kDropAll && std::memcmp(data.data(), &kDropAll, sizeof kDropAll) == 0;
    if (mnl_attr_get_type(&a) == TCA_BPF_FLAGS && data.size() >= 4)
      direct = (mnl_attr_get_u32(&a) & TCA_BPF_FLAG_ACT_DIRECT) != 0;
  });
  return drops && direct;
}

bool is_ours(const nlmsghdr& message) {
  const auto* t = fixed_header<tcmsg>(message);
  if (t == nullptr || t->tcm_handle != kHandle || t->tcm_info >> 16 != kFirst) return false;
  bool ours = false;
  for_attributes(message, sizeof *t, [&](const nlattr& a) {
    if (mnl_attr_get_type(&a) == TCA_OPTIONS) ours = is_our_program(a);
  });
  return ours;
}

// Calls for each filter of the hook; no error where the interface has no such hook.
Result<void> each_filter(Netlink& netlink, unsigned index, std::uint32_t parent, const Netlink::Each& each) {
  NetlinkMessage message(RTM_GETTFILTER, NLM_F_DUMP);
  message.header<tcmsg>() = header(index, parent);
  auto done = netlink.request(message, "reading tc filters", [&](const nlmsghdr& m) {
    const auto* t = fixed_header<tcmsg>(m);
    if (t != nullptr && t->tcm_handle != 0) each(m);  // 0: the head of a preference
  });
  return !done && netlink.error() == EINVAL ? Result<void>{} : done;
}

Result<unsigned> index_of(const std::string& interface) {
  const unsigned index = if_nametoindex(interface.c_str());
  if (index == 0) return fail("there is no interface '" + interface + "'");
  return index;
}

}  // namespace

Result<void> set_tc_drop(const std::string& interface) {
  const auto index = index_of(interface);
  if (!index) return std::unexpected(index.error());
  auto netlink = Netlink::open(NETLINK_ROUTE, 0);
  if (!netlink) return std::unexpected(netlink.error());
  NetlinkMessage qdisc(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL);
  qdisc.header<tcmsg>() = our_qdisc(*index);
  qdisc.put_text(TCA_KIND, "clsact");
  if (auto done = netlink->request(qdisc, "clsact on " + interface); !done && netlink->error() != EEXIST)
    return done;
  NetlinkMessage filter(RTM_NEWTFILTER, NLM_F_CREATE);
  filter.header<tcmsg>() = our_filter(*index);
  filter.put_text(TCA_KIND, "bpf");
  put_program(filter);
  return netlink->request(filter, "tc filter on " + interface);
}

Result<void> remove_tc_drop(const std::string& interface) {
  const auto index = index_of(interface);
  if (!index) return std::unexpected(index.error());
  auto netlink = Netlink::open(NETLINK_ROUTE, 0);
  if (!netlink) return std::unexpected(netlink.error());
  bool ours = false, others = false;
  for (const std::uint32_t parent : {kIngress, kEgress})
    if (auto done = each_filter(*netlink, *index, parent,
                                [&](const nlmsghdr& m) { (is_ours(m) ? ours : others) = true; });
        !done)
      return done;
  if (!ours) return {};
  NetlinkMessage message(others ? RTM_DELTFILTER : RTM_DELQDISC, 0);
  message.header<tcmsg>() = others ? our_filter(*index) : our_qdisc(*index);
  if (others) message.put_text(TCA_KIND, "bpf");
  return netlink->request(message, "removing the tc filter of " + interface);
}

Result<bool> has_tc_drop(const std::string& interface) {
  const auto index = index_of(interface);
  if (!index) return std::unexpected(index.error());
  auto netlink = Netlink::open(NETLINK_ROUTE, 0);
  if (!netlink) return std::unexpected(netlink.error());
  bool found = false;
  if (auto done =
          each_filter(*netlink, *index, kIngress, [&](const nlmsghdr& m) { found = found || is_ours(m); });
      !done)
    return std::unexpected(done.error());
  return found;
}

}  // namespace simplon::ctrl
