// SPDX-License-Identifier: Apache-2.0
#include "ctrl/linux/network_mirror.h"

#include <linux/neighbour.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

#include "ctrl/linux/link.h"
#include "ctrl/linux/neighbour_parameters.h"

namespace simplon::ctrl {
namespace {

constexpr unsigned kGroups = RTMGRP_LINK | RTMGRP_NEIGH | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE |
                             RTMGRP_IPV6_IFADDR | RTMGRP_IPV6_ROUTE;
constexpr std::array kMoreGroups{RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE, RTNLGRP_NEXTHOP};
using Clock = std::chrono::steady_clock;

// A read that takes so long is followed by a pause, so that others have most of this thread's time.
constexpr std::chrono::milliseconds kLongRead{10};
constexpr int kPause = 5;
constexpr std::uint16_t kUsable = NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT;

constexpr int kReadAttempts = 5;
constexpr std::uint32_t kDefaultMetricV6 = 1024;  // IP6_RT_PRIO_USER

std::uint8_t af(const IpAddress& a) { return a.is_v4() ? AF_INET : AF_INET6; }

bool is_loopback(const IpAddress& a) {
  return a.is_v4() ? a.v4_host() >> 24 == 127 : a == *IpAddress::parse("::1");
}

struct Attributes {
  std::optional<IpAddress> address, local;
  std::optional<dp::Mac> mac;
};

// What this thread had of the processor.
std::chrono::nanoseconds thread_time() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

bool is_of_neighbour(const nlmsghdr& notice) {
  return notice.nlmsg_type == RTM_NEWNEIGH || notice.nlmsg_type == RTM_DELNEIGH;
}

Attributes address_attributes(const nlmsghdr& message) {
  Attributes out;
  for_attributes(message, sizeof(ifaddrmsg), [&](const nlattr& a) {
    if (mnl_attr_get_type(&a) == IFA_ADDRESS) out.address = IpAddress::from_bytes(bytes_of(a));
    if (mnl_attr_get_type(&a) == IFA_LOCAL) out.local = IpAddress::from_bytes(bytes_of(a));
  });
  return out;
}

Attributes neighbour_attributes(const nlmsghdr& message) {
  Attributes out;
  for_attributes(message, sizeof(ndmsg), [&](const nlattr& a) {
    const Bytes b = bytes_of(a);
    if (mnl_attr_get_type(&a) == NDA_DST) out.address = IpAddress::from_bytes(b);
    if (mnl_attr_get_type(&a) == NDA_LLADDR && b.size() == 6) std::ranges::copy(b, out.mac.emplace().begin());
  });
  return out;
}

void put_gateway(NetlinkMessage& message, const dp::Route& route) {
  if (route.gateway->family() == route.prefix.address.family())
    return message.put(RTA_GATEWAY, route.gateway->bytes());
  const std::uint16_t family = af(*route.gateway);
  Buffer out(sizeof family);
  std::memcpy(out.data(), &family, sizeof family);
  out.insert(out.end(), route.gateway->bytes().begin(), route.gateway->bytes().end());
  message.put(RTA_VIA, out);
}

}  // namespace

Result<std::unique_ptr<NetworkMirror>> NetworkMirror::open(const std::vector<std::string>& taps,
                                                           HostIpsec ipsec) {
  auto events = Netlink::open(NETLINK_ROUTE, kGroups);
  if (!events) return std::unexpected(events.error());
  auto requests = Netlink::open(NETLINK_ROUTE, 0);
  if (!requests) return std::unexpected(requests.error());
  for (const unsigned group : kMoreGroups) [[maybe_unused]]
    const auto old_kernel = events->join(group);  // without next hop objects
  std::unique_ptr<NetworkMirror> mirror(new NetworkMirror(std::move(*requests), std::move(*events), ipsec));
  for (std::size_t i = 0; i < taps.size(); ++i)
    mirror->taps_[dp::PortIndex{static_cast<std::uint16_t>(i)}] = taps[i];
  mirror->find_interfaces();
  for (const auto& [port, index] : mirror->interfaces_)
    if (index == 0) return fail("there is no interface '" + mirror->taps_[port] + "' to mirror");
  auto first = mirror->read();
  if (!first) return std::unexpected(first.error());
  mirror->network_ = std::move(*first);
  return mirror;
}

void NetworkMirror::find_interfaces() {
  interfaces_.clear();
  ports_.clear();
  for (const auto& [port, name] : taps_) {
    const unsigned index = interfaces_[port] = interface_index(events_.fd(), name);
    if (index != 0) ports_[index] = port;
  }
}

void NetworkMirror::follow_tunnels(const std::map<dp::PortIndex, std::string>& tunnels) {
  std::erase_if(taps_, [](const auto& tap) { return dp::is_tunnel(tap.first); });
  taps_.insert(tunnels.begin(), tunnels.end());
  find_interfaces();
  stale_ = true;
}

bool NetworkMirror::Told::usable() const { return (state & kUsable) != 0 && mac; }

// None: of no neighbour of a port.
std::optional<NetworkMirror::Told> NetworkMirror::told(const nlmsghdr& message) const {
  const auto* n = fixed_header<ndmsg>(message);
  if (n == nullptr) return std::nullopt;
  const auto port = ports_.find(static_cast<unsigned>(n->ndm_ifindex));
  const Attributes a = neighbour_attributes(message);
  if (port == ports_.end() || !a.address) return std::nullopt;
  return Told{{port->second, *a.address}, n->ndm_state, a.mac};
}

// Neighbours that are in use are confirmed every few seconds: that alone does not change the tables.
bool NetworkMirror::changes_nothing(const nlmsghdr& notice) {
  if (!is_of_neighbour(notice)) return false;
  const auto now = told(notice);
  if (!now) return true;
  const bool usable = notice.nlmsg_type == RTM_NEWNEIGH && now->usable();
  const auto known = known_.find(now->key);
  if (known == known_.end()) return !usable;
  if (!usable || *now->mac != known->second.mac) return false;
  known->second.unconfirmed = now->state == NUD_STALE;
  return true;
}

// A tunnel interface that is up again by now has lost its routes nevertheless: it is told as down once.
void NetworkMirror::note_going_down(const nlmsghdr& notice) {
  if (notice.nlmsg_type != RTM_NEWLINK && notice.nlmsg_type != RTM_DELLINK) return;
  const auto* link = fixed_header<ifinfomsg>(notice);
  if (link == nullptr) return;
  const auto index = static_cast<unsigned>(link->ifi_index);
  const auto port = ports_.find(index);
  if (port == ports_.end() || !dp::is_tunnel(port->second)) return;
  if (notice.nlmsg_type == RTM_DELLINK || (link->ifi_flags & IFF_UP) == 0) went_down_.insert(index);
}

// On any other notice, everything is read again, and so the mirror cannot drift from the kernel; a packet
// waits for a neighbour, so for those at once. When reading fails, the next call tries again.
bool NetworkMirror::poll() {
  bool urgent = false;
  const bool complete = events_.notices([&](const nlmsghdr& m) {
    note_going_down(m);
    const bool news = !changes_nothing(m);
    stale_ = stale_ || news;
    urgent = urgent || (news && is_of_neighbour(m));
  });
  if (!complete) stale_ = true;
  const auto began = Clock::now();
  if (!stale_ || (began < next_read_ && !urgent && went_down_.empty())) return false;
  const auto before = thread_time();
  find_interfaces();
  auto now = read();
  if (const auto took = thread_time() - before; took > kLongRead) next_read_ = began + kPause * took;
  if (!now) return false;
  stale_ = !std::exchange(went_down_, {}).empty();
  if (*now == network_) return false;
  network_ = std::move(*now);
  return true;
}

Result<void> NetworkMirror::dump(std::uint16_t type, const std::string& what, const Netlink::Each& each) {
  NetlinkMessage message(type, NLM_F_DUMP);
  if (type == RTM_GETNEXTHOP)
    message.header<nhmsg>().nh_family = AF_UNSPEC;
  else
    message.header<rtgenmsg>().rtgen_family = AF_UNSPEC;
  return requests_.request(message, "reading the kernel's " + what, each);
}

// When something changes in the middle of a dump, the kernel says EINTR, and entries may be missing: the dump
// starts again.
Result<dp::NetworkSpec> NetworkMirror::read() {
  for (int attempt = 1;; ++attempt) {
    dp::NetworkSpec spec;
    known_.clear();
    spare_.clear();
    beyond_ = {};
    read_tunnels(spec);
    auto done = dump(RTM_GETADDR, "addresses", [&](const nlmsghdr& m) { read_address(m, spec); });
    if (done) done = read_next_hop_objects();
    if (done) done = dump(RTM_GETROUTE, "routes", [&](const nlmsghdr& m) { read_route(m, spec); });
    if (done)
      done = dump(RTM_GETRULE, "rules", [&](const nlmsghdr& m) { beyond_.rules |= !is_standard_rule(m); });
    if (done) done = dump(RTM_GETNEIGH, "neighbours", [&](const nlmsghdr& m) { read_neighbour(m, spec); });
    if (done) return add_spare_ways(spec), spec;
    if (requests_.error() != EINTR || attempt == kReadAttempts) return std::unexpected(done.error());
  }
}

void NetworkMirror::read_address(const nlmsghdr& message, dp::NetworkSpec& spec) const {
  const auto* header = fixed_header<ifaddrmsg>(message);
  if (header == nullptr) return;
  const auto port = ports_.find(header->ifa_index);
  const Attributes a = address_attributes(message);
  const auto address = a.local ? a.local : a.address;
  if (!address || is_loopback(*address)) return;
  spec.addresses.push_back({*address, port == ports_.end() ? std::nullopt : std::optional(port->second)});
}

Result<void> NetworkMirror::read_next_hop_objects() {
  objects_.clear();
  auto done =
      dump(RTM_GETNEXTHOP, "next hops", [&](const nlmsghdr& m) { read_next_hop_object(m, objects_); });
  return !done && requests_.error() == EOPNOTSUPP ? Result<void>{} : done;  // a kernel without them
}

// Of two routes of one prefix and metric, which are no multipath route together, the kernel takes the first.
void NetworkMirror::read_route(const nlmsghdr& message, dp::NetworkSpec& spec) {
  if (const auto broadcast = broadcast_of(message)) return spec.broadcasts.push_back(*broadcast);
  KernelRoute route;
  const RouteFit fit = ctrl::read_route(message, ports_, objects_, route);
  beyond_.special_routes |= fit == RouteFit::kSpecial;
  if (fit != RouteFit::kFollowed) return;
  const dp::Route& way = route.ways[0];
  if (!spec.routes.empty() && spec.routes.back().prefix == way.prefix &&
      spec.routes.back().metric == way.metric)
    return;
  for (std::size_t i = 0; i < route.ways.size(); ++i)
    if (route.usable[i])
      spec.routes.push_back(route.ways[i]);
    else if (dp::is_tunnel(route.ways[i].port))
      spare_.push_back(route.ways[i]);
}

// A tunnel interface has no link while it has no SA. What is routed there must not take the next route, and
// asks for the SA; unless another tunnel interface has a route of the prefix, and a link.
void NetworkMirror::add_spare_ways(dp::NetworkSpec& spec) {
  if (spare_.empty()) return;
  std::set<Prefix> have;
  for (const dp::Route& route : spec.routes)
    if (dp::is_tunnel(route.port)) have.insert(route.prefix);
  std::ranges::copy_if(spare_, std::back_inserter(spec.routes),
                       [&](const dp::Route& route) { return !have.contains(route.prefix); });
}

void NetworkMirror::read_tunnels(dp::NetworkSpec& spec) const {
  for (const auto& [port, name] : taps_)
    if (dp::is_tunnel(port) && is_set_up(events_.fd(), name) && !went_down_.contains(interface(port)))
      spec.tunnels.push_back(port);
}

void NetworkMirror::read_neighbour(const nlmsghdr& message, dp::NetworkSpec& spec) {
  const auto now = told(message);
  if (!now || !now->usable()) return;
  spec.neighbours.push_back({now->key.address, now->key.port, *now->mac});
  known_[now->key] = {*now->mac, now->state == NUD_STALE};
}

Result<void> NetworkMirror::change_address(std::uint16_t type, std::uint16_t flags, dp::PortIndex port,
                                           const IpAddress& address, std::uint8_t length) {
  NetlinkMessage message(type, flags);
  auto& header = message.header<ifaddrmsg>();
  header.ifa_family = af(address);
  header.ifa_prefixlen = length;
  header.ifa_index = interface(port);
  // Without duplicate address detection (RFC 4862 §5.4), which would delay the gateway's start: the
  // administrator has chosen the address.
  header.ifa_flags = address.is_v4() ? 0 : IFA_F_NODAD;
  message.put(IFA_LOCAL, address.bytes());
  message.put(IFA_ADDRESS, address.bytes());
  return requests_.request(message, "address " + address.text() + "/" + std::to_string(length));
}

Result<void> NetworkMirror::add_address(dp::PortIndex port, const IpAddress& address, std::uint8_t length) {
  return change_address(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, port, address, length);
}

Result<bool> NetworkMirror::restore_address(dp::PortIndex port, const IpAddress& address,
                                            std::uint8_t length) {
  auto done = change_address(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, port, address, length);
  if (!done && requests_.error() != EEXIST) return std::unexpected(done.error());
  return done.has_value();
}

Result<void> NetworkMirror::remove_address(dp::PortIndex port, const IpAddress& address,
                                           std::uint8_t length) {
  auto done = change_address(RTM_DELADDR, 0, port, address, length);
  return !done && requests_.error() == EADDRNOTAVAIL ? Result<void>{} : done;
}

Result<void> NetworkMirror::change_route(std::uint16_t type, std::uint16_t flags, const dp::Route& route) {
  NetlinkMessage message(type, flags);
  auto& header = message.header<rtmsg>();
  header.rtm_family = af(route.prefix.address);
  header.rtm_dst_len = route.prefix.length;
  header.rtm_table = RT_TABLE_MAIN;
  header.rtm_protocol = RTPROT_STATIC;
  header.rtm_scope = route.gateway || header.rtm_family == AF_INET6 ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
  header.rtm_type = RTN_UNICAST;
  message.put(RTA_DST, route.prefix.address.bytes());
  if (route.gateway) put_gateway(message, route);
  message.put_u32(RTA_OIF, interface(route.port));
  if (route.metric != 0) message.put_u32(RTA_PRIORITY, route.metric);
  return requests_.request(message, "route to " + route.prefix.text());
}

// Whether the kernel has a route of this prefix and metric, and it leads to a port.
Result<bool> NetworkMirror::port_has_route(const dp::Route& route) {
  const std::uint32_t unset = route.prefix.address.is_v4() ? 0 : kDefaultMetricV6;
  bool ours = false;
  auto done = dump(RTM_GETROUTE, "routes", [&](const nlmsghdr& m) {
    KernelRoute found;
    if (ctrl::read_route(m, ports_, objects_, found) != RouteFit::kFollowed) return;
    const dp::Route& way = found.ways[0];
    const std::uint32_t metric = route.metric != 0 ? route.metric : unset;
    ours =
        ours || (way.kind == dp::RouteKind::kForward && way.prefix == route.prefix && way.metric == metric);
  });
  if (!done) return std::unexpected(done.error());
  return ours;
}

Result<void> NetworkMirror::add_route(const dp::Route& route) {
  auto done = change_route(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, route);
  if (done || requests_.error() != EEXIST) return done;
  const auto ours = port_has_route(route);
  if (!ours) return std::unexpected(ours.error());
  if (*ours) return change_route(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, route);
  return fail(
      "route to " + route.prefix.text() +
      ": the kernel has one of the same metric that leads to no port; give this one another metric, or "
      "remove that one");
}

Result<bool> NetworkMirror::restore_route(const dp::Route& route) {
  auto done = change_route(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, route);
  if (!done && requests_.error() != EEXIST) return std::unexpected(done.error());
  return done.has_value();
}

Result<void> NetworkMirror::remove_route(const dp::Route& route) {
  auto done = change_route(RTM_DELROUTE, 0, route);
  return !done && requests_.error() == ESRCH ? Result<void>{} : done;
}

NetlinkMessage NetworkMirror::about_neighbour(const Neighbouring& how, const dp::NeighbourKey& key) const {
  NetlinkMessage message(how.type, how.flags);
  auto& header = message.header<ndmsg>();
  header.ndm_family = af(key.address);
  header.ndm_ifindex = static_cast<int>(interface(key.port));
  header.ndm_state = how.state;
  header.ndm_flags = how.use;
  message.put(NDA_DST, key.address.bytes());
  return message;
}

Result<void> NetworkMirror::resolve(dp::PortIndex port, const IpAddress& address) {
  NetlinkMessage message =
      about_neighbour({.type = RTM_NEWNEIGH, .flags = NLM_F_CREATE, .use = NTF_USE}, {port, address});
  return requests_.request(message, "next hop " + address.text());
}

Result<void> NetworkMirror::add_neighbour(const dp::Neighbour& neighbour) {
  NetlinkMessage message =
      about_neighbour({.type = RTM_NEWNEIGH, .flags = NLM_F_CREATE | NLM_F_EXCL, .state = NUD_STALE},
                      {neighbour.port, neighbour.address});
  message.put(NDA_LLADDR, neighbour.mac);
  auto done = requests_.request(message, "neighbour " + neighbour.address.text());
  return !done && requests_.error() == EEXIST ? Result<void>{} : done;
}

Result<void> NetworkMirror::forget_silent() {
  std::vector<dp::NeighbourKey> silent;
  auto done = dump(RTM_GETNEIGH, "neighbours", [&](const nlmsghdr& m) {
    if (const auto neighbour = told(m); neighbour && (neighbour->state & (NUD_INCOMPLETE | NUD_FAILED)) != 0)
      silent.push_back(neighbour->key);
  });
  for (const dp::NeighbourKey& key : silent) {
    NetlinkMessage message = about_neighbour({.type = RTM_DELNEIGH}, key);
    auto gone = requests_.request(message, "forgetting " + key.address.text());
    if (!gone && requests_.error() != ENOENT && done) done = gone;  // it has answered, or timed out
  }
  return done;
}

Result<void> NetworkMirror::confirm(const std::vector<dp::NeighbourKey>& used) {
  Result<void> first;
  for (const dp::NeighbourKey& key : used) {
    const auto known = known_.find(key);
    if (known == known_.end() || !std::exchange(known->second.unconfirmed, false)) continue;
    if (auto asked = resolve(key.port, key.address); !asked && first) first = asked;
  }
  return first;
}

namespace {

std::string setting_of(const std::string& interface, const char* key) {
  return "/proc/sys/net/ipv4/conf/" + interface + "/" + key;
}

bool is_strict(const std::string& interface) {
  std::string value;
  std::ifstream(setting_of(interface, "rp_filter")) >> value;
  return value == "1";
}

// What the host sends by the TAP leaves it in clear for the data path to protect, and what the data path has
// taken out of an SA the kernel does not ask where it was protected. IPv6 has no switch for the first: there
// a policy of the kernel's that protects holds at the TAP too.
Result<void> leave_ipsec_to_data_path(const std::string& tap) {
  Result<void> first;
  for (const char* setting :
       {"ipv4/conf/*/disable_xfrm", "ipv4/conf/*/disable_policy", "ipv6/conf/*/disable_policy"}) {
    std::string path = std::string("/proc/sys/net/") + setting, value;
    path.replace(path.find('*'), 1, tap);
    std::ofstream(path) << "1";
    std::ifstream(path) >> value;
    if (value != "1" && std::filesystem::exists(path) && first)
      first = fail(path.append(" cannot be set: the kernel's own IPsec stands in the way of ").append(tap));
  }
  return first;
}

}  // namespace

// The data path says which port a packet came in at, and what came out of an SA has no route back by it: so
// its source may need a route, but by any interface (RFC 3704 §2.4). The larger of this and of `all` counts,
// which makes 2 of a strict 1. And a neighbour is asked in the name of an address of its own link: what
// checks sources would not answer another one.
Result<void> NetworkMirror::prepare(unsigned interface, bool is_tunnel) {
  std::array<char, IF_NAMESIZE> name{};
  if (if_indextoname(interface, name.data()) != nullptr) {
    if (is_strict(name.data()) || is_strict("all"))
      std::ofstream(setting_of(name.data(), "rp_filter")) << "2";
    std::ofstream(setting_of(name.data(), "arp_announce")) << "2";
    // The other end of a tunnel is no router that gives addresses and routes out.
    if (is_tunnel)
      for (const char* key : {"accept_ra", "accept_redirects"})
        std::ofstream("/proc/sys/net/ipv6/conf/" + std::string(name.data()) + "/" + key) << "0";
  }
  auto watched = watch_neighbours_closely(requests_, interface);
  if (ipsec_ == HostIpsec::kDataPath && !is_tunnel && name[0] != '\0')
    if (auto done = leave_ipsec_to_data_path(name.data()); !done) return done;
  return watched;
}

Result<void> NetworkMirror::watch_closely() {
  Result<void> first;
  for (const auto& [port, interface] : interfaces_)
    if (interface != 0 && watched_.insert(interface).second)
      if (auto done = prepare(interface, dp::is_tunnel(port)); !done && first) first = done;
  return first;
}

}  // namespace simplon::ctrl
