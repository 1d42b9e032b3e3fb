// SPDX-License-Identifier: Apache-2.0
// A gateway that the guard has started: its process, and the socket to it (messages.h). One thread.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dp/base/result.h"

namespace simplon::ctrl {

// The gateway finds what it inherits in this variable, separated by commas: "1" when it comes up beside
// another gateway, else "0"; then descriptors: its socket to the guard, the memory, where it leaves its
// kernel interfaces, where those are that another has left, IKE's sockets (v4 500, v4 4500, v6 500, v6 4500;
// -1: none).
inline constexpr const char* kInheritance = "SIMPLON_GUARD";

// A worker turns each millisecond at least; one that has not for so long hangs. The control thread may be
// busy with a reload.
inline constexpr std::chrono::milliseconds kWorkerHangs{700};
inline constexpr std::chrono::seconds kControlHangs{30};

enum class Start { kAlone, kBeside };

class GatewayProcess {
 public:
  GatewayProcess() = default;
  // `inherited`: descriptors, as above but for the socket.
  static Result<GatewayProcess> start(std::vector<std::string> command, Start start,
                                      const std::vector<int>& inherited);
  GatewayProcess(GatewayProcess&& from) noexcept { *this = std::move(from); }
  GatewayProcess& operator=(GatewayProcess&& from) noexcept;
  ~GatewayProcess();  // the process goes on

  bool lives() const { return pid_ >= 0; }
  int pid() const { return pid_; }
  int fd() const { return fd_; }  // readable when it has ended
  int socket() const { return socket_; }
  void tell(char what, std::string_view text = {}) const;
  std::optional<std::string> hear() const;  // the next message
  void signal(int number) const;
  // How it has ended (waitpid); none while it lives. Then it is gone, and so is its socket.
  std::optional<int> ended();
  int kill();  // waits for its end

 private:
  void forget();

  pid_t pid_ = -1;
  int fd_ = -1, socket_ = -1;
};

// "was killed by signal 11 (Segmentation fault)"
std::string how_it_ended(int status);

}  // namespace simplon::ctrl
