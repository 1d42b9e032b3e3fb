// SPDX-License-Identifier: Apache-2.0
// The guard's child that has the kernel forward (kernel_forwarder.h).
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "ctrl/guard/guard.h"
#include "ctrl/guard/kernel_forwarder.h"
#include "ctrl/guard/say.h"

namespace simplon::ctrl {
namespace {

constexpr std::chrono::seconds kKernelWait{20};  // for the kernel to forward, before the next gateway starts

}  // namespace

void Guard::start_kernel() {
  if (region_.state().forwarder == Forwarder::kNobody || kernel_ >= 0) return;
  for (std::array<char, 64> name{}; recv(interfaces_[1], name.data(), name.size(), MSG_DONTWAIT) > 0;) {
  }  // what was left to nobody is gone with its message
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
