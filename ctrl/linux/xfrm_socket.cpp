// SPDX-License-Identifier: Apache-2.0
#include "ctrl/linux/xfrm_socket.h"

#include <linux/in6.h>
#include <linux/netlink.h>
#include <linux/udp.h>
#include <linux/xfrm.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "ctrl/linux/netlink.h"

namespace simplon::ctrl {

#ifndef IP_XFRM_POLICY
constexpr int IP_XFRM_POLICY = 17;
#endif
#ifndef IPV6_XFRM_POLICY
constexpr int IPV6_XFRM_POLICY = 35;
#endif

Result<void> prepare_for_kernel_esp(int fd, Family family, bool encapsulation) {
  // The option is xfrm_user's, and the kernel loads that module for a netlink socket, but not for the option.
  if (const auto xfrm = Netlink::open(NETLINK_XFRM, 0); !xfrm)
    return fail("the kernel has no XFRM: " + xfrm.error().what);
  const bool v4 = family == Family::kV4;
  for (const std::uint8_t direction : {XFRM_POLICY_OUT, XFRM_POLICY_IN}) {
    xfrm_userpolicy_info policy{};
    policy.action = XFRM_POLICY_ALLOW;
    policy.sel.family = v4 ? AF_INET : AF_INET6;
    policy.dir = direction;
    if (setsockopt(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_XFRM_POLICY : IPV6_XFRM_POLICY, &policy,
                   sizeof policy) < 0)
      return fail(std::string("the kernel does not exempt the socket from its policies: ") +
                  std::strerror(errno));
  }
  if (!encapsulation) return {};
  const int type = UDP_ENCAP_ESPINUDP;
  if (setsockopt(fd, IPPROTO_UDP, UDP_ENCAP, &type, sizeof type) < 0)
    return fail(std::string("the kernel does not take ESP in UDP: ") + std::strerror(errno));
  return {};
}

}  // namespace simplon::ctrl
