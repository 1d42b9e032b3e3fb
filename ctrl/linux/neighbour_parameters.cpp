// SPDX-License-Identifier: Apache-2.0
#include "ctrl/linux/neighbour_parameters.h"

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace simplon::ctrl {
namespace {

// Milliseconds. The kernel takes one at random from half of it to one and a half (RFC 4861 §6.3.2).
constexpr std::uint64_t kReachable = 3000;
// RFC 4861's DELAY waits for a word of the upper layers. Those of the data path say none.
constexpr std::uint64_t kDelay = 100;
constexpr std::uint32_t kUnicastProbes = 1, kMulticastProbes = 3;  // a second apart

Result<void> set(Netlink& requests, std::uint8_t family, const std::string& table, unsigned interface) {
  NetlinkMessage message(RTM_SETNEIGHTBL, 0);
  message.header<ndtmsg>().ndtm_family = family;
  message.put_text(NDTA_NAME, table);
  message.nest(NDTA_PARMS, [&] {
    message.put_u32(NDTPA_IFINDEX, interface);
    message.put_struct(NDTPA_BASE_REACHABLE_TIME, kReachable);
    message.put_struct(NDTPA_DELAY_PROBE_TIME, kDelay);
    message.put_u32(NDTPA_UCAST_PROBES, kUnicastProbes);
    message.put_u32(NDTPA_MCAST_REPROBES, kMulticastProbes);
  });
  return requests.request(message, "setting how neighbours are watched (" + table + ")");
}

}  // namespace

Result<void> watch_neighbours_closely(Netlink& requests, unsigned interface) {
  auto done = set(requests, AF_INET, "arp_cache", interface);
  if (!done) return done;
  done = set(requests, AF_INET6, "ndisc_cache", interface);
  return !done && requests.error() == ENOENT ? Result<void>{} : done;  // a kernel without IPv6
}

}  // namespace simplon::ctrl
