// SPDX-License-Identifier: Apache-2.0
#include "dp/device/packet_socket.h"

#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>
#include <map>

namespace simplon::dp {
namespace {

// What each socket of a fanout has lost; the kernel forgets it when it is read. A descriptor that was closed
// may be another socket by now, so it is asked what it is.
std::map<int, std::uint64_t>& overruns() {
  static std::map<int, std::uint64_t> lost;
  return lost;
}

int set_option(int fd, int level, int name, const void* value, socklen_t length) {
  return static_cast<int>(syscall(SYS_setsockopt, fd, level, name, value, length));
}

int join_fanout(int fd, const void* value, socklen_t length) {
  std::uint32_t fanout = 0;  // group and, in the upper half, type and flags
  std::memcpy(&fanout, value, sizeof fanout);
  fanout &= ~(std::uint32_t{PACKET_FANOUT_FLAG_DEFRAG} << 16);
  const int status = set_option(fd, SOL_PACKET, PACKET_FANOUT, &fanout, length);
  if (status == 0) overruns()[fd] = 0;
  return status;
}

bool is_bound_to(int fd, unsigned interface) {
  sockaddr_ll address{};
  socklen_t length = sizeof address;
  return getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) == 0 &&
         address.sll_family == AF_PACKET && static_cast<unsigned>(address.sll_ifindex) == interface;
}

}  // namespace

std::uint64_t packet_socket_overruns(const std::string& interface) {
  const unsigned index = if_nametoindex(interface.c_str());
  std::uint64_t sum = 0;
  for (auto& [fd, lost] : overruns()) {
    if (index == 0 || !is_bound_to(fd, index)) continue;
    tpacket_stats stats{};
    socklen_t length = sizeof stats;
    if (getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &stats, &length) == 0) lost += stats.tp_drops;
    sum += lost;
  }
  return sum;
}

}  // namespace simplon::dp

extern "C" int setsockopt(int fd, int level, int name, const void* value, socklen_t length) noexcept {
  using namespace simplon::dp;
  if (level == SOL_PACKET && name == PACKET_FANOUT && value != nullptr && length == sizeof(std::uint32_t))
    return join_fanout(fd, value, length);
  return set_option(fd, level, name, value, length);
}
