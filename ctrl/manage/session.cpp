// SPDX-License-Identifier: Apache-2.0
#include "ctrl/manage/session.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace simplon::ctrl {
namespace {

constexpr std::size_t kReadBytes = 64 * 1024;

bool would_block() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

}  // namespace

ViciSession::ViciSession(std::uint64_t id_in, int fd_in) : id(id_in), fd(fd_in) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0)
    peer = {.uid = credentials.uid, .pid = credentials.pid};
}

ViciSession::~ViciSession() { ::close(fd); }

void ViciSession::hang_up() {
  broken_ = true;
  shutdown(fd, SHUT_RDWR);
}

void ViciSession::receive() {
  std::array<std::uint8_t, kReadBytes> chunk;
  while (wants_input()) {
    const ssize_t got = recv(fd, chunk.data(), chunk.size(), 0);
    if (got == 0) ended_ = true;
    if (got < 0 && !would_block()) broken_ = true;
    if (got <= 0) break;
    framer_.append({chunk.data(), static_cast<std::size_t>(got)});
    explicit_bzero(chunk.data(), static_cast<std::size_t>(got));  // a request may hold keys
  }
}

std::optional<vici::Packet> ViciSession::next() {
  Result<std::optional<Buffer>> segment = framer_.next();
  if (segment && !*segment) return std::nullopt;
  if (segment) {
    Result<vici::Packet> packet = vici::decode_packet(**segment);
    explicit_bzero((*segment)->data(), (*segment)->size());
    if (packet) return std::move(*packet);
  }
  hang_up();  // what follows cannot be understood: the protocol has no way to say so but hanging up
  return std::nullopt;
}

void ViciSession::queue(const vici::Packet& packet) {
  const Result<Buffer> bytes = vici::encode(packet);
  if (!bytes) {
    // An event that is too large is skipped; a command has to have its answer.
    if (packet.type == vici::PacketType::kCommandResponse)
      queue({packet.type, {}, failed("the answer is too large: " + bytes.error().what)});
    return;
  }
  if (sent_ > 0) {
    output_.erase(output_.begin(), output_.begin() + static_cast<std::ptrdiff_t>(sent_));
    sent_ = 0;
  }
  output_.insert(output_.end(), bytes->begin(), bytes->end());
}

void ViciSession::flush() {
  while (queued() > 0 && !broken_) {
    const ssize_t wrote = send(fd, output_.data() + sent_, queued(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (wrote < 0 && !would_block()) broken_ = true;
    if (wrote <= 0) return;
    sent_ += static_cast<std::size_t>(wrote);
  }
}

}  // namespace simplon::ctrl
