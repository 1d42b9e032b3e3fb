// SPDX-License-Identifier: Apache-2.0
// initiate, terminate and rekey: answers that come when the exchange is over.
#include <gmock/gmock.h>

#include "tests/ctrl/manage/vici_socket.h"

namespace simplon::ctrl {
namespace {

using vici::Client;
using vici::Message;
using vici::PacketType;

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

TEST_F(ViciSocket, AnUpgradeIsAnsweredWhenTheOtherTakesOverOrSaysWhyItDoesNot) {
  std::vector<std::string> asked;
  const auto with_end = [&](const Message& arguments, const Result<void>& end) {
    return with_client([&](Client& client) { return *client.call("upgrade", arguments); },
                       [&] {
                         for (auto& [what, done] : std::exchange(gateway_.waiting, {})) {
                           asked.push_back(what);
                           done(end);
                         }
                       });
  };
  EXPECT_EQ(with_end(Message(), {}).get("success"), "yes");
  const Message refused =
      with_end(Message().add("file", "/opt/simplond").add("timeout", "5000"), fail("ended with status 1"));
  EXPECT_EQ(refused.get("success"), "no");
  EXPECT_EQ(refused.get("errmsg"), "ended with status 1");
  EXPECT_EQ(with_end(Message().add("timeout", "soon"), {}).get("success"), "no");
  EXPECT_EQ(asked, (std::vector<std::string>{"upgrade  30000", "upgrade /opt/simplond 5000"}));
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

TEST_F(ViciSocket, RedirectSendsThePeersThatKnowItElsewhere) {
  gateway_.ikes.push_back(sites(now_, 2));
  gateway_.no_redirect.insert(ike::IkeSaId{1});
  const Message all = ask("redirect", Message().add("to", "203.0.113.9"));
  EXPECT_EQ(all.get("success"), "yes");
  EXPECT_EQ(all.get("matches"), "2");
  EXPECT_EQ(all.get("redirected"), "1");
  using Sent = std::pair<ike::IkeSaId, std::string>;
  EXPECT_EQ(gateway_.redirected, (std::vector<Sent>{{ike::IkeSaId{2}, "203.0.113.9"}}));
  EXPECT_NE(gateway_.lines.back().text.find("redirect 1 peers to 203.0.113.9"), std::string::npos);
  const auto by_number = Message().add("ike", "sites").add("ike-id", "2").add("gateway", "gw2.example");
  EXPECT_EQ(ask("redirect", by_number).get("success"), "yes") << "as swanctl asks";
  EXPECT_EQ(gateway_.redirected.back(), (Sent{ike::IkeSaId{2}, "gw2.example"}));
  const Message none = ask("redirect", Message().add("ike-id", "1").add("to", "2001:db8::9"));
  EXPECT_EQ(none.get("success"), "no");
  EXPECT_EQ(none.get("matches"), "1");
  EXPECT_NE(none.get("errmsg").find("REDIRECT"), std::string::npos);
  EXPECT_EQ(ask("redirect", Message().add("ike", "none").add("to", "203.0.113.9")).get("matches"), "0");
  EXPECT_EQ(gateway_.redirected.size(), 2u);
}

TEST_F(ViciSocket, RedirectRefusesWhatIsNoGateway) {
  for (const std::string& bad :
       {std::string(), std::string("0.0.0.0"), std::string("::"), std::string("203.0.113.999"),
        std::string("203.0.113.9/32"), std::string("gw..example"), std::string(".gw"),
        std::string("gw example"), std::string("gw."), std::string(254, 'a')})
    EXPECT_EQ(ask("redirect", Message().add("to", bad)).get("success"), "no") << bad;
  EXPECT_TRUE(gateway_.redirected.empty());
  EXPECT_EQ(ask("redirect", Message().add("to", std::string(253, 'a'))).get("success"), "yes");
}

TEST_F(ViciSocket, PlacementPinsTheChildAndReplacesItsSas) {
  const auto ask_for = [this](const char* child, const char* place) {
    return ask("placement",
               Message().add("ike", "sites").add("child", child).add("place", place).add("timeout", "-1"));
  };
  EXPECT_EQ(ask_for("net", "kernel").get("success"), "yes");
  ASSERT_EQ(gateway_.placed.size(), 1u);
  EXPECT_EQ(gateway_.placed[0], std::pair(gateway_.connections[0]->child("net")->policy, true));
  ASSERT_EQ(gateway_.waiting.size(), 1u);
  EXPECT_EQ(gateway_.waiting[0].first, "rekey child 7");
  EXPECT_EQ(ask_for("net", "dp").get("success"), "yes");
  EXPECT_FALSE(gateway_.placed.at(1).second);
  EXPECT_EQ(ask_for("none", "kernel").get("success"), "no");
  EXPECT_EQ(ask_for("net", "moon").get("success"), "no");
  gateway_.why_not_placed = "it has aggfrag";
  EXPECT_EQ(ask_for("net", "kernel").get("errmsg"), "it has aggfrag");
  EXPECT_EQ(gateway_.waiting.size(), 2u) << "nothing is replaced then";
}

TEST_F(ViciSocket, ANumberOfAnSaThatIsNoneIsRefused) {
  for (const char* command : {"terminate", "rekey", "list-sas"})
    for (const char* key : {"ike-id", "child-id"})
      for (const char* value : {"abc", "1x", "-1", "4294967296"})
        EXPECT_THAT(std::string(ask(command, Message().add(key, value)).get("errmsg")),
                    testing::HasSubstr(std::string(key) + ": '" + value + "' is no number"))
            << command;
  EXPECT_TRUE(gateway_.waiting.empty());
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

}  // namespace
}  // namespace simplon::ctrl
