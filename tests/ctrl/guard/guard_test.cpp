// SPDX-License-Identifier: Apache-2.0
// The guard as a process, with a gateway that only lives and dies (stub_gateway.cpp). With a real one, and
// the kernel as the forwarder: tests/uml/takeover_test.sh.
#include "ctrl/guard/guard.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace simplon::ctrl {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class GuardProcess {
 public:
  explicit GuardProcess(const std::vector<std::string>& ways) {
    std::string name = (std::filesystem::temp_directory_path() / "simplon-guard-XXXXXX").string();
    folder_ = mkdtemp(name.data());
    std::vector<std::string> command{STUB_GATEWAY, file("starts")};
    command.insert(command.end(), ways.begin(), ways.end());
    pid_ = fork();
    if (pid_ != 0) return;
    const int log = open(file("log").c_str(), O_CREAT | O_WRONLY | O_APPEND, 0600);
    dup2(log, STDERR_FILENO);
    auto guard = Guard::open(command, {-1, -1, -1, -1});
    _exit(guard ? guard->run() : 99);
  }
  ~GuardProcess() {
    if (!status_) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
    std::filesystem::remove_all(folder_);
  }
  GuardProcess(const GuardProcess&) = delete;
  GuardProcess& operator=(const GuardProcess&) = delete;

  std::string text(const std::string& of) const {
    std::stringstream out;
    out << std::ifstream(file(of)).rdbuf();
    return out.str();
  }
  std::size_t count(const std::string& of, const std::string& what) const {
    const std::string all = text(of);
    std::size_t n = 0;
    for (std::size_t at = all.find(what); at != std::string::npos; at = all.find(what, at + 1)) ++n;
    return n;
  }
  bool comes(const std::function<bool()>& condition) const {
    const auto end = std::chrono::steady_clock::now() + seconds(30);
    while (std::chrono::steady_clock::now() < end) {
      if (condition()) return true;
      std::this_thread::sleep_for(milliseconds(10));
    }
    return false;
  }
  void send(int signal) const { kill(pid_, signal); }
  std::optional<int> ends() {
    const bool ended = comes([this] {
      int status = 0;
      if (waitpid(pid_, &status, WNOHANG) != pid_) return false;
      status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
      return true;
    });
    return ended ? status_ : std::nullopt;
  }

 private:
  std::string file(const std::string& name) const { return folder_ + "/" + name; }
  std::string folder_;
  pid_t pid_ = -1;
  std::optional<int> status_;
};

TEST(Guard, SigtermEndsTheGatewayAndThenTheGuard) {
  GuardProcess guard({"up"});
  ASSERT_TRUE(guard.comes([&] { return guard.count("starts", "up") == 1; }));
  guard.send(SIGTERM);
  EXPECT_EQ(guard.ends(), 0);
  EXPECT_EQ(guard.text("starts"), "up\n");
}

TEST(Guard, AGatewayThatNeverCameUpIsNotTriedAgain) {
  GuardProcess guard({"refuse"});
  EXPECT_EQ(guard.ends(), 1);
  EXPECT_EQ(guard.text("starts"), "refuse\n");
}

TEST(Guard, AGatewayThatCrashesIsStartedAgainWithTheReasonInTheLog) {
  GuardProcess guard({"crash", "fail", "up"});
  ASSERT_TRUE(guard.comes([&] { return guard.count("starts", "up") == 1; })) << guard.text("log");
  EXPECT_EQ(guard.count("log", "was killed by signal 6"), 1u) << guard.text("log");
  EXPECT_EQ(guard.count("log", "ended with status 3"), 1u) << guard.text("log");
  EXPECT_EQ(guard.count("log", "started again in"), 1u) << "each time later: " << guard.text("log");
  guard.send(SIGTERM);
  EXPECT_EQ(guard.ends(), 0);
}

TEST(Guard, OneThatHangsIsKilledBeforeAnotherIsStarted) {
  GuardProcess guard({"hang", "up"});
  ASSERT_TRUE(guard.comes([&] { return guard.count("starts", "up") == 1; })) << guard.text("log");
  EXPECT_GE(guard.count("log", "worker 0 does nothing any more"), 1u) << guard.text("log");
  EXPECT_GE(guard.count("log", "was killed by signal 9"), 1u) << guard.text("log");
  guard.send(SIGTERM);
  EXPECT_EQ(guard.ends(), 0);
}

TEST(Guard, AStopWhileTheGatewayIsDeadEndsTheGuard) {
  GuardProcess guard({"crash", "crash", "crash", "crash", "crash", "crash"});
  ASSERT_TRUE(guard.comes([&] { return guard.count("log", "started again in 1000 ms") == 1; }))
      << guard.text("log");
  guard.send(SIGTERM);
  EXPECT_TRUE(guard.ends());
}

}  // namespace
}  // namespace simplon::ctrl
