// SPDX-License-Identifier: Apache-2.0
#include "ctrl/linux/link.h"

#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace simplon::ctrl {

namespace {

ifreq request_for(const std::string& interface) {
  ifreq r{};
  std::memcpy(r.ifr_name, interface.data(), std::min<std::size_t>(interface.size(), IFNAMSIZ - 1));
  return r;
}

}  // namespace

unsigned interface_index(int socket, const std::string& interface) {
  ifreq r = request_for(interface);
  return ioctl(socket, SIOCGIFINDEX, &r) == 0 ? static_cast<unsigned>(r.ifr_ifindex) : 0;
}

bool has_link(const std::string& interface) {
  const int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (s < 0) return false;
  ifreq r = request_for(interface);
  constexpr int kBoth = IFF_UP | IFF_RUNNING;
  const bool up = ioctl(s, SIOCGIFFLAGS, &r) == 0 && (r.ifr_flags & kBoth) == kBoth;
  close(s);
  return up;
}

}  // namespace simplon::ctrl
