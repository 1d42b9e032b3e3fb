#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <fstream>

#include "tests/ctrl/manage/fakes.h"

namespace simplon::ctrl {
namespace {

using vici::Client;
using vici::Message;
using vici::Packet;
using vici::PacketType;

int raw_connect(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  EXPECT_EQ(connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  return fd;
}

void raw_send(int fd, const Packet& packet) {
  const Buffer out = *vici::encode(packet);
  EXPECT_EQ(send(fd, out.data(), out.size(), MSG_NOSIGNAL), static_cast<ssize_t>(out.size()));
}

TEST_F(ViciSocket, IsForItsOwnerAndGroupOnly) {
  struct stat found {};
  ASSERT_EQ(stat(path_.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0660u);
}

TEST_F(ViciSocket, AStaleFileIsReplacedAndALivingDaemonIsNot) {
  const auto second = ViciServer::open(path_, Commands(gateway_.operations()));
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().what.find("running already"), std::string::npos);

  const std::string stale = folder_ + "/stale";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  stale.copy(address.sun_path, sizeof address.sun_path - 1);
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  close(fd);
  EXPECT_TRUE(ViciServer::open(stale, Commands(gateway_.operations())));

  std::ofstream(folder_ + "/file") << "precious";
  EXPECT_FALSE(ViciServer::open(folder_ + "/file", Commands(gateway_.operations())));
  EXPECT_TRUE(std::filesystem::exists(folder_ + "/file"));
}

TEST_F(ViciSocket, AMissingFolderIsMadeAndOnlyItsOwnerListsIt) {
  const std::string folder = folder_ + "/run";
  const mode_t before = umask(0077);
  const auto server = ViciServer::open(folder + "/simplon.vici", Commands(gateway_.operations()));
  umask(before);
  ASSERT_TRUE(server) << server.error().what;
  EXPECT_EQ(std::filesystem::status(folder).permissions(), std::filesystem::perms(0711))
      << "whatever the umask";
  EXPECT_TRUE(ViciServer::open(folder + "/second", Commands(gateway_.operations()))) << "it is there already";
  EXPECT_FALSE(ViciServer::open(folder_ + "/a/b/c", Commands(gateway_.operations())));
}

// A listener that stays readable would keep the control thread spinning.
TEST_F(ViciSocket, WithoutDescriptorsAClientIsSentAwayAndNothingSpins) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path_.copy(address.sun_path, sizeof address.sun_path - 1);
  const int client = socket(AF_UNIX, SOCK_STREAM, 0);
  rlimit before{}, few{};
  getrlimit(RLIMIT_NOFILE, &before);
  const int lowest_free = dup(0);
  close(lowest_free);
  few = before;
  few.rlim_cur = static_cast<rlim_t>(lowest_free);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
  const int connected = connect(client, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  server_->poll(now_);
  pollfd waiting{.fd = server_->fd(), .events = POLLIN, .revents = 0};
  const int ready = ::poll(&waiting, 1, 0);
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_EQ(connected, 0);
  EXPECT_EQ(ready, 0);
  char byte = 0;
  EXPECT_EQ(recv(client, &byte, 1, MSG_DONTWAIT), 0) << "it is told at once";
  close(client);
  EXPECT_TRUE(with_client([](Client& next) { return next.call("version", {}).has_value(); }));
}

TEST_F(ViciSocket, UnknownCommandsAndEventsAreSaid) {
  with_client([](Client& client) {
    EXPECT_FALSE(client.call("make-coffee", {}));
    EXPECT_FALSE(client.subscribe("coffee-ready"));
    EXPECT_TRUE(client.call("version", {}));
    return 0;
  });
}

TEST_F(ViciSocket, AClientThatBreaksTheProtocolIsHungUpOnAndOthersAreNot) {
  const int good = raw_connect(path_), bad = raw_connect(path_), response = raw_connect(path_);
  server_->poll(now_);
  EXPECT_EQ(server_->sessions(), 3u);
  EXPECT_EQ(send(bad, "\xff\xff\xff\xff", 4, 0), 4);
  raw_send(response, {PacketType::kCommandResponse, {}, {}});
  raw_send(good, {PacketType::kCommandRequest, "version", {}});
  server_->poll(now_);
  server_->poll(now_);
  EXPECT_EQ(server_->sessions(), 1u);
  std::array<char, 512> answer;
  EXPECT_GT(recv(good, answer.data(), answer.size(), 0), 40);
  for (const int fd : {good, bad, response}) close(fd);
  server_->poll(now_);
  EXPECT_EQ(server_->sessions(), 0u);
}

TEST_F(ViciSocket, MoreSessionsThanAllowedAreTurnedAway) {
  open({.sessions = 2});
  const std::array fds{raw_connect(path_), raw_connect(path_), raw_connect(path_)};
  server_->poll(now_);
  EXPECT_EQ(server_->sessions(), 2u);
  for (const int fd : fds) close(fd);
}

TEST_F(ViciSocket, RequestsThatWereSentTogetherAreAnsweredInOrder) {
  const int fd = raw_connect(path_);
  for (int i = 0; i < 50; ++i)
    raw_send(fd, {PacketType::kCommandRequest, i % 2 ? "version" : "ike-counters", {}});
  shutdown(fd, SHUT_WR);  // as `socat` does: the answers are still wanted
  vici::Framer framer;
  int answers = 0;
  for (int turn = 0; turn < 10; ++turn) {
    server_->poll(now_);
    std::array<std::uint8_t, 65536> chunk;
    for (ssize_t got; (got = recv(fd, chunk.data(), chunk.size(), 0)) > 0;)
      framer.append({chunk.data(), static_cast<std::size_t>(got)});
    for (auto segment = framer.next(); segment && *segment; segment = framer.next()) {
      const auto packet = vici::decode_packet(**segment);
      EXPECT_EQ(packet->message.value(answers++ % 2 ? "daemon" : "received") != nullptr, true);
    }
  }
  EXPECT_EQ(answers, 50);
  EXPECT_EQ(server_->sessions(), 0u);
  close(fd);
}

TEST_F(ViciSocket, AListingIsProducedOnlyAsFastAsItIsRead) {
  gateway_.ikes.clear();
  for (unsigned i = 1; i <= 20'000; ++i) gateway_.ikes.push_back(sites(now_, i));
  const int fd = raw_connect(path_);
  raw_send(fd, {PacketType::kEventRegister, "list-sa", {}});
  raw_send(fd, {PacketType::kCommandRequest, "list-sas", {}});
  for (int turn = 0; turn < 20; ++turn) server_->poll(now_);  // nobody reads: the server has to hold still
  EXPECT_EQ(server_->sessions(), 1u);
  close(fd);
  server_->poll(now_);

  std::size_t seen = 0;
  const Message end = with_client([&seen](Client& client) {
    return *client.call_streaming("list-sas", "list-sa", {}, [&seen](const auto&, const auto&) { ++seen; });
  });
  EXPECT_EQ(seen, 20'000u);
  EXPECT_TRUE(end.empty());
}

TEST_F(ViciSocket, LostLogLinesAreCountedAndTold) {
  open({.queue_bytes = 100'000});
  const int fd = raw_connect(path_);
  raw_send(fd, {PacketType::kEventRegister, "log", {}});
  server_->poll(now_);
  const LogEntry line{Level::kInfo, Category::kIke, "sites", 1, std::string(1000, 'x')};
  for (int i = 0; i < 5000; ++i) server_->log(line);
  EXPECT_EQ(server_->sessions(), 1u);
  vici::Framer framer;
  bool told = false;
  for (int turn = 0; turn < 1000 && !told; ++turn) {
    std::array<std::uint8_t, 65536> chunk;
    for (ssize_t got; (got = recv(fd, chunk.data(), chunk.size(), 0)) > 0;)
      framer.append({chunk.data(), static_cast<std::size_t>(got)});
    server_->poll(now_);
    server_->log({Level::kInfo, Category::kIke, {}, 0, "later"});
    for (auto segment = framer.next(); segment && *segment; segment = framer.next())
      told |= vici::decode_packet(**segment)->message.get("msg").find("lines lost") != std::string::npos;
  }
  EXPECT_TRUE(told);
  close(fd);
}

TEST_F(ViciSocket, AMonitorThatDoesNotReadIsHungUpOn) {
  open({.queue_bytes = 100'000});
  const int fd = raw_connect(path_);
  raw_send(fd, {PacketType::kEventRegister, "ike-updown", {}});
  server_->poll(now_);
  for (int i = 0; i < 5000; ++i) server_->event(ike::IkeEvent{ike::UpDown::kUp, ike::IkeSaId{1}}, now_);
  server_->poll(now_);
  server_->poll(now_);
  EXPECT_EQ(server_->sessions(), 0u);
  close(fd);
}

TEST_F(ViciSocket, InitiateIsAnsweredWhenItIsOverAndItsLogIsTold) {
  std::vector<std::string> lines;
  const Message answer = with_client(
      [&lines](Client& client) {
        return *client.call_streaming(
            "initiate", "control-log", Message().add("child", "net"),
            [&lines](const auto&, const Message& m) { lines.emplace_back(m.get("msg")); });
      },
      [this] {
        if (gateway_.waiting.empty()) return;
        EXPECT_EQ(gateway_.waiting.front().first, "initiate sites/net");
        server_->log({Level::kInfo, Category::kIke, "sites", 1, "sending IKE_SA_INIT"});
        server_->log({Level::kInfo, Category::kIke, "other", 2, "not ours"});
        server_->log({Level::kDebug, Category::kIke, "sites", 1, "too detailed"});
        const Done done = std::move(gateway_.waiting.front().second);
        gateway_.waiting.clear();
        done({});
      });
  EXPECT_EQ(answer.get("success"), "yes");
  EXPECT_EQ(lines, std::vector<std::string>{"sending IKE_SA_INIT"});
}

TEST_F(ViciSocket, AnExchangeThatFailsSaysWhy) {
  const Message answer = with_client(
      [](Client& client) {
        return *client.call("initiate", Message().add("ike", "sites").add("child", "net"));
      },
      [this] {
        for (auto& [what, done] : std::exchange(gateway_.waiting, {})) done(fail("the peer does not answer"));
      });
  EXPECT_EQ(answer.get("success"), "no");
  EXPECT_EQ(answer.get("errmsg"), "the peer does not answer");
}

TEST_F(ViciSocket, AWaitEndsAtItsTimeoutAndALateEndIsIgnored) {
  const Message answer = with_client(
      [](Client& client) {
        return *client.call("initiate", Message().add("child", "net").add("timeout", "5000"));
      },
      [this] {
        if (server_->deadline() && *server_->deadline() > now_) now_ = *server_->deadline();
      });
  EXPECT_EQ(answer.get("success"), "no");
  EXPECT_NE(answer.get("errmsg").find("5000 ms"), std::string::npos);
  ASSERT_EQ(gateway_.waiting.size(), 1u);
  gateway_.waiting.front().second({});  // its client has gone
  server_.reset();
  gateway_.waiting.front().second({});  // and so has the server
}

TEST_F(ViciSocket, TimeoutBelowZeroDoesNotWait) {
  EXPECT_EQ(ask("initiate", Message().add("child", "net").add("timeout", "-1")).get("success"), "yes");
  EXPECT_EQ(gateway_.waiting.size(), 1u);
}

TEST_F(ViciSocket, TerminateTellsMatchesAndEnds) {
  gateway_.ikes.push_back(sites(now_, 2));
  const auto over = [this](bool second_fails) {
    return [this, second_fails] {
      if (gateway_.waiting.size() < 2) return;
      auto both = std::exchange(gateway_.waiting, {});
      both[0].second({});
      both[1].second(second_fails ? Result<void>(fail("no answer")) : Result<void>());
    };
  };
  const auto terminate = [](Client& client) {
    return *client.call("terminate", Message().add("ike", "sites"));
  };
  Message answer = with_client(terminate, over(false));
  EXPECT_EQ(answer.get("success"), "yes");
  EXPECT_EQ(answer.get("matches"), "2");
  EXPECT_EQ(answer.get("terminated"), "2");
  answer = with_client(terminate, over(true));
  EXPECT_EQ(answer.get("success"), "no");
  EXPECT_EQ(answer.get("terminated"), "1");
  EXPECT_EQ(answer.get("errmsg"), "no answer");
}

TEST_F(ViciSocket, TerminateAndRekeyFindSasByNameAndNumber) {
  ask("terminate", Message().add("child", "net").add("timeout", "-1"));
  ask("terminate", Message().add("ike-id", "1").add("timeout", "-1"));
  ask("rekey", Message().add("child-id", "7").add("timeout", "-1"));
  ASSERT_EQ(gateway_.waiting.size(), 3u);
  EXPECT_EQ(gateway_.waiting[0].first, "terminate child 7");
  EXPECT_EQ(gateway_.waiting[1].first, "terminate ike 1");
  EXPECT_EQ(gateway_.waiting[2].first, "rekey child 7");
  EXPECT_EQ(ask("terminate", Message().add("child", "none")).get("matches"), "0");
  EXPECT_EQ(ask("rekey", {}).get("success"), "no");
}

TEST_F(ViciSocket, AClientThatLeavesDuringItsCommandLeavesNothingBehind) {
  const int fd = raw_connect(path_);
  raw_send(fd, {PacketType::kCommandRequest, "initiate", Message().add("child", "net")});
  server_->poll(now_);
  ASSERT_EQ(gateway_.waiting.size(), 1u);
  close(fd);
  server_->poll(now_);
  EXPECT_EQ(server_->sessions(), 0u);
  gateway_.waiting.front().second({});
}

TEST_F(ViciSocket, EventsTellOfSasThatAreAlreadyGone) {
  std::vector<Packet> seen;
  with_client(
      [&seen](Client& client) {
        for (const auto* event : {"ike-updown", "child-updown", "child-rekey"})
          EXPECT_TRUE(client.subscribe(event));
        EXPECT_TRUE(client.call("log-level", Message().add("level", "info")));
        while (seen.size() < 3) seen.push_back(*client.next_event());
        return 0;
      },
      [this, raised = false]() mutable {
        if (raised || gateway_.lines.empty()) return;  // the level was set: all three registrations stand
        raised = true;
        ike::IkeStatus& ike = gateway_.ikes.front();
        ike::ChildStatus newer = ike.children.front();
        newer.id = ike::ChildSaId{8};
        newer.spi_in = Spi{0xaaaa0001};
        ike.children = {newer};
        server_->event(ike::ChildEvent{ike::UpDown::kRekeyed, ike.id, ike::ChildSaId{8}, ike::ChildSaId{7}},
                       now_);
        ike.children.clear();
        server_->event(ike::ChildEvent{ike::UpDown::kDown, ike.id, ike::ChildSaId{8}}, now_);
        gateway_.ikes.clear();
        server_->event(ike::IkeEvent{ike::UpDown::kDown, ike::IkeSaId{1}}, now_);
      });
  ASSERT_EQ(seen.size(), 3u);
  EXPECT_EQ(seen[0].name, "child-rekey");
  const Message* both = seen[0].message.section("sites")->section("child-sas")->section("net");
  ASSERT_TRUE(both);
  EXPECT_EQ(both->section("old")->get("spi-in"), "c0ffee01");
  EXPECT_EQ(both->section("new")->get("spi-in"), "aaaa0001");
  EXPECT_EQ(seen[1].name, "child-updown");
  EXPECT_EQ(seen[1].message.value("up"), nullptr);
  EXPECT_TRUE(seen[1].message.section("sites")->section("child-sas")->section("net-8"));
  EXPECT_EQ(seen[2].name, "ike-updown");
  EXPECT_EQ(seen[2].message.section("sites")->section("child-sas"), nullptr);
}

}  // namespace
}  // namespace simplon::ctrl
