// SPDX-License-Identifier: Apache-2.0
#include "ctrl/guard/guard.h"

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
#include "ctrl/guard/messages.h"
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
constexpr seconds kUpgradeWait{30};
constexpr seconds kLongestStarving{10};
constexpr seconds kStartHangs{60};  // a gateway that takes over and is not up by then
constexpr std::array kPassedOn{SIGTERM, SIGINT, SIGHUP};

sigset_t watched() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : kPassedOn) sigaddset(&set, signal);
  sigaddset(&set, SIGCHLD);
  sigaddset(&set, SIGUSR2);
  return set;
}

}  // namespace

Result<Guard> Guard::open(std::vector<std::string> command, std::vector<int> sockets,
                          std::size_t journal_bytes) {
  auto region = Region::create(journal_bytes);
  if (!region) return std::unexpected(region.error());
  Guard guard(std::move(command), std::move(sockets), std::move(*region));
  const sigset_t set = watched();
  sigprocmask(SIG_BLOCK, &set, nullptr);
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, guard.interfaces_.data()) != 0)
    return fail(std::string("a socket between gateways: ") + std::strerror(errno));
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
    on_messages();
    watch_signs_of_life();
    watch_upgrade();
    if (waits_for_kernel_ && kernel_settled()) {
      waits_for_kernel_ = false;
      gateway_.tell(kTakeOver);
    }
    if (restart_at_ && Clock::now() >= *restart_at_ && kernel_settled()) {
      restart_at_.reset();
      if (auto done = start_gateway(); !done) {
        say(Urgency::kError, done.error().what);
        plan_restart();
      }
    }
  }
  stop_kernel();
  if (region_.state().forwarder != Forwarder::kNobody) close_kernel(region_);
  return *result_;
}

Result<GatewayProcess> Guard::start(const std::vector<std::string>& command, Start how) {
  std::vector<int> inherited{region_.fd(), interfaces_[0], interfaces_[1]};
  inherited.insert(inherited.end(), sockets_.begin(), sockets_.end());
  return GatewayProcess::start(command, how, inherited);
}

Result<void> Guard::start_gateway() {
  watch_anew();
  auto started = start(command_, Start::kAlone);
  if (!started) return std::unexpected(started.error());
  gateway_ = std::move(*started);
  return {};
}

// No sign is no hang where the machine has no processor for it: from one look to the next its threads have
// waited for one most of the time. What is stopped, or turns in a circle, does not wait.
bool Guard::starves(Clock::time_point now) {
  const auto waited = waited_for_processor(gateway_.pid());
  if (!silence_) {
    silence_ = {now, now, waited};
    return true;
  }
  const Silence before = std::exchange(*silence_, {silence_->since, now, waited});
  return 2 * (waited - before.waited) > now - before.looked && now - before.since < kLongestStarving;
}

void Guard::watch_anew() {
  silence_.reset();
  SharedState& state = region_.state();
  state.running = false;
  state.workers = 0;
  started_ = Clock::now();
  up_since_.reset();
  control_sign_ = {};
  worker_signs_.clear();
}

void Guard::wait() {
  std::vector<pollfd> fds;
  for (const int fd : {signals_, gateway_.fd(), gateway_.socket()})
    fds.push_back({.fd = fd, .events = POLLIN, .revents = 0});
  if (upgrade_)
    for (const int fd : {upgrade_->next.fd(), upgrade_->next.socket()})
      fds.push_back({.fd = fd, .events = POLLIN, .revents = 0});
  poll(fds.data(), fds.size(), kLookEvery);
  on_messages();  // what it has said before it ended
  if (const auto status = gateway_.ended()) gateway_ended(*status);
  if (const auto status = former_.ended()) say(Urgency::kInfo, "the gateway before has ended");
}

void Guard::on_signals() {
  signalfd_siginfo info;
  while (read(signals_, &info, sizeof info) == sizeof info) on_signal(static_cast<int>(info.ssi_signo));
  int status = 0;
  if (kernel_ >= 0 && waitpid(kernel_, &status, WNOHANG) == kernel_) {
    say(Urgency::kError, "the process that has the kernel forward " + how_it_ended(status) +
                             (region_.state().kernel_ready ? "; the kernel goes on as it is" : ""));
    region_.state().kernel_process = 0;
    kernel_ = -1;
  }
}

void Guard::on_signal(int number) {
  if (number == SIGCHLD) return;
  if (number == SIGUSR2) return ask_upgrade(command_, kUpgradeWait);
  if (number != SIGHUP) {
    stopping_ = true;
    if (upgrade_ && upgrade_->may_be_given_up()) give_up_upgrade("the service is stopped");
  }
  if (upgrade_) return upgrade_->next.signal(number);  // it takes it when it is up
  if (gateway_.lives())
    gateway_.signal(number);
  else if (stopping_)
    result_ = 0;
}

void Guard::on_messages() {
  while (const auto message = gateway_.hear()) on_message(*message);
  while (upgrade_) {
    const auto message = upgrade_->next.hear();
    if (!message) break;
    if (upgrade_->next_said(*message, gateway_)) change_over();
  }
}

void Guard::on_message(const std::string& message) {
  if (message[0] == kStopKernel) {
    stop_kernel();
    gateway_.tell(kKernelStopped);
  } else if (message[0] == kUpgrade) {
    const std::size_t blank = std::min(message.find(' '), message.size() - 1);
    std::vector<std::string> command = command_;
    if (blank + 1 < message.size()) command[0] = message.substr(blank + 1);
    ask_upgrade(std::move(command), milliseconds(std::strtol(message.c_str() + 1, nullptr, 10)));
  } else if (upgrade_ && upgrade_->old_said(message, gateway_)) {
    change_over();
  }
}

void Guard::gateway_ended(int status) {
  const bool by_itself = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  if (upgrade_ && upgrade_->may_be_given_up()) give_up_upgrade("the gateway itself has ended");
  if (upgrade_) {
    if (!by_itself) say(Urgency::kError, "the gateway that is replaced " + how_it_ended(status));
    if (upgrade_->old_ended()) change_over();
    return;
  }
  waits_for_kernel_ = false;
  const bool came_up = region_.state().running || region_.state().forwarder != Forwarder::kNobody;
  if (by_itself || stopping_ || !came_up) {
    if (!by_itself) say(Urgency::kError, "the gateway " + how_it_ended(status));
    result_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return;
  }
  say(Urgency::kError, "the gateway " + how_it_ended(status));
  if (!std::exchange(trial_, {}).empty())
    say(Urgency::kError, "the new program did not come up: " + command_[0] + " is started again");
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
  if (!gateway_.lives()) return;
  if (!state.running) {
    if (state.forwarder == Forwarder::kNobody || now - started_ < kStartHangs) return;
    say(Urgency::kError, "the gateway does not come up: it is killed");
    gateway_.signal(SIGKILL);
    return;
  }
  if (!trial_.empty()) {
    command_ = std::exchange(trial_, {});
    say(Urgency::kInfo, "upgraded: " + command_[0] + " forwards");
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
  if (who.empty()) return silence_.reset();
  if (starves(now)) return;
  say(Urgency::kError, "the gateway hangs (" + who + " does nothing any more): it is killed");
  gateway_ended(gateway_.kill());
}

}  // namespace simplon::ctrl
