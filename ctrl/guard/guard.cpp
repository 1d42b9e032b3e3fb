// SPDX-License-Identifier: Apache-2.0
#include "ctrl/guard/guard.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>
#include <utility>

#include "ctrl/guard/kernel_forwarder.h"
#include "ctrl/guard/say.h"
#include "ctrl/linux/process.h"

namespace simplon::ctrl {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kLookEvery = 50;            // ms
constexpr seconds kShortLife{1};          // one that ends so soon after it came up is started again later
constexpr unsigned kMostShortLives = 10;  // in a row; then it is given up
constexpr seconds kLongestWait{30};
constexpr seconds kKernelWait{20};  // for the kernel to forward, before the next gateway is started
constexpr seconds kStartHangs{60};  // a gateway that takes over and is not up by then
constexpr std::array kPassedOn{SIGTERM, SIGINT, SIGHUP};

sigset_t watched() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : kPassedOn) sigaddset(&set, signal);
  sigaddset(&set, SIGCHLD);
  return set;
}

std::string how_it_ended(int status) {
  if (WIFSIGNALED(status))
    return std::string("was killed by signal ") + std::to_string(WTERMSIG(status)) + " (" +
           strsignal(WTERMSIG(status)) + ")" + (WCOREDUMP(status) ? ", its core was dumped" : "");
  return "ended with status " + std::to_string(WEXITSTATUS(status));
}

}  // namespace

Result<Guard> Guard::open(std::vector<std::string> command, std::vector<int> sockets) {
  auto region = Region::create();
  if (!region) return std::unexpected(region.error());
  Guard guard(std::move(command), std::move(sockets), std::move(*region));
  const sigset_t set = watched();
  sigprocmask(SIG_BLOCK, &set, nullptr);
  guard.signals_ = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
  if (guard.signals_ < 0) return fail(std::string("the guard's signals: ") + std::strerror(errno));
  std::signal(SIGPIPE, SIG_IGN);  // who read the log is gone
  std::signal(SIGCHLD, SIG_DFL);  // else nobody can be waited for
  prctl(PR_SET_DUMPABLE, 0);      // keys are in its memory
  return guard;
}

int Guard::run() {
  if (auto done = start_gateway(); !done) {
    say(Urgency::kError, done.error().what);
    return 1;
  }
  while (!result_) {
    wait();
    on_signals();
    on_request();
    watch_signs_of_life();
    if (restart_at_ && Clock::now() >= *restart_at_ && kernel_settled()) {
      restart_at_.reset();
      if (auto done = start_gateway(); !done) {
        say(Urgency::kError, done.error().what);
        plan_restart();
      }
    }
  }
  stop_kernel();
  if (region_.state().forwarder == Forwarder::kKernel) close_kernel(region_);
  return *result_;
}

Result<void> Guard::start_gateway() {
  std::array<int, 2> pair{};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()) != 0)
    return fail(std::string("a socket to the gateway: ") + std::strerror(errno));
  SharedState& state = region_.state();
  state.running = false;
  state.workers = 0;
  const pid_t pid = fork();
  if (pid == 0) become_gateway(pair[1]);
  close(pair[1]);
  if (pid < 0) {
    close(pair[0]);
    return fail(std::string("starting ") + command_[0] + ": " + std::strerror(errno));
  }
  if (control_ >= 0) close(control_);
  control_ = pair[0];
  gateway_ = pid;
  gateway_fd_ = open_process(pid);
  started_ = Clock::now();
  up_since_.reset();
  control_sign_ = {};
  worker_signs_.clear();
  return {};
}

// Between fork and exec: system calls alone.
void Guard::become_gateway(int control) {
  std::string inherited = std::to_string(region_.fd()) + "," + std::to_string(control);
  for (const int fd : sockets_) inherited += "," + std::to_string(fd);
  setenv(kInheritance, inherited.c_str(), 1);
  std::vector<int> keep = sockets_;
  keep.push_back(region_.fd());
  keep.push_back(control);
  for (const int fd : keep)
    if (fd >= 0) fcntl(fd, F_SETFD, 0);
  // The others the gateway takes from a descriptor: they wait until it does.
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  sigprocmask(SIG_UNBLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_DFL);
  std::vector<char*> arguments;
  arguments.reserve(command_.size() + 1);
  for (std::string& word : command_) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  execvp(arguments[0], arguments.data());
  say(Urgency::kError, std::string(arguments[0]) + " cannot be started: " + std::strerror(errno));
  _exit(127);
}

void Guard::wait() {
  std::array<pollfd, 3> fds{pollfd{.fd = signals_, .events = POLLIN, .revents = 0},
                            pollfd{.fd = gateway_fd_, .events = POLLIN, .revents = 0},
                            pollfd{.fd = control_, .events = POLLIN, .revents = 0}};
  poll(fds.data(), fds.size(), kLookEvery);
  if (gateway_ < 0) return;
  int status = 0;
  if (waitpid(gateway_, &status, WNOHANG) == gateway_) gateway_ended(status);
}

void Guard::on_signals() {
  signalfd_siginfo info;
  while (read(signals_, &info, sizeof info) == sizeof info) {
    const int signal = static_cast<int>(info.ssi_signo);
    if (signal == SIGCHLD) continue;
    if (signal != SIGHUP) stopping_ = true;
    if (gateway_ >= 0)
      kill(gateway_, signal);
    else if (stopping_)
      result_ = 0;
  }
  int status = 0;
  if (kernel_ >= 0 && waitpid(kernel_, &status, WNOHANG) == kernel_) {
    say(Urgency::kError,
        "the process that has the kernel forward " + how_it_ended(status) + "; the kernel goes on as it is");
    region_.state().kernel_process = 0;
    kernel_ = -1;
  }
}

void Guard::on_request() {
  char asked = 0;
  if (control_ < 0 || recv(control_, &asked, 1, MSG_DONTWAIT) != 1 || asked != kStopKernel) return;
  stop_kernel();
  send(control_, &kStopped, 1, MSG_NOSIGNAL);
}

void Guard::gateway_ended(int status) {
  if (gateway_fd_ >= 0) close(gateway_fd_);
  gateway_ = gateway_fd_ = -1;
  const bool by_itself = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  const bool came_up = region_.state().running || region_.state().forwarder != Forwarder::kNobody;
  if (by_itself || stopping_ || !came_up) {
    if (!by_itself) say(Urgency::kError, "the gateway " + how_it_ended(status));
    result_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return;
  }
  say(Urgency::kError, "the gateway " + how_it_ended(status));
  start_kernel();
  plan_restart();
}

// At once the first time; one that ends again and again, each time later.
void Guard::plan_restart() {
  short_lives_ = !up_since_ || Clock::now() - *up_since_ < kShortLife ? short_lives_ + 1 : 0;
  if (short_lives_ > kMostShortLives) {
    say(Urgency::kError, "the gateway has ended " + std::to_string(short_lives_) +
                             " times shortly after its start: it is not started again");
    if (region_.state().forwarder != Forwarder::kKernel) result_ = 1;
    return;
  }
  const auto wait = short_lives_ < 2
                        ? milliseconds(0)
                        : std::min<milliseconds>(kLongestWait, milliseconds(250) * (1 << (short_lives_ - 2)));
  restart_at_ = Clock::now() + wait;
  say(Urgency::kInfo, wait.count() == 0
                          ? "the gateway is started again"
                          : "the gateway is started again in " + std::to_string(wait.count()) + " ms");
}

// What hangs is killed, whatever it is in the middle of: then nothing of it can send any more.
void Guard::watch_signs_of_life() {
  const SharedState& state = region_.state();
  const auto now = Clock::now();
  // This process itself was held up, with the rest of the machine: nobody is to blame.
  const bool held_up = now - std::exchange(looked_, now) > 4 * milliseconds(kLookEvery);
  if (gateway_ < 0) return;
  if (!state.running) {
    if (state.forwarder == Forwarder::kNobody || now - started_ < kStartHangs) return;
    say(Urgency::kError, "the gateway does not come up: it is killed");
    kill(gateway_, SIGKILL);
    return;
  }
  const auto moved = [&](Sign& sign, std::uint64_t count) {
    if (sign.seen == Clock::time_point{} || sign.count != count || held_up) sign = {count, now};
    return now - sign.seen;
  };
  if (!up_since_) up_since_ = now;
  std::string who;
  if (moved(control_sign_, state.control_turns) > kControlHangs) who = "its control thread";
  worker_signs_.resize(std::min<std::size_t>(state.workers, kMostWorkers));
  for (std::size_t i = 0; i < worker_signs_.size(); ++i)
    if (moved(worker_signs_[i], state.worker_turns[i]) > kWorkerHangs) who = "worker " + std::to_string(i);
  if (who.empty()) return;
  say(Urgency::kError, "the gateway hangs (" + who + " does nothing any more): it is killed");
  kill(gateway_, SIGKILL);
  int status = 0;
  if (waitpid(gateway_, &status, 0) == gateway_) gateway_ended(status);
}

void Guard::start_kernel() {
  if (region_.state().forwarder == Forwarder::kNobody || kernel_ >= 0) return;
  region_.state().kernel_ready = false;
  kernel_started_ = Clock::now();
  const pid_t guard = getpid(), pid = fork();
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != guard) _exit(1);
    region_.state().kernel_process = getpid();
    forward_by_kernel(region_, sockets_);
  }
  if (pid < 0)
    say(Urgency::kError, std::string("the kernel cannot be made to forward: ") + std::strerror(errno));
  kernel_ = pid;
}

// Two do not write the journal at a time, nor compete for the processor.
bool Guard::kernel_settled() {
  if (kernel_ < 0 || region_.state().kernel_ready) return true;
  if (Clock::now() - kernel_started_ < kKernelWait) return false;
  say(Urgency::kError, "the kernel cannot be made to forward in time");
  stop_kernel();
  return true;
}

void Guard::stop_kernel() {
  if (kernel_ < 0) return;
  kill(kernel_, SIGKILL);
  waitpid(kernel_, nullptr, 0);
  region_.state().kernel_process = 0;
  kernel_ = -1;
}

}  // namespace simplon::ctrl
