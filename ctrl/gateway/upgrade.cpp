// SPDX-License-Identifier: Apache-2.0
#include "ctrl/gateway/upgrade.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "ctrl/gateway/clock.h"

namespace simplon::ctrl {
namespace {

constexpr std::size_t kMostOutput = 4096;

Result<void> is_program(const std::string& file) {
  struct stat found{};
  if (!file.starts_with('/')) return fail(file + ": the program's whole path is needed");
  if (stat(file.c_str(), &found) != 0) return fail(file + ": " + std::strerror(errno));
  if (!S_ISREG(found.st_mode) || access(file.c_str(), X_OK) != 0)
    return fail(file + " is no program that may be executed");
  return {};
}

// This thread is bound to one core, which a program that looks at its cores must not inherit.
class Unbound {
 public:
  Unbound() {
    sched_getaffinity(0, sizeof bound_, &bound_);
    cpu_set_t all;
    std::memset(&all, 0xff, sizeof all);  // the kernel takes those that we may have
    sched_setaffinity(0, sizeof all, &all);
  }
  ~Unbound() { sched_setaffinity(0, sizeof bound_, &bound_); }
  Unbound(const Unbound&) = delete;
  Unbound& operator=(const Unbound&) = delete;

 private:
  cpu_set_t bound_{};
};

// With an empty mask, and none of our descriptors but its output.
Result<pid_t> spawn(std::array<std::string, 3> words, int output) {
  std::array<char*, 4> arguments{words[0].data(), words[1].data(), words[2].data(), nullptr};
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&files, output, STDERR_FILENO);
  posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  pid_t pid = -1;
  const Unbound unbound;
  const int error = posix_spawn(&pid, words[0].c_str(), &files, &attributes, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) return fail(words[0] + " cannot be started: " + std::strerror(error));
  return pid;
}

}  // namespace

UpgradeRequest::~UpgradeRequest() { end_trial(); }

void UpgradeRequest::ask(const std::string& file, std::chrono::milliseconds wait, Done done) {
  if (guarded_ == nullptr) return done(fail("there is no guard: start simplon-guard instead of simplond"));
  if (done_) return done(fail("an upgrade is under way"));
  if (!file.empty())
    if (const auto program = is_program(file); !program) return done(program);
  done_ = std::move(done);
  file_ = file;
  wait_ = wait;
  if (file.empty()) return guarded_->ask_upgrade(wait, {});
  if (const auto begun = try_out(file); !begun) answer(begun);
}

Result<void> UpgradeRequest::try_out(const std::string& file) {
  std::array<int, 2> pipe{};
  if (pipe2(pipe.data(), O_CLOEXEC | O_NONBLOCK) != 0)
    return fail(std::string("a pipe: ") + std::strerror(errno));
  const auto pid = spawn({file, "--check", config_}, pipe[1]);
  close(pipe[1]);
  if (!pid) {
    close(pipe[0]);
    return std::unexpected(pid.error());
  }
  trial_ = *pid;
  output_ = pipe[0];
  said_.clear();
  until_ = clock_now() + wait_;
  poller_.add(output_, [this] { trial_said(); });
  return {};
}

void UpgradeRequest::trial_said() {
  std::array<char, 512> part{};
  ssize_t length = 0;
  while ((length = read(output_, part.data(), part.size())) > 0)
    if (said_.size() < kMostOutput) said_.append(part.data(), static_cast<std::size_t>(length));
  if (length == 0) close_output();
}

// Who closes its output may go on all the same: nobody waits for it here.
void UpgradeRequest::tick(Now now) {
  if (trial_ < 0) return;
  int status = 0;
  if (waitpid(trial_, &status, WNOHANG) == trial_) {
    trial_ = -1;
    if (output_ >= 0) trial_said();
    return trial_ended(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
  if (now < until_) return;
  end_trial();
  answer(fail(file_ + " --check " + config_ + " does not end"));
}

void UpgradeRequest::trial_ended(bool good) {
  end_trial();
  if (good) return guarded_->ask_upgrade(wait_, file_);
  while (said_.ends_with('\n')) said_.pop_back();
  answer(fail(file_ + " --check " + config_ + " fails" + (said_.empty() ? "" : ": " + said_)));
}

void UpgradeRequest::close_output() {
  if (output_ < 0) return;
  poller_.remove(output_);
  close(std::exchange(output_, -1));
}

void UpgradeRequest::end_trial() {
  if (trial_ >= 0) {
    kill(trial_, SIGKILL);
    waitpid(std::exchange(trial_, -1), nullptr, 0);
  }
  close_output();
}

void UpgradeRequest::answer(const Result<void>& result) {
  end_trial();
  if (const Done done = std::exchange(done_, {})) done(result);
}

}  // namespace simplon::ctrl
