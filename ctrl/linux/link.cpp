// SPDX-License-Identifier: Apache-2.0
#include "ctrl/linux/link.h"

#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace simplon::ctrl {

bool has_link(const std::string& interface) {
  const int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (s < 0) return false;
  ifreq r{};
  std::memcpy(r.ifr_name, interface.data(), std::min<std::size_t>(interface.size(), IFNAMSIZ - 1));
  constexpr int kBoth = IFF_UP | IFF_RUNNING;
  const bool up = ioctl(s, SIOCGIFFLAGS, &r) == 0 && (r.ifr_flags & kBoth) == kBoth;
  close(s);
  return up;
}

}  // namespace simplon::ctrl
