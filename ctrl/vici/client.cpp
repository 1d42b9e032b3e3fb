// SPDX-License-Identifier: Apache-2.0
#include "ctrl/vici/client.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

namespace simplon::vici {
namespace {

std::string why_not(const std::string& path, int error) {
  switch (error) {
    case ENOENT:
      return "no daemon: there is no socket " + path + "; is simplond running, and with this socket?";
    case ECONNREFUSED:
      return "no daemon: nobody listens at " + path + " any more; is simplond running?";
    case EACCES:
    case EPERM:
      return "no permission to open " + path + "; be root or a member of the socket's group";
    default:
      return "cannot connect to " + path + ": " + strerror(error);
  }
}

}  // namespace

Result<Client> Client::connect(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path)
    return fail("'" + path + "' is no path for a socket: 1 to " +
                std::to_string(sizeof address.sun_path - 1) + " characters are allowed");
  path.copy(address.sun_path, path.size());
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return fail(std::string("socket: ") + strerror(errno));
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
    return Client(fd, path);
  const int error = errno;
  close(fd);
  return fail(why_not(path, error));
}

Client::Client(Client&& from) noexcept
    : fd_(std::exchange(from.fd_, -1)),
      interrupt_(from.interrupt_),
      path_(std::move(from.path_)),
      framer_(std::move(from.framer_)) {}

Client& Client::operator=(Client&& from) noexcept {
  std::swap(fd_, from.fd_);
  std::swap(interrupt_, from.interrupt_);
  std::swap(path_, from.path_);
  std::swap(framer_, from.framer_);
  return *this;
}

Client::~Client() {
  if (fd_ >= 0) close(fd_);
}

Result<void> Client::send(const Packet& packet) {
  Result<Buffer> bytes = encode(packet);
  if (!bytes) return std::unexpected(bytes.error());
  for (std::size_t sent = 0; sent < bytes->size();) {
    const ssize_t wrote = ::send(fd_, bytes->data() + sent, bytes->size() - sent, MSG_NOSIGNAL);
    if (wrote < 0 && errno != EINTR) return fail("the daemon hung up: " + std::string(strerror(errno)));
    if (wrote > 0) sent += static_cast<std::size_t>(wrote);
  }
  explicit_bzero(bytes->data(), bytes->size());  // it may hold keys
  return {};
}

Result<Packet> Client::receive() {
  for (;;) {
    Result<std::optional<Buffer>> segment = framer_.next();
    if (!segment) return std::unexpected(segment.error());
    if (*segment) return decode_packet(**segment);
    std::array<pollfd, 2> ready{{{fd_, POLLIN, 0}, {interrupt_, POLLIN, 0}}};  // a negative one is ignored
    if (poll(ready.data(), ready.size(), -1) > 0 && ready[1].revents != 0) return fail(kInterrupted);
    std::array<std::uint8_t, 16384> chunk;
    const ssize_t got = recv(fd_, chunk.data(), chunk.size(), MSG_DONTWAIT);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got < 0) return fail("the daemon's answer cannot be read: " + std::string(strerror(errno)));
    if (got == 0) return fail("the daemon hung up");
    framer_.append({chunk.data(), static_cast<std::size_t>(got)});
  }
}

Result<Packet> Client::answer(const OnEvent& on_event) {
  for (;;) {
    Result<Packet> packet = receive();
    if (!packet || packet->type != PacketType::kEvent) return packet;
    if (on_event) on_event(packet->name, packet->message);
  }
}

Result<Message> Client::call(std::string_view command, const Message& arguments, const OnEvent& on_event) {
  const Result<void> sent = send({PacketType::kCommandRequest, std::string(command), arguments});
  if (!sent) return std::unexpected(sent.error());
  Result<Packet> packet = answer(on_event);
  if (!packet) return std::unexpected(packet.error());
  if (packet->type == PacketType::kCommandResponse) return std::move(packet->message);
  return fail("the daemon does not know the command '" + std::string(command) + "'");
}

Result<Message> Client::call_streaming(std::string_view command, std::string_view event,
                                       const Message& arguments, const OnEvent& on_event) {
  if (const Result<void> ready = subscribe(event); !ready) return std::unexpected(ready.error());
  Result<Message> message = call(command, arguments, on_event);
  // The answer is there. A gateway that has been replaced hangs up after it, and whoever asks it again is
  // told.
  if (message) [[maybe_unused]]
    const Result<void> over = unsubscribe(event);
  return message;
}

Result<void> Client::registration(PacketType type, std::string_view event) {
  if (const Result<void> sent = send({type, std::string(event), {}}); !sent) return sent;
  const Result<Packet> packet = answer({});
  if (!packet) return std::unexpected(packet.error());
  if (packet->type == PacketType::kEventConfirm) return {};
  return fail("the daemon does not know the event '" + std::string(event) + "'");
}

Result<void> Client::subscribe(std::string_view event) {
  return registration(PacketType::kEventRegister, event);
}
Result<void> Client::unsubscribe(std::string_view event) {
  return registration(PacketType::kEventUnregister, event);
}

Result<Packet> Client::next_event() {
  Result<Packet> packet = receive();
  if (packet && packet->type != PacketType::kEvent) return fail("the daemon answered what nobody asked");
  return packet;
}

}  // namespace simplon::vici
