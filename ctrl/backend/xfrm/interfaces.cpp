// SPDX-License-Identifier: Apache-2.0
#include "ctrl/backend/xfrm/interfaces.h"

#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <string_view>
#include <utility>

namespace simplon::ctrl {
namespace {

// 0: of no xfrm interface.
std::uint32_t if_id_of(const nlmsghdr& message) {
  bool is_xfrm = false;
  std::uint32_t out = 0;
  const auto read_data = [&](const nlattr& data) {
    if (mnl_attr_get_type(&data) == IFLA_XFRM_IF_ID && bytes_of(data).size() == sizeof out)
      out = mnl_attr_get_u32(&data);
  };
  const auto read_info = [&](const nlattr& info) {
    const Bytes value = bytes_of(info);
    if (mnl_attr_get_type(&info) == IFLA_INFO_KIND)
      is_xfrm = std::string_view(reinterpret_cast<const char*>(value.data()), value.size())
                    .starts_with(std::string_view("xfrm\0", 5));
    if (mnl_attr_get_type(&info) == IFLA_INFO_DATA) for_nested(info, read_data);
  };
  for_attributes(message, sizeof(ifinfomsg), [&](const nlattr& a) {
    if (mnl_attr_get_type(&a) == IFLA_LINKINFO) for_nested(a, read_info);
  });
  return is_xfrm ? out : 0;
}

}  // namespace

Result<XfrmInterfaces> XfrmInterfaces::open() {
  auto requests = Netlink::open(NETLINK_ROUTE, 0);
  if (!requests) return std::unexpected(requests.error());
  auto notices = Netlink::open(NETLINK_ROUTE, RTMGRP_LINK);
  if (!notices) return std::unexpected(notices.error());
  return XfrmInterfaces(std::move(*requests), std::move(*notices));
}

Result<unsigned> XfrmInterfaces::of(std::uint32_t if_id) {
  if (!all_) {
    auto now = read();
    if (!now) return std::unexpected(now.error());
    all_ = std::move(*now);
  }
  const auto found = all_->find(if_id);
  return found == all_->end() ? 0 : found->second;
}

Result<XfrmInterfaces::Numbers> XfrmInterfaces::read() {
  Numbers now;
  NetlinkMessage message(RTM_GETLINK, NLM_F_DUMP);
  message.header<ifinfomsg>();
  const auto done = requests_.dump(
      message, "reading the kernel's interfaces", [&] { now.clear(); },
      [&](const nlmsghdr& m) {
        const auto* link = fixed_header<ifinfomsg>(m);
        const std::uint32_t if_id = link == nullptr ? 0 : if_id_of(m);
        if (if_id != 0) now[if_id] = static_cast<unsigned>(link->ifi_index);
      });
  if (!done) return std::unexpected(done.error());
  return now;
}

bool XfrmInterfaces::poll() {
  bool changed = std::exchange(stale_, false);
  const bool all = notices_.notices([&](const nlmsghdr&) { changed = true; });
  return changed || !all;
}

Result<bool> XfrmInterfaces::reread() {
  if (!all_) return false;
  auto now = read();
  stale_ = !now;
  if (!now) return std::unexpected(now.error());
  if (*now == *all_) return false;
  all_ = std::move(*now);
  return true;
}

}  // namespace simplon::ctrl
