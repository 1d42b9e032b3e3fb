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

// SIGUSR2: the same program again.
class Upgrades {
 public:
  explicit Upgrades(const std::vector<std::string>& ways) : guard(ways) {
    EXPECT_TRUE(guard.comes([&] { return guard.count("starts", "\n") == 1; }));
    ask();
  }
  // Until the gateway is up there is nothing to upgrade, and the log says so.
  void ask() const {
    EXPECT_TRUE(guard.comes([&] {
      const std::size_t before = guard.count("log", "no gateway is up"), begun = guard.count("log", "beside");
      guard.send(SIGUSR2);
      EXPECT_TRUE(guard.comes([&] {
        return guard.count("log", "no gateway is up") > before || guard.count("log", "beside") > begun;
      }));
      return guard.count("log", "beside") > begun;
    }));
  }
  bool logs(const std::string& what) const {
    return guard.comes([&] { return guard.count("log", what) == 1; });
  }
  GuardProcess guard;
};

TEST(Guard, AnUpgradeReplacesTheGatewayByOneThatCameUpBesideIt) {
  Upgrades test({"up", "up"});
  EXPECT_TRUE(test.logs("upgraded: ")) << test.guard.text("log");
  EXPECT_EQ(test.guard.text("starts"), "up\nup\nreplaced\n");
  EXPECT_EQ(test.guard.count("log", "error"), 0u) << test.guard.text("log");
  test.guard.send(SIGTERM);
  EXPECT_EQ(test.guard.ends(), 0);
}

TEST(Guard, AnUpgradeWhoseProgramRefusesIsGivenUpAndTheReasonIsTold) {
  Upgrades test({"up", "refuse"});
  EXPECT_TRUE(test.logs("says: no port")) << test.guard.text("log");
  EXPECT_TRUE(test.guard.comes([&] { return test.guard.text("starts") == "up\nrefuse\nnot upgraded\n"; }));
  test.guard.send(SIGTERM);
  EXPECT_EQ(test.guard.ends(), 0) << "the old one went on";
}

TEST(Guard, OneThatNeedsThePortsComesAfterTheOldOneIsDead) {
  Upgrades test({"up", "first"});
  EXPECT_TRUE(test.logs("upgraded: ")) << test.guard.text("log");
  EXPECT_EQ(test.guard.text("starts"), "up\nfirst\nreplaced\n");
  test.guard.send(SIGTERM);
  EXPECT_EQ(test.guard.ends(), 0);
}

TEST(Guard, OneThatFailsWhileItTakesOverIsAnsweredByTheOldProgram) {
  Upgrades test({"up", "broken", "up"});
  EXPECT_TRUE(test.logs("the upgrade fails while it takes over")) << test.guard.text("log");
  EXPECT_TRUE(test.guard.comes([&] { return test.guard.text("starts") == "up\nbroken\nup\n"; }))
      << test.guard.text("starts");
  test.guard.send(SIGTERM);
  EXPECT_EQ(test.guard.ends(), 0);
}

TEST(Guard, AnOldOneThatDoesNotAnswerIsKilledAndReplaced) {
  Upgrades test({"stuck", "up"});
  EXPECT_TRUE(test.logs("upgraded: ")) << test.guard.text("log");
  EXPECT_GE(test.guard.count("log", "is killed"), 1u) << test.guard.text("log");
  EXPECT_EQ(test.guard.text("starts"), "stuck\nup\n");
  test.guard.send(SIGTERM);
  EXPECT_EQ(test.guard.ends(), 0);
}

TEST(Guard, AStopGivesUpAnUpgradeThatIsNotReady) {
  Upgrades test({"up", "never"});
  EXPECT_TRUE(test.guard.comes([&] { return test.guard.count("starts", "never") == 1; }));
  test.guard.send(SIGTERM);
  EXPECT_EQ(test.guard.ends(), 0);
  EXPECT_EQ(test.guard.count("log", "no upgrade: the service is stopped"), 1u) << test.guard.text("log");
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
