// SPDX-License-Identifier: Apache-2.0
#include "ctrl/linux/link.h"

#include <net/if.h>
#include <sys/ioctl.h>

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

bool is_set_up(int socket, const std::string& interface) {
  ifreq r = request_for(interface);
  return ioctl(socket, SIOCGIFFLAGS, &r) == 0 && (r.ifr_flags & IFF_UP) != 0;
}

}  // namespace simplon::ctrl
