// SPDX-License-Identifier: Apache-2.0
#include "ctrl/backend/xfrm/support.h"

#include <linux/netlink.h>

#include <array>
#include <cerrno>

namespace simplon::ctrl {

// An SA of no family, which every kernel refuses. One that knows the direction looks at it first, and says
// that there is none of this number.
KernelSupport probe_support(Netlink& requests) {
  constexpr std::array<std::uint8_t, 1> kNoDirection{0xff};
  NetlinkMessage message(XFRM_MSG_NEWSA, NLM_F_CREATE | NLM_F_EXCL);
  message.header<xfrm_usersa_info>();
  message.put(kSaDirection, kNoDirection);
  (void)requests.request(message, "asking for the direction of SAs");
  return {.direction = requests.error() == ERANGE};
}

}  // namespace simplon::ctrl
