// SPDX-License-Identifier: Apache-2.0
// One client of the management socket: its descriptor, its requests that have no answer yet, the output that
// it has not read yet, the events that it registered for, and its running command. Non-blocking; used by
// ViciServer alone.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <variant>

#include "ctrl/manage/commands/commands.h"
#include "ctrl/vici/packet.h"

namespace simplon::ctrl {

class ViciSession {
 public:
  ViciSession(std::uint64_t id, int fd);
  ~ViciSession();
  ViciSession(const ViciSession&) = delete;
  ViciSession& operator=(const ViciSession&) = delete;

  // Input. receive() reads what there is, up to a bound: beyond it the client has to wait.
  void receive();
  bool wants_input() const { return !ended_ && !broken_ && framer_.size() <= vici::kMaxSegmentBytes; }
  std::optional<vici::Packet> next();  // a client that breaks the protocol is broken()

  // Output.
  void queue(const vici::Packet& packet);
  void flush();
  std::size_t queued() const { return output_.size() - sent_; }

  // The connection is of no use any more; the owner removes the session.
  bool broken() const { return broken_; }
  void hang_up();  // closes the connection; epoll reports that, and the owner removes the session
  // The client hung up after its last request and has all its answers.
  bool done() const { return ended_ && !running && queued() == 0; }

  // The command that runs. One at a time: the protocol has no request numbers.
  struct Running {
    std::uint64_t serial = 0;
    std::variant<std::monostate, Stream, Later> answer;
  };

  const std::uint64_t id;
  const int fd;
  Peer peer;
  std::set<std::string, std::less<>> events;
  std::optional<Running> running;
  Now asked{};                   // when it came, or asked last
  std::uint64_t lost_lines = 0;  // log events that found the queue full
  std::uint32_t watched = 0;     // what epoll looks for

 private:
  vici::Framer framer_;
  Buffer output_;
  std::size_t sent_ = 0;
  bool ended_ = false, broken_ = false;
};

}  // namespace simplon::ctrl
