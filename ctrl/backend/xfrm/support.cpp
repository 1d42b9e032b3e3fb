// SPDX-License-Identifier: Apache-2.0
#include "ctrl/backend/xfrm/support.h"

#include <linux/netlink.h>

#include <array>
#include <cerrno>

namespace simplon::ctrl {
namespace {

// Asks with an attribute that no kernel would take, of an SA of no family, which every kernel refuses. One
// that knows the attribute looks at it first.
bool is_known(Netlink& requests, std::uint16_t attribute, std::uint8_t wrong) {
  const std::array value{wrong};
  NetlinkMessage message(XFRM_MSG_NEWSA, NLM_F_CREATE | NLM_F_EXCL);
  message.header<xfrm_usersa_info>();
  message.put(attribute, value);
  (void)requests.request(message, "asking what the kernel knows of SAs");
  return requests.error() == ERANGE;
}

}  // namespace

// There is no direction of this number.
KernelSupport probe_support(Netlink& requests) {
  return {.direction = is_known(requests, kSaDirection, 0xff)};
}

// One octet is too short for it.
bool KnownAttributes::has(Netlink& requests, std::uint16_t attribute) {
  const auto [asked, is_new] = asked_.try_emplace(attribute);
  if (is_new) asked->second = is_known(requests, attribute, 0);
  return asked->second;
}

}  // namespace simplon::ctrl
