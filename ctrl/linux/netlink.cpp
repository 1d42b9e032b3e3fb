// SPDX-License-Identifier: Apache-2.0
#include "ctrl/linux/netlink.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <string.h>  // explicit_bzero
#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

namespace simplon::ctrl {
namespace {

constexpr std::size_t kReceiveBytes = 1u << 16;
constexpr int kDumpAttempts = 5;
constexpr int kSocketBuffer = 4 << 20;  // bytes of notices that can wait while the control thread is busy

int call_each(const nlmsghdr* message, void* each) {
  const auto& f = *static_cast<const Netlink::Each*>(each);
  if (f) f(*message);
  return MNL_CB_OK;
}

void each_attribute(const nlattr* a, const char* end, const std::function<void(const nlattr&)>& each) {
  for (; mnl_attr_ok(a, static_cast<int>(end - reinterpret_cast<const char*>(a))); a = mnl_attr_next(a))
    each(*a);
}

// The kernel's explanation of an error (NLMSGERR_ATTR_MSG); empty when it gives none.
std::string explanation(const char* data, std::size_t size) {
  const auto* message = reinterpret_cast<const nlmsghdr*>(data);
  if (!mnl_nlmsg_ok(message, static_cast<int>(size)) || message->nlmsg_type != NLMSG_ERROR) return {};
  const auto* error = fixed_header<nlmsgerr>(*message);
  if (error == nullptr || (message->nlmsg_flags & NLM_F_ACK_TLVS) == 0) return {};
  std::size_t header = sizeof *error;
  if ((message->nlmsg_flags & NLM_F_CAPPED) == 0) header += error->msg.nlmsg_len - sizeof error->msg;
  if (header > mnl_nlmsg_get_payload_len(message)) return {};
  std::string out;
  for_attributes(*message, header, [&](const nlattr& a) {
    if (mnl_attr_get_type(&a) != NLMSGERR_ATTR_MSG) return;
    const Bytes text = bytes_of(a);
    out.assign(reinterpret_cast<const char*>(text.data()), text.size());
  });
  while (!out.empty() && out.back() == '\0') out.pop_back();
  return out;
}

}  // namespace

NetlinkMessage::NetlinkMessage(std::uint16_t type, std::uint16_t flags) : buffer_{} {
  nlmsghdr* message = mnl_nlmsg_put_header(buffer_.data());
  message->nlmsg_type = type;
  message->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
}

NetlinkMessage::~NetlinkMessage() { explicit_bzero(buffer_.data(), raw()->nlmsg_len); }

Netlink::Netlink(mnl_socket* socket) : socket_(socket), buffer_(kReceiveBytes) {}

Result<Netlink> Netlink::open(int protocol, unsigned groups) {
  mnl_socket* socket = mnl_socket_open2(protocol, SOCK_CLOEXEC);
  if (socket == nullptr) return fail(std::string("netlink: ") + std::strerror(errno));
  Netlink netlink(socket);
  if (mnl_socket_bind(socket, groups, MNL_SOCKET_AUTOPID) < 0)
    return fail(std::string("netlink: ") + std::strerror(errno));
  setsockopt(netlink.fd(), SOL_SOCKET, SO_RCVBUFFORCE, &kSocketBuffer, sizeof kSocketBuffer);
  // Errors shall have an explanation, and no copy of the request: that would hold its keys.
  for (const int option : {NETLINK_EXT_ACK, NETLINK_CAP_ACK}) {
    int on = 1;
    mnl_socket_setsockopt(socket, option, &on, sizeof on);
  }
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

// Classic BPF reads in network order.
Result<void> Netlink::leave_out(unsigned port) {
  std::array filter{sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(nlmsghdr, nlmsg_pid)),
                    sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(port), 0, 1),
                    sock_filter BPF_STMT(BPF_RET | BPF_K, 0),
                    sock_filter BPF_STMT(BPF_RET | BPF_K, ~std::uint32_t{0})};
  const sock_fprog program{.len = filter.size(), .filter = filter.data()};
  if (setsockopt(fd(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) < 0)
    return fail(std::string("netlink: its filter: ") + std::strerror(errno));
  return {};
}

std::unexpected<Error> Netlink::failed(const std::string& what, int error, const std::string& explanation) {
  error_ = error;
  return fail(what + ": " + std::strerror(error) + (explanation.empty() ? "" : " (" + explanation + ")"));
}

Result<void> Netlink::request(NetlinkMessage& message, const std::string& what, const Each& each) {
  error_ = 0;
  if (!message.fits()) return failed(what, EMSGSIZE);
  message.raw()->nlmsg_seq = ++sequence_;
  message.raw()->nlmsg_pid = port();  // XFRM names it in its notices of what this request changes
  if (mnl_socket_sendto(socket_, message.raw(), message.raw()->nlmsg_len) < 0) return failed(what, errno);
  for (;;) {
    const ssize_t n = mnl_socket_recvfrom(socket_, buffer_.data(), buffer_.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failed(what, errno);
    const auto* data = reinterpret_cast<const char*>(buffer_.data());
    const auto size = static_cast<std::size_t>(n);
    // Messages with another sequence number are no answer to this request: notices of groups, or the rest of
    // a dump that was given up.
    if (reinterpret_cast<const nlmsghdr*>(data)->nlmsg_seq != sequence_) continue;
    const int more = mnl_cb_run(data, size, sequence_, mnl_socket_get_portid(socket_), call_each,
                                const_cast<Each*>(&each));
    const int error = errno;
    const std::string words = more < 0 ? explanation(data, size) : std::string();
    explicit_bzero(buffer_.data(), size);
    if (more < 0) return failed(what, error, words);
    if (more == MNL_CB_STOP) return {};
  }
}

Result<void> Netlink::dump(NetlinkMessage& message, const std::string& what,
                           const std::function<void()>& begin, const Each& each) {
  for (int attempt = 1;; ++attempt) {
    begin();
    auto done = request(message, what, each);
    if (done || error_ != EINTR || attempt == kDumpAttempts) return done;
  }
}

// A notice that waited behind a loss may be older than what the caller then reads: it has to come before.
bool Netlink::notices(const Each& each) {
  bool lost = false;
  for (;;) {
    const ssize_t n = recv(fd(), buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == ENOBUFS) {
      lost = true;
      continue;
    }
    if (n <= 0) return !lost;
    mnl_cb_run(buffer_.data(), static_cast<std::size_t>(n), 0, 0, call_each, const_cast<Each*>(&each));
    explicit_bzero(buffer_.data(), static_cast<std::size_t>(n));
  }
}

void for_attributes(const nlmsghdr& message, std::size_t header,
                    const std::function<void(const nlattr&)>& each) {
  each_attribute(static_cast<const nlattr*>(mnl_nlmsg_get_payload_offset(&message, header)),
                 static_cast<const char*>(mnl_nlmsg_get_payload_tail(&message)), each);
}

void for_nested(const nlattr& nest, const std::function<void(const nlattr&)>& each) {
  const auto* first = static_cast<const nlattr*>(mnl_attr_get_payload(&nest));
  each_attribute(first, reinterpret_cast<const char*>(first) + mnl_attr_get_payload_len(&nest), each);
}

}  // namespace simplon::ctrl
