// SPDX-License-Identifier: Apache-2.0
// A blocking vici client, for simplonctl and tests. One thread only. Errors are written for a person: a
// daemon that is not there, a socket that may not be opened, a daemon that hung up.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "ctrl/vici/packet.h"

namespace simplon::vici {

// Where the daemon serves and simplonctl asks, unless told otherwise.
inline constexpr const char* kDefaultSocket = "/run/simplon/simplon.vici";
inline constexpr const char* kInterrupted = "interrupted";

class Client {
 public:
  using OnEvent = std::function<void(const std::string& name, const Message& message)>;

  static Result<Client> connect(const std::string& path);
  Client(Client&& from) noexcept;
  Client& operator=(Client&& from) noexcept;
  ~Client();

  // Events that come while an answer is waited for go to on_event. An unknown command is an error.
  Result<Message> call(std::string_view command, const Message& arguments, const OnEvent& on_event = {});
  // The same for a command that streams events of one name.
  Result<Message> call_streaming(std::string_view command, std::string_view event, const Message& arguments,
                                 const OnEvent& on_event);
  Result<void> subscribe(std::string_view event);
  Result<void> unsubscribe(std::string_view event);
  // Waits for one event, or fails when the daemon hangs up.
  Result<Packet> next_event();
  // Every wait fails with kInterrupted when this descriptor (a signalfd) becomes readable; -1: none.
  void interrupt_by(int fd) { interrupt_ = fd; }

 private:
  Client(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  Result<void> send(const Packet& packet);
  Result<Packet> receive();
  Result<Packet> answer(const OnEvent& on_event);
  Result<void> registration(PacketType type, std::string_view event);

  int fd_, interrupt_ = -1;
  std::string path_;
  Framer framer_;
};

}  // namespace simplon::vici
