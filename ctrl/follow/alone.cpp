// SPDX-License-Identifier: Apache-2.0
// follower.h: who follows, and what is asked for when nobody does any more.
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "ctrl/follow/follower.h"

namespace simplon::ctrl {

Descriptor::~Descriptor() {
  if (fd_ >= 0) close(fd_);
}

// An abstract name, which belongs to the network namespace as the kernel's SAs do, and goes with the process.
Result<Descriptor> only_follower() {
  constexpr std::string_view kName = "simplon-follows";
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  Descriptor out(fd);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  kName.copy(address.sun_path + 1, kName.size());
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + kName.size());
  if (fd >= 0 && bind(fd, reinterpret_cast<const sockaddr*>(&address), size) == 0) return out;
  return errno == EADDRINUSE
             ? fail("another gateway follows the kernel's SAs here.")
             : fail(std::string("cannot see to it that one gateway follows alone: ") + std::strerror(errno));
}

Result<void> ask_for_rekeys() {
  auto kernel = ForeignSas::open();
  if (!kernel) return std::unexpected(kernel.error());
  std::vector<KernelSa> all;
  const auto nothing = [](const auto&) {};
  auto done = kernel->dump({.begin = [&] { all.clear(); },
                            .sa = [&](KernelSa sa) { all.push_back(std::move(sa)); },
                            .policy = nothing,
                            .sa_gone = nothing,
                            .policy_gone = nothing});
  for (const KernelSa& sa : all) {
    const auto at = kernel->position(sa);  // read as an outbound one: no other is at the last number there
    if (at && ForeignSas::is_silent(sa, *at))
      if (auto asked = kernel->expire(sa, false); !asked && done) done = asked;
  }
  return done;
}

}  // namespace simplon::ctrl
