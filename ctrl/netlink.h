// One netlink socket by libmnl: requests with their answers, and the notices of the groups it joined. Control
// thread.
#pragma once

#include <libmnl/libmnl.h>

#include <array>
#include <cstdint>
#include <functional>
#include <string>

#include "dp/base/bytes.h"
#include "dp/base/result.h"

namespace simplon::ctrl {

// A message being built, in a buffer of its own.
class NetlinkMessage {
 public:
  NetlinkMessage(std::uint16_t type, std::uint16_t flags);
  // The family's fixed header; zeroed, dies with the message.
  template <class T>
  T& header() {
    return *static_cast<T*>(mnl_nlmsg_put_extra_header(message_, sizeof(T)));
  }
  void put(std::uint16_t attribute, Bytes data) {
    mnl_attr_put(message_, attribute, data.size(), data.data());
  }
  template <class T>
  void put_struct(std::uint16_t attribute, const T& value) {
    mnl_attr_put(message_, attribute, sizeof value, &value);
  }
  void put_u32(std::uint16_t attribute, std::uint32_t value) { mnl_attr_put_u32(message_, attribute, value); }
  nlmsghdr* raw() { return message_; }

 private:
  alignas(8) std::array<char, 8192> buffer_;
  nlmsghdr* message_;
};

class Netlink {
 public:
  using Each = std::function<void(const nlmsghdr&)>;

  static Result<Netlink> open(int protocol,
                              unsigned groups);  // NETLINK_ROUTE, NETLINK_XFRM; groups: bit mask
  Netlink(Netlink&& from) noexcept : socket_(from.socket_) { from.socket_ = nullptr; }
  Netlink& operator=(Netlink&&) = delete;
  ~Netlink();

  Result<void> join(unsigned group);
  int fd() const { return mnl_socket_get_fd(socket_); }
  // Sends and waits for the acknowledgement; `what` names the request in an error.
  Result<void> request(NetlinkMessage& message, const std::string& what, const Each& each = {});
  // Notices that have come; false when the kernel lost some (ENOBUFS): ask for everything again.
  bool notices(const Each& each);

 private:
  explicit Netlink(mnl_socket* socket) : socket_(socket) {}
  mnl_socket* socket_;
  std::uint32_t sequence_ = 0;
};

// Calls for each attribute behind a fixed header of `header` bytes.
void for_attributes(const nlmsghdr& message, std::size_t header,
                    const std::function<void(const nlattr&)>& each);
inline Bytes bytes_of(const nlattr& a) {
  return {static_cast<const std::uint8_t*>(mnl_attr_get_payload(&a)), mnl_attr_get_payload_len(&a)};
}

}  // namespace simplon::ctrl
