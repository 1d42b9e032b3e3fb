// SPDX-License-Identifier: Apache-2.0
#include "ctrl/guard/gateway_process.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "ctrl/guard/say.h"
#include "ctrl/linux/process.h"

namespace simplon::ctrl {
namespace {

constexpr std::size_t kLongestMessage = 8192;

[[noreturn]] void become(std::vector<std::string>& command, Start start, const std::vector<int>& inherited) {
  std::string text = start == Start::kBeside ? "1" : "0";
  for (const int fd : inherited) {
    text += "," + std::to_string(fd);
    if (fd >= 0) fcntl(fd, F_SETFD, 0);
  }
  setenv(kInheritance, text.c_str(), 1);
  // The others the gateway takes from a descriptor: they wait until it does.
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  sigaddset(&set, SIGUSR2);
  sigprocmask(SIG_UNBLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_DFL);
  std::vector<char*> arguments;
  arguments.reserve(command.size() + 1);
  for (std::string& word : command) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  execvp(arguments[0], arguments.data());
  say(Urgency::kError, std::string(arguments[0]) + " cannot be started: " + std::strerror(errno));
  _exit(127);
}

}  // namespace

Result<GatewayProcess> GatewayProcess::start(std::vector<std::string> command, Start start,
                                             const std::vector<int>& inherited) {
  std::array<int, 2> pair{};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()) != 0)
    return fail(std::string("a socket to the gateway: ") + std::strerror(errno));
  GatewayProcess out;
  out.socket_ = pair[0];
  std::vector<int> all{pair[1]};
  all.insert(all.end(), inherited.begin(), inherited.end());
  out.pid_ = fork();
  if (out.pid_ == 0) become(command, start, all);
  const int error = errno;
  close(pair[1]);
  if (out.pid_ < 0) return fail("starting " + command[0] + ": " + std::strerror(error));
  out.fd_ = open_process(out.pid_);
  return out;
}

GatewayProcess& GatewayProcess::operator=(GatewayProcess&& from) noexcept {
  forget();
  pid_ = std::exchange(from.pid_, -1);
  fd_ = std::exchange(from.fd_, -1);
  socket_ = std::exchange(from.socket_, -1);
  return *this;
}

GatewayProcess::~GatewayProcess() { forget(); }

void GatewayProcess::forget() {
  pid_ = -1;
  if (fd_ >= 0) close(std::exchange(fd_, -1));
  if (socket_ >= 0) close(std::exchange(socket_, -1));
}

void GatewayProcess::tell(char what, std::string_view text) const {
  const std::string message = what + std::string(text);
  [[maybe_unused]] const auto sent =
      send(socket_, message.data(), message.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

std::optional<std::string> GatewayProcess::hear() const {
  std::string out(kLongestMessage, '\0');
  const ssize_t length = socket_ < 0 ? -1 : recv(socket_, out.data(), out.size(), MSG_DONTWAIT);
  if (length <= 0) return std::nullopt;
  out.resize(static_cast<std::size_t>(length));
  return out;
}

void GatewayProcess::signal(int number) const {
  if (pid_ >= 0) ::kill(pid_, number);
}

std::optional<int> GatewayProcess::ended() {
  int status = 0;
  if (pid_ < 0 || waitpid(pid_, &status, WNOHANG) != pid_) return std::nullopt;
  forget();
  return status;
}

int GatewayProcess::kill() {
  int status = 0;
  signal(SIGKILL);
  if (pid_ >= 0) waitpid(pid_, &status, 0);
  forget();
  return status;
}

std::string how_it_ended(int status) {
  if (WIFSIGNALED(status))
    return std::string("was killed by signal ") + std::to_string(WTERMSIG(status)) + " (" +
           strsignal(WTERMSIG(status)) + ")" + (WCOREDUMP(status) ? ", its core was dumped" : "");
  return "ended with status " + std::to_string(WEXITSTATUS(status));
}

}  // namespace simplon::ctrl
