// SPDX-License-Identifier: Apache-2.0
// A netlink socket (libmnl): requests with their answers, and the notices of the groups that it joined.
// Control thread.
//
// Messages carry keys in both directions: they and the receive buffers are wiped after use.
#pragma once

#include <libmnl/libmnl.h>

#include <array>
#include <cstdint>
#include <functional>
#include <string>

#include "dp/base/bytes.h"
#include "dp/base/result.h"

namespace simplon::ctrl {

// A message under construction. An attribute that does not fit is left out, and then request() refuses the
// message.
class NetlinkMessage {
 public:
  NetlinkMessage(std::uint16_t type, std::uint16_t flags);
  NetlinkMessage(NetlinkMessage&&) noexcept = default;
  NetlinkMessage& operator=(NetlinkMessage&&) = delete;
  ~NetlinkMessage();

  // Appends the family's fixed header, zeroed. Call it once, before any attribute; the reference is valid as
  // long as the message.
  template <class T>
  T& header() {
    return *static_cast<T*>(mnl_nlmsg_put_extra_header(raw(), sizeof(T)));
  }
  void put(std::uint16_t attribute, Bytes data) {
    fits_ = mnl_attr_put_check(raw(), buffer_.size(), attribute, data.size(), data.data()) && fits_;
  }
  template <class T>
  void put_struct(std::uint16_t attribute, const T& value) {
    put(attribute, Bytes(reinterpret_cast<const std::uint8_t*>(&value), sizeof value));
  }
  void put_u32(std::uint16_t attribute, std::uint32_t value) { put_struct(attribute, value); }
  void put_text(std::uint16_t attribute, const std::string& text) {  // with the final NUL
    put(attribute, Bytes(reinterpret_cast<const std::uint8_t*>(text.c_str()), text.size() + 1));
  }
  // An attribute that consists of those that `inner` puts.
  template <class Inner>
  void nest(std::uint16_t attribute, Inner inner) {
    nlattr* outer = mnl_attr_nest_start_check(raw(), buffer_.size(), attribute);
    fits_ = fits_ && outer != nullptr;
    if (outer == nullptr) return;
    inner();
    mnl_attr_nest_end(raw(), outer);
  }
  bool fits() const { return fits_; }
  nlmsghdr* raw() { return reinterpret_cast<nlmsghdr*>(buffer_.data()); }
  const nlmsghdr* raw() const { return reinterpret_cast<const nlmsghdr*>(buffer_.data()); }

 private:
  alignas(8) std::array<char, 8192> buffer_;
  bool fits_ = true;
};

class Netlink {
 public:
  using Each = std::function<void(const nlmsghdr&)>;

  static Result<Netlink> open(int protocol,
                              unsigned groups);  // NETLINK_ROUTE, NETLINK_XFRM; groups: bit mask
  Netlink(Netlink&& from) noexcept
      : socket_(from.socket_), buffer_(std::move(from.buffer_)), sequence_(from.sequence_) {
    from.socket_ = nullptr;
  }
  Netlink& operator=(Netlink&&) = delete;
  ~Netlink();

  Result<void> join(unsigned group);
  // No notice of what the socket with this port() has caused comes here any more, nor takes room. For a
  // family that names the port in its notices (nlmsg_pid).
  Result<void> leave_out(unsigned port);
  int fd() const { return mnl_socket_get_fd(socket_); }
  unsigned port() const { return mnl_socket_get_portid(socket_); }  // nlmsg_pid of what it causes
  // Sends the message and waits for its acknowledgement. `what` names the request in an error. `each` is
  // called for each message of the answer, and must not use this socket.
  Result<void> request(NetlinkMessage& message, const std::string& what, const Each& each = {});
  // The same for a dump. When something changes in its middle, the kernel says EINTR, and entries may be
  // missing: it starts again, a few times at most. `begin` is called before each attempt, to forget what the
  // one before brought.
  Result<void> dump(NetlinkMessage& message, const std::string& what, const std::function<void()>& begin,
                    const Each& each);
  // The errno of the last request; 0 when it went well. EINTR: something changed in the middle of a dump.
  int error() const { return error_; }
  // Calls `each` for all notices that have come. False when the kernel lost some (ENOBUFS): then everything
  // has to be read again, which is newer than any notice that this call has told.
  bool notices(const Each& each);

 private:
  explicit Netlink(mnl_socket* socket);
  std::unexpected<Error> failed(const std::string& what, int error, const std::string& explanation = {});

  mnl_socket* socket_;
  Buffer buffer_;
  std::uint32_t sequence_ = 0;
  int error_ = 0;
};

// Calls for each attribute behind a fixed header of `header` bytes.
void for_attributes(const nlmsghdr& message, std::size_t header,
                    const std::function<void(const nlattr&)>& each);
// The same for the attributes inside one.
void for_nested(const nlattr& nest, const std::function<void(const nlattr&)>& each);
inline Bytes bytes_of(const nlattr& a) {
  return {static_cast<const std::uint8_t*>(mnl_attr_get_payload(&a)), mnl_attr_get_payload_len(&a)};
}
// The fixed header of a message; none when the message is shorter.
template <class T>
const T* fixed_header(const nlmsghdr& message) {
  return mnl_nlmsg_get_payload_len(&message) < sizeof(T)
             ? nullptr
             : static_cast<const T*>(mnl_nlmsg_get_payload(&message));
}

}  // namespace simplon::ctrl
