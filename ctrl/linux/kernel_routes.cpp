// SPDX-License-Identifier: Apache-2.0
#include "ctrl/linux/kernel_routes.h"

#include <linux/fib_rules.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "ctrl/linux/netlink.h"

namespace simplon::ctrl {
namespace {

constexpr unsigned kUnusableHop = RTNH_F_DEAD | RTNH_F_LINKDOWN;

std::optional<IpAddress> via(Bytes data) {  // RTA_VIA: a gateway of the other family (RFC 5549)
  return data.size() < sizeof(rtvia) ? std::nullopt : IpAddress::from_bytes(data.subspan(sizeof(rtvia)));
}

struct Told {
  std::optional<IpAddress> destination;
  KernelHop hop;
  std::vector<KernelHop> multipath{};
  std::optional<std::uint32_t> table, object;
  std::uint32_t metric = 0;
  std::uint16_t mtu = 0;
  bool encapsulated = false;  // MPLS, SRv6 and the like
};

void read_hop_attribute(const nlattr& a, KernelHop& hop) {
  if (mnl_attr_get_type(&a) == RTA_OIF) hop.interface = mnl_attr_get_u32(&a);
  if (mnl_attr_get_type(&a) == RTA_GATEWAY) hop.gateway = IpAddress::from_bytes(bytes_of(a));
  if (mnl_attr_get_type(&a) == RTA_VIA) hop.gateway = via(bytes_of(a));
}

void read_multipath(const nlattr& multipath, Told& out) {
  const auto* next = static_cast<const rtnexthop*>(mnl_attr_get_payload(&multipath));
  int left = mnl_attr_get_payload_len(&multipath);
  for (; RTNH_OK(next, left); left -= NLMSG_ALIGN(next->rtnh_len), next = RTNH_NEXT(next)) {
    KernelHop hop{.interface = static_cast<unsigned>(next->rtnh_ifindex),
                  .gateway = {},
                  .weight = next->rtnh_hops + 1u,
                  .usable = (next->rtnh_flags & kUnusableHop) == 0};
    const char* end = reinterpret_cast<const char*>(next) + next->rtnh_len;
    const auto* a = reinterpret_cast<const nlattr*>(RTNH_DATA(next));
    for (; mnl_attr_ok(a, static_cast<int>(end - reinterpret_cast<const char*>(a))); a = mnl_attr_next(a)) {
      out.encapsulated = out.encapsulated || mnl_attr_get_type(a) == RTA_ENCAP;
      read_hop_attribute(*a, hop);
    }
    out.multipath.push_back(hop);
  }
}

void read_metric(const nlattr& a, Told& out) {
  if (mnl_attr_get_type(&a) != RTAX_MTU || bytes_of(a).size() != 4) return;
  out.mtu = static_cast<std::uint16_t>(std::min<std::uint32_t>(mnl_attr_get_u32(&a), 0xffff));
}

Told told(const nlmsghdr& message) {
  Told out;
  for_attributes(message, sizeof(rtmsg), [&](const nlattr& a) {
    switch (mnl_attr_get_type(&a)) {
      case RTA_DST:
        out.destination = IpAddress::from_bytes(bytes_of(a));
        break;
      case RTA_TABLE:
        out.table = mnl_attr_get_u32(&a);
        break;
      case RTA_PRIORITY:
        out.metric = mnl_attr_get_u32(&a);
        break;
      case RTA_NH_ID:
        out.object = mnl_attr_get_u32(&a);
        break;
      case RTA_METRICS:
        for_nested(a, [&](const nlattr& m) { read_metric(m, out); });
        break;
      case RTA_ENCAP:
        out.encapsulated = true;
        break;
      case RTA_MULTIPATH:
        read_multipath(a, out);
        break;
      default:
        read_hop_attribute(a, out.hop);
    }
  });
  return out;
}

std::optional<dp::RouteKind> kind_of(const rtmsg& route) {
  switch (route.rtm_type) {
    case RTN_UNICAST:
      return dp::RouteKind::kForward;
    case RTN_BLACKHOLE:
      return dp::RouteKind::kBlackhole;
    case RTN_UNREACHABLE:
      return dp::RouteKind::kUnreachable;
    case RTN_PROHIBIT:
      return dp::RouteKind::kProhibit;
    case RTN_THROW:
      return dp::RouteKind::kThrow;
    default:
      return std::nullopt;
  }
}

// The hops of a next hop object. A kernel with net.ipv4.nexthop_compat_mode 0 does not repeat them in the
// route. Groups have no groups in them.
std::vector<KernelHop> hops_of(std::uint32_t id, const NextHopObjects& objects) {
  const auto found = objects.find(id);
  if (found == objects.end()) return {};
  std::vector<KernelHop> out = found->second.hops;
  for (const auto& [member, weight] : found->second.group) {
    const auto part = objects.find(member);
    if (part == objects.end()) continue;
    for (KernelHop hop : part->second.hops) {
      hop.weight = weight;
      out.push_back(hop);
    }
  }
  return out;
}

std::vector<KernelHop> hops_of(const Told& route, const NextHopObjects& objects) {
  if (!route.multipath.empty()) return route.multipath;
  if (route.hop.interface != 0) return {route.hop};
  return route.object ? hops_of(*route.object, objects) : std::vector<KernelHop>{};
}

bool is_all_users(Bytes range) {
  fib_rule_uid_range r{};
  if (range.size() < sizeof r) return false;
  std::memcpy(&r, range.data(), sizeof r);
  return r.start == 0 && r.end == ~std::uint32_t{0};
}

}  // namespace

void read_next_hop_object(const nlmsghdr& message, NextHopObjects& objects) {
  const auto* header = fixed_header<nhmsg>(message);
  if (header == nullptr) return;
  std::uint32_t id = 0;
  KernelHop hop{.usable = (header->nh_flags & kUnusableHop) == 0};
  NextHopObject object;
  for_attributes(message, sizeof(nhmsg), [&](const nlattr& a) {
    const Bytes b = bytes_of(a);
    if (mnl_attr_get_type(&a) == NHA_ID) id = mnl_attr_get_u32(&a);
    if (mnl_attr_get_type(&a) == NHA_OIF) hop.interface = mnl_attr_get_u32(&a);
    if (mnl_attr_get_type(&a) == NHA_GATEWAY) hop.gateway = IpAddress::from_bytes(b);
    if (mnl_attr_get_type(&a) != NHA_GROUP) return;
    for (std::size_t at = 0; at + sizeof(nexthop_grp) <= b.size(); at += sizeof(nexthop_grp)) {
      nexthop_grp member;
      std::memcpy(&member, b.data() + at, sizeof member);
      const unsigned high = b[at + offsetof(nexthop_grp, weight) + 1];  // since Linux 6.12, before it 0
      object.group.emplace_back(member.id, (high << 8 | member.weight) + 1u);
    }
  });
  if (hop.interface != 0) object.hops.push_back(hop);
  objects[id] = std::move(object);
}

RouteFit read_route(const nlmsghdr& message, const PortsByInterface& ports, const NextHopObjects& objects,
                    KernelRoute& out) {
  const auto* route = fixed_header<rtmsg>(message);
  if (route == nullptr || (route->rtm_flags & RTM_F_CLONED) != 0) return RouteFit::kElsewhere;
  if (route->rtm_family != AF_INET && route->rtm_family != AF_INET6) return RouteFit::kElsewhere;
  const auto kind = kind_of(*route);
  const Told all = told(message);
  if (!kind || all.table.value_or(route->rtm_table) != RT_TABLE_MAIN) return RouteFit::kElsewhere;
  if (route->rtm_tos != 0 || route->rtm_src_len != 0) return RouteFit::kSpecial;
  const Family family = route->rtm_family == AF_INET ? Family::kV4 : Family::kV6;
  dp::Route way{.prefix = {all.destination.value_or(IpAddress::any(family)), route->rtm_dst_len},
                .gateway = {},
                .metric = all.metric,
                .kind = *kind,
                .mtu = all.mtu};
  const auto add = [&](bool usable) {
    out.ways.push_back(way);
    out.usable.push_back(usable);
  };
  if (way.kind != dp::RouteKind::kForward) {
    way.mtu = 0;
    add(true);
    return RouteFit::kFollowed;
  }
  const bool dead = (route->rtm_flags & kUnusableHop) != 0;
  for (const KernelHop& hop : hops_of(all, objects)) {
    const auto port = ports.find(hop.interface);
    if (port == ports.end()) continue;
    way.gateway = hop.gateway;
    way.port = port->second;
    way.weight = hop.weight;
    // The data path makes no such headers: without them the packets would go to somebody else.
    if (all.encapsulated) way.kind = dp::RouteKind::kUnreachable;
    add(!dead && hop.usable);
  }
  return out.ways.empty() ? RouteFit::kElsewhere : RouteFit::kFollowed;
}

std::optional<IpAddress> broadcast_of(const nlmsghdr& message) {
  const auto* route = fixed_header<rtmsg>(message);
  if (route == nullptr || route->rtm_type != RTN_BROADCAST || route->rtm_family != AF_INET ||
      route->rtm_dst_len != 32)
    return std::nullopt;
  return told(message).destination;
}

bool is_standard_rule(const nlmsghdr& message) {
  const auto* rule = fixed_header<fib_rule_hdr>(message);
  if (rule == nullptr) return true;
  if (rule->family != AF_INET && rule->family != AF_INET6) return true;  // of multicast routing
  bool standard = rule->action == FR_ACT_TO_TBL && rule->src_len == 0 && rule->dst_len == 0 &&
                  rule->tos == 0 && (rule->flags & FIB_RULE_INVERT) == 0;
  std::uint32_t table = rule->table;
  for_attributes(message, sizeof(fib_rule_hdr), [&](const nlattr& a) {
    switch (mnl_attr_get_type(&a)) {
      case FRA_TABLE:
        table = mnl_attr_get_u32(&a);
        break;
      case FRA_SUPPRESS_PREFIXLEN:
      case FRA_SUPPRESS_IFGROUP:
        standard = standard && mnl_attr_get_u32(&a) == ~std::uint32_t{0};
        break;
      case FRA_PRIORITY:
      case FRA_PROTOCOL:
        break;
      case FRA_UID_RANGE:
        standard = standard && is_all_users(bytes_of(a));
        break;
      default:
        standard = false;
    }
  });
  return standard && (table == RT_TABLE_LOCAL || table == RT_TABLE_MAIN || table == RT_TABLE_DEFAULT);
}

}  // namespace simplon::ctrl
