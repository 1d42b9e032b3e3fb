#include "ctrl/netlink.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <vector>

namespace simplon::ctrl {
namespace {

constexpr std::size_t kReceiveBytes = 1u << 16;

int call_each(const nlmsghdr* message, void* each) {
  const auto& f = *static_cast<const Netlink::Each*>(each);
  if (f) f(*message);
  return MNL_CB_OK;
}

}  // namespace

NetlinkMessage::NetlinkMessage(std::uint16_t type, std::uint16_t flags)
    : message_(mnl_nlmsg_put_header(buffer_.data())) {
  message_->nlmsg_type = type;
  message_->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
}

Result<Netlink> Netlink::open(int protocol, unsigned groups) {
  mnl_socket* socket = mnl_socket_open2(protocol, SOCK_CLOEXEC);
  if (socket == nullptr) return fail(std::string("netlink: ") + std::strerror(errno));
  Netlink netlink(socket);
  if (mnl_socket_bind(socket, groups, MNL_SOCKET_AUTOPID) < 0)
    return fail(std::string("netlink: ") + std::strerror(errno));
  const int bytes = 4 << 20;
  setsockopt(netlink.fd(), SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes);
  return netlink;
}

Netlink::~Netlink() {
  if (socket_ != nullptr) mnl_socket_close(socket_);
}

Result<void> Netlink::join(unsigned group) {
  if (mnl_socket_setsockopt(socket_, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) < 0)
    return fail("netlink group " + std::to_string(group) + ": " + std::strerror(errno));
  return {};
}

Result<void> Netlink::request(NetlinkMessage& message, const std::string& what, const Each& each) {
  message.raw()->nlmsg_seq = ++sequence_;
  if (mnl_socket_sendto(socket_, message.raw(), message.raw()->nlmsg_len) < 0)
    return fail(what + ": " + std::strerror(errno));
  std::vector<char> buffer(kReceiveBytes);
  for (;;) {
    const ssize_t n = mnl_socket_recvfrom(socket_, buffer.data(), buffer.size());
    if (n < 0) return fail(what + ": " + std::strerror(errno));
    // Notices of groups may stand between: they carry no sequence number of ours.
    if (reinterpret_cast<const nlmsghdr*>(buffer.data())->nlmsg_seq != sequence_) continue;
    const int more = mnl_cb_run(buffer.data(), static_cast<std::size_t>(n), sequence_,
                                mnl_socket_get_portid(socket_), call_each, const_cast<Each*>(&each));
    if (more < 0) return fail(what + ": " + std::strerror(errno));
    if (more == MNL_CB_STOP) return {};
  }
}

bool Netlink::notices(const Each& each) {
  std::vector<char> buffer(kReceiveBytes);
  for (;;) {
    const ssize_t n = recv(fd(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (n < 0 && errno == ENOBUFS) return false;
    if (n <= 0) return true;
    mnl_cb_run(buffer.data(), static_cast<std::size_t>(n), 0, 0, call_each, const_cast<Each*>(&each));
  }
}

void for_attributes(const nlmsghdr& message, std::size_t header,
                    const std::function<void(const nlattr&)>& each) {
  const char* end = static_cast<const char*>(mnl_nlmsg_get_payload_tail(&message));
  const auto* a = static_cast<const nlattr*>(mnl_nlmsg_get_payload_offset(&message, header));
  for (; mnl_attr_ok(a, static_cast<int>(end - reinterpret_cast<const char*>(a))); a = mnl_attr_next(a)) each(*a);
}

}  // namespace simplon::ctrl
