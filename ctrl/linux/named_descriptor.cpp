// SPDX-License-Identifier: Apache-2.0
#include "ctrl/linux/named_descriptor.h"

#include <sys/socket.h>

#include <array>
#include <cstring>

namespace simplon::ctrl {
namespace {

constexpr std::size_t kLongestName = 64;

union Control {
  cmsghdr header;
  std::array<char, CMSG_SPACE(sizeof(int))> bytes;
};

bool leave(int socket, const dp::NamedDescriptor& descriptor) {
  std::string name = descriptor.name;
  iovec text{.iov_base = name.data(), .iov_len = name.size()};
  Control control{};
  msghdr message{};
  message.msg_iov = &text;
  message.msg_iovlen = 1;
  message.msg_control = &control;
  message.msg_controllen = sizeof control.bytes;
  cmsghdr* rights = CMSG_FIRSTHDR(&message);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(rights), &descriptor.fd, sizeof(int));
  return sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

}  // namespace

bool leave_descriptors(int socket, const std::vector<dp::NamedDescriptor>& descriptors) {
  for (const dp::NamedDescriptor& descriptor : descriptors)
    if (!leave(socket, descriptor)) return false;
  return true;
}

std::vector<dp::NamedDescriptor> take_descriptors(int socket) {
  std::vector<dp::NamedDescriptor> out;
  for (;;) {
    std::array<char, kLongestName> name{};
    iovec text{.iov_base = name.data(), .iov_len = name.size()};
    Control control{};
    msghdr message{};
    message.msg_iov = &text;
    message.msg_iovlen = 1;
    message.msg_control = &control;
    message.msg_controllen = sizeof control.bytes;
    const ssize_t length = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (length <= 0) return out;
    const cmsghdr* rights = CMSG_FIRSTHDR(&message);
    if (rights == nullptr || rights->cmsg_type != SCM_RIGHTS) continue;
    int fd = -1;
    std::memcpy(&fd, CMSG_DATA(rights), sizeof fd);
    out.push_back({std::string(name.data(), static_cast<std::size_t>(length)), fd});
  }
}

}  // namespace simplon::ctrl
